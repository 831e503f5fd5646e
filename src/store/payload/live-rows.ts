/** The rows that are alive, as a set to start from. */
import type { IndexFiles } from '../files/index-files.js';
import { Bitmap, type RowSet } from './row-set.js';

export function liveRows(files: IndexFiles): RowSet {
  const { generation } = files;
  const known = liveRowsOf.get(files);
  if (known?.generation === generation) return known.live;
  const live = Bitmap.fromBytes(files.alive, files.rows, files.liveCount);
  liveRowsOf.set(files, { generation, live });
  return live;
}

/** While nothing is written, all filters start from the same. */
const liveRowsOf = new WeakMap<IndexFiles, { generation: number; live: RowSet }>();
