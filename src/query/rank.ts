/**
 * Makes ranked hits of checked searches: head search → candidates → funnel. Every kind of request goes through here.
 */
import { overloaded } from '../core/call.js';
import { expected, FunnelError } from '../core/errors.js';
import { inSlices } from '../core/slices.js';
import { runPrepared } from '../funnel/funnel.js';
import { type CheckedPlan, checkPlan, fitPlan, funnelPlan, MAX_POOL, poolFor } from '../funnel/plan.js';
import { hitsOf, type Prepared, prepareChecked, prepareDecided } from '../funnel/prepare.js';
import type { Kernels, Rows } from '../kernels/kernels.js';
import type { Answer, Fitted, PlacedSearch, RankedPool, Search } from './fitted.js';
import { mapLimited } from './limited.js';
import type { Matrices, Mirror } from './mirror.js';
import { readParams } from './params.js';
import { at, type PlaceName, placing } from './place-name.js';
import { headRequests, joinedAnswers } from './pools.js';
import { atPlace, isPushed } from './pushed.js';
import { rankedPools } from './ranked-pool.js';
import type { CheckedOptions } from './request.js';
import { checkDirection, depthOf } from './shared-keys.js';
import type { HeadAnswer, HeadRequest, Source, SourceInfo } from './source/source.js';
import type { StageOptions, Stages } from './stage-options.js';
import { asksServer, placed, type Surroundings } from './stages.js';
import type { StagesElsewhere } from './stages-elsewhere.js';

export type { Fitted, RankedPool, Search } from './fitted.js';

/** Head searches that are under way at once, where the source has no batch. */
const CONCURRENCY = 8;
/** Pools in memory at once: a hundred of 128 × 768 are 38 MiB. */
export const POOLS_AT_ONCE = 100;
/** Asked for beyond the limit in mode 'exact', so that a server's rounding to float32 decides about no hit. */
const SPARE = 16;
/** Codes of errors after which a failed batch may be asked again one by one, to find the request that it failed for. */
export const MAY_BE_ONES: ReadonlySet<string> = new Set([
  'REFUSED',
  'BAD_RESPONSE',
  'BAD_ARGUMENT',
  'UNSUPPORTED',
  'BAD_ID',
]);

export class Ranker {
  readonly #matrices: Matrices | undefined;
  #default: { limit: number | undefined; paged: boolean; dim: number; head: number; plan: CheckedPlan } | undefined;

  constructor(
    readonly source: Source,
    readonly mirror: Mirror | undefined,
    readonly kernels: () => Kernels,
    readonly plan: CheckedPlan | undefined,
    /** Where requests say nothing else. */
    private readonly defaults: StageOptions & { stages: Stages },
    /** Undefined for a source that runs no stages, without a mirror. */
    private readonly elsewhere?: StagesElsewhere,
  ) {
    this.#matrices = elsewhere?.newMatrices();
  }

  async info({ timeout, signal }: Pick<CheckedOptions, 'timeout' | 'signal'>): Promise<SourceInfo> {
    const info = await this.source.info({ timeout, signal });
    if (this.mirror !== undefined) this.elsewhere!.checkMirror(this.mirror, info, this.source.name);
    return info;
  }

  /** @throws FunnelError BAD_DIMS, BAD_PLAN, ZERO_QUERY, TOO_DEEP */
  fit(search: Search, info: SourceInfo): Fitted {
    const { options, pool } = search;
    search.vector.checkDims(info.dim, 'vector');
    const plan = options.exact ? exactPlan(info) : this.#planFor(options, info);
    const metric = plan.metric ?? info.metric;
    checkDirection(search.vector, metric);
    const limit = options.limit ?? plan.limit ?? 10;
    const { scales, keep } = plan;
    const own = { head: undefined, candidates: undefined, scales, keep, metric, limit: undefined };
    const given = (options.plan ?? this.plan) !== undefined;
    const { stages = this.defaults.stages } = options;
    // The database puts rows of one score in another order each time: pages of its order could have a row twice, or lack it.
    const { rescore = this.defaults.rescore ?? options.paged } = options;
    const of = (depth: number, candidates: number): Fitted => {
      return { search, plan: own, limit, depth, candidates, given, stages, rescore };
    };
    if (pool !== undefined) return of(pool, pool);
    const most = info.mostCandidates ?? MAX_POOL;
    const depth = depthOf(options, limit, Math.min(plan.candidates ?? most, most));
    if (depth > most) throw this.#tooMany(options.paged ? 'maxDepth' : 'limit', depth, most);
    if (options.exact) return of(depth, Math.min(depth + SPARE, most));
    const asked = plan.candidates ?? poolFor(depth);
    // A pool that nobody asked for fits what the server allows.
    const usual = (options.plan ?? this.plan)?.candidates === undefined;
    if (!usual && asked > most) throw this.#tooMany('candidates', asked, most);
    const candidates = Math.min(asked, most);
    if (candidates < depth) {
      const what = options.paged ? 'maxDepth' : 'limit';
      throw expected(
        'BAD_PLAN',
        `at least ${what} (${depth}), since hits are cut from the pool,`,
        'candidates',
        candidates,
      );
    }
    return of(depth, candidates);
  }

