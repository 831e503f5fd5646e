/** A plain search over an index by the index's own query. */
import type { Hit } from '../core/types.js';
import { checkParams } from '../query/params.js';
import { offerOwnQuery } from '../query/short-answer.js';
import type { NearestAnswer, NearestRequest } from '../query/source/nearest.js';
import type { Source } from '../query/source/source.js';
import { guardedBy } from './guard.js';
import { filterOf } from './index-rows.js';
import { hasLists, type IndexSourceOptions, PARAMS } from './index-scores.js';
import { partsOf } from './parts.js';
import { candidatesQuery, checkSelection } from './request.js';
import type { SearchedIndex } from './searched-index.js';
import type { IndexAnswer, IndexQuery } from './types.js';

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
        return answerOf(asked, answer, performance.now() - began);
      }),
    nearestBatch: (requests) =>
      guarded(requests[0]!, async () => {
        const began = performance.now();
        const asked = requests.map((request) => askedOf(index, request, name));
        const answers = await index.queryBatch(asked.map(({ query }) => query));
        const ms = (performance.now() - began) / requests.length;
        return answers.map((answer, i) => answerOf(asked[i]!, answer, ms));
      }),
  });
}

interface Asked {
  request: NearestRequest;
  query: IndexQuery;
  exact: boolean;
  /** Whether ranks before the first that is told are answered, too. */
  whole: boolean;
  /** Rows of the index when it is asked: some may go before it answers. */
  rows: number;
}

/** @throws FunnelError of params */
function askedOf(index: SearchedIndex, request: NearestRequest, name: string): Asked {
  const { vector, count, candidates, from, to, withPayload, withVector, filter } = request;
  const own = request.params === undefined ? {} : checkParams(request.params, PARAMS, name);
  const exact = own.exact === true || request.exact;
  const { probes } = own;
  const lists = hasLists(index);
  // Lists that are not visited may lack any of the candidates.
  const whole = lists && probes !== undefined && !exact;
  const page = whole ? { offset: 0, end: candidates } : { offset: from, end: to };
  const of = { candidates, k: lists && !exact ? candidates : count, ...page };
  const selection = checkSelection({ withPayload, withVector });
  const only = filterOf({ node: filter }, undefined);
  return {
    request,
    query: candidatesQuery(vector, index.metric, of, { exact, probes }, only, selection),
    exact,
    whole,
    rows: index.count,
  };
}

/** The index's hits are this call's own: they are handed on. */
function answerOf(asked: Asked, { hits: all, stats }: IndexAnswer, headMs: number): NearestAnswer {
  const { request, exact, whole } = asked;
  const { withPayload, from, to } = request;
  const hits = (whole ? all.slice(from, to) : all) as Hit[];
  for (let i = 0; i < hits.length; i++) {
    const hit = hits[i]!;
    hit.index = from + i;
    if (withPayload !== false) hit.payload ??= {};
  }
  const { missing, filter } = stats;
  const answer: NearestAnswer = { hits, found: whole ? all.length : foundBy(asked, hits, stats), headMs, decodeMs: 0 };
  if (exact) answer.exact = 'certified';
  if (missing !== undefined) answer.missing = missing;
  if (filter !== undefined) answer.filtered = filter;
  return answer;
}

function foundBy({ request, exact, rows }: Asked, { length }: readonly Hit[], stats: IndexAnswer['stats']): number {
  const { candidates, from, to } = request;
  if (!exact) return Math.min(candidates, stats.rowsRead);
  // A certificate is about all rows, however few were read: those that there were, without those deleted meanwhile.
  const end = from + length;
  if (length > 0 && end < to) return end;
  const passing = Math.min(candidates, stats.filter?.matched ?? rows);
  return length > 0 ? Math.max(end, passing) : Math.min(from, passing);
}
