/** The part of FunnelIndex that makes it a mirror: vectors by id, syncs with a collection, what they left behind. */
import type { Id, IdKind, Metric, SyncMark } from '../core/types.js';
import type { Source } from '../query/source/source.js';
import { follow } from './follow.js';
import type { Follower, FollowOptions } from './follow-options.js';
import { gather } from './gather.js';
import { offerAsMirror } from './offer-mirror.js';
import { partsOf } from './parts.js';
import { someIds } from './scan.js';
import type { SearchedIndex } from './searched-index.js';
import { syncFrom } from './sync.js';
import { markOf } from './sync-mark.js';
import type { SyncOptions, SyncResult } from './sync-types.js';

/** The calls of a FunnelIndex as a mirror. */
export abstract class MirrorIndex {
  /** Dims of every vector. */
  abstract readonly dim: number;
  /** The metric that the index was made with. */
  abstract readonly metric: Metric;
  /** Undefined before the first row. */
  abstract readonly idKind: IdKind | undefined;

  constructor() {
    offerAsMirror(this as unknown as SearchedIndex);
  }

  /**
   * Vectors of rows by id, into one matrix: what a mirror reads.
   *
   * @param out `ids.length × dim`; rows of ids that are missing are left as they are
   * @returns the places in `ids` that no row has
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, CLOSED
   */
  gather(ids: ArrayLike<Id>, out: Float32Array): number[] {
    return gather(partsOf(this), ids, out);
  }

  /** The first ids, at most `count`. @throws FunnelError BAD_ARGUMENT, CLOSED */
  someIds(count: number): Id[] {
    return someIds(partsOf(this), count);
  }

  /**
   * The last completed sync, by whichever process: what a mirror is as old as. Undefined where there was none, or where a later
   * one, of another collection, was cut off.
   *
   * @throws FunnelError CLOSED
   */
  get syncMark(): SyncMark | undefined {
    const mark = markOf(partsOf(this).files.meta);
    return mark && { source: mark.source, at: mark.at, rows: mark.rows };
  }

  /**
   * Makes this index the mirror of a collection: see {@link SyncOptions}.
   *
   * @throws FunnelError BAD_DIMS, BAD_ARGUMENT, NOT_WRITABLE before any work; BAD_ID, NOT_FINITE, ABORTED, DISK, and what the
   *   source throws: what was written until then stays, and the next call goes on from there
   */
  syncFrom(source: Source, options: SyncOptions = {}): Promise<SyncResult> {
    return syncFrom(this as unknown as SearchedIndex, source, options);
  }

  /**
   * Keeps this index the mirror of a collection, in rounds, until it is stopped: see {@link FollowOptions}. A round that fails is
   * tried again after a pause that grows up to a minute. The process lives as long as the follower. One process follows;
   * others open the index `readOnly`, and see each round when it is done.
   *
   * @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, UNSUPPORTED, CLOSED before any work
   */
  follow(source: Source, options: FollowOptions = {}): Follower {
    return follow(this as unknown as SearchedIndex, source, options);
  }
}
