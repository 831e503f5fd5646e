/** Rows without a query vector, page by page. */

import type { Sliced } from '../core/slices.js';
import { checkInteger } from '../core/validate.js';
import {
  type CheckedFilter,
  checkedFilter,
  checkFilterOptions,
  evaluateFilter,
  type Filtered,
  type Unchecked,
} from './filters.js';
import { FilterPlan } from './payload/plan.js';
import { listOf } from './payload/row-set.js';
import { checkSelection, type Selection } from './request.js';
import type { ScrollOptions } from './types.js';

/** Rows that are looked at first where payloads must be read; then twice as many, and so on. */
const FIRST_ROWS = 1024;
const MOST_ROWS = 65_536;

export interface CheckedScroll extends Selection {
  filter: CheckedFilter | undefined;
  limit: number;
  offset: number;
  /** The first position that is looked at. */
  from: number;
}

/** @throws FunnelError BAD_ARGUMENT, BAD_ID, UNSUPPORTED */
export function checkedScroll(options: Unchecked<ScrollOptions>): CheckedScroll {
  const keys = ['filter', 'limit', 'offset', 'after', 'withPayload', 'withVector'];
  checkFilterOptions(options, keys, 'the options of scroll()');
  const { limit = 10, offset = 0, after } = options;
  checkInteger(limit, 1, 0xffff_ffff, 'limit');
  checkInteger(offset, 0, 0xffff_ffff, 'offset');
  if (after !== undefined) checkInteger(after, 0, 0xffff_ffff, 'after');
  const selection = checkSelection(options, true);
  return {
    ...selection,
    filter: checkedFilter(options.filter),
    limit,
    offset,
    from: after === undefined ? 0 : after + 1,
  };
}

/** Finds a page of live rows, and where the next page begins. */
export function* page(
  scroll: CheckedScroll,
  filtered: Filtered,
): Sliced<{ ordinals: number[]; next: number | undefined }> {
  const { limit, offset } = scroll;
  // One more tells whether there is a next page.
  const found = yield* firstOf(scroll, filtered, offset + limit + 1);
  const ordinals = found.slice(offset, offset + limit);
  return { ordinals, next: found.length > offset + limit ? ordinals.at(-1) : undefined };
}

function* firstOf({ filter, from }: CheckedScroll, filtered: Filtered, count: number): Sliced<number[]> {
  const { files, live, indexes } = filtered;
  if (filter === undefined) return liveBetween(filtered, from, files.rows, count);
  if ('rows' in filter) {
    const { rows } = yield* evaluateFilter(filter, filtered);
    return behind(listOf(rows), from, count);
  }
  yield* indexes.catchUp();
  const plan = new FilterPlan(files, indexes);
  yield* plan.prepare(filter.node);
  if (plan.isIndexed(filter.node)) return behind(listOf(yield* plan.solve(filter.node)), from, count);
  const found: number[] = [];
  let size = FIRST_ROWS;
  for (
    let first = from;
    first < plan.rows && found.length < count;
    first += size, size = Math.min(MOST_ROWS, 2 * size)
  ) {
    const some = liveBetween(filtered, first, Math.min(plan.rows, first + size), Number.POSITIVE_INFINITY);
    for (const ordinal of listOf(yield* plan.solve(filter.node, Uint32Array.from(some)))) found.push(ordinal);
  }
  return found.filter(live.alive).slice(0, count);
}

function liveBetween({ live }: Filtered, from: number, to: number, count: number): number[] {
  const found: number[] = [];
  for (let ordinal = from; ordinal < to && found.length < count; ordinal++) {
    if (live.alive(ordinal)) found.push(ordinal);
  }
  return found;
}

function behind(ordinals: Uint32Array, from: number, count: number): number[] {
  let at = 0;
  while (at < ordinals.length && ordinals[at]! < from) at++;
  return Array.from(ordinals.subarray(at, at + count));
}
