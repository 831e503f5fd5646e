/** Rows of many values as parts of a set, found in slices. */
import type { Sliced } from '../../core/slices.js';
import type { Stretch } from './stretch.js';

/** Numbers are in the form of exactKey(): a bigint is one that no float64 holds. */
export type Value = string | number | bigint;

/** Ordinals of some values. */
export type OrdinalPart = ArrayLike<number> | Stretch;

/** So few rows of a value join those of others: each part costs, and there may be as many values as rows. */
const FEW = 64;
/** Values that are looked at before others get their turn. */
export const VALUES_AT_ONCE = 2048;
/** 64 rows that are listed take as long as a value. */
const ROWS_BITS = 6;

/** Parts that overlap as their lists do, in no order. */
export class Parts {
  readonly #few: number[] = [];
  readonly #many: OrdinalPart[] = [];

  /** @param rows stay as they are */
  add(rows: ArrayLike<number>): void {
    if (rows.length > FEW) this.#many.push(rows);
    else for (let i = 0; i < rows.length; i++) this.#few.push(rows[i]!);
  }

  addAll(parts: readonly OrdinalPart[]): void {
    for (const part of parts) this.#many.push(part);
  }

  get all(): OrdinalPart[] {
    return this.#few.length === 0 ? this.#many : [this.#few, ...this.#many];
  }
}

/** Rows of all values that pass the test. @param rowsOf a value's rows */
export function* rowsWhere<Rows>(
  entries: Iterable<[Value, Rows]>,
  test: (value: Value) => boolean,
  rowsOf: (rows: Rows) => ArrayLike<number>,
): Sliced<OrdinalPart[]> {
  const found = new Parts();
  let work = 0;
  for (const [value, rows] of entries) {
    if (++work >= VALUES_AT_ONCE) {
      work = 0;
      yield;
    }
    if (!test(value)) continue;
    const list = rowsOf(rows);
    found.add(list);
    work += list.length >>> ROWS_BITS;
  }
  return found.all;
}

/** Rows of each of some values. */
export function* rowsOfEach(
  values: readonly Value[],
  rowsOf: (value: Value) => readonly ArrayLike<number>[],
): Sliced<OrdinalPart[]> {
  const found = new Parts();
  for (let v = 0; v < values.length; v++) {
    if (v % VALUES_AT_ONCE === VALUES_AT_ONCE - 1) yield;
    for (const rows of rowsOf(values[v]!)) found.add(rows);
  }
  return found.all;
}
