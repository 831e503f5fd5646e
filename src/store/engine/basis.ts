/**
 * The rotation of an index: the leading principal directions of its rows' second moment. By Eckart–Young no other
 * orthonormal basis keeps more of the dot products in its first m dims, for every m at once. Answers never depend on its
 * quality: how far it is from orthonormal is measured, and every bound pays for it.
 */

import { log2Of } from '../../core/exact-math.js';
import { atOnce, type Sliced } from '../../core/slices.js';
import type { CodeKernels } from '../../kernels/codes.js';
import { squareOf } from './centre.js';
import { stepsAtOnce, symmetricEigen } from './eigen.js';
import { project } from './project.js';

export interface Basis {
  /** Dims of a row. */
  readonly dim: number;
  /** Directions, a multiple of 8; those beyond `dim` are zeros. */
  readonly width: number;
  /**
   * The directions in whole `step`s, of 16 bits each, as two rows of an int8 plane: direction i is 256 · row 2 i + row 2 i + 1.
   * `2 width × strideOf(dim)`; integer sums are a quarter of the work of float64 ones, and the same everywhere.
   */
  readonly plane: Uint8Array;
  /** A power of two. */
  readonly step: number;
  /** The same values, `dim × width`, as `project` wants them. */
  readonly columns: Float32Array;
  /** Upper bound of the spectral norm of G − I, G the Gram matrix of the non-zero directions. */
  readonly skew: number;
}

/** Directions beyond those asked for make the iteration converge on these. */
const OVERSAMPLING = 16;
const MULTIPLICATIONS = 4;
/** The rows' moment has trace 1, so this is more than most directions have. */
const OWN_EIGENVALUE = 1 / 8;

/**
 * @param samples of vectors of length 1, each `count × dim`; every sample weighs the same
 * @param width how many directions, a multiple of 8
 * @param own a direction of length 1 that queries may have much of, though rows have not: it becomes one of the first
 */
export function principalBasis(...given: Parameters<typeof findBasis>): Basis {
  return atOnce(findBasis(...given));
}

/** The same in slices. */
export function* findBasis(
  kernels: CodeKernels,
  samples: readonly [Float32Array, ...Float32Array[]],
  dim: number,
  width: number,
  seed = 1,
  own: Float64Array | null = null,
): Sliced<Basis> {
  const moment = yield* gram(kernels, samples[0], samples[0].length / dim, dim);
  for (const units of samples.slice(1)) {
    const other = yield* gram(kernels, units, units.length / dim, dim);
    other.forEach((value, i) => {
      moment[i]! += value;
    });
  }
  if (own !== null) makeEigenvector(moment, dim, own);
  const wanted = Math.min(dim, width);
  const w = Math.min(dim, wanted + OVERSAMPLING);
  const directions = yield* w === dim ? allDirections(moment, dim) : leadingDirections(kernels, moment, dim, w, seed);
  const basis = yield* fromDirections(kernels, directions, dim, width, wanted);
  if (basis.skew < MOST_SKEW) return basis;
  // Rows of fewer directions than were asked for: what the iteration found beyond them is noise.
  yield* orthonormaliseRows(directions, dim, wanted);
  const again = yield* fromDirections(kernels, directions, dim, width, wanted);
  return again.skew < MOST_SKEW ? again : yield* fromDirections(kernels, directions, dim, width, 0);
}

/** A basis further from orthonormal than this says little, and at 1 bounds would fail. */
export const MOST_SKEW = 0.01;

function* fromDirections(
  kernels: CodeKernels,
  directions: Float64Array,
  dim: number,
  width: number,
  wanted: number,
): Sliced<Basis> {
  const largest = largestOf(directions.subarray(0, wanted * dim));
  const step = largest > 0 && Number.isFinite(largest) ? 2 ** Math.ceil(log2Of(largest / MOST_STEPS)) : 1;
  const plane = new Uint8Array(2 * width * strideOf(dim));
  fillPlane(plane, directions, dim, wanted, step);
  return yield* readBasis(kernels, plane, step, dim);
}

function fillPlane(plane: Uint8Array, directions: Float64Array, dim: number, wanted: number, step: number): void {
  const stride = strideOf(dim);
  for (let i = 0; i < wanted; i++) {
    for (let j = 0; j < dim; j++) {
      const steps = Math.round(directions[i * dim + j]! / step);
      const low = (steps << 24) >> 24;
      plane[2 * i * stride + j] = (steps - low) >> 8;
      plane[(2 * i + 1) * stride + j] = low;
    }
  }
}

