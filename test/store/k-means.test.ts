/** ListCentroids of a partition: found through groups of them, against a look at every one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { getCodeKernels } from '#dist/kernels/codes-load.js';
import { kMeans, ListFinder } from '#dist/store/engine/k-means.js';
import type { ListCentroids } from '#dist/store/engine/partition.js';
import { Random, SEED } from '../random.js';

const DIMS = 24;
const kernels = getCodeKernels('js');

/** Rows around so many places. */
function clustered(count: number, places: number, random: Random): Float32Array {
  const middles = Array.from({ length: places }, () => random.vector(DIMS));
  const rows = new Float32Array(count * DIMS);
  for (let r = 0; r < count; r++) {
    const noise = random.vector(DIMS);
    for (let i = 0; i < DIMS; i++) rows[r * DIMS + i] = middles[r % places]![i]! + 0.4 * noise[i]!;
  }
  return rows;
}

function nearest({ centroids, halfSquares }: ListCentroids, row: Float32Array): number {
  let best = 0;
  let most = -Infinity;
  for (let c = 0; c < halfSquares.length; c++) {
    let affinity = -halfSquares[c]!;
    for (let i = 0; i < DIMS; i++) affinity += row[i]! * centroids[i * halfSquares.length + c]!;
    if (affinity > most) [best, most] = [c, affinity];
  }
  return best;
}

function share(rows: Float32Array, lists: ListCentroids): number {
  const count = rows.length / DIMS;
  const found = new Uint32Array(count);
  const finder = new ListFinder(kernels, lists);
  for (let from = 0; from < count; from += 240) {
    const n = Math.min(240, count - from);
    finder.find(rows.subarray(from * DIMS, (from + n) * DIMS), n, found, from);
  }
  let same = 0;
  for (let r = 0; r < count; r++) {
    if (found[r] === nearest(lists, rows.subarray(r * DIMS, (r + 1) * DIMS))) same++;
  }
  return same / count;
}

describe('k-means', () => {
  it('gives each row its nearest list, of few lists', () => {
    const rows = clustered(1500, 40, new Random(SEED));
    assert.equal(share(rows, kMeans(kernels, rows, DIMS, 50)), 1);
  });

  it('gives nearly all rows their nearest list, of many', () => {
    const rows = clustered(6000, 300, new Random(SEED + 1));
    const lists = kMeans(kernels, rows, DIMS, 700);
    assert.ok(share(rows, lists) > 0.9);
  });

  it('makes lists that are nearer to rows than rows are to each other', () => {
    const rows = clustered(3000, 30, new Random(SEED + 2));
    const { centroids, halfSquares } = kMeans(kernels, rows, DIMS, 30);
    const lists: ListCentroids = { dims: DIMS, centroids, halfSquares };
    let apart = 0;
    let within = 0;
    for (let r = 0; r < 1000; r++) {
      const row = rows.subarray(r * DIMS, (r + 1) * DIMS);
      const c = nearest(lists, row);
      for (let i = 0; i < DIMS; i++) {
        within += (row[i]! - centroids[i * halfSquares.length + c]!) ** 2;
        apart += (row[i]! - rows[((r * 7 + 1) % 3000) * DIMS + i]!) ** 2;
      }
    }
    assert.ok(within < 0.25 * apart, `${within} against ${apart}`);
  });

  it('fills every list, also of rows that are all the same', () => {
    const rows = new Float32Array(400 * DIMS).fill(1);
    const { centroids } = kMeans(kernels, rows, DIMS, 300);
    assert.ok(centroids.every(Number.isFinite));
  });
});
