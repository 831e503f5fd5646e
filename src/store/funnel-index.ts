/// <reference lib="esnext.disposable" preserve="true" />
/** FunnelIndex: vectors, ids and payloads on disk or in memory, searched in this process. */
import { expected, FunnelError } from '../errors.js';
import { halfToFloat } from '../half.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Kernels } from '../kernels/kernels.js';
import { Filters } from '../query/filter/conditions.js';
import { parsePath } from '../query/filter/path.js';
import type { Filter } from '../query/filter/types.js';
import type { PayloadSelector } from '../query/payload.js';
import type {
  SearchResult as FoundByExample,
  GroupsResult,
  RecommendGroupsRequest,
  RecommendRequest,
} from '../search.js';
import type { Source } from '../sources/source.js';
import type { Id, IdKind } from '../types.js';
import { checkId, checkKeys, isId } from '../validate.js';
import { type Backend, backend } from './backend.js';
import { buildSync, buildWith, type OnProgress } from './builder.js';
import { ByExample, type IndexGroups, type IndexRecommend, type IndexRecommendGroups } from './by-example.js';
import type { Basis } from './engine/basis.js';
import type { BuildOptions } from './engine/build.js';
import { Searcher, type SearchResult, type SearchState } from './engine/search.js';
import { isBlunt, type Segment } from './engine/segment.js';
import { facet, ownFacet } from './facet.js';
import { IndexFiles, ROW_FILE_BYTES } from './files/index-files.js';
import { runLater, runNow, type Steps } from './files/step.js';
import { evaluate, type Filtered, type Matched, type OwnFilter, ownFilter } from './filters.js';
import { gather } from './gather.js';
import { checkCreateOptions, checkOpenOptions, type IndexConfig, packPoints, sampleQueries } from './input.js';
import { type OwnScroll, ownScroll, page } from './listing.js';
import { Live } from './live.js';
import { offerParts, partsOf } from './parts.js';
import { PayloadIndexes } from './payload/indexes.js';
import { listOf as rowsOf } from './payload/row-set.js';
import { atOnce, inSlices, type Sliced } from './payload/slices.js';
import { INDEX_TYPES, type OnIndexProgress, type PayloadIndexType } from './payload/types.js';
import { Pool } from './pool.js';
import { type CheckedQuery, checkedQuery, checkSelection, type Selection } from './request.js';
import { FULL_SCAN_THRESHOLD } from './restrict.js';
import { type Restricted, Restrictions, requestOf } from './restrictions.js';
import { someIds } from './scan.js';
import { segmentSections } from './segment-file.js';
import { type SyncOptions, type SyncResult, syncFrom } from './sync.js';
import { usableThreads } from './threads.js';
import { othersTurn, overdue } from './turns.js';
import type {
  Facet,
  FacetOptions,
  FunnelIndexOptions,
  IndexAnswer,
  IndexHit,
  IndexQuery,
  IndexStats,
  OpenIndexOptions,
  OptimizeOptions,
  Point,
  PointBatch,
  RowFilter,
  ScrollOptions,
  ScrollPage,
  ScrollPoint,
} from './types.js';
import { Upkeep, type Work } from './upkeep.js';

/** A bundle has no file for threads. */
const POOL_AVAILABLE = Pool.available;
/** Values of rows that are searched in less time than a message to a thread and back takes. */
const TINY = 1 << 17;
/** Values of rows from which on open() takes longer than the start of a thread. */
const LARGE = 1 << 24;
/** Rows that are put together between two looks at the clock. */
const ROWS_AT_ONCE = 64;
/** Searches that deaths of rows may spoil before one runs where nothing else does. */
const ATTEMPTS = 3;
/** Dead rows beyond this share of those in the files are dropped from them by optimize(). */
const COMPACT_FROM = 0.2;

/**
 * Vectors, ids and payloads in files of yours or in memory, searched in this process: docs/index.md of the repository has
 * options, files and limits. Asynchronous calls search in threads; each `*Sync` twin does the same on the calling thread, with
 * the same answer and errors, and refuses (NOT_WRITABLE) what would mix with an asynchronous write that is under way.
 */
// biome-ignore lint/suspicious/noExplicitAny: an index of any payloads is what an index of some is taken for
export class FunnelIndex<Payload = any> {
  readonly #files: IndexFiles;
  readonly #live: Live;
  readonly #indexes: PayloadIndexes;
  readonly #kernels: Kernels;
  readonly #codes: CodeKernels;
  readonly #searcher: Searcher;
  readonly #pool: Pool;
  readonly #auto: boolean;
  readonly #restrictions: Restrictions;
  readonly #upkeep: Upkeep;
  #madeByExample: ByExample | undefined;
  #warming: Promise<void> = Promise.resolve();
  /** Of the files, which have more than is in memory. */
  #isBehind = false;
  #closing: Promise<void> | undefined;
  #closed = false;

