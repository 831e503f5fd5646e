/** The table of neighbours as a section of a segment's file, and back. */
import type { Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import { numberAt } from '../kernels/codes-walk.js';
import { headRows } from './engine/head-rows.js';
import { arrayIn } from './engine/memory.js';
import type { Neighbours } from './engine/segment.js';
import { corrupt } from './files/errors.js';
import { inTurns, type Steps } from './files/step.js';

/** Fills an array with a section of a segment's file. */
export type Load = <A extends ArrayBufferView>(name: string, array: A) => Steps<A>;

type TableMeta = Pick<Neighbours, 'degree' | 'lists'>;

/** The members of `meta` about a table. Files have one of both at most, those from before there were tables none. */
export interface TablesMeta {
  neighbours?: TableMeta;
  neighbours3?: TableMeta;
}

/**
 * By bytes of a row number, the name of the section and its key in `meta`. Files of the first versions with tables have the first;
 * those versions search the second's without a walk.
 */
export const TABLE_SECTIONS = { 4: 'neighbours', 3: 'neighbours3' } as const;

export function tableMeta(neighbours: Neighbours | null): TablesMeta {
  if (neighbours === null) return {};
  const { degree, lists, idBytes } = neighbours;
  return { [TABLE_SECTIONS[idBytes]]: { degree, lists } };
}

export function isTable(meta: TablesMeta & { lists: number; order?: unknown }): boolean {
  const { neighbours, neighbours3, lists, order } = meta;
  const table = neighbours3 ?? neighbours;
  if (table === undefined) return true;
  const { degree, lists: visited } = table;
  const isCount = (n: number, most: number) => Number.isSafeInteger(n) && n > 0 && n <= most;
  return lists > 0 && order === undefined && isCount(degree, 256) && isCount(visited, lists);
}

/** @param headPlane the segment's */
export function* loadNeighbours(
  kernels: CodeKernels,
  load: Load,
  headPlane: Uint8Array,
  { neighbours, neighbours3, head, count }: TablesMeta & { head: number; count: number },
  file: string,
): Steps<Neighbours | null> {
  const meta = neighbours3 ?? neighbours;
  if (meta === undefined) return null;
  const { degree, lists } = meta;
  const idBytes = neighbours3 === undefined ? 4 : 3;
  const name = TABLE_SECTIONS[idBytes];
  const table = yield* load(name, arrayIn(kernels, Uint8Array, idBytes * degree * count));
  if (!(yield* inTurns(areBelow(table, idBytes, count)))) throw corrupt(file, name, 'are not rows of it');
  return { degree, table, idBytes, rows: yield* inTurns(headRows(kernels, headPlane, head, count)), lists };
}

/** Numbers between two breaks. */
const NUMBERS_AT_ONCE = 1 << 18;

function* areBelow(table: Uint8Array, bytes: 3 | 4, end: number): Sliced<boolean> {
  for (let from = 0; from < table.length; from += bytes * NUMBERS_AT_ONCE) {
    if (largestOf(table, bytes, from) >= end) return false;
    yield;
  }
  return true;
}

/** The largest of the next numbers. In a generator the loop would run half as fast. */
function largestOf(table: Uint8Array, bytes: 3 | 4, from: number): number {
  const end = Math.min(table.length, from + bytes * NUMBERS_AT_ONCE);
  let largest = 0;
  for (let at = from; at < end; at += bytes) largest = Math.max(largest, numberAt(table, bytes, at));
  return largest;
}
