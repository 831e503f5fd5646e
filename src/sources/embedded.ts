/** The embedded index as a source: `embeddedSource` of `funnelvec/store`. */
import { expected, FunnelError } from '../errors.js';
import { idAs } from '../ids.js';
import type { FilterNode } from '../query/filter/ast.js';
import { Conditions } from '../query/filter/conditions.js';
import type { Filter } from '../query/filter/types.js';
import { checkParams } from '../query/params.js';
import { checkPayloadSelection, payloadSelection } from '../query/payload.js';
import { scoreAll, similarityOf, squashed, sumVector } from '../query/recommend.js';
import { QueryVector } from '../query/vector.js';
import { Best } from '../store/engine/best.js';
import { arrayIn, releaseIn } from '../store/engine/memory.js';
import { RowImages } from '../store/files/row-images.js';
import { checkOwnFilter, evaluate, type OwnFilter, ownFilter } from '../store/filters.js';
import type { FunnelIndex } from '../store/funnel-index.js';
import { gather } from '../store/gather.js';
import { partsOf } from '../store/parts.js';
import { listOf } from '../store/payload/row-set.js';
import { atOnce, inSlices, type Sliced } from '../store/payload/slices.js';
import { candidatesQuery } from '../store/request.js';
import { matching } from '../store/restrict.js';
import { liveFrom } from '../store/scan.js';
import type { IndexAnswer, IndexQuery, RowFilter } from '../store/types.js';
import type { FilterStats, Id } from '../types.js';
import { checkId, checkIds, checkInteger, checkKeys, isZero } from '../validate.js';
import { guarded, messageOf } from './call.js';
import { checkHeadOf, checkHeadQuery, type HeadOf, headBy } from './layout.js';
import type {
  FetchAnswer,
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  PackedRows,
  Restriction,
  ScanAnswer,
  ScanRequest,
  SearchParams,
  Source,
  SourceInfo,
} from './source.js';

type NativeFilter = RowFilter | Filter;

/** Options of a source over an index. */
export interface EmbeddedSourceOptions {
  /**
   * Dims of the head search: every row's first so many dims are scored, exactly. What a database with a vector of that
   * length would find, at the price of reading them all.
   *
   * @default the index's own funnel: rows are found by their head codes and come scored in full, so `headDim` is all dims
   */
  head?: number;
  /**
   * In place of `head`: an index of the same ids that holds a head of each row, made by fitHead() say. It is searched exactly.
   * Rows without a head there are not found; keep both in step.
   */
  heads?: FunnelIndex;
  /** Of `heads`: the head of a query, `fitted.applyQuery` say. @default the query's first dims */
  headOf?: HeadOf;
  /** A filter that every search obeys, beside that of the request. */
  nativeFilter?: NativeFilter;
  /** Milliseconds for one call, where the request names none. */
  timeout?: number;
}

/**
 * Head searches on an index of your own, for a FunnelSearch over it, or for code that takes any source. The native filter is
 * the index's: conditions in Qdrant's JSON form, or `{ ids?, rows? }`.
 *
 * @example
 * const search = new FunnelSearch({ source: embeddedSource(index, { head: 128 }), plan: tutorialPlan });
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS
 */
export function embeddedSource(index: FunnelIndex, given: EmbeddedSourceOptions = {}): Source {
  if (typeof index?.gather !== 'function') throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'index', index);
  const options = typeof given === 'object' && given !== null ? { ...given } : given; // read once
  checkKeys(options, ['head', 'heads', 'headOf', 'nativeFilter', 'timeout'], 'the options of embeddedSource()');
  const { head, heads, headOf, nativeFilter } = options;
  checkHeads(index, heads, headOf, head);
  if (head !== undefined && !(Number.isInteger(head) && head >= 1 && head <= index.dim)) {
    throw expected('BAD_DIMS', `a head of 1 to ${index.dim} dims`, 'head', head);
  }
  checkFilter(nativeFilter);
  return new EmbeddedSource(index, { ...options, ...(nativeFilter && { nativeFilter: kept(nativeFilter) }) });
}

