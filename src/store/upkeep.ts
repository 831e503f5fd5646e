/**
 * Does the work that an index does by itself and for callers of optimize(): codes for rows that have none, files and
 * codes without the dead. One thing at a time. A caller who comes while one is under way joins it where it will cover
 * everything written before, and else the one behind it, which all callers of the meantime share.
 */
import { nextTurnIfAny, type Timer, timerIfAny } from '../core/host.js';
import type { IndexFiles } from './files/index-files.js';
import { Pace } from './files/pace.js';
import type { Live } from './live.js';
import type { OptimizeProgress } from './types.js';

/** Fewer rows are scanned whole in the time that codes would take. */
const CODES_FROM = 4096;
/** So few rows without codes cost a search nothing to speak of, beside those with codes. */
const SCANNED_FROM = 1024;
/** In the time that a row takes in a build, a search scans so many without codes (measured: 34 of 64 dims, 139 of 256). */
const SCANS_OF_A_BUILD = 100;
/** An index that is left alone is built for so many queries to come, if nobody knows how many there will be. */
const QUERIES_TO_COME = 800;
/** Milliseconds without a write after which an index is left alone. */
const IDLE = 300;
/** Milliseconds after a failure (a full disk, say) in which nothing is tried again that nobody asked for. */
const RESPITE = 10_000;
/** Dead rows are worth work of their own beyond this share of the living, and beyond the other if nothing is written ... */
const DEAD_SHARE = 0.5;
const DEAD_SHARE_IDLE = 0.25;
/** ... and beyond so many bytes. */
const DEAD_BYTES = 2 << 20;
/** While more rows are dead than alive, a write rests so many times as long as it took, at most, but never longer than this. */
const RESTS = 4;
const LONGEST_REST = 5000;

export type Task = 'codes' | 'compaction';

/** The index as upkeep sees it. */
export interface Chores {
  readonly files: IndexFiles;
  readonly live: Live;
  isOpen(): boolean;
  /** Whether rotation 'balanced' waits for queries, before there is a basis. */
  wantsQueries(): boolean;
  run(work: Work): Promise<void>;
}

export class Upkeep {
  #running: Work | undefined;
  #next: Work | undefined;
  #soon = false;
  #idle: Timer | undefined;
  #closed = false;
  #lastWrite = 0;
  #notBefore = 0;
  /** Rows without codes that searches have read since the last build. */
  #scanned = 0;

  constructor(
    readonly chores: Chores,
    /** Whether it does anything that nobody asked for. */
    readonly automatic: boolean,
  ) {}

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Whether there will be, or is, a build with sample queries. */
  get hasQueries(): boolean {
    return [this.#running, this.#next].some((work) => work?.queries !== undefined);
  }

  /** A build that covers every row written before this call. */
  optimize(queries?: Float32Array, onProgress?: (progress: OptimizeProgress) => void): Promise<void> {
    const running = this.#running;
    if (running === undefined) return this.#begin(new Work('codes', queries), onProgress);
    running.pace.hurry();
    if (queries === undefined && running.task === 'codes' && running.covers(this.chores.files)) {
      return running.join(onProgress);
    }
    this.#next ??= new Work('codes', undefined);
    if (queries !== undefined) this.#next.queries = queries; // the last sample is the one that stays, as if one by one
    return this.#next.join(onProgress);
  }

  #begin(work: Work, onProgress?: (progress: OptimizeProgress) => void): Promise<void> {
    const done = work.join(onProgress);
    void this.#run(work);
    return done;
  }

