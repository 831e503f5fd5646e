/** Rows in the place of others, in one commit: for what is built on an index in this package. No part of its type. */
import { expected, FunnelError } from '../core/errors.js';
import type { Filter } from '../query/filter/types.js';
import { type CheckedFilter, checkedFilter } from './filters.js';
import type { Point } from './types.js';

type Replace = (points: readonly Point[], instead: CheckedFilter) => Promise<{ count: number; replaced: number }>;

const offered = new WeakMap<object, Replace>();

export function offerReplace(index: object, replace: Replace): void {
  offered.set(index, replace);
}

/**
 * Adds rows and deletes all others that pass a filter: all of it or nothing, for readers and after a crash. The filter is
 * evaluated when it is the call's turn among the writes.
 *
 * @param points at least one
 * @returns how many rows were written, and how many died
 * @throws FunnelError BAD_ARGUMENT (also for a filter that everything passes), and as upsert()
 */
export async function replaceRows(
  index: object,
  filter: Filter,
  points: readonly Point[],
): Promise<{ count: number; replaced: number }> {
  const replace = offered.get(index);
  if (replace === undefined)
    throw expected('BAD_ARGUMENT', 'a FunnelIndex of this copy of the package', 'index', index);
  const instead = checkedFilter(filter);
  if (instead !== undefined) return replace(points, instead);
  throw new FunnelError(
    'BAD_ARGUMENT',
    'Expected a filter with conditions for rows that others replace, which would be every row',
  );
}
