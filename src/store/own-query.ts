/** A plain search over an index by the index's own query. */
import { messageOf } from '../core/call.js';
import { FunnelError } from '../core/errors.js';
import { type OwnQuery, offerOwnQuery } from '../query/source/own-query.js';
import type { HeadAnswer, Source } from '../query/source/source.js';
import { depthsFor, type IndexSourceOptions } from './index-scores.js';
import { partsOf } from './parts.js';
import { candidatesQuery, checkSelection } from './request.js';
import type { SearchedIndex } from './searched-index.js';

const NO_VECTORS = new Float32Array(0);

/** Where the source searches by the index's own head, and neither a filter nor a timeout of its own is in the way. */
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
    async nearest(...asked) {
      try {
        return await nearestIn(index, ...asked);
      } catch (error) {
        if (error instanceof FunnelError) throw error;
        const why = `Expected an answer from ${source.name} but it failed: ${messageOf(error)}`;
        throw new FunnelError('BAD_RESPONSE', why, { cause: error });
      }
    },
  });
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
