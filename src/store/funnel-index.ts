/** FunnelIndex: vectors, ids and payloads on disk or in memory, searched in this process. */
import { atOnce } from '../core/slices.js';
import type { Id, IdKind, Metric } from '../core/types.js';
import type { Filter } from '../query/filter/types.js';
import type { PayloadSelector } from '../query/payload.js';
import type { SearchResult as FoundByExample, GroupsResult } from '../query/search.js';
import { optimize, optimizeSync } from './builds.js';
import { ByExample, type GroupsOf, type RecommendGroupsOf, type RecommendOf } from './by-example.js';
import { bytesOfIndex } from './bytes.js';
import { EditableIndex } from './editable-index.js';
import { checkedFacet, facet } from './facet.js';
import type { PayloadIndexType } from './files/payload-index-type.js';
import { runLater, runNow } from './files/step.js';
import type { BackupResult, VerifyResult } from './files/verify-types.js';
import { endFollowing } from './follow.js';
import { checkedScroll } from './listing.js';
import type { CheckOptions } from './long-reads.js';
import { creating, opening, openingBytes } from './open.js';
import { type OpenIndex, opened } from './open-index.js';
import { backup, verify } from './operations.js';
import { offerParts } from './parts.js';
import type { OnIndexProgress } from './payload/types.js';
import { countMatching, countMatchingSync, countOf, hasRow, indexStatsOf, listed, rowsOfIds } from './reads.js';
import { offerReplace } from './replace.js';
import { queryBatch, queryBatchSync } from './searches.js';
import type {
  Facet,
  FacetOptions,
  FunnelIndexOptions,
  IndexAnswer,
  IndexQuery,
  IndexStats,
  OpenIndexOptions,
  OptimizeOptions,
  Point,
  PointBatch,
  RowFilter,
  ScrollOptions,
  ScrollPage,
} from './types.js';
import * as writes from './writes.js';

/** A recommendation of an index: a `RecommendRequest` without what an index has nothing for. */
export type IndexRecommend<Payload = unknown> = RecommendOf<FunnelIndex, Payload>;

/** `limit` and `offset` count groups. */
export type IndexGroups<Payload = unknown> = GroupsOf<FunnelIndex, Payload>;

/** `limit` and `offset` count groups. */
export type IndexRecommendGroups<Payload = unknown> = RecommendGroupsOf<FunnelIndex, Payload>;

/**
 * Vectors, ids and payloads in files of yours or in memory, searched in this process: docs/index.md of the repository has
 * options, files and limits. Asynchronous calls search in threads; each `*Sync` twin does the same on the calling thread, with
 * the same answer and errors, and refuses (NOT_WRITABLE) what would mix with an asynchronous write that is under way.
 */
// biome-ignore lint/suspicious/noExplicitAny: an index of any payloads is what an index of some is taken for
export class FunnelIndex<Payload = any> extends EditableIndex<Payload> {
  readonly #index: OpenIndex;
  #madeByExample: ByExample | undefined;

  private constructor(index: OpenIndex) {
    super();
    this.#index = opened(index);
    offerParts(this, () => index.followed());
    offerReplace(this, index);
  }

  /**
   * Makes a new index and opens it for writing.
   *
   * @param path a folder that is missing or empty, or ':memory:'
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, INDEX_EXISTS, NOT_WRITABLE (no permission), MISSING_PACKAGE (lmdb), DISK
   */
  static async create<Payload = unknown>(path: string, options: FunnelIndexOptions): Promise<FunnelIndex<Payload>> {
    return new FunnelIndex<Payload>(await runLater(creating(path, options)));
  }

  /** create(), on the calling thread. */
  static createSync<Payload = unknown>(path: string, options: FunnelIndexOptions): FunnelIndex<Payload> {
    return new FunnelIndex<Payload>(runNow(creating(path, options)));
  }

