/** FunnelSearch, the spine: head search in the database → candidates → funnel → hits. */
import { expected, FunnelError } from './errors.js';
import { type Explanation, explain } from './explain.js';
import { inContext, runPrepared } from './funnel.js';
import type { Kernels } from './kernels/kernels.js';
import { MAX_DIM, type Metric } from './kernels/kernels.js';
import { halfToFloat } from './kernels/reference.js';
import { checkMirror, isMirror, Matrices, type Mirror, type Mirrored, withVectors } from './mirror.js';
import { type CheckedPlan, checkPlan, funnelPlan, type Plan, poolFor } from './plan.js';
import { finish, type Prepared, prepare } from './prepare.js';
import type { HeadAnswer, PayloadSelection, Source, SourceInfo } from './sources/source.js';
import type { Hit, SearchStats, Vector } from './types.js';
import { checkInteger, checkKeys, checkPayload, checkQuery, isZero } from './validate.js';

export interface FunnelSearchOptions {
  /** From qdrantSource(), milvusSource() or embeddedSource(). */
  source: Source;
  /**
   * A FunnelIndex that holds the collection's vectors under the same ids (`index.syncFrom(source)` fills one). The database
   * is then asked for ids only; rows that the mirror lacks are fetched from it, in one call. Its dims and metric must be
   * the collection's. A vector that was changed in the database is the old one until the mirror is synced again.
   */
  mirror?: Mirror;
  /** @default funnelPlan(dim) with the head of the source */
  plan?: Plan;
}

export interface SearchRequest {
  /** The full query vector. */
  vector: Vector;
  /** Hits to return. @default the plan's limit, else 10 */
  limit?: number;
  /** Passed to the database as it is, in its own form. */
  nativeFilter?: unknown;
  /** @default false */
  withPayload?: PayloadSelection;
  /** Return the full vectors of the hits. @default false */
  withVector?: boolean;
  /** Instead of the search's plan. */
  plan?: Plan;
  /** Milliseconds for each call to the database: the head search and, with a mirror, the fetch of what it lacks. */
  timeout?: number;
  signal?: AbortSignal;
  /** Also return what each stage dropped. @default false */
  explain?: boolean;
}

export interface SearchResult {
  hits: Hit[];
  stats: SearchStats;
  explanation?: Explanation;
}

const REQUEST_KEYS = [
  'vector',
  'limit',
  'nativeFilter',
  'withPayload',
  'withVector',
  'plan',
  'timeout',
  'signal',
  'explain',
];

/** Head searches of one batch that are under way at once. */
const CONCURRENCY = 8;

/** Pools in memory at once: a hundred of 128 × 768 are 38 MiB. */
const AT_ONCE = 100;

/** A request of the caller's as plain data of ours, checked as far as that goes without knowing the collection. */
type OwnRequest = Omit<SearchRequest, 'vector'> & { vector: Float32Array };

/** Everything the head search and the funnel need. */
interface Query {
  request: OwnRequest;
  plan: Plan & { metric: Metric };
  limit: number;
  candidates: number;
}

/** Of a head search; with the parts of a mirror where there is one. */
type Answer = HeadAnswer & Partial<Mirrored>;

/** The class without a choice of kernels; see `FunnelSearch` in index.ts. */
export class FunnelSearchOn {
  readonly source: Source;
  readonly mirror: Mirror | undefined;
  readonly #plan: Plan | undefined;
  readonly #kernels: () => Kernels;
  readonly #matrices = new Matrices();

