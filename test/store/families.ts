/** Sets of rows that make a search of codes hard: ties, duplicates, zeros, clusters, all spectra, all magnitudes. */
import type { Random } from '../random.js';

export interface Family {
  name: string;
  rows(random: Random, count: number, dim: number): Float32Array;
}

export const FAMILIES: Family[] = [
  { name: 'gaussian', rows: (random, count, dim) => random.vector(count * dim) },
  {
    name: 'few directions and noise',
    rows: (random, count, dim) => {
      const directions = Array.from({ length: 5 }, () => random.vector(dim));
      return fill(count, dim, () => {
        const row = random.vector(dim, 0.05);
        for (const direction of directions) {
          const weight = random.gaussian();
          for (let j = 0; j < dim; j++) row[j]! += weight * direction[j]!;
        }
        return row;
      });
    },
  },
  {
    name: 'small integers, full of ties',
    rows: (random, count, dim) => fill(count, dim, () => Float32Array.from({ length: dim }, () => random.int(-1, 1))),
  },
  {
    name: 'duplicates',
    rows: (random, count, dim) => {
      const distinct = Array.from({ length: 7 }, () => random.vector(dim));
      return fill(count, dim, () => random.pick(distinct));
    },
  },
  {
    name: 'zeros among others',
    rows: (random, count, dim) =>
      fill(count, dim, () => (random.chance(0.3) ? new Float32Array(dim) : random.vector(dim))),
  },
  {
    name: 'one-hot',
    rows: (random, count, dim) =>
      fill(count, dim, () => {
        const row = new Float32Array(dim);
        row[random.int(0, dim - 1)] = random.pick([1, -1, 0.5]);
        return row;
      }),
  },
  {
    name: 'decaying spectrum',
    rows: (random, count, dim) =>
      fill(count, dim, () => random.vector(dim).map((value, j) => value * Math.exp((-6 * j) / dim))),
  },
  {
    name: 'tight clusters',
    rows: (random, count, dim) => {
      const centres = Array.from({ length: 12 }, () => random.vector(dim));
      return fill(count, dim, () => {
        const centre = random.pick(centres);
        return random.vector(dim, 1e-3).map((value, j) => value + centre[j]!);
      });
    },
  },
  {
    name: 'all magnitudes',
    rows: (random, count, dim) => fill(count, dim, () => random.vector(dim, 10 ** random.int(-12, 12))),
  },
  { name: 'near the end of float32', rows: (random, count, dim) => random.vector(count * dim, 1e37) },
  { name: 'subnormal', rows: (random, count, dim) => random.vector(count * dim, 1e-41) },
  { name: 'all the same', rows: (random, count, dim) => fill(count, dim, (row) => row ?? random.vector(dim)) },
  {
    name: 'an offset larger than the spread',
    rows: (random, count, dim) => random.vector(count * dim, 0.01).map((value) => value + 1),
  },
];

function fill(count: number, dim: number, make: (first?: Float32Array) => Float32Array): Float32Array {
  const rows = new Float32Array(count * dim);
  let first: Float32Array | undefined;
  for (let r = 0; r < count; r++) {
    const row = make(first);
    first ??= row;
    rows.set(row, r * dim);
  }
  return rows;
}

/** A query: a row, a row moved, a sum of rows, or anything. */
export function queryFor(random: Random, rows: Float32Array, dim: number): Float32Array {
  const count = rows.length / dim;
  const at = (r: number) => rows.subarray(r * dim, (r + 1) * dim);
  const kind = random.int(0, 3);
  const one = at(random.int(0, count - 1));
  let query: Float32Array;
  if (kind === 0) query = one.slice();
  else if (kind === 1) query = one.map((value) => value * (1 + 0.1 * random.gaussian()));
  else if (kind === 2) {
    const other = at(random.int(0, count - 1));
    query = one.map((value, j) => value + other[j]!);
  } else query = random.vector(dim);
  return query.every((value) => value === 0 || !Number.isFinite(value)) ? random.vector(dim) : query;
}
