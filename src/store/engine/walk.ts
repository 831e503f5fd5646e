/** The walk of mode 'funnel' over a segment's table of neighbours, from the best rows of the lists that were visited. */
import { type CodeKernels, WALK_STEP } from '../../kernels/codes.js';
import { probesFor } from './lists.js';
import type { Scratch } from './memory.js';
import type { Segment } from './segment.js';
import type { Keys, Visit } from './shortlist.js';
import type { RowMasks, SearchTask } from './types.js';

/** Rows that are kept on a walk, at most: the place of each is sought among all, and the lists find many as soon. */
const MOST_KEPT = 1024;
/** New rows that a walk may meet, for each that is kept. A walk meets two or three. */
const MET_FOR_EACH = 24;
/** Does a search walk that keeps k rows? Under a filter restricted.ts says. */
export function walks({ neighbours }: Segment, { only }: SearchTask, k: number): boolean {
  return neighbours !== null && only === undefined && k <= MOST_KEPT;
}

/**
 * So many rows more than it keeps a walk picks. Who keeps many wants nearly all of the nearest: for these a walk must reach
 * farther, which costs less than more lists would.
 */
export function walkMore(keep: number): number {
  return Math.min(MOST_KEPT / 2, Math.round((keep * keep) / 24));
}

/** Lists that a search for the k nearest visits before it walks. */
export function walkProbes(segment: Segment, k: number, only?: RowMasks): number {
  const all = segment.partition!.halfSquares.length;
  const share = segment.neighbours!.lists / probesFor(all, 1);
  return Math.max(1, Math.min(all, Math.round(share * probesFor(all, k, only))));
}

/**
 * Improves the best rows of a visit.
 *
 * @param query codes of the head dims
 * @param rows in and out: the best rows, best first; room for k
 * @param best in and out: their dot products
 * @returns how many there are now, and how many new ones were met
 */
export function walkFrom(
  codes: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  query: Int16Array,
  keys: Keys,
  visit: Visit,
  k: number,
  found: number,
  rows: Uint32Array,
  best: Int32Array,
): { found: number; met: number } {
  const places = scratch.take('walk places', Uint32Array, k);
  const dots = scratch.take('walk dots', Int32Array, k);
  places.set(rows.subarray(0, found));
  dots.set(best.subarray(0, found));
  const { taken, met } = walkOver(codes, scratch, segment, query, keys, visit, k, found, places, dots);
  const takesPart = partOf(segment, 0, undefined);
  let n = 0;
  for (let i = 0; i < taken; i++) {
    if (!takesPart(places[i]!)) continue;
    places[n] = places[i]!;
    dots[n++] = dots[i]!;
  }
  // Ways through may have driven out rows of the visit.
  if (n < taken) {
    const there = new Set(places.subarray(0, n));
    for (let i = 0; i < found && n < k; i++) {
      if (there.has(rows[i]!)) continue;
      places[n] = rows[i]!;
      dots[n++] = best[i]!;
    }
  }
  rows.set(places.subarray(0, n));
  best.set(dots.subarray(0, n));
  return { found: n, met };
}

/**
 * A walk with so many places, from the best of a visit whose living rows were all read. Dead rows are ways through.
 *
 * @param places in and out: the best rows, best first
 * @param dots in and out: their dot products
 * @returns how many places are taken, and how many new rows were met
 */
export function walkOver(
  codes: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  query: Int16Array,
  { metric, lengths: norms, scale, constant, twoQuery }: Keys,
  visit: Visit,
  size: number,
  found: number,
  places: Uint32Array,
  dots: Int32Array,
): { taken: number; met: number } {
  const { degree, table, idBytes, rows: plane } = segment.neighbours!;
  const room = MET_FOR_EACH * size + WALK_STEP * degree;
  const met = scratch.take('walk met', Uint32Array, 1 + room);
  const taken = codes.walk({
    plane,
    dims: segment.coding.head,
    query,
    table,
    idBytes,
    degree,
    ...visit,
    mask: segment.mask,
    marks: scratch.take('walk marks', Uint16Array, segment.blocks.length), // zeros between walks
    metric,
    norms,
    scale,
    constant,
    twoQuery,
    size,
    found,
    rows: places,
    best: dots,
    room,
    met,
  });
  return { taken, met: met[0]! };
}

/** Whether a row takes part. A late mask knows only rows of lists that were visited. */
export function partOf(
  { mask: alive, ordinals }: Segment,
  s: number,
  only: RowMasks | undefined,
): (row: number) => boolean {
  const isIn = (mask: Uint16Array, n: number) => (((mask[n >> 4] ?? 0) >> (n & 15)) & 1) === 1;
  if (only?.late?.made[s] === undefined) {
    const mask = only?.masks[s] ?? alive;
    return (row) => isIn(mask, row);
  }
  const { bits } = only.late;
  return (row) => isIn(alive, row) && isIn(bits, ordinals[row]!);
}
