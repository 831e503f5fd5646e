/** readGroundTruth: the true neighbours of queries, out of the files that benchmark sets have them in. */
import { expected } from '../core/errors.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { openNeighbours } from './formats/neighbours.js';
import { badFile } from './formats/reader.js';

/** Options of readGroundTruth(). */
export interface GroundTruthOptions {
  /** Neighbours of each query. @default all that the file has */
  k?: number;
}

/**
 * The true neighbours of queries: numbers of rows, best first, a list for each query, in the order of the file. Of `.ivecs`, of
 * `.ibin` (of which distances are passed over), and of the data set `neighbors` of HDF5 files. `tune()` takes them as `neighbours`.
 *
 * @returns as many Int32Arrays as there are queries, of `k` numbers each
 * @throws FunnelError BAD_ARGUMENT (fewer neighbours than `k`; a negative number), CORRUPT, MISSING_PACKAGE (h5wasm), DISK
 * @example
 * const { plan } = await tune(search, { queries, neighbours: await readGroundTruth('sift_groundtruth.ivecs', { k: 10 }) });
 */
export async function readGroundTruth(path: string, options: GroundTruthOptions = {}): Promise<Int32Array[]> {
  if (typeof path !== 'string' || path === '') throw expected('BAD_ARGUMENT', 'the path of a file', 'path', path);
  checkKeys(options, ['k'], 'the options of readGroundTruth()');
  const { k } = options;
  if (k !== undefined) checkInteger(k, 1, 65_536, 'k');
  const file = await openNeighbours(path);
  try {
    const { rows, columns } = file;
    if (k !== undefined && columns < k)
      throw badFile('BAD_ARGUMENT', `at least ${k} neighbours a query`, path, `${columns}`);
    const lists: Int32Array[] = [];
    for (let row = 0; row < rows; row++) lists.push(Int32Array.from(await file.read(row, k ?? columns)));
    return lists;
  } finally {
    await file.close();
  }
}
