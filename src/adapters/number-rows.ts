/** The answer of an embedder as arrays of numbers, which JSON and caches keep. */
import { expected } from '../core/errors.js';
import { arrayKind } from '../core/realm.js';

/** @throws FunnelError BAD_RESPONSE: no Float32Array of a row of `dim` for each text */
export function numberRows(vectors: unknown, count: number, dim: number, name: string): number[][] {
  if (arrayKind(vectors) !== 'Float32Array' || (vectors as Float32Array).length !== count * dim) {
    throw expected('BAD_RESPONSE', `a Float32Array of ${count} × ${dim} values`, `the answer of ${name}`, vectors);
  }
  const own = vectors as Float32Array;
  return Array.from({ length: count }, (_, i) => Array.from(own.subarray(i * dim, (i + 1) * dim)));
}
