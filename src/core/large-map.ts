/**
 * A Map of as many keys as there are rows. A Map that grows moves all of its entries at once, which keeps the event loop for 20 ms
 * from 260,000 entries on; here no Map has many of them. Pages have fewer rows, and a Map (large-map-web.ts).
 */

/** So many keys are in one Map, through which one goes fastest; those that come later are spread over {@link PARTS} others. */
const MOST = 65_536;
const PARTS = 256;
/** Neighbours among whole numbers share a Map: rows come in their order, and what is near is in the processor's cache. */
const NEIGHBOUR_BITS = 12;
/** Characters of a string that tell its Map. */
const SAMPLED = 8;

export class LargeMap<K extends string | number | bigint | boolean, V> {
  /** Its keys stay here: to move them at once would take as long as growing. */
  readonly #first = new Map<K, V>();
  #parts: Map<K, V>[] | undefined;

  get(key: K): V | undefined {
    return this.#mapOf(key).get(key);
  }

  has(key: K): boolean {
    return this.#mapOf(key).has(key);
  }

  set(key: K, value: V): void {
    this.#mapOf(key).set(key, value);
    if (this.#first.size >= MOST) this.#parts ??= Array.from({ length: PARTS }, () => new Map());
  }

  delete(key: K): boolean {
    return this.#mapOf(key).delete(key);
  }

  get size(): number {
    return this.#all().reduce((sum, { size }) => sum + size, 0);
  }

  /** In no order. Keys that come meanwhile may be left out. */
  *keys(): Iterable<K> {
    for (const map of this.#all()) for (const key of map.keys()) yield key;
  }

  /** Likewise. */
  *values(): Iterable<V> {
    for (const map of this.#all()) for (const value of map.values()) yield value;
  }

  /** Likewise. */
  [Symbol.iterator](): Iterator<[K, V]> {
    return this.#parts === undefined ? this.#first.entries() : entriesOf(this.#all());
  }

  #all(): Map<K, V>[] {
    return [this.#first, ...(this.#parts ?? [])];
  }

  /** The one where a key is, or would be. */
  #mapOf(key: K): Map<K, V> {
    const parts = this.#parts;
    return parts === undefined || this.#first.has(key) ? this.#first : parts[placeOf(key)]!;
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
