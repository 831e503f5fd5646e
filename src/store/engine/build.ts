/** Builds a segment: choose a coding from a sample, encode every row, sort rows by list. */

import type { Sliced } from '../../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import { type Basis, findBasis, readBasis } from './basis.js';
import { codedMetric, commonMean, squareOf } from './centre.js';
import { CHUNK_ROWS, Coder, type EncodedRows, toUnits } from './coder.js';
import { findGroups, findLists, type Grouping } from './k-means.js';
import { arrayIn } from './memory.js';
import { centroidRows, type ListCentroids, listsFor, sampleFor } from './partition.js';
import { project } from './project.js';
import { headQuantiser, type Quantiser, rowQuantiser, widen } from './quantiser.js';
import { allBlocks, blocksOf, type Coding, type Lengths, maskOf, type Partition, type Segment } from './segment.js';
import {
  type EncodedShortlist,
  movePlane,
  planPrefix,
  planShortlist,
  type ShortlistChoice,
  type ShortlistCoding,
  type ShortlistPlane,
  shortlistBlockBytes,
  shortlistMetric,
} from './shortlist-plane.js';

export interface BuildOptions {
  dim: number;
  metric: Metric;
  rotation: 'pca' | 'none' | 'balanced';
  /** Rotation 'balanced' takes sample queries, `count × dim`, or the basis that earlier ones made. */
  queries?: Float32Array | undefined;
  basis?: Pick<Basis, 'plane' | 'step'> | undefined;
  /** Head dims, a multiple of 8. */
  head: number;
  /** Rotated dims in all, a multiple of 8. */
  width: number;
  /** How many lists; 0: none; undefined: by size. */
  lists?: number | undefined;
  /** Which codes choose the shortlist of mode 'funnel'; undefined: the head plane. */
  shortlist?: ShortlistChoice | undefined;
}

/** Rows for building: float32 rows of consecutive places. */
export interface RowReader {
  readonly count: number;
  /** Rows [first, first + n), `n × dim`; valid until the next call. */
  read(first: number, n: number): Float32Array;
}

/** Rows that the second moment is estimated from: several for each dim. */
function momentSample(dim: number): number {
  return Math.max(2048, 5 * dim);
}

/** Beyond it the second moment alone takes half a gigabyte. */
const MOST_ROTATED = 8192;

/** A basis is never worth failing for: answers do not depend on it. */
function* basisOrNone(
  kernels: CodeKernels,
  moment: Float32Array,
  mean: Float64Array | null,
  options: BuildOptions,
): Sliced<Basis | null> {
  try {
    return yield* basisFor(kernels, moment, mean, options);
  } catch {
    return null;
  }
}

export interface CodingPlan {
  coding: Coding;
  partition: ListCentroids | null;
  /** Groups of the partition's lists, made once for all coders, which look for each row's list. */
  grouping: Grouping | null;
}

/** @throws when the reader does */
export function* planCoding(kernels: CodeKernels, rows: RowReader, options: BuildOptions): Sliced<CodingPlan> {
  const { dim, metric, rotation, head, width } = options;
  const lists = Math.min(options.lists ?? listsFor(rows.count), Math.floor(rows.count / 8));
  const sample = yield* sampleRows(rows, dim, momentSample(dim));
  const mean = commonMean(sample, dim, metric);
  yield;
  const prefix =
    typeof options.shortlist === 'object' ? planPrefix(sample, dim, options.shortlist.prefix, metric) : null;
  yield;
  const moment = toUnits(sample, dim, metric, mean);
  yield;
  const basis = rotation === 'none' || dim > MOST_ROTATED ? null : yield* basisOrNone(kernels, moment, mean, options);
  if (basis !== null) moveInto(kernels, basis);
  const full = width >= dim ? 0 : Math.ceil(dim / 8) * 8;

  const rotated = yield* rotate(kernels, basis, moment, dim, width);
  const unrotated = full > 0 ? new Float64Array(moment) : new Float64Array(0);
  yield;
  const heads = headQuantiser(rotated, width, 0, head);
  if (basis !== null && mean !== null) yield* widenAlong(kernels, basis, mean, rotated, heads);
  yield;
  const levelQuantiser = rowQuantiser(rotated, width, head, width - head);
  yield;
  const coding: Coding = {
    dim,
    metric,
    mean,
    basis,
    head,
    width,
    full,
    headQuantiser: heads,
    levelQuantiser,
    fullQuantiser: full > 0 ? rowQuantiser(unrotated, dim, 0, full) : rowQuantiser(unrotated, 1, 0, 0),
    shortlist:
      prefix ??
      (typeof options.shortlist === 'string' ? planShortlist(options.shortlist, moment, dim, head, heads) : null),
  };
  const partition = lists > 1 ? yield* partitionOf(kernels, rows, coding, lists) : null;
  return { coding, partition, grouping: partition === null ? null : yield* findGroups(kernels, partition) };
}

