/** Vectors in memory. */
import { expected } from '../../core/errors.js';
import { allFinite } from '../../core/finite.js';
import { halfToFloat } from '../../core/half.js';
import { ownView } from '../../core/realm.js';
import type { Float16Values } from '../../core/types.js';
import { checkAttached, fixedLength } from '../../core/validate.js';
import type { FunnelIndex } from '../funnel-index.js';
import {
  BatchWriter,
  batchOf,
  checkImport,
  checkLists,
  type ImportResult,
  inRows,
  notFinite,
  type RowOptions,
} from './batches.js';

/**
 * Writes a matrix, row-major: float32, or float16: its bits in a Uint16Array, or a Float16Array. It must stay as it is until the promise settles.
 * Every value is looked at before the first row is written.
 *
 * @example
 * await importMatrix(index, vectors, { ids: (row) => films[row].id, payloads: films, onProgress: ({ done }) => … });
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER before any work; BAD_ID, ABORTED, DISK: batches that
 *   were written until then stay
 */
export async function importMatrix<Payload>(
  index: FunnelIndex<Payload>,
  matrix: Float32Array | Uint16Array | Float16Values,
  options: RowOptions<Payload> = {},
): Promise<ImportResult> {
  const { batch, from } = checkImport(index as never, options, 'importMatrix', ['ids', 'payloads']);
  const given = ownView(matrix, 'vectors');
  if (!(given instanceof Float32Array) && !(given instanceof Uint16Array)) {
    throw expected('BAD_ARGUMENT', 'a Float32Array, or float16 bits in a Uint16Array', 'vectors', given);
  }
  checkAttached(given, 'vectors');
  const vectors = fixedLength(given);
  const { dim } = index;
  if (vectors.length % dim !== 0) throw expected('BAD_DIMS', `a multiple of ${dim} values`, 'vectors', vectors);
  const total = vectors.length / dim;
  checkLists(options, total);
  if (!allFinite(vectors, 0, vectors.length)) {
    const float = (value: number) => (vectors instanceof Uint16Array ? halfToFloat(value) : value);
    const at = vectors.findIndex((value: number) => !Number.isFinite(float(value)));
    if (at >= 0) throw notFinite(float(vectors[at]!), at, dim, 0, 'vectors');
  }
  const writer = new BatchWriter(index, options, 'a matrix', total);
  for (let first = from; first < total; first += batch) {
    writer.checkSignal();
    checkAttached(vectors, 'vectors');
    const count = Math.min(batch, total - first);
    const part = vectors.subarray(first * dim, (first + count) * dim);
    try {
      await writer.write(batchOf(index, part, first, count, options), first + count);
    } catch (error) {
      throw inRows(error, 'vectors', first, count);
    }
  }
  return writer.result;
}
