/**
 * The kernels of the contract in src/kernels/codes.ts, on WebAssembly's 128-bit vectors: a module of its own, since it
 * works in place on a memory that threads share. Each thread has its instance; nothing lies in the memory that an
 * instance could call its own, and src/kernels/codes-wasm.ts passes scratch, 16-byte aligned. As much as a function says
 * may be read behind its inputs, and nothing is written behind an output.
 */
import { clearLanes, LANES_BYTES } from './lanes';
import { addLength, keysOf, passBytes } from './passes';
import { widenFloats } from './widen';

export { bitDots } from './bit-dots';
export { sift, survivors } from './bounds';
export { ENCODE_SCRATCH as encodeScratch, encodeBits, encodeHead, encodeRows } from './encode';
export { gatherBits } from './gather-bits';
export { headDots } from './head-dots';
export { nearest, project, projectScratch } from './project';
export { rowDots, rowDotsScratch } from './row-dots';
export { topDots, topDotsScratch } from './top-dots';

/** Where the allocator may begin. */
export const heapBase: usize = __heap_base;

/** Scratch of prepareQuery. */
export const prepareScratch: usize = LANES_BYTES;

/** Writes the query's float64 copy (room for one value more); returns its length. May read 4 bytes behind the query. */
export function prepareQuery(query: usize, dim: usize, prepared: usize, scratch: usize): f64 {
  widenFloats(query, prepared, dim);
  clearLanes(scratch);
  return addLength(query, scratch, 0, dim);
}

/** Scratch of keys. */
export function keysScratch(half: bool, dim: usize): usize {
  return passBytes(half, dim);
}

/** Keys of n rows over all their dims, and room for one key more. Reads up to 14 bytes behind the rows. */
export function keys(
  metric: u32,
  prepared: usize,
  length: f64,
  rows: usize,
  half: bool,
  dim: usize,
  n: usize,
  keys: usize,
  scratch: usize,
): void {
  keysOf(metric, prepared, length, rows, half, dim, 0, n, 0, dim, keys, scratch);
}
