/** A plain search over an index by the index's own query. */
import { guarded, messageOf } from '../core/call.js';
import { FunnelError } from '../core/errors.js';
import { offerOwnQuery } from '../query/short-answer.js';
import type { NearestRequest } from '../query/source/nearest.js';
import type { HeadAnswer, Source } from '../query/source/source.js';
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
  const failed = failedBy(source.name);
  offerOwnQuery(source, {
    info,
    async nearest(request) {
      const { timeout, signal } = request;
      if (timeout !== undefined || signal !== undefined) {
        return guarded(source.name, { timeout, signal }, () => nearestIn(index, request), failed);
      }
      try {
        return await nearestIn(index, request);
      } catch (error) {
        throw error instanceof FunnelError ? error : failed(error);
      }
    },
  });
}

/** Makes an error of ours of one that an index threw. */
export function failedBy(name: string): (cause: unknown) => FunnelError {
  return (cause) => {
    const why = `Expected an answer from ${name} but it failed: ${messageOf(cause)}`;
    return new FunnelError('BAD_RESPONSE', why, { cause });
  };
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