/** The largest number that two signed bytes hold. */
export const MOST_STEPS = 127 * 256;

/** Bytes of a row of the plane. */
export function strideOf(dim: number): number {
  return Math.ceil(dim / 8) * 8;
}

/** Gram–Schmidt, twice for each row; rows that depend on earlier ones become zeros. */
function* orthonormaliseRows(a: Float64Array, dim: number, count: number): Sliced<void> {
  for (let i = 0; i < count; i++) {
    yield;
    const row = a.subarray(i * dim, (i + 1) * dim);
    let before = Math.sqrt(dotOf(row, row));
    for (let round = 0; round < 2; round++) {
      for (let k = 0; k < i; k++) {
        const other = a.subarray(k * dim, (k + 1) * dim);
        const along = dotOf(row, other);
        for (let j = 0; j < dim; j++) row[j]! -= along * other[j]!;
      }
      const left = Math.sqrt(dotOf(row, row));
      const independent = left > 1e-3 * before && Number.isFinite(left);
      before = 1;
      for (let j = 0; j < dim; j++) row[j] = independent ? row[j]! / left : 0;
      if (!independent) break;
    }
  }
}

function dotOf(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j]! * b[j]!;
  return sum;
}

/** Rows of zeros are no directions. */
export function* readBasis(kernels: CodeKernels, plane: Uint8Array, step: number, dim: number): Sliced<Basis> {
  const stride = strideOf(dim);
  const width = plane.length / (2 * stride);
  const columns = new Float32Array(dim * width);
  const bytes = new Int8Array(plane.buffer, plane.byteOffset, plane.length);
  for (let i = 0; i < width; i++) {
    const high = 2 * i * stride;
    for (let j = 0; j < dim; j++) columns[j * width + i] = (256 * bytes[high + j]! + bytes[high + stride + j]!) * step;
  }
  return { dim, width, plane, step, columns, skew: yield* skewOf(kernels, columns, dim, width) };
}

/** Σ x xᵀ, `dim × dim`, scaled to trace 1. */
function* gram(kernels: CodeKernels, units: Float32Array, count: number, dim: number): Sliced<Float64Array> {
  const transposed = transpose(units, count, dim);
  const out = new Float64Array(dim * dim);
  yield* project(kernels, { rows: transposed, count: dim, dim: count, basis: units, width: dim, out });
  let trace = 0;
  for (let j = 0; j < dim; j++) trace += out[j * dim + j]!;
  const scale = trace > 0 ? 1 / trace : 1;
  return out.map((value) => value * scale);
}

/** Takes what the moment has along a direction away, and gives it an eigenvalue of its own. */
function makeEigenvector(moment: Float64Array, dim: number, own: Float64Array): void {
  const along = new Float64Array(dim);
  for (let i = 0; i < dim; i++) along[i] = dotOf(moment.subarray(i * dim, (i + 1) * dim), own);
  const twice = dotOf(along, own) + OWN_EIGENVALUE;
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j < dim; j++)
      moment[i * dim + j]! += twice * own[i]! * own[j]! - own[i]! * along[j]! - along[i]! * own[j]!;
  }
}

function* allDirections(moment: Float64Array, dim: number): Sliced<Float64Array> {
  return (yield* symmetricEigen(moment, dim)).vectors;
}

/** Subspace iteration, then the eigenvectors inside the subspace (Rayleigh–Ritz). Row-major, `w × dim`. */
function* leadingDirections(
  kernels: CodeKernels,
  moment: Float64Array,
  dim: number,
  w: number,
  seed: number,
): Sliced<Float64Array> {
  const matrix = new Float32Array(moment);
  let state = seed >>> 0 || 1;
  let q: Float32Array = new Float32Array(dim * w).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const product = new Float64Array(dim * w);
  for (let round = 1; round <= MULTIPLICATIONS; round++) {
    yield* project(kernels, { rows: matrix, count: dim, dim, basis: q, width: w, out: product });
    // Two multiplications between orthonormalisations: their condition still fits float64.
    q = round % 2 === 0 ? yield* orthonormalColumns(kernels, product, dim, w) : scaled(product);
  }
  yield* project(kernels, { rows: matrix, count: dim, dim, basis: q, width: w, out: product });
  const small = new Float64Array(w * w);
  const qt = transpose(q, dim, w);
  yield* project(kernels, { rows: qt, count: w, dim, basis: new Float32Array(product), width: w, out: small });
  for (let i = 0; i < w; i++) {
    for (let j = 0; j < i; j++) {
      const mean = (small[i * w + j]! + small[j * w + i]!) / 2;
      small[i * w + j] = mean;
      small[j * w + i] = mean;
    }
  }
  const { vectors } = yield* symmetricEigen(small, w);
  const out = new Float64Array(w * dim);
  yield* project(kernels, { rows: new Float32Array(vectors), count: w, dim: w, basis: qt, width: dim, out });
  return out;
}

