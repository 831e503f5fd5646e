/** Sets of ordinals: an ascending list while they are few, a bitmap when they are many. Nothing changes one once made. */
import { turn } from '../../core/endian.js';
import { nativeFiles } from '../files/native.js';
import type { OrdinalPart } from './parts.js';
import { Stretch } from './stretch.js';

export type RowSet = Uint32Array | Bitmap;

/** From 1 in 32 on a bitmap is smaller; but its words are combined, and copied to masks, quicker than rows are listed. */
const LIST_SHARE = 1 / 128;

export class Bitmap {
  /** Bit o & 31 of word o >> 5. */
  readonly words: Uint32Array;
  #size: number | undefined;

  /** @param size when it is known */
  constructor(words: Uint32Array, size?: number) {
    this.words = words;
    this.#size = size;
  }

  static empty(rows: number): Bitmap {
    return new Bitmap(new Uint32Array((rows + 31) >>> 5));
  }

  /**
   * @param bytes bit o & 7 of byte o >> 3; what is behind `rows` is left out
   * @param size when it is known
   */
  static fromBytes(bytes: Uint8Array, rows: number, size?: number): Bitmap {
    const words = new Uint32Array((rows + 31) >>> 5);
    const own = new Uint8Array(words.buffer);
    own.set(bytes.subarray(0, Math.min(bytes.length, own.length)));
    turn(own, 4);
    if (rows & 31) words[rows >>> 5]! &= (1 << (rows & 31)) - 1;
    return new Bitmap(words, size);
  }

  has(ordinal: number): boolean {
    return ((this.words[ordinal >>> 5]! >>> (ordinal & 31)) & 1) === 1;
  }

  /** Only for who makes it. */
  add(ordinals: ArrayLike<number>): void {
    addTo(this.words, ordinals);
  }

  get size(): number {
    this.#size ??= bitsIn(this.words);
    return this.#size;
  }

  list(): Uint32Array {
    const out = new Uint32Array(this.size);
    const { listBits } = nativeFiles();
    if (listBits !== undefined) {
      listBits(this.words, out);
      return out;
    }
    let n = 0;
    for (let w = 0; w < this.words.length; w++) {
      for (let word = this.words[w]!; word !== 0; word &= word - 1) {
        out[n++] = 32 * w + 31 - Math.clz32(word & -word);
      }
    }
    return out;
  }
}

/** Each kind of list in a loop that sees no other. */
function addTo(words: Uint32Array, ordinals: ArrayLike<number>): void {
  if (ordinals instanceof Uint32Array) addPacked(words, ordinals);
  else addListed(words, ordinals);
}

function addPacked(words: Uint32Array, ordinals: Uint32Array): void {
  for (let i = 0; i < ordinals.length; i++) {
    const ordinal = ordinals[i]!;
    words[ordinal >>> 5]! |= 1 << (ordinal & 31);
  }
}

function addListed(words: Uint32Array, ordinals: ArrayLike<number>): void {
  for (let i = 0; i < ordinals.length; i++) {
    const ordinal = ordinals[i]!;
    words[ordinal >>> 5]! |= 1 << (ordinal & 31);
  }
}

export const NO_ROWS: RowSet = new Uint32Array(0);

export function sizeOf(set: RowSet): number {
  return set instanceof Bitmap ? set.size : set.length;
}

export function listOf(set: RowSet): Uint32Array {
  return set instanceof Bitmap ? set.list() : set;
}

export function bitmapOf(set: RowSet, rows: number): Bitmap {
  if (set instanceof Bitmap) return set;
  const bits = Bitmap.empty(rows);
  bits.add(set);
  return bits;
}

/** The rows of any of the parts, which need no order, and may overlap. */
export function gathered(parts: readonly OrdinalPart[], rows: number): RowSet {
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  if (total <= rows * LIST_SHARE) {
    const [only] = parts;
    const list = parts.length === 1 && only instanceof Uint32Array ? only : joined(parts, total);
    if (isAscending(list)) return list;
  }
  const count = (rows + 31) >>> 5;
  const [first] = parts;
  if (parts.length === 1 && first instanceof Stretch) {
    const { words, size } = first.bitmap(count);
    return settled(new Bitmap(words, size), rows);
  }
  let words: Uint32Array | undefined;
  for (const part of parts) {
    if (part instanceof Stretch) {
      words = both(words, part.bitmap(count).words);
    } else {
      words ??= new Uint32Array(count);
      addTo(words, part);
    }
  }
  return settled(new Bitmap(words ?? new Uint32Array(count)), rows);
}

