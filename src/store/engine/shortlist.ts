/** The rows that a shortlist plane (shortlist-plane.ts) puts first for a query, and estimates that choose between listed rows. */
import { BIT_QUERY_MAX, BLOCK_ROWS, type CodeKernels, HEAD_QUERY_MAX } from '../../kernels/codes.js';
import type { Kernels, Metric } from '../../kernels/kernels.js';
import { codedMetric, type SeenQuery, seenQuery, squareOf } from './centre.js';
import type { Scratch } from './memory.js';
import { type HeadQuerySide, headQuerySide, type Rotated } from './prepared.js';
import type { Segment } from './segment.js';
import { type ShortlistCoding, shortlistMetric } from './shortlist-plane.js';
import { FINE, FULL, LEVEL, stageDots } from './stages.js';

export interface Visit {
  blocks: Uint32Array;
  count: number;
}

export interface ShortlistQuery {
  readonly vector: Float32Array;
  readonly norm: number;
  /** The same as the codes see it. */
  readonly seen: SeenQuery;
  /** Rotated dims of the unit query; only kind 'int8' reads them. */
  readonly u: Float64Array;
}

/** The rows that a head plane puts first, and what more codes are to be added to. */
export interface ByHead {
  readonly found: number;
  /** Dot products of their head codes. */
  readonly best: Int32Array;
  readonly part: HeadQuerySide;
  readonly metric: Metric;
  readonly twoQuery: number;
}

const MOST_DOT = 2 ** 31 - 1;

interface Part {
  /** ⟨query, row⟩, both of length 1, is about dot · scale + constant. */
  readonly scale: number;
  readonly constant: number;
  /** Length of the part of the query that is compared with rows. */
  readonly norm: number;
  /** Kind 'prefix': a constant that dot products have besides, and the squared distance of the query from a prefix of zeros. */
  readonly offset: number;
  readonly zeroSquare: number;
}

/** @param rows out: the best, at most k; returns how many */
export function shortlistRows(
  kernels: Kernels,
  codes: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  query: ShortlistQuery,
  visit: Visit,
  mask: Uint16Array,
  k: number,
  rows: Uint32Array,
): number {
  const coding = segment.coding.shortlist!;
  const { plane, norms, largestNorm, zeros } = segment.shortlist!;
  const { kind, dims } = coding;
  const coded = scratch.take('shortlist query', Int16Array, 2 * dims);
  const { metric } = segment.coding;
  const part = prepare(coding, metric, query, coded);
  const dots = scratch.take('shortlist dots', Int32Array, visit.count * BLOCK_ROWS);
  if (kind === 'binary') codes.bitDots({ plane, dims, ...visit, query: coded, dots });
  else codes.headDots({ plane, dims: 2 * dims, ...visit, query: coded, queries: 1, dots });

  const own = kind === 'prefix';
  const by = own ? shortlistMetric(coding, metric) : codedMetric(metric, segment.coding.mean);
  if (by === 'cosine') {
    const zero = Math.min(MOST_DOT, Math.max(-MOST_DOT, Math.round(-part.constant / part.scale)));
    for (const row of zeros) {
      const at = placeOf(visit, row >> 4);
      if (at >= 0) dots[at * BLOCK_ROWS + (row & 15)] = zero;
    }
    return codes.topDots({ dots, ...visit, mask, k, rows, best: scratch.take('best dots', Int32Array, k) });
  }

  const lengths = own ? norms : segment.norms;
  const unit = (own ? largestNorm : segment.largestNorm) || 1;
  const twoQuery = (2 * part.norm) / unit;
  const best = scratch.take('best dots', Int32Array, k);
  const keys = { metric: by, lengths, twoQuery, ...part };
  if (!own || coding.mean === null || zeros.length === 0) {
    return topByKey(kernels, scratch, keys, visit, mask, dots, k, rows, best);
  }
  const key = by === 'dot' ? -part.offset / (part.norm * unit || 1) : (part.norm ** 2 - part.zeroSquare) / unit ** 2;
  return topByKey(kernels, scratch, keys, visit, mask, dots, k, rows, best, { rows: zeros, key });
}

/** How dot products of codes and lengths of rows make keys. */
export interface Keys {
  readonly metric: Metric;
  readonly lengths: Float32Array;
  readonly twoQuery: number;
  readonly scale: number;
  readonly constant: number;
}

