/**
 * Compaction: row files again, without the dead. Reads and writes files beside the index; only its first and last moment
 * exclude other writes. Readers keep the files they have open. Killed at any time, it leaves files that no state names,
 * which the next writer removes.
 */

import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { join } from '../../core/paths.js';
import { sharedBuffer } from '../../core/shared.js';
import { Bits } from './bits.js';
import type { Core } from './core.js';
import { discard } from './discard.js';
import { corrupt } from './errors.js';
import { ordinalAt } from './lookup.js';
import { movedPayloads } from './moved-payloads.js';
import type { OpenRows } from './open-files.js';
import { Pace } from './pace.js';
import { encodeIdPage, IDS_PER_PAGE } from './pages.js';
import { checkRecord, encodeOrdinals, encodeRowHeader, HEADER_BYTES, rowFileBytes } from './rows.js';
import { encodeState, type RowFileEntry } from './state.js';
import { type Steps, take, turnStep } from './step.js';

export interface CompactOptions {
  signal?: AbortSignal | undefined;
  /** Rows looked at so far, of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** How much of the time is for others. Default: work without a rest, but in slices. */
  pace?: Pace | undefined;
}

export interface Compacted {
  /** Dead rows that are gone from the row files. */
  rowsDropped: number;
  /** Bytes of row files. */
  bytesFreed: number;
}

/** The work of one compaction, fixed at the start. */
export interface CompactionPlan {
  files: OpenRows[];
  alive: Bits;
  /** Ordinals below this were there. */
  rows: number;
}

/** The files that are written anew, and the dead rows that they lack, in parts for one commit each. */
export interface Rewritten {
  files: OpenRows[];
  dropped: number[][];
}

const BLOCK_BYTES = 1 << 20;
/** Rows that are looked at, and dropped, between two turns of others. */
const ROWS_AT_ONCE = 32_768;
const DROPPED_AT_ONCE = 4096;
/** Rows between these that are written anew, likewise: see {@link movedPayloads}. */
const MOVED_AT_ONCE = 1024;
/** Bytes that the disk may owe when nobody waits for them: a sync of more would hold up those of other writes. */
const OWED_BYTES = 16 << 20;

/** Closes the last file, leases what will be read. Undefined when there is nothing to do. Runs while no other write does. */
export function* plan(core: Core): Steps<CompactionPlan | undefined> {
  const { state, files, options } = core;
  const alive = new Bits();
  alive.bytes = core.alive.bytes.slice();
  const isSmall = (file: OpenRows) => file.entry.bytes < options.maxFileBytes / 2;
  const withDead = new Set<OpenRows>();
  let looked = 0;
  for (const file of files.rows) {
    for (let i = 0; i < file.entry.count && !withDead.has(file); i++) {
      if (!alive.get(ordinalAt(file, i)!)) withDead.add(file);
      if (++looked % ROWS_AT_ONCE === 0) yield* take(turnStep);
    }
  }
  const chosen = files.rows.filter((file, i) => {
    const besideSmall = [files.rows[i - 1], files.rows[i + 1]].some((other) => other !== undefined && isSmall(other));
    return withDead.has(file) || (isSmall(file) && besideSmall);
  });
  if (chosen.length === 0) return undefined;
  for (const file of chosen) {
    file.closed = true;
    files.lease(file);
  }
  return { files: chosen, alive, rows: state.rows };
}

