/** A query, rotated and quantised for one segment, with the constants of its bounds. */
import { HEAD_QUERY_MAX } from '../../kernels/codes.js';
import { strideOf } from './basis.js';
import { codedMetric, type SeenQuery, squareOf } from './centre.js';
import type { Scratch } from './memory.js';
import type { Quantiser } from './quantiser.js';
import type { Coding, Segment } from './segment.js';

const INT8_QUERY_MAX = 127;

/** An upper bound of what float64 rounding adds up to. */
const SLACK = 1e-9;

/** How far residuals are from the float32 values that were rotated. */
const RESIDUAL_ROUNDING = 1e-7;

/** One plane's part of a bound: |⟨u, y⟩ − (dot · scale + constant)| ≤ error · errorScale + tail · tailScale + slack. */
export interface QuerySide {
  readonly query: Int16Array;
  readonly scale: number;
  readonly constant: number;
  readonly slack: number;
}

/** The first dims of B q', for the q' next to the unit query q that whole numbers can say. */
export interface Rotated {
  readonly u: Float64Array;
  /** |q'|, or more. */
  readonly length: number;
  /** |q − q'|, or more: what the dot product with a unit vector may differ by. */
  readonly off: number;
}

/**
 * The largest step of a basis' high bytes that orders are taken by: the error of a dot product of unit vectors has .29 of it as
 * standard deviation, a tenth of what 4 bits a dim leave open. A basis with a direction near an axis has larger steps.
 */
const ROUGHEST = 2 ** -8;

/** Where no plane that is read is of rotated dims. */
export const NOT_ROTATED: Rotated = { u: new Float64Array(0), length: 1, off: 0 };

/**
 * @param query as the codes see it
 * @param width dims to rotate: those of the head alone, or all
 * @param rough by the high bytes of the basis where they suffice for orders: half of the bytes. No bound is known of what they
 *   leave out, so `off` is infinite then.
 */
export function rotateQuery(
  scratch: Scratch,
  coding: Coding,
  { values: vector, norm }: Pick<SeenQuery, 'values' | 'norm'>,
  width: number,
  rough = false,
): Rotated {
  const u = scratch.take('u', Float64Array, width);
  // The origin has no direction; its bounds hold for the zero vector in place of a unit one.
  const unit = norm > 0 ? 1 / norm : 0;
  const { basis, dim, mean } = coding;
  if (basis === null) {
    for (let i = 0; i < width; i++) u[i] = i < dim ? vector[i]! * unit : 0;
    return { u, length: 1, off: 0 };
  }
  const dims = strideOf(dim);
  const query = scratch.take('rotation query', Int16Array, dims);
  const { scale, length, off } = wholeNumbers(vector, unit, dims, query);
  const byHigh = rough && 256 * basis.step <= ROUGHEST;
  const count = byHigh ? width : 2 * width;
  const rows = identity(scratch, count);
  const dots = scratch.take('rotation dots', Int32Array, count);
  const { plane } = basis;
  const step = basis.step * scale;
  // A direction is two rows of the plane, its high bytes first.
  scratch.kernels.rowDots({ plane, bits: 8, stride: byHigh ? 2 * dims : dims, dims, rows, count, query, dots });
  if (byHigh) {
    for (let i = 0; i < width; i++) u[i] = 256 * dots[i]! * step;
    return { u, length, off: Infinity };
  }
  for (let i = 0; i < width; i++) u[i] = (256 * dots[2 * i]! + dots[2 * i + 1]!) * step;
  return { u, length, off: mean === null ? off : off + RESIDUAL_ROUNDING };
}

/** Added and taken away, it leaves the nearest whole number, in a third of the time of Math.round. */
const ROUND = 1.5 * 2 ** 52;

/** @param value of magnitude below 2^51 */
function wholeOf(value: number): number {
  return value + ROUND - ROUND;
}

/** vector · unit ≈ query · scale, sums with signed bytes within int32. */
function wholeNumbers(vector: Float32Array | Float64Array, unit: number, dims: number, query: Int16Array) {
  let largest = 0;
  for (let i = 0; i < vector.length; i++) largest = Math.max(largest, Math.abs(vector[i]!));
  let scale = (largest * unit) / HEAD_QUERY_MAX || 1;
  if (128 * HEAD_QUERY_MAX * dims >= 2 ** 31) {
    let sum = 0;
    for (let i = 0; i < vector.length; i++) sum += Math.abs(vector[i]!);
    // Each rounding adds half a step to the sum of magnitudes at most.
    scale = Math.max(scale, (sum * unit) / ((2 ** 31 - 1) / 128 - dims / 2));
  }
  const steps = unit / scale;
  let squares = 0;
  let left = 0;
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i]! * steps;
    const whole = wholeOf(value);
    query[i] = whole;
    squares += whole * whole;
    left += (value - whole) * (value - whole);
  }
  query.fill(0, vector.length, dims);
  return { scale, length: Math.sqrt(squares) * scale + SLACK, off: Math.sqrt(left) * scale + SLACK };
}

/** 0, 1, 2, ...: at least n of them. */
export function identity(scratch: Scratch, n: number): Uint32Array {
  const rows = scratch.take('identity', Uint32Array, n);
  if (n > 1 && rows[n - 1] === n - 1) return rows;
  for (let i = 0; i < rows.length; i++) rows[i] = i;
  return rows;
}

/** The query's length in dims [0, m), and an upper bound of its length beyond them. */
export interface Split {
  readonly within: number;
  readonly beyond: number;
}

