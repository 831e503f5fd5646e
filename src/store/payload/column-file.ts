/**
 * A packed index in sections of a segment file; column-sections.ts makes them. For each of values, counts and flags: `*.offsets` and
 * `*.ordinals` as u32, `*.values` as f64. Strings are UTF-16 code units, one after the other, in `values.values`, and where
 * each begins, as f64, in `values.starts`. Where integers are among the numbers that no f64 holds, `values.values` has the
 * nearest f64, and {@link WIDE_SECTION} all of these integers, in decimal, one a line, with `values.places` as u32: which of
 * the values they are. `meta` is JSON. Little-endian.
 */

import { Buffer } from '../../core/buffer.js';
import { exactKey } from '../../query/numbers.js';
import { corrupt } from '../files/errors.js';
import type { PayloadIndexType } from '../files/payload-index-type.js';
import { type PayloadIndexEntry, WIDE_SECTION } from '../files/state.js';
import { FACTS, type PayloadFacts } from './facts.js';
import { isBigint, Packed, type Values } from './postings.js';

/** Section `meta`. */
export interface ColumnMeta {
  key: string;
  type: PayloadIndexType;
  rows: number;
  /** Files of older versions lack it: their numbers beyond 2^53 may have been bigints, rounded, several of them one value. */
  exact?: true;
  /** Integers are among the values that no f64 holds. */
  wide?: true;
}

/**
 * @param read a section's bytes, checked
 * @returns undefined for a file that an older version wrote, in which bigints may be that it rounded
 * @throws FunnelError CORRUPT
 */
export function readColumn(
  entry: PayloadIndexEntry,
  read: (section: string) => Uint8Array,
): PayloadFacts<Packed> | undefined {
  const file = entry.file!;
  const meta = metaOf(read('meta'), file);
  if (meta.key !== entry.key || meta.type !== entry.type || meta.rows !== entry.rows) {
    throw corrupt(file, 'meta', 'is of another payload index');
  }
  const numbers = entry.type === 'integer' || entry.type === 'float';
  let rounded = false;
  const packed = FACTS.map((kind) => {
    const strings = kind === 'values' && entry.type === 'keyword';
    let values: Values;
    if (strings) {
      values = stringsIn(read, kind, file);
    } else {
      const near = asArray(Float64Array, read(`${kind}.values`));
      const isOfNumbers = kind === 'values' && numbers;
      values = isOfNumbers && meta.wide === true ? wideIn(near, read, kind, file) : near;
      if (isOfNumbers && meta.exact !== true && isBeyondIntegers(near)) rounded = true;
    }
    const offsets = asArray(Uint32Array, read(`${kind}.offsets`));
    const ordinals = asArray(Uint32Array, read(`${kind}.ordinals`));
    const postings = new Packed(values, offsets, ordinals);
    check(postings, entry.rows, (name, why) => corrupt(file, `${kind}.${name}`, why));
    return [kind, postings] as const;
  });
  return rounded ? undefined : (Object.fromEntries(packed) as unknown as PayloadFacts<Packed>);
}

/** Whether some value of this list, which is in order, could be another integer that was rounded. */
function isBeyondIntegers(values: Float64Array): boolean {
  return values.length > 0 && !(values[0]! > -(2 ** 53) && values.at(-1)! < 2 ** 53);
}

function wideIn(
  near: Float64Array,
  read: (section: string) => Uint8Array,
  kind: string,
  file: string,
): (number | bigint)[] {
  const values: (number | bigint)[] = Array.from(near);
  const places = asArray(Uint32Array, read(`${kind}.places`));
  const { buffer, byteOffset, length } = read(WIDE_SECTION);
  const lines = Buffer.from(buffer, byteOffset, length).toString('latin1').split('\n');
  if (lines.length !== places.length + 1) throw corrupt(file, WIDE_SECTION, 'are not those of the places');
  for (let i = 0; i < places.length; i++) {
    const place = places[i]!;
    const wide = /^-?\d+$/.test(lines[i]!) ? exactKey(BigInt(lines[i]!)) : 0;
    if (!isBigint(wide) || !(place < near.length)) throw corrupt(file, WIDE_SECTION, 'are no such integers');
    values[place] = wide;
  }
  return values;
}

/** The checksums were right, so this finds mistakes of programs. */
function check({ values, offsets, ordinals }: Packed, rows: number, error: (name: string, why: string) => Error): void {
  for (let v = 1; v < values.length; v++) {
    if (!(values[v]! > values[v - 1]!)) throw error('values', 'are not in order');
  }
  const fits = offsets.length === values.length + 1 && offsets[0] === 0 && offsets.at(-1) === ordinals.length;
  if (!fits) throw error('offsets', 'are not those of the values');
  for (let v = 0; v < values.length; v++) {
    const [from, to] = [offsets[v]!, offsets[v + 1]!];
    if (to < from || to > ordinals.length) throw error('offsets', 'are not in order');
    for (let i = from; i < to; i++) {
      if (ordinals[i]! >= rows) throw error('ordinals', 'are not rows of the index');
      if (i > from && ordinals[i]! <= ordinals[i - 1]!) throw error('ordinals', 'are not in order');
    }
  }
}

function stringsIn(read: (section: string) => Uint8Array, kind: string, file: string): string[] {
  const starts = asArray(Float64Array, read(`${kind}.starts`));
  const { buffer, byteOffset, length } = read(`${kind}.values`);
  const units = Buffer.from(buffer, byteOffset, length);
  const fits =
    starts[0] === 0 && 2 * starts.at(-1)! === length && starts.every((at, i) => i === 0 || at >= starts[i - 1]!);
  if (!fits) throw corrupt(file, `${kind}.starts`, 'are not those of the strings');
  return Array.from({ length: starts.length - 1 }, (_, i) =>
    units.toString('utf16le', 2 * starts[i]!, 2 * starts[i + 1]!),
  );
}

interface ArrayType<A> {
  new (buffer: ArrayBuffer): A;
  readonly BYTES_PER_ELEMENT: number;
}

/** A copy, since sections need not lie at multiples of the element's size. */
function asArray<A>(Type: ArrayType<A>, bytes: Uint8Array): A {
  return new Type(bytes.slice(0, bytes.length - (bytes.length % Type.BYTES_PER_ELEMENT)).buffer as ArrayBuffer);
}

function metaOf(bytes: Uint8Array, file: string): Partial<ColumnMeta> {
  try {
    const meta: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (typeof meta === 'object' && meta !== null) return meta;
  } catch (cause) {
    throw corrupt(file, 'meta', 'is not JSON', cause);
  }
  throw corrupt(file, 'meta', 'makes no sense');
}