/**
 * As topDots, for keys that lengths have a part in.
 *
 * @param chosen out: the dot products of the rows found
 * @param fixed rows whose key is known; the visit is ascending then
 */
export function topByKey(
  kernels: Kernels,
  scratch: Scratch,
  { metric, lengths, twoQuery, scale, constant }: Keys,
  visit: Visit,
  mask: Uint16Array,
  dots: Int32Array,
  k: number,
  rows: Uint32Array,
  chosen: Int32Array,
  fixed?: { rows: Uint32Array; key: number },
): number {
  const n = visit.count * BLOCK_ROWS;
  const keys = scratch.take('shortlist keys', Float64Array, n).subarray(0, n);
  for (let b = 0, v = 0; b < visit.count; b++) {
    const block = visit.blocks[b]!;
    const open = mask[block]!;
    for (let r = 0; r < BLOCK_ROWS; r++, v++) {
      const length = lengths[block * BLOCK_ROWS + r]!;
      keys[v] = (open >> r) & 1 ? keyOf(metric, length, twoQuery, dots[v]! * scale + constant) : -Infinity;
    }
  }
  for (const row of fixed?.rows ?? []) {
    const at = placeOf(visit, row >> 4);
    if (at >= 0 && (mask[row >> 4]! >> (row & 15)) & 1) keys[at * BLOCK_ROWS + (row & 15)] = fixed!.key;
  }
  const places = scratch.take('shortlist places', Uint32Array, k).subarray(0, k);
  const best = scratch.take('shortlist best', Float64Array, k).subarray(0, k);
  let found = kernels.topK(keys, places, best);
  while (found > 0 && best[found - 1] === -Infinity) found--;
  for (let i = 0; i < found; i++) {
    rows[i] = visit.blocks[places[i]! >> 4]! * BLOCK_ROWS + (places[i]! & 15);
    chosen[i] = dots[places[i]!]!;
  }
  return found;
}

/** The key that orders rows: the cosine, or, with lengths in one unit, ∝ the dot product or ∝ |q|² − distance². */
export function keyOf(metric: Metric, length: number, twoQuery: number, cosine: number): number {
  return metric === 'cosine' ? cosine : metric === 'dot' ? length * cosine : length * (twoQuery * cosine - length);
}

/** Twice the length of a query, in the unit of the rows' lengths. */
export function twiceIn(segment: Segment, norm: number): number {
  return (2 * norm) / (segment.largestNorm || 1);
}

function prepare(coding: ShortlistCoding, metric: Metric, query: ShortlistQuery, out: Int16Array): Part {
  const { kind, length, dims, mean, quantiser } = coding;
  let { values, norm, offset }: SeenQuery = query.seen;
  let zeroSquare = 0;
  if (kind === 'int8') values = query.u;
  if (kind === 'prefix') {
    const prefix = query.vector.subarray(0, length);
    const square = squareOf(prefix);
    ({ values, norm, offset } = seenQuery({ metric, mean }, prefix, Math.sqrt(square)));
    // A cosine of 0 is a distance of √2 between vectors of length 1.
    zeroSquare = metric === 'cosine' ? 2 : square;
  }
  const unit = kind === 'int8' ? 1 : norm > 0 ? 1 / norm : 0;
  const { base, step } = quantiser;
  let largest = 0;
  for (let i = 0; i < length; i++) largest = Math.max(largest, Math.abs(values[i]! * unit * step[i]!));
  // Both halves of 8-bit codes take one query: 16 q must still be one.
  const most = kind === 'binary' ? BIT_QUERY_MAX : Math.floor(HEAD_QUERY_MAX / 16);
  const scale = largest / most || 1;
  const middle = kind === 'binary' ? 0.5 : 127.5;
  let constant = 0;
  out.fill(0, 0, 2 * dims);
  for (let i = 0; i < length; i++) {
    const value = values[i]! * unit;
    const weight = value * step[i]!;
    const code = Math.round(weight / scale);
    constant += value * base[i]! + middle * (weight - scale * code);
    if (kind === 'binary') {
      out[i] = code;
    } else {
      out[i] = 16 * code;
      out[dims + i] = code;
    }
  }
  return { scale, constant, norm, offset, zeroSquare };
}