/**
 * Queries that keep the mean ask first who has most along it: the codes of that direction must tell those rows apart that
 * others would clip.
 */
function* widenAlong(
  kernels: CodeKernels,
  basis: Basis,
  mean: Float64Array,
  rotated: Float64Array,
  quantiser: Quantiser,
): Sliced<void> {
  const length = Math.sqrt(squareOf(mean));
  const along = yield* rotate(
    kernels,
    basis,
    Float32Array.from(mean, (value) => value / length),
    basis.dim,
    basis.width,
  );
  for (let i = 0; i < quantiser.base.length; i++) if (along[i]! ** 2 > 0.5) widen(quantiser, rotated, basis.width, i);
}

function* basisFor(
  kernels: CodeKernels,
  units: Float32Array,
  mean: Float64Array | null,
  options: BuildOptions,
): Sliced<Basis> {
  const { dim, metric, width, queries, basis } = options;
  if (basis !== undefined) return yield* readBasis(kernels, basis.plane, basis.step, dim);
  // For dot, queries keep the mean. For the other metrics it is taken away from the sample queries, as from the rows.
  const seen = queries && toUnits(queries.slice(), dim, metric, metric === 'dot' ? null : mean);
  const length = mean === null ? 0 : Math.sqrt(squareOf(mean));
  const own = length > 0 ? mean!.map((value) => value / length) : null;
  const samples: [Float32Array, ...Float32Array[]] = seen === undefined || seen.length === 0 ? [units] : [units, seen];
  return yield* findBasis(kernels, samples, dim, width, 1, own);
}

function* partitionOf(kernels: CodeKernels, rows: RowReader, coding: Coding, lists: number): Sliced<ListCentroids> {
  const { dim, metric, mean, width, basis } = coding;
  const dims = coding.head;
  const wanted = Math.min(rows.count, sampleFor(lists));
  const heads = new Float32Array(wanted * dims);
  let done = 0;
  for (const chunk of sampleChunks(rows, dim, wanted)) {
    const units = toUnits(chunk, dim, metric, mean);
    const n = units.length / dim;
    const stride = basis === null ? width : dims;
    const rotated = yield* rotate(kernels, basis, units, dim, stride, width);
    for (let r = 0; r < n; r++) {
      for (let i = 0; i < dims; i++) heads[(done + r) * dims + i] = rotated[r * stride + i]!;
    }
    done += n;
    yield;
  }
  return yield* findLists(kernels, heads.subarray(0, done * dims), dims, lists);
}

/** Unit rows times the first `width` directions; without a basis the rows themselves, padded. */
function* rotate(
  kernels: CodeKernels,
  basis: Basis | null,
  units: Float32Array,
  dim: number,
  width: number,
  columns = width,
): Sliced<Float64Array> {
  const count = units.length / dim;
  const out = new Float64Array(count * width);
  if (basis === null) {
    for (let r = 0; r < count; r++) {
      for (let i = 0; i < Math.min(dim, width); i++) out[r * width + i] = units[r * dim + i]!;
    }
    return out;
  }
  let part = basis.columns;
  if (width < columns) {
    part = new Float32Array(dim * width);
    for (let j = 0; j < dim; j++) part.set(basis.columns.subarray(j * columns, j * columns + width), j * width);
  }
  yield* project(kernels, { rows: units, count, dim, basis: part, width, out });
  return out;
}

function* sampleRows(rows: RowReader, dim: number, wanted: number): Sliced<Float32Array> {
  const n = Math.min(rows.count, wanted);
  const out = new Float32Array(n * dim);
  let done = 0;
  for (const chunk of sampleChunks(rows, dim, n)) {
    out.set(chunk, done * dim);
    done += chunk.length / dim;
    yield;
  }
  return out.subarray(0, done * dim);
}

