/** Matrices of embeddings as the training side takes them, checked, and their products through the kernels. */
import { expected } from '../core/errors.js';
import { MAX_DIM } from '../core/metrics.js';
import { ownFloats } from '../core/realm.js';
import { checkAttached, checkDim, fixedLength, isNumbers } from '../core/validate.js';
import { activeCodeKernels } from '../kernels/codes-load.js';

/** `count × dim`, row-major. Float64Array where a float32 would say too little (finite differences, say). */
export interface Embeddings {
  /** Finite values. */
  vectors: Float32Array | Float64Array;
  /** Dims of each row. */
  dim: number;
}

/** Embeddings that were checked. */
export interface Checked extends Embeddings {
  readonly count: number;
}

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE (with row and dim), DETACHED_BUFFER */
export function checkEmbeddings(embeddings: Embeddings, where: string): Checked {
  if (typeof embeddings !== 'object' || embeddings === null) {
    throw expected('BAD_ARGUMENT', '{ vectors, dim }', where, embeddings);
  }
  const { vectors: given, dim } = embeddings;
  const own = ownFloats(given, where);
  const vectors = ArrayBuffer.isView(own) ? fixedLength(own) : own;
  if (!(vectors instanceof Float32Array || vectors instanceof Float64Array)) {
    throw expected('BAD_ARGUMENT', 'a Float32Array or a Float64Array', `the vectors of ${where}`, vectors);
  }
  checkAttached(vectors, where);
  checkDim(dim, where);
  if (vectors.length % dim !== 0) {
    throw expected('BAD_DIMS', `a multiple of ${dim} numbers`, `the vectors of ${where}`, vectors);
  }
  for (let i = 0; i < vectors.length; i++) {
    // Beyond float32 as well: products would overflow.
    if (!Number.isFinite(Math.fround(vectors[i]!))) {
      throw expected(
        'NOT_FINITE',
        'a finite float32',
        `row ${Math.floor(i / dim)}, dim ${i % dim} of ${where}`,
        vectors[i],
      );
    }
  }
  return { vectors, dim, count: vectors.length / dim };
}

/** Embeddings of the same things: one count, one length. */
export function checkAlike(all: readonly Checked[], where: string): { count: number; dim: number } {
  const [{ count, dim }] = all as [Checked];
  for (const other of all) {
    if (other.dim !== dim) throw expected('BAD_DIMS', `vectors of ${dim} dims, as the first,`, where, other.dim);
    if (other.count !== count) {
      throw expected('BAD_ARGUMENT', `${count} rows, as the first has,`, where, other.count);
    }
  }
  return { count, dim };
}

/** Prefix lengths, in any order. @throws FunnelError BAD_PLAN, BAD_DIMS */
export function checkDims(dims: readonly number[], longest = MAX_DIM, where = 'dims'): void {
  if (!Array.isArray(dims) || dims.length === 0) throw expected('BAD_PLAN', 'one prefix length or more', where, dims);
  for (const m of dims) {
    if (!Number.isInteger(m) || m < 1) throw expected('BAD_PLAN', 'integers of at least 1', where, m);
    if (m > longest) throw expected('BAD_DIMS', `prefixes of vectors of ${longest} dims`, where, m);
  }
  if (new Set(dims).size < dims.length) throw expected('BAD_PLAN', 'no prefix twice', where, dims.join(', '));
}

/** One number for each row. @throws FunnelError BAD_ARGUMENT, NOT_FINITE */
export function checkLabels(labels: ArrayLike<number> | undefined, count: number, where = 'labels'): Float64Array {
  if (!isNumbers(labels)) throw expected('BAD_ARGUMENT', 'an array of numbers', where, labels);
  if (labels.length !== count) throw expected('BAD_ARGUMENT', `${count} numbers`, where, labels);
  for (let i = 0; i < count; i++) {
    if (typeof labels[i] !== 'number' || !Number.isFinite(labels[i])) {
      throw expected('NOT_FINITE', 'a finite number', `${where}[${i}]`, labels[i]);
    }
  }
  return Float64Array.from(labels);
}

/** The first m dims of every row, `count × m`. */
export function prefixes({ vectors, dim, count }: Checked, m: number): Float64Array {
  const out = new Float64Array(count * m);
  for (let r = 0; r < count; r++) out.set(vectors.subarray(r * dim, r * dim + m), r * m);
  return out;
}

/**
 * a · b in float64, a `rows × inner` and b `inner × columns`. The kernels multiply float32 exactly and add in float64; a
 * float64 goes in as the sum of two float32, which keeps 48 of its 53 bits: one call of theirs for float32 by float32, two
 * where one side is float64, three where both are (the product of both remainders is below float64).
 */
export function product(
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  rows: number,
  inner: number,
  columns: number,
): Float64Array {
  const out = new Float64Array(rows * columns);
  if (out.length === 0 || inner === 0) return out;
  const kernels = activeCodeKernels();
  const [high, low] = halves(a);
  const [right, rest] = halves(b);
  const multiply = (left: Float32Array, basis: Float32Array, into: Float64Array) =>
    kernels.project({ rows: left, count: rows, dim: inner, basis, width: columns, out: into });
  multiply(high, right, out);
  const part = low || rest ? new Float64Array(out.length) : out;
  for (const [left, basis] of [
    [low, right],
    [high, rest],
  ] as const) {
    if (!left || !basis) continue;
    multiply(left, basis, part);
    for (let i = 0; i < out.length; i++) out[i]! += part[i]!;
  }
  return out;
}

function halves(values: Float32Array | Float64Array): [Float32Array, Float32Array | undefined] {
  if (values instanceof Float32Array) return [values, undefined];
  const high = new Float32Array(values);
  const low = new Float32Array(values.length);
  let exact = true;
  for (let i = 0; i < values.length; i++) {
    low[i] = values[i]! - high[i]!;
    if (low[i] !== 0) exact = false;
  }
  return [high, exact ? undefined : low];
}

/** `rows × columns` to `columns × rows`. */
export function transposed<T extends Float32Array | Float64Array>(a: T, rows: number, columns: number): T {
  const out = new (a.constructor as new (length: number) => T)(a.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = a[r * columns + c]!;
  }
  return out;
}
