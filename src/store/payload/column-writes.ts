/** Packed payload indexes are written beside the codes, into files of their own. */
import { atOnce, inSlices } from '../../core/slices.js';
import type { IndexFiles } from '../files/index-files.js';
import type { SegmentChange, SegmentRef } from '../files/segments.js';
import type { Column } from './column.js';
import { columnSections } from './column-sections.js';

/** Writes what is packed, where the file does not have it. @param check called between parts of the work; may throw */
export async function writeColumn(files: IndexFiles, column: Column, check: () => void): Promise<void> {
  if (!isNew(files, column)) return;
  const sections = await inSlices(sectionsOf(column), check);
  const written = await files.writeSegment(sections); // others wait for their turn: what is packed stays
  check();
  await files.commitSegments(changeFor(column, written));
  column.file = written.name;
}

export function writeColumnNow(files: IndexFiles, column: Column): void {
  if (!isNew(files, column)) return;
  const written = files.writeSegmentSync(atOnce(sectionsOf(column)));
  files.commitSegmentsSync(changeFor(column, written));
  column.file = written.name;
}

function sectionsOf({ key, type, packedRows, packed }: Column) {
  return columnSections({ key, type, rows: packedRows }, packed);
}

/** Whether the file does not have what is packed. In memory there is none. */
function isNew({ path, payloadIndexes }: IndexFiles, { key, packedRows, file }: Column): boolean {
  if (path === ':memory:') return false;
  const entry = payloadIndexes.find((index) => index.key === key);
  return entry !== undefined && (entry.file !== file ? packedRows > 0 : entry.rows < packedRows);
}

function changeFor({ key, packedRows, packedChanges }: Column, written: SegmentRef): SegmentChange {
  const has = { file: written.name, rows: packedRows, changes: packedChanges };
  return {
    add: [written],
    indexes: (now) => now.map((index) => (index.key === key ? { ...index, ...has } : index)),
  };
}
