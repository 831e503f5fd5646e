/** The share of one index in the threads of the process: no more of them work for it at once than it asked for. */

import type { CodingPlan } from './engine/coder.js';
import type { Sorting } from './engine/finish.js';
import type { Segment } from './engine/segment.js';
import type { SearchAnswer, SearchTask } from './engine/types.js';
import type {
  EncodeJob,
  FinishJob,
  Job,
  MeasureJob,
  Outcome,
  PlanExtensionJob,
  PlanJob,
  Snapshot,
  SortJob,
  SortPlaneJob,
  TableJob,
  ThreadSetup,
} from './pool-messages.js';
import { type Share, Threads, wasClosed, workerFile } from './pool-threads.js';

/** By what their kernels work on: those of WASM have the memory of one index alone. */
const shared = new Map<unknown, Threads>();
let indexes = 0;

export class Pool implements Share {
  /** The number of this index among those that share threads. */
  readonly index = indexes++;
  readonly #threads: Threads;
  readonly #key: unknown;
  #closing: Promise<void> | undefined;

  /** @param size threads that may work for this index at once */
  constructor(
    readonly size: number,
    setup: ThreadSetup,
  ) {
    this.#key = setup.memory ?? setup.kernels;
    this.#threads = shared.get(this.#key) ?? new Threads(setup);
    shared.set(this.#key, this.#threads);
    this.#threads.join(this);
  }

  /** Whether threads can be had at all: a bundle has no file for them. */
  static readonly available: boolean = workerFile() !== undefined;

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether any index is being built in these threads: then all processors may be busy. */
  get isBuilding(): boolean {
    return this.#threads.isBuilding;
  }

  /** The calling thread searches by itself. */
  searchesHere(): void {
    this.#threads.searchesHere();
  }

  /** A search comes soon. */
  prepare(): void {
    this.#threads.prepare();
  }

  search(snapshot: Snapshot, requests: SearchTask[]): Promise<{ results: SearchAnswer[]; ms: number }> {
    const job: Job = { kind: 'search', index: this.index, version: snapshot.version, requests };
    return this.#run(job, snapshot) as Promise<{ results: SearchAnswer[]; ms: number }>;
  }

  async encode(job: EncodeJob): Promise<void> {
    await this.#run(job);
  }

  async plan(job: PlanJob | PlanExtensionJob): Promise<CodingPlan> {
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

  async table(job: TableJob): Promise<void> {
    await this.#run(job);
  }

  async measure(job: MeasureJob): Promise<Segment> {
    return (await this.#run(job)).segment!;
  }

  /**
   * Rejects all work that waits or runs; resolves once no thread works for this index. The last one ends the threads.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const done = this.#threads.leave(this);
    if (this.#threads.isEmpty && shared.get(this.#key) === this.#threads) shared.delete(this.#key);
    await done;
  }

  #run(job: Job, snapshot?: Snapshot): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.closed) reject(wasClosed());
      else this.#threads.add({ share: this, job, ...(snapshot && { snapshot }), resolve, reject });
    });
  }
}