function checkHeads(index: FunnelIndex, heads: unknown, headOf: unknown, head: unknown): void {
  checkHeadOf(headOf);
  if (heads === undefined) {
    if (headOf !== undefined) throw expected('BAD_ARGUMENT', 'an index of heads beside headOf', 'heads', heads);
    return;
  }
  if (typeof (heads as FunnelIndex | null)?.gather !== 'function') {
    throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'heads', heads);
  }
  if (head !== undefined) throw expected('BAD_ARGUMENT', 'no head beside heads', 'head', head);
  const { dim } = heads as FunnelIndex;
  if (dim > index.dim) throw expected('BAD_DIMS', `heads of at most ${index.dim} dims`, 'heads', dim);
}

/** Ids may be an iterator, good for one search only. */
function kept(filter: NativeFilter): NativeFilter {
  if (!isOfRows(filter)) return filter;
  const { ids, rows } = filter;
  const own = ids && Array.from(ids, (id, i) => checkId(id, `nativeFilter.ids[${i}]`));
  return { ...(own && { ids: own }), ...(rows && { rows }) };
}

function isOfRows(filter: NativeFilter): filter is RowFilter {
  return 'ids' in filter || 'rows' in filter;
}

/** Searches that deaths of rows may spoil. */
const ATTEMPTS = 3;

/** Pools that turn out too small are so many times larger the next time. */
const GROWTH = 4;

/** Rows read before others get their turn. */
const READ_AT_ONCE = 128;

/** Rows scored before others get their turn: about a millisecond. */
const AT_ONCE = 4096;

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'>;

/** What requests may set; `probes` where the index's own head searches. */
const PARAMS = { exact: 'flag', probes: 'count' } as const;
const HEAD_PARAMS = { exact: 'flag' } as const;

/** Rows of a head search, best first. */
interface Found {
  ordinals: readonly number[];
  scores: readonly number[];
  filtered?: FilterStats | undefined;
  missing?: number | undefined;
  pools?: HeadAnswer['pools'];
}

type Recommend = NonNullable<HeadRequest['recommend']>;

/** Which rows a request is about: those that pass both. */
interface Only {
  node?: FilterNode;
  rows?: RowFilter;
}

/** And whether all rows that were found could be read. */
interface Whole<T> {
  value: T;
  isWhole: boolean;
}

interface Read {
  /** Of the rows among those that were asked for. */
  places: number[];
  rows: PackedRows;
}

interface Passing {
  ordinals: Uint32Array;
  filtered?: FilterStats;
}

class EmbeddedSource implements Source {
  readonly name: string;
  readonly certifies = true;
  readonly payloadsInPools = true;
  readonly recommends = true;

  constructor(
    private readonly index: FunnelIndex,
    private readonly options: EmbeddedSourceOptions,
  ) {
    this.name = index.path === ':memory:' ? 'the index in memory' : `index ${JSON.stringify(index.path)}`;
  }

  info(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<SourceInfo> {
    return this.guarded(options, async () => {
      partsOf(this.index);
      const { dim, metric, idKind = 'number' } = this.index;
      const { head, heads } = this.options;
      return { headDim: heads?.dim ?? head ?? dim, dim, metric, idKind };
    });
  }

  head(asked: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(asked, async (signal) => {
      const request = { ...asked }; // what was checked stays
      const params = this.checkRequest(request);
      const only = this.only(request);
      const began = performance.now();
      const ask = async () => {
        const found = await this.find(request, params, only, signal);
        return [await this.answered(found, request, params, performance.now() - began, signal)];
      };
      const inOneGo = () => this.inOneGo([request], [params], [only], began);
      const [answer] = await this.ofOneMoment(ask, this.isPlain(request, params) ? inOneGo : undefined);
      return answer!;
    });
  }

  /** Again where rows that were found have died meanwhile: a row of the same id may stand in their place. */
  private async ofOneMoment<T>(ask: () => Promise<Whole<T>[]>, inOneGo?: () => T[]): Promise<T[]> {
    for (let attempt = 1; ; attempt++) {
      // Nothing dies then.
      if (attempt === ATTEMPTS && inOneGo !== undefined) return inOneGo();
      const answers = await ask();
      if (attempt === ATTEMPTS || answers.every(({ isWhole }) => isWhole)) return answers.map(({ value }) => value);
    }
  }

  /** In slices, again where rows have died meanwhile, and in one go in the end: nothing dies then. */
  private async whole<T>(begin: () => Sliced<Whole<T>>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      const { value, isWhole } = await inSlices(begin(), () => signal.throwIfAborted());
      if (isWhole) return value;
    }
    return atOnce(begin()).value;
  }