  #tooMany(what: string, got: number, most: number): FunnelError {
    const { name } = this.source;
    return expected('BAD_PLAN', `at most ${most}, which is all that ${name} lets one search ask for,`, what, got);
  }

  #planFor(options: CheckedOptions, info: SourceInfo): CheckedPlan {
    const given = options.plan ?? this.plan;
    const plan = given === undefined ? this.#defaultFor(options, info) : fitPlan(given, info.dim);
    if (plan.head !== undefined && plan.head !== info.headDim) {
      const what = `${info.headDim}, the dims of the head that ${this.source.name} searches (or leave it out),`;
      throw expected('BAD_PLAN', what, 'head', plan.head);
    }
    return plan;
  }

  /** Made once for all searches of a kind that come one after the other. */
  #defaultFor({ limit, paged }: CheckedOptions, { dim, headDim: head }: SourceInfo): CheckedPlan {
    const last = this.#default;
    if (last !== undefined && last.limit === limit && last.paged === paged && last.dim === dim && last.head === head) {
      return last.plan;
    }
    const whole = checkPlan(funnelPlan(dim, { head, limit }), dim);
    const plan = paged ? { ...whole, candidates: undefined } : whole;
    this.#default = { limit, paged, dim, head, plan };
    return plan;
  }

  /** Where a search runs that scores over all dims decide; undefined where more is asked for. */
  decidedPlace(fitted: Fitted, info: SourceInfo): PlacedSearch | undefined {
    const place = atPlace(fitted, placed(fitted, this.#surroundings(undefined)));
    return this.#decidesByAll(place, info) ? place : undefined;
  }

  /** Many at once: as few round trips as the source allows, then one call of the kernels (for each hundred). In order. */
  rank(all: readonly Fitted[], info: SourceInfo, named?: PlaceName): Promise<RankedPool[]> {
    return all.length <= POOLS_AT_ONCE ? this.#rank(all, info, named) : this.#rankInParts(all, info, named);
  }

  async #rankInParts(all: readonly Fitted[], info: SourceInfo, named: PlaceName): Promise<RankedPool[]> {
    const ranked: RankedPool[] = [];
    for (let from = 0; from < all.length; from += POOLS_AT_ONCE) {
      const where = named && ((i: number) => named(from + i));
      ranked.push(...(await this.#rank(all.slice(from, from + POOLS_AT_ONCE), info, where)));
    }
    return ranked;
  }

  async #rank(all: readonly Fitted[], info: SourceInfo, named: PlaceName): Promise<RankedPool[]> {
    const asks = this.#asksServer(all);
    const around = this.#surroundings(asks && (await this.#pushing(asks, info)));
    const places = all.map((one, i) => at(named, i, () => atPlace(one, placed(one, around))));
    const only = named === undefined && places.length === 1 ? places[0]! : undefined;
    if (only !== undefined && isPushed(only) && !only.rescore) return [await this.#ranksOfDatabase(only, info)];
    const ranked = await this.#rankPlaced(places, info, named);
    const { elsewhere } = this;
    const unsure = elsewhere ? ranked.map((_, i) => i).filter((i) => !elsewhere.isCertain(ranked[i]!)) : [];
    if (unsure.length === 0) return ranked;
    const again = unsure.map((i) => elsewhere!.rankedHere(ranked[i]!.fitted));
    const where = named && ((s: number) => named(unsure[s]!));
    for (const [s, one] of (await this.#rankPlaced(again, info, where)).entries()) ranked[unsure[s]!] = one;
    return ranked;
  }

  /** One search that the database ranks and decides, as most are: the steps that all others share take as long as these. */
  async #ranksOfDatabase(fitted: PlacedSearch, info: SourceInfo): Promise<RankedPool> {
    const { ranksOfDatabase, stagedRequest } = this.elsewhere!;
    const answer = ranksOfDatabase(await this.source.funnel!(stagedRequest(fitted)), fitted);
    const prepared = this.#prepare(fitted, answer, info);
    return { fitted, answer, prepared, hits: hitsOf(prepared, -1), funnelMs: 0, exhausted: false };
  }

  /** A search whose place depends on what the database can rank by. */
  #asksServer(all: readonly Fitted[]): Fitted | undefined {
    if (this.elsewhere === undefined || this.source.serverScales === undefined) return undefined;
    const hasMirror = this.mirror !== undefined;
    return all.find(({ stages, search }) => asksServer(stages, hasMirror) && !search.options.exact);
  }

  async #pushing({ search: { options } }: Fitted, info: SourceInfo): Promise<Surroundings['pushed']> {
    const { timeout, signal } = options;
    const told = await this.source.serverScales!({ ...(timeout && { timeout }), ...(signal && { signal }) });
    const scales = this.source.funnel === undefined ? { ...told, scales: [] } : told;
    return (fitted) => this.elsewhere!.pushable(fitted, { name: this.source.name, info, scales });
  }

  #surroundings(pushed: Surroundings['pushed']): Surroundings {
    return { name: this.source.name, hasMirror: this.mirror !== undefined, pushed };
  }

  async #rankPlaced(all: readonly PlacedSearch[], info: SourceInfo, named: PlaceName): Promise<RankedPool[]> {
    const answers = await this.#heads(all, info, named);
    const prepared = all.map((one, i) => at(named, i, () => this.#prepare(one, answers[i]!, info)));
    const kernels = this.kernels();
    const began = performance.now();
    const plain = prepared.filter((_, i) => all[i]!.search.recommend === undefined && !answers[i]!.decided);
    const bad = plain.length === 0 ? [] : await runPrepared(kernels, plain, false);
    const ms = (performance.now() - began) / Math.max(1, plain.length);
    return await inSlices(rankedPools(kernels, all, answers, prepared, { plain, bad, ms }, named));
  }

  /** When nobody reads the pool any more. */
  release({ answer, fitted }: RankedPool): void {
    // An explanation may be asked about its rows later.
    if (answer.memory && !fitted.search.options.explain) this.#matrices!.give(answer.memory);
  }

  /** Searches that the database ranks, and those that it does not, are different calls. */
  #heads(all: readonly PlacedSearch[], info: SourceInfo, named: PlaceName): Promise<Answer[]> {
    return all.some(isPushed) ? this.#bothHeads(all, info, named) : this.#searches(all, info, named);
  }

  async #bothHeads(all: readonly PlacedSearch[], info: SourceInfo, named: PlaceName): Promise<Answer[]> {
    const answers = new Array<Answer>(all.length);
    const parts = [true, false].map((ranks) => all.map((_, i) => i).filter((i) => isPushed(all[i]!) === ranks));
    await Promise.all(
      parts.map(async (places) => {
        if (places.length === 0) return;
        const some = places.map((i) => all[i]!);
        const where = named && ((s: number) => named(places[s]!));
        const found = isPushed(some[0]!) ? this.#funnels(some, where) : this.#searches(some, info, where);
        for (const [s, answer] of (await found).entries()) answers[places[s]!] = answer;
      }),
    );
    return answers;
  }

  async #funnels(all: readonly PlacedSearch[], named: PlaceName): Promise<Answer[]> {
    const { source } = this;
    const { ranksOfDatabase, stagedRequest } = this.elsewhere!;
    const requests = all.map((one) => [stagedRequest(one)]);
    const answers = await this.#asked(
      all,
      requests,
      named,
      source.funnelBatch && ((some) => source.funnelBatch!(some)),
      (one) => source.funnel!(one),
    );
    return answers.map(([answer], i) => ranksOfDatabase(answer!, all[i]!));
  }

  async #searches(all: readonly PlacedSearch[], info: SourceInfo, named: PlaceName): Promise<Answer[]> {
    const { source } = this;
    const requests = all.map((one) => headRequests(this.#request(one, info), one.search, source));
    const answers = await this.#asked(
      all,
      requests,
      named,
      source.headBatch && ((some) => source.headBatch!(some)),
      (one) => source.head(one),
    );
    const own = answers.map((some, i) => at(named, i, () => ownParts(joinedAnswers(some))));
    if (this.mirror === undefined) return own;
    return mapLimited(own, CONCURRENCY, (answer, i) => placing(named, i, () => this.#mirrored(answer, all[i]!)));
  }

  /** Answers of each search's requests: in one call where the source has one for many, else side by side. */
  async #asked<Request>(
    all: readonly PlacedSearch[],
    requests: readonly (readonly Request[])[],
    named: PlaceName,
    many: ((some: Request[]) => Promise<HeadAnswer[]>) | undefined,
    one: (request: Request) => Promise<HeadAnswer>,
  ): Promise<HeadAnswer[][]> {
    if ((all.length > 1 || requests[0]!.length > 1) && many && alike(all)) {
      try {
        const answers = [...(await many(requests.flat()))];
        return requests.map(({ length }) => answers.splice(0, length));
      } catch (error) {
        if (!(error instanceof FunnelError) || !MAY_BE_ONES.has(error.code) || overloaded(error.cause)) throw error;
        // The server refuses all for the sake of one, and does not say which.
      }
    }
    if (named === undefined && all.length === 1 && requests[0]!.length === 1) return [[await one(requests[0]![0]!)]];
    return mapLimited(requests, CONCURRENCY, (own, i) =>
      placing(named, i, () => mapLimited(own, all.length > 1 ? 1 : CONCURRENCY, one)),
    );
  }

  /** Whether scores over all dims are all that is asked of the candidates, and the source has them. */
  #decidesByAll({ search, plan, placement }: PlacedSearch, { dim, metric }: SourceInfo): boolean {
    if (!this.source.decides || placement.on === 'mirror' || search.recommend !== undefined) return false;
    return plan.scales.length === 1 && plan.scales[0] === dim && plan.metric === metric;
  }

  #request(fitted: PlacedSearch, info: SourceInfo): HeadRequest {
    const { search, candidates, depth } = fitted;
    const { options, vector, recommend, filter, withPayload } = search;
    const { nativeFilter, params, timeout, signal, exact } = options;
    // Written to, here and in answers: parts that are spread take microseconds each.
    const request: HeadRequest = { vector: vector.values, candidates, withPayload };
    if (timeout !== undefined) request.timeout = timeout;
    if (signal !== undefined) request.signal = signal;
    if (filter !== undefined) request.filter = filter;
    if (nativeFilter !== undefined) request.nativeFilter = nativeFilter;
    if (params !== undefined) request.params = params;
    if (exact) request.mode = 'exact';
    if (recommend !== undefined && this.source.recommends) request.recommend = recommend;
    if (fitted.placement.on === 'mirror') request.vectors = false;
    const { explain, withVector } = options;
    if (!explain && !withVector && this.#decidesByAll(fitted, info)) request.decide = depth;
    return vector.handOut(request);
  }

  async #mirrored(answer: Answer, { search: { options }, placement }: PlacedSearch): Promise<Answer> {
    const mirror = placement.on === 'mirror' ? this.mirror : undefined;
    if (mirror === undefined) return answer;
    const { timeout, signal, params } = options;
    const call = { timeout, signal, ...readParams(params) };
    const mirrored = await this.elsewhere!.withMirrorVectors(mirror, this.source, answer, this.#matrices!, call);
    return Object.assign(answer, mirrored);
  }

  #prepare(fitted: PlacedSearch, { candidates, decided, found }: Answer, info: SourceInfo): Prepared<unknown> {
    const { search, plan, depth } = fitted;
    if (candidates.dim !== info.dim) {
      throw expected(
        'BAD_RESPONSE',
        `vectors of ${info.dim} dims`,
        `the answer of ${this.source.name}`,
        candidates.dim,
      );
    }
    if (decided) {
      const ready = prepareDecided(candidates, search.vector, plan, depth, found);
      if (isPushed(fitted)) ready.matrix.vectors = candidates.vectors as Rows; // those of hits, where they were asked for
      return ready;
    }
    const prepared = prepareChecked(candidates, search.vector, plan, depth);
    prepared.matrix.owned = true; // as HeadAnswer promises
    if (search.recommend !== undefined) prepared.keysAreScores = true;
    return prepared;
  }
}