/** Writes the new files and syncs them. Other writes may go on. */
export function* rewrite(
  core: Core,
  { files, alive, rows }: CompactionPlan,
  options: CompactOptions,
): Steps<Rewritten> {
  const { disk, folder, relaxed } = core.options;
  const { format } = core;
  const pace = options.pace ?? new Pace(true);
  const written = new CompactWriter(core, pace);
  const dropped: number[][] = [[]];
  const moves = disk.bytesOf === undefined;
  let between = 0;
  const total = files.reduce((sum, { entry }) => sum + entry.count, 0);
  yield* written.expect(files, alive, rows);
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / format.stride));
  const block = Buffer.alloc(perBlock * format.stride);
  let looked = 0;
  try {
    for (const file of files) {
      // A file that stays as it is lies between: the new one must not reach over it.
      if (!isNext(core, file, files)) yield* written.finish();
      for (let record = 0; record < file.entry.count; record += perBlock) {
        if (options.signal?.aborted) throw aborted(options.signal);
        const count = Math.min(perBlock, file.entry.count - record);
        const bytes = block.subarray(0, count * format.stride);
        if (anyAlive(file, record, count, alive)) {
          const got = yield* take(disk.read(file.fd, bytes, HEADER_BYTES + record * format.stride));
          if (got !== bytes.length) throw corrupt(file.name, 'rows', `end early (record ${record})`);
        }
        const ordinals: number[] = [];
        for (let i = 0; i < count; i++) {
          const ordinal = ordinalAt(file, record + i)!;
          if (alive.get(ordinal)) checkRecord(format, bytes, i * format.stride, ordinal, file.name);
          else {
            if (!core.kept.get(ordinal)) continue; // forgotten by a compaction that did not come to its end
            const part = dropped.at(-1)!;
            if (part.length === DROPPED_AT_ONCE || between >= MOVED_AT_ONCE) {
              dropped.push([ordinal]);
              between = 0;
            } else {
              if (part.length === 0) between = 0;
              part.push(ordinal);
            }
            continue;
          }
          if (moves && core.withPayload.get(ordinal)) between++;
          bytes.copyWithin(ordinals.length * format.stride, i * format.stride, (i + 1) * format.stride);
          ordinals.push(ordinal);
        }
        yield* written.write(bytes.subarray(0, ordinals.length * format.stride), ordinals);
        looked += count;
        options.onProgress?.(looked, total);
        yield* take(pace.rest);
      }
    }
    yield* written.finish();
    if (!relaxed) yield* take(disk.syncDir(folder));
    if (options.signal?.aborted) throw aborted(options.signal);
    return { files: written.files, dropped: dropped.filter(({ length }) => length > 0) };
  } catch (error) {
    yield* discard(core, written.files);
    throw error;
  }
}

function anyAlive(file: OpenRows, record: number, count: number, alive: Bits): boolean {
  for (let i = 0; i < count; i++) if (alive.get(ordinalAt(file, record + i)!)) return true;
  return false;
}

/** Is the file before this one also rewritten? */
function isNext(core: Core, file: OpenRows, files: OpenRows[]): boolean {
  const before = core.files.rows[core.files.rows.indexOf(file) - 1];
  return before !== undefined && files.includes(before);
}

function aborted(signal: AbortSignal): FunnelError {
  return new FunnelError('ABORTED', 'Compaction was aborted', { cause: signal.reason });
}

/** Drops ids and payloads of dead rows, which nobody may ask for any more. Runs while no other write does. */
export function* forget(core: Core, dropped: readonly number[]): Steps<void> {
  const { state, uuid, kept } = core;
  const moved = core.options.disk.bytesOf === undefined ? yield* movedPayloads(core, dropped) : [];
  for (const ordinal of dropped) kept.set(ordinal, false);
  const roster = { ids: core.ids!, kept, withPayload: core.withPayload };
  const next = { ...state, generation: state.generation + 1, nextFile: core.nextFile };
  const pages = [...new Set(dropped.map((ordinal) => Math.floor(ordinal / IDS_PER_PAGE)))];
  const commit = {
    ids: pages.map((page): [number, Buffer | undefined] => [page, encodeIdPage(uuid, page, roster)]),
    dead: [],
    payloads: [
      ...[...dropped.filter((ordinal) => core.withPayload.get(ordinal)), ...moved.map(([ordinal]) => ordinal)].map(
        (ordinal): [number, undefined] => [ordinal, undefined],
      ),
      ...moved,
    ],
  };
  try {
    yield* core.commit(next, commit, encodeState);
  } catch (error) {
    for (const ordinal of dropped) kept.set(ordinal, true);
    throw error;
  }
  core.state = next;
  for (const ordinal of dropped) core.withPayload.set(ordinal, false);
  core.ids!.dropped(dropped, kept, state.rows);
}

/** Puts the new files in the place of the old ones. Runs while no other write does. */
export function* exchange(core: Core, { files: old }: CompactionPlan, files: OpenRows[]): Steps<Compacted> {
  const { state, options } = core;
  const oldNames = new Set(old.map(({ name }) => name));
  const entries = [...state.rowFiles.filter(({ name }) => !oldNames.has(name)), ...files.map(({ entry }) => entry)];
  entries.sort((a, b) => a.first - b.first);
  const next = { ...state, generation: state.generation + 1, nextFile: core.nextFile, rowFiles: entries };
  yield* core.commit(next, { ids: [], dead: [], payloads: [] }, encodeState);
  core.state = next;
  core.files.rows = [...core.files.rows.filter(({ name }) => !oldNames.has(name)), ...files];
  core.files.rows.sort((a, b) => a.entry.first - b.entry.first);
  core.changed([]);
  for (const file of files) delete file.records; // whoever wanted them has them
  yield* discard(core, old);
  try {
    yield* take(options.disk.syncDir(options.folder));
  } catch {
    // Old files may come back with a power loss; the next writer removes them.
  }
  const sum = (list: OpenRows[], of: (entry: RowFileEntry) => number) =>
    list.reduce((all, { entry }) => all + of(entry), 0);
  return {
    rowsDropped: sum(old, ({ count }) => count) - sum(files, ({ count }) => count),
    bytesFreed: sum(old, ({ bytes }) => bytes) - sum(files, ({ bytes }) => bytes),
  };
}

