/** Searches whose stages the database runs: what it is asked, and whether its answer is the one of this process. */
import type { Hit } from '../core/types.js';
import type { Answer, Fitted, PlacedSearch, Placement, RankedPool } from './fitted.js';
import type { HeadAnswer, StagedRequest } from './source/source.js';
import { cutAlike } from './stages.js';

/** A search at its place: what the database ranked is only scored again, by all dims at once. */
export function atPlace(fitted: Fitted, placement: Placement): PlacedSearch {
  const { pushed } = placement;
  if (pushed === undefined) {
    const { search, plan, limit, depth, candidates, given, stages, rescore } = fitted;
    return { search, plan, limit, depth, candidates, given, stages, rescore, placement };
  }
  const last = pushed.stages.at(-1)!;
  const plan = { ...fitted.plan, scales: [last.scale], keep: [1] };
  return { ...fitted, plan, depth: last.keep - pushed.offset, placement };
}

export function isPushed({ placement }: PlacedSearch): boolean {
  return placement.pushed !== undefined;
}

export function stagedRequest({ search, candidates, placement, rescore }: PlacedSearch): StagedRequest {
  const { options, vector, filter, withPayload } = search;
  const { nativeFilter, params, timeout, signal, withVector } = options;
  const { stages, offset } = placement.pushed!;
  const vectors = rescore || Boolean(withVector);
  const request: StagedRequest = { vector: vector.values, candidates, stages, offset, withPayload, vectors };
  if (timeout !== undefined) request.timeout = timeout;
  if (signal !== undefined) request.signal = signal;
  if (filter !== undefined) request.filter = filter;
  if (nativeFilter !== undefined) request.nativeFilter = nativeFilter;
  if (params !== undefined) request.params = params;
  return vector.handOut(request);
}

/** Rows that the database ranked: they are scored again where vectors came for it, or are decided. */
export function ranksOfDatabase(answer: HeadAnswer, { rescore }: PlacedSearch): Answer {
  const { candidates, headMs, decodeMs, exactBelow, filteredPool } = answer;
  const own: Answer = { candidates, headMs, decodeMs };
  if (exactBelow !== undefined) own.exactBelow = exactBelow;
  if (filteredPool) own.filteredPool = filteredPool;
  if (rescore) return own;
  own.decided = true;
  // REST writes a float32 in few digits, which are another float64 than the one that gRPC has.
  candidates.headScores = Float32Array.from(candidates.headScores ?? []);
  return own;
}

/** Whether the page is the one that this process would cut. */
export function isCertain({ fitted, answer, hits }: RankedPool): boolean {
  const { placement, rescore, search, limit } = fitted;
  const { pushed } = placement;
  if (pushed === undefined || !rescore) return true;
  const { offset = 0, paged } = search.options;
  const from = paged ? offset - pushed.offset : 0;
  const { headScores } = answer.candidates;
  return headScores !== undefined && cutAlike(hits, headScores, [from, from + limit], paged);
}

/** The same stages on this side, where all candidates are scored in float64. */
export function rankedHere(fitted: PlacedSearch): PlacedSearch {
  const { plan, placement } = fitted;
  const { stages, depth } = placement.pushed!;
  const scales = stages.map(({ scale }) => scale);
  const keep = stages.map(({ keep: count }, s) => (s === stages.length - 1 ? 1 : { count }));
  const why = 'rows where the page ends score alike in the float32 of the database';
  return { ...fitted, plan: { ...plan, scales, keep }, depth, placement: { on: 'client', why } };
}

/** Numbers hits by their places in the whole list of the database, of which it sent a part. */
export function numberHits({ fitted }: RankedPool, hits: readonly Hit[]): void {
  const offset = fitted.placement.pushed?.offset ?? 0;
  if (offset > 0) for (const hit of hits) hit.index += offset;
}
