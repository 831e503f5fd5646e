/** Searches of an index: in threads, or on the calling thread, which its synchronous calls wait for. */

import { telling, tellingNow } from '../core/diagnostics.js';
import { expected, FunnelError } from '../core/errors.js';
import { othersTurn, overdue } from '../core/turns.js';
import { Filters } from '../query/filter/conditions.js';
import { type CheckedFilter, checkedFilter } from './filters.js';
import type { OpenIndex } from './open-index.js';
import { Pool } from './pool.js';
import { type CheckedQuery, checkedQuery } from './request.js';
import { searchHere } from './search-here.js';
import { searchBesideThreads } from './thread-searches.js';
import type { IndexAnswer, IndexQuery } from './types.js';

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
  return searchBesideThreads(index, own);
}

export function queryBatchSync<Payload>(
  index: OpenIndex,
  queries: readonly IndexQuery<Payload>[],
): IndexAnswer<Payload>[] {
  const run = () => {
    const own = checked(index, queries);
    index.followed().live.warmNow();
    return searchHere<Payload>(index, own);
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

/** An error in one of many queries says in which. */
function named<T>(i: number, count: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (count === 1 || !(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${error.message} (queries[${i}])`, { cause: error });
  }
}
