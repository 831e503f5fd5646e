/** Which lists of a partition mode 'funnel' visits: as many as find the nearest, and as hold the rows that were asked for. */
import { log2Of } from '../../core/exact-math.js';
import { BLOCK_ROWS, type CodeKernels, HEAD_QUERY_MAX } from '../../kernels/codes.js';
import type { Scratch } from './memory.js';
import { identity } from './prepared.js';
import type { Partition } from './segment.js';
import type { RowMasks } from './types.js';

/** How many lists a search visits at least, and when it has enough. */
export interface VisitGoal {
  /** Under a filter, as many blocks with rows of it as these lists have in all; 0: no filter. */
  readonly room: number;
  /** Lists. */
  readonly least: number;
  /** Rows that take part, at least; 0: however few. */
  readonly rows: number;
}

/** An eighth of the lists finds so many of all rows. */
const NEAREST = 10;

/**
 * Lists that find the k nearest of the rows that take part. More rows, or those of a filter, reach farther, into more lists:
 * so many times more for the same recall. Fitted to a million rows: with half of them .989 of the ten nearest were found at
 * 1, .995 at 1.5; with a tenth .976 at 1, .990 at 2.7. And to 250,000: .979 of ten were found at 1, of 100 .932 at 1 and .990
 * at 2.7, of 1,000 .818 and .986 at 4.3, of 10,000 .587 and .988 at 6.
 */
export function probesFor(lists: number, k: number, only?: RowMasks): number {
  const share = only === undefined ? 1 : Math.max(1, only.of / Math.max(1, only.rows));
  const spread = 1 + log2Of(Math.max(1, k / NEAREST) * share) / 2;
  return Math.min(lists, Math.round(Math.max(8, Math.ceil(lists / 8)) * spread));
}

/** Lists beyond those that are visited anyway: their masks are made so many at a time. */
const LISTS_AT_ONCE = 32;

/**
 * How many lists, in this order, are `least`, hold the rows asked for, and have as many blocks with rows of a filter as the
 * first `room` have in all. Undefined: all of these are not enough.
 *
 * @param mask rows that take part
 * @param make makes the mask of lists
 */
export function listsWithin(
  { offsets }: Partition,
  mask: Uint16Array,
  order: Uint32Array,
  { room, least, rows }: VisitGoal,
  make?: (lists: Uint32Array) => void,
): number | undefined {
  let blocks = 0;
  let found = 0;
  let passing = 0;
  let made = 0;
  for (let i = 0; i < order.length; i++) {
    const list = order[i]!;
    if (make !== undefined && i === made) {
      made += i === 0 ? Math.max(1, least) : LISTS_AT_ONCE;
      make(order.subarray(i, made));
    }
    const from = offsets[list]!;
    const to = offsets[list + 1]!;
    if (passing < rows) passing += rowsBetween(mask, from, to);
    // A block of two lists counts twice, here and there.
    if (room > 0) {
      for (let block = from >> 4; from < to && block << 4 < to; block++) {
        if (i < room) blocks++;
        if (mask[block] !== 0) found++;
      }
    }
    if (i + 1 >= least && found >= blocks && passing >= rows) return i + 1;
  }
  return undefined;
}

/**
 * The blocks of ascending lists, ascending. Returns how many.
 *
 * @param mask blocks without a row of it are left out
 */
export function blocksWithin({ offsets }: Partition, lists: Uint32Array, out: Uint32Array, mask?: Uint16Array): number {
  let count = 0;
  let next = 0; // neighbouring lists may share a block
  for (const list of lists) {
    const to = offsets[list + 1]!;
    if (offsets[list]! === to) continue;
    let block = Math.max(next, offsets[list]! >> 4);
    for (; block << 4 < to; block++) if (mask === undefined || mask[block] !== 0) out[count++] = block;
    next = block;
  }
  return count;
}

/** How many bits of rows [from, to) a mask has. */
export function rowsBetween(mask: Uint16Array, from: number, to: number): number {
  let rows = 0;
  for (let block = from >> 4; from < to && block << 4 < to; block++) {
    let bits = mask[block]!;
    const first = from - block * BLOCK_ROWS;
    const behind = to - block * BLOCK_ROWS;
    if (first > 0) bits &= -1 << first;
    if (behind < BLOCK_ROWS) bits &= (1 << behind) - 1;
    rows += ONES[bits]!;
  }
  return rows;
}

/** How many bits a block's mask has. */
export function onesIn(mask: number): number {
  return ONES[mask]!;
}

/** For every 16-bit number, how many of its bits are set. */
const ONES = new Uint8Array(65_536);
for (let bits = 1; bits < ONES.length; bits++) ONES[bits] = ONES[bits >> 1]! + (bits & 1);

/** How near each list is to the query; −∞ of those without a row, which would take the places of others. */
export function affinitiesOf(
  codes: CodeKernels,
  scratch: Scratch,
  { dims, codes: { plane, step }, halfSquares, offsets }: Partition,
  u: Float64Array,
): Float64Array {
  const lists = halfSquares.length;
  let largest = 0;
  for (let i = 0; i < dims; i++) largest = Math.max(largest, Math.abs(u[i]!));
  const scale = largest / Math.min(HEAD_QUERY_MAX, Math.floor((2 ** 31 - 1) / (128 * dims))) || 1;
  const query = scratch.take('affinity query', Int16Array, dims);
  for (let i = 0; i < dims; i++) query[i] = Math.round(u[i]! / scale);
  const count = 2 * lists;
  const dots = scratch.take('affinity dots', Int32Array, count);
  codes.rowDots({ plane, bits: 8, stride: dims, dims, rows: identity(scratch, count), count, query, dots });
  const keys = scratch.take('affinities', Float64Array, lists).subarray(0, lists);
  const unit = step * scale;
  for (let c = 0; c < lists; c++) {
    const affinity = (256 * dots[2 * c]! + dots[2 * c + 1]!) * unit - halfSquares[c]!;
    keys[c] = offsets[c] === offsets[c + 1] ? -Infinity : affinity;
  }
  return keys;
}
