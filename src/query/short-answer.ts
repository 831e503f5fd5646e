/** Searches that a source's own query answers, without the steps that all others share. */
import { FunnelError } from '../core/errors.js';
import { isDistance } from '../core/metrics.js';
import { resolvePlan } from '../funnel/plan.js';
import { sharedWorkspace } from '../funnel/workspace.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Fitted, PlacedSearch } from './fitted.js';
import { at, type PlaceName } from './place-name.js';
import { alike, MAY_BE_ONES, POOLS_AT_ONCE, type Ranker } from './rank.js';
import { type CheckedOptions, IN_ONE_GO, isOfIndex } from './request.js';
import { cutHits, type SearchResult, statsOf } from './result.js';
import type { NearestAnswer, NearestRequest } from './source/nearest.js';
import type { Source, SourceInfo } from './source/source.js';

/** The query of a source in this process: it takes a tenth of a millisecond, and the steps of all other searches as long. */
export interface OwnQuery {
  /** Undefined where the source has to ask for it. */
  info(): SourceInfo | undefined;
  /** As head() would answer with `decide: count`; where vectors are wanted, with those of the hits, too. */
  nearest(request: NearestRequest): Promise<NearestAnswer>;
  /** As headBatch() would; all have the limits of the first. */
  nearestBatch(requests: readonly NearestRequest[]): Promise<NearestAnswer[]>;
}

/** The search that asks. */
interface Asking {
  ranker: Ranker;
  /** Whether vectors go by the names of their layouts. */
  hasLayouts: boolean;
  kernels: () => Kernels;
}

/** Memory of a plan's stages, which stats take at once. */
const memory = sharedWorkspace();

const offers = new WeakMap<Source, OwnQuery>();
/** Members that stand in the class of a source, and on it where somebody has replaced them. */
const REPLACED = ['head', 'headBatch', 'info'] as const;

export function offerOwnQuery(source: Source, query: OwnQuery): void {
  offers.set(source, query);
}

/** Undefined where there is none, or where somebody has put another search in the place of the source's own. */
export function ownQueryOf(source: Source): OwnQuery | undefined {
  for (const member of REPLACED) if (Object.hasOwn(source, member)) return undefined;
  return offers.get(source);
}

/** The facts of a source whose own query may answer the request, where nobody has to wait for them. */
export function infoFor(options: CheckedOptions, { source, mirror }: Ranker): SourceInfo | undefined {
  const { timeout = 1, signal } = options;
  if (!Number.isFinite(timeout) || timeout <= 0 || signal?.aborted) return undefined; // whoever is asked refuses that first
  return mirror === undefined && isOfIndex(options) ? ownQueryOf(source)?.info() : undefined;
}

/**
 * The answers of searches of one call; undefined where the source's own query has not all that is asked for.
 *
 * @param others takes the steps that all others share: it finds the request that all failed for
 */
export function shortResults(
  fitted: readonly Fitted[],
  info: SourceInfo,
  asking: Asking,
  named: PlaceName,
  others: () => Promise<SearchResult[]>,
): Promise<SearchResult[]> | undefined {
  const { ranker } = asking;
  const own = ranker.mirror === undefined ? ownQueryOf(ranker.source) : undefined;
  if (own === undefined || fitted.length > POOLS_AT_ONCE) return undefined;
  if (named === undefined && fitted.length === 1) {
    const place = placeOf(fitted[0]!, info, asking);
    return place && alone(own, place, asking);
  }
  const places: PlacedSearch[] = [];
  for (const [i, one] of fitted.entries()) {
    const place = at(named, i, () => placeOf(one, info, asking));
    if (place === undefined) return undefined;
    places.push(place);
  }
  return alike(places) ? together(own, places, asking, others) : undefined;
}

function placeOf(one: Fitted, info: SourceInfo, { ranker, hasLayouts }: Asking): PlacedSearch | undefined {
  const { options } = one.search;
  if (one.depth > IN_ONE_GO || !isOfIndex(options) || (hasLayouts && options.withVector)) return undefined;
  return ranker.decidedPlace(one, info);
}

async function alone(own: OwnQuery, place: PlacedSearch, asking: Asking): Promise<SearchResult[]> {
  const request = nearestRequest(place);
  return [resultOf(place, request, await own.nearest(request), asking)];
}

async function together(
  own: OwnQuery,
  places: readonly PlacedSearch[],
  asking: Asking,
  others: () => Promise<SearchResult[]>,
): Promise<SearchResult[]> {
  const requests = places.map(nearestRequest);
  let answers: NearestAnswer[];
  try {
    answers = await own.nearestBatch(requests);
  } catch (error) {
    if (error instanceof FunnelError && MAY_BE_ONES.has(error.code)) return others();
    throw error;
  }
  return places.map((place, i) => resultOf(place, requests[i]!, answers[i]!, asking));
}

/** A page is asked for alone, but where a threshold has to see all before it. */
function nearestRequest({ search, depth: count, limit, candidates }: PlacedSearch): NearestRequest {
  const { vector, filter, withPayload, options } = search;
  const { timeout, signal, params, exact, offset = 0, paged, scoreThreshold } = options;
  const cut = paged && scoreThreshold === undefined;
  const from = cut ? offset : 0;
  const to = cut ? Math.min(count, offset + limit) : count;
  const withVector = Boolean(options.withVector);
  return { vector, count, candidates, from, to, exact, params, withPayload, withVector, filter, timeout, signal };
}

/** The one mapping of the source's answer: its hits are handed on. */
function resultOf(
  fitted: PlacedSearch,
  { to }: NearestRequest,
  answer: NearestAnswer,
  { kernels }: Asking,
): SearchResult {
  const { plan, depth } = fitted;
  const { found: count, hits: told } = answer;
  const { stages, metric } = resolvePlan(plan, count, depth, memory);
  const first = told.length > 0 ? told[0]!.index : 0;
  const end = first + told.length;
  // A row that goes while it is searched is found, and is no hit.
  const ranked = Math.min(count, stages.at(-1)!.out, end < to && told.length > 0 ? end : Infinity);
  const { hits, more } = cutHits(told, { first, ranked }, fitted, isDistance(metric));
  const prepared = { matrix: { count }, stages };
  const stats = statsOf({ fitted, answer, prepared, hits: { length: ranked }, funnelMs: 0 }, kernels().name, more);
  return { hits, stats };
}
