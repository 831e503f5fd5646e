/** Filters of the embedded index: what callers write, checked, and the rows that pass. */
import { expected } from '../core/errors.js';
import { ownView } from '../core/realm.js';
import type { Sliced } from '../core/slices.js';
import { checkAttached, checkId, checkKeys, honestList } from '../core/validate.js';
import type { FilterNode } from '../query/filter/ast.js';
import { type Conditions, conditionsOf } from '../query/filter/conditions.js';
import { parseFilter } from '../query/filter/parse.js';
import type { IndexFiles } from './files/index-files.js';
import type { Live } from './live.js';
import type { PayloadIndexes } from './payload/indexes.js';
import { FilterPlan } from './payload/plan.js';
import { type RowSet, sizeOf } from './payload/row-set.js';
import { matching } from './restrict.js';
import type { IndexFilterStats, RowFilter } from './types.js';

/** Keys of a filter that stand where only the option `filter` belongs, with where they belong. */
export const ELSEWHERE_IN_FILTERED = {
  must: 'filter.must',
  should: 'filter.should',
  must_not: 'filter.must_not',
  min_should: 'filter.min_should',
};

/** A filter after it was checked; one object for equal ones of a batch. */
export type CheckedFilter = Conditions | { rows: RowFilter };

/** The parts of an index that filters are evaluated on. */
export interface Filtered {
  readonly files: IndexFiles;
  readonly live: Live;
  readonly indexes: PayloadIndexes;
}

export type FilterWork = Omit<IndexFilterStats, 'plan' | 'cached'>;

export interface Matched {
  rows: RowSet;
  /** Generation of the files that these rows belong to. */
  generation: number;
  work: FilterWork;
}

/**
 * Undefined when every row passes by the filter's form alone.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_ID, UNSUPPORTED
 */
export function checkedFilter(filter: unknown, where = 'filter'): CheckedFilter | undefined {
  if (filter === undefined || filter === null) return undefined;
  if (typeof filter === 'object' && ('ids' in filter || 'rows' in filter)) {
    const rows = ownRows(filter as RowFilter, where);
    return rows.ids === undefined && rows.rows === undefined ? undefined : { rows };
  }
  return conditionsOf(filter, where);
}

/** As ownFilter, of which nothing is kept, so that ids stay to be iterated. */
export function checkOwnFilter(filter: object, where: string): void {
  if ('ids' in filter || 'rows' in filter) checkRows(filter as RowFilter, where);
  else parseFilter(filter, where);
}

/** Read now: a filter of the caller's own making may do anything. */
function ownRows(filter: RowFilter, where: string): RowFilter {
  const { ids, rows } = checkRows(filter, where);
  return {
    ...(rows && { rows: rows.slice() }),
    ...(ids && { ids: Array.from(honestList(ids, `${where}.ids`), (id, i) => checkId(id, `${where}.ids[${i}]`)) }),
  };
}

/** @returns what was checked, which the filter may not say twice */
function checkRows(filter: RowFilter, where: string): RowFilter {
  checkKeys(filter, ['ids', 'rows'], where);
  const { ids } = filter;
  const rows = ownView(filter.rows, `${where}.rows`);
  if (rows !== undefined && !(rows instanceof Uint8Array)) {
    throw expected('BAD_ARGUMENT', 'a Uint8Array of bits', `${where}.rows`, rows);
  }
  if (rows !== undefined) checkAttached(rows, `${where}.rows`);
  if (ids !== undefined && !(typeof ids === 'object' && typeof ids?.[Symbol.iterator] === 'function')) {
    throw expected('BAD_ARGUMENT', 'ids that can be iterated', `${where}.ids`, ids);
  }
  return { ...(ids !== undefined && { ids }), ...(rows !== undefined && { rows }) };
}

/** The live rows that pass. */
export function* evaluateFilter(
  filter: { node: FilterNode } | { rows: RowFilter },
  { files, indexes }: Filtered,
): Sliced<Matched> {
  const began = performance.now();
  if ('rows' in filter) {
    const { generation } = files;
    const rows = yield* matching(filter.rows, files);
    return { rows, generation, work: workOf(rows, undefined, began) };
  }
  if (hasIds(filter.node)) yield* files.prepareIds();
  yield* indexes.catchUp();
  const { generation } = files;
  const plan = new FilterPlan(files, indexes);
  const rows = yield* plan.solve(filter.node);
  return { rows, generation, work: workOf(rows, plan, began) };
}

function hasIds(node: FilterNode): boolean {
  if ('nodes' in node) return node.nodes.some(hasIds);
  return 'node' in node ? hasIds(node.node) : node.op === 'ids';
}

function workOf(rows: RowSet, plan: FilterPlan | undefined, began: number): FilterWork {
  const unindexed = [...(plan?.unindexed ?? [])];
  return {
    matched: sizeOf(rows),
    indexed: unindexed.length === 0,
    unindexed,
    payloadsRead: plan?.payloadsRead ?? 0,
    ms: performance.now() - began,
  };
}

/** Options with a filter of which nothing is known yet. */
export type Unchecked<Options extends { filter?: unknown }> = Omit<Options, 'filter'> & { filter?: unknown };

/** For calls that take a filter alone. @throws FunnelError BAD_ARGUMENT */
export function checkFilterOptions(options: unknown, keys: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw expected('BAD_ARGUMENT', 'an object', where, options);
  }
  checkKeys(options, keys, where, ELSEWHERE_IN_FILTERED);
}
