/** Requests by example: ids become vectors, vectors become one search. */
import { expected, FunnelError } from '../core/errors.js';
import type { Id, Vector } from '../core/types.js';
import { checkIds, checkKeys, isNumbers, isZero } from '../core/validate.js';
import { QueryVector } from '../core/vector.js';
import type { Filters } from './filter/conditions.js';
import { readParams } from './params.js';
import type { Search } from './rank.js';
import { averageVector, checkStrategy, type Examples, meanOf, type Strategy, sumVector } from './recommend.js';
import {
  bothFilters,
  type CheckedOptions,
  type CheckedSearch,
  checkedOptions,
  notIds,
  type QueryOptions,
  type Target,
} from './request.js';
import { vectorAt } from './result.js';
import { layoutOf } from './source/layouts.js';
import type { FetchRequest, SearchParams, Source, SourceInfo } from './source/source.js';

/** A search by examples: at least one, positive or negative. */
export interface RecommendRequest extends QueryOptions {
  /** Ids of points, or vectors, that hits should be like. Points named here are no hits. */
  positive?: readonly (Id | Vector)[];
  /** Ids of points, or vectors, that hits should not be like. Points named here are no hits. */
  negative?: readonly (Id | Vector)[];
  /** @default 'average_vector' */
  strategy?: Strategy;
  /** Where ids are looked up; with it, no point is left out. Its vectors must have as many dims. */
  lookupFrom?:
    | Source
    | {
        /** The source of the ids. */
        source: Source;
        /** The layout whose vectors are taken, where the source has several. */
        using?: string;
      };
}

export const RECOMMEND_KEYS = ['positive', 'negative', 'strategy', 'lookupFrom'] as const;

export interface CheckedExamples {
  readonly positive: readonly Target[];
  readonly negative: readonly Target[];
  readonly strategy: Strategy;
  readonly from: Source | undefined;
}

export interface CheckedRecommend extends CheckedExamples {
  readonly options: CheckedOptions;
}

/** @throws FunnelError */
export function checkedRecommend(request: RecommendRequest, filters: Filters): CheckedRecommend {
  const { options, rest } = checkedOptions(request, filters, RECOMMEND_KEYS);
  return { options, ...checkedExamples(rest) };
}

/** @throws FunnelError */
export function checkedExamples(request: RecommendRequest): CheckedExamples {
  const positive = checkedList(request.positive, 'positive');
  const negative = checkedList(request.negative, 'negative');
  const strategy = checkStrategy(request.strategy, positive.length, negative.length);
  return { positive, negative, strategy, from: lookupSource(request.lookupFrom) };
}

function checkedList(list: unknown, where: string): Target[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw expected('BAD_ARGUMENT', 'an array of ids and vectors', where, list);
  return Array.from(list, (one: unknown, i) => {
    if (isNumbers(one)) return QueryVector.of(one, undefined, `${where}[${i}]`);
    checkIds([one as Id], `${where}[${i}]`);
    return { id: one as Id };
  });
}

function lookupSource(given: RecommendRequest['lookupFrom']): Source | undefined {
  if (given === undefined) return undefined;
  if (typeof (given as Source)?.fetch === 'function') return layoutOf(given as Source, undefined);
  if (
    typeof given !== 'object' ||
    given === null ||
    typeof (given as { source?: Source }).source?.fetch !== 'function'
  ) {
    throw expected('BAD_ARGUMENT', 'a source, or { source, using },', 'lookupFrom', given);
  }
  checkKeys(given, ['source', 'using'], 'lookupFrom');
  const { source, using } = given as { source: Source; using?: string };
  return layoutOf(source, using);
}

/** Points of one source, read in one way. */
interface Wanted {
  source: Source;
  params: Pick<FetchRequest, 'params'>;
  /** As the source has them, with what was asked for. */
  ids: Map<Id, Id>;
  found: Map<Id, Float32Array>;
}

/** Vectors of points of several sources, each source asked once, for each way to read it that requests name. */
class Stored {
  readonly #wanted = new Map<Source, Map<string, Wanted>>();

  /** @param params of the request, where the source is the one that it searches */
  #of(source: Source, params: SearchParams | undefined): Wanted {
    const own = readParams(params);
    const key = JSON.stringify(own, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
    const ways = this.#wanted.get(source) ?? new Map<string, Wanted>();
    const wanted = ways.get(key) ?? { source, params: own, ids: new Map(), found: new Map() };
    this.#wanted.set(source, ways.set(key, wanted));
    return wanted;
  }

  /** The id in the form that the source has. */
  async want(source: Source, id: Id, params: SearchParams | undefined, options: CheckedOptions): Promise<Id> {
    const named = (await source.idOf?.(id, deadline(options))) ?? id;
    this.#of(source, params).ids.set(named, id);
    return named;
  }

