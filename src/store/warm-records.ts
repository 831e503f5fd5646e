/** Records of a row file come into memory while searches read them from the file. */
import { checkRecords } from './files/disk-records.js';
import type { IndexFiles } from './files/index-files.js';
import { readLeased } from './files/row-files.js';
import type { RowImage } from './files/row-image.js';
import { type Steps, take, turnStep } from './files/step.js';
import { memoryFor } from './image-memory.js';

/** Bytes of records that are read and checked in a millisecond or two. */
export const WARMED_AT_ONCE = 1 << 20;

/**
 * Undefined where there is no room, and for what cannot be read: it stays in the file.
 *
 * @param room records that there should be room for, where the system has it
 * @param known how many records the file has by now
 */
export function* recordsOf(
  files: IndexFiles,
  image: RowImage,
  room: number,
  known: () => number,
  isOpen: () => boolean,
): Steps<{ records: Uint8Array; count: number } | undefined> {
  const { stride } = image;
  const records = memoryFor(room * stride) ?? memoryFor(image.count * stride);
  if (records === undefined) return undefined;
  const count = () => Math.min(known(), Math.floor(records.length / stride));
  const step = Math.max(1, Math.floor(WARMED_AT_ONCE / stride));
  try {
    let from = 0;
    while (from < count() && isOpen()) {
      const to = Math.min(count(), from + step);
      const at = image.headerBytes + from * stride;
      const part = records.subarray(from * stride, to * stride);
      if (!(yield* files.reading((core) => readLeased(core, image.fd, part, at)))) return undefined;
      checkRecords({ ...image, count: to }, records, from, to);
      from = to;
      yield* take(turnStep);
    }
    return { records, count: from };
  } catch {
    return undefined;
  }
}
