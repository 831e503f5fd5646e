/**
 * The threads of an embedder. A job goes to the thread with the fewest; within one, jobs take turns at their own pace.
 * They keep the process alive only while work is pending.
 */
import { Worker } from 'node:worker_threads';
import { startThread } from '../core/call.js';
import { FunnelError } from '../core/errors.js';
import { moduleFile } from '../core/places.js';
import {
  type EmbedResult,
  type EmbedTask,
  type Engine,
  type ErrorParts,
  embedderClosed,
  errorFromParts,
  type TaskControl,
} from './engine.js';
import { Gate } from './gate.js';
import type { EngineSetup } from './open.js';
import { loadOnnxruntime } from './packages.js';

export interface EngineThreadSetup {
  engine: EngineSetup;
  gate: Int32Array;
}

export type EngineJob =
  | { kind: 'embed'; task: EmbedTask }
  | { kind: 'count'; texts: readonly string[]; prefix: string };

/** To a thread; `cancel` is shared memory that becomes 1. 'close': ends when what is at work has ended. */
export type EngineRequest = { id: number; job: EngineJob; cancel: Int32Array } | 'close';

/** As the engine says it. */
export type Loaded = Pick<Engine, 'width' | 'decisions'>;

/** From a thread. The first one says that the model is loaded. */
export type EngineReply =
  | Loaded
  | { id: number; progress: { done: number; truncated: number } }
  | { id: number; result: EmbedResult | Uint32Array }
  | { id: number | undefined; error: ErrorParts };

interface Pending {
  control: TaskControl;
  cancel: Int32Array;
  resolve(result: EmbedResult | Uint32Array): void;
  reject(error: unknown): void;
}

/**
 * Megabytes of new objects of a thread. Outputs of runs count among them and are freed with them: by default 32 MB of those
 * would wait for it.
 */
const YOUNG = 3;
/** Milliseconds that the end of the process waits for a run. */
const LAST_RUN = 60_000;

export class EmbedThreads {
  readonly #threads: EmbedThread[] = [];
  #closed = false;

  constructor(
    readonly size: number,
    readonly setup: EngineSetup,
  ) {}

  /** Whether threads can be had at all: a bundle has no file for them. */
  static get available(): boolean {
    return workerFile() !== undefined;
  }