/** Writes records, with their ordinals, into files of bounded size. */
class CompactWriter {
  readonly files: OpenRows[] = [];
  readonly #core: Core;
  readonly #pace: Pace;
  #current: OpenRows | undefined;
  #ordinals: number[] = [];
  /** Records that are still to come. */
  #left = 0;
  /** Bytes of memory that readers gave. */
  #taken = 0;
  #owed = 0;

  constructor(core: Core, pace: Pace) {
    this.#core = core;
    this.#pace = pace;
  }

  /** Counts what will come. */
  *expect(files: readonly OpenRows[], alive: Bits, rows: number): Steps<void> {
    let looked = 0;
    for (const file of files) {
      for (let i = 0; i < file.entry.count; i++) {
        const ordinal = ordinalAt(file, i)!;
        if (ordinal < rows && alive.get(ordinal)) this.#left++;
        if (++looked % ROWS_AT_ONCE === 0) yield* take(this.#pace.rest);
      }
    }
  }

  *write(records: Buffer, ordinals: number[]): Steps<void> {
    if (ordinals.length === 0) return;
    const { disk, maxFileBytes } = this.#core.options;
    this.#current ??= yield* this.#create(ordinals[0]!);
    const { entry, fd, records: room } = this.#current;
    const at = entry.count * this.#core.format.stride;
    if (room !== undefined && at < room.length) room.set(records.subarray(0, room.length - at), at);
    yield* take(disk.write(fd, records, HEADER_BYTES + at));
    this.#left -= ordinals.length;
    this.#owed += records.length;
    if (!this.#pace.hurried && !this.#core.options.relaxed && this.#owed >= OWED_BYTES) {
      yield* take(disk.sync(fd));
      this.#owed = 0;
    }
    entry.count += ordinals.length;
    entry.last = ordinals.at(-1)!;
    for (const ordinal of ordinals) this.#ordinals.push(ordinal);
    if (rowFileBytes(this.#core.format, entry.count, true) >= maxFileBytes) yield* this.finish();
  }

  *#create(first: number): Steps<OpenRows> {
    const { files, format, options } = this.#core;
    const name = `rows-${String(this.#core.nextFile++).padStart(6, '0')}.bin`;
    const entry: RowFileEntry = { name, first, last: first, count: 0, bytes: 0, compacted: true };
    const fd = yield* take(options.disk.open(join(options.folder, name), 'create'));
    const file = files.adopt(entry, fd);
    this.files.push(file);
    // A file ends behind the block with which it is full.
    const bytes = Math.min(this.#left * format.stride, options.maxFileBytes + 2 * BLOCK_BYTES + format.stride);
    const room = options.disk.bytesOf === undefined ? this.#core.roomForCompacted(bytes, this.#taken) : undefined;
    if (room !== undefined) {
      file.records = room;
      this.#taken += room.length;
    }
    yield* take(options.disk.write(fd, encodeRowHeader(format, first, true), 0));
    return file;
  }

  *finish(): Steps<void> {
    const file = this.#current;
    if (file === undefined) return;
    const { disk, relaxed } = this.#core.options;
    const { entry, fd } = file;
    file.ordinals = new Uint32Array(sharedBuffer(4 * this.#ordinals.length)); // searching threads read it
    file.ordinals.set(this.#ordinals);
    yield* take(disk.write(fd, encodeOrdinals(file.ordinals), HEADER_BYTES + entry.count * this.#core.format.stride));
    entry.bytes = rowFileBytes(this.#core.format, entry.count, true);
    if (!relaxed) yield* take(disk.sync(fd));
    if (disk.bytesOf !== undefined) yield* take(disk.truncate(fd, entry.bytes)); // the memory beyond
    this.#owed = 0;
    this.#current = undefined;
    this.#ordinals = [];
  }
}
