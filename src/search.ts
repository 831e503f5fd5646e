/** FunnelSearch, the spine: head search in the database → candidates → funnel → hits. */
import { expected, FunnelError } from './errors.js';
import type { Explanation } from './explain.js';
import { finish, inContext, makeRunner, type Prepared, prepare } from './funnel.js';
import type { Kernels } from './kernels/kernels.js';
import { checkPlan, funnelPlan, type Plan } from './plan.js';
import type { HeadAnswer, PayloadSelection, Source, SourceInfo } from './sources/source.js';
import type { Hit, SearchStats, Vector } from './types.js';
import { checkInteger, checkKeys, checkQuery, isZero } from './validate.js';

export interface FunnelSearchOptions {
  /** From qdrantSource() or milvusSource(). */
  source: Source;
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
  /** Milliseconds for the head search. */
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

/** A request, checked; everything the head search and the funnel need. */
interface Query {
  request: SearchRequest;
  vector: Float32Array;
  plan: Plan;
  limit: number;
  candidates: number;
}

/** The class without a choice of kernels; see `FunnelSearch` in index.ts. */
export class FunnelSearchOn {
  readonly source: Source;
  readonly #plan: Plan | undefined;
  readonly #kernels: () => Kernels;

  constructor(options: FunnelSearchOptions, kernels: () => Kernels) {
    if (typeof options !== 'object' || options === null)
      throw expected('BAD_ARGUMENT', '{ source }', 'options', options);
    checkKeys(options, ['source', 'plan'], 'the options of FunnelSearch');
    if (typeof options.source?.head !== 'function') {
      throw expected('BAD_ARGUMENT', 'a source (see qdrantSource, milvusSource)', 'source', options.source);
    }
    this.source = options.source;
    this.#plan = options.plan;
    this.#kernels = kernels;
  }

  /**
   * The best `limit` of the pool that the head search fetched.
   *
   * @throws FunnelError
   */
  async query(request: SearchRequest): Promise<SearchResult> {
    const info = await this.#info(request);
    const query = this.#check(request, info);
    const answer = await this.#head(query);
    const prepared = this.#prepare(query, answer, info);
    const runner = makeRunner(this.#kernels);
    const start = performance.now();
    const explanation = query.request.explain ? runner.explain(prepared) : undefined;
    const hits = explanation?.hits ?? finish(prepared, (await runner.run([prepared]))[0]!);
    return this.#result(query, answer, prepared, hits, performance.now() - start, explanation);
  }

  /**
   * Many requests: their head searches side by side, then one kernel call for all. Answers in order.
   *
   * @throws FunnelError that names the request that failed
   */
  async queryBatch(requests: readonly SearchRequest[]): Promise<SearchResult[]> {
    if (!Array.isArray(requests)) throw expected('BAD_ARGUMENT', 'an array', 'requests', requests);
    if (requests.length === 0) return [];
    const info = await this.#info(requests[0]!);
    const queries = requests.map((request, i) => inContext(`requests[${i}]`, () => this.#check(request, info)));
    const answers = await mapLimited(queries, CONCURRENCY, async (query, i) => {
      try {
        return await this.#head(query);
      } catch (error) {
        return inContext(`requests[${i}]`, () => {
          throw error;
        });
      }
    });
    const prepared = queries.map((query, i) => this.#prepare(query, answers[i]!, info));
    const runner = makeRunner(this.#kernels);
    const start = performance.now();
    const bad = await runner.run(prepared);
    const ms = (performance.now() - start) / queries.length;
    return queries.map((query, i) => {
      const one = prepared[i]!;
      const explanation = query.request.explain ? runner.explain(one) : undefined;
      const hits = inContext(`requests[${i}]`, () => explanation?.hits ?? finish(one, bad[i]!));
      return this.#result(query, answers[i]!, one, hits, ms, explanation);
    });
  }

  #info({ timeout, signal }: SearchRequest = {} as SearchRequest): Promise<SourceInfo> {
    return this.source.info({ timeout, signal });
  }

  #check(request: SearchRequest, info: SourceInfo): Query {
    if (typeof request !== 'object' || request === null)
      throw expected('BAD_ARGUMENT', '{ vector }', 'request', request);
    checkKeys(request, REQUEST_KEYS, 'the request');
    const vector = checkQuery(request.vector, info.dim, 'vector');
    const given = request.plan ?? this.#plan ?? funnelPlan(info.dim, { head: info.headDim });
    checkPlan(given, info.dim);
    if (given.head !== undefined && given.head !== info.headDim) {
      throw expected(
        'BAD_PLAN',
        `${info.headDim}, the dims of the head that ${this.source.name} stores,`,
        'head',
        given.head,
      );
    }
    const plan = { ...given, metric: given.metric ?? info.metric };
    if (plan.metric !== 'euclid' && isZero(vector)) {
      throw new FunnelError(
        'ZERO_QUERY',
        `Expected a vector with a direction for metric ${plan.metric} but received zeros`,
      );
    }
    const limit = checkInteger(request.limit ?? plan.limit ?? 10, 1, 0xffff_ffff, 'limit');
    const candidates = plan.candidates ?? Math.max(128, 4 * limit);
    if (candidates < limit) {
      throw expected(
        'BAD_PLAN',
        `at least limit (${limit}), since hits are cut from the pool,`,
        'candidates',
        candidates,
      );
    }
    return { request, vector, plan, limit, candidates };
  }

  #head({ request, vector, candidates }: Query): Promise<HeadAnswer> {
    const { nativeFilter, withPayload, timeout, signal } = request;
    return this.source.head({ vector, candidates, nativeFilter, withPayload, timeout, signal });
  }

  #prepare({ vector, plan, limit }: Query, answer: HeadAnswer, info: SourceInfo): Prepared<unknown> {
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
    prepared.matrix.owned = true; // the source made it for us alone
    return prepared;
  }

  #result(
    { request, plan, candidates }: Query,
    answer: HeadAnswer,
    { matrix, stages }: Prepared<unknown>,
    hits: Hit[],
    funnelMs: number,
    explanation?: Explanation,
  ): SearchResult {
    if (request.withVector) {
      const { vectors, dim } = matrix;
      for (const hit of hits) hit.vector = (vectors as Float32Array).slice(hit.index * dim, (hit.index + 1) * dim);
    }
    const n = matrix.count;
    const stats: SearchStats = {
      stages: [
        { name: 'head', in: candidates, out: n, ms: answer.headMs },
        { name: 'decode', in: n, out: n, ms: answer.decodeMs },
        ...stages.map((stage, s) => ({
          name: `scale ${stage.scale}${stage.prunes ? '' : ' (re-orders only)'}`,
          in: stage.in,
          out: stage.out,
          ms: explanation?.stages[s]?.ms,
        })),
        { name: 'funnel', in: n, out: hits.length, ms: funnelMs },
      ],
      vectorsFrom: 'hits',
      kernels: this.#kernels().name,
      metric: plan.metric ?? 'cosine',
    };
    return explanation ? { hits, stats, explanation } : { hits, stats };
  }
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