  /** By the index's own head in one call, which evaluates each filter once. */
  headBatch(asked: readonly HeadRequest[]): Promise<HeadAnswer[]> {
    const [first] = asked;
    if (first === undefined) return Promise.resolve([]);
    return this.guarded(first, async (signal) => {
      const requests = Array.from(asked, (request) => ({ ...request })); // what was checked stays
      const params = requests.map((request) => this.checkRequest(request));
      const only = requests.map((request) => this.only(request));
      const began = performance.now();
      const together = requests.every((request, i) => this.isPlain(request, params[i]!));
      const ask = async () => {
        const each = requests.map((request, i) => [request, params[i]!, only[i]!, signal] as const);
        const found = together
          ? (await this.index.queryBatch(await inTurn(each, (one) => this.indexQuery(...one)))).map(foundOf)
          : await inTurn(each, (one) => this.find(...one));
        const ms = (performance.now() - began) / requests.length;
        return inTurn(each, (one, i) => this.answered(found[i]!, one[0], one[1], ms, signal));
      };
      return this.ofOneMoment(ask, together ? () => this.inOneGo(requests, params, only, began) : undefined);
    });
  }

  /** Whether the index's own searches answer it. */
  private isPlain({ recommend }: HeadRequest, { exact }: SearchParams): boolean {
    return !recommend && (!this.ownHead || exact === true);
  }

  /** Searched and read before anything else happens. */
  private inOneGo(
    requests: readonly HeadRequest[],
    params: readonly SearchParams[],
    only: readonly Only[],
    began: number,
  ): HeadAnswer[] {
    const queries = requests.map((request, i) => {
      const { node, rows } = only[i]!;
      const passing = node && rows ? atOnce(this.matched({ node, rows })).value : undefined;
      return this.queryFor(request, request.candidates, params[i]!, filterOf(only[i]!, passing));
    });
    const found = this.index.queryBatchSync(queries).map(foundOf);
    const ms = (performance.now() - began) / requests.length;
    return requests.map((request, i) => {
      const from = performance.now();
      const { value } = atOnce(this.reading(found[i]!.ordinals, request));
      return this.answerOf(found[i]!, value, params[i]!, ms, from);
    });
  }

  /** Whether heads are something else than the index's codes. */
  private get ownHead(): boolean {
    return this.options.head !== undefined || this.options.heads !== undefined;
  }

  /** @throws FunnelError */
  private checkRequest(request: HeadRequest): SearchParams {
    const { candidates, withPayload, params, mode } = request;
    checkPayloadSelection(withPayload);
    checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
    checkHeadQuery(request, this.index.dim, this.name);
    const own = checkParams(params, this.ownHead ? HEAD_PARAMS : PARAMS, this.name);
    return { ...own, exact: own.exact === true || mode === 'exact' };
  }

  private async find(request: HeadRequest, params: SearchParams, only: Only, signal: AbortSignal): Promise<Found> {
    const { vector, candidates, recommend } = request;
    const { head, heads } = this.options;
    if (recommend) {
      if (params.exact) return this.scored(recommend, this.index.dim, candidates, only, signal);
      if (head !== undefined) return this.scored(headsOf(recommend, head), head, candidates, only, signal);
      return this.recommended(recommend, request, params, only, signal);
    }
    if (heads !== undefined && !params.exact) return this.byHeads(heads, vector, candidates, only, signal);
    if (head !== undefined && !params.exact) {
      return this.prefix(vector.subarray(0, head), candidates, only, signal);
    }
    return foundOf(await this.index.query(await this.indexQuery(request, params, only, signal)));
  }

  private async indexQuery(
    request: Pick<HeadRequest, 'vector' | 'candidates'>,
    params: SearchParams,
    only: Only,
    signal: AbortSignal,
  ): Promise<IndexQuery> {
    return this.queryFor(request, request.candidates, params, await this.filterFor(only, signal));
  }

  private async filterFor(only: Only, signal: AbortSignal): Promise<OwnFilter | undefined> {
    return filterOf(only, only.node && only.rows ? await this.passing(only, signal) : undefined);
  }

