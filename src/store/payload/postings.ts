/** Which rows have which value: for each distinct value, its ordinals, ascending. */

import { LargeMap } from '../../core/large-map.js';
import { doneWork, type Sliced, sorted } from '../../core/slices.js';
import type { NumberBounds } from '../../query/filter/ast.js';
import { type OrdinalPart, Parts, rowsWhere, VALUES_AT_ONCE, type Value } from './parts.js';
import { SHORT_STRETCH, StretchedList } from './stretch.js';

/** Distinct and ascending; bigints among numbers where some are none. */
export type Values = readonly string[] | Float64Array | readonly (number | bigint)[];

export interface Postings {
  /** Pairs of value and row. */
  readonly size: number;
  of(value: Value): ArrayLike<number>;
  /** Rows of all numbers within the bounds; at least all of those rows, each once per value. */
  within(bounds: NumberBounds): Sliced<OrdinalPart[]>;
  /** Rows of all values that pass the test. */
  where(test: (value: Value) => boolean): Sliced<OrdinalPart[]>;
  /** Rows of all other values; at least all of those rows. */
  but(values: ReadonlySet<Value>): Sliced<OrdinalPart[]>;
  /** Not necessarily in order. */
  entries(): Iterable<[Value, ArrayLike<number>]>;
}

/** Values that rows gain one after the other. */
export class Growing implements Postings {
  readonly #ordinals = new LargeMap<Value, number[]>();
  size = 0;

  /** Rows come in ascending order; a value that a row has already is not added again. */
  add(value: Value, ordinal: number): void {
    const list = this.#ordinals.get(value);
    if (list === undefined) this.#ordinals.set(value, [ordinal]);
    else if (list.at(-1) !== ordinal) list.push(ordinal);
    else return;
    this.size++;
  }

  /** In no order. */
  values(): Iterable<Value> {
    return this.#ordinals.keys();
  }

  of(value: Value): ArrayLike<number> {
    return this.#ordinals.get(value) ?? [];
  }

  within(bounds: NumberBounds): Sliced<OrdinalPart[]> {
    return this.where((value) => isWithin(value as number | bigint, bounds));
  }

  where(test: (value: Value) => boolean): Sliced<OrdinalPart[]> {
    return rowsWhere(this.#ordinals, test, (rows) => rows);
  }

  but(values: ReadonlySet<Value>): Sliced<OrdinalPart[]> {
    return this.where((value) => !values.has(value));
  }

  entries(): Iterable<[Value, ArrayLike<number>]> {
    return this.#ordinals;
  }
}

/** Values and rows that do not change any more, packed as files hold them. */
export class Packed implements Postings {
  readonly #list: StretchedList;

  /**
   * @param values distinct, ascending: numbers by size, strings by code units
   * @param offsets `values.length + 1`: where the ordinals of each value begin
   */
  constructor(
    readonly values: Values,
    readonly offsets: Uint32Array,
    readonly ordinals: Uint32Array,
  ) {
    this.#list = new StretchedList(ordinals);
  }

  get size(): number {
    return this.ordinals.length;
  }

  of(value: Value): Uint32Array {
    const at = this.#firstNotBelow(value, false);
    return this.values[at] === value ? this.#at(at, at + 1) : this.#at(0, 0);
  }

