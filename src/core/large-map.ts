/**
 * A Map of as many keys as there are rows. A Map that grows moves all of its entries at once, which keeps the event loop for 20 ms
 * from 260,000 entries on; here no Map has many of them. Pages have fewer rows, and a Map (large-map-web.ts).
 */

/** More keys are spread over so many Maps, which takes some milliseconds; who goes through them takes longer than for one. */
const MOST = 65_536;
const PARTS = 256;
/** Neighbours among whole numbers share a Map: rows come in their order, and what is near is in the processor's cache. */
const NEIGHBOUR_BITS = 12;
/** Characters of a string that tell its Map. */
const SAMPLED = 8;

export class LargeMap<K extends string | number | bigint | boolean, V> {
  /** One, or {@link PARTS} of them. */
  #parts: Map<K, V>[] = [new Map()];

  get(key: K): V | undefined {
    return this.#partOf(key).get(key);
  }

  has(key: K): boolean {
    return this.#partOf(key).has(key);
  }

  set(key: K, value: V): void {
    const part = this.#partOf(key);
    part.set(key, value);
    if (this.#parts.length === 1 && part.size > MOST) this.#spread(part);
  }

  delete(key: K): boolean {
    return this.#partOf(key).delete(key);
  }

  get size(): number {
    return this.#parts.reduce((sum, { size }) => sum + size, 0);
  }

  /** In no order. Keys that come meanwhile may be left out. */
  *keys(): Iterable<K> {
    for (const part of this.#parts) for (const key of part.keys()) yield key;
  }

  /** Likewise. */
  *values(): Iterable<V> {
    for (const part of this.#parts) for (const value of part.values()) yield value;
  }

  /** Likewise. */
  [Symbol.iterator](): Iterator<[K, V]> {
    const [first] = this.#parts;
    return this.#parts.length === 1 ? first!.entries() : entriesOf(this.#parts);
  }

  #partOf(key: K): Map<K, V> {
    const parts = this.#parts;
    return parts.length === 1 ? parts[0]! : parts[placeOf(key)]!;
  }

  /** Who goes through the one Map meanwhile goes on with it. */
  #spread(all: Map<K, V>): void {
    this.#parts = Array.from({ length: PARTS }, () => new Map());
    for (const [key, value] of all) this.#partOf(key).set(key, value);
  }
}

function* entriesOf<K, V>(parts: readonly Map<K, V>[]): Generator<[K, V]> {
  for (const part of parts) for (const entry of part) yield entry;
}

function placeOf(key: string | number | bigint | boolean): number {
  if (typeof key === 'string') return placeOfText(key);
  if (typeof key === 'bigint') return Number(BigInt.asUintN(32, key ^ (key >> 32n))) & (PARTS - 1);
  if (typeof key === 'boolean') return 0;
  // Whole numbers have no fraction; of others it alone may differ, and of large ones what is beyond 32 bits.
  const bits = key | 0 || key / 2 ** 32;
  const folded = (bits >>> NEIGHBOUR_BITS) ^ (bits >>> 20) ^ (bits >>> 28) ^ ((key - Math.trunc(key)) * 2 ** 20);
  return folded & (PARTS - 1);
}

function placeOfText(key: string): number {
  let hash = key.length;
  const step = Math.ceil(key.length / SAMPLED);
  for (let i = key.length - 1; i >= 0; i -= step) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193);
  return (hash ^ (hash >>> 16)) & (PARTS - 1);
}