export function intersection(a: RowSet, b: RowSet): RowSet {
  if (a instanceof Bitmap && b instanceof Bitmap) return commonOf(a, b);
  if (a instanceof Bitmap) return ordinalsWithBit(b as Uint32Array, a.words, 1);
  if (b instanceof Bitmap) return ordinalsWithBit(a, b.words, 1);
  return common(a, b, true);
}

/** The rows of a that are not in b. */
export function difference(a: RowSet, b: RowSet): RowSet {
  if (a instanceof Bitmap) {
    return combined(a, bitmapOf(b, a.words.length * 32), (x, y) => x & ~y);
  }
  return b instanceof Bitmap ? ordinalsWithBit(a, b.words, 0) : common(a, b, false);
}

export function union(a: RowSet, b: RowSet, rows: number): RowSet {
  if (sizeOf(a) === 0) return b;
  if (sizeOf(b) === 0) return a;
  if (!(a instanceof Bitmap) && !(b instanceof Bitmap)) return gathered([a, b], rows);
  return combined(bitmapOf(a, rows), bitmapOf(b, rows), (x, y) => x | y);
}

/** As a list when it is small. */
export function settled(set: RowSet, rows: number): RowSet {
  return set instanceof Bitmap && set.size <= rows * LIST_SHARE ? set.list() : set;
}

function commonOf(a: Bitmap, b: Bitmap): Bitmap {
  const { commonBits } = nativeFiles();
  if (commonBits === undefined) return combined(a, b, (x, y) => x & y);
  const words = new Uint32Array(Math.min(a.words.length, b.words.length));
  return new Bitmap(words, commonBits(a.words, b.words, words));
}

function combined(a: Bitmap, b: Bitmap, merge: (x: number, y: number) => number): Bitmap {
  const words = new Uint32Array(Math.max(a.words.length, b.words.length));
  for (let w = 0; w < words.length; w++) words[w] = merge(a.words[w] ?? 0, b.words[w] ?? 0);
  return new Bitmap(words);
}

/** The rows of list a that list b has, or has not. */
function common(a: Uint32Array, b: Uint32Array, wanted: boolean): Uint32Array {
  let at = 0;
  return a.filter((ordinal) => {
    while (at < b.length && b[at]! < ordinal) at++;
    return (at < b.length && b[at] === ordinal) === wanted;
  });
}

/** The ordinals of a list whose bit is `wanted`. */
export function ordinalsWithBit(list: Uint32Array, words: Uint32Array, wanted: 0 | 1): Uint32Array {
  const out = new Uint32Array(list.length);
  let n = 0;
  for (let i = 0; i < list.length; i++) {
    const ordinal = list[i]!;
    // Without a branch: which rows stay cannot be foretold.
    out[n] = ordinal;
    n += (((words[ordinal >>> 5] ?? 0) >>> (ordinal & 31)) & 1) ^ wanted ^ 1;
  }
  return out.slice(0, n);
}

function both(a: Uint32Array | undefined, b: Uint32Array): Uint32Array {
  if (a === undefined) return b;
  for (let w = 0; w < a.length; w++) a[w]! |= b[w]!;
  return a;
}

function joined(parts: readonly OrdinalPart[], total: number): Uint32Array {
  const list = new Uint32Array(total);
  let at = 0;
  for (const part of parts) {
    list.set(part instanceof Stretch ? part.list() : part, at);
    at += part.length;
  }
  return list;
}

function isAscending(list: Uint32Array): boolean {
  for (let i = 1; i < list.length; i++) if (list[i]! <= list[i - 1]!) return false;
  return true;
}

export function bitsIn(words: Uint32Array | Uint16Array): number {
  const { countBits } = nativeFiles();
  if (words instanceof Uint32Array && countBits !== undefined) return countBits(words);
  let bits = 0;
  for (let w = 0; w < words.length; w++) bits += bitsOf(words[w]!);
  return bits;
}

export function bitsOf(word: number): number {
  let v = word - ((word >>> 1) & 0x5555_5555);
  v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
