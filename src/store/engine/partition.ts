/** The coarse partition (IVF): Lloyd's k-means over the head dims of a sample. */
import type { CodeKernels } from '../../kernels/codes.js';
import { toHalf } from './half.js';
import { arrayIn } from './memory.js';

const ROUNDS = 4;
const BLOCK = 240;

/** Lists for n rows: none where one scan is short; about √n where it is not. */
export function listsFor(n: number): number {
  return n < 200_000 ? 0 : Math.min(4096, 16 * Math.round((2 * Math.sqrt(n)) / 16));
}

/** Sample rows that k-means wants for so many lists. */
export function sampleFor(lists: number): number {
  return 32 * lists;
}

/**
 * @param heads sample rows, `count × dims`
 * @returns `dims × lists` centroids, dim-major, and |c|² / 2
 */
export function kMeans(
  kernels: CodeKernels,
  heads: Float32Array,
  dims: number,
  lists: number,
): { centroids: Float32Array; halfSquares: Float64Array } {
  const count = heads.length / dims;
  const centroids = new Float32Array(dims * lists);
  const halfSquares = new Float64Array(lists);
  // Evenly spaced rows: as random as their order, and the same every time.
  for (let c = 0; c < lists; c++) {
    const row = Math.floor((c * count) / lists);
    for (let i = 0; i < dims; i++) centroids[i * lists + c] = heads[row * dims + i]!;
  }
  const affinities = new Float64Array(BLOCK * lists);
  const sums = new Float64Array(dims * lists);
  const sizes = new Uint32Array(lists);
  for (let round = 0; round < ROUNDS; round++) {
    measure(centroids, dims, lists, halfSquares);
    sums.fill(0);
    sizes.fill(0);
    for (let first = 0; first < count; first += BLOCK) {
      const n = Math.min(BLOCK, count - first);
      const rows = heads.subarray(first * dims, (first + n) * dims);
      kernels.project({ rows, count: n, dim: dims, basis: centroids, width: lists, out: affinities });
      for (let r = 0; r < n; r++) {
        const best = nearest(affinities, r, halfSquares);
        sizes[best]!++;
        for (let i = 0; i < dims; i++) sums[best * dims + i]! += rows[r * dims + i]!;
      }
    }
    const order = Array.from(sizes.keys()).sort((a, b) => sizes[b]! - sizes[a]!);
    let donor = 0;
    for (let c = 0; c < lists; c++) {
      if (sizes[c]! > 0) {
        for (let i = 0; i < dims; i++) centroids[i * lists + c] = sums[c * dims + i]! / sizes[c]!;
        continue;
      }
      // An empty list takes its place beside a large one.
      const from = order[donor++ % order.length]!;
      for (let i = 0; i < dims; i++) {
        centroids[i * lists + c] = (sums[from * dims + i]! / Math.max(1, sizes[from]!)) * (1 + 1e-3 * ((i % 3) - 1));
      }
    }
  }
  measure(centroids, dims, lists, halfSquares);
  return { centroids, halfSquares };
}

function measure(centroids: Float32Array, dims: number, lists: number, halfSquares: Float64Array): void {
  halfSquares.fill(0);
  for (let i = 0; i < dims; i++) {
    for (let c = 0; c < lists; c++) halfSquares[c]! += centroids[i * lists + c]! ** 2 / 2;
  }
}

/** Centroids row by row, in half the bytes: which lists a query visits first does not need more. */
export function centroidRows(kernels: CodeKernels, centroids: Float32Array, dims: number, lists: number): Uint16Array {
  const rows = arrayIn(kernels, Uint16Array, lists * dims);
  for (let c = 0; c < lists; c++) {
    for (let i = 0; i < dims; i++) rows[c * dims + i] = toHalf(centroids[i * lists + c]!);
  }
  return rows;
}

/** The list of row r of `affinities` (y·c, a column a list): |y − c|² is least where y·c − |c|²/2 is most. */
export function nearest(affinities: Float64Array, r: number, halfSquares: Float64Array): number {
  const lists = halfSquares.length;
  let best = 0;
  let most = -Infinity;
  for (let c = 0; c < lists; c++) {
    const affinity = affinities[r * lists + c]! - halfSquares[c]!;
    if (affinity > most) {
      most = affinity;
      best = c;
    }
  }
  return best;
}
