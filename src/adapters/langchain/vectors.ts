/** Vectors as LangChain hands them over: checked, and those that have no direction. */
import { expected } from '../../core/errors.js';
import { needsDirection } from '../../core/metrics.js';
import { isNumbers } from '../../core/validate.js';
import type { Metric } from '../../index.js';

/** LangChain's chains embed '' freely, of which some models make zeros; what has no direction is near nothing. */
export function isBlank(vector: readonly number[] | Float32Array, dim: number, metric: Metric): boolean {
  if (!needsDirection(metric) || vector?.length !== dim) return false; // other lengths the search refuses
  for (let d = 0; d < dim; d++) if (vector[d] !== 0) return false;
  return true;
}

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE: before anything is written */
export function packedVector(vector: readonly number[], dim: number, where: string): Float32Array {
  if (!isNumbers(vector)) {
    throw expected('BAD_ARGUMENT', 'an array of numbers', where, vector);
  }
  if (vector.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, where, vector);
  const out = new Float32Array(dim);
  for (let d = 0; d < dim; d++) {
    const value: unknown = vector[d];
    if (typeof value !== 'number' || !Number.isFinite(Math.fround(value))) {
      throw expected('NOT_FINITE', 'a finite float32', `dim ${d} of ${where}`, value);
    }
    out[d] = value;
  }
  return out;
}
