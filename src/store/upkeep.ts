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
/** So few values of rows without codes cost a search nothing to speak of either: a build may have them in one of its extensions. */
const EXTENDED_FROM = 1 << 18;
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
  /** Codes for the rows that have none, beside those of the last build. @param check may throw */
  extend(check: () => void): Promise<void>;
}

export class Upkeep {
  #running: Work | undefined;
  #next: Work | undefined;
  #soon = false;
  #idle: Timer | undefined;
  #closed = false;
  /** The work that gives codes to new rows beside the last build: a build may go on meanwhile. */
  #extending: Promise<void> | undefined;
  #lastWrite = 0;
  #notBefore = 0;
  /** Rows without codes that searches have read since the last build. */
  #scanned = 0;

  constructor(
    readonly chores: Chores,
    /** Whether it does anything that nobody asked for; 'codes': it gives codes to new rows, and no more. */
    readonly automatic: boolean | 'codes',
  ) {}

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Whether new rows get codes at this moment, beside those that others have. */
  get extending(): boolean {
    return this.#extending !== undefined;
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
    if (this.automatic !== true || work === undefined || excess <= 0) return;
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
    const isWorth = uncoded >= SCANNED_FROM && this.#scanned >= SCANS_OF_A_BUILD * files.liveCount;
    if (isWorth || this.#isExtensionDue(false)) this.#look();
  }

  /** Work that is due begins later, and never in a script that does not wait for anything: there nothing must be under way. */
  #look(): void {
    if (!this.#isAwake || this.#soon) return;
    if (this.#isDue(false)) {
      this.#soon = true;
      nextTurnIfAny(() => {
        this.#soon = false;
        this.#start(false);
      });
    } else if (this.#idle === undefined && this.#isDue(true)) this.#wait(IDLE);
  }

  #wait(ms: number): void {
    this.#idle = timerIfAny(() => {
      this.#idle = undefined;
      const left = this.#lastWrite + IDLE - performance.now();
      if (left > 1 && this.#isAwake) this.#wait(left);
      else this.#start(true);
    }, ms);
  }

  get #isAwake(): boolean {
    return this.automatic !== false && !this.#closed && this.chores.isOpen() && performance.now() >= this.#notBefore;
  }

  #isDue(idle: boolean): boolean {
    return this.#isExtensionDue(idle) || this.#dueTask(idle) !== undefined;
  }

  #start(idle: boolean): void {
    if (!this.#isAwake) return;
    const task = this.#dueTask(idle);
    // Searches go on without, whatever comes of it; the next write tries again.
    if (task !== undefined) this.#begin(new Work(task, undefined, true)).catch(() => {});
    if (this.#isExtensionDue(idle && task === undefined)) void this.#extend();
  }

  /** Whether rows without codes are worth codes beside the last build; where nothing is written, unless a build comes. */
  #isExtensionDue(idle: boolean): boolean {
    const { live, files } = this.chores;
    const uncoded = live.unindexed.length;
    if (uncoded === 0 || live.segments.length === 0 || this.#extending !== undefined) return false;
    if (uncoded * files.config.dim < EXTENDED_FROM) return false;
    return (idle && !this.busy) || this.#scanned >= SCANS_OF_A_BUILD * uncoded;
  }

  async #extend(): Promise<void> {
    const check = () => {
      if (this.#closed) throw new Error('the index was closed');
    };
    this.#extending = this.chores.extend(check);
    try {
      await this.#extending;
      this.#scanned = 0;
    } catch {
      this.#notBefore = performance.now() + RESPITE;
    }
    this.#extending = undefined;
    this.#look();
  }

  #dueTask(idle: boolean): Task | undefined {
    if (this.automatic !== true || this.busy) return undefined;
    // Where an extension does for new rows, nobody waits for a build.
    return this.#due(idle && this.#extending === undefined && !this.#isExtensionDue(idle));
  }

  /** The task that is worth doing, if nothing is written for a while (`idle`) or in any case. */
  #due(idle: boolean): Task | undefined {
    const { files, live } = this.chores;
    const { liveCount } = files;
    const uncoded = live.unindexed.length;
    const unbuilt = uncoded + live.extended;
    const share = idle ? DEAD_SHARE_IDLE : DEAD_SHARE;
    if (!this.chores.wantsQueries()) {
      if (unbuilt >= CODES_FROM && 2 * unbuilt >= liveCount) return 'codes';
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
    await this.#extending?.catch(() => {});
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
