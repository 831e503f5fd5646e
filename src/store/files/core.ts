/** One index as this process has it: the committed state, and what of it is kept in memory. */
import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { doneWork, type Sliced } from '../../core/slices.js';
import { Bits, popcount } from './bits.js';
import { changesOf } from './changed-rows.js';
import type { Disk } from './disk-contract.js';
import type { EditPages } from './edit-pages.js';
import { corrupt, filesError, lockLost } from './errors.js';
import { editsOf, followChanges, lacksChanges } from './follow-changes.js';
import { Ids, isStorable } from './ids.js';
import type { Commit, Entries, Kv } from './kv.js';
import { isGone, OpenFiles } from './open-files.js';
import { DEATHS_PER_PAGE, decodeIdPage, IDS_PER_PAGE, unseal } from './pages.js';
import { type RowFormat, rowFormat } from './rows.js';
import { decodeState, generationOf, type State } from './state.js';
import { type FileStep, type Steps, take, turnStep } from './step.js';

export interface CoreOptions {
  folder: string;
  disk: Disk;
  kv: Kv;
  readOnly: boolean;
  /** Skip syncs of files. */
  relaxed: boolean;
  /** A row file takes no more rows beyond this size, in bytes. */
  maxFileBytes: number;
}

/**
 * `count` records from the one with number `from` on, the first of `coming` that one write puts into this file: memory of their size,
 * at a multiple of 4 bytes, never read before a commit.
 */
export type RoomFor = (
  path: string,
  part: { from: number; count: number; coming: number; stride: number },
) => Sliced<Uint8Array | undefined>;

/** Memory for `bytes` of records, beside `taken` for other new files; undefined where readers do not keep so many. */
export type RoomForCompacted = (bytes: number, taken: number) => Uint8Array | undefined;

export interface FilesInfo {
  rows: number;
  live: number;
  files: number;
  bytes: { rows: number; segments: number; store: number };
}

/** Ids that are read between two turns of the event loop: less than a millisecond. */
const ROWS_AT_ONCE = 16 * IDS_PER_PAGE;

export class Core {
  readonly options: CoreOptions;
  readonly uuid: Uint8Array;
  readonly format: RowFormat;
  readonly files: OpenFiles;
  state: State;
  alive = new Bits();
  /** Which ordinals have an id, which a payload; bits from `state.rows` on mean nothing. */
  kept = new Bits();
  withPayload = new Bits();
  ids: Ids | undefined;
  /** Ordinals and files made but not committed have numbers from here on. */
  nextFile: number;
  /** Ids below were read before the first state was. */
  #idsTo = 0;
  /** After a failure that leaves no way to know what is on disk. */
  broken: unknown;
  /** Payloads may be in the store of rows that no state counts. */
  #hasStaged = false;
  /** Told of a commit of this process in the same turn in which it shows: the ordinals that died. Must not throw. */
  changed: (died: readonly number[]) => void = () => {};
  /** Told of the ordinals before they die, and of the same array in {@link changed}: gets ready, so that it takes little then. */
  expectDeaths: (dying: readonly number[]) => Sliced<void> = () => doneWork(undefined);
  /** Where readers want new records of a row file to be in memory; undefined where they have no room. */
  roomFor: RoomFor = () => doneWork(undefined);
  /** Told that the records of a file that they gave room for are not to come. */
  dropRoom: (path: string) => void = () => {};
  roomForCompacted: RoomForCompacted = () => undefined;
  /** Payloads that another process had dropped by the time they were read here. */
  staleReads = 0;
  /** Grows whenever payloads that were there become others. */
  payloadChanges = 0;
  /** Payloads that a commit under way replaces: until it shows, reads find them here. */
  replaced: Pick<ReadonlyMap<number, Uint8Array>, 'get'> | undefined;
  /** Payloads of a large change that are not in their places yet. */
  edits: EditPages | undefined;
  /** Told of a commit of this process in the same turn in which it shows: the rows that have another payload. Must not throw. */
  payloadsChanged: (ordinals: Uint32Array) => void = () => {};

  constructor(options: CoreOptions) {
    this.options = options;
    const { kv } = options;
    const record = kv.snapshot(() => kv.state());
    if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
    const state = decodeState(record, kv.file);
    this.uuid = Buffer.from(state.uuid, 'hex');
    this.format = rowFormat(state.config, this.uuid);
    this.files = new OpenFiles(options.disk, options.folder, this.format);
    this.state = { ...state, rows: 0, dead: 0, generation: -1, rowFiles: [], segments: [] };
    this.nextFile = state.nextFile;
  }