/** Cholesky QR: the columns of a, orthonormalised. */
function* orthonormalColumns(kernels: CodeKernels, a: Float64Array, dim: number, w: number): Sliced<Float32Array> {
  const columns = scaled(a);
  const g = new Float64Array(w * w);
  yield* project(kernels, { rows: transpose(columns, dim, w), count: w, dim, basis: columns, width: w, out: g });
  // G = L Lᵀ; a column that depends on earlier ones becomes zeros.
  const each = stepsAtOnce(w * w);
  for (let i = 0; i < w; i++) {
    if (i % each === 0) yield;
    factorRow(g, w, i);
  }
  const out = new Float32Array(dim * w);
  const row = new Float64Array(w);
  for (let r = 0; r < dim; r++) {
    if (r % each === 0) yield;
    solveRow(g, w, columns.subarray(r * w, (r + 1) * w), row);
    out.set(row, r * w);
  }
  return out;
}

// Loops are functions of their own: in a generator they would run half as fast, and all of it be compiled for them.

function factorRow(g: Float64Array, w: number, i: number): void {
  for (let j = 0; j <= i; j++) {
    let sum = g[i * w + j]!;
    for (let k = 0; k < j; k++) sum -= g[i * w + k]! * g[j * w + k]!;
    if (i === j) g[i * w + i] = sum > 1e-12 * Math.abs(g[i * w + i]!) ? Math.sqrt(sum) : 0;
    else g[i * w + j] = g[j * w + j]! > 0 ? sum / g[j * w + j]! : 0;
  }
}

function solveRow(g: Float64Array, w: number, right: Float32Array, row: Float64Array): void {
  for (let i = 0; i < w; i++) {
    let sum = right[i]!;
    for (let k = 0; k < i; k++) sum -= g[i * w + k]! * row[k]!;
    row[i] = g[i * w + i]! > 0 ? sum / g[i * w + i]! : 0;
  }
}

/** In float32, the largest magnitude at 1. */
function scaled(a: Float64Array): Float32Array {
  const largest = largestOf(a);
  const scale = largest > 0 ? 1 / largest : 1;
  return new Float32Array(a.map((value) => value * scale));
}

/** The largest magnitude. */
function largestOf(a: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]!));
  return largest;
}

function transpose(a: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(a.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = a[r * columns + c]!;
  }
  return out;
}

/**
 * ‖F‖₂ ≤ ‖F⁴‖_F^¼ for the symmetric F = G − I (Σλ⁸)^⅛; both squarings are rounded far below what is added for it.
 */
function* skewOf(kernels: CodeKernels, columns: Float32Array, dim: number, width: number): Sliced<number> {
  const f = new Float64Array(width * width);
  yield* project(kernels, { rows: transpose(columns, dim, width), count: width, dim, basis: columns, width, out: f });
  for (let i = 0; i < width; i++) if (f[i * width + i]! > 0) f[i * width + i]! -= 1;
  let power = f;
  let scale = 1;
  for (let squaring = 0; squaring < 2; squaring++) {
    const largest = largestOf(power);
    if (largest === 0) return 1e-12;
    const single = new Float32Array(power.map((value) => value / largest));
    const squared = new Float64Array(width * width);
    yield* project(kernels, { rows: single, count: width, dim: width, basis: single, width, out: squared });
    power = squared;
    scale = (scale * largest) ** 2;
  }
  return 1.001 * Math.sqrt(Math.sqrt(Math.sqrt(squareOf(power)) * scale)) + 1e-12;
}
