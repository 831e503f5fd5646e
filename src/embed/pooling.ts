/** Token vectors as one, in float64; of no tokens, zeros. */
import type { Pooling } from './types.js';

/**
 * @param data token vectors, each of row.length values
 * @param from where the text's first token begins
 * @param count its tokens, padding left out
 * @param row the result
 */
export function pool(pooling: Pooling, data: ArrayLike<number>, from: number, count: number, row: Float64Array): void {
  const width = row.length;
  if (count <= 0) {
    row.fill(0);
    return;
  }
  if (pooling !== 'mean') {
    const base = from + (pooling === 'last' ? count - 1 : 0) * width;
    for (let d = 0; d < width; d++) row[d] = data[base + d]!;
    return;
  }
  row.fill(0);
  for (let t = 0; t < count; t++) {
    const base = from + t * width;
    for (let d = 0; d < width; d++) row[d]! += data[base + d]!;
  }
  for (let d = 0; d < width; d++) row[d]! /= count;
}
