/** Vectors as callers hold them → rows of ours, that nobody changes while work goes on for seconds. */

import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import type { Candidates, Id, Vector } from '../core/types.js';
import { isNumbers } from '../core/validate.js';
import { toMatrix } from '../funnel/candidates.js';

/** A matrix `{ vectors, dim, ids? }`, rows `{ id, vector }`, or vectors alone. */
export type Vectors = Candidates | readonly Vector[];

export interface CheckedRows {
  /** `count × dim`, finite. */
  readonly vectors: Float32Array;
  readonly dim: number;
  readonly count: number;
  /** Given, or the row's number. */
  id(row: number): Id;
  /** Whether ids were given. */
  readonly named: boolean;
}

/**
 * @param dim that the vectors must have
 * @param shared into shared memory, which threads read without a copy
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_ID, NOT_FINITE, DETACHED_BUFFER
 */
export function checkedRows(given: Vectors, where: string, { dim = 0, shared = false } = {}): CheckedRows {
  const matrix = named(where, () => toMatrix(asCandidates(given)));
  const { count } = matrix;
  if (count === 0) throw expected('BAD_ARGUMENT', 'at least one vector', where, given);
  if (dim !== 0 && matrix.dim !== dim) throw expected('BAD_DIMS', `vectors of ${dim} dims`, where, matrix.dim);
  const bytes = 4 * matrix.vectors.length;
  const vectors = new Float32Array(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  if (matrix.vectors instanceof Uint16Array)
    for (const [i, half] of matrix.vectors.entries()) vectors[i] = halfToFloat(half);
  else vectors.set(matrix.vectors);
  const bad = vectors.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    const at = `row ${Math.floor(bad / matrix.dim)}, dim ${bad % matrix.dim} of ${where}`;
    throw expected('NOT_FINITE', 'a finite float32', at, vectors[bad]);
  }
  return { vectors, dim: matrix.dim, count, id: matrix.id, named: hasIds(given) };
}

function hasIds(given: Vectors): boolean {
  if (!Array.isArray(given)) return (given as { ids?: unknown }).ids !== undefined;
  return (given as { id?: unknown }[]).some(({ id }) => id !== undefined);
}

/** Returns the same key for ids that are equal as numbers; text has keys of its own. */
export function idKey(id: Id): Id {
  return typeof id === 'bigint' && Number.isSafeInteger(Number(id)) ? Number(id) : id;
}

function asCandidates(given: Vectors): Candidates {
  if (!Array.isArray(given) || !isNumbers(given[0])) return given as Candidates;
  return Array.from(given, (vector, i) => {
    if (!isNumbers(vector))
      throw expected('BAD_ARGUMENT', 'a Float32Array or an array of numbers', `vector ${i}`, vector);
    return { vector };
  });
}

/** An error of candidates, with the name that the argument has here. */
function named<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${error.message} (${where})`, { cause: error.cause });
  }
}