  /** All of it was checked, so the index takes it as it is. */
  private queryFor(
    request: Pick<HeadRequest, 'vector'>,
    candidates: number,
    params: SearchParams,
    filter: OwnFilter | undefined,
  ): IndexQuery {
    const { dim, metric } = this.index;
    return candidatesQuery(QueryVector.received(request, dim, 'vector'), metric, candidates, params, filter);
  }

  private async answered(
    found: Found,
    request: HeadRequest,
    params: SearchParams,
    headMs: number,
    signal: AbortSignal,
  ): Promise<Whole<HeadAnswer>> {
    const began = performance.now();
    const { value, isWhole } = await this.read(found.ordinals, request, signal);
    return { value: this.answerOf(found, value, params, headMs, began), isWhole };
  }

  private answerOf(
    { scores, filtered, missing, pools }: Found,
    { places, rows }: Read,
    { exact }: SearchParams,
    headMs: number,
    began: number,
  ): HeadAnswer {
    const headScores = places.map((i) => scores[i]!);
    return {
      candidates: { headScores, ...rows },
      headMs,
      decodeMs: performance.now() - began,
      exactBelow: Number.POSITIVE_INFINITY,
      ...(exact && { exact: 'certified' as const }),
      ...(filtered && { filtered }),
      ...(missing && { missing }),
      ...(pools && { pools }),
    };
  }

  count(request: Parameters<NonNullable<Source['count']>>[0]): Promise<number> {
    return this.guarded(request, async (signal) => (await this.passing(this.only(request), signal)).ordinals.length);
  }

