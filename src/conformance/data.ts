/** Rows of the suite: seeded, the same everywhere. */
import { seeded } from '../core/random.js';
import type { CollectionSpec, Extra, Row } from './backend.js';

export { seeded as random };

/** Dims of heads and of full vectors, and rows of a collection, where a test says nothing else. */
export const HEAD = 8;
export const DIM = 24;
export const COUNT = 60;

/** Uniform values in [−1, 1). */
export function randomVector(dim: number, next: () => number): Float32Array {
  return Float32Array.from({ length: dim }, () => next() * 2 - 1);
}

export function rows(count: number, dim: number, ids: CollectionSpec['ids'], seed: number): Row[] {
  const next = seeded(seed);
  return Array.from({ length: count }, (_, n) => ({
    id:
      ids === 'number'
        ? n + 1
        : ids === 'big'
          ? 9_007_199_254_740_993n + BigInt(n)
          : `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`,
    vector: randomVector(dim, next),
    title: `Film "${n}" – ${['ä', '€', '😀'][n % 3]} "vector":[${n}]`,
    n,
    even: n % 2 === 0,
  }));
}

/** Payloads of kinds that all sources can keep: columns, an array, an object. */
export function richRows(count: number, ids: CollectionSpec['ids'] = 'number'): Row[] {
  return rows(count, DIM, ids, 21).map((row) => ({ ...row, extra: extraOf(row.n) }));
}

export function extraOf(n: number): Extra {
  return {
    kind: ['drama', 'Comedy', 'film noir'][n % 3]!,
    bucket: 1 + (n % 8),
    tags: [`t${n % 5}`, ...(n % 4 === 0 ? ['extra', `t${(n + 1) % 5}`] : [])],
    meta: {
      stars: n % 6,
      place: n % 2 === 0 ? { city: 'Lodz', lon: 19.46, lat: 51.77 } : { city: 'Rome', lon: 12.5, lat: 41.9 },
      cast: [
        { name: 'Ann', lead: n % 2 === 0 },
        { name: 'Bob', lead: n % 3 === 0 },
      ],
      since: `20${10 + (n % 10)}-03-0${1 + (n % 9)}`,
    },
    ref: `00000000-0000-4000-8000-${(n % 6).toString(16).padStart(12, '0')}`,
  };
}

/** Head at length 1, its former length and tail, as the tail layout stores them. */
export function split(
  vector: Float32Array,
  headDim: number,
): {
  /** The first dims, at length 1. */
  head: number[];
  /** Their former length. */
  norm: number;
  /** The other dims, as they were. */
  tail: number[];
} {
  const raw = Array.from(vector.subarray(0, headDim));
  const norm = Math.sqrt(raw.reduce((sum, x) => sum + x * x, 0));
  return { head: raw.map((x) => x / norm), norm, tail: Array.from(vector.subarray(headDim)) };
}
