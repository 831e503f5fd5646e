/** The contract of a model at work, on whichever thread: texts in, finished vectors out. */
import { FunnelError, type FunnelErrorCode } from '../core/errors.js';
import { isError } from '../core/realm.js';
import type { Finish } from './finish.js';
import type { Role } from './types.js';

/** Plain data: it goes to other threads. */
export interface EmbedTask {
  texts: readonly string[];
  /** Place of each text in the caller's list, for messages. */
  places: Uint32Array;
  role: Role;
  prefix: string;
  finish: Finish;
}

export interface TaskControl {
  /** Asked between steps. */
  cancelled(): boolean;
  /** Texts done so far. */
  progress(done: number, truncated: number): void;
}

export interface EmbedResult {
  /** texts.length × dim. */
  vectors: Float32Array;
  truncated: number;
}

export interface Engine {
  /** Dims of a vector before the cut. */
  readonly width: number;
  /** Decisions made about the model when it was loaded, and why: a sentence each, for people. */
  readonly decisions: readonly string[];
  embed(task: EmbedTask, control: TaskControl): Promise<EmbedResult>;
  /** Tokens of each text before anything is left out, special ones included. */
  countTokens(texts: readonly string[], prefix: string): Promise<Uint32Array>;
  close(): Promise<void>;
}

export function notFiniteOutput(index: number): FunnelError {
  return new FunnelError(
    'NOT_FINITE',
    `Expected finite numbers from the model for texts[${index}] but received NaN or Infinity`,
  );
}

/** Errors lose their class between threads: the parts travel. */
export interface ErrorParts {
  code: FunnelErrorCode;
  message: string;
  cause: unknown;
}

export function errorParts(error: unknown): ErrorParts {
  if (error instanceof FunnelError) return { code: error.code, message: error.message, cause: error.cause };
  const message = `The model failed: ${isError(error) ? error.message : String(error)}`;
  return { code: 'MODEL_FAILED', message, cause: error };
}

export function errorFromParts({ code, message, cause }: ErrorParts): FunnelError {
  return new FunnelError(code, message, { cause });
}

export function embedderClosed(): FunnelError {
  return new FunnelError('CLOSED', 'Expected an open embedder but it was closed');
}
