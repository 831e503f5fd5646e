/** Searches that a mirror's or a source's own query answers, without the steps that all others share. */
import type { QueryVector } from '../core/vector.js';
import { hitsOf, prepareDecided } from '../funnel/prepare.js';
import type { Answer, PlacedSearch } from './fitted.js';
import type { Route } from './mirror-options.js';
import type { MirrorSearch } from './mirror-search.js';
import type { Ranker } from './rank.js';
import { IN_ONE_GO, isOfIndex } from './request.js';
import { type SearchResult, toResult } from './result.js';
import type { NearestRequest } from './source/nearest.js';
import type { HeadAnswer, Source, SourceInfo } from './source/source.js';

/** The query of a source in this process: it takes a tenth of a millisecond, and the steps of all other searches as long. */
export interface OwnQuery {
  info(): SourceInfo;
  /** As head() would answer with `decide: count`. */
  nearest(request: NearestRequest): Promise<HeadAnswer>;
}

const offers = new WeakMap<Source, OwnQuery>();

export function offerOwnQuery(source: Source, query: OwnQuery): void {
  offers.set(source, query);
}

/** Undefined where there is none, or where somebody has put another search in the place of the source's own. */
function ownQueryOf(source: Source): OwnQuery | undefined {
  return Object.hasOwn(source, 'head') || Object.hasOwn(source, 'info') ? undefined : offers.get(source);
}

/**
 * Undefined where neither has all that is asked for.
 *
 * @param mirrorSearch of routes with `isPlain`
 * @throws FunnelError as {@link Ranker.fit}
 */
export function shortAnswer(
  route: Route,
  vector: QueryVector,
  mirrorSearch: MirrorSearch | undefined,
): Promise<SearchResult> | undefined {
  const { ranker, options, isPlain, told } = route;
  if (isPlain) return mirrorSearch!.nearest(vector, route, ranker.kernels().name);
  const isOwn = told === undefined && ranker.mirror === undefined && isOfIndex(options);
  const own = isOwn ? ownQueryOf(ranker.source) : undefined;
  if (own === undefined) return undefined;
  const info = own.info();
  const { withPayload = false, filter } = options;
  const fitted = ranker.fit({ options, vector, filter, withPayload }, info);
  if (fitted.depth > IN_ONE_GO) return undefined;
  const place = ranker.decidedPlace(fitted, info);
  return place && answerOf(own, place, ranker);
}

async function answerOf(own: OwnQuery, fitted: PlacedSearch, { source, kernels }: Ranker): Promise<SearchResult> {
  const { plan, depth: count, candidates, search } = fitted;
  const { vector, filter, withPayload, options } = search;
  const { timeout, signal } = options;
  const answer: Answer = await own.nearest({ vector, count, candidates, withPayload, filter, timeout, signal });
  const prepared = prepareDecided(answer.candidates, vector, plan, count, answer.found);
  const hits = hitsOf(prepared, -1);
  const ranked = { fitted, answer, prepared, hits, funnelMs: 0, exhausted: false };
  return toResult(ranked, source, kernels().name);
}
