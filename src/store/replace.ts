/** Rows in the place of others, in one commit: for what is built on an index in this package. No part of its type. */
import { expected, FunnelError } from '../core/errors.js';
import type { Filter } from '../query/filter/types.js';
import { checkedFilter, evaluateFilter } from './filters.js';
import type { OpenIndex } from './open-index.js';
import { listOf } from './payload/row-set.js';
import type { Point } from './types.js';
import { upsert, type Written, writing } from './writes.js';

const offered = new WeakMap<object, OpenIndex>();

export function offerReplace(index: object, open: OpenIndex): void {
  offered.set(index, open);
}

/**
 * Adds rows and deletes all others that pass a filter: all of it or nothing, for readers and after a crash. The filter is
 * evaluated when it is the call's turn among the writes.
 *
 * @param points at least one
 * @returns how many rows were written, and how many died
 * @throws FunnelError BAD_ARGUMENT (also for a filter that everything passes), and as upsert()
 */
export async function replaceRows(index: object, filter: Filter, points: readonly Point[]): Promise<Written> {
  const open = offered.get(index);
  if (open === undefined) throw expected('BAD_ARGUMENT', 'a FunnelIndex of this copy of the package', 'index', index);
  const instead = checkedFilter(filter);
  if (instead !== undefined) {
    const dying = async () => listOf((await open.withinWrite((on) => evaluateFilter(instead, on))).rows);
    return writing(open, 'upsert', () => upsert(open, points, dying));
  }
  throw new FunnelError(
    'BAD_ARGUMENT',
    'Expected a filter with conditions for rows that others replace, which would be every row',
  );
}
