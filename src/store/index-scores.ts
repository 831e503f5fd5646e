/** Searches of a source over an index by something else than its codes: by first dims, by heads of their own, by examples. */
import { nextTurn } from '../core/host.js';
import { isDistance, keyOfScore, needsDirection } from '../core/metrics.js';
import { inSlices, type Sliced } from '../core/slices.js';
import type { FilterStats } from '../core/types.js';
import { isZero } from '../core/validate.js';
import { QueryVector } from '../core/vector.js';
import type { Filter } from '../query/filter/types.js';
import { scoreAll, similarityOf, squashed, sumVector } from '../query/recommend.js';
import { type HeadOf, headBy } from '../query/source/layout.js';
import type { HeadAnswer, HeadRequest, SearchParams } from '../query/source/source.js';
import { Best } from './engine/best.js';
import { arrayIn, releaseIn } from './engine/memory.js';
import { RowImages } from './files/row-images.js';
import type { CheckedFilter } from './filters.js';
import { filterOf, type Only, rowsPassing } from './index-rows.js';
import { ManyBest } from './many-best.js';
import { partsOf } from './parts.js';
import { OrdinalSet } from './payload/ordinal-set.js';
import { candidatesQuery } from './request.js';
import type { SearchedIndex } from './searched-index.js';
import type { IndexAnswer, IndexQuery, RowFilter } from './types.js';

/** As embeddedSource() takes them, checked. */
export interface IndexSourceOptions {
  readonly head?: number;
  readonly heads?: SearchedIndex;
  readonly headOf?: HeadOf;
  readonly nativeFilter?: RowFilter | Filter;
  readonly timeout?: number;
}

/** The params that requests may set where the index's own head searches. */
export const PARAMS = { exact: 'flag', probes: 'count' } as const;

/** Pools that turn out too small are so many times larger the next time. */
const GROWTH = 4;

/** Rows scored before others get their turn: about a millisecond. */
const AT_ONCE = 4096;

/** More best rows than these are not kept in order one by one. */
const MANY = 4096;

/** Rows of a head search, best first. */
export interface Found {
  ordinals: readonly number[];
  scores: readonly number[];
  filtered?: FilterStats | undefined;
  missing?: number | undefined;
  pools?: HeadAnswer['pools'];
  /** Rows that were scored over all dims. */
  scored?: number;
}

export type Recommend = NonNullable<HeadRequest['recommend']>;

export class IndexScores {
  constructor(
    private readonly index: SearchedIndex,
    private readonly options: IndexSourceOptions,
    /** The source's, for errors. */
    private readonly name: string,
  ) {}

