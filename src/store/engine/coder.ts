/** Encodes rows into planes, a chunk at a time: chunks are independent, so any number of threads may share the work. */
import type { CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import { residual } from './centre.js';
import { type Grouping, ListFinder } from './k-means.js';
import type { ListCentroids } from './partition.js';
import type { Coding } from './segment.js';
import { type EncodedShortlist, ShortlistCoder } from './shortlist-plane.js';

export interface CodingPlan {
  coding: Coding;
  partition: ListCentroids | null;
  /** Groups of the partition's lists, made once for all coders, which look for each row's list. */
  grouping: Grouping | null;
}

/** Rows that pass through in one go: their intermediate values stay in a core's own cache. */
export const CHUNK_ROWS = 240;

/** Where the codes of `count` rows go, in the order of the input. All shared memory. */
export interface EncodedRows {
  readonly count: number;
  readonly headPlane: Uint8Array;
  readonly finePlane: Uint8Array;
  readonly levelPlane: Uint8Array;
  readonly fullPlane: Uint8Array;
  readonly coarseError: Float64Array;
  readonly fineError: Float64Array;
  readonly levelError: Float64Array;
  readonly fullError: Float64Array;
  readonly headTail: Float64Array;
  readonly levelTail: Float64Array;
  readonly norms: Float64Array;
  readonly lists: Uint32Array;
  readonly shortlist: EncodedShortlist | null;
}

/** Two roundings and a float32 product do not reach this. */
const SLACK = 1e-9;

export class Coder {
  /** Values from one row of `#units` to the next. */
  readonly #stride: number;
  readonly #units: Float64Array;
  readonly #rotated: Float64Array;
  /** Residuals of length 1, rounded, as `project` takes them. */
  readonly #residuals: Float32Array;
  readonly #listRows: Float32Array;
  readonly #finder: ListFinder | null;
  readonly #sums = new Float64Array(CHUNK_ROWS);
  readonly #others = new Float64Array(CHUNK_ROWS);
  readonly #shortlist: ShortlistCoder | null;

  readonly coding: Coding;
  readonly partition: ListCentroids | null;

  constructor(
    readonly kernels: CodeKernels,
    { coding, partition, grouping }: CodingPlan,
  ) {
    this.coding = coding;
    this.partition = partition;
    const { basis, mean } = coding;
    this.#stride = Math.max(
      coding.full,
      basis === null || mean !== null ? coding.width : 0,
      mean === null ? 0 : coding.dim,
    );
    this.#units = new Float64Array(CHUNK_ROWS * this.#stride);
    this.#residuals = new Float32Array(mean === null ? 0 : CHUNK_ROWS * coding.dim);
    this.#rotated = new Float64Array(CHUNK_ROWS * coding.width);
    this.#listRows = new Float32Array(CHUNK_ROWS * (partition?.dims ?? 0));
    this.#finder = partition === null ? null : new ListFinder(kernels, partition, grouping);
    this.#shortlist = coding.shortlist === null ? null : new ShortlistCoder(kernels, coding.shortlist, CHUNK_ROWS);
  }

  /**
   * @param rows up to CHUNK_ROWS rows
   * @param first where they go: a multiple of 16
   */
  encode(rows: Float32Array, first: number, out: EncodedRows): void {
    const { coding, kernels } = this;
    const { dim, metric, head, width, full, basis, mean } = coding;
    const count = rows.length / dim;
    const norms = out.norms.subarray(first, first + count);
    lengths(rows, dim, norms);

    if (mean !== null) this.#toResiduals(rows, norms, mean);
    else if (full > 0 || basis === null) unitsOf(rows, dim, norms, this.#units, this.#stride);
    if (basis === null) {
      const stride = this.#stride;
      for (let r = 0; r < count; r++) {
        this.#rotated.set(this.#units.subarray(r * stride, r * stride + width), r * width);
      }
    } else if (mean !== null) {
      kernels.project({ rows: this.#residuals, count, dim, basis: basis.columns, width, out: this.#rotated });
    } else {
      kernels.project({ rows, count, dim, basis: basis.columns, width, out: this.#rotated });
      divideRows(this.#rotated, width, norms);
    }
    this.#tails(count, norms, first, out);

    const values = this.#rotated;
    kernels.encodeHead({
      values,
      count,
      stride: width,
      offset: 0,
      dims: head,
      ...coding.headQuantiser,
      first,
      head: out.headPlane,
      fine: out.finePlane,
      coarseError: this.#sums,
      fineError: this.#others,
    });
    toErrors(this.#sums, count, out.coarseError, first);
    toErrors(this.#others, count, out.fineError, first);
    if (width > head) {
      kernels.encodeRows({
        values,
        count,
        stride: width,
        offset: head,
        dims: width - head,
        ...coding.levelQuantiser,
        first,
        plane: out.levelPlane,
        error: this.#sums,
      });
      this.#sums.forEach((sum, r, sums) => {
        sums[r] = sum + this.#others[r]!;
      });
      toErrors(this.#sums, count, out.levelError, first);
    }
    if (full > 0) {
      kernels.encodeRows({
        values: this.#units,
        count,
        stride: this.#stride,
        offset: 0,
        dims: full,
        ...coding.fullQuantiser,
        first,
        plane: out.fullPlane,
        error: this.#sums,
      });
      toErrors(this.#sums, count, out.fullError, first);
    }
    const residuals = mean === null ? null : { values: this.#units, stride: this.#stride };
    this.#shortlist?.encode(rows, dim, norms, first, out, out.shortlist!, metric, residuals);
    if (this.partition !== null) this.#assign(count, first, out.lists);
  }

  /** Writes residuals in place of units, and their lengths in place of the rows' lengths. */
  #toResiduals(rows: Float32Array, norms: Float64Array, mean: Float64Array): void {
    const { dim, metric } = this.coding;
    for (let r = 0; r < norms.length; r++) {
      const unit = this.#units.subarray(r * this.#stride, r * this.#stride + dim);
      norms[r] = residual(rows.subarray(r * dim, (r + 1) * dim), norms[r]!, metric, mean, unit);
      this.#residuals.set(unit, r * dim);
    }
  }

  /** |x beyond m|² = |x|² − |projection on the first m|², and |projection|² ≥ |y|² / (1 + skew). */
  #tails(count: number, norms: Float64Array, first: number, out: EncodedRows): void {
    const { head, width, basis, mean } = this.coding;
    // A residual that was rounded to float32 may be longer than it was.
    const one = mean === null ? 1 : 1 + 2e-7;
    const stretch = 1 + (basis?.skew ?? 0);
    for (let r = 0; r < count; r++) {
      const length = norms[r]! > 0 ? one : 0;
      let squares = 0;
      const at = r * width;
      for (let i = 0; i < head; i++) squares += this.#rotated[at + i]! ** 2;
      out.headTail[first + r] = Math.sqrt(Math.max(0, length - squares / stretch) + SLACK);
      for (let i = head; i < width; i++) squares += this.#rotated[at + i]! ** 2;
      out.levelTail[first + r] = Math.sqrt(Math.max(0, length - squares / stretch) + SLACK);
    }
  }

  #assign(count: number, first: number, lists: Uint32Array): void {
    const { dims } = this.partition!;
    const { width } = this.coding;
    for (let r = 0; r < count; r++) {
      for (let i = 0; i < dims; i++) this.#listRows[r * dims + i] = this.#rotated[r * width + i]!;
    }
    this.#finder!.find(this.#listRows, count, lists, first);
  }
}

// V8 compiles a loop with all of the function around it, so that those over values are functions of their own.

/**
 * Rows brought to length 1, those of zeros as zeros. Four values at a step: that takes half the time in V8.
 *
 * @param out a row each `stride` values
 */
function unitsOf(rows: Float32Array, dim: number, norms: Float64Array, out: Float64Array, stride: number): void {
  for (let r = 0; r < norms.length; r++) {
    const inverse = norms[r]! > 0 ? 1 / norms[r]! : 0;
    const to = r * stride;
    const from = r * dim;
    let j = 0;
    for (; j + 3 < dim; j += 4) {
      out[to + j] = rows[from + j]! * inverse;
      out[to + j + 1] = rows[from + j + 1]! * inverse;
      out[to + j + 2] = rows[from + j + 2]! * inverse;
      out[to + j + 3] = rows[from + j + 3]! * inverse;
    }
    for (; j < dim; j++) out[to + j] = rows[from + j]! * inverse;
  }
}

/** Rows of zeros become zeros. */
function divideRows(values: Float64Array, width: number, norms: Float64Array): void {
  for (let r = 0; r < norms.length; r++) {
    const inverse = norms[r]! > 0 ? 1 / norms[r]! : 0;
    for (let i = r * width; i < (r + 1) * width; i++) values[i]! *= inverse;
  }
}

/** Lengths from sums of squares. */
function toErrors(sums: Float64Array, count: number, out: Float64Array, first: number): void {
  for (let r = 0; r < count; r++) out[first + r] = Math.sqrt(sums[r]!) + SLACK;
}

/** Plain float64 lengths; 0 for a row of zeros. */
export function lengths(rows: Float32Array, dim: number, out: Float64Array): void {
  for (let r = 0; r < out.length; r++) {
    let a = 0;
    let b = 0;
    const end = (r + 1) * dim;
    let i = r * dim;
    for (; i + 1 < end; i += 2) {
      a += rows[i]! * rows[i]!;
      b += rows[i + 1]! * rows[i + 1]!;
    }
    if (i < end) a += rows[i]! * rows[i]!;
    out[r] = Math.sqrt(a + b);
  }
}

/**
 * Brings rows to length 1, in place, after the mean was taken away; those of zeros are left out.
 *
 * @param mean of rows of this metric, as centre.ts has it
 */
export function toUnits(
  rows: Float32Array,
  dim: number,
  metric: Metric = 'cosine',
  mean: Float64Array | null = null,
): Float32Array {
  const norms = new Float64Array(rows.length / dim);
  lengths(rows, dim, norms);
  let kept = 0;
  for (let r = 0; r < norms.length; r++) {
    if (norms[r] === 0) continue;
    const at = kept * dim;
    if (mean !== null) {
      const row = rows.subarray(r * dim, (r + 1) * dim);
      if (residual(row, norms[r]!, metric, mean, rows.subarray(at, at + dim)) > 0) kept++;
      continue;
    }
    const inverse = 1 / norms[r]!;
    for (let j = 0; j < dim; j++) rows[at + j] = rows[r * dim + j]! * inverse;
    kept++;
  }
  return rows.subarray(0, kept * dim);
}
