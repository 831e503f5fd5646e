/**
 * The shortlist plane: it chooses the shortlist of mode 'funnel' in place of the head plane, where that was asked for. This file
 * makes it, and shortlist.ts reads it. No bound depends on it.
 *
 *     int8, prefix   8 bits a dim, as a head plane of twice the dims: the high halves of all, then the low ones, so that
 *                    one pass of headDots with the query (16 q, q) gives Σ q · code
 *     binary         the bit plane of kernels/codes.ts
 */
import { lengthOf } from '../../core/exact-math.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import { codedMetric, commonMean, residual } from './centre.js';
import { bitQuantiser, byteQuantiser, type Quantiser } from './quantiser.js';

export type ShortlistKind = 'int8' | 'binary' | 'prefix';

/** The kinds as options name them. */
export type ShortlistChoice = 'int8' | 'binary' | { prefix: number };

/** Sums over so many dims fit int32 in headDots, twice over. */
export const MAX_PREFIX = 4096;

export interface ShortlistCoding {
  readonly kind: ShortlistKind;
  /** Dims that are coded: int8: rotated ones; binary: all of a row; prefix: its first. */
  readonly length: number;
  /** Rounded up to a multiple of 8. */
  readonly dims: number;
  /** Kind 'prefix': the mean that is taken away from prefixes (for cosine, of length 1); null: none is. */
  readonly mean: Float64Array | null;
  /** Value = base + step · code. */
  readonly quantiser: Quantiser;
}

export interface ShortlistPlane {
  readonly plane: Uint8Array;
  /** Kind 'prefix': lengths of the prefixes less their mean, in units of the largest; empty where cosines order them. */
  readonly norms: Float32Array;
  readonly largestNorm: number;
  /** Kind 'prefix': rows whose prefix is zeros, ascending. Their codes only come near a score of 0. */
  readonly zeros: Uint32Array;
}

/** Bytes of a block. */
export function shortlistBlockBytes({ kind, dims }: ShortlistCoding): number {
  return kind === 'binary' ? 2 * dims : 16 * dims;
}

/** The metric of the plane's codes: cosines of prefixes without their mean are distances. */
export function shortlistMetric({ mean }: ShortlistCoding, metric: Metric): Metric {
  return codedMetric(metric, mean);
}

/** @param units sample rows as they are coded, `count × dim` */
export function planShortlist(
  kind: 'int8' | 'binary',
  units: Float32Array,
  dim: number,
  head: number,
  headQuantiser: Quantiser,
): ShortlistCoding {
  if (kind === 'int8') return { kind, length: head, dims: head, mean: null, quantiser: headQuantiser };
  const dims = Math.ceil(dim / 8) * 8;
  const sample = new Float64Array(units);
  return { kind, length: dim, dims, mean: null, quantiser: bitQuantiser(sample, dim, dims) };
}

/** @param rows a sample, `count × dim` */
export function planPrefix(rows: Float32Array, dim: number, length: number, metric: Metric): ShortlistCoding {
  const count = rows.length / dim;
  const prefixes = new Float32Array(count * length);
  let kept = 0;
  for (let r = 0; r < count; r++) {
    const prefix = rows.subarray(r * dim, r * dim + length);
    if (prefix.every((value) => value === 0)) continue;
    prefixes.set(prefix, kept * length);
    kept++;
  }
  const mean = commonMean(prefixes.subarray(0, kept * length), length, metric);
  const sample = new Float64Array(kept * length);
  for (let r = 0; r < kept; r++) {
    const prefix = prefixes.subarray(r * length, (r + 1) * length);
    unitOf(prefix, lengthOf(prefix), metric, mean, sample.subarray(r * length, (r + 1) * length));
  }
  const dims = Math.ceil(length / 8) * 8;
  return { kind: 'prefix', length, dims, mean, quantiser: byteQuantiser(sample, length, dims) };
}

/** A prefix less the mean, brought to length 1. Returns its length. */
function unitOf(
  prefix: Float32Array,
  length: number,
  metric: Metric,
  mean: Float64Array | null,
  out: Float64Array,
): number {
  if (mean !== null) return residual(prefix, length, metric, mean, out);
  const inverse = length > 0 ? 1 / length : 0;
  for (let i = 0; i < prefix.length; i++) out[i] = prefix[i]! * inverse;
  return length;
}

export interface EncodedShortlist {
  readonly plane: Uint8Array;
  /** Kind 'prefix': lengths of the prefixes less their mean; −1 for a prefix of zeros. */
  readonly norms: Float64Array;
}

/** Rows less their mean, brought to length 1, `stride` values each. */
interface Residuals {
  readonly values: Float64Array;
  readonly stride: number;
}