  async idOf(value: string | number | bigint): Promise<Id | undefined> {
    const { idKind } = this.index;
    const text = idKind === 'string';
    if (idKind === undefined || (typeof value === 'string') !== text) return undefined;
    return idAs(idKind, value);
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { limit } = request;
      checkInteger(limit, 1, 0xffff_ffff, 'limit');
      checkHeadQuery(request, this.index.dim, this.name);
      const only = this.only(request);
      const began = performance.now();
      const query = await this.indexQuery({ ...request, candidates: limit }, { exact: true }, only, signal);
      const { hits } = await this.index.query(query);
      const ms = performance.now() - began;
      return { ids: hits.map(({ id }) => id), scores: hits.map(({ score }) => score), ms };
    });
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      checkIds(request.ids);
      const began = performance.now();
      const { rows } = await this.whole(() => this.fetched(request), signal);
      return { rows, ms: performance.now() - began };
    });
  }

  private *fetched(request: FetchRequest): Sliced<Whole<Read>> {
    const { files } = partsOf(this.index);
    const ordinals = request.ids.map((id) => files.ordinalOf(id)).filter((ordinal) => ordinal !== undefined);
    return yield* this.reading(ordinals, request);
  }

  /** In the order of insertion; a position is that of the next row. */
  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      const limit = checkInteger(request.limit, 1, 0xffff_ffff, 'limit');
      const first = request.after === undefined ? 0 : Number(request.after);
      checkInteger(first, 0, 0xffff_ffff, 'after');
      const began = performance.now();
      const only = this.only({});
      const { rows, next } = await this.whole(() => this.page(request, only, first, limit), signal);
      return { rows, next, ms: performance.now() - began };
    });
  }

  private *page(
    request: ScanRequest,
    only: Only,
    first: number,
    limit: number,
  ): Sliced<Whole<Pick<ScanAnswer, 'rows' | 'next'>>> {
    const some = only.node || only.rows ? yield* this.matched(only) : undefined;
    const ordinals = some
      ? Array.from(some.value.ordinals.filter((ordinal) => ordinal >= first).subarray(0, limit))
      : liveFrom(partsOf(this.index), first, limit);
    const next = ordinals.length < limit ? undefined : String(ordinals.at(-1)! + 1);
    const { value, isWhole } = yield* this.reading(ordinals, request);
    return { value: { rows: value.rows, next }, isWhole: isWhole && some?.isWhole !== false };
  }

  /** By the heads of another index, exactly. */
  private async byHeads(
    heads: FunnelIndex,
    vector: Float32Array,
    limit: number,
    only: Only,
    signal: AbortSignal,
  ): Promise<Found> {
    const head = headBy(this.options.headOf, vector, heads.dim, this.name);
    const restricted = only.node !== undefined || only.rows !== undefined;
    const passing = restricted ? await this.passing(only, signal) : undefined;
    const { files } = partsOf(this.index);
    const filter = passing && { ids: Array.from(passing.ordinals, (ordinal) => files.idOf(ordinal)) };
    const { hits } = await heads.query({ vector: head, limit, mode: 'exact', filter });
    const found: { ordinals: number[]; scores: number[] } = { ordinals: [], scores: [] };
    for (const { id, score } of hits) {
      const ordinal = partsOf(this.index).files.ordinalOf(id);
      if (ordinal === undefined) continue;
      found.ordinals.push(ordinal);
      found.scores.push(score);
    }
    return { filtered: passing?.filtered, ...found };
  }

  /** Every row's first dims, scored; a part at a time. */
  private prefix(head: Float32Array, count: number, only: Only, signal: AbortSignal): Promise<Found> {
    const { metric } = this.index;
    const score = (rows: RowImages, part: Uint32Array, keys: Float64Array) =>
      rows.score(head, metric, part, part.length, keys);
    return this.scanned(head.length, count, only, signal, metric === 'euclid', score);
  }

  /** Every row, or its first dims, by a strategy. */
  private async scored(
    recommend: Recommend,
    dims: number,
    count: number,
    only: Only,
    signal: AbortSignal,
  ): Promise<Found> {
    const score = this.scoreBy(recommend);
    let rows = 0;
    const counted = (some: RowImages, part: Uint32Array, keys: Float64Array) => {
      rows += part.length;
      score(some, part, keys);
    };
    const found = await this.scanned(dims, count, only, signal, false, counted);
    return { ...found, pools: { searches: 0, rows } };
  }

  private scoreBy({ strategy, examples }: Recommend) {
    const { metric } = this.index;
    return (rows: RowImages, part: Uint32Array, keys: Float64Array) => {
      const keysOf = (example: Float32Array, some: Float64Array) => {
        rows.score(example, metric, part, part.length, keys);
        some.set(keys.subarray(0, part.length));
      };
      keys.set(scoreAll(examples, strategy, metric, part.length, keysOf));
    };
  }

  /**
   * The best by a strategy, of the rows near each positive example: a row that is as good as its nearest positive is near to
   * one, unless a negative is nearer yet. Where negatives leave too few of these, pools grow, to all rows in the end. Sums
   * have one vector to search by.
   */
  private async recommended(
    recommend: Recommend,
    request: HeadRequest,
    params: SearchParams,
    only: Only,
    signal: AbortSignal,
  ): Promise<Found> {
    const { candidates } = request;
    const { strategy, examples } = recommend;
    const { metric, dim } = this.index;
    const sums = strategy === 'sum_scores';
    const sum = sums ? sumVector(examples, metric) : undefined;
    const by = (sums ? (sum ? [sum] : []) : examples.positive).filter((one) => metric === 'euclid' || !isZero(one));
    let searches = 0;
    let rows = 0;
    let most = this.index.count;
    for (let depth = candidates; by.length > 0 && by.length * depth <= most / 2; depth *= GROWTH) {
      const pools = await this.poolsOf(by, depth, params, only, signal);
      searches += by.length;
      const { filtered } = pools[0]!;
      most = filtered?.matched ?? most;
      const pool = Uint32Array.from(new Set(pools.flatMap(({ ordinals }) => [...ordinals]))).sort();
      rows += pool.length;
      const best = await this.best(dim, pool, candidates, signal, this.scoreBy(recommend));
      // A row that no pool has is less like any positive than the last of a pool.
      const bounds = pools.filter(({ ordinals }) => ordinals.length >= depth).map((one) => this.boundOf(one));
      const bound = Math.max(...bounds, by.length < examples.positive.length ? 0 : -Infinity);
      const sure = (key: number) => key > 0 && (bound === -Infinity || key >= squashed(bound));
      if (sums || bounds.length === 0 || best.keys.filter(sure).length >= candidates) {
        const missing = pools.reduce((all, one) => all + (one.missing ?? 0), 0);
        return { ordinals: best.ordinals, scores: best.keys, filtered, missing, pools: { searches, rows } };
      }
    }
    const found = await this.scored(recommend, dim, candidates, only, signal);
    return { ...found, pools: { searches, rows: rows + found.pools!.rows } };
  }

  private async poolsOf(
    vectors: readonly Float32Array[],
    depth: number,
    params: SearchParams,
    only: Only,
    signal: AbortSignal,
  ): Promise<Found[]> {
    const { heads } = this.options;
    if (heads !== undefined) {
      const pools: Found[] = [];
      for (const vector of vectors) pools.push(await this.byHeads(heads, vector, depth, only, signal));
      return pools;
    }
    const filter = await this.filterFor(only, signal);
    const queries = vectors.map((vector) => this.queryFor({ vector }, depth, params, filter));
    return (await this.index.queryBatch(queries)).map(foundOf);
  }

  /** How like an example the last row of its pool is; heads say nothing of that. */
  private boundOf({ scores }: Found): number {
    const { metric } = this.index;
    const last = scores.at(-1)!;
    if (this.options.heads !== undefined) return -Infinity;
    return similarityOf(metric, metric === 'euclid' ? -last : last);
  }

  private async scanned(
    dims: number,
    count: number,
    only: Only,
    signal: AbortSignal,
    negate: boolean,
    score: (rows: RowImages, part: Uint32Array, keys: Float64Array) => void,
  ): Promise<Found> {
    const { ordinals, filtered } = await this.passing(only, signal);
    const best = await this.best(dims, ordinals, count, signal, score);
    return { ordinals: best.ordinals, scores: best.keys.map((key) => (negate ? 0 - key : key)), filtered };
  }

  private async best(
    dims: number,
    listed: Uint32Array,
    count: number,
    signal: AbortSignal,
    score: (rows: RowImages, part: Uint32Array, keys: Float64Array) => void,
  ): Promise<Best> {
    const { live, codes } = partsOf(this.index);
    const ordinals = listed.filter(live.alive);
    const { images, done } = live.useImages();
    const rows = new RowImages(codes, images, dims, live.half);
    const keys = arrayIn(codes, Float64Array, Math.min(AT_ONCE, ordinals.length));
    const best = new Best(count);
    try {
      for (let from = 0; from < ordinals.length; from += AT_ONCE) {
        if (from > 0) await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        const part = ordinals.subarray(from, from + AT_ONCE);
        score(rows, part, keys);
        for (let i = 0; i < part.length; i++) best.offer(keys[i]!, part[i]!);
      }
    } finally {
      done();
      releaseIn(codes, keys);
    }
    return best;
  }

  private read(ordinals: readonly number[], wanted: Wanted, signal: AbortSignal): Promise<Whole<Read>> {
    return inSlices(this.reading(ordinals, wanted), () => signal.throwIfAborted());
  }

  /** Rows that live; those that die while others are read are left out, too, for they may be gone from the files. */
  private *reading(
    ordinals: readonly number[],
    { withPayload = false, vectors: wanted = true }: Wanted,
  ): Sliced<Whole<Read>> {
    const { dim } = this.index;
    const { staleReads } = partsOf(this.index).files;
    const select = payloadSelection(withPayload);
    const places: number[] = [];
    const ids: Id[] = [];
    const payloads: unknown[] = [];
    const vectors = new Float32Array(wanted ? ordinals.length * dim : 0);
    for (let from = 0; from < ordinals.length; from += READ_AT_ONCE) {
      if (from > 0) yield;
      const parts = partsOf(this.index);
      const { files, live } = parts;
      const first = ids.length;
      for (let i = from; i < Math.min(ordinals.length, from + READ_AT_ONCE); i++) {
        const ordinal = ordinals[i]!;
        if (!live.alive(ordinal)) continue;
        places.push(i);
        ids.push(files.idOf(ordinal));
        if (withPayload !== false) payloads.push(select(files.payloadOf(ordinal) ?? {}));
      }
      if (wanted) gather(parts, ids.slice(first), vectors.subarray(first * dim));
    }
    const rows: PackedRows = {
      vectors: wanted ? vectors.subarray(0, ids.length * dim) : vectors,
      dim,
      ids,
      payloads: withPayload === false ? undefined : payloads,
    };
    const isWhole = places.length === ordinals.length && partsOf(this.index).files.staleReads === staleReads;
    return { value: { places, rows }, isWhole };
  }

  /** The filters of the source and of a request. @throws FunnelError BAD_ARGUMENT, BAD_ID */
  private only({ filter, nativeFilter }: Restriction): Only {
    const only: Only = filter ? { node: filter } : {};
    for (const one of [this.options.nativeFilter, nativeFilter]) {
      const own = ownFilter(one, 'nativeFilter');
      if (own === undefined) continue;
      if ('node' in own) only.node = only.node ? { op: 'and', nodes: [only.node, own.node] } : own.node;
      else only.rows = only.rows ? intersection(only.rows, own.rows) : own.rows;
    }
    return only;
  }

  /** Live rows, ascending. */
  private passing(only: Only, signal: AbortSignal): Promise<Passing> {
    return this.whole(() => this.matched(only), signal);
  }

  /** Where rows die meanwhile, rows of the same ids may stand in their place, which were not looked at. */
  private *matched({ node, rows }: Only): Sliced<Whole<Passing>> {
    const parts = partsOf(this.index);
    if (node === undefined) return { value: { ordinals: listOf(matching(rows ?? {}, parts.files)) }, isWhole: true };
    const { staleReads } = parts.files;
    const { deaths } = parts.live;
    const { rows: set, work } = yield* evaluate({ node }, parts);
    const { files, live } = partsOf(this.index);
    const list = listOf(set).filter(live.alive);
    const other = rows && new Set(listOf(matching(rows, files)));
    const ordinals = other ? list.filter((ordinal) => other.has(ordinal)) : list;
    const filtered: FilterStats = { ...work, matched: ordinals.length, plan: 'rows', cached: false };
    return { value: { ordinals, filtered }, isWhole: live.deaths === deaths && files.staleReads === staleReads };
  }

  private guarded<T>(
    { timeout = this.options.timeout, signal }: { timeout?: number; signal?: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guarded(this.name, { timeout, signal }, work, (cause) => {
      const why = `Expected an answer from ${this.name} but it failed: ${messageOf(cause)}`;
      return new FunnelError('BAD_RESPONSE', why, { cause });
    });
  }
}