  within({ gt, gte, lt, lte }: NumberBounds): Sliced<OrdinalPart[]> {
    let from = 0;
    let to = this.values.length;
    if (gt !== undefined) from = Math.max(from, this.#firstNotBelow(gt, true));
    if (gte !== undefined) from = Math.max(from, this.#firstNotBelow(gte, false));
    if (lt !== undefined) to = Math.min(to, this.#firstNotBelow(lt, false));
    if (lte !== undefined) to = Math.min(to, this.#firstNotBelow(lte, true));
    return doneWork(from < to ? [this.#stretch(from, to)] : []);
  }

  *where(test: (value: Value) => boolean): Sliced<OrdinalPart[]> {
    const found = new Parts();
    for (let v = 0; v < this.values.length; v++) {
      if (v % VALUES_AT_ONCE === VALUES_AT_ONCE - 1) yield;
      if (test(this.values[v]!)) found.add(this.#at(v, v + 1));
    }
    return found.all;
  }

  /** The runs between those values. */
  but(values: ReadonlySet<Value>): Sliced<OrdinalPart[]> {
    const places: number[] = [];
    for (const value of values) {
      const at = this.#firstNotBelow(value, false);
      if (this.values[at] === value) places.push(at);
    }
    places.sort((a, b) => a - b);
    const found: OrdinalPart[] = [];
    let from = 0;
    for (const at of [...places, this.values.length]) {
      if (at > from) found.push(this.#stretch(from, at));
      from = at + 1;
    }
    return doneWork(found);
  }

  *entries(): Iterable<[Value, ArrayLike<number>]> {
    for (let v = 0; v < this.values.length; v++) yield [this.values[v]!, this.#at(v, v + 1)];
  }

  #stretch(from: number, to: number): OrdinalPart {
    const [first, end] = [this.offsets[from]!, this.offsets[to]!];
    return end - first < SHORT_STRETCH ? this.#at(from, to) : this.#list.stretch(first, end);
  }

  #at(from: number, to: number): Uint32Array {
    return this.ordinals.subarray(this.offsets[from]!, this.offsets[to]!);
  }

  /** The first value that is not below this one, or (`above`) that is above it. */
  #firstNotBelow(value: Value, above: boolean): number {
    let low = 0;
    let high = this.values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const one = this.values[middle]!;
      if (above ? one <= value : one < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Postings of rows in any order, which do not change meanwhile. */
export interface Loose {
  readonly size: number;
  values(): Iterable<Value>;
  /** Ascending. */
  of(value: Value): ArrayLike<number>;
}

/**
 * Postings of the rows before, of later ones, and of some among them that changed, as one; without the rows that died meanwhile.
 *
 * @param holds whether what the first two have of a row still holds
 */
export function* merged(
  before: Packed,
  later: Growing,
  strings: boolean,
  alive: (ordinal: number) => boolean,
  changed: Loose = new Growing(),
  holds: (ordinal: number) => boolean = () => true,
): Sliced<Packed> {
  const news = yield* sorted(yield* valuesOf(later, changed));
  const most = before.values.length + news.length;
  const narrow = !strings && before.values instanceof Float64Array && !news.some(isBigint);
  const values: Value[] | Float64Array = narrow ? new Float64Array(most) : [];
  const offsets = new Uint32Array(most + 1);
  const ordinals = new Uint32Array(before.size + later.size + changed.size);
  let count = 0;
  let n = 0;
  let work = 0;
  for (let b = 0, l = 0; b < before.values.length || l < news.length; ) {
    const old = before.values[b];
    const value = old === undefined || (l < news.length && news[l]! < old) ? news[l]! : old;
    const among = changed.of(value);
    let a = 0;
    for (const list of [value === old ? before.of(value) : [], value === news[l] ? later.of(value) : []]) {
      for (let i = 0; i < list.length; i++) {
        const ordinal = list[i]!;
        for (; a < among.length && among[a]! < ordinal; a++) if (alive(among[a]!)) ordinals[n++] = among[a]!;
        if (alive(ordinal) && holds(ordinal)) ordinals[n++] = ordinal;
        if (++work % STEP === 0) yield;
      }
    }
    for (; a < among.length; a++) {
      if (alive(among[a]!)) ordinals[n++] = among[a]!;
      if (++work % STEP === 0) yield;
    }
    if (value === old) b++;
    if (value === news[l]) l++;
    if (n > offsets[count]!) {
      values[count++] = value as never;
      offsets[count] = n;
    }
    if (++work % STEP === 0) yield;
  }
  return new Packed(asValues(values, count, strings), offsets.slice(0, count + 1), ordinals.slice(0, n));
}

/** Each once, in no order. */
function* valuesOf(later: Growing, changed: Loose): Sliced<Value[]> {
  const values: Value[] = [];
  for (const value of later.values()) if (values.push(value) % STEP === 0) yield;
  let work = 0;
  for (const value of changed.values()) {
    if (later.of(value).length === 0) values.push(value);
    if (++work % STEP === 0) yield;
  }
  return values;
}

/** The first `count`; numbers are no longer a list where the last bigint among them went. */
function asValues(values: Value[] | Float64Array, count: number, strings: boolean): Values {
  if (values instanceof Float64Array) return values.slice(0, count);
  return strings || values.some(isBigint) ? (values as Values) : Float64Array.from(values as number[]);
}

export function isBigint(value: unknown): value is bigint {
  return typeof value === 'bigint';
}

const STEP = 4096;

export function emptyPostings(strings: boolean): Packed {
  return new Packed(strings ? [] : new Float64Array(0), new Uint32Array(1), new Uint32Array(0));
}

export function isWithin(value: number | bigint, { gt, gte, lt, lte }: NumberBounds): boolean {
  return (
    (gt === undefined || value > gt) &&
    (gte === undefined || value >= gte) &&
    (lt === undefined || value < lt) &&
    (lte === undefined || value <= lte)
  );
}
