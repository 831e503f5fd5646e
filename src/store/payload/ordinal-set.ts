/**
 * Rows that come and go, of which there may be as many as an index has: neither to grow nor to be listed takes long, as it does
 * with a Set of numbers. Many rows are bits of pages, but for those of pages that have few.
 */
import { Bitmap } from './row-set.js';

/** So many rows are as well in a Set. */
const FEW = 1024;
const PAGE_BITS = 16;
const PAGE_WORDS = 2 ** (PAGE_BITS - 5);

/** Ordinals, or bit o & 31 of word o >>> 5 for what is behind the page's first. */
type Page = Set<number> | Uint32Array;

/** Rows whose payload is yet to be read. Some may go while one goes through them. */
export type PendingRows = Pick<OrdinalSet, 'has' | 'size'> & Iterable<number>;

export class OrdinalSet implements Iterable<number> {
  #rows: Set<number> | Map<number, Page> = new Set();
  size = 0;

  has(ordinal: number): boolean {
    const page = this.#pageOf(ordinal);
    if (page instanceof Set) return page.has(ordinal);
    return page !== undefined && (page[wordOf(ordinal)]! & bitOf(ordinal)) !== 0;
  }

  /** False where it is here already. */
  add(ordinal: number): boolean {
    let page = this.#pageOf(ordinal);
    if (page instanceof Uint32Array) {
      const word = wordOf(ordinal);
      if ((page[word]! & bitOf(ordinal)) !== 0) return false;
      page[word]! |= bitOf(ordinal);
    } else {
      if (page === undefined) {
        page = new Set();
        (this.#rows as Map<number, Page>).set(ordinal >>> PAGE_BITS, page);
      }
      if (page.has(ordinal)) return false;
      page.add(ordinal);
      if (page.size > FEW) this.#spread(page, ordinal >>> PAGE_BITS);
    }
    this.size++;
    return true;
  }

  delete(ordinal: number): void {
    const page = this.#pageOf(ordinal);
    if (page === undefined) return;
    if (page instanceof Set) {
      if (!page.delete(ordinal)) return;
    } else {
      const word = wordOf(ordinal);
      if ((page[word]! & bitOf(ordinal)) === 0) return;
      page[word]! &= ~bitOf(ordinal);
    }
    this.size--;
    if (this.size === 0) this.#rows = new Set();
  }

  /** Ascending. */
  list(): Uint32Array {
    const rows = this.#rows;
    if (rows instanceof Set) return ascending(rows);
    const out = new Uint32Array(this.size);
    let n = 0;
    for (const number of [...rows.keys()].sort((a, b) => a - b)) {
      const page = rows.get(number)!;
      const isListed = page instanceof Set;
      const list = isListed ? ascending(page) : new Bitmap(page).list();
      const first = isListed ? 0 : number * 2 ** PAGE_BITS;
      for (let i = 0; i < list.length; i++) out[n++] = first + list[i]!;
    }
    return out;
  }

  /** In no order. Rows may go meanwhile; those that come may be left out. */
  *[Symbol.iterator](): Iterator<number> {
    const rows = this.#rows;
    if (rows instanceof Set) yield* rows;
    else for (const [number, page] of rows) yield* page instanceof Set ? page : inBits(page, number * 2 ** PAGE_BITS);
  }

  /** The one where a row is, or would be. */
  #pageOf(ordinal: number): Page | undefined {
    const rows = this.#rows;
    return rows instanceof Set ? rows : rows.get(ordinal >>> PAGE_BITS);
  }

  /** Makes pages of the one Set, or bits of a page of many. Who goes through it meanwhile goes on with it. */
  #spread(full: Set<number>, number: number): void {
    if (this.#rows instanceof Map) {
      const words = new Uint32Array(PAGE_WORDS);
      for (const ordinal of full) words[wordOf(ordinal)]! |= bitOf(ordinal);
      this.#rows.set(number, words);
      return;
    }
    this.#rows = new Map();
    this.size = 0;
    for (const ordinal of full) this.add(ordinal);
    this.size--; // the last one is counted by who adds it
  }
}

function wordOf(ordinal: number): number {
  return (ordinal >>> 5) & (PAGE_WORDS - 1);
}

function bitOf(ordinal: number): number {
  return 1 << (ordinal & 31);
}

function* inBits(words: Uint32Array, first: number): Iterable<number> {
  for (let w = 0; w < words.length; w++) {
    // Looked at anew each time: some of them may have gone.
    for (let from = 0, left = words[w]!; left !== 0; left = from > 31 ? 0 : words[w]! & (-1 << from)) {
      const bit = 31 - Math.clz32(left & -left);
      yield first + 32 * w + bit;
      from = bit + 1;
    }
  }
}

function ascending(rows: Set<number>): Uint32Array {
  const list = new Uint32Array(rows.size);
  let n = 0;
  let isInOrder = true;
  for (const ordinal of rows) {
    if (n > 0) isInOrder &&= ordinal > list[n - 1]!;
    list[n++] = ordinal;
  }
  return isInOrder ? list : list.sort();
}
