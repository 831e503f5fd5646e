/** Stretches of a long list of ordinals as bitmaps: of a list that has no ordinal twice, bitmaps of its beginnings are kept. */
import { type NativeFiles, nativeFiles } from '../files/native.js';

/** Beginnings that are kept, evenly spaced: of a list of all rows, together they take half the memory of the list. */
const KEPT = 16;

/** A list of fewer rows than this share has none. */
const SPARSE = 1 / 4;

export interface StretchBits {
  words: Uint32Array;
  /** Bits that are set, when it is known without counting. */
  size: number | undefined;
}

export class StretchedList {
  /** The first `#step · i` ordinals as a bitmap; null where some ordinal comes twice, or few rows are in it; undefined before anybody asked. */
  #beginnings: Uint32Array[] | null | undefined;
  #step = 0;

  constructor(readonly ordinals: Uint32Array) {}

  stretch(from: number, to: number): Stretch {
    return new Stretch(this, from, to);
  }

  /** Bit o & 31 of word o >>> 5 for all of ordinals [from, to), in `count` words. */
  bitmap(from: number, to: number, count: number): StretchBits {
    const { ordinals } = this;
    const words = new Uint32Array(count);
    const beginnings = this.#kept();
    if (beginnings === null) {
      add(words, ordinals, from, to);
      return { words, size: undefined };
    }
    const all = { words, size: beginnings[0]!.length <= count ? to - from : undefined };
    const step = this.#step;
    const high = Math.min(Math.round(to / step), beginnings.length - 1);
    const low = Math.min(Math.round(from / step), high);
    if (low === high) {
      add(words, ordinals, from, to);
      return all;
    }
    const { stretchBits = stretchByOne } = nativeFiles();
    stretchBits(words, beginnings[high]!, beginnings[low]!, ordinals, low * step, from, high * step, to);
    return all;
  }

  #kept(): Uint32Array[] | null {
    if (this.#beginnings !== undefined) return this.#beginnings;
    const { ordinals } = this;
    let most = 0;
    for (let i = 0; i < ordinals.length; i++) most = Math.max(most, ordinals[i]!);
    this.#beginnings = null;
    // A list of few rows is short, and beginnings would take many times its memory.
    if (ordinals.length < most * SPARSE) return null;
    const words = new Uint32Array((most >>> 5) + 1);
    const step = Math.ceil(ordinals.length / KEPT);
    const beginnings = [words.slice()];
    this.#step = step;
    for (let i = 0; i < ordinals.length; ) {
      const ordinal = ordinals[i]!;
      const bit = 1 << (ordinal & 31);
      if ((words[ordinal >>> 5]! & bit) !== 0) return null;
      words[ordinal >>> 5]! |= bit;
      if (++i % step === 0) beginnings.push(words.slice());
    }
    this.#beginnings = beginnings;
    return beginnings;
  }
}

/** Some neighbours of a list. */
export class Stretch {
  constructor(
    readonly of: StretchedList,
    readonly from: number,
    readonly to: number,
  ) {}

  get length(): number {
    return this.to - this.from;
  }

  list(): Uint32Array {
    return this.of.ordinals.subarray(this.from, this.to);
  }

  bitmap(words: number): StretchBits {
    return this.of.bitmap(this.from, this.to, words);
  }
}

/** As the binary does it. */
export const stretchByOne: NonNullable<NativeFiles['stretchBits']> = (words, high, low, rows, begin, from, end, to) => {
  subtract(words, high, low);
  // At both ends, add the rows that the beginnings lack, and remove those that they have too much.
  add(words, rows, from, begin);
  remove(words, rows, begin, from);
  add(words, rows, end, to);
  remove(words, rows, to, end);
};

/** Into `words` what is in a and not in b, of the same length. */
function subtract(words: Uint32Array, a: Uint32Array, b: Uint32Array): void {
  const count = Math.min(words.length, a.length);
  for (let w = 0; w < count; w++) words[w] = a[w]! & ~b[w]!;
}

function add(words: Uint32Array, ordinals: Uint32Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const ordinal = ordinals[i]!;
    words[ordinal >>> 5]! |= 1 << (ordinal & 31);
  }
}

function remove(words: Uint32Array, ordinals: Uint32Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const ordinal = ordinals[i]!;
    words[ordinal >>> 5]! &= ~(1 << (ordinal & 31));
  }
}

/** Stretches of so few rows are as quickly added one by one. */
export const SHORT_STRETCH = 2048;
