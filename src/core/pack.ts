/** Rows of numbers → one float32 matrix, in one pass. On the hot path of every search whose vectors travel as arrays. */
import { describe, expected, FunnelError } from './errors.js';
import { arrayKind, viewLength } from './realm.js';
import { checkDim } from './validate.js';

/** A row as clients hand it over. */
export type PackableRow = ArrayLike<number>;

/** Options of packRows(). */
export interface PackOptions {
  /** Filled instead of a new matrix: at least `count × dim` long. The answer is a view of its front. */
  into?: Float32Array;
  /** How errors call a row, e.g. `point 17`. @default `row 17` */
  name?: (row: number) => string;
}

/**
 * Packs rows of `dim` numbers. A null, a string or a hole is an error here, because float32 storage would turn it into 0
 * without a word; NaN and numbers beyond float32 are stored (as NaN and Infinity), since the kernels look at every value
 * anyway and report those.
 *
 * @throws FunnelError BAD_DIMS (a row of another length), NOT_FINITE (a value that is no number)
 */
export function packRows(vectors: readonly PackableRow[], dim: number, options: PackOptions = {}): Float32Array {
  const { length: count } = vectors;
  const out = options.into ? options.into.subarray(0, count * dim) : new Float32Array(count * dim);
  for (let row = 0; row < count; row++) {
    const vector = vectors[row]!;
    if (lengthOf(vector) !== dim || typeof vector === 'string') {
      throw expected('BAD_DIMS', `${dim} dims`, nameOf(row, options), vector);
    }
    const at = row * dim;
    if (Array.isArray(vector)) {
      if (!packArray(vector, out, at, dim)) throw notANumber(vector, dim, nameOf(row, options));
    } else if (isNumberView(vector)) {
      out.set(vector, at);
    } else {
      // Array-likes of other makers, and arrays of bigints.
      const values = Array.prototype.slice.call(vector) as number[];
      if (!packArray(values, out, at, dim)) throw notANumber(values, dim, nameOf(row, options));
    }
  }
  return out;
}

/** The dims of the first row, 1 of none. @throws FunnelError BAD_DIMS */
export function dimOf(vectors: readonly PackableRow[], name: (row: number) => string): number {
  const length = vectors[0]?.length as unknown;
  // packRows says what a row without a length is.
  return typeof length === 'number' ? checkDim(length, name(0)) : 1;
}

/**
 * Returns the true length of a view: whoever makes one may give it another length, and take its memory away while
 * others are read.
 */
function lengthOf(vector: PackableRow | null | undefined): number | undefined {
  return ArrayBuffer.isView(vector) && !(vector instanceof DataView)
    ? (viewLength.call(vector) as number)
    : vector?.length;
}

/** False at the first value that is no number; what was stored before it is then without meaning. */
function packArray(row: readonly unknown[], out: Float32Array, at: number, dim: number): boolean {
  let i = 0;
  // Sixteen at a time: half the time of a plain loop, and faster than TypedArray.set, which besides hides nulls.
  for (; i + 16 <= dim; i += 16) {
    if (!packEight(row, i, out, at + i) || !packEight(row, i + 8, out, at + i + 8)) return false;
  }
  for (; i < dim; i++) {
    const value = row[i];
    if (typeof value !== 'number') return false;
    out[at + i] = value;
  }
  return true;
}

function packEight(row: readonly unknown[], i: number, out: Float32Array, at: number): boolean {
  const a = row[i];
  const b = row[i + 1];
  const c = row[i + 2];
  const d = row[i + 3];
  const e = row[i + 4];
  const f = row[i + 5];
  const g = row[i + 6];
  const h = row[i + 7];
  if (typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number' || typeof d !== 'number') return false;
  if (typeof e !== 'number' || typeof f !== 'number' || typeof g !== 'number' || typeof h !== 'number') return false;
  out[at] = a;
  out[at + 1] = b;
  out[at + 2] = c;
  out[at + 3] = d;
  out[at + 4] = e;
  out[at + 5] = f;
  out[at + 6] = g;
  out[at + 7] = h;
  return true;
}

function isNumberView(vector: PackableRow): vector is Float32Array {
  const kind = arrayKind(vector);
  return kind !== undefined && kind !== 'BigInt64Array' && kind !== 'BigUint64Array';
}

function nameOf(row: number, options: PackOptions): string {
  return options.name ? options.name(row) : `row ${row}`;
}

function notANumber(values: readonly unknown[], dim: number, name: string): FunnelError {
  let at = 0;
  while (at < dim && typeof values[at] === 'number') at++;
  return new FunnelError(
    'NOT_FINITE',
    `Expected a number for dim ${at} of ${name} but received ${describe(values[at])}`,
  );
}
