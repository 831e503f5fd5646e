/**
 * The threads of a process that its indexes share: started when first needed, as many as one index may have at most, ended
 * when idle for some seconds. They keep the process alive only while work is pending. Searches go before jobs of builds, to
 * threads that build as well: these look for them between the slices of a job (pool-worker.ts).
 */
import { Worker } from 'node:worker_threads';
import { startThread } from '../core/call.js';
import { COLLECTED_EACH, freed, onFreed, sharedCounted } from '../core/collection.js';
import { FunnelError } from '../core/errors.js';
import { moduleFile } from '../core/places.js';
import { usableThreads } from '../core/threads.js';
import { fromPost, toPost } from '../kernels/post.js';
import { nativeFiles } from './files/native.js';
import { type Manners, newManners, nobodyBuilds, searchesHere, wake } from './pool-manners.js';
import type {
  Job,
  Outcome,
  SearchJob,
  Snapshot,
  ThreadData,
  ThreadMessage,
  ThreadReply,
  ThreadSetup,
} from './pool-messages.js';

/** An index's part in the threads. */
export interface Share {
  readonly index: number;
  /** Threads that may work for it at once. */
  readonly size: number;
  readonly closed: boolean;
}

export interface Pending {
  share: Share;
  job: Job;
  snapshot?: Snapshot;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  /**
   * By number: a search, or beside a job of a build two, since the thread must not have to wait for the next; more where many
   * wait, for it builds on when it has none.
   */
  running: Map<number, Pending>;
  /** Versions of the snapshots that it has, by index; those used last are last. */
  versions: Map<number, number>;
  idleSince: number;
  /** sharedCounted() when it was last told to collect garbage. */
  collectedAt: number;
}

/** Searches at most that a thread has beside a job of a build. */
const MOST_AHEAD = 8;
/** Free bytes at the end of the heap that stay with the process, for what comes next. */
const KEPT = 1 << 20;
/** Milliseconds after which a thread without work ends. */
const IDLE = 5000;
/** Snapshots that a thread keeps; their tables are small, their planes are the index's own. */
const SNAPSHOTS = 256;

export class Threads {
  readonly #shares = new Set<Share>();
  readonly #threads: Thread[] = [];
  readonly #searches: Pending[] = [];
  readonly #builds: Pending[] = [];
  /** Callers who wait until no thread works for an index. */
  readonly #leaving = new Map<Share, () => void>();
  readonly #manners: Manners = newManners();
  #nextId = 0;
  #idle: NodeJS.Timeout | undefined;
  /** Settles when all threads that were told to end have ended. */
  #ending: Promise<unknown> | undefined;

  constructor(readonly setup: ThreadSetup) {
    const { trimMemory } = nativeFiles();
    onFreed(trimMemory && (() => trimMemory(KEPT)));
  }

  get isEmpty(): boolean {
    return this.#shares.size === 0;
  }

  /** Whether any index is being built: then all processors may be busy. */
  get isBuilding(): boolean {
    return this.#threads.some(({ running }) => buildsIn(running) > 0);
  }