  async #run(work: Work): Promise<void> {
    this.#running = work;
    let failed: { error: unknown } | undefined;
    try {
      if (work.task === 'codes') this.#scanned = 0;
      await this.chores.run(work);
    } catch (error) {
      failed = { error };
      this.#notBefore = performance.now() + RESPITE;
    }
    this.#running = undefined;
    const next = this.#next;
    this.#next = undefined;
    // Before the callers go on, who may go on with a synchronous call.
    if (next !== undefined) void this.#run(next);
    work.end(failed);
    if (next === undefined) this.#look();
  }

  /** Rows came or died. */
  written(): void {
    if (!this.automatic) return;
    this.#lastWrite = performance.now();
    // Where rows die faster than they are dropped, others wait for that a little.
    const { files } = this.chores;
    if (files.deadCount > files.liveCount) this.#running?.pace.hurry();
    this.#look();
  }

  /**
   * Before the next rows: where a program writes rows again without a pause, nothing else would hold back dead rows from growing
   * faster than they are dropped. Ends with the work that drops them.
   */
  async rest(took: number): Promise<void> {
    const { files } = this.chores;
    const work = this.#running;
    const excess = files.deadCount / Math.max(1, files.liveCount) - 1;
    if (!this.automatic || work === undefined || excess <= 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(LONGEST_REST, took * Math.min(RESTS, excess)));
    });
    await Promise.race([over, work.done.catch(() => {})]);
    clearTimeout(timer);
  }

  /** So many searches read all rows without codes. */
  searched(count: number): void {
    const { live, files } = this.chores;
    const uncoded = live.unindexed.length;
    if (uncoded === 0 || !this.automatic) return;
    this.#scanned += count * uncoded;
    if (uncoded >= SCANNED_FROM && this.#scanned >= SCANS_OF_A_BUILD * files.liveCount) this.#look();
  }

  /** Work that is due begins later, and never in a script that does not wait for anything: there nothing must be under way. */
  #look(): void {
    if (!this.#mayBegin || this.#soon) return;
    if (this.#due(false) !== undefined) {
      this.#soon = true;
      nextTurnIfAny(() => {
        this.#soon = false;
        this.#start(false);
      });
    } else if (this.#idle === undefined && this.#due(true) !== undefined) this.#wait(IDLE);
  }

  #wait(ms: number): void {
    this.#idle = timerIfAny(() => {
      this.#idle = undefined;
      const left = this.#lastWrite + IDLE - performance.now();
      if (left > 1 && this.#mayBegin) this.#wait(left);
      else this.#start(true);
    }, ms);
  }

  get #mayBegin(): boolean {
    return (
      this.automatic && !this.#closed && this.chores.isOpen() && !this.busy && performance.now() >= this.#notBefore
    );
  }

  #start(idle: boolean): void {
    if (!this.#mayBegin) return;
    const task = this.#due(idle);
    if (task === undefined) return;
    // Searches go on without, whatever comes of it; the next write tries again.
    this.#begin(new Work(task, undefined, true)).catch(() => {});
  }

  /** The task that is worth doing, if nothing is written for a while (`idle`) or in any case. */
  #due(idle: boolean): Task | undefined {
    const { files, live } = this.chores;
    const { liveCount } = files;
    const uncoded = live.unindexed.length;
    const share = idle ? DEAD_SHARE_IDLE : DEAD_SHARE;
    if (!this.chores.wantsQueries()) {
      if (uncoded >= CODES_FROM && 2 * uncoded >= liveCount) return 'codes';
      const scanned = this.#scanned + (idle ? QUERIES_TO_COME * uncoded : 0);
      const isScanned = uncoded >= SCANNED_FROM && liveCount >= CODES_FROM;
      if (isScanned && scanned >= SCANS_OF_A_BUILD * liveCount) return 'codes';
      if (areMany(live.deadCoded, share * (liveCount - uncoded), () => live.bytesPerCode)) return 'codes';
    }
    return areMany(files.deadCount, share * liveCount, () => files.bytesPerRow) ? 'compaction' : undefined;
  }

  /** Ends soon whatever is under way, and begins nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    for (let work = this.#running; work !== undefined; work = this.#running) {
      work.controller.abort(new Error('the index was closed'));
      await work.done.catch(() => {});
    }
  }
}

function areMany(dead: number, most: number, bytes: () => number): boolean {
  return dead > most && dead * bytes() > DEAD_BYTES;
}

interface Caller {
  onProgress: ((progress: OptimizeProgress) => void) | undefined;
  failed?: { error: unknown };
}

/** One thing that is to be done, or under way, and who waits for it. */
export class Work {
  readonly pace: Pace;
  readonly controller = new AbortController();
  readonly done: Promise<void>;
  #end!: (failed?: { error: unknown }) => void;
  readonly #callers: Caller[] = [];
  #last: OptimizeProgress | undefined;
  /** Counts of rows at the moment when the work looked which rows there are. */
  #saw: { rows: number; liveCount: number } | undefined;

  constructor(
    readonly task: Task,
    public queries: Float32Array | undefined,
    /** Nobody asked for it. */
    readonly automatic = false,
  ) {
    this.pace = new Pace(!automatic);
    this.done = new Promise<void>((resolve, reject) => {
      this.#end = (failed) => (failed === undefined ? resolve() : reject(failed.error));
    });
    this.done.catch(() => {}); // it is for callers to meet
  }

  /** Rows that are written from now on are not covered. */
  saw({ rows, liveCount }: IndexFiles): void {
    this.#saw = { rows, liveCount };
  }

  covers({ rows, liveCount }: IndexFiles): boolean {
    return this.#saw === undefined || (this.#saw.rows === rows && this.#saw.liveCount === liveCount);
  }

  /** @param onProgress hears of what was last, too; what it throws is its caller's to meet */
  async join(onProgress?: (progress: OptimizeProgress) => void): Promise<void> {
    const caller: Caller = { onProgress };
    this.#callers.push(caller);
    if (this.#callers.length > 1) this.pace.hurry();
    if (this.#last !== undefined) tell(caller, this.#last);
    await this.done;
    if (caller.failed !== undefined) throw caller.failed.error;
  }

  /** @throws what the last caller's function threw who still wanted to hear */
  readonly progress = (progress: OptimizeProgress): void => {
    this.#last = progress;
    for (const caller of this.#callers) tell(caller, progress);
    if (this.#callers.every(({ failed }) => failed !== undefined)) throw this.#callers.at(-1)!.failed!.error;
  };

  end(failed: { error: unknown } | undefined): void {
    this.#end(failed);
  }
}

function tell(caller: Caller, progress: OptimizeProgress): void {
  if (caller.failed !== undefined) return;
  try {
    caller.onProgress?.({ ...progress });
  } catch (error) {
    caller.failed = { error };
  }
}
