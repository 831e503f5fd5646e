/** The files of rows, for readers of their own: threads, native code, images in memory. */
import type { Core } from './core.js';
import { HEADER_BYTES } from './rows.js';
import { type Steps, take } from './step.js';

/** A file of rows for a native reader; see rows.ts for the record. */
export interface RowFile {
  /** The system's descriptor; not on ':memory:', where `bytes` is the whole file instead. */
  fd: number;
  path: string;
  bytes?: Uint8Array;
  firstOrdinal: number;
  lastOrdinal: number;
  /** Records. */
  count: number;
  /** Bytes of a record. */
  stride: number;
  headerBytes: number;
  /** The ordinal of each record, ascending, when they do not simply follow `firstOrdinal`. */
  ordinals?: Uint32Array;
  /** The records in memory, checked, where {@link Core.roomForCompacted} gave room for them. Told once. */
  records?: Uint8Array;
}

/** Ascending, for a reader that is done before the event loop turns. */
export function rowFilesOf({ files, format, options }: Core): RowFile[] {
  return files.rows.map(({ entry, fd, path, ordinals, records }) => ({
    fd,
    path,
    ...(options.disk.bytesOf === undefined ? {} : { bytes: options.disk.bytesOf(fd) }),
    firstOrdinal: entry.first,
    lastOrdinal: entry.last,
    count: entry.count,
    stride: format.stride,
    headerBytes: HEADER_BYTES,
    // Files without a gap say nothing, and cost a search for each row.
    ...(ordinals === undefined || entry.last - entry.first + 1 === entry.count ? {} : { ordinals }),
    ...(records === undefined ? {} : { records }),
  }));
}

/** The same for a reader that takes its time: the descriptors stay open until `release()`. */
export function leaseRowFilesOf(core: Core): { files: RowFile[]; release: () => void } {
  const { files } = core;
  const leased = [...files.rows];
  for (const file of leased) files.lease(file);
  let held = true;
  return {
    files: rowFilesOf(core),
    release: () => {
      if (held) for (const file of leased) files.release(file);
      held = false;
    },
  };
}

/** Fills `into` from a leased row file, unless it ends before. Not checked. */
export function* readLeased(core: Core, fd: number, into: Uint8Array, position: number): Steps<boolean> {
  const { disk } = core.options;
  for (let done = 0; done < into.length; ) {
    const got = yield* take(disk.read(fd, into.subarray(done), position + done));
    if (got === 0) return false;
    done += got;
  }
  return true;
}