  async load(options: CheckedOptions): Promise<void> {
    for (const { source, params, ids, found } of [...this.#wanted.values()].flatMap((ways) => [...ways.values()])) {
      // Qdrant has numbers and UUIDs in one collection; a call has one kind.
      for (const kind of new Set(Array.from(ids.keys(), (id) => typeof id))) {
        const some = [...ids.keys()].filter((id) => typeof id === kind);
        const { rows } = await source.fetch({ ids: some, missing: 'error', ...params, ...deadline(options) });
        rows.ids.forEach((id, i) => void found.set(id, vectorAt(rows.vectors, rows.dim, i)));
      }
    }
  }

  get(source: Source, id: Id, params: SearchParams | undefined): Float32Array {
    const { ids, found } = this.#of(source, params);
    const vector = found.get(id);
    if (vector !== undefined) return vector;
    const asked = ids.get(id)!;
    const text = typeof asked === 'string' ? JSON.stringify(asked) : String(asked);
    throw new FunnelError('NOT_FOUND', `Expected a point with id ${text} in ${source.name} but there is none`);
  }
}

function deadline({ timeout, signal }: CheckedOptions): { timeout?: number; signal?: AbortSignal } {
  return { ...(timeout !== undefined && { timeout }), ...(signal !== undefined && { signal }) };
}

type Checked = CheckedSearch | CheckedRecommend;

/**
 * Looks ids up and makes a search of each request: all of them in one call for each collection that their ids are in. Where
 * there are no ids nothing has to be waited for.
 *
 * @throws FunnelError NOT_FOUND naming the id, UNSUPPORTED; what a source throws
 */
export function searchesOf(
  requests: readonly Checked[],
  source: Source,
  info: SourceInfo,
  named: (i: number, run: () => Search) => Search,
): Search[] | Promise<Search[]> {
  if (requests.every(isByVector)) return requests.map((request, i) => named(i, () => byVector(request, info)));
  return lookedUp(requests, source, info, named);
}

async function lookedUp(
  requests: readonly Checked[],
  source: Source,
  info: SourceInfo,
  named: (i: number, run: () => Search) => Search,
): Promise<Search[]> {
  const stored = new Stored();
  // Those of a request are for what it searches.
  const paramsFor = (from: Source, { options }: Checked) => (from === source ? options.params : undefined);
  const listed = await Promise.all(
    requests.map(async (request) => {
      const name = (from: Source) => async (one: Target) =>
        one instanceof QueryVector
          ? one
          : { id: await stored.want(from, one.id, paramsFor(from, request), request.options) };
      if ('by' in request) return { positive: [await name(source)(request.by)], negative: [] };
      const find = name(request.from ?? source);
      return {
        positive: await Promise.all(request.positive.map(find)),
        negative: await Promise.all(request.negative.map(find)),
      };
    }),
  );
  if (requests.length > 0) await stored.load(requests[0]!.options);
  return requests.map((request, i) =>
    named(i, () => {
      const from = ('from' in request ? request.from : undefined) ?? source;
      const vectorOf = (one: Target, where: string) => {
        if (one instanceof QueryVector) return one.checkDims(info.dim, where);
        return storedVector(stored.get(from, one.id, paramsFor(from, request)), info.dim, where);
      };
      const { positive, negative } = listed[i]!;
      const own = [...positive, ...negative].flatMap((one) => (one instanceof QueryVector ? [] : [one.id]));
      // Points looked up by lookupFrom stay, even where that is the collection that is searched.
      const elsewhere = 'from' in request && request.from !== undefined;
      const left = elsewhere ? undefined : notIds(own);
      const { options } = request;
      const common = {
        options,
        filter: bothFilters(options.filter, left),
        withPayload: options.withPayload ?? false,
      };
      if ('by' in request) return { vector: vectorOf(positive[0]!, 'vector'), ...common };
      const { strategy } = request;
      const liked = positive.map((one, e) => vectorOf(one, `positive[${e}]`));
      const disliked = negative.map((one, e) => vectorOf(one, `negative[${e}]`));
      const examples: Examples = { positive: liked.map(valuesOf), negative: disliked.map(valuesOf) };
      const values =
        strategy === 'average_vector'
          ? averageVector(examples, info.metric)
          : headVector(examples, strategy, source, options, info);
      // It may be an example, as it is.
      const known = [...liked, ...disliked].find((one) => one.values === values);
      const by = { vector: known ?? QueryVector.over(values, 'vector'), ...common };
      return strategy === 'average_vector' ? by : { recommend: { strategy, examples }, liked, ...by };
    }),
  );
}

type ByVector = CheckedSearch & { by: QueryVector };

/** Nothing is looked up for such a request. */
function isByVector(request: Checked): request is ByVector {
  return 'by' in request && request.by instanceof QueryVector;
}

function byVector({ by, options }: ByVector, { dim }: SourceInfo): Search {
  const { filter, withPayload = false } = options;
  return { vector: by.checkDims(dim, 'vector'), options, filter, withPayload };
}

function valuesOf({ values }: QueryVector): Float32Array {
  return values;
}

/** A source gave it away. @throws FunnelError BAD_DIMS, NOT_FINITE */
function storedVector(values: Float32Array, dim: number, where: string): QueryVector {
  if (values.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, where, values);
  return QueryVector.over(values, where);
}

/**
 * The vector that the head search takes where the source itself knows no strategies: a sum is a search by one vector;
 * any other strategy starts from the mean of the positives.
 */
function headVector(
  examples: Examples,
  strategy: Strategy,
  { recommends, name }: Source,
  { exact }: CheckedOptions,
  { metric }: SourceInfo,
): Float32Array {
  const { positive, negative } = examples;
  if (!recommends && (exact || positive.length === 0)) {
    const what = exact ? "strategy 'average_vector' for mode 'exact'" : 'a positive example';
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected ${what} in ${name} but received strategy '${strategy}'${exact ? '' : ' with negatives alone'}: ` +
        'it searches by one vector, and only the pool is ranked by the strategy',
    );
  }
  const sum = !recommends && strategy === 'sum_scores' ? sumVector(examples, metric) : undefined;
  if (sum) return sum;
  const mean = positive.length > 0 ? Float32Array.from(meanOf(positive, metric)) : undefined;
  if (mean && !isZero(mean)) return mean;
  return [...positive, ...negative].find((vector) => !isZero(vector)) ?? mean ?? negative[0]!;
}
