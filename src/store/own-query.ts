/** A plain search over an index by the index's own query. */
import { type OwnQuery, offerOwnQuery } from '../query/source/own-query.js';
import type { HeadAnswer, Source, SourceInfo } from '../query/source/source.js';
import { depthsFor } from './index-scores.js';
import { candidatesQuery, checkSelection } from './request.js';
import type { SearchedIndex } from './searched-index.js';

const NO_VECTORS = new Float32Array(0);

/** @param guarded gives errors the source's words */
export function offerNearest(
  source: Source,
  index: SearchedIndex,
  info: () => SourceInfo,
  guarded: (work: () => Promise<HeadAnswer>) => Promise<HeadAnswer>,
): void {
  offerOwnQuery(source, { info, nearest: (...asked) => guarded(() => nearestIn(index, ...asked)) });
}

async function nearestIn(
  index: SearchedIndex,
  ...[vector, count, candidates, withPayload]: Parameters<OwnQuery['nearest']>
): Promise<HeadAnswer> {
  const { dim, metric } = index;
  const began = performance.now();
  const of = depthsFor(index, candidates, Math.min(count, candidates));
  const query = candidatesQuery(vector, metric, of, {}, undefined, checkSelection({ withPayload }));
  const { hits, stats } = await index.query(query);
  const ids = hits.map(({ id }) => id);
  const headScores = hits.map(({ score }) => score);
  const answer: HeadAnswer = {
    candidates: { vectors: NO_VECTORS, dim, ids, headScores },
    headMs: performance.now() - began,
    decodeMs: 0,
    exactBelow: Number.POSITIVE_INFINITY,
    decided: true,
    found: Math.min(candidates, stats.rowsRead),
  };
  if (withPayload !== false) answer.candidates.payloads = hits.map(({ payload }) => payload ?? {});
  if (stats.missing !== undefined) answer.missing = stats.missing;
  return answer;
}