  /** The calling thread searches by itself. */
  searchesHere(): void {
    searchesHere(this.#manners);
  }

  join(share: Share): void {
    this.#shares.add(share);
  }

  /** Rejects what waits, cancels what runs. Resolves when nothing runs any more. */
  async leave(share: Share): Promise<void> {
    this.#shares.delete(share);
    for (const queue of [this.#searches, this.#builds]) {
      const mine = queue.filter((pending) => pending.share === share);
      const others = queue.filter((pending) => pending.share !== share);
      queue.splice(0, queue.length, ...others);
      for (const { reject } of mine) reject(wasClosed());
    }
    for (const { worker, running } of this.#threads) {
      for (const [id, { share: owner, job }] of running) {
        if (owner === share && job.kind !== 'search') this.#post(worker, { kind: 'cancel', id });
      }
    }
    if (this.#active(share) > 0) await new Promise<void>((resolve) => this.#leaving.set(share, resolve));
    for (const { worker, versions } of this.#threads) {
      if (versions.delete(share.index)) this.#post(worker, { kind: 'forget', index: share.index });
    }
    if (this.isEmpty) {
      const ended = this.#threads.splice(0).map(({ worker }) => worker.terminate());
      this.#ending = Promise.all([this.#ending, ...ended]);
      freed();
    }
    await this.#ending; // also where another that leaves at the same time has told them
  }

  add(pending: Pending): void {
    (pending.job.kind === 'search' ? this.#searches : this.#builds).push(pending);
    this.#dispatch();
  }

  /** A thread starts in the time that its first search is still to come. */
  prepare(): void {
    if (this.#threads.length > 0 || !this.#mayGrow) return;
    try {
      this.#rest(this.#start());
    } catch {
      // The search that needs one says why there is none.
    }
  }

  #dispatch(): void {
    this.#assign(this.#searches, (share) => this.#threadForSearch(share));
    this.#assign(this.#builds, (share) => this.#threadForBuild(share));
  }

  /** Work that no thread may take yet stays where it is; other work behind it goes on. */
  #assign(queue: Pending[], threadFor: (share: Share) => Thread | undefined): void {
    const full = new Set<Share>();
    for (let i = 0; i < queue.length; ) {
      const pending = queue[i]!;
      if (full.has(pending.share)) {
        i++;
        continue;
      }
      let thread: Thread | undefined;
      try {
        thread = threadFor(pending.share);
      } catch (error) {
        queue.splice(i, 1);
        pending.reject(error);
        continue;
      }
      if (thread === undefined) {
        full.add(pending.share);
        if (full.size >= this.#shares.size) return;
        i++;
        continue;
      }
      queue.splice(i, 1);
      this.#give(thread, pending);
    }
  }

  /** Threads that work for an index. */
  #active(share: Share): number {
    return this.#threads.filter((thread) => works(thread, share)).length;
  }

  /** An idle one, one that builds, a new one, or one that builds and has few searches already. */
  #threadForSearch(share: Share): Thread | undefined {
    const mayMore = this.#active(share) < share.size;
    const allowed = this.#threads.filter((thread) => mayMore || works(thread, share));
    const idle = allowed.find(({ running }) => running.size === 0);
    if (idle !== undefined) return idle;
    const building = allowed.filter(({ running }) => buildsIn(running) > 0);
    const free = building.find(({ running }) => running.size === 1);
    if (free !== undefined) return free;
    if (mayMore && this.#mayGrow) return this.#start();
    const ahead = Math.min(MOST_AHEAD, 2 + Math.floor(this.#searches.length / (2 * this.#threads.length)));
    for (let searches = 1; searches < ahead; searches++) {
      const thread = building.find(({ running }) => running.size === 1 + searches);
      if (thread !== undefined) return thread;
    }
    return undefined;
  }

  #threadForBuild(share: Share): Thread | undefined {
    const mayMore = this.#active(share) < share.size;
    const allowed = this.#threads.filter(
      (thread) => buildsIn(thread.running) === 0 && (mayMore || works(thread, share)),
    );
    const idle = allowed.find(({ running }) => running.size === 0);
    if (idle !== undefined) return idle;
    if (mayMore && this.#mayGrow) return this.#start();
    return allowed[0];
  }

  get #mayGrow(): boolean {
    let most = 0;
    for (const { size } of this.#shares) most = Math.max(most, size);
    return this.#threads.length < most;
  }

  #give(thread: Thread, pending: Pending): void {
    const { worker, running } = thread;
    const { job, snapshot } = pending;
    const id = this.#nextId++;
    running.set(id, pending);
    worker.ref();
    if (job.kind !== 'search') this.#post(worker, { id, job });
    else this.#search(thread, id, job, snapshot);
    // It has let go by now what it had of an older state: this thread's arrays, which only its own garbage collection frees.
    if (sharedCounted() - thread.collectedAt < COLLECTED_EACH) return;
    thread.collectedAt = sharedCounted();
    this.#post(worker, { kind: 'collect' });
  }

  #search({ worker, versions }: Thread, id: number, job: SearchJob, snapshot: Snapshot | undefined): void {
    const knows = versions.get(job.index) === job.version;
    versions.delete(job.index);
    versions.set(job.index, job.version);
    this.#post(worker, { id, job: knows || snapshot === undefined ? job : { ...job, snapshot } });
    if (versions.size <= SNAPSHOTS) return;
    const [oldest] = versions.keys();
    versions.delete(oldest!);
    this.#post(worker, { kind: 'forget', index: oldest! });
  }

  #post(worker: Worker, message: ThreadMessage): void {
    worker.postMessage(toPost(message));
    wake(this.#manners);
  }

  #start(): Thread {
    const file = workerFile();
    if (file === undefined) throw new FunnelError('KERNELS_UNAVAILABLE', 'There is no file for search threads here');
    // No flags of the process: some of them (--input-type, --test) make no sense for a file run by a worker.
    const workerData: ThreadData = {
      ...this.setup,
      manners: this.#manners,
      mostBuilders: Math.max(1, usableThreads() - 1),
    };
    const worker = startThread(
      () => new Worker(file, { execArgv: [], name: 'funnelvec search', workerData }),
      'KERNELS_UNAVAILABLE',
      'or make the call that ends in Sync',
    );
    const thread: Thread = {
      worker,
      running: new Map(),
      versions: new Map(),
      idleSince: 0,
      collectedAt: sharedCounted(),
    };
    this.#threads.push(thread);
    worker.on('message', (posted: ThreadReply) => {
      const reply = fromPost(posted);
      const done = thread.running.get(reply.id);
      thread.running.delete(reply.id);
      if (done === undefined) return;
      if ('error' in reply) {
        // It may have failed before it kept the snapshot.
        if (done.job.kind === 'search') thread.versions.delete(done.job.index);
        const { code, message, cause } = reply.error;
        this.#end(done, new FunnelError(code, message, { cause }));
      } else {
        this.#end(done, undefined, reply);
      }
      this.#rest(thread);
      this.#dispatch();
    });
    const fail = (cause: unknown) => {
      const at = this.#threads.indexOf(thread);
      if (at >= 0) this.#threads.splice(at, 1);
      // Threads that end for want of work built nothing.
      if (buildsIn(thread.running) > 0) nobodyBuilds(this.#manners);
      const lost = [...thread.running.values()];
      thread.running.clear();
      for (const one of lost) {
        this.#end(one, new FunnelError('KERNELS_UNAVAILABLE', 'A search thread ended', { cause }));
      }
      this.#dispatch();
    };
    worker.on('error', fail);
    worker.on('messageerror', fail);
    worker.on('exit', (code) => fail(new Error(`exit code ${code}`)));
    return thread;
  }

  #end({ share, resolve, reject }: Pending, error?: FunnelError, outcome?: Outcome): void {
    if (share.closed) reject(wasClosed());
    else if (error !== undefined) reject(error);
    else resolve(outcome!);
    const left = this.#leaving.get(share);
    if (left === undefined || this.#active(share) > 0) return;
    this.#leaving.delete(share);
    left();
  }

  /** Without work a thread lets the process end, and ends itself after a while. */
  #rest(thread: Thread): void {
    if (thread.running.size > 0) return;
    // A thread that ends keeps the process until then: close() waits for it. Its last answer may come meanwhile.
    if (!this.#threads.includes(thread)) return;
    thread.worker.unref();
    thread.idleSince = performance.now();
    this.#idle ??= setTimeout(() => this.#sweep(), IDLE).unref();
  }

  #sweep(): void {
    this.#idle = undefined;
    const idle = this.#threads.filter(({ running }) => running.size === 0);
    const now = performance.now();
    for (const thread of idle) {
      if (now - thread.idleSince < IDLE) continue;
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      this.#post(thread.worker, { kind: 'end' });
      freed();
    }
    const rest = idle.filter((thread) => this.#threads.includes(thread));
    if (rest.length === 0) return;
    const next = Math.max(50, IDLE - (now - Math.min(...rest.map(({ idleSince }) => idleSince))));
    this.#idle = setTimeout(() => this.#sweep(), next).unref();
  }
}

function works({ running }: Thread, share: Share): boolean {
  for (const pending of running.values()) if (pending.share === share) return true;
  return false;
}

function buildsIn(running: Map<number, Pending>): number {
  let builds = 0;
  for (const { job } of running.values()) if (job.kind !== 'search') builds++;
  return builds;
}

export function wasClosed(): FunnelError {
  return new FunnelError('CLOSED', 'Expected an open index but it was closed');
}

export function workerFile(): string | undefined {
  return moduleFile('store/pool-worker.js');
}