/** The place of a block in an ascending visit; −1 where it is not in it. */
function placeOf({ blocks, count }: Visit, block: number): number {
  let low = 0;
  let high = count - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (blocks[middle] === block) return middle;
    if (blocks[middle]! < block) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Estimates of listed rows' cosines by the full plane. */
export function fullEstimates(
  codes: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  query: Pick<ShortlistQuery, 'seen'>,
  rows: Uint32Array,
  count: number,
): Float64Array {
  const part = FULL.querySide(scratch, segment.coding, query);
  const dots = scratch.take('more dots', Int32Array, count);
  stageDots(codes, FULL, segment, part.query, rows, count, dots);
  const estimates = scratch.take('estimates', Float64Array, count);
  for (let i = 0; i < count; i++) estimates[i] = dots[i]! * part.scale + part.constant;
  return estimates;
}

/** Estimates of listed rows' cosines by head, fine and level plane; of the head plane whole blocks are read for it. */
export function listEstimates(
  codes: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  rotated: Rotated,
  width: number,
  rows: Uint32Array,
  count: number,
): Float64Array {
  const { coding, headPlane: plane } = segment;
  const query = scratch.take('list query codes', Int16Array, coding.head);
  const part = headQuerySide(coding, rotated, true, query);
  const blocks = scratch.take('list blocks', Uint32Array, count);
  for (let i = 0; i < count; i++) blocks[i] = rows[i]! >> 4;
  const dots = scratch.take('list dots', Int32Array, count * BLOCK_ROWS);
  codes.headDots({ plane, dims: coding.head, blocks, count, query, queries: 1, dots });
  const best = scratch.take('best dots', Int32Array, count);
  for (let i = 0; i < count; i++) best[i] = dots[i * BLOCK_ROWS + (rows[i]! & 15)]!;
  const { estimates, constant } = codeEstimates(codes, scratch, segment, rotated, width, part, rows, best, count);
  for (let i = 0; i < count; i++) estimates[i]! += constant;
  return estimates;
}

/** Estimates cosines, less `constant`, from the head plane's dot products of listed rows and their finer codes. */
export function codeEstimates(
  codes: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  rotated: Rotated,
  width: number,
  head: HeadQuerySide,
  rows: Uint32Array,
  best: Int32Array,
  count: number,
): { estimates: Float64Array; constant: number } {
  const { coding } = segment;
  const estimates = scratch.take('estimates', Float64Array, count);
  const more = scratch.take('more dots', Int32Array, count);
  stageDots(codes, FINE, segment, head.query, rows, count, more);
  withFine(estimates, best, more, head.scale / 16, count);
  let constant = head.fineConstant;
  if (width > coding.head) {
    const level = LEVEL.querySide(scratch, coding, { rotated });
    stageDots(codes, LEVEL, segment, level.query, rows, count, more);
    addDots(estimates, more, level.scale, count);
    constant += level.constant;
  }
  return { estimates, constant };
}

// V8 compiles a loop with all of the function around it: these are short, and soon compiled.

function withFine(estimates: Float64Array, head: Int32Array, fine: Int32Array, scale: number, count: number): void {
  for (let i = 0; i < count; i++) estimates[i] = (16 * head[i]! + fine[i]!) * scale;
}

function addDots(estimates: Float64Array, dots: Int32Array, scale: number, count: number): void {
  for (let i = 0; i < count; i++) estimates[i]! += dots[i]! * scale;
}

/** Moves the `keep` best of listed rows by estimates to the front, best first. Returns their estimates, until the next call. */
export function keepBest(
  kernels: Kernels,
  scratch: Scratch,
  estimates: Float64Array,
  rows: Uint32Array,
  count: number,
  keep: number,
): Float64Array {
  const order = scratch.take('narrow order', Uint32Array, keep).subarray(0, keep);
  const keys = scratch.take('narrow keys', Float64Array, keep).subarray(0, keep);
  kernels.topK(estimates.subarray(0, count), order, keys);
  const chosen = scratch.take('chosen', Uint32Array, keep);
  for (let i = 0; i < keep; i++) chosen[i] = rows[order[i]!]!;
  rows.set(chosen.subarray(0, keep));
  return keys;
}
