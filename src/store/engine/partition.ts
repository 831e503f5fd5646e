/** The coarse partition (IVF) of a segment: how many lists, and what a query is compared with. */
import { log2Of } from '../../core/exact-math.js';
import type { CodeKernels } from '../../kernels/codes.js';
import { MOST_STEPS } from './basis.js';
import { arrayIn } from './memory.js';
import type { CentroidCodes, Partition } from './segment.js';

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

/** Whole numbers are compared with a query in an eighth of the time of floats. */
export function centroidCodes(
  kernels: CodeKernels,
  centroids: Float32Array,
  dims: number,
  lists: number,
): CentroidCodes {
  let largest = 0;
  for (let i = 0; i < centroids.length; i++) largest = Math.max(largest, Math.abs(centroids[i]!));
  const step = largest > 0 && Number.isFinite(largest) ? 2 ** Math.ceil(log2Of(largest / MOST_STEPS)) : 1;
  const plane = arrayIn(kernels, Uint8Array, 2 * lists * dims);
  for (let c = 0; c < lists; c++) {
    for (let i = 0; i < dims; i++) {
      const steps = Math.round(centroids[i * lists + c]! / step);
      const low = (steps << 24) >> 24;
      plane[2 * c * dims + i] = (steps - low) >> 8;
      plane[(2 * c + 1) * dims + i] = low;
    }
  }
  return { plane, step };
}

/** As queries see them: `dims × lists`, dim-major. */
export function decodedCentroids({ plane, step }: CentroidCodes, dims: number, lists: number): Float32Array {
  const bytes = new Int8Array(plane.buffer, plane.byteOffset, 2 * lists * dims);
  const centroids = new Float32Array(dims * lists);
  for (let c = 0; c < lists; c++) {
    const high = 2 * c * dims;
    for (let i = 0; i < dims; i++) centroids[i * lists + c] = (256 * bytes[high + i]! + bytes[high + dims + i]!) * step;
  }
  return centroids;
}
