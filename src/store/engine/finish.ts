/** The end of a build: rows sorted by list, lengths as bytes, a segment of it all. */
import { sharedBuffer } from '../../core/shared.js';
import type { Sliced } from '../../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import { codedMetric } from './centre.js';
import type { CodingPlan, EncodedRows } from './coder.js';
import { arrayIn } from './memory.js';
import { centroidCodes, type ListCentroids } from './partition.js';
import { allBlocks, blocksOf, type Coding, type Lengths, maskOf, type Partition, type Segment } from './segment.js';
import { type EncodedShortlist, movePlane, type ShortlistPlane, shortlistMetric } from './shortlist-plane.js';

/** Rows in the order of their lists. */
export interface Sorting {
  /** The row at each place; null: they stay where they are. */
  order: Uint32Array | null;
  /** Where each list begins; null without lists. */
  offsets: Uint32Array | null;
}

/** Rows that are moved between two breaks. */
const ROWS_AT_ONCE = 2048;

/**
 * Puts a plane of rows in the order of lists, where it is: a cycle of places at a time, since planes are large. The full plane is
 * most of the work, so it is sorted apart from `finishSegment`, by another thread where there is one.
 */
export function* sortPlane(plane: Uint8Array, stride: number, { order }: Sorting): Sliced<void> {
  if (order === null || stride === 0) return;
  const done = new Uint8Array(order.length);
  const first = new Uint8Array(stride);
  let moved = 0;
  for (let start = 0; start < order.length; start++) {
    if (done[start] === 1) continue;
    first.set(plane.subarray(start * stride, (start + 1) * stride));
    let place = start;
    for (let from = order[place]!; from !== start; from = order[place]!) {
      plane.copyWithin(place * stride, from * stride, (from + 1) * stride);
      done[place] = 1;
      place = from;
      if (++moved % ROWS_AT_ONCE === 0) yield;
    }
    plane.set(first, place * stride);
    done[place] = 1;
    if (++moved % ROWS_AT_ONCE === 0) yield;
  }
}

/**
 * Sorts encoded rows by list, but for the full plane, which `sortPlane` sorts apart; rounds lengths up to bytes.
 *
 * @param ordinals of the rows, in the order of the input; ascending
 * @param alive whether the row of an ordinal takes part in searches
 * @param sorting as `sortByList` gave it
 */
export function* finishSegment(
  kernels: CodeKernels,
  plan: CodingPlan,
  encoded: EncodedRows,
  ordinals: Uint32Array,
  alive: (ordinal: number) => boolean,
  sorting: Sorting,
): Sliced<Segment> {
  const { coding } = plan;
  const { count, finePlane, levelPlane, fullPlane } = encoded;
  const { order, offsets } = sorting;
  yield* sortPlane(finePlane, coding.head / 2, sorting);
  yield* sortPlane(levelPlane, coding.width - coding.head, sorting);
  const sorted = arrayIn(kernels, Uint32Array, count);
  for (const [from, to] of stretches(count)) {
    for (let r = from; r < to; r++) sorted[r] = ordinals[order === null ? r : order[r]!]!;
    yield;
  }
  const lengthsOf = (values: Float64Array) => toLengths(kernels, values, order);

  const largestNorm = largestOf(encoded.norms);
  const ordersByLength = codedMetric(coding.metric, coding.mean) !== 'cosine';
  const norms = arrayIn(kernels, Float32Array, ordersByLength ? blocksOf(count) * BLOCK_ROWS : 0);
  for (const [from, to] of stretches(Math.min(count, norms.length))) {
    for (let r = from; r < to; r++) norms[r] = encoded.norms[order === null ? r : order[r]!]! / (largestNorm || 1);
    yield;
  }

  return {
    coding,
    count,
    headPlane: order === null ? encoded.headPlane : yield* moveHead(kernels, encoded.headPlane, coding.head, order),
    finePlane,
    levelPlane,
    fullPlane,
    coarseError: yield* lengthsOf(encoded.coarseError),
    fineError: yield* lengthsOf(encoded.fineError),
    levelError: yield* lengthsOf(encoded.levelError),
    fullError: yield* lengthsOf(encoded.fullError),
    headTail: yield* lengthsOf(encoded.headTail),
    levelTail: yield* lengthsOf(encoded.levelTail),
    norms,
    largestNorm,
    ordinals: sorted,
    partition: plan.partition === null ? null : partitionWith(kernels, plan.partition, offsets!),
    shortlist:
      encoded.shortlist === null ? null : yield* shortlistWith(kernels, coding, encoded.shortlist, count, order),
    neighbours: null,
    blocks: allBlocks(kernels, count),
    mask: maskOf(kernels, sorted, alive),
  };
}

