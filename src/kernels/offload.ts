/**
 * Kernels off the main thread: one worker per thread that asks, started at the first call. It keeps the process alive
 * only while work is pending. Inputs are copied into it, except shared memory; outputs are copied back.
 */
// By its default export: webpack makes `createRequire` undefined where it is imported by name.
import nodeModule from 'node:module';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../core/call.js';
import { FunnelError, type FunnelErrorCode } from '../core/errors.js';
import { moduleFile } from '../core/places.js';
import { isSharedMemory } from '../core/shared.js';
import { runInSlices } from './in-slices.js';
import type { BadPosition, FunnelTask, Kernels, ScanTask } from './kernels.js';
import { fromPost, toPost } from './post.js';

export type OffloadBackend = 'wasm' | 'js';
export type OffloadKernel = 'funnelBatch' | 'scanBatch';
export type OffloadTask = FunnelTask | ScanTask;

/** To the worker. The tasks' outputs are empty arrays of the right length, which come back in the reply. */
export interface OffloadRequest {
  id: number;
  backend: OffloadBackend;
  kernel: OffloadKernel;
  tasks: OffloadTask[];
}

/** From the worker. */
export type OffloadReply =
  | { id: number; bad: BadPosition[]; outputs: { indices: Uint32Array; keys: Float64Array }[] }
  | { id: number; error: { code: FunnelErrorCode; message: string; cause: unknown } };

/**
 * @param kernels of the worker, by their name; they do the work in slices where there is none: a bundle has no file for one
 * @param give the inputs may be transferred away
 */
export async function offload(
  kernels: Kernels,
  kernel: OffloadKernel,
  tasks: readonly OffloadTask[],
  give = false,
): Promise<BadPosition[]> {
  if (tasks.length === 0) return [];
  const file = workerFile();
  if (file === undefined) return runInSlices(kernels, tasks);
  const copies = new Copies(give);
  const backend = kernels.name as OffloadBackend;
  const request = { id: nextId++, backend, kernel, tasks: tasks.map((task) => copies.ofTask(task)) };
  const reply = await send(file, request, [...copies.transfers]);
  if ('error' in reply) {
    throw new FunnelError(reply.error.code, reply.error.message, { cause: reply.error.cause });
  }
  reply.outputs.forEach(({ indices, keys }, i) => {
    const task = tasks[i]!;
    const found = resultsOf(task);
    task.indices.set(indices.subarray(0, found));
    task.keys.set(keys.subarray(0, found));
  });
  return reply.bad;
}

function resultsOf(task: OffloadTask): number {
  if ('keep' in task) return task.keep[task.keep.length - 1]!;
  return Math.min(task.indices.length, task.rows.length / task.dim);
}

// The worker

function workerFile(): string | undefined {
  return moduleFile('kernels/offload-worker.js');
}

interface Pending {
  resolve(reply: OffloadReply): void;
  reject(error: FunnelError): void;
}

let nextId = 0;
let worker: Worker | undefined;
let pending = new Map<number, Pending>();

function send(file: string, request: OffloadRequest, transfers: ArrayBuffer[]): Promise<OffloadReply> {
  return new Promise((resolve, reject) => {
    worker ??= start(file);
    worker.postMessage(toPost(request), transfers);
    pending.set(request.id, { resolve, reject });
    worker.ref();
  });
}

function start(file: string): Worker {
  const own = pending;
  const make = (): Worker => {
    // Loaded now: it takes milliseconds, and most programs start no such thread.
    const load = nodeModule.createRequire(process.execPath);
    const threads = load('node:worker_threads') as typeof import('node:worker_threads');
    // No flags of the process: some of them (--input-type, --test) make no sense for a file run by a worker.
    return new threads.Worker(file, { execArgv: [], name: 'funnelvec' });
  };
  const started = startThread(make, 'KERNELS_UNAVAILABLE', 'or make the call that is not Async');
  started.on('message', (posted: OffloadReply) => {
    const reply = fromPost(posted);
    const waiting = own.get(reply.id);
    own.delete(reply.id);
    if (own.size === 0) started.unref();
    waiting?.resolve(reply);
  });
  const fail = (message: string, cause?: unknown) => {
    // The next call starts afresh, with a list of its own.
    if (worker === started) {
      worker = undefined;
      pending = new Map();
    }
    const error = new FunnelError('KERNELS_UNAVAILABLE', message, { cause });
    for (const waiting of own.values()) waiting.reject(error);
    own.clear();
    void started.terminate();
  };
  started.on('error', (cause) => fail('The worker thread of the kernels crashed', cause));
  started.on('messageerror', (cause) => fail('A message from the worker thread of the kernels cannot be read', cause));
  started.on('exit', (code) => fail(`The worker thread of the kernels ended with code ${code}`));
  return started;
}

// Messages to the worker

/** Copies to give away. A view must not drag the whole buffer behind it along, and one view is copied once. */
class Copies {
  readonly transfers = new Set<ArrayBuffer>();
  readonly #take: boolean;
  readonly #made = new Map<ArrayBufferView, ArrayBufferView>();

  /** @param take whether inputs that have their buffer to themselves go over as they are */
  constructor(take: boolean) {
    this.#take = take;
  }

  ofTask(task: OffloadTask): OffloadTask {
    const { metric, dim } = task;
    const query = this.#of(task.query);
    const rows = task.rows instanceof Float32Array ? this.#of(task.rows) : this.#of(task.rows);
    const indices = this.#give(new Uint32Array(task.indices.length));
    const keys = this.#give(new Float64Array(task.keys.length));
    if (!('scales' in task)) return { metric, query, rows, dim, to: task.to, indices, keys };
    const scales = this.#of(task.scales);
    const keep = this.#of(task.keep);
    return { metric, query, rows, dim, scales, keep, indices, keys };
  }

  #of<View extends Float32Array | Uint16Array | Uint32Array>(view: View): View {
    if (isSharedMemory(view.buffer)) return view;
    let copy = this.#made.get(view) as View | undefined;
    if (!copy) {
      const alone = this.#take && view.byteLength === view.buffer.byteLength;
      copy = this.#give(alone ? view : (view.slice() as View));
      this.#made.set(view, copy);
    }
    return copy;
  }

  #give<View extends ArrayBufferView>(view: View): View {
    this.transfers.add(view.buffer as ArrayBuffer);
    return view;
  }
}
