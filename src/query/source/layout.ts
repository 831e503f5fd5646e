/** How the full vectors of a collection are stored, and what both databases check before they search. */
import { describe, expected, FunnelError, type FunnelErrorCode } from '../../core/errors.js';
import { METRICS } from '../../core/metrics.js';
import type { Metric, Vector } from '../../core/types.js';
import { checkQuery, isListOf, isString } from '../../core/validate.js';
import { QueryVector } from '../../core/vector.js';
import type { HeadRequest } from './source.js';

/**
 * The layout that stores nothing twice: the head normalised to length 1, its length in a field beside it, and the remaining
 * dims raw. The full vector is [head · norm, tail]. Whatever metric the server compares heads by, they rank by cosine, so
 * that is the metric of the full vectors too unless another is named.
 */
export interface TailLayout {
  /** The vector of the dims behind the head. */
  tail: string;
  /** Where the head's length is: a payload key in Qdrant, a scalar field in Milvus. */
  headNorm: string;
}

/** The head of a full vector, of the length that the head field has. */
export type HeadOf = (vector: Float32Array) => Vector;

/**
 * Returns the vector that searches the head field for a query: its first dims, or what `headOf` makes of it.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE: `headOf` failed, or gave another head than the field has
 */
export function headBy(headOf: HeadOf | undefined, vector: Float32Array, dim: number, where: string): Float32Array {
  if (headOf === undefined) return vector.subarray(0, dim);
  let head: Vector;
  try {
    head = headOf(vector.slice());
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw new FunnelError('BAD_ARGUMENT', `Expected a head from headOf of ${where} but it failed: ${cause}`, { cause });
  }
  return checkQuery(head, dim, `what headOf of ${where} gave`);
}

export function checkHeadOf(headOf: unknown): void {
  if (headOf !== undefined && typeof headOf !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'headOf', headOf);
  }
}

/**
 * The names of a layout's vectors as a caller gives them: both, or neither where a collection has one vector, or the head alone
 * where a mirror has the full vectors.
 */
export interface GivenNames {
  head?: string | undefined;
  full?: string | TailLayout | undefined;
}

export interface VectorNames {
  head: string;
  full: string | TailLayout;
}

/**
 * The names as given; where none were, the one vector that the collection has, which is head and full one at once.
 *
 * @param vectors - dims of the dense ones, by name; '' is the un-named one
 * @throws FunnelError NO_FIELD: it has none; BAD_ARGUMENT: it has several, which it names with the options to write
 */