  /**
   * Opens an index: for writing, which only one process may at a time, or `readOnly`, which any number may. Rows come into
   * memory behind that, as far as `memory` allows, beside the event loop and a MiB with each querySync(); until then searches read
   * them from the files. openSync() reads them first.
   *
   * @throws FunnelError NO_INDEX, INDEX_LOCKED (it says by whom), NOT_WRITABLE (no permission; `readOnly` may do), CORRUPT (it
   *   says which file and section), UNSUPPORTED_FORMAT, MISSING_PACKAGE (lmdb), DISK
   */
  static async open<Payload = unknown>(
    path: string,
    options: OpenIndexOptions & { readOnly?: boolean } = {},
  ): Promise<FunnelIndex<Payload>> {
    const index = await runLater(opening(path, options, false));
    index.warm();
    return new FunnelIndex<Payload>(index);
  }

  /** open(), on the calling thread; rows that `memory` allows are read before it returns. */
  static openSync<Payload = unknown>(
    path: string,
    options: OpenIndexOptions & { readOnly?: boolean } = {},
  ): FunnelIndex<Payload> {
    return new FunnelIndex<Payload>(runNow(opening(path, options, true)));
  }

  /**
   * The index of what toBytes() gave, in memory; bytes are copied.
   *
   * @throws FunnelError BAD_ARGUMENT, CORRUPT, UNSUPPORTED (a big-endian processor), UNSUPPORTED_FORMAT
   */
  static async fromBytes<P = unknown>(bytes: Uint8Array | ArrayBuffer, options?: OpenIndexOptions) {
    return new FunnelIndex<P>(await runLater(openingBytes(bytes, options)));
  }

  /** The folder, or ':memory:'. */
  get path(): string {
    return this.#index.files.path;
  }

  /** Dims of every vector. */
  get dim(): number {
    return this.#index.dim;
  }

  /** The metric that the index was made with. */
  get metric(): Metric {
    return this.#index.metric;
  }

