/** Options of a follower, checked, and what it tells. */
import { isSignal } from '../core/call.js';
import { expected, FunnelError } from '../core/errors.js';
import type { IdKind, SyncMark } from '../core/types.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import type { Path } from '../query/filter/ast.js';
import { parsePath } from '../query/filter/path.js';
import type { PayloadSelection, Source } from '../query/source/source.js';
import { withStamp } from './stamps.js';
import { checkSyncOptions } from './sync.js';

declare global {
  /** As @types/node and compilers from 5.2 on declare it: older ones have no library of that name to ask for. */
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/** Options of follow(). */
export interface FollowOptions {
  /** Milliseconds between the end of a round and the start of the next. @default 10,000 */
  every?: number;
  /**
   * A path of the payload whose value grows with every write of a row: a date, or a number (a time, a version). Rounds then
   * read what has changed alone, and its value is kept in the mirror beside `withPayload`. Without it each round looks at all rows:
   * at their ids, the payload that is kept, and one number of each vector, its score by a random query (`source.full()` among
   * these ids), and reads those that differ. Where the database has an index on the key, a round costs it little; the source
   * must have `filtersScans`.
   */
  since?: string;
  /**
   * Milliseconds between rounds that read all rows, which also find what has no stamp, one that did not grow, or a vector so
   * near the one before that its score is the same. 0: each round is one.
   * With `since` these alone find a collection that replaced another behind its name or alias with the same ids and stamps.
   *
   * @default 3,600,000
   */
  full?: number;
  /**
   * With `since`: milliseconds that a row may take from its stamp until it can be read, differences between clocks included. A
   * row that takes longer is found by the next pass over all rows.
   *
   * @default 60,000
   */
  overlap?: number;
  /** Rows that the server is asked for in a second, at most; those of which only the id is read count too. @default 10,000 */
  rate?: number;
  /** Rows of a page. @default 1000 */
  batch?: number;
  /** The part of the payload that is kept beside the vectors. @default false */
  withPayload?: PayloadSelection;
  /** How an empty index is to keep ids. @default as the source has them */
  idKind?: IdKind;
  /** Milliseconds for each call to the database. */
  timeout?: number;
  /** Stops the follower when it aborts. */
  signal?: AbortSignal;
  /** After each round that brought the mirror up to date. A callback that throws ends the follower: it has failed. */
  onRound?: (round: FollowRound) => void;
  /** After each round that failed; the follower tries again, ever more rarely, unless it says 'failed' in stats(). */
  onError?: (error: FunnelError) => void;
}

/** The work of a round. */
export interface FollowRound {
  /**
   * 'changes': rows with later stamps. 'ids': those, and the ids of all rows, since rows are gone. 'checksums': ids, payload and
   * checksums of all rows, without a key. 'full': all rows.
   */
  kind: 'changes' | 'ids' | 'checksums' | 'full';
  /** When it began, in milliseconds since 1970. */
  at: number;
  /** Milliseconds. */
  ms: number;
  /** Rows that the database was asked for. */
  read: number;
  /** Rows that were new or other than here. */
  written: number;
  /** Rows that the collection does not have any more. */
  deleted: number;
}

/** The state of a follower, and its sums. */
export interface FollowStats {
  /** 'failed': by an error that no second attempt would change. */
  state: 'syncing' | 'waiting' | 'backing off' | 'stopped' | 'failed';
  /** Rounds that were completed. */
  rounds: number;
  /** Rows of all rounds that the database was asked for. */
  read: number;
  /** Rows of all rounds that were new or other than here. */
  written: number;
  /** Rows of all rounds that the collection did not have any more. */
  deleted: number;
  /** Rounds that failed since the last one that did not. */
  failures: number;
  /** Why the last of these failed. */
  error?: FunnelError;
  /** The last round that was completed. */
  last?: FollowRound;
  /** The mark of the mirror. */
  mark?: SyncMark;
  /** Milliseconds since the collection was as the mirror is. */
  age?: number;
}

/** A follower at work; see `follow()` of an index. */
export interface Follower {
  /** Resolves when it was stopped, or its index closed; rejects when it failed for good. */
  readonly done: Promise<void>;
  /** Tells its state, and sums of all rounds. */
  stats(): FollowStats;
  /** A round now: resolves when one that began after this call is done. @throws FunnelError what that round throws; ABORTED */
  update(): Promise<FollowRound>;
  /** Ends the round under way, and all others. What was written stays; another follower goes on from there. */
  stop(): Promise<void>;
  /** stop(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const KEYS = [
  'every',
  'since',
  'full',
  'overlap',
  'rate',
  'batch',
  'withPayload',
  'idKind',
  'timeout',
  'signal',
  'onRound',
  'onError',
] as const satisfies readonly (keyof FollowOptions)[];

/** @throws FunnelError BAD_ARGUMENT, UNSUPPORTED */
export function checkedFollow(source: Source, given: FollowOptions): { options: FollowOptions; key: Path | undefined } {
  if (typeof source?.scan !== 'function') throw expected('BAD_ARGUMENT', 'a source that can scan()', 'source', source);
  checkKeys(given, KEYS, 'the options of follow()');
  const options = { ...given }; // read once
  const { every, since, full, overlap, rate, batch, withPayload, idKind, timeout, signal, onRound, onError } = options;
  checkSyncOptions({ ...(batch !== undefined && { batch }), withPayload, idKind } as never);
  for (const [key, value] of Object.entries({ every, full, overlap })) {
    if (value === undefined) continue;
    if (!(typeof value === 'number' && value >= 0))
      throw expected('BAD_ARGUMENT', 'milliseconds, 0 or more,', key, value);
    if (key === 'overlap' && since === undefined) throw expected('BAD_ARGUMENT', 'nothing without since', key, value);
  }
  if (rate !== undefined && rate !== Number.POSITIVE_INFINITY) checkInteger(rate, 1, 0xffff_ffff, 'rate');
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout > 0)) {
    throw expected('BAD_ARGUMENT', 'a positive number of milliseconds', 'timeout', timeout);
  }
  if (signal !== undefined && signal !== null && !isSignal(signal))
    throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  for (const [key, value] of Object.entries({ onRound, onError })) {
    if (value !== undefined && typeof value !== 'function') throw expected('BAD_ARGUMENT', 'a function', key, value);
  }
  const key = since === undefined ? undefined : parsePath(since, 'since');
  if (key !== undefined && source.filtersScans !== true) {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected no since for ${source.name}, whose scan() takes no filter: leave it out`,
    );
  }
  if (key !== undefined) withStamp(withPayload ?? false, key);
  return { options, key };
}
