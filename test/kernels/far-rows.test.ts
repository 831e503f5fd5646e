/** Rows that come from memory are checked in another order than those in the cache: the answers and the errors are the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listKernels, useKernels } from '#dist/kernels/load.js';
import { Random, SEED } from '../random.js';

const [COUNT, DIM] = [100, 768];
/** Pools of 300 kB: 60 of them are more than a core has caches for, so that most are not there when their turn comes. */
const POOLS = 60;
const random = new Random(SEED);

const half = (value: number) => {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >>> 23) & 255) - 112;
  const sign = (bits >>> 16) & 0x8000;
  return exponent <= 0 ? sign : sign | (Math.min(exponent, 30) << 10) | ((bits >>> 13) & 0x3ff);
};

const STEP = 64;
const values = random.vector(COUNT * DIM + POOLS * STEP);
const halves = Uint16Array.from(values, half);

function pool(p: number, isHalf: boolean): Float32Array | Uint16Array {
  return (isHalf ? halves : values).slice(p * STEP, p * STEP + COUNT * DIM);
}

describe('rows that come from memory', () => {
  for (const { name, supported } of listKernels()) {
    if (!supported || name === 'js') continue;
    for (const isHalf of [false, true]) {
      it(`are ranked and refused as rows in the cache are (${name}, float${isHalf ? 16 : 32})`, () => {
        const kernels = useKernels(name);
        const pools = Array.from({ length: POOLS }, (_, p) => pool(p, isHalf));
        const places = pools.map((rows, p) => {
          if (p % 3 === 0) return -1;
          // Among dims that few rows are read in, in one row or in several.
          const at = random.int(0, COUNT - 1) * DIM + random.int(256, DIM - 1);
          rows[at] = isHalf ? 0x7c00 : [Number.NaN, Infinity, -Infinity][p % 3]!;
          if (p % 2 === 0) rows[rows.length - 1] = isHalf ? 0x7e00 : Number.NaN;
          return at;
        });
        const query = random.vector(DIM);
        const run = (rows: Float32Array | Uint16Array) => {
          const indices = new Uint32Array(10);
          const keys = new Float64Array(10);
          const scales = Uint32Array.of(256, 512, DIM);
          const keep = Uint32Array.of(50, 25, 10);
          const bad = kernels.funnel({ metric: 'cosine', query, rows, dim: DIM, scales, keep, indices, keys });
          return { bad, indices, keys };
        };
        const first = pools.map(run);
        for (const [p, rows] of pools.entries()) {
          assert.equal(first[p]!.bad, places[p], `pool ${p}`);
          run(rows);
          assert.deepEqual(run(rows).bad, first[p]!.bad, `pool ${p}, again`); // now it is there
          if (places[p] === -1) assert.deepEqual(run(rows), first[p]);
        }
      });
    }
  }
});
