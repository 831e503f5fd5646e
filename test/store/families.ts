/** Sets of rows that make a search of codes hard: ties, duplicates, zeros, clusters, all spectra, all magnitudes, far means. */
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
  {
    name: 'a common mean of 10 to 1,000 spreads',
    rows: (random, count, dim) => around(random, count, dim, random.pick([10, 30, 100, 1000])),
  },
  {
    name: 'around a million, with noise of 50',
    rows: (random, count, dim) => random.vector(count * dim, 50).map((value) => value + 1e6),
  },
  {
    name: 'whole numbers, as features are measured',
    rows: (random, count, dim) => {
      const means = Array.from({ length: dim }, () => random.int(0, 5000));
      const spreads = Array.from({ length: dim }, () => random.pick([1, 10, 30]));
      return fill(count, dim, () =>
        Float32Array.from(means, (mean, j) => Math.round(mean + spreads[j]! * random.gaussian())),
      );
    },
  },
  {
    name: 'a mean smaller than the spread',
    rows: (random, count, dim) => around(random, count, dim, random.pick([1e-9, 0.01, 0.5, 1])),
  },
  {
    name: 'a far mean, and some rows at the origin',
    rows: (random, count, dim) =>
      around(random, count, dim, 300).map((value, i, rows) => (rows[i - (i % dim)]! > 301 ? 0 : value)),
  },
  {
    name: 'a mean beside which float32 hardly shows the spread',
    rows: (random, count, dim) =>
      around(random, count, dim, random.pick([1e5, 1e6, 1e7]), random.pick([1, 1e-40, 1e-20, 1e30])),
  },
  {
    name: 'a common mean, and lengths of all magnitudes',
    rows: (random, count, dim) => {
      const mean = random.vector(dim, 100);
      return fill(count, dim, () => {
        const scale = 10 ** random.int(-12, 12);
        return random.vector(dim).map((value, j) => (value + mean[j]!) * scale);
      });
    },
  },
];

/** Around a mean of so many spreads in each dim. */
function around(random: Random, count: number, dim: number, ratio: number, spread = 1): Float32Array {
  const mean = Array.from({ length: dim }, () => random.pick([ratio, ratio, -ratio]));
  return fill(count, dim, () => random.vector(dim).map((value, j) => (value + mean[j]!) * spread));
}

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

/** A query: a row, a row moved, a sum of rows, a row moved as two rows differ, or anything. */
export function queryFor(random: Random, rows: Float32Array, dim: number): Float32Array {
  const count = rows.length / dim;
  const at = (r: number) => rows.subarray(r * dim, (r + 1) * dim);
  const kind = random.int(0, 4);
  const one = at(random.int(0, count - 1));
  let query: Float32Array;
  if (kind === 0) query = one.slice();
  else if (kind === 1) query = one.map((value) => value * (1 + 0.1 * random.gaussian()));
  else if (kind === 2) {
    const other = at(random.int(0, count - 1));
    query = one.map((value, j) => value + other[j]!);
  } else if (kind === 3) {
    const [from, to] = [at(random.int(0, count - 1)), at(random.int(0, count - 1))];
    query = one.map((value, j) => value + 0.5 * (to[j]! - from[j]!));
  } else query = random.vector(dim);
  return query.every((value) => value === 0 || !Number.isFinite(value)) ? random.vector(dim) : query;
}