  /** Follows the newest commit for the first time. @throws FunnelError CORRUPT, DISK */
  *load(): Steps<void> {
    yield* this.#readAhead();
    this.refresh();
  }

  /**
   * Reads most ids in slices, which may see several commits. An id never changes, but goes when its row is dead: then a later
   * commit, which alone tells of lives and deaths, has it dead as well.
   */
  *#readAhead(): Steps<void> {
    const { kv } = this.options;
    for (;;) {
      const record = kv.snapshot(() => kv.state());
      if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
      const { idKind, rows } = decodeState(record, kv.file);
      const to = rows - (rows % IDS_PER_PAGE); // pages that take no more rows
      if (idKind === null || to - this.#idsTo < ROWS_AT_ONCE) return;
      this.ids ??= new Ids(idKind);
      while (this.#idsTo < to) {
        const next = Math.min(to, this.#idsTo + ROWS_AT_ONCE);
        this.#readPages(this.ids, this.#idsTo, next);
        this.#idsTo = next;
        yield* take(turnStep);
      }
    }
  }

  /** Follows the newest commit. False when it is the one known. @throws FunnelError CORRUPT, DISK; nothing has changed */
  refresh(): boolean {
    const { kv, readOnly } = this.options;
    for (let attempt = 0; ; attempt++) {
      const seen = this.state.generation;
      try {
        return kv.snapshot(() => {
          const record = kv.state();
          if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
          if (generationOf(record) === seen) return false;
          this.#follow(decodeState(record, kv.file));
          return true;
        });
      } catch (error) {
        // A writer may have replaced files between our look at the state and at them; then there is a newer state.
        if (!readOnly || attempt === 20 || !isGone(error)) throw error;
      }
    }
  }

  #follow(next: State): void {
    const { kv, readOnly } = this.options;
    if (next.uuid !== this.state.uuid) throw corrupt(kv.file, 'state record', 'is of another index');
    if (next.rows < this.state.rows) throw corrupt(kv.file, 'state record', 'has lost rows');
    if (next.idKind !== null) this.ids ??= new Ids(next.idKind);
    const alive = this.#readAlive(next);
    this.#readIds(this.state.rows, next.rows, alive);
    if (changesOf(next).last !== changesOf(this.state).last) {
      followChanges({ kv, uuid: this.uuid }, next, this.state, this.withPayload);
      this.payloadChanges++;
    }
    const edits = editsOf({ kv, uuid: this.uuid }, next);
    this.files.follow(next, !readOnly);
    this.edits = edits;
    const from = this.state.rows;
    this.alive = alive;
    this.state = next;
    this.nextFile = Math.max(this.nextFile, next.nextFile);
    this.ids?.added(from, next.rows, this.kept);
  }