/** Encodes chunks of rows into a shortlist plane. */
export class ShortlistCoder {
  readonly #values: Float64Array;
  readonly #head: Uint8Array;
  readonly #fine: Uint8Array;
  readonly #errors: Float64Array;

  constructor(
    readonly kernels: CodeKernels,
    readonly coding: ShortlistCoding,
    most: number,
  ) {
    const { kind, dims } = coding;
    const halves = kind === 'prefix' ? (most * dims) / 2 : 0;
    // Beyond `length` they stay 0.
    this.#values = new Float64Array(kind === 'int8' ? 0 : most * dims);
    this.#head = new Uint8Array(halves);
    this.#fine = new Uint8Array(halves);
    this.#errors = new Float64Array(kind === 'prefix' ? most : 0);
  }

  /**
   * @param rows `norms.length × dim`
   * @param norms lengths of the rows
   * @param metric of the rows
   * @param first where they go: a multiple of 16
   * @param planes head and fine plane, where these rows are there already
   * @param residuals of the rows, where a mean was taken away from them
   */
  encode(
    rows: Float32Array,
    dim: number,
    norms: Float64Array,
    first: number,
    planes: { headPlane: Uint8Array; finePlane: Uint8Array },
    out: EncodedShortlist,
    metric: Metric,
    residuals: Residuals | null,
  ): void {
    const { kernels, coding } = this;
    const { kind, length, dims, mean, quantiser } = coding;
    const count = norms.length;
    if (kind === 'int8') {
      const [from, to] = [(first * dims) / 2, ((first + roundUp(count)) * dims) / 2];
      join(planes.headPlane.subarray(from, to), planes.finePlane.subarray(from, to), dims, first, count, out.plane);
      return;
    }
    const values = this.#values;
    for (let r = 0; r < count; r++) {
      const to = values.subarray(r * dims, r * dims + length);
      if (kind === 'binary' && residuals !== null) {
        to.set(residuals.values.subarray(r * residuals.stride, r * residuals.stride + length));
        continue;
      }
      const row = rows.subarray(r * dim, r * dim + length);
      if (kind === 'binary') {
        unitOf(row, norms[r]!, metric, null, to);
        continue;
      }
      const norm = lengthOf(row);
      const left = unitOf(row, norm, metric, mean, to);
      out.norms[first + r] = norm > 0 ? left : -1;
    }
    const task = { values, count, stride: dims, offset: 0, dims, ...quantiser };
    if (kind === 'binary') {
      kernels.encodeBits({ ...task, first, plane: out.plane });
      return;
    }
    const [head, fine, errors] = [this.#head, this.#fine, this.#errors];
    kernels.encodeHead({ ...task, first: 0, head, fine, coarseError: errors, fineError: errors });
    join(head, fine, dims, first, count, out.plane);
  }
}

/** Blocks of high halves and rows of low ones into blocks of both. */
function join(head: Uint8Array, fine: Uint8Array, dims: number, first: number, count: number, plane: Uint8Array): void {
  const groups = dims / 8;
  const lines = groups * BLOCK_ROWS;
  const [high, low, out] = [wordsOf(head), wordsOf(fine), wordsOf(plane)];
  for (let b = 0; b < roundUp(count) / BLOCK_ROWS; b++) {
    const at = (first / BLOCK_ROWS + b) * 2 * lines;
    out.set(high.subarray(b * lines, (b + 1) * lines), at);
    for (let r = 0; r < BLOCK_ROWS; r++) {
      const row = (b * BLOCK_ROWS + r) * groups;
      for (let g = 0; g < groups; g++) out[at + lines + g * BLOCK_ROWS + r] = low[row + g]!;
    }
  }
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

function roundUp(rows: number): number {
  return Math.ceil(rows / BLOCK_ROWS) * BLOCK_ROWS;
}

/** Writes a shortlist plane with its rows in another order. */
export function movePlane(coding: ShortlistCoding, plane: Uint8Array, order: Uint32Array, to: Uint8Array): void {
  const block = shortlistBlockBytes(coding);
  // A row has a word in every line of 16 words of its block, or a byte in every 16 bytes.
  const [from, out] = coding.kind === 'binary' ? [plane, to] : [wordsOf(plane), wordsOf(to)];
  const elements = block / from.BYTES_PER_ELEMENT;
  for (let r = 0; r < order.length; r++) {
    const source = (order[r]! >> 4) * elements + (order[r]! & 15);
    const target = (r >> 4) * elements + (r & 15);
    for (let i = 0; i < elements; i += BLOCK_ROWS) out[target + i] = from[source + i]!;
  }
}
