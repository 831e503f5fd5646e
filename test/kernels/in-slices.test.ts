/** Kernels in slices on the calling thread: the bits of one call, and turns for others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInSlices } from '#dist/kernels/in-slices.js';
import type { FunnelTask, Metric, Rows, ScanTask } from '#dist/kernels/kernels.js';
import { reference } from '#dist/kernels/reference.js';
import { createWasmKernels } from '#dist/kernels/wasm.js';

const DIM = 96;
/** So many rows that each of two stages is more than one slice. */
const COUNT = 9000;

function numbers(length: number, seed: number): Float32Array {
  let state = seed;
  return new Float32Array(length).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const ROWS = numbers(COUNT * DIM, 1);
const HALVES = new Uint16Array(COUNT * DIM).map((_, i) => (i * 31) & 0x3bff);

function funnelTask(rows: Rows, metric: Metric, scales: number[], keep: number[]): FunnelTask {
  const k = keep.at(-1)!;
  return {
    metric,
    query: numbers(DIM, 2),
    rows,
    dim: DIM,
    scales: Uint32Array.from(scales),
    keep: Uint32Array.from(keep),
    indices: new Uint32Array(k + 3),
    keys: new Float64Array(k + 3),
  };
}

const PLANS: [number[], number[]][] = [
  [[96], [10]],
  [
    [8, 96],
    [6000, 10],
  ],
  [
    [8, 32, 96],
    [COUNT, 5000, 10],
  ],
  [
    [8, 32, 64],
    [COUNT, COUNT, 20],
  ],
  [
    [8, 32, 96],
    [7000, 6000, 5999],
  ],
];

describe('kernels in slices', () => {
  for (const kernels of [reference, createWasmKernels()]) {
    it(`have the bits of one call, on ${kernels.name}`, async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        for (const [scales, keep] of PLANS) {
          for (const rows of [ROWS, HALVES]) {
            const whole = funnelTask(rows, metric, scales, keep);
            const sliced = funnelTask(rows, metric, scales, keep);
            assert.equal(kernels.funnel(whole), -1);
            assert.deepEqual(await runInSlices(kernels, [sliced]), [-1]);
            assert.deepEqual(sliced.indices, whole.indices);
            assert.deepEqual(sliced.keys, whole.keys);
          }
        }
        const scan = (): ScanTask => {
          const { scales, keep, ...task } = funnelTask(ROWS, metric, [1], [1]);
          return { ...task, to: 40, indices: new Uint32Array(7), keys: new Float64Array(7) };
        };
        const whole = scan();
        const sliced = scan();
        assert.equal(kernels.scan(whole), -1);
        assert.deepEqual(await runInSlices(kernels, [sliced]), [-1]);
        assert.deepEqual([sliced.indices, sliced.keys], [whole.indices, whole.keys]);
      }
    });

    it(`name the place of a value that is not finite, on ${kernels.name}`, async () => {
      for (const [row, dim] of [
        [0, 0],
        [COUNT - 1, DIM - 1],
        [4000, 50],
        [8999, 3],
      ] as const) {
        const rows = ROWS.slice();
        rows[row * DIM + dim] = Number.NaN;
        for (const [scales, keep] of PLANS) {
          const whole = kernels.funnel(funnelTask(rows, 'cosine', scales, keep));
          assert.equal(whole, row * DIM + dim);
          assert.deepEqual(await runInSlices(kernels, [funnelTask(rows, 'cosine', scales, keep)]), [whole]);
        }
      }
    });
  }

  it('give others their turns', async () => {
    const rows = new Float32Array(60_000 * DIM).fill(0.5);
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await runInSlices(reference, [funnelTask(rows, 'cosine', [48, 96], [30_000, 10])]);
    running = false;
    assert.ok(turns >= 3, `${turns} turns`);
  });
});
