/** Kernel calls that are large enough to be shared. */
import { createHash } from 'node:crypto';
import { BLOCK_ROWS, type CodeKernels, HEAD_QUERY_MAX } from '#dist/kernels/codes.js';
import { arrayIn } from '#dist/store/engine/memory.js';
import { Random, SEED } from '../random.js';

const ROWS = 20_011;
const DIMS = 72;
const BLOCKS = Math.ceil(ROWS / BLOCK_ROWS);

/** Checksums of what the kernels answer. */
export function answers(kernels: CodeKernels): string[] {
  const random = new Random(SEED);
  const bytes = (n: number) => {
    const array = arrayIn(kernels, Uint8Array, n);
    let state = 12_345;
    for (let i = 0; i < n; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      array[i] = state >>> 24;
    }
    return array;
  };
  const plane = bytes((BLOCKS * BLOCK_ROWS * DIMS) / 2);
  const rowPlane = bytes(ROWS * DIMS);
  const blocks = arrayIn(kernels, Uint32Array, BLOCKS);
  const mask = arrayIn(kernels, Uint16Array, BLOCKS);
  for (let b = 0; b < BLOCKS; b++) [blocks[b], mask[b]] = [b, b % 3 === 0 ? 0xa5f3 : 0xffff];
  const queries = 3;
  const query = arrayIn(kernels, Int16Array, DIMS * queries);
  for (let i = 0; i < query.length; i++) query[i] = random.int(-HEAD_QUERY_MAX, HEAD_QUERY_MAX);
  const dots = arrayIn(kernels, Int32Array, BLOCKS * BLOCK_ROWS * queries);
  const rows = arrayIn(kernels, Uint32Array, BLOCKS * BLOCK_ROWS);
  const kept = arrayIn(kernels, Int32Array, BLOCKS * BLOCK_ROWS);
  const keys = arrayIn(kernels, Float64Array, ROWS);
  const matrix = new Float32Array(ROWS * 8).map(() => random.int(-100, 100) / 7);
  const found: string[] = [];
  const note = (array: ArrayBufferView) =>
    found.push(
      createHash('sha1')
        .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice())
        .digest('hex'),
    );
  kernels.headDots({ plane, dims: DIMS, blocks, count: BLOCKS, query, queries, dots });
  note(dots);
  const error = rowPlane.subarray(0, BLOCKS * BLOCK_ROWS);
  const bound = { metric: 'cosine' as const, error, errorScale: 1, tail: error, tailScale: 1, constant: 0 };
  const norms = new Float32Array(0);
  const limits = { norms, twoQuery: 0, threshold: 0 };
  const kept64 = arrayIn(kernels, Float64Array, BLOCKS * BLOCK_ROWS);
  const visit = { dots, scale: 0.001, blocks, count: BLOCKS, mask };
  const n = kernels.pruneVisit({ ...visit, bound: { ...bound, ...limits }, rows, kept, estimates: kept64 });
  found.push(String(n));
  note(rows.subarray(0, n));
  note(kept.subarray(0, n));
  note(kept64.subarray(0, n));
  const estimates = arrayIn(kernels, Float64Array, n);
  for (let i = 0; i < n; i++) estimates[i] = kept[i]! / 900;
  const left = kernels.pruneRows({
    rows,
    count: n,
    estimates,
    dots: kept,
    scale: 0.0007,
    bound: { ...bound, ...limits, threshold: 700 },
  });
  found.push(String(left));
  note(rows.subarray(0, left));
  note(estimates.subarray(0, left));
  for (let r = 0; r < ROWS; r++) rows[r] = (r * 7) % ROWS;
  for (const bits of [4, 8] as const) {
    const stride = (DIMS * bits) / 8;
    kernels.rowDots({ plane: rowPlane, bits, stride, dims: DIMS, rows, count: ROWS, query, dots: kept });
    note(kept.subarray(0, ROWS));
  }
  for (const first of [rows, rows.map((_, r) => r % ROWS)]) {
    const vector = Float32Array.from({ length: 8 }, (_, j) => j - 3.5);
    const at = { chunks: [matrix], chunkRows: 2 ** 31, stride: 8, dim: 8, rows: first, count: ROWS, keys };
    kernels.scoresAt({ metric: 'euclid', query: vector, ...at });
    note(keys);
  }
  return found;
}
