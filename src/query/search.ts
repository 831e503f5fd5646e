/** FunnelSearch, the spine: a request → what to search for → ranked pools → an answer. */
import { telling } from '../core/diagnostics.js';
import { expected, FunnelError } from '../core/errors.js';
import { MAX_DIM } from '../core/metrics.js';
import { inSlices } from '../core/slices.js';
import type { Hit } from '../core/types.js';
import { checkKeys } from '../core/validate.js';
import { inContext } from '../funnel/funnel.js';
import { type CheckedPlan, checkPlan, type Plan } from '../funnel/plan.js';
import type { Kernels } from '../kernels/kernels.js';
import {
  type CheckedRecommend,
  checkedExamples,
  checkedRecommend,
  RECOMMEND_KEYS,
  type RecommendRequest,
  searchesOf,
} from './examples.js';
import {
  type CheckedGroups,
  checkedGroups,
  GROUP_KEYS,
  type GroupOptions,
  GroupSearch,
  type GroupsResult,
  hitsByPool,
  hitsOfGroups,
  toldGroups,
} from './group-search.js';
import { withFullOf } from './heads-source.js';
import { lookUp } from './lookup.js';
import { isMirror, type Mirror } from './mirror.js';
import { MIRROR_KEYS, type MirrorOptions, type Route } from './mirror-options.js';
import { addFromSource, checkMirrorOptions, checkMirrorStages, MirrorSearch, tellMirror } from './mirror-search.js';
import type { PlaceName } from './place-name.js';
import { type Fitted, type RankedPool, Ranker } from './rank.js';
import {
  type CheckedOptions,
  type CheckedSearch,
  checkedOptions,
  checkedSearch,
  checkedTarget,
  filtersOf,
  type SearchRequest,
  TARGET_KEYS,
} from './request.js';
import { addPayloads, addVectors, cutPayloads, namesOf, type SearchResult, toResult } from './result.js';
import { infoFor, shortResults } from './short-answer.js';
import { checkSource, layoutOf } from './source/layouts.js';
import type { Source, SourceInfo } from './source/source.js';
import { checkStages, type StageOptions, type Stages } from './stage-options.js';
import type { StagesElsewhere } from './stages-elsewhere.js';

export type { RecommendRequest } from './examples.js';
export type { GroupOptions, GroupSearchStats, GroupsResult, HitGroup } from './group-search.js';
export type { Lookup, LookupOptions, LookupRow } from './lookup.js';
export type { MirrorOptions } from './mirror-options.js';
export type { QueryOptions, SearchRequest } from './request.js';
export type { SearchResult } from './result.js';
export type { StageOptions, Stages } from './stage-options.js';
export type { SearchExplanation, SearchFate } from './trace.js';

/** Options of a FunnelSearch. */
export interface FunnelSearchOptions extends StageOptions, MirrorOptions {
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

/** `limit` and `offset` count groups. */
export type GroupsRequest = SearchRequest & GroupOptions;

/** `limit` and `offset` count groups. */
export type RecommendGroupsRequest = RecommendRequest & GroupOptions;

/** The class without a choice of kernels; see `FunnelSearch` in index.ts. */
export class FunnelSearchOn {
  /** The source that it searches. */
  readonly source: Source;
  /** The mirror that vectors are read from, if there is one. */
  readonly mirror: Mirror | undefined;
  /** The plan of requests that have none of their own, if one was given: a copy, which is frozen. */
  readonly plan: Plan | undefined;
  /** Where stages run, where a request does not say. */
  readonly stages: Stages;
  /** Where it searches, when nothing speaks against it: see `MirrorOptions`. */
  readonly search: 'source' | 'mirror';
  readonly #plan: CheckedPlan | undefined;
  readonly #defaults: StageOptions & { stages: Stages };
  readonly #kernels: () => Kernels;
  readonly #elsewhere: StagesElsewhere | undefined;
  readonly #rankers = new Map<Source, Ranker>();
  readonly #mirrorSearch: MirrorSearch | undefined;