  #readAlive(next: State): Bits {
    const { kv } = this.options;
    const alive = new Bits();
    alive.reserve(next.rows);
    const { bytes } = alive;
    bytes.fill(0xff, 0, next.rows >>> 3);
    if (next.rows & 7) bytes[next.rows >>> 3] = (1 << (next.rows & 7)) - 1;
    let dead = 0;
    for (let page = 0; next.dead > 0 && page * DEATHS_PER_PAGE < next.rows; page++) {
      const value = kv.dead(page);
      if (value === undefined) continue;
      const bitmap = unseal(this.uuid, 'dead', page, value, kv.file);
      dead += popcount(bitmap);
      const at = (page * DEATHS_PER_PAGE) >>> 3;
      for (let i = 0; i < bitmap.length && at + i < bytes.length; i++) bytes[at + i]! &= ~bitmap[i]!;
    }
    if (dead !== next.dead) throw corrupt(kv.file, 'tombstones', `are ${dead}, not ${next.dead}`);
    alive.count = next.rows - dead;
    return alive;
  }

  #readIds(from: number, to: number, alive: Bits): void {
    const { kv } = this.options;
    const { ids, kept } = this;
    if (ids === undefined || from === to) return;
    this.#readPages(ids, Math.max(from, this.#idsTo), to);
    for (let byte = from >>> 3; byte << 3 < to; byte++) {
      if (alive.bytes[byte]! & ~kept.bytes[byte]!) throw corrupt(kv.file, 'ids', `are missing (row ${byte << 3} on)`);
    }
  }

  /** Whether another process has changed payloads since the last refresh(): those that are read now may be newer than the rest. */
  get lacksChanges(): boolean {
    return this.options.readOnly && lacksChanges(this.options.kv, this.state);
  }

  #readPages(ids: Ids, from: number, to: number): void {
    const { kv } = this.options;
    const { kept, withPayload } = this;
    kept.reserve(to);
    withPayload.reserve(to);
    for (let page = Math.floor(from / IDS_PER_PAGE); page * IDS_PER_PAGE < to; page++) {
      const value = kv.ids(page);
      if (value === undefined) continue;
      const body = unseal(this.uuid, 'ids', page, value, kv.file);
      decodeIdPage(body, page, from, to, { ids, kept, withPayload }, kv.file);
    }
  }

  /** Rows that row files hold, dead or alive. */
  get filedCount(): number {
    return this.state.rowFiles.reduce((sum, { count }) => sum + count, 0);
  }

  /** Bytes that a row takes in the files, with its id and payload, about. */
  get bytesPerRow(): number {
    return this.format.stride + this.options.kv.bytes() / Math.max(1, this.filedCount);
  }

  info(): FilesInfo {
    const { state, alive, options } = this;
    const sum = (files: readonly { bytes: number }[]) => files.reduce((all, { bytes }) => all + bytes, 0);
    return {
      rows: state.rows,
      live: alive.count,
      files: state.rowFiles.length + state.segments.length + 1,
      bytes: { rows: sum(state.rowFiles), segments: sum(state.segments), store: options.kv.bytes() },
    };
  }

  /** The payload of a row as it is stored, sealed. @throws FunnelError CORRUPT */
  stored(ordinal: number): Uint8Array | undefined {
    return this.replaced?.get(ordinal) ?? this.edits?.get(ordinal) ?? this.options.kv.payload(ordinal);
  }

  isAlive = (ordinal: number): boolean => this.alive.get(ordinal);

  /** The row that has an id now. */
  find(id: string | number | bigint): number | undefined {
    if (typeof id !== this.ids?.kind || !isStorable(id)) return undefined;
    const found = this.ids.find(id, this.state.rows, this.isAlive);
    return found !== undefined && found < this.state.rows && this.alive.get(found) ? found : undefined;
  }

  /** Before {@link find} by who gives others their turn: the first time it would take long. */
  *prepareFind(): Sliced<void> {
    yield* this.ids?.build(() => this.state.rows, this.isAlive) ?? [];
  }

  /**
   * Commits `next`, one generation on.
   *
   * @throws FunnelError DISK, INDEX_LOCKED. The state from before is on disk then; but where only the very last write
   *   failed, or nothing can be read any more, `broken` is set: nobody knows what a power loss would leave, and writes
   *   are refused until the index is opened again.
   */
  *commit(next: State, entries: Omit<Commit, 'state'>, encode: (state: State) => Uint8Array): Steps<void> {
    yield* this.#written(this.options.kv.commit({ ...entries, state: encode(next) }));
  }

  /**
   * Puts many payloads of rows that are about to be committed. False where the commit is to have them.
   *
   * @throws FunnelError DISK, INDEX_LOCKED; `broken` as by {@link commit}
   */
  *stage(payloads: Entries): Steps<boolean> {
    if (this.#hasStaged) yield* this.unstage(); // rows without a payload would not overwrite one
    return yield* this.#written(this.options.kv.stage(payloads));
  }

  /** Removes what {@link stage} put for a commit that did not come. Never throws: the next write tries again, and the next writer. */
  *unstage(): Steps<void> {
    if (this.broken !== undefined) return; // the rows may be committed
    try {
      yield* take(this.options.kv.unstage(this.state.rows));
      this.#hasStaged = false;
    } catch {
      this.#hasStaged = true;
    }
  }

  /** Waits for a write to the store. Where it fails, the store is opened anew, and tells what is on disk. */
  *#written<T>(write: FileStep<T>): Steps<T> {
    const { kv } = this.options;
    try {
      return yield* take(write);
    } catch (error) {
      try {
        // lmdb-js has put off what it does with a write that failed, and must not meet a store that was closed.
        for (let turn = 0; turn < 3; turn++) yield* take(turnStep);
        kv.reopen();
        const record = kv.snapshot(() => kv.state());
        if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
        if (generationOf(record) !== this.state.generation) this.broken = error;
      } catch (worse) {
        this.broken = worse;
      }
      throw error;
    }
  }

  /** @throws FunnelError NOT_WRITABLE; INDEX_LOCKED after another has become the writer */
  checkWritable(): void {
    if (this.broken !== undefined) {
      if (this.broken instanceof FunnelError && this.broken.code === 'INDEX_LOCKED') throw lockLost();
      throw filesError('NOT_WRITABLE', 'Expected an index that works but a write failed before; open it again', {
        cause: this.broken,
      });
    }
    if (this.options.readOnly) throw filesError('NOT_WRITABLE', 'Expected an index opened for writing, not readOnly');
  }
}