  constructor(options: FunnelSearchOptions, kernels: () => Kernels) {
    if (typeof options !== 'object' || options === null)
      throw expected('BAD_ARGUMENT', '{ source }', 'options', options);
    checkKeys(options, ['source', 'plan', 'mirror'], 'the options of FunnelSearch');
    if (typeof options.source?.head !== 'function') {
      throw expected('BAD_ARGUMENT', 'a source (see qdrantSource, milvusSource)', 'source', options.source);
    }
    if (options.mirror !== undefined) {
      if (!isMirror(options.mirror)) throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'mirror', options.mirror);
      if (typeof options.source.fetch !== 'function') {
        throw expected('BAD_ARGUMENT', 'a source that can fetch() what a mirror lacks', 'source', options.source);
      }
    }
    if (options.plan !== undefined) checkPlan(options.plan, MAX_DIM); // dims are not known yet
    this.source = options.source;
    this.mirror = options.mirror;
    this.#plan = options.plan;
    this.#kernels = kernels;
  }

  /**
   * The best `limit` of the pool that the head search fetched.
   *
   * @throws FunnelError
   */
  async query(request: SearchRequest): Promise<SearchResult> {
    const mine = ownRequest(request);
    const info = await this.#info(mine);
    return (await this.#run([this.#fit(mine, info)], info))[0]!;
  }

  /**
   * Many requests: head searches side by side, then one kernel call for all (for each hundred, in a long batch). Answers in
   * order. The first failure ends the batch.
   *
   * @throws FunnelError that names the request that failed
   */
  async queryBatch(requests: readonly SearchRequest[]): Promise<SearchResult[]> {
    if (!Array.isArray(requests)) throw expected('BAD_ARGUMENT', 'an array', 'requests', requests);
    const mine = requests.map((request, i) => inContext(`requests[${i}]`, () => ownRequest(request)));
    if (mine.length === 0) return [];
    const info = await this.#info(mine[0]!);
    const queries = mine.map((request, i) => inContext(`requests[${i}]`, () => this.#fit(request, info)));
    const results: SearchResult[] = [];
    for (let from = 0; from < queries.length; from += AT_ONCE) {
      results.push(...(await this.#run(queries.slice(from, from + AT_ONCE), info, from)));
    }
    return results;
  }

  async #info({ timeout, signal }: OwnRequest): Promise<SourceInfo> {
    const info = await this.source.info({ timeout, signal });
    if (this.mirror !== undefined) checkMirror(this.mirror, info, this.source.name);
    return info;
  }

  /** @param first number of the first request in its batch; undefined for a query of its own */
  async #run(queries: Query[], info: SourceInfo, first?: number): Promise<SearchResult[]> {
    const named = <T>(i: number, run: () => T): T =>
      first === undefined ? run() : inContext(`requests[${first + i}]`, run);
    const answers = await mapLimited(queries, CONCURRENCY, async (query, i) => {
      try {
        return await this.#head(query);
      } catch (error) {
        return named(i, () => {
          throw error;
        });
      }
    });
    const prepared = queries.map((query, i) => named(i, () => this.#prepare(query, answers[i]!, info)));
    const kernels = this.#kernels();
    const start = performance.now();
    const bad = await runPrepared(kernels, prepared, false);
    const ms = (performance.now() - start) / queries.length;
    const results = queries.map((query, i) =>
      named(i, () => {
        const hits = finish(prepared[i]!, bad[i]!);
        const explanation = query.request.explain ? explain(kernels, prepared[i]!) : undefined;
        return this.#result(query, answers[i]!, prepared[i]!, hits, ms, explanation);
      }),
    );
    for (const [i, { memory }] of answers.entries()) {
      // An explanation may be asked about its rows later.
      if (memory && !queries[i]!.request.explain) this.#matrices.give(memory);
    }
    return results;
  }

  #fit(request: OwnRequest, info: SourceInfo): Query {
    checkQuery(request.vector, info.dim, 'vector');
    const fallback = () => funnelPlan(info.dim, { head: info.headDim, limit: request.limit });
    const plan: CheckedPlan = checkPlan(request.plan ?? this.#plan ?? fallback(), info.dim);
    if (plan.head !== undefined && plan.head !== info.headDim) {
      throw expected(
        'BAD_PLAN',
        `${info.headDim}, the dims of the head that ${this.source.name} stores,`,
        'head',
        plan.head,
      );
    }
    const metric = plan.metric ?? info.metric;
    if (metric !== 'euclid' && isZero(request.vector)) {
      throw new FunnelError('ZERO_QUERY', `Expected a vector with a direction for metric ${metric} but received zeros`);
    }
    const limit = request.limit ?? plan.limit ?? 10;
    const candidates = plan.candidates ?? poolFor(limit);
    if (candidates < limit) {
      throw expected(
        'BAD_PLAN',
        `at least limit (${limit}), since hits are cut from the pool,`,
        'candidates',
        candidates,
      );
    }
    const { scales, keep } = plan;
    return { request, plan: { scales, keep, metric }, limit, candidates };
  }

  async #head({ request, candidates }: Query): Promise<Answer> {
    const { vector, nativeFilter, withPayload, timeout, signal } = request;
    const { source, mirror } = this;
    const asked = { vector, candidates, nativeFilter, withPayload, timeout, signal };
    if (mirror === undefined) return source.head(asked);
    const answer = await source.head({ ...asked, vectors: false });
    return { ...answer, ...(await withVectors(mirror, source, answer, this.#matrices, { timeout, signal })) };
  }

  #prepare({ request: { vector }, plan, limit }: Query, answer: Answer, info: SourceInfo): Prepared<unknown> {
    const { candidates } = answer;
    if (candidates.dim !== info.dim) {
      throw expected(
        'BAD_RESPONSE',
        `vectors of ${info.dim} dims`,
        `the answer of ${this.source.name}`,
        candidates.dim,
      );
    }
    const prepared = prepare(candidates, vector, plan, limit);
    prepared.matrix.owned = true; // as HeadAnswer promises
    return prepared;
  }

  #result(
    { request, plan, candidates }: Query,
    answer: Answer,
    { matrix, stages }: Prepared<unknown>,
    hits: Hit[],
    funnelMs: number,
    explanation?: Explanation,
  ): SearchResult {
    if (request.withVector) {
      for (const hit of hits) hit.vector = vectorAt(matrix.vectors, matrix.dim, hit.index);
    }
    const n = matrix.count;
    const { stats: mirror, mirrorMs, fetchMs } = answer;
    const found = n + (mirror?.gone ?? 0);
    const stats: SearchStats = {
      stages: [
        { name: 'head', in: candidates, out: found, ms: answer.headMs },
        { name: 'decode', in: found, out: found, ms: answer.decodeMs },
        ...(mirror === undefined
          ? []
          : [
              { name: 'mirror', in: found, out: mirror.found, ms: mirrorMs },
              { name: 'fetch', in: mirror.fetched + mirror.gone, out: mirror.fetched, ms: fetchMs },
            ]),
        ...stages.map((stage, s) => ({
          name: `scale ${stage.scale}${stage.prunes ? '' : ' (re-orders only)'}`,
          in: stage.in,
          out: stage.out,
          ms: explanation?.stages[s]?.ms,
        })),
        { name: 'funnel', in: n, out: hits.length, ms: funnelMs },
      ],
      vectorsFrom: mirror === undefined ? 'hits' : 'mirror',
      ...(mirror === undefined ? {} : { mirror }),
      kernels: this.#kernels().name,
      metric: plan.metric,
    };
    return explanation ? { hits, stats, explanation } : { hits, stats };
  }
}

/**
 * Reads and checks everything once, before the first wait: the caller may reuse the vector for the next call.
 *
 * @throws FunnelError
 */
function ownRequest(request: SearchRequest): OwnRequest {
  checkKeys(request, REQUEST_KEYS, 'the request');
  const own = { ...request };
  for (const flag of ['withVector', 'explain'] as const) {
    if (own[flag] !== undefined && typeof own[flag] !== 'boolean') {
      throw expected('BAD_ARGUMENT', 'a boolean', flag, own[flag]);
    }
  }
  checkPayload(own.withPayload);
  if (own.limit !== undefined) checkInteger(own.limit, 1, 0xffff_ffff, 'limit');
  if (own.plan !== undefined) checkPlan(own.plan, MAX_DIM);
  return { ...own, vector: checkQuery(own.vector, undefined, 'vector').slice() };
}

/** A row as floats, whatever the source holds. */
function vectorAt(vectors: ArrayLike<number>, dim: number, index: number): Float32Array {
  const row = Array.prototype.slice.call(vectors, index * dim, (index + 1) * dim) as number[];
  return Float32Array.from(vectors instanceof Uint16Array ? row.map(halfToFloat) : row);
}

/** Promise.all with a bound on how many run at once; the first failure wins and no new ones start. */
async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  run: (item: T, i: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++;
      try {
        results[i] = await run(items[i]!, i);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}