  /** @param elsewhere undefined for an index that searches its own rows */
  constructor(given: FunnelSearchOptions, kernels: () => Kernels, elsewhere?: StagesElsewhere) {
    if (typeof given !== 'object' || given === null) throw expected('BAD_ARGUMENT', '{ source }', 'options', given);
    const options = { ...given }; // read once
    const keys = ['source', 'plan', 'mirror', 'stages', 'rescore', ...MIRROR_KEYS];
    checkKeys(options, keys, 'the options of FunnelSearch');
    checkSource(options.source);
    if (options.mirror !== undefined) {
      if (!isMirror(options.mirror)) throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'mirror', options.mirror);
      if (options.source.layouts !== undefined) {
        throw new FunnelError(
          'UNSUPPORTED',
          `Expected a source of one layout beside a mirror but ${options.source.name} has several: take one of source.layouts`,
        );
      }
    }
    checkStages(options);
    if (options.stages === 'mirror' && options.mirror === undefined) {
      throw expected('BAD_ARGUMENT', "a mirror beside stages: 'mirror'", 'mirror', undefined);
    }
    checkMirrorOptions(options, options.mirror);
    if (options.search === 'mirror') checkMirrorStages(options.stages);
    this.source = withFullOf(options.source, options.mirror);
    this.mirror = options.mirror;
    this.search = options.search ?? 'source';
    this.#plan = options.plan === undefined ? undefined : checkPlan(options.plan, MAX_DIM); // dims are not known yet
    const own = this.#plan;
    // Checked once: whoever changed it would change all later searches.
    for (const part of own ? [own, own.scales, own.keep, ...own.keep] : []) Object.freeze(part);
    this.plan = own as Plan | undefined;
    const { stages = 'auto', rescore } = options;
    this.stages = stages;
    this.#defaults = { stages, rescore };
    this.#kernels = kernels;
    this.#elsewhere = elsewhere;
    if (options.search !== 'mirror') return;
    const { source, mirror } = this;
    const withVectors = new Ranker(source, mirror, kernels, this.#plan, this.#defaults, elsewhere);
    // Without the mirror's vectors nothing can be ranked on them.
    const others = { rescore, stages: stages === 'mirror' ? ('auto' as const) : stages };
    const without = new Ranker(source, undefined, kernels, this.#plan, others, elsewhere);
    const rankerOf = (withMirror: boolean) => (withMirror ? withVectors : without);
    this.#mirrorSearch = new MirrorSearch(source, mirror!, options, kernels, rankerOf);
  }

  /**
   * The best `limit` of the pool that the head search fetched.
   *
   * @throws FunnelError
   */
  async query(request: SearchRequest): Promise<SearchResult> {
    return (await this.#answer([checkedSearch(request, filtersOf(false))]))[0]!;
  }

  /**
   * Many requests: head searches in one round trip where the database has one, side by side elsewhere; then one kernel call
   * for all (for each hundred, in a long batch). Answers in order. The first failure ends the batch.
   *
   * @throws FunnelError that names the request that failed
   */
  async queryBatch(requests: readonly SearchRequest[]): Promise<SearchResult[]> {
    const filters = filtersOf(true);
    return this.#answer(
      checkedAll(requests, (request) => checkedSearch(request, filters)),
      nameOf,
    );
  }

  /**
   * Finds points that are like the positive examples and unlike the negative ones. Strategy 'average_vector' costs one
   * funnel, however many examples there are.
   *
   * @throws FunnelError NOT_FOUND for an id that no point has, UNSUPPORTED for what the source cannot do
   */
  async recommend(request: RecommendRequest): Promise<SearchResult> {
    return (await this.#answer([checkedRecommend(request, filtersOf(false))]))[0]!;
  }

  /** As queryBatch(); all examples are looked up in one call. @throws FunnelError that names the request that failed */
  async recommendBatch(requests: readonly RecommendRequest[]): Promise<SearchResult[]> {
    const filters = filtersOf(true);
    return this.#answer(
      checkedAll(requests, (request) => checkedRecommend(request, filters)),
      nameOf,
    );
  }

  /**
   * The best hits by a value of their payload. Exact where the source can prove it (`stats.groups.complete`), and where it
   * cannot as good as pools of at most `maxDepth` rows (1000, where nobody says) allow.
   *
   * @throws FunnelError
   */
  async queryGroups(request: GroupsRequest): Promise<GroupsResult> {
    const { options, rest } = checkedOptions(request, filtersOf(false), [...GROUP_KEYS, ...TARGET_KEYS]);
    const groups = checkedGroups(rest);
    return this.#groups({ options, by: checkedTarget(rest) }, groups);
  }

  /** recommend() and queryGroups() in one. @throws FunnelError */
  async recommendGroups(request: RecommendGroupsRequest): Promise<GroupsResult> {
    const { options, rest } = checkedOptions(request, filtersOf(false), [...GROUP_KEYS, ...RECOMMEND_KEYS]);
    return this.#groups({ options, ...checkedExamples(rest) }, checkedGroups(rest));
  }

  /** Where a request is searched. */
  #route(request: CheckedSearch | CheckedRecommend, groupBy?: CheckedGroups['path']): Route {
    const { options } = request;
    const own = this.#mirrorSearch;
    // The search's word on stages counts where the request has none.
    const { stages = this.stages, rescore } = options;
    if (rescore === false) checkStages({ stages, rescore }, options.exact);
    if (own === undefined || options.using !== undefined || options.withVector) {
      const ranker = this.#ranker(options); // refuses names that there are none of
      if (own === undefined) return { ranker, options, payloads: false, told: undefined };
    }
    const strategy = 'strategy' in request && request.strategy !== 'average_vector';
    return own.route(options, this.#plan, { strategy, ...(groupBy && { groupBy }) });
  }

  #ranker(options: CheckedOptions): Ranker {
    const layout = layoutOf(this.source, options.using);
    if (options.withVector) namesOf(this.source, options.withVector);
    let ranker = this.#rankers.get(layout);
    if (ranker === undefined) {
      ranker = new Ranker(layout, this.mirror, this.#kernels, this.#plan, this.#defaults, this.#elsewhere);
      this.#rankers.set(layout, ranker);
    }
    return ranker;
  }

  /** @param name where a request stands; undefined for one of its own */
  #answer(given: readonly (CheckedSearch | CheckedRecommend)[], name?: (i: number) => string): Promise<SearchResult[]> {
    return telling(
      ['query', 'FunnelSearch.query', this.source.name],
      () => this.#answered(given, name),
      (results) => ({ queries: results.length, hits: results.reduce((sum, { hits }) => sum + hits.length, 0) }),
    );
  }

