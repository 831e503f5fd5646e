/** The coarse partition (IVF) of a segment: how many lists, and what a query is compared with. */
import { toHalf } from '../../core/half.js';
import type { CodeKernels } from '../../kernels/codes.js';
import { arrayIn } from './memory.js';
import type { Partition } from './segment.js';

/** Lists for n rows: none where one scan is short; about √n where it is not. */
export function listsFor(n: number): number {
  return n < 200_000 ? 0 : listsOver(n);
}

/** The same for rows that are not scanned whole, however few. */
export function listsOver(n: number): number {
  return Math.min(4096, 16 * Math.round((2 * Math.sqrt(n)) / 16));
}

/** The centroids alone, all that a build needs of a partition. */
export type ListCentroids = Pick<Partition, 'dims' | 'centroids' | 'halfSquares'>;

/** Sample rows that k-means wants for so many lists. */
export function sampleFor(lists: number): number {
  return 32 * lists;
}

/** Centroids row by row, in half the bytes: which lists a query visits first does not need more. */
export function centroidRows(kernels: CodeKernels, centroids: Float32Array, dims: number, lists: number): Uint16Array {
  const rows = arrayIn(kernels, Uint16Array, lists * dims);
  for (let c = 0; c < lists; c++) {
    for (let i = 0; i < dims; i++) rows[c * dims + i] = toHalf(centroids[i * lists + c]!);
  }
  return rows;
}
