/** A mirror that follows its collection: rounds of syncs, as long as somebody wants them. */
import { messageOf } from '../core/call.js';
import { telling } from '../core/diagnostics.js';
import { FunnelError, type FunnelErrorCode } from '../core/errors.js';
import type { SyncMark } from '../core/types.js';
import type { FilterNode, Path } from '../query/filter/ast.js';
import { checkMirror } from '../query/mirror.js';
import type { PayloadSelection, Source, SourceInfo } from '../query/source/source.js';
import { Checksums } from './checksums.js';
import { isDeepStrictEqual } from './equal.js';
import {
  checkedFollow,
  type Follower,
  type FollowOptions,
  type FollowRound,
  type FollowStats,
} from './follow-options.js';
import { FollowSync } from './follow-sync.js';
import { partsOf } from './parts.js';
import { someIds } from './scan.js';
import type { SearchedIndex } from './searched-index.js';
import { sleep } from './sleep.js';
import { type Stamped, settledStamp, upTo, withSeen, withStamp } from './stamps.js';
import { alone, isSyncing } from './sync.js';
import { isMarkOf, type KeptMark, markOf, positionOf } from './sync-mark.js';

/** Errors that stay, however often a round is tried. */
const FINAL: ReadonlySet<FunnelErrorCode> = new Set<FunnelErrorCode>([
  'BAD_ARGUMENT',
  'BAD_DIMS',
  'UNSUPPORTED',
  'UNSUPPORTED_FORMAT',
  'NOT_WRITABLE',
  'INDEX_LOCKED',
  'CORRUPT',
  'CLOSED',
]);

/** The longest pause after failures, in milliseconds, unless `every` is longer. */
const LONGEST_PAUSE = 60_000;

/** Rows whose lengths stand for those of all. */
const SOME_ROWS = 100;

const following = new WeakMap<object, Following>();

/** @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, UNSUPPORTED, CLOSED */
export function follow(index: SearchedIndex, source: Source, given: FollowOptions = {}): Follower {
  const { options, key } = checkedFollow(source, given);
  if (partsOf(index).files.readOnly) {
    throw new FunnelError('NOT_WRITABLE', 'Expected an index opened for writing, not readOnly');
  }
  if (following.has(index))
    throw new FunnelError('BAD_ARGUMENT', 'Expected one follow() of an index at a time: stop() the other');
  const made = new Following(index, source, options, key);
  following.set(index, made);
  return made;
}

/** Before an index closes: its writes are waited for there. */
export function endFollowing(index: object): void {
  following.get(index)?.end();
}

interface Waiter {
  resolve: (round: FollowRound) => void;
  reject: (error: unknown) => void;
}

class Following implements Follower {
  readonly done: Promise<void>;
  readonly #ending = new AbortController();
  #state: FollowStats['state'] = 'syncing';
  readonly #sums = { rounds: 0, read: 0, written: 0, deleted: 0 };
  #failures = 0;
  #error: FunnelError | undefined;
  #last: FollowRound | undefined;
  #waiters: Waiter[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  /** When the next page may be asked for, by the rate. */
  #due = 0;
  /** Whether the database gives checksums that mean the same there and here, as far as is known. */
  #checksums = true;
  /** Differences of checksums up to here are rounding, as rounds before have learned. */
  #noise: number | undefined;
  /** When changes were last looked for. */
  #looked = { ended: 0, ms: 0 };

