/** The files of a committed state, open for reading. A file that a later state drops stays open while it is leased. */
import { Buffer } from '../../core/buffer.js';
import { join } from '../../core/paths.js';
import { isError } from '../../core/realm.js';
import type { Disk } from './disk-contract.js';
import { corrupt, diskError, errorCodeOf } from './errors.js';
import { checkRowHeader, decodeOrdinals, HEADER_BYTES, type RowFormat, rowFileBytes } from './rows.js';
import { openSegment, type SegmentTable } from './segment.js';
import type { RowFileEntry, SegmentEntry, State } from './state.js';
import { runNow, type Steps, take } from './step.js';

interface OpenFile {
  name: string;
  path: string;
  fd: number;
  /** One for the state, one for each lease. */
  users: number;
}

export interface OpenRows extends OpenFile {
  entry: RowFileEntry;
  /** In compacted files: the ordinal of each record. */
  ordinals?: Uint32Array;
  /** Takes no more rows: a sync of it failed, so that nobody knows what is on disk behind the committed bytes. */
  closed: boolean;
  /** In a compacted file, until readers were told of it: its records in memory of theirs. */
  records?: Uint8Array;
}

export interface OpenSegment extends OpenFile {
  entry: SegmentEntry;
  table: SegmentTable;
}

export class OpenFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #format: RowFormat;
  /** Files that are to go and could not: Windows removes none that somebody has open. */
  readonly #leaving = new Set<string>();
  rows: OpenRows[] = [];
  segments: OpenSegment[] = [];

  constructor(disk: Disk, folder: string, format: RowFormat) {
    this.#disk = disk;
    this.#folder = folder;
    this.#format = format;
  }

  /**
   * Opens what `state` names and lets go of what it does not.
   *
   * @param writable whether this is the writer: it cuts tails that were never committed
   * @throws FunnelError CORRUPT, DISK; then nothing has changed
   */
  follow(state: State, writable: boolean): void {
    const before = [...this.rows, ...this.segments];
    const opened: OpenFile[] = [];
    const keep = <T extends OpenFile>(file: T) => {
      opened.push(file);
      return file;
    };
    try {
      const rows = state.rowFiles.map((entry) => {
        const old = this.rows.find((file) => file.name === entry.name);
        if (old !== undefined) return { old, entry };
        return { old: keep(runNow(this.#openRows(entry, writable))), entry };
      });
      const segments = state.segments.map(
        (entry) => this.segments.find((file) => file.name === entry.name) ?? keep(runNow(this.#openSegment(entry))),
      );
      for (const { old, entry } of rows) old.entry = entry;
      this.rows = rows.map(({ old }) => old);
      this.segments = segments;
    } catch (error) {
      for (const file of opened) this.release(file);
      throw error;
    }
    const now = new Set<OpenFile>([...this.rows, ...this.segments]);
    for (const file of before) if (!now.has(file)) this.release(file);
  }

  /** Takes over a file that the writer has made itself. */
  adopt(entry: RowFileEntry, fd: number, ordinals?: Uint32Array): OpenRows {
    const path = join(this.#folder, entry.name);
    const file: OpenRows = { name: entry.name, path, fd, users: 1, entry, closed: false };
    if (ordinals !== undefined) file.ordinals = ordinals;
    return file;
  }

  lease(file: OpenFile): void {
    file.users++;
  }

  release(file: OpenFile): void {
    if (--file.users > 0) return;
    this.#close(file.fd);
    if (this.#leaving.has(file.path)) this.#leave(file.path);
  }

  /**
   * Removes a file that no state names. One that cannot go yet goes when it is closed, beside the next, with the index, or when
   * the next writer opens it. Never throws.
   */
  *drop(path: string): Steps<void> {
    for (const one of new Set([path, ...this.#leaving])) {
      this.#leaving.add(one);
      try {
        yield* take(this.#disk.unlink(one));
        this.#leaving.delete(one);
      } catch (error) {
        if (errorCodeOf(error) === 'ENOENT') this.#leaving.delete(one);
      }
    }
  }

  #leave(path: string): void {
    this.#leaving.delete(path);
    try {
      this.#disk.unlink(path).now();
    } catch {
      this.#leaving.add(path);
    }
  }

  /** A close needs no answer: everything written is synced, and the descriptor is gone whatever close(2) answers. */
  #close(fd: number): void {
    try {
      this.#disk.close(fd).now();
    } catch {}
  }

  closeAll(): void {
    for (const file of [...this.rows, ...this.segments]) this.release(file);
    this.rows = [];
    this.segments = [];
    for (const path of [...this.#leaving]) this.#leave(path);
  }

  *#openRows(entry: RowFileEntry, writable: boolean): Steps<OpenRows> {
    const path = join(this.#folder, entry.name);
    const fd = yield* openExisting(this.#disk, path, entry.name, writable ? 'write' : 'read');
    try {
      const size = this.#disk.size(fd);
      const expected = rowFileBytes(this.#format, entry.count, entry.compacted);
      if (entry.bytes !== expected) throw corrupt('the state record', `length of ${entry.name}`, 'is wrong');
      if (size < expected) throw corrupt(entry.name, 'rows', `end at byte ${size} of ${expected}`);
      if (size > expected && writable) yield* take(this.#disk.truncate(fd, expected));
      const header = Buffer.alloc(HEADER_BYTES);
      yield* take(this.#disk.read(fd, header, 0));
      checkRowHeader(header, this.#format, entry);
      const file = this.adopt(entry, fd);
      if (entry.compacted) {
        const section = Buffer.alloc(entry.count * 4 + 4);
        yield* take(this.#disk.read(fd, section, HEADER_BYTES + entry.count * this.#format.stride));
        file.ordinals = decodeOrdinals(section, entry);
      }
      return file;
    } catch (error) {
      this.#close(fd);
      throw isError(error) && 'syscall' in error ? diskError(`opening ${entry.name}`, error) : error;
    }
  }

  *#openSegment(entry: SegmentEntry): Steps<OpenSegment> {
    const path = join(this.#folder, entry.name);
    const fd = yield* openExisting(this.#disk, path, entry.name, 'read');
    try {
      const table = yield* openSegment(this.#disk, fd, entry, this.#format.uuid);
      return { name: entry.name, path, fd, users: 1, entry, table };
    } catch (error) {
      this.#close(fd);
      throw isError(error) && 'syscall' in error ? diskError(`opening ${entry.name}`, error) : error;
    }
  }
}

/** A missing file is an error of the index, told as {@link isGone} knows it. */
function* openExisting(disk: Disk, path: string, name: string, how: 'read' | 'write'): Steps<number> {
  try {
    return yield* take(disk.open(path, how));
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') throw corrupt(name, 'file', 'is missing', cause);
    throw diskError(`opening ${name}`, cause, how === 'write' ? 'open with readOnly: true' : undefined);
  }
}

/** Was a file missing? To a reader that may only mean that a newer commit has dropped it. */
export function isGone(error: unknown): boolean {
  return ((error as Error).cause as { code?: string } | undefined)?.code === 'ENOENT';
}