  /** By the heads of another index, exactly. */
  async byHeads(
    heads: SearchedIndex,
    vector: Float32Array,
    limit: number,
    only: Only,
    signal: AbortSignal,
  ): Promise<Found> {
    const head = headBy(this.options.headOf, vector, heads.dim, this.name);
    const restricted = only.node !== undefined || only.rows !== undefined;
    const passing = restricted ? await rowsPassing(this.index, only, signal) : undefined;
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
  prefix(head: Float32Array, count: number, only: Only, signal: AbortSignal): Promise<Found> {
    const { metric } = this.index;
    const score = (rows: RowImages, part: Uint32Array, keys: Float64Array) =>
      rows.score(head, metric, part, part.length, keys);
    return this.scanned(head.length, count, only, signal, isDistance(metric), score);
  }

  /** Every row, or its first dims, by a strategy. */
  async scored(recommend: Recommend, dims: number, count: number, only: Only, signal: AbortSignal): Promise<Found> {
    const score = this.scoreBy(recommend);
    let rows = 0;
    const counted = (some: RowImages, part: Uint32Array, keys: Float64Array) => {
      rows += part.length;
      score(some, part, keys);
    };
    const found = await this.scanned(dims, count, only, signal, false, counted, passesOf(recommend));
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
  async recommended(
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
    const by = (sums ? (sum ? [sum] : []) : examples.positive).filter((one) => !needsDirection(metric) || !isZero(one));
    let searches = 0;
    let rows = 0;
    let most = this.index.count;
    for (let depth = candidates; by.length > 0 && by.length * depth <= most / 2; depth *= GROWTH) {
      const pools = await this.poolsOf(by, depth, params, only, signal);
      searches += by.length;
      const { filtered } = pools[0]!;
      most = filtered?.matched ?? most;
      const pool = await inSlices(unionOf(pools), () => signal.throwIfAborted());
      rows += pool.length;
      const best = await this.best(dim, pool, candidates, signal, this.scoreBy(recommend), passesOf(recommend));
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
    const filter = await filterFor(this.index, only, signal);
    const queries = vectors.map((vector) => queryFor(this.index, { vector }, depth, params, filter));
    return inSlices(allFound(await this.index.queryBatch(queries)));
  }

  /** How like an example the last row of its pool is; heads say nothing of that. */
  private boundOf({ scores }: Found): number {
    const { metric } = this.index;
    const last = scores.at(-1)!;
    if (this.options.heads !== undefined) return -Infinity;
    return similarityOf(metric, keyOfScore(metric, last));
  }

  private async scanned(
    dims: number,
    count: number,
    only: Only,
    signal: AbortSignal,
    negate: boolean,
    score: (rows: RowImages, part: Uint32Array, keys: Float64Array) => void,
    passes = 1,
  ): Promise<Found> {
    const { ordinals, filtered } = await rowsPassing(this.index, only, signal);
    const best = await this.best(dims, ordinals, count, signal, score, passes);
    return { ordinals: best.ordinals, scores: best.keys.map((key) => (negate ? 0 - key : key)), filtered };
  }

  private async best(
    dims: number,
    listed: Uint32Array,
    count: number,
    signal: AbortSignal,
    score: (rows: RowImages, part: Uint32Array, keys: Float64Array) => void,
    passes = 1,
  ): Promise<Pick<Best, 'keys' | 'ordinals'>> {
    const { live, codes } = partsOf(this.index);
    const ordinals = listed.filter(live.alive);
    const { images, done } = live.useImages();
    const rows = new RowImages(codes, images, dims, live.half);
    const size = Math.max(64, Math.floor(AT_ONCE / passes));
    const keys = arrayIn(codes, Float64Array, Math.min(size, ordinals.length));
    const few = new Best(count);
    const many = count > MANY ? new ManyBest(count) : undefined;
    const check = () => signal.throwIfAborted();
    try {
      for (let from = 0; from < ordinals.length; from += size) {
        if (from > 0) await new Promise<void>(nextTurn);
        check();
        const part = ordinals.subarray(from, from + size);
        score(rows, part, keys);
        if (many !== undefined) await inSlices(many.add(keys, part), check);
        else for (let i = 0; i < part.length; i++) few.offer(keys[i]!, part[i]!);
      }
    } finally {
      done();
      releaseIn(codes, keys);
    }
    return many === undefined ? few : inSlices(many.best(), check);
  }
}

export async function filterFor(
  index: SearchedIndex,
  only: Only,
  signal: AbortSignal,
): Promise<CheckedFilter | undefined> {
  return filterOf(only, only.node && only.rows ? await rowsPassing(index, only, signal) : undefined);
}

/** All of it was checked, so the index takes it as it is. */
export function queryFor(
  index: SearchedIndex,
  request: Pick<HeadRequest, 'vector' | 'decide'>,
  candidates: number,
  params: SearchParams,
  filter: CheckedFilter | undefined,
): IndexQuery {
  const { dim, metric } = index;
  const best = Math.min(bestOf(request, params) ?? candidates, candidates);
  const of = { candidates, k: hasLists(index) ? candidates : best, offset: 0, end: best };
  return candidatesQuery(QueryVector.received(request, dim, 'vector'), metric, of, params, filter);
}

/** Whether there are lists: how far a search of mode 'funnel' goes in them depends on its depth, elsewhere on its candidates alone. */
export function hasLists(index: SearchedIndex): boolean {
  for (const { partition } of partsOf(index).live.segments) if (partition !== null) return true;
  return false;
}

/** How many of the candidates are told; undefined: all. Lists that are not visited, and certificates, are about all of them. */
export function bestOf({ decide }: Pick<HeadRequest, 'decide'>, { exact, probes }: SearchParams): number | undefined {
  return exact || probes !== undefined ? undefined : decide;
}

export function foundOf({ hits, stats }: IndexAnswer): Found {
  return {
    ordinals: hits.map(({ index }) => index),
    scores: hits.map(({ score }) => score),
    filtered: stats.filter,
    missing: stats.missing,
    scored: stats.rowsRead,
  };
}

/** The same of many answers, in slices. */
export function* allFound(answers: readonly IndexAnswer[]): Sliced<Found[]> {
  const found: Found[] = [];
  for (const answer of answers) {
    found.push(foundOf(answer));
    if (answer.hits.length > MANY) yield;
  }
  return found;
}

/** Ascending, each once. */
function* unionOf(pools: readonly Found[]): Sliced<Uint32Array> {
  const all = new OrdinalSet();
  for (const { ordinals } of pools) {
    for (let i = 0; i < ordinals.length; i++) {
      if (i % AT_ONCE === AT_ONCE - 1) yield;
      all.add(ordinals[i]!);
    }
  }
  yield;
  return all.list();
}

/** How often each row is scored. */
function passesOf({ examples: { positive, negative } }: Recommend): number {
  return positive.length + negative.length;
}