function checkFilter(filter: unknown): void {
  if (filter === undefined || filter === null) return;
  if (typeof filter !== 'object') throw expected('BAD_ARGUMENT', 'an object', 'nativeFilter', filter);
  checkOwnFilter(filter, 'nativeFilter');
}

/** Rows that pass both. */
function intersection(a: RowFilter, b: RowFilter): RowFilter {
  const filter: RowFilter = {};
  if (a.rows && b.rows) filter.rows = a.rows.map((byte, i) => byte & (b.rows![i] ?? 0));
  else if (a.rows ?? b.rows) filter.rows = (a.rows ?? b.rows)!;
  if (a.ids && b.ids) {
    const these = new Set<Id>(a.ids);
    filter.ids = Array.from(b.ids).filter((id) => these.has(id));
  } else if (a.ids ?? b.ids) filter.ids = (a.ids ?? b.ids)!;
  return filter;
}

function foundOf({ hits, stats }: IndexAnswer): Found {
  return {
    ordinals: hits.map(({ index }) => index),
    scores: hits.map(({ score }) => score),
    filtered: stats.filter,
    missing: stats.missing,
  };
}

/** The same by the first dims of the examples. */
function headsOf({ strategy, examples: { positive, negative } }: Recommend, head: number): Recommend {
  const cut = (example: Float32Array) => example.subarray(0, head);
  return { strategy, examples: { positive: positive.map(cut), negative: negative.map(cut) } };
}

/**
 * What is a filter alone is the index's to evaluate, and to remember.
 *
 * @param passing the rows that pass both, where there are both
 */
function filterOf({ node, rows }: Only, passing: Passing | undefined): OwnFilter | undefined {
  if (passing !== undefined) return { rows: { rows: bitsOf(passing) } };
  return node ? new Conditions(node) : rows && { rows };
}

/** A bit a row. */
function bitsOf({ ordinals }: Passing): Uint8Array {
  const bits = new Uint8Array(((ordinals.at(-1) ?? 0) >> 3) + 1);
  for (const ordinal of ordinals) bits[ordinal >> 3]! |= 1 << (ordinal & 7);
  return bits;
}

/** Live rows, all of the moment of `parts`. */
async function inTurn<T, R>(items: readonly T[], run: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const [i, item] of items.entries()) results.push(await run(item, i));
  return results;
}