/** Runs of rows from all over the set, so that reading stays sequential in parts; rows of zeros left out. */
function* sampleChunks(rows: RowReader, dim: number, wanted: number): Generator<Float32Array> {
  const run = 64;
  const runs = Math.ceil(wanted / run);
  for (let k = 0; k < runs; k++) {
    const n = Math.min(run, wanted - k * run);
    const first = runs === 1 ? 0 : Math.floor((k * (rows.count - n)) / (runs - 1));
    yield withoutZeros(rows.read(first, n).slice(), dim);
  }
}

/** In place. */
function withoutZeros(rows: Float32Array, dim: number): Float32Array {
  let kept = 0;
  for (let from = 0; from < rows.length; from += dim) {
    const row = rows.subarray(from, from + dim);
    if (row.every((value) => value === 0)) continue;
    if (kept < from) rows.copyWithin(kept, from, from + dim);
    kept += dim;
  }
  return rows.subarray(0, kept);
}

/** The kernels read the basis with every query. */
function moveInto(kernels: CodeKernels, basis: Basis): void {
  const plane = arrayIn(kernels, Uint8Array, basis.plane.length);
  plane.set(basis.plane);
  (basis as { plane: Uint8Array }).plane = plane;
}

/** Room for the codes of so many rows. */
export function roomFor(kernels: CodeKernels, coding: Coding, count: number): EncodedRows {
  const { head, width, full } = coding;
  const shared = (n: number) => new Float64Array(new SharedArrayBuffer(8 * n));
  const padded = blocksOf(count) * BLOCK_ROWS;
  return {
    count,
    headPlane: arrayIn(kernels, Uint8Array, (padded * head) / 2),
    finePlane: arrayIn(kernels, Uint8Array, (padded * head) / 2),
    levelPlane: arrayIn(kernels, Uint8Array, count * (width - head)),
    fullPlane: arrayIn(kernels, Uint8Array, count * full),
    coarseError: shared(count),
    fineError: shared(count),
    levelError: shared(width > head ? count : 0),
    fullError: shared(full > 0 ? count : 0),
    headTail: shared(count),
    levelTail: shared(count),
    norms: shared(count),
    lists: new Uint32Array(new SharedArrayBuffer(4 * count)),
    shortlist: coding.shortlist === null ? null : shortlistRoom(kernels, coding.shortlist, count),
  };
}

function shortlistRoom(kernels: CodeKernels, coding: ShortlistCoding, count: number): EncodedShortlist {
  return {
    plane: arrayIn(kernels, Uint8Array, blocksOf(count) * shortlistBlockBytes(coding)),
    norms: new Float64Array(new SharedArrayBuffer(coding.kind === 'prefix' ? 8 * count : 0)),
  };
}

/** Encodes rows [from, to) of the reader; `from` is a multiple of 16. */
export function* encodeRange(
  kernels: CodeKernels,
  plan: CodingPlan,
  rows: RowReader,
  from: number,
  to: number,
  out: EncodedRows,
): Sliced<void> {
  const coder = new Coder(kernels, plan);
  for (let first = from; first < to; first += CHUNK_ROWS) {
    coder.encode(rows.read(first, Math.min(CHUNK_ROWS, to - first)), first, out);
    yield;
  }
}

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

  const largestNorm = yield* largestOf(encoded.norms);
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
  const largestNorm = yield* largestOf(encoded.norms);
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
  const rows = centroidRows(kernels, centroids, dims, lists);
  return { dims, centroids, rows, halfSquares, offsets };
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
  const order = new Uint32Array(new SharedArrayBuffer(4 * encoded.count));
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
  const largest = yield* largestOf(values);
  const scale = (largest / 255) * (1 + 1e-12);
  // A block more than the rows fill: kernels read whole blocks.
  const bytes = arrayIn(kernels, Uint8Array, blocksOf(values.length) * BLOCK_ROWS);
  for (const [from, to] of stretches(values.length)) {
    for (let r = from; r < to; r++) {
      bytes[r] = scale === 0 ? 0 : Math.min(255, Math.ceil(values[order === null ? r : order[r]!]! / scale));
    }
    yield;
  }
  return { bytes, scale };
}

function* largestOf(values: Float64Array): Sliced<number> {
  let largest = 0;
  for (const [from, to] of stretches(values.length)) {
    for (let r = from; r < to; r++) largest = Math.max(largest, values[r]!);
    yield;
  }
  return largest;
}

/** Cuts `count` rows into runs for cheap work: one run is done between two breaks. */
function* stretches(count: number): Generator<[number, number]> {
  const rows = 1 << 15;
  for (let from = 0; from < count; from += rows) yield [from, Math.min(count, from + rows)];
}
