/** Rows as a build reads them: those of an image, and zeros where there is no record. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { halfToFloat } from '#dist/core/half.js';
import { codesReference } from '#dist/kernels/codes-reference.js';
import type { RowImage } from '#dist/store/files/row-image.js';
import { RowImages } from '#dist/store/files/row-images.js';
import { range } from '../applications/model.js';

const DIM = 4;
const STRIDE = 4 * DIM + 4;

/** Each value of a row is its ordinal. */
function imageOf(ordinals: readonly number[], isDense: boolean): RowImage {
  const records = new Uint8Array(STRIDE * ordinals.length);
  const values = new Float32Array(records.buffer);
  for (const [slot, ordinal] of ordinals.entries()) {
    values.fill(ordinal, (slot * STRIDE) / 4, (slot * STRIDE) / 4 + DIM);
  }
  return {
    path: 'rows',
    fd: -1,
    headerBytes: 0,
    stride: STRIDE,
    firstOrdinal: ordinals[0]!,
    lastOrdinal: ordinals.at(-1)!,
    count: ordinals.length,
    ordinals: isDense ? undefined : Uint32Array.from(ordinals),
    records,
  };
}

const dense = imageOf(range(10, 20), true);
const sparse = imageOf([20, 22, 23, 29], false);
const all = new RowImages(codesReference, [dense, sparse], DIM, false);
const there = new Set([...range(10, 20), 20, 22, 23, 29]);

describe('rows of consecutive ordinals', () => {
  for (const [first, n] of [
    [10, 10],
    [12, 3],
    [8, 4],
    [18, 4],
    [20, 10],
    [5, 30],
    [21, 1],
    [40, 2],
  ] as const) {
    it(`${n} from ${first} on, whatever was in the array before`, () => {
      const out = new Float32Array(n * DIM + DIM).fill(7);
      all.read(first, n, out, halfToFloat);
      const rows = range(first, first + n).flatMap((ordinal) => Array(DIM).fill(there.has(ordinal) ? ordinal : 0));
      assert.deepEqual([...out], [...rows, ...Array(DIM).fill(7)]);
    });
  }
});