  async #answered(
    given: readonly (CheckedSearch | CheckedRecommend)[],
    name?: (i: number) => string,
  ): Promise<SearchResult[]> {
    const routes = given.map((request, i) =>
      name === undefined ? this.#route(request) : inContext(name(i), () => this.#route(request)),
    );
    const results =
      name === undefined ? [await this.#alone(given[0]!, routes[0]!)] : await this.#together(given, routes, name);
    if (routes.every(({ payloads }) => payloads === false)) return results;
    const open = results.map(({ hits, stats }, i) => ({ hits, stats, route: routes[i]! }));
    const gone = await addFromSource(open, this.source);
    if (gone.size === 0) return results;
    return results.map((result, i) =>
      routes[i]!.payloads === false ? result : { ...result, hits: result.hits.filter(({ id }) => !gone.has(id)) },
    );
  }

  /** One request, without the lists of many: they take as long as all the rest. */
  async #alone(request: CheckedSearch | CheckedRecommend, route: Route): Promise<SearchResult> {
    const { ranker, options } = route;
    const info = infoFor(options, ranker) ?? (await ranker.info(options)); // an index tells at once
    const [search] = await searchesOf([{ ...request, options }], ranker.source, info, (_, run) => run());
    const [result] = await this.#results([ranker.fit(search!, info)], info, [route]);
    tellMirror(result!.stats, route.told);
    return result!;
  }

