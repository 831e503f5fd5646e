/** Searches on the calling thread, and their answers. */
import { scoreOfKey } from '../core/metrics.js';
import { atOnce, type Sliced } from '../core/slices.js';
import type { SearchAnswer, SearchTask } from './engine/types.js';
import type { CheckedFilter, Matched } from './filters.js';
import type { OpenIndex } from './open-index.js';
import { addPayload, ROWS_AT_ONCE, vectorOf } from './reads.js';
import type { CheckedQuery } from './request.js';
import { type Restricted, requestOf } from './restrictions.js';
import type { IndexAnswer, IndexHit } from './types.js';

/** Values of rows that are searched in less time than a message to a thread and back takes. */
const TINY = 1 << 17;

/** A thread would cost more than it spares. */
export function isTiny({ files, live, dim }: OpenIndex, queries: number): boolean {
  return queries * files.liveCount * dim <= TINY && live.state.rows.resident;
}

/** Makes the engine's tasks. @param only is filled with the rows of each filter, whose masks the caller gives back */
export function requestsFor(
  index: OpenIndex,
  own: CheckedQuery[],
  matched: ReadonlyMap<CheckedFilter, Matched>,
  only: Restricted,
): SearchTask[] {
  index.restrictions.take(own, matched, only);
  const requests = own.map((query) => requestOf(query, only));
  index.upkeep.searched(own.length);
  return requests;
}

export function searchHere<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  matched: ReadonlyMap<CheckedFilter, Matched> = atOnce(index.restrictions.match(own)),
): IndexAnswer<Payload>[] {
  const only: Restricted = new Map();
  try {
    const requests = requestsFor(index, own, matched, only);
    const start = performance.now();
    const results = searchInTeam(index, requests);
    const ms = (performance.now() - start) / own.length;
    return results.map((result, i) => atOnce(answerOf<Payload>(index, own[i]!, result, ms, only)));
  } finally {
    index.restrictions.drop(only);
  }
}

/** This thread waits anyway, so others of the index's may help it; not where they would wait for threads that build. */
export function searchInTeam(index: OpenIndex, requests: SearchTask[]): SearchAnswer[] {
  const { codes, pool } = index;
  const helped = !isTiny(index, requests.length) && !pool.isBuilding;
  if (helped) codes.team?.(pool.size);
  try {
    return resultsOf(index, requests);
  } finally {
    if (helped) codes.team?.(1);
  }
}

export function resultsOf({ searcher, live: { state } }: OpenIndex, requests: SearchTask[]): SearchAnswer[] {
  return requests.length === 1 ? [searcher.search(state, requests[0]!)] : searcher.searchBatch(state, requests);
}

export function* answerOf<Payload>(
  index: OpenIndex,
  query: CheckedQuery,
  result: SearchAnswer,
  ms: number,
  only: Restricted,
): Sliced<IndexAnswer<Payload>> {
  const { files, live, metric } = index;
  const hits: IndexHit<Payload>[] = [];
  let rank = 0;
  for (let i = 0; i < result.ordinals.length && rank < query.end; i++) {
    if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
    const ordinal = result.ordinals[i]!;
    // Deleted while the search was under way.
    if (!live.alive(ordinal)) continue;
    if (rank++ < query.offset) continue;
    const key = result.keys[i]!;
    const hit: IndexHit<Payload> = { id: files.idOf(ordinal), score: scoreOfKey(metric, key), index: ordinal };
    addPayload(index, hit, ordinal, query.payloadOf);
    if (query.withVector) hit.vector = vectorOf(index, ordinal);
    hits.push(hit);
  }
  const { certified, stages, rowsRead } = result;
  const missing = missingOf(query, result);
  const { mode } = query.request;
  const filter = query.filter && only.get(query.filter)?.stats;
  const { name: kernels } = index.kernels;
  const more = { ...(filter && { filter }), ...(missing > 0 && { missing }) };
  return { hits, stats: { mode, certified, stages, rowsRead, kernels, ms, ...more } };
}

/** Hits that a page lacks, of those that the search lacks. */
function missingOf({ offset, end }: CheckedQuery, { ordinals: { length: found }, missing }: SearchAnswer): number {
  return Math.max(0, Math.min(end, found + missing) - Math.max(offset, found));
}