function* shortlistWith(
  kernels: CodeKernels,
  { metric, shortlist }: Coding,
  encoded: EncodedShortlist,
  count: number,
  order: Uint32Array | null,
): Sliced<ShortlistPlane> {
  let plane = encoded.plane;
  if (order !== null) {
    plane = arrayIn(kernels, Uint8Array, plane.length);
    movePlane(shortlist!, encoded.plane, order, plane);
    yield;
    kernels.release(encoded.plane);
  }
  const own = shortlist!.kind === 'prefix';
  const largestNorm = largestOf(encoded.norms);
  const ordersByLength = own && shortlistMetric(shortlist!, metric) !== 'cosine';
  const norms = arrayIn(kernels, Float32Array, ordersByLength ? blocksOf(count) * BLOCK_ROWS : 0);
  const zeros: number[] = [];
  for (let r = 0; own && r < count; r++) {
    const norm = encoded.norms[order === null ? r : order[r]!]!;
    if (norm < 0) zeros.push(r);
    if (norms.length > 0) norms[r] = Math.max(0, norm) / (largestNorm || 1);
  }
  const zeroRows = arrayIn(kernels, Uint32Array, zeros.length);
  zeroRows.set(zeros);
  return { plane, norms, largestNorm, zeros: zeroRows };
}

function partitionWith(
  kernels: CodeKernels,
  { dims, centroids, halfSquares }: ListCentroids,
  offsets: Uint32Array,
): Partition {
  const lists = halfSquares.length;
  const codes = centroidCodes(kernels, centroids, dims, lists);
  return { dims, centroids, codes, halfSquares, offsets };
}

/** A stable counting sort: within a list rows keep their order. */
export function* sortByList(encoded: EncodedRows, { partition }: CodingPlan): Sliced<Sorting> {
  const lists = partition?.halfSquares.length ?? 0;
  if (lists === 0) return { order: null, offsets: null };
  const offsets = new Uint32Array(lists + 1);
  for (const [from, to] of stretches(encoded.count)) {
    for (let row = from; row < to; row++) offsets[encoded.lists[row]! + 1]!++;
    yield;
  }
  for (let c = 0; c < lists; c++) offsets[c + 1]! += offsets[c]!;
  const next = offsets.slice();
  const order = new Uint32Array(sharedBuffer(4 * encoded.count));
  for (const [from, to] of stretches(encoded.count)) {
    for (let row = from; row < to; row++) order[next[encoded.lists[row]!]!++] = row;
    yield;
  }
  return { order, offsets };
}

function* moveHead(kernels: CodeKernels, plane: Uint8Array, head: number, order: Uint32Array): Sliced<Uint8Array> {
  const to = arrayIn(kernels, Uint8Array, plane.length);
  const words = new Uint32Array(plane.buffer, plane.byteOffset, plane.length / 4);
  const out = new Uint32Array(to.buffer, to.byteOffset, to.length / 4);
  const groups = head / 8;
  for (let r = 0; r < order.length; r++) {
    const from = order[r]!;
    const source = (from >> 4) * groups * BLOCK_ROWS + (from & 15);
    const target = (r >> 4) * groups * BLOCK_ROWS + (r & 15);
    for (let g = 0; g < groups; g++) out[target + g * BLOCK_ROWS] = words[source + g * BLOCK_ROWS]!;
    if (r % ROWS_AT_ONCE === 0) yield;
  }
  kernels.release(plane);
  return to;
}

/** One byte each, rounded up. */
function* toLengths(kernels: CodeKernels, values: Float64Array, order: Uint32Array | null): Sliced<Lengths> {
  const largest = largestOf(values);
  const scale = (largest / 255) * (1 + 1e-12);
  // A block more than the rows fill: kernels read whole blocks.
  const bytes = arrayIn(kernels, Uint8Array, blocksOf(values.length) * BLOCK_ROWS);
  for (const [from, to] of stretches(values.length)) {
    roundUp(values, order, scale, bytes, from, to);
    yield;
  }
  return { bytes, scale };
}

function largestOf(values: Float64Array): number {
  let largest = 0;
  for (let r = 0; r < values.length; r++) largest = Math.max(largest, values[r]!);
  return largest;
}

/** A function of its own: a loop in a generator has V8 compile all of it. */
function roundUp(
  values: Float64Array,
  order: Uint32Array | null,
  scale: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): void {
  for (let r = from; r < to; r++) {
    bytes[r] = scale === 0 ? 0 : Math.min(255, Math.ceil(values[order === null ? r : order[r]!]! / scale));
  }
}

/** Cuts `count` rows into runs for cheap work: one run is done between two breaks. */
function* stretches(count: number): Generator<[number, number]> {
  const rows = 1 << 15;
  for (let from = 0; from < count; from += rows) yield [from, Math.min(count, from + rows)];
}
