/** A plain search over an index by the index's own query. */
import { checkParams } from '../query/params.js';
import { offerOwnQuery } from '../query/short-answer.js';
import type { NearestRequest } from '../query/source/nearest.js';
import type { HeadAnswer, Source } from '../query/source/source.js';
import { guardedBy } from './guard.js';
import { filterOf } from './index-rows.js';
import { bestOf, depthsFor, type IndexSourceOptions, PARAMS } from './index-scores.js';
import { partsOf } from './parts.js';
import { candidatesQuery, checkSelection } from './request.js';
import type { SearchedIndex } from './searched-index.js';
import type { IndexAnswer, IndexQuery } from './types.js';

const NO_VECTORS = new Float32Array(0);

/** Where the source searches by the index's own head, and has no filter of its own. */
export function offerNearest(
  source: Source,
  index: SearchedIndex,
  { head, heads, nativeFilter, timeout: usual }: IndexSourceOptions,
): void {
  if ((head ?? heads ?? nativeFilter) !== undefined) return;
  const { name } = source;
  const guarded = <T>({ timeout = usual, signal }: NearestRequest, run: () => Promise<T>) =>
    guardedBy(name, { timeout, signal }, run);
  offerOwnQuery(source, {
    info() {
      partsOf(index); // refuses where it is closed
      const { dim, metric, idKind = 'number' } = index;
      return { headDim: dim, dim, metric, idKind };
    },
    nearest: (request) =>
      guarded(request, async () => {
        const began = performance.now();
        const asked = askedOf(index, request, name);
        const answer = await index.query(asked.query);
        return answerOf(index, asked, answer, performance.now() - began);
      }),
    nearestBatch: (requests) =>
      guarded(requests[0]!, async () => {
        const began = performance.now();
        const asked = requests.map((request) => askedOf(index, request, name));
        const answers = await index.queryBatch(asked.map(({ query }) => query));
        const ms = (performance.now() - began) / requests.length;
        return answers.map((answer, i) => answerOf(index, asked[i]!, answer, ms));
      }),
  });
}

interface Asked {
  request: NearestRequest;
  query: IndexQuery;
  exact: boolean;
  /** Whether more is scored than told. */
  cut: boolean;
}

/** @throws FunnelError of params */
function askedOf(index: SearchedIndex, request: NearestRequest, name: string): Asked {
  const { vector, count, candidates, withPayload, withVector, filter } = request;
  const own = request.params === undefined ? {} : checkParams(request.params, PARAMS, name);
  const exact = own.exact === true || request.exact;
  const params = { exact, probes: own.probes };
  const best = bestOf({ decide: count }, params);
  const of = depthsFor(index, candidates, Math.min(best ?? candidates, candidates));
  const selection = checkSelection({ withPayload, withVector });
  const query = candidatesQuery(vector, index.metric, of, params, filterOf({ node: filter }, undefined), selection);
  return { request, query, exact, cut: best !== undefined };
}

function answerOf(
  { dim }: SearchedIndex,
  { request: { withPayload, withVector, candidates, count }, exact, cut }: Asked,
  { hits, stats }: IndexAnswer,
  headMs: number,
): HeadAnswer {
  const ids = hits.map(({ id }) => id);
  const headScores = hits.map(({ score }) => score);
  const answer: HeadAnswer = {
    candidates: { vectors: withVector ? vectorsOf(hits, dim, count) : NO_VECTORS, dim, ids, headScores },
    headMs,
    decodeMs: 0,
    exactBelow: Number.POSITIVE_INFINITY,
    decided: true,
  };
  if (cut) answer.found = Math.min(candidates, stats.rowsRead);
  if (exact) answer.exact = 'certified';
  if (withPayload !== false) answer.candidates.payloads = hits.map(({ payload }) => payload ?? {});
  if (stats.missing !== undefined) answer.missing = stats.missing;
  if (stats.filter !== undefined) answer.filtered = stats.filter;
  return answer;
}

function vectorsOf(hits: IndexAnswer['hits'], dim: number, count: number): Float32Array {
  const told = Math.min(count, hits.length);
  const vectors = new Float32Array(told * dim);
  for (let i = 0; i < told; i++) vectors.set(hits[i]!.vector!, i * dim);
  return vectors;
}
