/** Searches of an index: in threads, or on the calling thread, which its synchronous calls wait for. */

import { telling, tellingNow } from '../core/diagnostics.js';
import { expected, FunnelError } from '../core/errors.js';
import { scoreOfKey } from '../core/metrics.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import { othersTurn, overdue } from '../core/turns.js';
import { Conditions, Filters } from '../query/filter/conditions.js';
import type { SearchAnswer, SearchTask } from './engine/types.js';
import { type CheckedFilter, checkedFilter, type Matched } from './filters.js';
import type { SearchedRows } from './inline.js';
import { oneMoment, type Whole } from './one-moment.js';
import type { OpenIndex } from './open-index.js';
import { Pool } from './pool.js';
import { addPayload, ROWS_AT_ONCE, vectorOf } from './reads.js';
import { type CheckedQuery, checkedQuery } from './request.js';
import { type Restricted, requestOf } from './restrictions.js';
import type { IndexAnswer, IndexHit, IndexQuery } from './types.js';

/** Values of rows that are searched in less time than a message to a thread and back takes. */
const TINY = 1 << 17;

export function queryBatch<Payload>(
  index: OpenIndex,
  queries: readonly IndexQuery<Payload>[],
): Promise<IndexAnswer<Payload>[]> {
  return telling(['query', 'FunnelIndex.query', index.files.path], () => answered(index, queries), countsOf);
}

function countsOf(answers: readonly IndexAnswer<unknown>[]) {
  return { queries: answers.length, hits: answers.reduce((sum, { hits }) => sum + hits.length, 0) };
}

async function answered<Payload>(
  index: OpenIndex,
  queries: readonly IndexQuery<Payload>[],
): Promise<IndexAnswer<Payload>[]> {
  const own = checked(index, queries);
  if (own.length === 0) {
    if (overdue()) await othersTurn();
    return [];
  }
  if (!Pool.available) return searchHere(index.followed(), own);
  index.inline.underWay++;
  try {
    const isFiltered = own.some(({ filter }) => filter instanceof Conditions);
    return await oneMoment(
      () => index.followed().files,
      (hold) => attempted<Payload>(index, own, hold),
      () => searchHere<Payload>(index.followed(), own),
      isFiltered,
    );
  } finally {
    index.inline.underWay--;
  }
}

/**
 * Rows that die during a search may or may not be in its answer, and their successors are not: such an answer is of no moment
 * at all. So is one by payloads that are others by now.
 */
async function attempted<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  payloadsHold: () => boolean,
): Promise<Whole<IndexAnswer<Payload>[]>> {
  const { live, files } = index;
  const { deaths } = live;
  const { staleReads } = files;
  const isOfOneMoment = () => live.deaths === deaths && files.staleReads === staleReads && payloadsHold();
  const matched = await inSlices(index.restrictions.match(own), index.checkOpen);
  index.checkOpen();
  if (isTiny(index, own.length) && isOfOneMoment()) {
    const value = searchHere<Payload>(index, own, matched);
    if (overdue()) await othersTurn();
    return { value, isWhole: true };
  }
  const isShort = index.inline.isShort(own, searchedRows(index, matched)) && (await index.inline.mayRun());
  index.checkOpen();
  if (isShort && !isOfOneMoment()) return { value: [], isWhole: false };
  const value = await (isShort ? searchAlone : searchInThreads)<Payload>(index, own, matched);
  const isWhole = isOfOneMoment();
  if (!isWhole) index.checkOpen();
  return { value, isWhole };
}

export function queryBatchSync<Payload>(
  index: OpenIndex,
  queries: readonly IndexQuery<Payload>[],
): IndexAnswer<Payload>[] {
  const run = () => {
    const own = checked(index, queries);
    return searchHere<Payload>(index.followed(), own);
  };
  return tellingNow(['query', 'FunnelIndex.querySync', index.files.path], run, countsOf);
}

function checked<Payload>(index: OpenIndex, queries: readonly IndexQuery<Payload>[]): CheckedQuery[] {
  index.checkOpen();
  if (!Array.isArray(queries)) throw expected('BAD_ARGUMENT', 'an array', 'queries', queries);
  const { dim, metric } = index;
  const filters = new Filters<CheckedFilter>(queries.length > 1, checkedFilter);
  // Array.from: a hole is a query that is missing.
  const own = Array.from(queries, (query: IndexQuery<Payload>, i) =>
    named(i, queries.length, () => checkedQuery(query, dim, metric, filters)),
  );
  return own;
}

