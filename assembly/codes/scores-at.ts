// The parts of scoresAt: a query is prepared once, and keys come for rows that TypeScript has gathered.
import { clearLanes, LANES_BYTES } from '../lanes';
import { addLength, keysOf, passBytes, prepare } from '../passes';

/** Where the allocator may begin. */
export const heapBase: usize = __heap_base;

/** Scratch of prepareQuery. */
export const prepareScratch: usize = LANES_BYTES;

/** Writes the query's float64 copy for such rows (room for one value more); returns its length. May read 4 bytes behind the query. */
export function prepareQuery(metric: u32, half: bool, query: usize, dim: usize, prepared: usize, scratch: usize): f64 {
  prepare(metric, half, query, dim, prepared);
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