/** Only these parts are passed on: anything else that a source answers is not taken for a part of a mirror. */
function ownParts(answer: HeadAnswer): Answer {
  const { candidates, headMs, decodeMs, exactBelow } = answer;
  const own: Answer = { candidates, headMs, decodeMs };
  if (exactBelow !== undefined) own.exactBelow = exactBelow;
  if (answer.decided) own.decided = true;
  if (answer.found !== undefined) own.found = answer.found;
  if (answer.exact) own.exact = answer.exact;
  if (answer.filtered) own.filtered = answer.filtered;
  if (answer.filteredPool) own.filteredPool = answer.filteredPool;
  if (answer.lacking) own.lacking = answer.lacking;
  if (answer.byIds) own.byIds = answer.byIds;
  if (answer.missing) own.missing = answer.missing;
  if (answer.pools) own.pools = answer.pools;
  return own;
}

function exactPlan({ dim, metric }: SourceInfo): CheckedPlan {
  return { head: undefined, candidates: undefined, scales: [dim], keep: [1], metric, limit: undefined };
}

/** One call of the database has one deadline. */
export function alike(all: readonly Fitted[]): boolean {
  const { timeout, signal } = all[0]!.search.options;
  return all.every(({ search: { options } }) => options.timeout === timeout && options.signal === signal);
}