  /** Starts one thread; what it says of the model. */
  loaded(): Promise<Loaded> {
    return (this.#threads[0] ?? this.#start()).ready;
  }

  embed(task: EmbedTask, control: TaskControl): Promise<EmbedResult> {
    return this.#run({ kind: 'embed', task }, control) as Promise<EmbedResult>;
  }

  countTokens(texts: readonly string[], prefix: string, control: TaskControl): Promise<Uint32Array> {
    return this.#run({ kind: 'count', texts, prefix }, control) as Promise<Uint32Array>;
  }

  /** Has pending jobs stop early that are cancelled by now. */
  cancel(): void {
    for (const thread of this.#threads) thread.cancel();
  }

  /** Resolves when the threads have ended: after a run that was at work. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }

  async #run(job: EngineJob, control: TaskControl): Promise<EmbedResult | Uint32Array> {
    if (this.#closed) throw embedderClosed();
    let thread = this.#threads.find(({ load }) => load === 0);
    if (thread === undefined && this.#threads.length < this.size) thread = this.#start();
    thread ??= this.#threads.reduce((least, one) => (one.load < least.load ? one : least));
    return thread.run(job, control);
  }

  #start(): EmbedThread {
    // Up to 1.24.3 onnxruntime-node cannot be loaded again once the last thread that had it has ended: this one keeps it.
    if (this.setup.kind === 'onnx') loadOnnxruntime();
    const thread = new EmbedThread(this.setup, () => {
      const at = this.#threads.indexOf(thread);
      if (at >= 0) this.#threads.splice(at, 1); // the next job starts another
    });
    this.#threads.push(thread);
    return thread;
  }
}

class EmbedThread {
  /** When the model is loaded. */
  readonly ready: Promise<Loaded>;
  readonly #worker: Worker;
  readonly #gate = new Gate();
  readonly #pending = new Map<number, Pending>();
  readonly #onEnd: () => void;
  readonly #ended: Promise<void>;
  #settle!: { ready(loaded: Loaded): void; broken(error: unknown): void };
  #nextId = 0;
  #closing = false;

  constructor(engine: EngineSetup, onEnd: () => void) {
    const file = workerFile();
    if (file === undefined) throw new FunnelError('MODEL_FAILED', 'There is no file for embedding threads here');
    const setup: EngineThreadSetup = { engine, gate: this.#gate.state };
    // No flags of the process: some of them (--input-type, --test) make no sense for a file run by a worker.
    const options = {
      execArgv: [],
      name: 'funnelvec embed',
      workerData: setup,
      ...(engine.kind === 'onnx' && { resourceLimits: { maxYoungGenerationSizeMb: YOUNG } }),
    };
    this.#worker = startThread(() => new Worker(file, options), 'MODEL_FAILED');
    this.#onEnd = onEnd;
    this.ready = new Promise((ready, broken) => {
      this.#settle = { ready, broken };
    });
    this.ready.catch(() => {}); // jobs are told, too
    this.#worker.on('message', (reply: EngineReply) => this.#receive(reply));
    const failed = (cause: unknown) =>
      this.#fail(new FunnelError('MODEL_FAILED', 'An embedding thread ended', { cause }));
    this.#worker.on('error', failed);
    this.#worker.on('messageerror', failed);
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        failed(new Error(`exit code ${code}`));
        living.delete(this);
        if (living.size === 0) process.off('exit', endAll);
        resolve();
      });
    });
    if (living.size === 0) process.once('exit', endAll);
    living.add(this);
  }

  /** Jobs given and not done. */
  get load(): number {
    return this.#pending.size;
  }

  run(job: EngineJob, control: TaskControl): Promise<EmbedResult | Uint32Array> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const cancel = new Int32Array(new SharedArrayBuffer(4));
      this.#worker.postMessage({ id, job, cancel } satisfies EngineRequest);
      this.#pending.set(id, { control, cancel, resolve, reject });
      this.#worker.ref();
    });
  }

  cancel(): void {
    for (const { control, cancel } of this.#pending.values()) if (control.cancelled()) Atomics.store(cancel, 0, 1);
  }

  close(): Promise<void> {
    this.#end(embedderClosed());
    this.#closing = true;
    this.#worker.ref(); // its end is worth waiting for
    this.#worker.postMessage('close' satisfies EngineRequest);
    return this.#ended;
  }

  /** The process ends, and this thread with it, but not inside a run. */
  endNow(): void {
    this.#gate.close();
    this.#gate.waitUntilEmpty(LAST_RUN);
  }

  #receive(reply: EngineReply): void {
    if ('width' in reply) {
      this.#settle.ready(reply);
      this.#rest();
      return;
    }
    if ('error' in reply && reply.id === undefined) {
      this.#fail(errorFromParts(reply.error));
      return;
    }
    const job = this.#pending.get(reply.id!);
    if (job === undefined) return; // given up
    if ('progress' in reply) {
      job.control.progress(reply.progress.done, reply.progress.truncated);
      return;
    }
    this.#pending.delete(reply.id!);
    this.#rest();
    if ('error' in reply) job.reject(errorFromParts(reply.error));
    else job.resolve(reply.result);
  }

  /** Without work it keeps no process alive. */
  #rest(): void {
    if (this.#pending.size === 0 && !this.#closing) this.#worker.unref();
  }

  #fail(error: unknown): void {
    this.#onEnd();
    this.#end(error);
    this.#rest();
    this.#worker.postMessage('close' satisfies EngineRequest);
  }

  #end(error: unknown): void {
    this.#gate.close();
    this.#settle.broken(error);
    for (const { cancel, reject } of this.#pending.values()) {
      Atomics.store(cancel, 0, 1);
      reject(error);
    }
    this.#pending.clear();
  }
}

/** Threads that process.exit() would end wherever they are. */
const living = new Set<EmbedThread>();

function endAll(): void {
  for (const thread of living) thread.endNow();
}

function workerFile(): string | undefined {
  return moduleFile('embed/worker.js');
}