  private constructor(
    files: IndexFiles,
    live: Live,
    pool: Pool,
    { kernels, codes }: Backend,
    options: OpenIndexOptions,
  ) {
    this.#kernels = kernels;
    this.#codes = codes;
    this.#files = files;
    this.#live = live;
    this.#indexes = new PayloadIndexes(files, this.#live.alive);
    this.#searcher = new Searcher(this.#kernels, this.#codes);
    this.#pool = pool;
    this.#auto = options.autoOptimize ?? true;
    const few = options.fullScanThreshold ?? FULL_SCAN_THRESHOLD;
    this.#restrictions = new Restrictions({ files, live: this.#live, indexes: this.#indexes }, this.#codes, few);
    this.#upkeep = new Upkeep(
      {
        files,
        live: this.#live,
        isOpen: () => !this.#closed,
        wantsQueries: () => this.#wantsQueries,
        run: this.#workOn,
      },
      this.#auto && !files.readOnly,
    );
    files.onRecords(this.#live.roomFor);
    files.onCompaction(this.#live.roomForCompacted);
    files.onChange((died) => {
      if (this.#closed) return;
      this.#live.died(died);
      this.#live.rowsChanged();
    });
    offerParts(this, () => {
      this.#follow();
      return { files: this.#files, live: this.#live, codes: this.#codes, indexes: this.#indexes };
    });
    this.#optimizeIfWorth();
    this.#packIfWorth();
  }

  /**
   * Makes a new index and opens it for writing.
   *
   * @param path a folder that is missing or empty, or ':memory:'
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, INDEX_EXISTS, NOT_WRITABLE (no permission), MISSING_PACKAGE (lmdb), DISK
   */
  static async create<Payload = unknown>(path: string, options: FunnelIndexOptions): Promise<FunnelIndex<Payload>> {
    return FunnelIndex.createSync(path, options);
  }

  /** create(), on the calling thread. */
  static createSync<Payload = unknown>(path: string, given: FunnelIndexOptions): FunnelIndex<Payload> {
    checkPath(path);
    if (typeof given !== 'object' || given === null) {
      throw expected('BAD_ARGUMENT', '{ dim, ... }', 'the options of FunnelIndex.create()', given);
    }
    const options = { ...given }; // read once
    const config = checkCreateOptions(options);
    const { dim, metric = 'cosine', precision = 'float32', durability, breakLock } = options;
    const files = IndexFiles.createSync(
      path,
      { dim, metric, precision, options: config },
      { ...(durability && { durability }), ...(breakLock && { breakLock }), maxFileBytes: ROW_FILE_BYTES },
    );
    return runNow(FunnelIndex.#over<Payload>(files, options, true));
  }

  static *#over<Payload>(files: IndexFiles, options: OpenIndexOptions, withRows: boolean): Steps<FunnelIndex<Payload>> {
    let pool: Pool | undefined;
    try {
      const own = backend(); // once: on WASM it is a memory
      pool = new Pool(options.threads ?? usableThreads(), own.setup);
      if (!withRows && POOL_AVAILABLE && files.liveCount * files.config.dim > LARGE) pool.prepare();
      const live = new Live(files, own.codes, options.memory ?? Number.MAX_SAFE_INTEGER);
      yield* live.load(withRows);
      return new FunnelIndex<Payload>(files, live, pool, own, options);
    } catch (error) {
      void pool?.close();
      files.closeSync();
      throw error;
    }
  }

  /**
   * Opens an index: for writing, which only one process may at a time, or `readOnly`, which any number may. Rows come into
   * memory behind that, as far as `memory` allows; until then searches read them from the files. openSync() reads them first.
   *
   * @throws FunnelError NO_INDEX, INDEX_LOCKED (it says by whom), NOT_WRITABLE (no permission; `readOnly` may do), CORRUPT (it
   *   says which file and section), UNSUPPORTED_FORMAT, MISSING_PACKAGE (lmdb), DISK
   */
  static async open<Payload = unknown>(
    path: string,
    options: OpenIndexOptions & { readOnly?: boolean } = {},
  ): Promise<FunnelIndex<Payload>> {
    const index = await runLater(FunnelIndex.#opening<Payload>(path, options, false));
    index.#warming = index.#warm();
    return index;
  }

  /** open(), on the calling thread; rows that `memory` allows are read before it returns. */
  static openSync<Payload = unknown>(
    path: string,
    options: OpenIndexOptions & { readOnly?: boolean } = {},
  ): FunnelIndex<Payload> {
    return runNow(FunnelIndex.#opening<Payload>(path, options, true));
  }

  static *#opening<Payload>(
    path: string,
    given: OpenIndexOptions & { readOnly?: boolean },
    withRows: boolean,
  ): Steps<FunnelIndex<Payload>> {
    checkPath(path);
    const options = typeof given === 'object' && given !== null ? { ...given } : given; // read once
    checkOpenOptions(options);
    const { readOnly = false, durability, breakLock } = options;
    const files = yield* IndexFiles.openSteps(path, {
      readOnly,
      ...(durability && { durability }),
      ...(breakLock && { breakLock }),
    });
    return yield* FunnelIndex.#over<Payload>(files, options, withRows);
  }

  /** Rows come into memory while searches read them from the files. */
  async #warm(): Promise<void> {
    await runLater(this.#live.warm(() => !this.#closed));
  }

  /** The folder, or ':memory:'. */
  get path(): string {
    return this.#files.path;
  }

  /** Dims of every vector. */
  get dim(): number {
    return this.#files.config.dim;
  }

  /** The metric that the index was made with. */
  get metric() {
    return this.#files.config.metric;
  }

  /** Live rows. */
  get count(): number {
    this.#follow();
    return this.#files.liveCount;
  }

  /** Undefined before the first row. */
  get idKind(): IdKind | undefined {
    return this.#files.idKind;
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
    this.#checkOpen();
    const pack = () => packPoints(points, this.dim, this.#live.half);
    const { count, replaced } = await this.#files.appendPacked(pack);
    await this.#keepUp();
    this.#optimizeIfWorth();
    return { count, replaced: replaced.length };
  }

  /** upsert(), on the calling thread. */
  upsertSync(points: readonly Point<Payload>[] | PointBatch<Payload>): { count: number; replaced: number } {
    this.#checkOpen();
    const { count, replaced } = this.#files.appendSync(atOnce(packPoints(points, this.dim, this.#live.half)));
    this.#optimizeIfWorth();
    return { count, replaced: replaced.length };
  }

  /**
   * Deletes rows by id, of which those that no row has are ignored, or all that pass a filter.
   *
   * @returns how many rows there were
   * @throws FunnelError BAD_ARGUMENT (a filter that everything passes, say), BAD_ID before any work; DISK, NOT_WRITABLE, CLOSED
   */
  async delete(rows: Id | readonly Id[] | { filter: RowFilter | Filter<Payload> }): Promise<{ count: number }> {
    const filter = this.#filterToDelete(rows);
    if (filter === undefined) return this.#deleted(await this.#files.delete(listOf(rows as Id)));
    const matched = await this.#later(() => evaluate(filter, this.#filtered()));
    return this.#deleted(await this.#files.deleteRows(rowsOf(matched.rows)));
  }

  /** delete(), on the calling thread. */
  deleteSync(rows: Id | readonly Id[] | { filter: RowFilter | Filter<Payload> }): { count: number } {
    const filter = this.#filterToDelete(rows);
    if (filter === undefined) return this.#deleted(this.#files.deleteSync(listOf(rows as Id)));
    return this.#deleted(this.#files.deleteRowsSync(rowsOf(atOnce(evaluate(filter, this.#filtered())).rows)));
  }

  #deleted({ length }: readonly number[]): { count: number } {
    this.#optimizeIfWorth();
    return { count: length };
  }

  /** What passes everything is more likely a mistake than a wish. */
  #filterToDelete(rows: unknown): OwnFilter | undefined {
    this.#checkOpen();
    if (typeof rows !== 'object' || rows === null || Array.isArray(rows)) return undefined;
    checkKeys(rows, ['filter'], 'what delete() takes beside ids');
    this.#checkWritable();
    const filter = ownFilter((rows as { filter?: unknown }).filter);
    if (filter !== undefined) return filter;
    throw new FunnelError(
      'BAD_ARGUMENT',
      'Expected a filter with conditions for delete(), which would delete every row',
    );
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
    await this.#indexes.create(key, type, this.#checkNewIndex(key, type, options));
    if (overdue()) await othersTurn();
  }

  /** createPayloadIndex(), on the calling thread. */
  createPayloadIndexSync(key: string, type: PayloadIndexType, options: { onProgress?: OnIndexProgress } = {}): void {
    this.#indexes.createNow(key, type, this.#checkNewIndex(key, type, options));
  }

  /** False when there was none. @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, DISK */
  async deletePayloadIndex(key: string): Promise<boolean> {
    this.#checkWritable();
    parsePath(key, 'key');
    const deleted = await this.#indexes.delete(key);
    if (overdue()) await othersTurn();
    return deleted;
  }

  /** deletePayloadIndex(), on the calling thread. */
  deletePayloadIndexSync(key: string): boolean {
    this.#checkWritable();
    parsePath(key, 'key');
    return this.#indexes.deleteNow(key);
  }

  #checkNewIndex(key: string, type: PayloadIndexType, options: { onProgress?: OnIndexProgress }): OnIndexProgress {
    this.#checkWritable();
    parsePath(key, 'key');
    if (!INDEX_TYPES.includes(type)) throw expected('BAD_ARGUMENT', `one of ${INDEX_TYPES.join(', ')}`, 'type', type);
    checkKeys(options, ['onProgress'], 'the options of createPayloadIndex()');
    const { onProgress = () => {} } = options;
    if (typeof onProgress !== 'function') throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
    return onProgress;
  }

  /** Payload indexes take in new rows now, so that searches need not. What fails here, the next filter says. */
  async #keepUp(): Promise<void> {
    if (this.#closed || this.#indexes.count === 0) return;
    try {
      await inSlices(this.#indexes.catchUp(), () => this.#checkOpen());
    } catch {
      return;
    }
    this.#packIfWorth();
  }

  /** Later, as {@link #optimizeIfWorth}. */
  #packIfWorth(): void {
    const isWorth = () => this.#auto && !this.#closed && !this.#indexes.busy && this.#indexes.isWorthWriting;
    if (this.#files.readOnly || !isWorth()) return;
    setImmediate(() => {
      // Searches go on without; the next write tries again.
      if (isWorth()) this.#indexes.write(true).catch(() => {});
    }).unref();
  }

  /** Whatever is due now, or after a while without writes: see upkeep.ts. */
  #optimizeIfWorth(): void {
    this.#upkeep.written();
  }

  /**
   * Fits the codes to all rows, makes the partition, and drops what is dead. Searches and writes go on meanwhile; rows
   * written meanwhile are scanned whole until the next time. May be killed at any time.
   *
   * @param options.queries of rotation 'balanced' alone: sample queries, row-major, any number. Without them the basis of
   *   the last time stays; the first time they are needed
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER before any work; DISK, NOT_WRITABLE
   */
  async optimize(options: OptimizeOptions = {}): Promise<void> {
    this.#checkOpen();
    this.#checkOptimize(options);
    // A build that is under way may bring the basis.
    const isTold = options.queries === undefined && this.#upkeep.hasQueries;
    const queries = isTold ? undefined : this.#checkQueries(options.queries);
    return this.#upkeep.optimize(queries, options.onProgress);
  }

  /** What upkeep.ts has decided on. */
  readonly #workOn = async (work: Work): Promise<void> => {
    this.#checkOpen();
    await this.#files.written();
    this.#checkOpen();
    if (work.task === 'compaction' || this.#files.deadCount > COMPACT_FROM * this.#files.filedCount) {
      await this.#files.compact({ pace: work.pace, signal: work.controller.signal });
      this.#checkOpen();
    }
    if (work.task === 'compaction') {
      await this.#indexes.write(true);
      return;
    }
    const options = this.#buildOptions(this.#checkQueries(work.queries));
    work.saw(this.#files);
    const segment = POOL_AVAILABLE
      ? await buildWith(this.#pool, this.#live, this.#codes, options, work.progress)
      : buildSync(this.#live, this.#kernels, this.#codes, options, work.progress);
    this.#checkOpen();
    await this.#keep(segment, work.progress);
    this.#checkOpen();
    await this.#indexes.write();
  };

  /** Undefined when no row lives: then codes of rows that did are all that there is to drop. */
  async #keep(segment: Segment | undefined, onProgress: OnProgress): Promise<void> {
    const old = this.#files.segments.map(({ name }) => name);
    if (segment === undefined) {
      if (old.length > 0) await this.#files.commitSegments({ remove: old });
      if (!this.#closed) this.#live.dropSegments();
      return;
    }
    onProgress({ phase: 'write', done: 0, total: 1 });
    if (this.path === ':memory:') {
      this.#live.replaceSegments(segment, undefined);
    } else {
      const ref = await this.#files.writeSegment(segmentSections(segment));
      await this.#files.commitSegments({ add: [ref], remove: old });
      if (!this.#closed) this.#live.replaceSegments(segment, ref.name);
    }
    onProgress({ phase: 'write', done: 1, total: 1 });
  }

  /** optimize(), on the calling thread. */
  optimizeSync(options: OptimizeOptions = {}): void {
    this.#checkOpen();
    this.#checkOptimize(options);
    if (this.#upkeep.busy) throw underWay();
    const build = this.#buildOptions(this.#checkQueries(options.queries));
    if (this.#files.deadCount > COMPACT_FROM * this.#files.filedCount) this.#files.compactSync();
    this.#indexes.writeNow();
    this.#keepSync(buildSync(this.#live, this.#kernels, this.#codes, build, options.onProgress));
  }

  #keepSync(segment: Segment | undefined): void {
    const remove = this.#files.segments.map(({ name }) => name);
    if (segment === undefined) {
      if (remove.length > 0) this.#files.commitSegmentsSync({ remove });
      this.#live.dropSegments();
    } else if (this.path === ':memory:') {
      this.#live.replaceSegments(segment, undefined);
    } else {
      const ref = this.#files.writeSegmentSync(segmentSections(segment));
      this.#files.commitSegmentsSync({ add: [ref], remove });
      this.#live.replaceSegments(segment, ref.name);
    }
  }

  /** Of 'balanced', before there is a basis. */
  get #wantsQueries(): boolean {
    const { rotation } = this.#files.config.options as IndexConfig;
    return rotation === 'balanced' && !this.#live.segments[0]?.coding.basis;
  }

  #checkOptimize(options: OptimizeOptions): void {
    checkKeys(options, ['onProgress', 'queries'], 'the options of optimize()');
    if (options.onProgress !== undefined && typeof options.onProgress !== 'function') {
      throw expected('BAD_ARGUMENT', 'a function', 'onProgress', options.onProgress);
    }
    this.#checkWritable();
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#files.readOnly) {
      throw new FunnelError('NOT_WRITABLE', 'Expected an index opened for writing, not readOnly');
    }
  }

  /** The sample for a build, a copy. @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER */
  #checkQueries(sample: Float32Array | undefined): Float32Array | undefined {
    const { rotation } = this.#files.config.options as IndexConfig;
    if (sample !== undefined && rotation !== 'balanced') {
      throw new FunnelError('BAD_ARGUMENT', `Expected no queries for optimize() with rotation '${rotation}'`);
    }
    if (sample === undefined && this.#wantsQueries) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        "Expected optimize({ queries }) for rotation 'balanced': it has no basis yet",
      );
    }
    return sample === undefined ? undefined : sampleQueries(sample, this.dim);
  }

  #buildOptions(queries: Float32Array | undefined): BuildOptions {
    const { head, order, rotation, lists } = this.#files.config.options as IndexConfig;
    const round = (n: number) => Math.ceil(n / 8) * 8;
    return {
      dim: this.dim,
      metric: this.metric,
      rotation,
      head: round(head),
      width: Math.max(round(head), round(Math.min(this.dim, 2 * head))),
      ...(lists === null ? {} : { lists }),
      ...(order === undefined ? {} : { shortlist: order }),
      ...(queries === undefined ? {} : { queries }),
      // A copy: the segment that has it may be replaced meanwhile.
      ...(rotation === 'balanced' && !queries && { basis: ownBasis(this.#live.segments[0]!.coding.basis!) }),
    };
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
    return this.#later(() => this.#get(ids, options));
  }

  /** get(), on the calling thread. */
  getSync(
    ids: readonly Id[],
    options: { withPayload?: PayloadSelector; withVector?: boolean } = {},
  ): (Point<Payload> | undefined)[] {
    return atOnce(this.#get(ids, options));
  }

  *#get(
    ids: readonly Id[],
    options: { withPayload?: PayloadSelector; withVector?: boolean },
  ): Sliced<(Point<Payload> | undefined)[]> {
    const { payloadOf, withVector } = checkSelection(options, { withPayload: true, withVector: true });
    this.#follow();
    const points: (Point<Payload> | undefined)[] = [];
    for (const id of listOf(ids)) {
      if (points.length % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
      const ordinal = this.#files.ordinalOf(id);
      if (ordinal === undefined) {
        points.push(undefined);
        continue;
      }
      const point: Point<Payload> = { id, vector: withVector ? this.#vectorOf(ordinal) : new Float32Array(0) };
      this.#addPayload(point, ordinal, payloadOf);
      points.push(point);
    }
    return points;
  }

  #addPayload(point: { payload?: Payload }, ordinal: number, payloadOf: Selection['payloadOf']): void {
    const payload = payloadOf && this.#files.payloadOf(ordinal);
    if (payload !== undefined) point.payload = payloadOf!(payload) as Payload;
  }

  /** Rows that pass a filter, page by page, in the order of insertion. @throws FunnelError BAD_ARGUMENT, BAD_ID */
  async scroll(options: ScrollOptions<Payload> = {}): Promise<ScrollPage<Payload>> {
    const own = ownScroll(options);
    return this.#later(() => this.#listed(own));
  }

  /** scroll(), on the calling thread. */
  scrollSync(options: ScrollOptions<Payload> = {}): ScrollPage<Payload> {
    const own = ownScroll(options);
    return atOnce(this.#listed(own));
  }

  *#listed(own: OwnScroll): Sliced<ScrollPage<Payload>> {
    const { ordinals, next } = yield* page(own, this.#filtered());
    const points: ScrollPoint<Payload>[] = [];
    for (const [i, ordinal] of ordinals.entries()) {
      if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
      if (!this.#live.alive(ordinal)) continue;
      const point: ScrollPoint<Payload> = { id: this.#files.idOf(ordinal), index: ordinal };
      this.#addPayload(point, ordinal, own.payloadOf);
      if (own.withVector) point.vector = this.#vectorOf(ordinal);
      points.push(point);
    }
    return { points, next };
  }

  /** How many rows pass a filter, exactly; without one, all. @throws FunnelError BAD_ARGUMENT, BAD_ID, CLOSED */
  async countMatching(options: { filter?: RowFilter | Filter<Payload> } = {}): Promise<number> {
    const filter = this.#filterToCount(options);
    if (filter === undefined) {
      if (overdue()) await othersTurn();
      return this.count;
    }
    return (await this.#later(() => evaluate(filter, this.#filtered()))).work.matched;
  }

  /** countMatching(), on the calling thread. */
  countMatchingSync(options: { filter?: RowFilter | Filter<Payload> } = {}): number {
    const filter = this.#filterToCount(options);
    return filter === undefined ? this.count : atOnce(evaluate(filter, this.#filtered())).work.matched;
  }

  #filterToCount(options: { filter?: RowFilter | Filter<Payload> }): OwnFilter | undefined {
    checkKeys(options, ['filter'], 'the options of countMatching()');
    return ownFilter(options.filter);
  }

  /**
   * The values at a path, with the number of rows that have each: the most frequent first, equally frequent ones by value
   * (booleans, then numbers, then strings). A row counts once for a value, however often it has it.
   *
   * @throws FunnelError BAD_ARGUMENT, BAD_ID
   */
  async facet(options: FacetOptions<Payload>): Promise<Facet[]> {
    const own = ownFacet(options);
    return this.#later(() => facet(own, this.#filtered()));
  }

  /** facet(), on the calling thread. */
  facetSync(options: FacetOptions<Payload>): Facet[] {
    return atOnce(facet(ownFacet(options), this.#filtered()));
  }

  #filtered(): Filtered {
    this.#follow();
    return { files: this.#files, live: this.#live, indexes: this.#indexes };
  }

  /** In slices; once more where a writer in another process has replaced what was still to be read. */
  async #later<T>(begin: () => Sliced<T>): Promise<T> {
    const { staleReads } = this.#files;
    let result: T = await inSlices(begin(), () => this.#checkOpen());
    // What runs in one go sees one moment.
    if (this.#files.staleReads !== staleReads) result = atOnce(begin());
    // Many short calls are a long one, too.
    if (overdue()) await othersTurn();
    return result;
  }

  /** Whether a row has this id; false of what is no id. @throws FunnelError CLOSED */
  has(id: Id): boolean {
    this.#follow();
    return this.#files.ordinalOf(id) !== undefined;
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
   * Makes this index the mirror of a collection: see {@link SyncOptions}.
   *
   * @throws FunnelError BAD_DIMS, BAD_ARGUMENT, NOT_WRITABLE before any work; BAD_ID, NOT_FINITE, ABORTED, DISK, and what the
   *   source throws: what was written until then stays, and the next call goes on from there
   */
  syncFrom(source: Source, options: SyncOptions = {}): Promise<SyncResult> {
    return syncFrom(this, source, options);
  }

  /** The best rows, off the main thread. @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY */
  async query(query: IndexQuery<Payload>): Promise<IndexAnswer<Payload>> {
    return (await this.queryBatch([query]))[0]!;
  }

  /** query(), on the calling thread, which others of the index help. */
  querySync(query: IndexQuery<Payload>): IndexAnswer<Payload> {
    return this.queryBatchSync([query])[0]!;
  }

  /** Many at once, answered in order; exact ones share passes over the codes. @throws as query(), naming the query */
  async queryBatch(queries: readonly IndexQuery<Payload>[]): Promise<IndexAnswer<Payload>[]> {
    const own = this.#prepare(queries);
    if (own.length === 0) {
      if (overdue()) await othersTurn();
      return [];
    }
    if (!POOL_AVAILABLE) return this.#search(own);
    // Rows that die during a search may or may not be in its answer, and their successors are not: such an answer is of no
    // moment at all, so it is asked for again.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) this.#follow();
      const { deaths } = this.#live;
      const { staleReads } = this.#files;
      const isOfOneMoment = () => this.#live.deaths === deaths && this.#files.staleReads === staleReads;
      const matched = await inSlices(this.#restrictions.match(own), () => this.#checkOpen());
      if (this.#isTiny(own.length) && isOfOneMoment()) {
        const answers = this.#search(own, matched);
        if (overdue()) await othersTurn();
        return answers;
      }
      const answers = await this.#searchInThreads(own, matched);
      if (isOfOneMoment()) return answers;
      this.#checkOpen();
    }
    this.#follow();
    return this.#search(own);
  }

  /** A thread would cost more than it spares. */
  #isTiny(queries: number): boolean {
    return queries * this.#files.liveCount * this.dim <= TINY && this.#live.state.rows.resident;
  }

  get #byExample(): ByExample {
    this.#checkOpen();
    this.#madeByExample ??= new ByExample(this, this.#kernels);
    return this.#madeByExample;
  }

  /**
   * What is like the positive examples and unlike the negative ones; rows named as examples are no hits. Strategy
   * 'average_vector' costs one query; the others score candidates, or in mode 'exact' all rows, by every example.
   *
   * @throws FunnelError NOT_FOUND for an id that no row has, BAD_ARGUMENT, BAD_DIMS, ZERO_QUERY
   */
  async recommend(request: IndexRecommend<Payload>): Promise<FoundByExample> {
    return this.#byExample.search.recommend(this.#byExample.request<RecommendRequest>(request));
  }

  /**
   * Many recommendations, answered in order; all examples are looked up in one call. @throws as recommend(), naming the
   * request
   */
  async recommendBatch(requests: readonly IndexRecommend<Payload>[]): Promise<FoundByExample[]> {
    if (!Array.isArray(requests)) throw expected('BAD_ARGUMENT', 'an array', 'requests', requests);
    return this.#byExample.search.recommendBatch(
      Array.from(requests, (one) => this.#byExample.request<RecommendRequest>(one)),
    );
  }

  /**
   * The best hits by a value of their payload; the groups, and their hits, of all rows unless mode is 'funnel'.
   *
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY, TOO_DEEP, UNSUPPORTED
   */
  async queryGroups(request: IndexGroups<Payload>): Promise<GroupsResult> {
    return this.#byExample.search.queryGroups(this.#byExample.request(request));
  }

  /** As queryGroups(), by examples. @throws as recommend() */
  async recommendGroups(request: IndexRecommendGroups<Payload>): Promise<GroupsResult> {
    return this.#byExample.search.recommendGroups(this.#byExample.request<RecommendGroupsRequest>(request));
  }

  async #searchInThreads(own: CheckedQuery[], matched: Map<OwnFilter, Matched>): Promise<IndexAnswer<Payload>[]> {
    const { snapshot, done } = this.#live.use();
    const only: Restricted = new Map();
    try {
      this.#restrictions.take(own, matched, only);
      const requests = own.map((query) => requestOf(query, only));
      this.#upkeep.searched(own.length);
      const parts = Math.min(this.#pool.size, Math.ceil(own.length / 4));
      const size = Math.ceil(own.length / parts);
      // All must end before the snapshot and the masks may go: who runs on would write into another filter's.
      const ended = await Promise.allSettled(
        Array.from({ length: parts }, async (_, p) => {
          const part = own.slice(p * size, (p + 1) * size);
          const { results, ms } = await this.#pool.search(snapshot, requests.slice(p * size, (p + 1) * size));
          const answers: IndexAnswer<Payload>[] = [];
          for (const [i, result] of results.entries()) {
            const answer = this.#answer(part[i]!, result, ms / part.length, only);
            answers.push(await inSlices(answer, () => this.#checkOpen()));
          }
          return answers;
        }),
      );
      return ended.flatMap((one) => {
        if (one.status === 'rejected') throw one.reason;
        return one.value;
      });
    } finally {
      done();
      this.#restrictions.drop(only);
    }
  }

  /** queryBatch(), on the calling thread, which others of the index help. */
  queryBatchSync(queries: readonly IndexQuery<Payload>[]): IndexAnswer<Payload>[] {
    return this.#search(this.#prepare(queries));
  }

  #prepare(queries: readonly IndexQuery<Payload>[]): CheckedQuery[] {
    this.#checkOpen();
    if (!Array.isArray(queries)) throw expected('BAD_ARGUMENT', 'an array', 'queries', queries);
    const { dim, metric } = this;
    const filters = new Filters<OwnFilter>(queries.length > 1, ownFilter);
    // Array.from: a hole is a query that is missing.
    const own = Array.from(queries, (query: IndexQuery<Payload>, i) =>
      named(i, queries.length, () => checkedQuery(query, dim, metric, filters)),
    );
    this.#follow();
    return own;
  }

  #search(own: CheckedQuery[], matched?: Map<OwnFilter, Matched>): IndexAnswer<Payload>[] {
    const only: Restricted = new Map();
    try {
      this.#restrictions.take(own, matched ?? atOnce(this.#restrictions.match(own)), only);
      const requests = own.map((query) => requestOf(query, only));
      this.#upkeep.searched(own.length);
      const start = performance.now();
      const results = this.#inTeam(own.length, (state) =>
        requests.length === 1
          ? [this.#searcher.search(state, requests[0]!)]
          : this.#searcher.searchBatch(state, requests),
      );
      const ms = (performance.now() - start) / own.length;
      return results.map((result, i) => atOnce(this.#answer(own[i]!, result, ms, only)));
    } finally {
      this.#restrictions.drop(only);
    }
  }

  /** This thread waits anyway, so others of the index's may help it. */
  #inTeam<T>(queries: number, search: (state: SearchState) => T): T {
    const codes = this.#codes;
    if (this.#isTiny(queries)) return search(this.#live.state);
    codes.team?.(this.#pool.size);
    try {
      return search(this.#live.state);
    } finally {
      codes.team?.(1);
    }
  }

  *#answer(query: CheckedQuery, result: SearchResult, ms: number, only: Restricted): Sliced<IndexAnswer<Payload>> {
    const negate = this.metric === 'euclid';
    const hits: IndexHit<Payload>[] = [];
    let rank = 0;
    for (let i = 0; i < result.ordinals.length && rank < query.end; i++) {
      if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
      const ordinal = result.ordinals[i]!;
      // Deleted while the search was under way.
      if (!this.#live.alive(ordinal)) continue;
      if (rank++ < query.offset) continue;
      const key = result.keys[i]!;
      const hit: IndexHit<Payload> = { id: this.#files.idOf(ordinal), score: negate ? 0 - key : key, index: ordinal };
      this.#addPayload(hit, ordinal, query.payloadOf);
      if (query.withVector) hit.vector = this.#vectorOf(ordinal);
      hits.push(hit);
    }
    const { certified, stages, rowsRead } = result;
    const missing = missingOf(query, result);
    const { mode } = query.request;
    const filter = query.filter && only.get(query.filter)?.stats;
    const { name: kernels } = this.#kernels;
    const more = { ...(filter && { filter }), ...(missing > 0 && { missing }) };
    return { hits, stats: { mode, certified, stages, rowsRead, kernels, ms, ...more } };
  }

  #vectorOf(ordinal: number): Float32Array {
    const out = new Float32Array(this.dim);
    this.#live.state.rows.read(ordinal, 1, out, halfToFloat);
    return out;
  }

  // The index itself

  /** Of a readOnly index: what its writer has committed since. */
  #follow(): void {
    this.#checkOpen();
    if (!this.#files.readOnly || !(this.#files.refresh() || this.#isBehind)) return;
    this.#isBehind = true; // until all of it is done, whatever throws
    this.#live.reload();
    this.#indexes.follow();
    this.#isBehind = false;
  }

  get #uncoded(): IndexStats['uncoded'] {
    const rows = this.#live.unindexed.length;
    return { rows, bytesPerQuery: rows * this.dim * (this.#live.half ? 2 : 4) };
  }

  /** Counts, sizes and settings of the index, in memory and on disk. @throws FunnelError CLOSED */
  stats(): IndexStats {
    this.#follow();
    const { head, order, rotation } = this.#files.config.options as IndexConfig;
    const { liveCount, rows, config } = this.#files;
    const segment = this.#live.segments[0];
    return {
      count: liveCount,
      positions: rows,
      dim: config.dim,
      metric: config.metric,
      coded: liveCount - this.#live.unindexed.length,
      uncoded: this.#uncoded,
      dead: { rows: this.#files.deadCount, coded: this.#live.deadCoded },
      lists: segment?.partition?.halfSquares.length ?? 0,
      ...codesOf(segment, this.#live.resident.codes, this.#live.memory),
      head: order ?? segment?.coding.head ?? head,
      rotation,
      resident: this.#live.resident,
      files: this.#files.info().bytes,
      payloadIndexes: [...this.#indexes.all].map(({ key, type, packedRows, size }) => {
        return { key, type, packed: packedRows, values: size };
      }),
      kernels: this.#kernels.name,
      threads: this.#pool.size,
    };
  }

  /**
   * Waits for writes that were asked for before, ends the threads, and stops being the writer. All calls resolve when that is
   * done. What is asked for after the first call is refused (CLOSED).
   *
   * @throws FunnelError DISK; the index is closed all the same
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#warming;
      await this.#pool.close();
      await this.#indexes.close();
      await this.#upkeep.close();
    } finally {
      this.#restrictions.clear();
      this.#live.close();
      await this.#files.close();
    }
  }

  /** @throws FunnelError NOT_WRITABLE while a write or optimize() is under way, the index stays open then; DISK, it is closed */
  closeSync(): void {
    if (this.#closed) return;
    if (this.#upkeep.busy || this.#indexes.busy) throw underWay();
    this.#live.close();
    try {
      this.#files.closeSync();
    } catch (error) {
      if (error instanceof FunnelError && error.code === 'NOT_WRITABLE') this.#live.rowsChanged();
      else this.#ended();
      throw error;
    }
    this.#ended();
  }

  #ended(): void {
    this.#closed = true;
    this.#restrictions.clear();
    void this.#pool.close();
  }

  /** close(), for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new FunnelError('CLOSED', 'Expected an open index but it was closed');
  }
}

/** What a build found of its codes, and in words where that, or their size, is bad. */
function codesOf(
  segment: Segment | undefined,
  bytes: number,
  memory: number,
): Pick<IndexStats, 'agreement' | 'warning'> {
  if (segment === undefined) return {};
  const { agreement } = segment;
  const warnings: string[] = [];
  if (agreement !== undefined && isBlunt(segment)) {
    const share = `${Math.round(100 * agreement)} %`;
    warnings.push(
      `The codes hardly tell rows apart: of the ten nearest rows a shortlist by them holds ${share}. ` +
        "Mode 'funnel' without params therefore searches by bounds, as mode 'exact' does, and may read many rows",
    );
  }
  if (bytes > memory) {
    warnings.push(
      `The codes take ${bytes} bytes, more than the option memory allows (${memory}): searches need them in memory. ` +
        'Rows are read from disk; an index with a smaller head, or fewer rows, has smaller codes',
    );
  }
  return {
    ...(agreement !== undefined && { agreement }),
    ...(warnings.length > 0 && { warning: warnings.join('. ') }),
  };
}

/** What a page lacks of what the search lacks. */
function missingOf({ offset, end }: CheckedQuery, { ordinals: { length: found }, missing }: SearchResult): number {
  return Math.max(0, Math.min(end, found + missing) - Math.max(offset, found));
}

/** What is wrong with one of many says with which. */
function named<T>(i: number, count: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (count === 1 || !(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${error.message} (queries[${i}])`, { cause: error });
  }
}

function underWay(): FunnelError {
  return new FunnelError('NOT_WRITABLE', 'Expected no optimize() under way; wait for it, or use the asynchronous call');
}

function checkPath(path: unknown): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw expected('BAD_ARGUMENT', "the path of a folder, or ':memory:',", 'path', path);
  }
}

function ownBasis({ plane, step }: Basis): Pick<Basis, 'plane' | 'step'> {
  return { plane: plane.slice(), step };
}

function listOf(ids: Id | readonly Id[]): readonly Id[] {
  if (isId(ids)) return [ids];
  if (!Array.isArray(ids)) throw expected('BAD_ARGUMENT', 'an id or an array of ids', 'ids', ids);
  return Array.from(ids, (id: unknown, i) => checkId(id, `ids[${i}]`));
}
