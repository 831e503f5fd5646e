/** Vectors in files of one matrix, into an index. */
import { expected } from '../../core/errors.js';
import { checkKeys } from '../../core/validate.js';
import type { FunnelIndex } from '../funnel-index.js';
import { partsOf } from '../parts.js';
import {
  BatchWriter,
  batchOf,
  checkImport,
  checkLists,
  type ImportResult,
  inRows,
  type RowOptions,
} from './batches.js';
import { MatrixFile } from './matrix-file.js';
import { MATRIX_FORMATS, type MatrixFormat, matrixFormatOf, unlike } from './matrix-layout.js';

const ENDINGS = MATRIX_FORMATS.map((format) => `.${format}`).join(', ');

/** Options of importMatrixFile(). */
export interface MatrixFileOptions<Payload = unknown> extends RowOptions<Payload> {
  /** The kind of file. @default by how its name ends */
  format?: MatrixFormat;
}

/**
 * Writes the rows of a .npy file, a batch in memory at a time. The file holds one matrix of two axes, in C order, of '<f4' or
 * '<f2', which are stored as they are, or of '<f8', of which each value becomes the nearest that the index keeps.
 *
 * @example
 * await importNpy(index, 'films.npy', { payloads: (row) => films[row], onProgress: ({ done, total }) => … });
 *
 * @throws FunnelError BAD_ARGUMENT (no such file, another type or order), BAD_DIMS, CORRUPT (cut off) before any work;
 *   NOT_FINITE, BAD_ID, ABORTED, DISK: batches that were written until then stay
 */
export function importNpy<Payload>(
  index: FunnelIndex<Payload>,
  path: string,
  options: RowOptions<Payload> = {},
): Promise<ImportResult> {
  return imported(index, path, options, 'importNpy', 'npy');
}

/**
 * Writes the rows of a file of one matrix, a batch in memory at a time: .npy as {@link importNpy} does; .fvecs and .bvecs as of
 * TEXMEX (float32, or bytes, each row behind its length); .fbin, .u8bin and .i8bin as of the Big-ANN benchmarks (float32, uint8,
 * int8, behind the counts of rows and dims). Integers become the float32 of their value. Neighbours (.ivecs, .ibin) are no vectors.
 *
 * @example
 * await importMatrixFile(index, 'sift_base.fvecs');
 *
 * @throws FunnelError BAD_ARGUMENT (no such file, a name that tells no format, another type or order), BAD_DIMS, CORRUPT (cut
 *   off; a row of another length) before any work; NOT_FINITE, BAD_ID, ABORTED, DISK: batches that were written until then stay
 */
export async function importMatrixFile<Payload>(
  index: FunnelIndex<Payload>,
  path: string,
  options: MatrixFileOptions<Payload> = {},
): Promise<ImportResult> {
  checkKeys(
    options,
    ['batch', 'from', 'onProgress', 'signal', 'ids', 'payloads', 'format'],
    'the options of importMatrixFile()',
  );
  const { format: given, ...rows } = options;
  const known = `one of ${MATRIX_FORMATS.join(', ')}`;
  if (given !== undefined && !MATRIX_FORMATS.includes(given)) throw expected('BAD_ARGUMENT', known, 'format', given);
  const format = given ?? (typeof path === 'string' ? matrixFormatOf(path) : undefined);
  if (format === undefined)
    throw expected('BAD_ARGUMENT', `a name that ends in ${ENDINGS}, or format beside it,`, 'path', path);
  return imported(index, path, rows, 'importMatrixFile', format);
}

async function imported<Payload>(
  index: FunnelIndex<Payload>,
  path: string,
  options: RowOptions<Payload>,
  name: string,
  format: MatrixFormat,
): Promise<ImportResult> {
  const { batch, from } = checkImport(index as never, options, name, ['ids', 'payloads']);
  if (typeof path !== 'string' || path === '')
    throw expected('BAD_ARGUMENT', `the path of a .${format} file`, 'path', path);
  const file = await MatrixFile.open(path, format);
  try {
    const { dim } = index;
    const { rows: total } = file;
    if (file.columns !== dim) throw unlike('BAD_DIMS', `rows of ${dim} values`, path, `${file.columns}`);
    checkLists(options, total);
    const writer = new BatchWriter(index, options, path, total);
    const { half } = partsOf(index).live;
    for (let first = from; first < total; first += batch) {
      writer.checkSignal();
      const count = Math.min(batch, total - first);
      const vectors = await file.read(first, count, half);
      try {
        await writer.write(batchOf(index, vectors, first, count, options), first + count);
      } catch (error) {
        throw inRows(error, path, first, count);
      }
    }
    return writer.result;
  } finally {
    await file.close();
  }
}
