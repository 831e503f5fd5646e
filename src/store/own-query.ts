/** A plain search over an index by the index's own query. */
import { offerOwnQuery } from '../query/short-answer.js';
import type { NearestRequest } from '../query/source/nearest.js';
import type { HeadAnswer, Source } from '../query/source/source.js';
import { guardedBy } from './guard.js';
import { filterOf } from './index-rows.js';
import { depthsFor, type IndexSourceOptions } from './index-scores.js';
import { partsOf } from './parts.js';
import { candidatesQuery, checkSelection } from './request.js';
import type { SearchedIndex } from './searched-index.js';

const NO_VECTORS = new Float32Array(0);

/** Where the source searches by the index's own head, and has neither a filter nor a timeout of its own. */
export function offerNearest(
  source: Source,
  index: SearchedIndex,
  { head, heads, nativeFilter, timeout }: IndexSourceOptions,
): void {
  if ((head ?? heads ?? nativeFilter ?? timeout) !== undefined) return;
  const info = () => {
    partsOf(index); // refuses where it is closed
    const { dim, metric, idKind = 'number' } = index;
    return { headDim: dim, dim, metric, idKind };
  };
  offerOwnQuery(source, {
    info,
    nearest: (request) => guardedBy(source.name, request, () => nearestIn(index, request)),
  });
}

async function nearestIn(index: SearchedIndex, request: NearestRequest): Promise<HeadAnswer> {
  const { vector, count, candidates, withPayload, filter } = request;
  const { dim, metric } = index;
  const began = performance.now();
  const of = depthsFor(index, candidates, Math.min(count, candidates));
  const query = candidatesQuery(
    vector,
    metric,
    of,
    {},
    filterOf({ node: filter }, undefined),
    checkSelection({ withPayload }),
  );
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
  if (stats.filter !== undefined) answer.filtered = stats.filter;
  return answer;
}