  async #together(
    given: readonly (CheckedSearch | CheckedRecommend)[],
    routes: readonly Route[],
    name: (i: number) => string,
  ): Promise<SearchResult[]> {
    const results = new Array<SearchResult>(given.length);
    for (const ranker of new Set(routes.map((route) => route.ranker))) {
      const places = given.map((_, i) => i).filter((i) => routes[i]!.ranker === ranker);
      const some = places.map((i) => ({ ...given[i]!, options: routes[i]!.options }));
      const info = await ranker.info(some[0]!.options);
      const where = (s: number) => name(places[s]!);
      const searches = await searchesOf(some, ranker.source, info, (s, run) => inContext(where(s), run));
      const fitted = searches.map((search, s) => inContext(where(s), () => ranker.fit(search, info)));
      const own = places.map((i) => routes[i]!);
      for (const [s, result] of (await this.#results(fitted, info, own, where)).entries()) {
        tellMirror(result.stats, own[s]!.told);
        results[places[s]!] = result;
      }
    }
    return results;
  }

  /** Answers of searches by one ranker, in order. */
  #results(fitted: readonly Fitted[], info: SourceInfo, routes: readonly Route[], named?: PlaceName) {
    const { ranker } = routes[0]!;
    const others = () => this.#byPools(fitted, info, routes, named);
    const asking = { ranker, hasLayouts: this.source.layouts !== undefined, kernels: this.#kernels };
    return shortResults(fitted, info, asking, named, others) ?? others();
  }

  async #byPools(
    fitted: readonly Fitted[],
    info: SourceInfo,
    routes: readonly Route[],
    named: PlaceName,
  ): Promise<SearchResult[]> {
    const results: SearchResult[] = [];
    const ranked = await routes[0]!.ranker.rank(fitted, info, named);
    for (const [s, one] of ranked.entries()) results.push(await this.#told(one, routes[s]!));
    return results;
  }

  async #told(ranked: RankedPool, { ranker, options }: Route): Promise<SearchResult> {
    const { source } = ranker;
    const result = toResult(ranked, source, this.#kernels().name);
    if (options.withVector) {
      await addVectors(result.hits, ranked.prepared.matrix, this.source, source, options);
    }
    this.#elsewhere?.numberHits(ranked, result.hits);
    ranker.release(ranked);
    return result;
  }

  #groups(given: CheckedSearch | CheckedRecommend, own: CheckedGroups): Promise<GroupsResult> {
    return telling(
      ['query', 'FunnelSearch.queryGroups', this.source.name],
      () => this.#grouped(given, own),
      ({ groups }) => ({ queries: 1, hits: groups.reduce((sum, { hits }) => sum + hits.length, 0) }),
    );
  }

  async #grouped(given: CheckedSearch | CheckedRecommend, own: CheckedGroups): Promise<GroupsResult> {
    const route = this.#route(given, own.path);
    const { ranker } = route;
    const info = await ranker.info(route.options);
    const certain = given.options.mode === undefined && ranker.source.certifies === true;
    const options = certain ? { ...route.options, exact: true } : route.options;
    const request = { ...given, options };
    const [search] = await searchesOf([request], ranker.source, info, (_, run) => run());
    const { payloadsInPools = false } = ranker.source;
    const pooled = { ...search!, withPayload: payloadsInPools || { include: [own.path.text] } };
    const { groups, origin, ranked, stats } = await new GroupSearch(ranker, pooled, own, info).run(
      this.#kernels().name,
    );
    // A point may stand in several groups, and in several pools.
    const all = await inSlices(hitsOfGroups(groups));
    const hits = new Map(payloadsInPools ? [] : Array.from(all, (hit) => [hit.id, hit]));
    // A point that is replaced between two pools is a different row in each: where pools carry payloads, each keeps its
    // own hit.
    const hitOf = (hit: Hit) => (payloadsInPools ? hit : hits.get(hit.id)!);
    const pools = options.withVector ? await inSlices(hitsByPool(payloadsInPools ? all : hits.values(), origin)) : [];
    for (const [pool, some] of pools) {
      await addVectors(some, pool.prepared.matrix, this.source, ranker.source, options);
    }
    if (payloadsInPools) await inSlices(cutPayloads(all, options));
    else await addPayloads([...hits.values()], ranker.source, options);
    tellMirror(stats, route.told);
    const gone = await addFromSource([{ hits: [...all], stats, route }], this.source);
    const keys = groups.map(({ key }) => key);
    const rows = own.lookup && (await lookUp(own.lookup, keys, options));
    for (const one of ranked) ranker.release(one);
    return {
      groups: await inSlices(toldGroups(groups, hitOf, gone, rows)),
      stats,
    };
  }
}

function nameOf(i: number): string {
  return `requests[${i}]`;
}

function checkedAll<Request, Checked>(requests: readonly Request[], check: (request: Request) => Checked): Checked[] {
  if (!Array.isArray(requests)) throw expected('BAD_ARGUMENT', 'an array', 'requests', requests);
  return Array.from(requests, (request, i) => inContext(nameOf(i), () => check(request)));
}