export function namesFor({ head, full }: GivenNames, vectors: ReadonlyMap<string, number>, where: string): VectorNames {
  if (head !== undefined) return { head, full: full ?? head };
  const [only] = vectors.keys();
  if (only === undefined) throw new FunnelError('NO_FIELD', `Expected a dense vector in ${where} but it has none`);
  if (vectors.size === 1) return { head: only, full: only };
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected head and full for ${where}, which has several vectors: ${listVectors(vectors)}. Write ${namesToWrite(vectors)}`,
  );
}

/** For people: `"head" (64 dims), "full" (768 dims)`. */
export function listVectors(vectors: ReadonlyMap<string, number>): string {
  const names = byDims(vectors).map(
    ([name, dim]) => `${name === '' ? 'one un-named vector' : JSON.stringify(name)} (${dim} dims)`,
  );
  return names.join(', ') || 'no dense vector';
}

/** The options that fit the vectors. */
export function namesToWrite(vectors: ReadonlyMap<string, number>): string {
  const { head, full } = likelyNames(vectors);
  return `head: ${JSON.stringify(head)}, full: ${JSON.stringify(full)}`;
}

/** The longest as full one, the shortest as head; vectors of the same length are no heads of one another. */
export function likelyNames(vectors: ReadonlyMap<string, number>): { head: string; full: string } {
  const sorted = byDims(vectors);
  const [[first, least], [last, most]] = [sorted[0]!, sorted.at(-1)!];
  return { head: least < most ? first : last, full: last };
}

/** Servers have them in any order. */
function byDims(vectors: ReadonlyMap<string, number>): [string, number][] {
  return [...vectors].sort(([one, a], [other, b]) => a - b || (one < other ? -1 : 1));
}

/** Whether the full vectors are elsewhere, in a mirror. */
export function isHeadsOnly({ head, full }: GivenNames): boolean {
  return head !== undefined && full === undefined;
}

/** @param named - whether the names may not be left out */
export function checkLayout(
  options: GivenNames & {
    collection: string;
    headOf?: HeadOf | undefined;
    prefixes?: readonly string[] | undefined;
  },
  named = false,
): void {
  if (typeof options !== 'object' || options === null)
    throw expected('BAD_ARGUMENT', 'an object', 'the options', options);
  const { collection, head, full, headOf, prefixes } = options;
  if (typeof collection !== 'string' || collection === '') {
    throw expected('BAD_ARGUMENT', 'the name of a collection', 'collection', collection);
  }
  checkHeadOf(headOf);
  if (prefixes !== undefined && (!isListOf(prefixes, isString) || typeof full !== 'string')) {
    throw expected('BAD_ARGUMENT', 'names of vectors, beside head and full,', 'prefixes', prefixes);
  }
  if (head === undefined && full === undefined && !named) return;
  if (typeof head !== 'string') {
    const what = 'the name of the head vector (that of the full one, where all its dims are to be searched)';
    throw expected('BAD_ARGUMENT', what, 'head', head);
  }
  const tailed =
    typeof full === 'object' && full !== null && typeof full.tail === 'string' && typeof full.headNorm === 'string';
  if (full === undefined && headOf === undefined && !named) return;
  if (typeof full !== 'string' && !tailed) {
    throw expected('BAD_ARGUMENT', 'the name of the full vector, or { tail, headNorm },', 'full', full);
  }
  if (headOf !== undefined && typeof full !== 'string') {
    throw expected(
      'BAD_ARGUMENT',
      'no headOf, since the head is a part of the full vector,',
      'the tail layout',
      headOf,
    );
  }
}

export function checkMetric(metric: Metric | undefined): void {
  if (metric !== undefined && !METRICS.includes(metric)) {
    throw expected('BAD_ARGUMENT', `one of ${METRICS.join(', ')}`, 'metric', metric);
  }
}

/**
 * A query of `dim` finite values: NaN would be answered with arbitrary hits by some servers, so it never leaves this process. One
 * that a search of ours has looked at already is not looked at again.
 *
 * @param where the source's name, for errors
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE naming the dim
 */
export function checkHeadQuery(request: Pick<HeadRequest, 'vector'>, dim: number, where: string): void {
  if (QueryVector.isChecked(request, dim)) return;
  const { vector } = request;
  if (!(vector instanceof Float32Array)) throw expected('BAD_ARGUMENT', 'a Float32Array', 'the query vector', vector);
  checkQuery(vector, dim, `the query vector of ${where}`);
}

/** As far as bfloat16 rounds. */
const UNIT = 4e-3;

/** Joins stored heads, their lengths and tails to full vectors. */
export function joinTails(
  heads: Float32Array,
  headDim: number,
  norms: readonly unknown[],
  tails: Float32Array,
  tailDim: number,
  nameNorm: (row: number) => string,
  nameRow: (row: number) => string,
): Float32Array {
  const dim = headDim + tailDim;
  const full = new Float32Array(norms.length * dim);
  for (let row = 0; row < norms.length; row++) {
    const norm = norms[row];
    if (typeof norm !== 'number' || !Number.isFinite(norm) || norm < 0) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected a length, 0 or more, in ${nameNorm(row)} but received ${describe(norm)}`,
      );
    }
    const from = row * headDim;
    const to = row * dim;
    let squares = 0;
    for (let i = 0; i < headDim; i++) {
      squares += heads[from + i]! ** 2;
      full[to + i] = heads[from + i]! * norm;
    }
    // A raw head would be scaled by its own length once more. NaN is left to the kernels; a head of zeros has no direction.
    const length = Math.sqrt(squares);
    if (Math.abs(length - 1) > UNIT && !(length === 0 && norm === 0)) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected a head of length 1 in ${nameRow(row)}, as the tail layout stores them, but received one of length ${length}`,
      );
    }
    full.set(tails.subarray(row * tailDim, (row + 1) * tailDim), to + headDim);
  }
  return full;
}

/** Failures that may mean the collection has changed: the source reads it again, for a better reason than the search gave. */
export const MAY_HAVE_CHANGED: ReadonlySet<FunnelErrorCode> = new Set([
  'REFUSED',
  'BAD_RESPONSE',
  'BAD_DIMS',
  'NO_FIELD',
]);

/** Failures of that reading which say nothing about the collection. */
export const SAYS_NOTHING: ReadonlySet<FunnelErrorCode> = new Set([
  'REFUSED',
  'BAD_RESPONSE',
  'UNREACHABLE',
  'UNAVAILABLE',
  'RATE_LIMITED',
  'TIMEOUT',
  'ABORTED',
]);
