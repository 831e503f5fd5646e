/** Keys of listed rows: random calls, and the oracle. */
import type { ScoresAtTask } from '#dist/kernels/codes.js';
import { METRICS } from '#dist/kernels/kernels.js';
import type { Random } from '../../random.js';
import { runOracle } from '../oracle.js';
import { floats, type KernelTests, UNSET } from './common.js';

export const scores = {
  scoresAt: { random: randomScoresAt, oracle: scoresAtOracle },
} satisfies KernelTests;

function randomScoresAt(random: Random): ScoresAtTask {
  const dim = random.chance(0.05) ? random.int(100, 800) : random.int(1, 40);
  const half = random.chance(0.4);
  const chunkRows = 2 ** random.int(0, 4);
  const there = random.int(1, 40);
  const stride = dim + (random.chance(0.5) ? 0 : random.int(1, 9));
  const chunks = Array.from({ length: Math.ceil(there / chunkRows) }, (_, c) => {
    // The last row may end with its dims; what lies between two rows must not be read as one.
    const length = Math.min(chunkRows, there - c * chunkRows) * stride - random.pick([0, stride - dim]);
    if (!half) return floats(random, length);
    return Uint16Array.from({ length }, () => random.int(0, 0x7bff) | random.pick([0, 0x8000]));
  });
  const rows = Uint32Array.from({ length: random.pick([0, 1, 2, random.int(1, 90)]) }, () => random.int(0, there - 1));
  return {
    metric: random.pick(METRICS),
    query: random.chance(0.05) ? new Float32Array(dim) : floats(random, dim),
    chunks,
    chunkRows,
    stride,
    dim,
    rows,
    count: rows.length,
    keys: new Float64Array(rows.length).fill(UNSET),
  };
}

function scoresAtOracle({ metric, query, chunks, chunkRows, stride, dim, rows, count, keys }: ScoresAtTask): void {
  for (let k = 0; k < count; k++) {
    const chunk = chunks[Math.floor(rows[k]! / chunkRows)]!;
    const start = (rows[k]! % chunkRows) * stride;
    const task = { metric, query, rows: chunk.slice(start, start + dim), dim, from: 0, to: dim };
    const one = new Float64Array(1);
    runOracle({ kernel: 'scores', task: { ...task, keys: one } });
    keys[k] = one[0]!;
  }
}