export function splitLengths(coding: Coding, { u, length }: Rotated, m: number): Split {
  let squares = 0;
  for (let i = 0; i < m; i++) squares += u[i]! * u[i]!;
  const skew = coding.basis?.skew ?? 0;
  return { within: Math.sqrt(squares), beyond: Math.sqrt(Math.max(0, length * length - squares / (1 + skew)) + SLACK) };
}

export interface HeadQuerySide extends QuerySide {
  /** The constant and the slack with the fine plane, whose dots count a 16th. */
  readonly fineConstant: number;
  readonly fineSlack: number;
}

/**
 * @param narrow query codes of one byte: half the work of a scan, for orders; bounds want the whole
 * @param query where the codes go: `coding.head` of them
 */
export function headQuerySide(coding: Coding, { u, off }: Rotated, narrow: boolean, query: Int16Array): HeadQuerySide {
  const { base, step } = coding.headQuantiser;
  const n = coding.head;
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(u[i]! * step[i]!));
  const scale = (16 * largest) / (narrow ? INT8_QUERY_MAX : HEAD_QUERY_MAX) || 1;
  let constant = 0;
  let fineConstant = 0;
  let rest = 0;
  let absolute = 0;
  let within = 0;
  for (let i = 0; i < n; i++) {
    const weight = 16 * u[i]! * step[i]!;
    const code = wholeOf(weight / scale);
    query[i] = code;
    const left = weight - scale * code;
    rest += left;
    absolute += Math.abs(left);
    constant += u[i]! * (base[i]! + 7.5 * step[i]!);
    fineConstant += u[i]! * base[i]!;
    within += u[i]! * u[i]!;
  }
  const lost = skewSlack(coding, Math.sqrt(within)) + off;
  return {
    query,
    scale,
    // Codes are 0..15, around 7.5; whole codes 0..255, around 127.5, of which a 16th of the weight belongs to each.
    constant: constant + 7.5 * rest,
    slack: 7.5 * absolute + lost + SLACK,
    fineConstant: fineConstant + (127.5 / 16) * rest,
    fineSlack: (127.5 / 16) * absolute + lost + SLACK,
  };
}

/**
 * For an int8 plane of `dims` dims, whose sums fit int32.
 *
 * @param values those of the query, from `offset` on, each times `unit`; dims beyond them are 0
 */
export function rowQuerySide(
  quantiser: Quantiser,
  values: Float64Array | Float32Array,
  offset: number,
  unit: number,
  dims: number,
  query: Int16Array,
): QuerySide {
  const { base, step } = quantiser;
  const most = Math.min(HEAD_QUERY_MAX, Math.floor((2 ** 31 - 1) / (127 * Math.max(1, dims))));
  const n = Math.min(dims, values.length - offset);
  query.fill(0, n, dims);
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(values[offset + i]! * unit * step[i]!));
  const scale = largest / most || 1;
  let constant = 0;
  let absolute = 0;
  for (let i = 0; i < n; i++) {
    const v = values[offset + i]! * unit;
    const weight = v * step[i]!;
    const code = wholeOf(weight / scale);
    query[i] = code;
    absolute += Math.abs(weight - scale * code);
    constant += v * base[i]!;
  }
  return { query, scale, constant, slack: 127 * absolute + SLACK };
}

/** |uᵀ (G⁻¹ − I) y| ≤ skew / (1 − skew) · |u|, for |y| ≤ 1 + skew. */
export function skewSlack(coding: Coding, length: number): number {
  const skew = coding.basis?.skew ?? 0;
  return ((skew * (1 + skew)) / (1 - skew)) * length;
}

/** The threshold that a bound must reach, in the units of kernels/codes-scan.ts, so that the row's key can reach a given one. */
export interface Threshold {
  readonly threshold: number;
  readonly twoQuery: number;
  /** Is added to the constant of every bound. */
  readonly constant: number;
}

/**
 * Norms are stored in units of the largest, as float32; so are the query's and the key then. The rounding of a norm n is a
 * share of n: of n · v the constant pays for it, since a true v is in −1..1, and of n² the factor on all the rest, so that
 * one long row takes nothing from the bounds of short ones.
 */
export function thresholdOf({ coding, largestNorm }: Segment, { norm, offset }: SeenQuery, key: number): Threshold {
  const { metric, mean, dim } = coding;
  const unit = largestNorm > 0 ? largestNorm : 1;
  const rounding = (dim + 64) * 2 ** -52;
  const by = codedMetric(metric, mean);
  if (by === 'cosine') return { threshold: key - SLACK, twoQuery: 0, constant: 0 };
  if (by === 'dot') {
    // Products with the mean were rounded, and so was the key.
    const away = mean === null ? 0 : Math.sqrt(squareOf(mean)) / unit;
    return { threshold: (key - offset) / (norm * unit) - rounding * (1 + away), twoQuery: 0, constant: NORM_ROUNDING };
  }
  const query = norm / unit;
  // Rows and query of length 1 are rounded before the mean is taken away, and so is the cosine.
  const square = metric === 'cosine' ? (2 - 2 * key) / unit ** 2 : (key / unit) ** 2;
  const slack = rounding * (query + 1 + (metric === 'cosine' ? 1 / unit : 0)) ** 2;
  const stretch = 1 / (1 - 3 * NORM_ROUNDING);
  return {
    threshold: (query * query - square) * stretch - slack,
    twoQuery: 2 * query * stretch,
    constant: NORM_ROUNDING,
  };
}

/** An upper bound of the share of a norm that rounding to float32 changes. */
const NORM_ROUNDING = 1e-7;
