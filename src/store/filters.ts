/** Filters of the embedded index: what callers write, checked, and the rows that pass. */
import { expected } from '../errors.js';
import type { FilterNode } from '../query/filter/ast.js';
import { nodeText } from '../query/filter/node-text.js';
import { isTrue, parseFilter } from '../query/filter/parse.js';
import { checkAttached, checkId, checkKeys } from '../validate.js';
import type { IndexFiles } from './files/index-files.js';
import type { Live } from './live.js';
import type { PayloadIndexes } from './payload/indexes.js';
import { FilterPlan } from './payload/plan.js';
import { type RowSet, sizeOf } from './payload/row-set.js';
import type { Sliced } from './payload/slices.js';
import { matching } from './restrict.js';
import type { IndexFilterStats, RowFilter } from './types.js';

/** A filter after it was checked; one object for equal ones of a batch. */
export type OwnFilter = OwnConditions | { rows: RowFilter };

export class OwnConditions {
  #text: string | undefined;

  constructor(readonly node: FilterNode) {}

  /** The same text, the same filter. It is asked for several times. */
  get text(): string {
    this.#text ??= nodeText(this.node);
    return this.#text;
  }
}

/** What filters are evaluated on. */
export interface Filtered {
  readonly files: IndexFiles;
  readonly live: Live;
  readonly indexes: PayloadIndexes;
}

export type FilterWork = Omit<IndexFilterStats, 'plan' | 'cached'>;

export interface Matched {
  rows: RowSet;
  /** Of the files, whose rows these are. */
  generation: number;
  work: FilterWork;
}

/** A filter that was checked by another part of this package: it takes the place of one as callers write them. */
export class CheckedFilter {
  constructor(readonly node: FilterNode) {}
}

/**
 * Undefined when every row passes by the filter's form alone.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_ID, UNSUPPORTED
 */
export function ownFilter(filter: unknown, where = 'filter'): OwnFilter | undefined {
  if (filter === undefined || filter === null) return undefined;
  if (filter instanceof CheckedFilter) return new OwnConditions(filter.node);
  if (typeof filter === 'object' && ('ids' in filter || 'rows' in filter)) {
    const rows = ownRows(filter as RowFilter, where);
    return rows.ids === undefined && rows.rows === undefined ? undefined : { rows };
  }
  const node = parseFilter(filter, where);
  return isTrue(node) ? undefined : new OwnConditions(node);
}

/** As ownFilter, of which nothing is kept, so that ids stay to be iterated. */
export function checkOwnFilter(filter: object, where: string): void {
  if ('ids' in filter || 'rows' in filter) checkRows(filter as RowFilter, where);
  else parseFilter(filter, where);
}

/** Read now: a filter of the caller's own making may do anything. */
function ownRows(filter: RowFilter, where: string): RowFilter {
  const own = { ...filter }; // read once
  checkRows(own, where);
  const { ids, rows } = own;
  return {
    ...(rows && { rows: rows.slice() }),
    ...(ids && { ids: Array.from(ids, (id, i) => checkId(id, `${where}.ids[${i}]`)) }),
  };
}

function checkRows(filter: RowFilter, where: string): void {
  checkKeys(filter, ['ids', 'rows'], where);
  const { ids, rows } = filter;
  if (rows !== undefined && !(rows instanceof Uint8Array)) {
    throw expected('BAD_ARGUMENT', 'a Uint8Array of bits', `${where}.rows`, rows);
  }
  if (rows !== undefined) checkAttached(rows, `${where}.rows`);
  if (ids !== undefined && !(typeof ids === 'object' && typeof ids?.[Symbol.iterator] === 'function')) {
    throw expected('BAD_ARGUMENT', 'ids that can be iterated', `${where}.ids`, ids);
  }
}

/** Filters of one batch: the same object, and the same JSON, is one filter. */
export class SharedFilters {
  /** @param many whether more than one will be asked for */
  constructor(readonly many: boolean) {}

  readonly #byObject = new Map<unknown, OwnFilter | undefined>();
  readonly #byText = new Map<string, OwnFilter | undefined>();

  of(filter: unknown, where: string): OwnFilter | undefined {
    if (filter === undefined || filter === null) return undefined;
    if (this.#byObject.has(filter)) return this.#byObject.get(filter);
    const own = ownFilter(filter, where);
    const shared = own instanceof OwnConditions ? this.#shared(own) : own;
    this.#byObject.set(filter, shared);
    return shared;
  }

  #shared(own: OwnConditions): OwnFilter {
    if (!this.many) return own;
    const { text } = own;
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    this.#byText.set(text, own);
    return own;
  }
}

/** The live rows that pass. */
export function* evaluate(
  filter: { node: FilterNode } | { rows: RowFilter },
  { files, indexes }: Filtered,
): Sliced<Matched> {
  const began = performance.now();
  if ('rows' in filter) {
    const rows = matching(filter.rows, files);
    return { rows, generation: files.generation, work: workOf(rows, undefined, began) };
  }
  yield* indexes.catchUp();
  const { generation } = files;
  const plan = new FilterPlan(files, indexes);
  const rows = yield* plan.solve(filter.node);
  return { rows, generation, work: workOf(rows, plan, began) };
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
  checkKeys(options, keys, where);
}
