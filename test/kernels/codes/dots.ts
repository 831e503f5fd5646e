/** Dot products: random calls, and the oracle. */
import type { BitDotsTask, HeadDotsTask, RowDotsTask } from '#dist/kernels/codes.js';
import { BIT_QUERY_MAX, HEAD_QUERY_MAX } from '#dist/kernels/codes.js';
import type { Random } from '../../random.js';
import {
  bitOf,
  blocksOf,
  bytes,
  DIMS,
  each,
  headByte,
  type KernelTests,
  LONG_HEAD_DIMS,
  sum,
  UNSET,
} from './common.js';

export const dots = {
  headDots: { random: randomHeadDots, oracle: headDotsOracle },
  bitDots: { random: randomBitDots, oracle: bitDotsOracle },
  rowDots: { random: randomRowDots, oracle: rowDotsOracle },
} satisfies KernelTests;

const LONG_BIT_DIMS = [256, 384, 768, 1000, 4088, 4096, 4104, 8192, 12_304];
const LONG_ROW_DIMS = [256, 264, 376, 768, 1000, 1024, 2040, 2048];

function randomHeadDots(random: Random): HeadDotsTask {
  const dims = random.chance(0.05) ? random.pick(LONG_HEAD_DIMS) : random.pick(DIMS);
  const there = random.int(1, 7);
  const plane = bytes(random, there * dims * 8);
  const blocks = blocksOf(random, there, random.int(0, there + 2));
  const queries = random.chance(0.5) ? 1 : random.int(0, 5);
  const query = new Int16Array(queries * dims);
  for (let t = 0; t < queries; t++) query.set(queryOf(random, dims, HEAD_QUERY_MAX), t * dims);
  const dots = new Int32Array(queries * blocks.length * 16).fill(UNSET);
  return { plane, dims, blocks, count: blocks.length, query, queries, dots };
}

function headDotsOracle(task: HeadDotsTask): void {
  const { plane, dims, blocks, count, query, queries, dots } = task;
  each(queries, count, 16, (t, b, r) => {
    const row = 16 * blocks[b]! + r;
    dots[16 * (t * count + b) + r] = sum(dims, (i) => query[t * dims + i]! * headCode(plane, dims, row, i));
  });
}

function randomBitDots(random: Random): BitDotsTask {
  const dims = random.chance(0.1) ? random.pick(LONG_BIT_DIMS) : random.pick(DIMS);
  const there = random.int(1, 5);
  const plane = bytes(random, there * dims * 2);
  const blocks = blocksOf(random, there, random.int(0, there + 2));
  const query = queryOf(random, dims, BIT_QUERY_MAX);
  return { plane, dims, blocks, count: blocks.length, query, dots: new Int32Array(16 * blocks.length).fill(UNSET) };
}

function bitDotsOracle(task: BitDotsTask): void {
  const { plane, dims, blocks, count, query, dots } = task;
  each(count, 16, 1, (b, r) => {
    dots[16 * b + r] = sum(dims, (i) => query[i]! * bitOf(plane, dims, 16 * blocks[b]! + r, i));
  });
}

function randomRowDots(random: Random): RowDotsTask {
  const bits = random.pick([4, 8] as const);
  const dims = random.chance(0.1) ? random.pick(LONG_ROW_DIMS) : random.pick(DIMS);
  const least = bits === 4 ? dims / 2 : dims;
  const stride = least + (random.chance(0.3) ? random.int(1, 70) : 0);
  const there = random.int(1, 12);
  // The last row may end with its dims.
  const plane = bytes(random, (there - 1) * stride + least);
  if (bits === 8) for (let i = 0; i < plane.length; i++) if (plane[i] === 128) plane[i] = 129;
  const rows = Uint32Array.from({ length: random.int(0, 20) }, () => random.int(0, there - 1));
  const most = bits === 4 ? 32_767 : Math.min(32_767, Math.floor(2 ** 31 / (dims * 127)) - 1);
  const query = queryOf(random, dims, most);
  return { plane, bits, stride, dims, rows, count: rows.length, query, dots: new Int32Array(rows.length).fill(UNSET) };
}

function rowDotsOracle(task: RowDotsTask): void {
  const { plane, bits, stride, dims, rows, count, query, dots } = task;
  for (let k = 0; k < count; k++) {
    const row = plane.subarray(rows[k]! * stride);
    const signed = new Int8Array(row.buffer, row.byteOffset);
    dots[k] = sum(dims, (i) => query[i]! * (bits === 8 ? signed[i]! : nibbleOfGroup(row, i, 4)));
  }
}

function queryOf(random: Random, dims: number, most: number): Int16Array {
  const family = random.next();
  const small = random.pick([1, 63, 64, 127, 128, 129, 255, 256, 1927, 1928, 4095, 4096].filter((max) => max <= most));
  return Int16Array.from({ length: dims }, (_, i) => {
    if (family < 0.15) return most; // sums as large as they get
    if (family < 0.25) return -most;
    if (family < 0.35) return i % 2 === 0 ? most : -most;
    if (family < 0.45) return random.chance(0.1) ? random.pick([small, -small]) : 0;
    if (family < 0.6) return random.pick([small, -small]);
    if (family < 0.8) return random.int(-small, small);
    return random.int(-most, most);
  });
}

function headCode(plane: Uint8Array, dims: number, row: number, dim: number): number {
  const byte = plane[headByte(dims, row, dim)]!;
  return dim % 8 < 4 ? byte % 16 : Math.floor(byte / 16);
}

/** Dim of a row whose groups of eight dims follow each other, `bytes` each. */
function nibbleOfGroup(row: Uint8Array, dim: number, bytes: number): number {
  const byte = row[bytes * Math.floor(dim / 8) + (dim % 4)]!;
  return dim % 8 < 4 ? byte % 16 : Math.floor(byte / 16);
}