  constructor(
    private readonly index: SearchedIndex,
    private readonly source: Source,
    private readonly options: FollowOptions,
    private readonly key: Path | undefined,
  ) {
    const { signal } = options;
    const stop = () => this.end();
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    this.done = this.#run().finally(() => {
      signal?.removeEventListener('abort', stop);
      following.delete(index);
      this.#ended = true;
      for (const { reject } of this.#waiters.splice(0)) reject(this.#error ?? stopped(source.name));
    });
    this.done.catch(() => {}); // stats() and `done` tell
  }

  stats(): FollowStats {
    const mark = this.#told();
    return {
      state: this.#state,
      ...this.#sums,
      failures: this.#failures,
      ...(this.#error && { error: this.#error }),
      ...(this.#last && { last: this.#last }),
      ...(mark && { mark, age: Math.max(0, Date.now() - mark.at) }),
    };
  }

  update(): Promise<FollowRound> {
    return new Promise((resolve, reject) => {
      if (this.#ending.signal.aborted || this.#state === 'failed' || this.#ended) {
        reject(this.#error ?? stopped(this.source.name));
        return;
      }
      this.#waiters.push({ resolve, reject });
      this.#wake?.();
    });
  }

  async stop(): Promise<void> {
    this.end();
    await this.done.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  end(): void {
    this.#ending.abort(new Error('the follower was stopped'));
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    await Promise.resolve(); // `done` is there before a callback is called
    while (!signal.aborted) {
      const waiting = this.#waiters.splice(0);
      let told: () => void;
      try {
        this.#state = 'syncing';
        const round = await this.#round();
        this.#failures = 0;
        this.#error = undefined;
        this.#state = 'waiting';
        for (const { resolve } of waiting) resolve(round);
        told = () => this.options.onRound?.(round);
      } catch (thrown) {
        const error = thrown instanceof FunnelError ? thrown : asBroken(thrown);
        for (const { reject } of waiting) reject(signal.aborted ? stopped(this.source.name) : error);
        if (signal.aborted || !this.#isOpen) break;
        this.#failures++;
        this.#error = error;
        this.#state = FINAL.has(error.code) ? 'failed' : 'backing off';
        told = () => this.options.onError?.(error);
      }
      this.#tell(told);
      if (this.#state === 'failed') throw this.#error!;
      await this.#pause();
    }
    this.#state = 'stopped';
  }

  /** An error of a callback is no failure of the round, and nobody else would hear of it. */
  #tell(told: () => void): void {
    try {
      told();
    } catch (cause) {
      this.#state = 'failed';
      this.#error = new FunnelError('BAD_ARGUMENT', `Expected callbacks that do not throw: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  get #isOpen(): boolean {
    try {
      return partsOf(this.index) !== undefined;
    } catch {
      return false;
    }
  }

  /** Until the next round: ever longer after failures, and never for all followers at the same moment. */
  async #pause(): Promise<void> {
    const { every = 10_000 } = this.options;
    const longest = Math.max(every, LONGEST_PAUSE);
    const factor = this.#failures === 0 ? 1 : 2 ** Math.min(this.#failures, 30) * (0.5 + Math.random() / 2);
    const ms = Math.min(Math.max(every, this.#failures === 0 ? 0 : 100) * factor, longest, 2 ** 31 - 1);
    if (this.#waiters.length > 0 || this.#ending.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** As far as the index is open. */
  #told(): SyncMark | undefined {
    try {
      const { source, at, rows } = this.#mark!;
      return { source, at, rows };
    } catch {
      return undefined;
    }
  }

  /** The mark, where it is of this source. */
  get #mark(): KeptMark | undefined {
    const mark = markOf(partsOf(this.index).files.meta);
    return mark && isMarkOf(mark, this.source.name, this.source.scope) ? mark : undefined;
  }

  get #withPayload(): PayloadSelection {
    const { withPayload = false } = this.options;
    return this.key === undefined ? withPayload : withStamp(withPayload, this.key);
  }

  /** Undefined where changes cannot be told by their stamps: all rows must be looked at first. */
  get #followed(): KeptMark | undefined {
    const mark = this.#mark;
    const known = mark?.since?.key === this.key?.text && isDeepStrictEqual(mark?.withPayload, this.#withPayload);
    return this.key !== undefined && known ? mark : undefined;
  }

  #round(): Promise<FollowRound> {
    return telling(
      ['sync', 'FunnelIndex.follow', this.source.name],
      () => this.#rounded(),
      ({ written, deleted }) => ({ rows: this.index.count, written, deleted }),
    );
  }

  async #rounded(): Promise<FollowRound> {
    while (isSyncing(this.index)) await sleep(20, this.#ending.signal);
    return alone(this.index, async () => {
      const { timeout } = this.options;
      const began = performance.now();
      const round: FollowRound = { kind: 'full', at: Date.now(), ms: 0, read: 0, written: 0, deleted: 0 };
      const { signal } = this.#ending;
      const info = await this.source.info({ ...(timeout && { timeout }), signal });
      checkMirror(this.index, info, this.source.name, 'the index');
      if (this.#followed !== undefined) {
        round.kind = await this.#changes(round);
        if (this.#isFullDue) {
          round.kind = 'full';
          await this.#full(round);
        }
      } else if (this.#isChecked && (await this.#byChecksums(round, info))) round.kind = 'checksums';
      else await this.#full(round);
      round.ms = performance.now() - began;
      this.#sums.rounds++;
      this.#last = round;
      return round;
    });
  }

  get #isFullDue(): boolean {
    const { full = 3_600_000 } = this.options;
    const { name: source, scope } = this.source;
    const { meta } = partsOf(this.index).files;
    const isCut = positionOf(meta, { source, scope, withPayload: this.#withPayload }) !== undefined;
    return isCut || Date.now() - this.#mark!.passed >= full;
  }

  /** Whether rows can be compared by checksums: without a key, and after a pass over all of them. */
  get #isChecked(): boolean {
    const known = isDeepStrictEqual(this.#mark?.withPayload, this.#withPayload);
    return this.key === undefined && known && this.#checksums && !this.#isFullDue;
  }

  /** All rows by a number of each vector. @returns false where the database has none */
  async #byChecksums(round: FollowRound, info: SourceInfo): Promise<boolean> {
    const ids = someIds(partsOf(this.index), SOME_ROWS);
    const some = new Float32Array(ids.length * this.index.dim);
    this.index.gather(ids, some);
    const checksums = new Checksums(this.source, info, some, this.#noise);
    const sync = this.#sync();
    let began: number | undefined;
    try {
      began = await sync.checked(checksums, round.at);
    } finally {
      this.#add(round, sync);
    }
    this.#noise = checksums.noise;
    this.#checksums = !checksums.impossible && checksums.wrong <= Math.max(16, this.index.count / 20);
    if (began === undefined) return false;
    const { since: _, uncounted: __, ...mark } = this.#mark!;
    await sync.commit({ ...mark, at: began, rows: this.index.count });
    return true;
  }

  #sync(between?: () => Promise<void>): FollowSync {
    const { batch, idKind, timeout } = this.options;
    const options = {
      withPayload: this.#withPayload,
      signal: this.#ending.signal,
      ...(batch !== undefined && { batch }),
      ...(idKind !== undefined && { idKind }),
      ...(timeout !== undefined && { timeout }),
    };
    return new FollowSync(this.index, this.source, options, this.key, async (rows) => {
      await this.#slow(rows);
      await between?.();
    });
  }

  #add(round: FollowRound, { read, written, deleted }: Pick<FollowSync, 'read' | 'written' | 'deleted'>): void {
    for (const sums of [round, this.#sums]) {
      sums.read += read;
      sums.written += written;
      sums.deleted += deleted;
    }
  }

  /** All rows; changes are looked for between its pages, where they can be told, for a tenth of the time at most. */
  async #full(round: FollowRound): Promise<void> {
    const { every = 10_000 } = this.options;
    const sync = this.#sync(async () => {
      const { ended, ms } = this.#looked;
      if (this.#followed !== undefined && Date.now() - ended >= Math.max(every, 10 * ms)) await this.#changes(round);
    });
    try {
      sync.deleted = (await sync.run()).deleted;
    } finally {
      this.#add(round, sync);
    }
  }

  /**
   * Rows with later stamps. A row with an earlier one that is here and not in the collection is gone: then there are fewer of
   * these than here, whatever is written meanwhile, and all ids are compared.
   */
  async #changes(round: FollowRound): Promise<'changes' | 'ids'> {
    const { overlap = 60_000 } = this.options;
    const mark = this.#followed!;
    const at = Date.now();
    const changes = await this.#seek(settledStamp(mark.since!, mark.at, overlap), round);
    const { from } = changes;
    let { uncounted = 0 } = mark;
    let isAll = from === undefined;
    if (isAll) uncounted = changes.uncounted;
    else if ((await this.#count(upTo(from!, this.key!))) !== changes.others - uncounted) {
      isAll = true;
      uncounted = (await this.#seek(undefined, round)).uncounted;
    }
    const { largest } = changes;
    const since = largest ? withSeen(mark.since!, largest, at, Date.now(), overlap) : mark.since!;
    await changes.commit({ ...mark, at, rows: this.index.count, since, uncounted });
    this.#looked = { ended: Date.now(), ms: Date.now() - at };
    return isAll ? 'ids' : 'changes';
  }

  async #seek(from: Stamped | undefined, round: FollowRound): Promise<FollowSync> {
    const sync = this.#sync();
    try {
      await sync.changes(from);
    } finally {
      this.#add(round, sync);
    }
    return sync;
  }

  /** Undefined of a source that does not count. */
  async #count(filter: FilterNode): Promise<number | undefined> {
    const { timeout } = this.options;
    const { signal } = this.#ending;
    return this.source.count?.({ filter, ...(timeout !== undefined && { timeout }), signal });
  }

  async #slow(rows: number): Promise<void> {
    const { rate = 10_000 } = this.options;
    const now = performance.now();
    this.#due = Math.max(this.#due, now - 1000) + (1000 * rows) / rate;
    if (this.#due > now) await sleep(this.#due - now, this.#ending.signal);
  }
}

function stopped(source: string): FunnelError {
  return new FunnelError('ABORTED', `The follower of ${source} was stopped`);
}

function asBroken(cause: unknown): FunnelError {
  return new FunnelError('BAD_RESPONSE', `A round of follow() failed: ${messageOf(cause)}`, { cause });
}
