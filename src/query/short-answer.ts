/** Searches that a source's own query answers, without the steps that all others share. */
import { FunnelError } from '../core/errors.js';
import { hitsOf, prepareDecided } from '../funnel/prepare.js';
import { sharedWorkspace } from '../funnel/workspace.js';
import type { Rows } from '../kernels/kernels.js';
import type { Answer, Fitted, PlacedSearch, RankedPool } from './fitted.js';
import { at, type PlaceName } from './place-name.js';
import { alike, MAY_BE_ONES, POOLS_AT_ONCE, type Ranker } from './rank.js';
import { type CheckedOptions, IN_ONE_GO, isOfIndex } from './request.js';
import type { NearestRequest } from './source/nearest.js';
import type { HeadAnswer, Source, SourceInfo } from './source/source.js';

/** The query of a source in this process: it takes a tenth of a millisecond, and the steps of all other searches as long. */
export interface OwnQuery {
  /** Undefined where the source has to ask for it. */
  info(): SourceInfo | undefined;
  /** As head() would answer with `decide: count`; where vectors are wanted, with those of the best `count`, too. */
  nearest(request: NearestRequest): Promise<HeadAnswer>;
  /** As headBatch() would; all have the limits of the first. */
  nearestBatch(requests: readonly NearestRequest[]): Promise<HeadAnswer[]>;
}

/** Memory of keys that become hits before the next call: to make four small arrays takes as long as to fill hundreds. */
const memory = sharedWorkspace();

const offers = new WeakMap<Source, OwnQuery>();
/** Members that stand in the class of a source, and on it where somebody has replaced them. */
const REPLACED = ['head', 'headBatch', 'info'] as const;

export function offerOwnQuery(source: Source, query: OwnQuery): void {
  offers.set(source, query);
}

/** Undefined where there is none, or where somebody has put another search in the place of the source's own. */
export function ownQueryOf(source: Source): OwnQuery | undefined {
  return REPLACED.some((member) => Object.hasOwn(source, member)) ? undefined : offers.get(source);
}

/** The facts of a source whose own query may answer the request, where nobody has to wait for them. */
export function infoFor(options: CheckedOptions, { source, mirror }: Ranker): SourceInfo | undefined {
  const { timeout = 1, signal } = options;
  if (!Number.isFinite(timeout) || timeout <= 0 || signal?.aborted) return undefined; // whoever is asked refuses that first
  return mirror === undefined && isOfIndex(options) ? ownQueryOf(source)?.info() : undefined;
}

/** The pools of searches of one call; undefined where the source's own query has not all that is asked for. */
export function shortRanked(
  fitted: readonly Fitted[],
  info: SourceInfo,
  ranker: Ranker,
  named: PlaceName,
): Promise<RankedPool[]> | undefined {
  const own = ranker.mirror === undefined ? ownQueryOf(ranker.source) : undefined;
  if (own === undefined || fitted.length > POOLS_AT_ONCE) return undefined;
  if (named === undefined && fitted.length === 1) {
    const place = placeOf(fitted[0]!, info, ranker);
    return place && rankedAlone(own, place);
  }
  const places: PlacedSearch[] = [];
  for (const [i, one] of fitted.entries()) {
    const place = at(named, i, () => placeOf(one, info, ranker));
    if (place === undefined) return undefined;
    places.push(place);
  }
  return alike(places) ? rankedTogether(own, places, () => ranker.rank(fitted, info, named)) : undefined;
}

function placeOf(one: Fitted, info: SourceInfo, ranker: Ranker): PlacedSearch | undefined {
  return one.depth > IN_ONE_GO || !isOfIndex(one.search.options) ? undefined : ranker.decidedPlace(one, info);
}

async function rankedAlone(own: OwnQuery, fitted: PlacedSearch): Promise<RankedPool[]> {
  return [rankedOf(fitted, await own.nearest(nearestRequest(fitted)))];
}

/** @param oneByOne finds the request that all failed for */
async function rankedTogether(
  own: OwnQuery,
  places: readonly PlacedSearch[],
  oneByOne: () => Promise<RankedPool[]>,
): Promise<RankedPool[]> {
  let answers: HeadAnswer[];
  try {
    answers = await own.nearestBatch(places.map(nearestRequest));
  } catch (error) {
    if (error instanceof FunnelError && MAY_BE_ONES.has(error.code)) return oneByOne();
    throw error;
  }
  return places.map((place, i) => rankedOf(place, answers[i]!));
}

function nearestRequest({ search, depth: count, candidates }: PlacedSearch): NearestRequest {
  const { vector, filter, withPayload, options } = search;
  const { timeout, signal, params, exact } = options;
  const withVector = Boolean(options.withVector);
  return { vector, count, candidates, exact, params, withPayload, withVector, filter, timeout, signal };
}

function rankedOf(fitted: PlacedSearch, answer: Answer): RankedPool {
  const { plan, depth, search } = fitted;
  const prepared = prepareDecided(answer.candidates, search.vector, plan, depth, answer.found, memory);
  prepared.matrix.vectors = answer.candidates.vectors as Rows; // those of hits, where they were asked for
  return { fitted, answer, prepared, hits: hitsOf(prepared, -1), funnelMs: 0, exhausted: false };
}
