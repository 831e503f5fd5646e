/** Options and results of syncFrom(): types alone, which public declarations name. */
import type { IdKind } from '../core/types.js';
import type { PayloadSelection } from '../query/source/source.js';

/** Options of syncFrom(). */
export interface SyncOptions {
  /** Rows of a page. @default 1000 */
  batch?: number;
  /**
   * The part of the payload that is kept beside the vectors; a search through a mirror takes payloads from the
   * database. @default false
   */
  withPayload?: PayloadSelection;
  /**
   * Go on where a sync of the same collection was cut off, by a crash or an abort; false: from the start.
   *
   * @default true
   */
  resume?: boolean;
  /**
   * At the end, delete rows that were here before and that the collection (behind the source's own filter) does not have.
   *
   * @default true
   */
  prune?: boolean;
  /** How an empty index is to keep ids; Milvus hands out strings for int64 keys. @default as the source has them */
  idKind?: IdKind;
  /** After each page that is safe on disk. */
  onProgress?: (progress: SyncProgress) => void;
  /** Milliseconds for each call to the database. */
  timeout?: number;
  /** Ends the call when it aborts; the error then has the code ABORTED. What was written until then stays. */
  signal?: AbortSignal;
}

/** Progress of a sync. */
export interface SyncProgress {
  /** Rows of the collection that were looked at, those before a resumed start with them. */
  done: number;
  /** Rows that were new or other than here, by this call. */
  written: number;
}

/** The result of a sync. */
export interface SyncResult {
  /** Rows of the collection. */
  rows: number;
  /** Rows among them that were new or other than here; the rest was left alone. */
  written: number;
  /** Rows that the collection does not have any more. */
  deleted: number;
  /** Points of the collection that lack the full vector and were left out; of sources with `missingVectors: 'skip'`. */
  missingVectors?: number;
  /** Whether an earlier call was gone on with. */
  resumed: boolean;
}