  /** Live rows. */
  get count(): number {
    return countOf(this.#index);
  }

  /** Undefined before the first row. */
  get idKind(): IdKind | undefined {
    return this.#index.files.idKind;
  }

  // Writing

  /**
   * Adds rows; those whose id is there already take its place (and the position of a new row). Resolves when all of it
   * would survive a power loss: all or nothing of it does. Many rows are packed a part at a time, so what was passed must not
   * change until then.
   *
   * @returns how many rows were written, and how many of them took the place of one with their id
   * @throws FunnelError BAD_ID, BAD_DIMS, NOT_FINITE, BAD_ARGUMENT before any work; DISK, NOT_WRITABLE, CLOSED
   */
  async upsert(points: readonly Point<Payload>[] | PointBatch<Payload>): Promise<{ count: number; replaced: number }> {
    return writes.writing(this.#index, 'upsert', () => writes.upsert(this.#index, points));
  }

  /** upsert(), on the calling thread. */
  upsertSync(points: readonly Point<Payload>[] | PointBatch<Payload>): { count: number; replaced: number } {
    return writes.writingNow(this.#index, 'upsertSync', () => writes.upsertSync(this.#index, points));
  }

  /**
   * Deletes rows by id, of which those that no row has are ignored, or all that pass a filter.
   *
   * @returns how many rows there were
   * @throws FunnelError BAD_ARGUMENT (a filter that everything passes, say), BAD_ID before any work; DISK, NOT_WRITABLE, CLOSED
   */
  async delete(rows: Id | readonly Id[] | { filter: RowFilter | Filter<Payload> }): Promise<{ count: number }> {
    return writes.writing(this.#index, 'delete', () => writes.deleteRows(this.#index, rows));
  }

  /** delete(), on the calling thread. */
  deleteSync(rows: Id | readonly Id[] | { filter: RowFilter | Filter<Payload> }): { count: number } {
    return writes.writingNow(this.#index, 'deleteSync', () => writes.deleteRowsSync(this.#index, rows));
  }

  /**
   * Makes an index over what payloads have at a path, which answers conditions on it without a look at payloads, from then
   * on and for rows to come. Filters work without; they read payloads then. Searches and writes go on meanwhile. May be
   * killed at any time, and goes on where it was when called again. One of the same key and type that is there is kept.
   *
   * @param key a path: `year`, `author.name`, `reviews[].stars`
   * @param type of the values that it holds: 'keyword' is any string, 'integer' and 'float' both hold all numbers
   * @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE before any work; DISK, CLOSED, ABORTED (it was deleted meanwhile)
   */
  async createPayloadIndex(
    key: string,
    type: PayloadIndexType,
    options: { onProgress?: OnIndexProgress } = {},
  ): Promise<void> {
    return writes.createPayloadIndex(this.#index, key, type, options);
  }

  /** createPayloadIndex(), on the calling thread. */
  createPayloadIndexSync(key: string, type: PayloadIndexType, options: { onProgress?: OnIndexProgress } = {}): void {
    writes.createPayloadIndexSync(this.#index, key, type, options);
  }

  /** False when there was none. @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, DISK */
  async deletePayloadIndex(key: string): Promise<boolean> {
    return writes.deletePayloadIndex(this.#index, key);
  }

  /** deletePayloadIndex(), on the calling thread. */
  deletePayloadIndexSync(key: string): boolean {
    return writes.deletePayloadIndexSync(this.#index, key);
  }

  /**
   * Fits the codes to all rows, makes the partition, and drops what is dead. Searches and writes go on meanwhile; rows
   * written meanwhile are scanned whole until the next time. May be killed at any time.
   *
   * @param options.queries of rotation 'balanced' alone: sample queries, row-major, any number. Without them the basis of
   *   the last time stays; the first time they are needed
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER before any work; DISK, NOT_WRITABLE, CLOSED (by a
   *   close() meanwhile, too)
   */
  async optimize(options: OptimizeOptions = {}): Promise<void> {
    return optimize(this.#index, options);
  }

  /** optimize(), on the calling thread. */
  optimizeSync(options: OptimizeOptions = {}): void {
    optimizeSync(this.#index, options);
  }

  // Reading

  /**
   * Rows by id, in the order asked; undefined for ids that no row has. Payloads and vectors come along unless `withPayload` or
   * `withVector` say otherwise.
   *
   * @throws FunnelError BAD_ARGUMENT, BAD_ID, CLOSED
   */
  async get(
    ids: readonly Id[],
    options: { withPayload?: PayloadSelector; withVector?: boolean } = {},
  ): Promise<(Point<Payload> | undefined)[]> {
    return this.#index.later(() => rowsOfIds<Payload>(this.#index, ids, options));
  }

  /** get(), on the calling thread. */
  getSync(
    ids: readonly Id[],
    options: { withPayload?: PayloadSelector; withVector?: boolean } = {},
  ): (Point<Payload> | undefined)[] {
    return atOnce(rowsOfIds<Payload>(this.#index, ids, options));
  }

  /** Rows that pass a filter, page by page, in the order of insertion. @throws FunnelError BAD_ARGUMENT, BAD_ID */
  async scroll(options: ScrollOptions<Payload> = {}): Promise<ScrollPage<Payload>> {
    const own = checkedScroll(options);
    return this.#index.later(() => listed<Payload>(this.#index, own));
  }

  /** scroll(), on the calling thread. */
  scrollSync(options: ScrollOptions<Payload> = {}): ScrollPage<Payload> {
    return atOnce(listed<Payload>(this.#index, checkedScroll(options)));
  }

  /** How many rows pass a filter, exactly; without one, all. @throws FunnelError BAD_ARGUMENT, BAD_ID, CLOSED */
  async countMatching(options: { filter?: RowFilter | Filter<Payload> } = {}): Promise<number> {
    return countMatching(this.#index, options);
  }

  /** countMatching(), on the calling thread. */
  countMatchingSync(options: { filter?: RowFilter | Filter<Payload> } = {}): number {
    return countMatchingSync(this.#index, options);
  }

  /**
   * The values at a path, with the number of rows that have each: the most frequent first, equally frequent ones by value
   * (booleans, then numbers, then strings). A row counts once for a value, however often it has it.
   *
   * @throws FunnelError BAD_ARGUMENT, BAD_ID
   */
  async facet(options: FacetOptions<Payload>): Promise<Facet[]> {
    const own = checkedFacet(options);
    return this.#index.later(() => facet(own, this.#index.filtered()));
  }

  /** facet(), on the calling thread. */
  facetSync(options: FacetOptions<Payload>): Facet[] {
    return atOnce(facet(checkedFacet(options), this.#index.filtered()));
  }

  /** Whether a row has this id; false of what is none, or of another kind. @throws FunnelError BAD_ID for several, CLOSED */
  has(id: Id): boolean {
    return hasRow(this.#index, id);
  }

  /** The best rows, off the main thread. @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY */
  async query(query: IndexQuery<Payload>): Promise<IndexAnswer<Payload>> {
    return (await queryBatch<Payload>(this.#index, [query]))[0]!;
  }

  /** query(), on the calling thread, which others of the index help. */
  querySync(query: IndexQuery<Payload>): IndexAnswer<Payload> {
    return queryBatchSync<Payload>(this.#index, [query])[0]!;
  }

  /** Many at once, answered in order; exact ones share passes over the codes. @throws as query(), naming the query */
  async queryBatch(queries: readonly IndexQuery<Payload>[]): Promise<IndexAnswer<Payload>[]> {
    return queryBatch(this.#index, queries);
  }

  /** queryBatch(), on the calling thread, which others of the index help. */
  queryBatchSync(queries: readonly IndexQuery<Payload>[]): IndexAnswer<Payload>[] {
    return queryBatchSync(this.#index, queries);
  }

  get #byExample(): ByExample {
    this.#index.checkOpen();
    this.#madeByExample ??= new ByExample(this, this.#index.kernels);
    return this.#madeByExample;
  }

  /**
   * Finds rows that are like the positive examples and unlike the negative ones; rows named as examples are no hits.
   * Strategy 'average_vector' costs one query; the others score candidates, or in mode 'exact' all rows, by every
   * example.
   *
   * @throws FunnelError NOT_FOUND for an id that no row has, BAD_ARGUMENT, BAD_DIMS, ZERO_QUERY
   */
  async recommend(request: IndexRecommend<Payload>): Promise<FoundByExample> {
    return this.#byExample.recommend(request);
  }

  /** Many at once, answered in order; all examples are looked up in one call. @throws as recommend(), naming the request */
  async recommendBatch(requests: readonly IndexRecommend<Payload>[]): Promise<FoundByExample[]> {
    return this.#byExample.recommendBatch(requests);
  }

  /**
   * The best hits by a value of their payload; the groups, and their hits, of all rows unless mode is 'funnel'.
   *
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY, TOO_DEEP, UNSUPPORTED
   */
  async queryGroups(request: IndexGroups<Payload>): Promise<GroupsResult> {
    return this.#byExample.queryGroups(request);
  }

  /** As queryGroups(), by examples. @throws as recommend() */
  async recommendGroups(request: IndexRecommendGroups<Payload>): Promise<GroupsResult> {
    return this.#byExample.recommendGroups(request);
  }

  // The index itself

  /**
   * A copy of this index as of one commit, into another folder, while everybody reads and writes. All of it is read back against
   * its checksums before it becomes an index: a process that dies on the way leaves none, and the next backup into that folder
   * begins anew.
   *
   * @param path a folder that is missing or empty
   * @throws FunnelError INDEX_EXISTS, BAD_ARGUMENT, UNSUPPORTED (':memory:'), DISK, CORRUPT (this index is broken), ABORTED
   */
  backup(path: string, options: CheckOptions = {}): Promise<BackupResult> {
    return backup(this.#index, path, options);
  }

  /** Reads all that is committed against its checksums, while everybody reads and writes. @throws FunnelError ABORTED, DISK, CLOSED */
  verify(options: CheckOptions = {}): Promise<VerifyResult> {
    return verify(this.#index, options);
  }

  /** Counts, sizes and settings of the index, in memory and on disk. @throws FunnelError CLOSED */
  stats(): IndexStats {
    return indexStatsOf(this.#index);
  }

  /** The whole index, rows and codes, for {@link fromBytes}. @throws FunnelError CLOSED, DISK, CORRUPT, UNSUPPORTED (a big-endian processor) */
  async toBytes(): Promise<Uint8Array> {
    return bytesOfIndex(this.#index);
  }

  /**
   * Waits for writes that were asked for before, ends the threads, and stops being the writer. All calls resolve when
   * that is done. Calls after the first close() are refused (CLOSED).
   *
   * @throws FunnelError DISK; the index is closed all the same
   */
  close(): Promise<void> {
    endFollowing(this);
    return this.#index.close();
  }

  /** @throws FunnelError NOT_WRITABLE while a write or optimize() is under way, the index stays open then; DISK, it is closed */
  closeSync(): void {
    this.#index.closeSync();
    endFollowing(this);
  }

  /** close(), for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
