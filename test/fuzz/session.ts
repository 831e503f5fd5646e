/**
 * A session: calls that follow from one seed, judged one by one. A fault is a Finding, which says how to see it again.
 */
import { inspect } from 'node:util';
import { FunnelError, type FunnelErrorCode } from 'funnelvec';
import { type Hostile, Trap } from './hostile.js';

const CODES: Record<FunnelErrorCode, true> = {
  BAD_ARGUMENT: true,
  BAD_PLAN: true,
  BAD_DIMS: true,
  UNSUPPORTED: true,
  TOO_DEEP: true,
  NOT_FINITE: true,
  ZERO_QUERY: true,
  DETACHED_BUFFER: true,
  BAD_ID: true,
  KERNELS_UNAVAILABLE: true,
  MISSING_PACKAGE: true,
  BAD_RESPONSE: true,
  NOT_FOUND: true,
  NO_COLLECTION: true,
  NO_FIELD: true,
  NOT_LOADED: true,
  REFUSED: true,
  UNREACHABLE: true,
  UNAVAILABLE: true,
  RATE_LIMITED: true,
  TIMEOUT: true,
  ABORTED: true,
  NO_INDEX: true,
  INDEX_EXISTS: true,
  INDEX_LOCKED: true,
  CORRUPT: true,
  UNSUPPORTED_FORMAT: true,
  DISK: true,
  NOT_WRITABLE: true,
  CLOSED: true,
  STALE: true,
  MODEL_FAILED: true,
  NO_MODEL: true,
};

/** A call that takes longer hangs. */
const LONGEST_MS = 30_000;
/** A session takes seconds at most. */
const LONGEST_SESSION_MS = 90_000;

export class Finding extends Error {
  override readonly name = 'Finding';
}

export interface Expectations<T> {
  /** The arguments make sense: an error is wrong, but for these codes. */
  valid?: boolean | readonly FunnelErrorCode[];
  /** Throws where the answer is wrong. */
  judge?: ((answer: T) => void) | undefined;
}

export class Session {
  calls = 0;
  /** The last calls. */
  readonly trail: string[] = [];

  constructor(readonly random: Hostile) {}

  /** Makes the call. The answer, or undefined where it was refused rightly. */
  async call<T>(
    name: string,
    args: unknown,
    run: () => T,
    { valid = false, judge }: Expectations<Awaited<T>> = {},
  ): Promise<Awaited<T> | undefined> {
    this.calls++;
    this.trail.push(name);
    if (this.trail.length > 12) this.trail.shift();
    let answer: Awaited<T>;
    try {
      const running = run();
      answer = (isPromise(running) ? await inTime(running, LONGEST_MS) : running) as Awaited<T>;
    } catch (error) {
      const why = errorIsWrong(error, valid);
      if (why !== undefined) throw finding(name, args, why, error);
      return undefined;
    }
    try {
      judge?.(answer);
    } catch (error) {
      throw finding(name, args, `a wrong answer: ${(error as Error).message}`, answer);
    }
    return answer;
  }

  /** As it is, or with something odd in it; whether it still makes sense. */
  perhaps<T>(args: T, share = 0.5): { args: T; valid: boolean } {
    if (!this.random.chance(share)) return { args, valid: true };
    return { args: this.random.mutated(args) as T, valid: false };
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise;
}

/** The timer also keeps a process alive that has nothing else to wait for, so that a lost promise is seen. */
function inTime<T>(running: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing came within ${ms / 1000} s`)), ms);
    running.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** @throws Finding where it does not end */
export async function runSession(kind: (session: Session) => Promise<void>, session: Session): Promise<void> {
  try {
    await inTime(kind(session), LONGEST_SESSION_MS);
  } catch (error) {
    if (error instanceof Finding) throw error;
    throw new Finding(`${(error as Error)?.stack ?? error}\n  after: ${session.trail.join(', ')}`, { cause: error });
  }
}

function errorIsWrong(error: unknown, valid: boolean | readonly FunnelErrorCode[]): string | undefined {
  if (isTrap(error)) return undefined;
  if (!(error instanceof FunnelError)) return 'an error that is no FunnelError';
  if (!Object.hasOwn(CODES, error.code)) return `an error with the unknown code ${error.code}`;
  if (/undefined is not a |is not iterable|Cannot read prop|Cannot destructure/.test(error.message))
    return 'a strange message';
  if (valid === true) return 'an error for arguments that make sense';
  if (Array.isArray(valid) && !valid.includes(error.code)) return 'an error for arguments that make sense';
  return undefined;
}

/** The caller's own error, or that of his revoked proxy, as it is or as a cause. */
function isTrap(error: unknown): boolean {
  for (let depth = 0, at = error; depth < 6 && typeof at === 'object' && at !== null; depth++) {
    if (at instanceof Trap || (at instanceof TypeError && /has been revoked|proxy|Proxy/.test(at.message))) return true;
    at = (at as { cause?: unknown }).cause;
  }
  return false;
}

function finding(name: string, args: unknown, why: string, what: unknown): Finding {
  const show = (value: unknown) => {
    try {
      const text = inspect(value, { depth: 5, maxArrayLength: 12, maxStringLength: 200, breakLength: 160 });
      return text.length > 4000 ? `${text.slice(0, 4000)} …` : text;
    } catch (error) {
      return `(cannot be shown: ${error})`;
    }
  };
  return new Finding(`${name}: ${why}\n  arguments: ${show(args)}\n  outcome: ${show(what)}`, { cause: what });
}

/** Hits are best first, with scores that are numbers. */
export function assertRanked(hits: readonly { score: number }[], smallerIsBetter: boolean): void {
  let before = smallerIsBetter ? -Infinity : Infinity;
  for (const { score } of hits) {
    if (!Number.isFinite(score) || Object.is(score, -0)) throw new Error(`a score of ${score}`);
    if (smallerIsBetter ? score < before : score > before) throw new Error(`${score} after ${before}`);
    before = score;
  }
}
