/**
 * The search threads of an index: started when first needed, as many as asked for, one job each at a time. They keep the
 * process alive only while work is pending.
 */
import { Worker } from 'node:worker_threads';
import { FunnelError } from '../errors.js';
import { fromPost, toPost } from '../kernels/post.js';
import { moduleFile } from '../places.js';
import type { Plan, Sorting } from './engine/build.js';
import type { SearchRequest, SearchResult } from './engine/search.js';
import type { Segment } from './engine/segment.js';
import type {
  EncodeJob,
  FinishJob,
  Job,
  Outcome,
  PlanJob,
  Snapshot,
  SortJob,
  SortPlaneJob,
  ThreadReply,
  ThreadSetup,
} from './pool-messages.js';

interface Pending {
  job: Job;
  snapshot?: Snapshot;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  busy: Pending | undefined;
  /** Of the snapshot that it has. */
  version: number;
}

export class Pool {
  readonly #threads: Thread[] = [];
  readonly #queue: Pending[] = [];
  #nextId = 0;
  #closed = false;

  constructor(
    readonly size: number,
    readonly setup: ThreadSetup,
  ) {}

  /** Whether threads can be had at all: a bundle has no file for them. */
  static get available(): boolean {
    return workerFile() !== undefined;
  }

  search(snapshot: Snapshot, requests: SearchRequest[]): Promise<{ results: SearchResult[]; ms: number }> {
    const job: Job = { kind: 'search', version: snapshot.version, requests };
    return this.#run(job, snapshot) as Promise<{ results: SearchResult[]; ms: number }>;
  }

  async encode(job: EncodeJob): Promise<void> {
    await this.#run(job);
  }

  async plan(job: PlanJob): Promise<Plan> {
    return (await this.#run(job)).plan!;
  }

  async sort(job: SortJob): Promise<Sorting> {
    return (await this.#run(job)).sorting!;
  }

  async sortPlane(job: SortPlaneJob): Promise<void> {
    await this.#run(job);
  }

  async finish(job: FinishJob): Promise<Segment> {
    return (await this.#run(job)).segment!;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = wasClosed();
    for (const waiting of this.#queue.splice(0)) waiting.reject(error);
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  #run(job: Job, snapshot?: Snapshot): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(wasClosed());
        return;
      }
      this.#queue.push({ job, ...(snapshot && { snapshot }), resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      let thread = this.#threads.find(({ busy }) => busy === undefined);
      if (thread === undefined) {
        if (this.#threads.length >= this.size) return;
        try {
          thread = this.#start();
        } catch (error) {
          this.#queue.shift()!.reject(error);
          continue;
        }
      }
      const pending = this.#queue.shift()!;
      thread.busy = pending;
      const { job, snapshot } = pending;
      if (job.kind === 'search' && snapshot !== undefined && thread.version !== snapshot.version) {
        job.snapshot = snapshot;
      }
      thread.worker.ref();
      thread.worker.postMessage(toPost({ id: this.#nextId++, job }));
    }
  }

  #start(): Thread {
    const file = workerFile();
    if (file === undefined) throw new FunnelError('KERNELS_UNAVAILABLE', 'There is no file for search threads here');
    // No flags of the process: some of them (--input-type, --test) make no sense for a file run by a worker.
    const worker = new Worker(file, { execArgv: [], name: 'funnelvec search', workerData: this.setup });
    const thread: Thread = { worker, busy: undefined, version: -1 };
    this.#threads.push(thread);
    worker.on('message', (posted: ThreadReply) => {
      const reply = fromPost(posted);
      const done = thread.busy;
      thread.busy = undefined;
      if (!('error' in reply) && done?.job.kind === 'search') thread.version = done.job.version;
      worker.unref();
      if ('error' in reply)
        done?.reject(new FunnelError(reply.error.code, reply.error.message, { cause: reply.error.cause }));
      else done?.resolve(reply);
      this.#dispatch();
    });
    const fail = (cause: unknown) => {
      const at = this.#threads.indexOf(thread);
      if (at >= 0) this.#threads.splice(at, 1);
      thread.busy?.reject(
        this.#closed ? wasClosed() : new FunnelError('KERNELS_UNAVAILABLE', 'A search thread ended', { cause }),
      );
      thread.busy = undefined;
      if (!this.#closed) this.#dispatch();
    };
    worker.on('error', fail);
    worker.on('messageerror', fail);
    worker.on('exit', (code) => fail(new Error(`exit code ${code}`)));
    return thread;
  }
}

function wasClosed(): FunnelError {
  return new FunnelError('CLOSED', 'Expected an open index but it was closed');
}

function workerFile(): string | undefined {
  return moduleFile('store/pool-worker.js');
}
