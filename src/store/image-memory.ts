/** Memory for the records of rows that lie on a disk. */
import { keptBuffer, sharedBuffer } from '../core/shared.js';
import { copyInto, type Sliced } from '../core/slices.js';
import { nativeFiles } from './files/native.js';
import { ROW_FILE_BYTES } from './files/open-core.js';
import type { RowFile } from './files/row-files.js';
import type { RowImage } from './files/row-image.js';

/** Bytes of records from which on growing step by step costs more than it spares. */
export const LARGE_FILE = 32 << 20;

/**
 * Bytes of a file in ordinary pages: a search reads few rows of so many, and a virtual machine that gives free memory back to its host
 * takes large pages from there, so that a build of 200 MB of rows took a tenth longer.
 */
const ORDINARY_BYTES = 256 << 20;

/** Undefined where the system has no more. */
export function memoryFor(bytes: number, newBuffer = sharedBuffer): Uint8Array | undefined {
  try {
    const memory = new Uint8Array(newBuffer(bytes));
    if (bytes > ORDINARY_BYTES) nativeFiles().askLargePages?.(memory.subarray(ORDINARY_BYTES));
    return memory;
  } catch {
    return undefined;
  }
}

/** Records that there is room for when a file of so many has grown. */
export function grownTo(count: number, stride: number): number {
  return count * stride < LARGE_FILE ? 2 * count : Math.ceil(ROW_FILE_BYTES / stride);
}

/**
 * Memory for records that are about to be written, `coming` of them behind `from`: of a file that is new, or has outgrown its
 * memory while that is quick to copy. Whoever drops it says so (letGo).
 *
 * @param budget bytes that all of the file may take
 */
export function* newRoom(
  image: RowImage | undefined,
  from: number,
  coming: number,
  stride: number,
  budget: number,
): Sliced<Uint8Array | undefined> {
  if (from * stride >= LARGE_FILE || (image?.count ?? 0) !== from || (from > 0 && !image?.records)) return undefined;
  const fitting = Math.floor(budget / stride);
  const needed = from + coming;
  if (needed > fitting) return undefined;
  const wanted = from === 0 && needed * stride < LARGE_FILE ? needed : grownTo(needed, stride);
  const records = memoryFor(Math.max(needed, Math.min(wanted, fitting)) * stride, keptBuffer);
  if (records !== undefined && image?.records !== undefined) {
    yield* copyInto(records, image.records.subarray(0, from * stride));
  }
  return records;
}

/** The first records of a file, and the others, as files of their own. */
export function splitAt(file: RowFile, records: number): [RowFile, RowFile] {
  const { ordinals, firstOrdinal, headerBytes, stride, count } = file;
  const at = (slot: number) => ordinals?.[slot] ?? firstOrdinal + slot;
  const part = (from: number, to: number) => (ordinals === undefined ? {} : { ordinals: ordinals.subarray(from, to) });
  return [
    { ...file, count: records, lastOrdinal: at(records - 1), ...part(0, records) },
    {
      ...file,
      headerBytes: headerBytes + records * stride,
      firstOrdinal: at(records),
      count: count - records,
      ...part(records, count),
    },
  ];
}

export function residentIn({ records, count, stride }: RowImage): number {
  return records === undefined ? 0 : count * stride;
}