/** A thread would cost more than it spares. */
function isTiny({ files, live, dim }: OpenIndex, queries: number): boolean {
  return queries * files.liveCount * dim <= TINY && live.state.rows.resident;
}

function searchedRows(
  { live: { unindexed, segments }, dim, restrictions }: OpenIndex,
  matched: ReadonlyMap<CheckedFilter, Matched>,
): SearchedRows {
  return {
    values: unindexed.length * dim,
    segments,
    passing: (filter) => restrictions.passing(filter, matched),
  };
}

/** The same of a search that was made. */
function rowsSearched(
  { unindexed, segments }: { unindexed: Uint32Array; segments: object },
  dim: number,
  only: Restricted,
): SearchedRows {
  const passing = (filter: CheckedFilter) => only.get(filter)?.stats.matched;
  return { values: unindexed.length * dim, segments, passing };
}

/** Makes the engine's tasks. @param only is filled with the rows of each filter, whose masks the caller gives back */
function requestsFor(
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

async function searchInThreads<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  matched: ReadonlyMap<CheckedFilter, Matched>,
): Promise<IndexAnswer<Payload>[]> {
  const { snapshot, done } = index.live.use();
  const only: Restricted = new Map();
  try {
    const requests = requestsFor(index, own, matched, only);
    const parts = Math.min(index.pool.size, Math.ceil(own.length / 4));
    const size = Math.ceil(own.length / parts);
    // All must end before the snapshot and the masks may go: a search that runs on would write into another filter's.
    const ended = await Promise.allSettled(
      Array.from({ length: parts }, async (_, p) => {
        const part = own.slice(p * size, (p + 1) * size);
        const { results, ms } = await index.pool.search(snapshot, requests.slice(p * size, (p + 1) * size));
        index.inline.measured(part, ms / part.length, rowsSearched(snapshot, index.dim, only));
        const answers: IndexAnswer<Payload>[] = [];
        for (const [i, result] of results.entries()) {
          const answer = answerOf<Payload>(index, part[i]!, result, ms / part.length, only);
          answers.push(await inSlices(answer, index.checkOpen));
        }
        return answers;
      }),
    );
    return ended.flatMap((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  } finally {
    done();
    index.restrictions.drop(only);
  }
}

/**
 * On the calling thread. Others help where this is the only search, whose caller waits for nothing else; answers are put
 * together in slices.
 */
async function searchAlone<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  matched: ReadonlyMap<CheckedFilter, Matched>,
): Promise<IndexAnswer<Payload>[]> {
  const only: Restricted = new Map();
  try {
    const requests = requestsFor(index, own, matched, only);
    const start = performance.now();
    index.pool.searchesHere();
    const results = index.inline.underWay === 1 ? searchInTeam(index, requests) : resultsOf(index, requests);
    const ms = (performance.now() - start) / own.length;
    index.inline.measured(own, ms, rowsSearched(index.live, index.dim, only));
    const answers: IndexAnswer<Payload>[] = [];
    for (const [i, result] of results.entries()) {
      answers.push(await inSlices(answerOf<Payload>(index, own[i]!, result, ms, only), index.checkOpen));
    }
    return answers;
  } finally {
    index.restrictions.drop(only);
  }
}

function searchHere<Payload>(
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
function searchInTeam(index: OpenIndex, requests: SearchTask[]): SearchAnswer[] {
  const { codes, pool } = index;
  const helped = !isTiny(index, requests.length) && !pool.isBuilding;
  if (helped) codes.team?.(pool.size);
  try {
    return resultsOf(index, requests);
  } finally {
    if (helped) codes.team?.(1);
  }
}

function resultsOf({ searcher, live: { state } }: OpenIndex, requests: SearchTask[]): SearchAnswer[] {
  return requests.length === 1 ? [searcher.search(state, requests[0]!)] : searcher.searchBatch(state, requests);
}

function* answerOf<Payload>(
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

/** An error in one of many queries says in which. */
function named<T>(i: number, count: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (count === 1 || !(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${error.message} (queries[${i}])`, { cause: error });
  }
}
