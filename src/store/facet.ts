/** How many rows have which value: from an index where there is one, else from payloads. */

import { type Sliced, sortedBy } from '../core/slices.js';
import { checkInteger } from '../core/validate.js';
import type { Path } from '../query/filter/ast.js';
import { valuesAt } from '../query/filter/evaluate.js';
import { parsePath } from '../query/filter/path.js';
import { wholeNumber } from '../query/numbers.js';
import {
  type CheckedFilter,
  checkedFilter,
  checkFilterOptions,
  evaluateFilter,
  type Filtered,
  type Unchecked,
} from './filters.js';
import type { Column } from './payload/column.js';
import { valueFor } from './payload/facts.js';
import { liveRows } from './payload/live-rows.js';
import { bitmapOf, gathered, intersection, listOf, type RowSet, sizeOf } from './payload/row-set.js';
import type { Facet, FacetOptions } from './types.js';

type Scalar = Facet['value'];

export interface CheckedFacet {
  path: Path;
  filter: CheckedFilter | undefined;
  limit: number;
}

/** To read a payload takes as long as to look at so many entries of an index. */
const PAYLOAD_COST = 500;
const AT_ONCE = 16;
/** To come to the next value of an index, likewise; and how much of that is done at once. */
const VALUE_COST = 16;
const INDEX_WORK = 65_536;

/** @throws FunnelError BAD_ARGUMENT, BAD_ID, UNSUPPORTED */
export function checkedFacet(options: Unchecked<FacetOptions>): CheckedFacet {
  checkFilterOptions(options, ['key', 'filter', 'limit'], 'the options of facet()');
  const { limit = 10 } = options;
  checkInteger(limit, 1, 0xffff_ffff, 'limit');
  return { path: parsePath(options.key, 'key'), filter: checkedFilter(options.filter), limit };
}

export function* facet({ path, filter, limit }: CheckedFacet, filtered: Filtered): Sliced<Facet[]> {
  const { files, indexes } = filtered;
  yield* indexes.catchUp();
  const rows = filter === undefined ? liveRows(files) : (yield* evaluateFilter(filter, filtered)).rows;
  const column = indexes.at(path, files.rows);
  const counts = new Map<Scalar, number>();
  if (column !== undefined && column.type !== 'datetime' && column.size <= PAYLOAD_COST * sizeOf(rows)) {
    yield* countIndexed(column, rows, filtered, counts);
  } else {
    yield* countPayloads(path, rows, filtered, counts, () => true);
  }
  return yield* mostFrequent(counts, limit);
}

function* countIndexed(column: Column, rows: RowSet, filtered: Filtered, counts: Map<Scalar, number>): Sliced<void> {
  const total = filtered.files.rows;
  const wanted = bitmapOf(rows, total);
  let work = 0;
  for (const [value, ordinals] of column.entries()) {
    const scalar = column.type === 'bool' ? value === 1 : scalarOf(value);
    if (scalar === undefined) continue;
    let count = 0;
    for (let i = 0; i < ordinals.length; i++) if (wanted.has(ordinals[i]!)) count++;
    work += VALUE_COST + ordinals.length;
    if (work > INDEX_WORK) {
      work = 0;
      yield;
    }
    if (count > 0) counts.set(scalar, (counts.get(scalar) ?? 0) + count);
  }
  // Values of other types are only in payloads.
  const others = intersection(rows, gathered(yield* column.others(), total));
  yield* countPayloads(column.path, others, filtered, counts, (value) => valueFor(column.type, value) === undefined);
}

function* countPayloads(
  path: Path,
  rows: RowSet,
  { files, live }: Filtered,
  counts: Map<Scalar, number>,
  wanted: (value: Scalar) => boolean,
): Sliced<void> {
  let work = 0;
  for (const ordinal of listOf(rows)) {
    if (++work % AT_ONCE === 0) yield;
    if (!live.alive(ordinal)) continue; // died meanwhile
    const values = new Set(valuesAt(files.payloadOf(ordinal), path).map(scalarOf));
    for (const value of values) {
      if (value !== undefined && wanted(value)) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
}

/** Returns the value if `match` can ask for it. */
function scalarOf(value: unknown): Scalar | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return wholeNumber(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : undefined;
}

/** So many are sorted rather than kept in order one by one. */
const MANY = 1024;

function* mostFrequent(counts: ReadonlyMap<Scalar, number>, limit: number): Sliced<Facet[]> {
  if (limit > MANY && counts.size > MANY) {
    const facets = Array.from(counts, ([value, count]) => ({ value, count }));
    return (yield* sortedBy(facets, (a, b) => (before(a, b) ? -1 : 1))).slice(0, limit);
  }
  const best: Facet[] = [];
  let work = 0;
  for (const [value, count] of counts) {
    if (++work % 4096 === 0) yield;
    const one = { value, count };
    if (best.length === limit && before(best[limit - 1]!, one)) continue;
    let low = 0;
    for (let high = best.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (before(best[middle]!, one)) low = middle + 1;
      else high = middle;
    }
    best.splice(low, 0, one);
    if (best.length > limit) best.pop();
  }
  return best;
}

/** By count, then false, true, numbers, strings. */
function before(a: Facet, b: Facet): boolean {
  if (a.count !== b.count) return a.count > b.count;
  const [x, y] = [KINDS[typeof a.value]!, KINDS[typeof b.value]!];
  return x === y ? a.value < b.value : x < y;
}

const KINDS: Record<string, number> = { boolean: 0, number: 1, bigint: 1, string: 2 };
