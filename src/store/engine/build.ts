/** Builds a segment: choose a coding from a sample, encode every row, sort rows by list. */

import { letGo, sharedBuffer } from '../../core/shared.js';
import type { Sliced } from '../../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import { type Basis, findBasis, readBasis } from './basis.js';
import { commonMean, squareOf } from './centre.js';
import { CHUNK_ROWS, Coder, type CodingPlan, type EncodedRows, toUnits } from './coder.js';
import { findGroups, findLists } from './k-means.js';
import { arrayIn } from './memory.js';
import { type ListCentroids, listsFor, sampleFor } from './partition.js';
import { project } from './project.js';
import { headQuantiser, type Quantiser, rowQuantiser, widen } from './quantiser.js';
import { blocksOf, type Coding } from './segment.js';
import {
  type EncodedShortlist,
  planPrefix,
  planShortlist,
  type ShortlistChoice,
  type ShortlistCoding,
  shortlistBlockBytes,
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
  /** Whether rows get codes of all dims, where the rotated ones are fewer; true by default. */
  full?: boolean | undefined;
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
  const full = width >= dim || options.full === false ? 0 : Math.ceil(dim / 8) * 8;

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

/** Lists for rows, found from a sample of them. */
export function* partitionOf(
  kernels: CodeKernels,
  rows: RowReader,
  coding: Coding,
  lists: number,
): Sliced<ListCentroids> {
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
  const shared = (n: number) => new Float64Array(sharedBuffer(8 * n));
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
    lists: new Uint32Array(sharedBuffer(4 * count)),
    shortlist: coding.shortlist === null ? null : shortlistRoom(kernels, coding.shortlist, count),
  };
}

/** The codes of a build that failed: nobody has them any more. A thread may still be at work on them, so they are not given back. */
export function dropRoom({ headPlane, finePlane, levelPlane, fullPlane, shortlist }: EncodedRows): void {
  for (const plane of [headPlane, finePlane, levelPlane, fullPlane]) letGo(plane);
  if (shortlist !== null) letGo(shortlist.plane);
}

function shortlistRoom(kernels: CodeKernels, coding: ShortlistCoding, count: number): EncodedShortlist {
  return {
    plane: arrayIn(kernels, Uint8Array, blocksOf(count) * shortlistBlockBytes(coding)),
    norms: new Float64Array(sharedBuffer(coding.kind === 'prefix' ? 8 * count : 0)),
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
