/** One index on disk, or in memory: rows, ids, payloads and the engine's segments, committed together. */
import { join } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { atOnce, inSlices, type Sliced } from '../../core/slices.js';
import type { Id, IdKind } from '../../core/types.js';
import { checkDim, checkInteger } from '../../core/validate.js';
import { type Appended, type AppendRequest, append, type Batch, checkAppend } from './append.js';
import {
  type Compacted,
  type CompactionPlan,
  type CompactOptions,
  discard,
  exchange,
  forget,
  plan,
  rewrite,
} from './compact.js';
import { Core, type RoomFor, type RoomForCompacted } from './core.js';
import { remove, removeRows } from './delete.js';
import { type Disk, nodeDisk } from './disk.js';
import { corrupt, diskError, filesError, lockLost } from './errors.js';
import { checkFolder, createFolder, newState, removeLeftovers } from './folder.js';
import { Hold } from './hold.js';
import type { Kv } from './kv.js';
import { checkLmdbFile, type LmdbCheck } from './lmdb-check.js';
import { LMDB_FILE, lmdbKv, prepareLmdb } from './lmdb-kv.js';
import { readRow, readRows } from './lookup.js';
import { memoryDisk, memoryKv } from './memory.js';
import { unseal } from './pages.js';
import { decodePayload } from './payload.js';
import { HEADER_BYTES, type RowValues } from './rows.js';
import type { Section } from './segment.js';
import {
  commitSegments,
  findSection,
  readInto,
  type Sections,
  type SegmentChange,
  type SegmentRef,
  writeSegment,
} from './segments.js';
import { announceWriter, letWriterOpen } from './shared-envs.js';
import { encodeState, generationOf, type PayloadIndexEntry, type StoreConfig } from './state.js';
import { type FileStep, instant, runLater, runNow, type Steps, take, turnStep } from './step.js';
import type { Writer } from './writers.js';

/** Row files take no more rows beyond this size. */
export const ROW_FILE_BYTES = 1 << 30;
/** The same in memory, where a file that grows is copied while nothing else happens. */
const MEMORY_FILE_BYTES = 32 << 20;

export interface OpenFilesOptions {
  /** Read only; any number of processes may. Default false. */
  readOnly?: boolean;
  /**
   * 'full' (default): what a call has acknowledged survives a crash of the machine. 'relaxed': nothing waits for the
   * disk. A crash of the process loses nothing, but one of the machine, or a power loss, may lose any acknowledged write
   * or leave an index that does not open at all.
   */
  durability?: 'full' | 'relaxed';
  /**
   * Become the writer though another is registered: one that is dead for certain, or whose index this thread has lost. Does
   * not help against one that is known to be alive.
   */
  breakLock?: boolean;
  /** For tests. */
  disk?: Disk;
  /** Row files take no more rows beyond this size. Default 1 GiB. */
  maxFileBytes?: number;
}

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
  /** The records in memory, checked, where {@link IndexFiles.onCompaction} gave room for them. Told once. */
  records?: Uint8Array;
}

export interface FilesInfo {
  rows: number;
  live: number;
  files: number;
  bytes: { rows: number; segments: number; store: number };
}

export class IndexFiles implements Writer {
  /** ':memory:' or a folder. */
  readonly path: string;
  readonly config: Readonly<StoreConfig>;
  readonly readOnly: boolean;
  readonly #core: Core;
  /** The asynchronous writes, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Whether synchronous calls write: they must not find one of our own commits under way, which nobody could await. */
  #isWrittenNow = false;
  #compaction: { controller: AbortController; done: Promise<unknown> } | undefined;
  /** Segments that are being written. */
  #segmentsUnderWay = 0;
  #closing: Promise<void> | undefined;
  #closed = false;
  /** The hold of a writer on its index on disk. */
  readonly #hold: Hold | undefined;

  private constructor(path: string, core: Core, hold?: Hold) {
    this.path = path;
    this.#core = core;
    this.#hold = hold;
    this.config = core.state.config;
    this.readOnly = core.options.readOnly;
  }

  /**
   * Makes a new index and opens it for writing.
   *
   * @param path a folder that is missing or empty, or ':memory:'
   * @throws FunnelError INDEX_EXISTS, MISSING_PACKAGE, DISK, BAD_ARGUMENT
   */
  static async create(path: string, config: StoreConfig, options: OpenFilesOptions = {}): Promise<IndexFiles> {
    return runLater(IndexFiles.createSteps(path, config, options));
  }

  static createSync(path: string, config: StoreConfig, options: OpenFilesOptions = {}): IndexFiles {
    return runNow(IndexFiles.createSteps(path, config, options));
  }

  static *createSteps(path: string, config: StoreConfig, options: OpenFilesOptions = {}): Steps<IndexFiles> {
    checkConfig(config);
    if (path !== ':memory:') {
      yield* createFolder(path, config, options.disk ?? nodeDisk);
      return yield* IndexFiles.openSteps(path, options);
    }
    const kv = memoryKv();
    kv.commit({ state: encodeState(newState(config)), ids: [], dead: [], payloads: [] }).now();
    const core = new Core({
      folder: path,
      disk: memoryDisk(),
      kv,
      readOnly: false,
      relaxed: true,
      maxFileBytes: options.maxFileBytes ?? MEMORY_FILE_BYTES,
    });
    yield* core.load();
    return new IndexFiles(path, core);
  }

  /**
   * Opens an index. A writer cuts what a crash left half-written.
   *
   * @throws FunnelError NO_INDEX, INDEX_LOCKED, NOT_WRITABLE, CORRUPT, UNSUPPORTED_FORMAT, MISSING_PACKAGE, DISK
   */
  static async open(path: string, options: OpenFilesOptions = {}): Promise<IndexFiles> {
    return runLater(IndexFiles.openSteps(path, options));
  }

  static openSync(path: string, options: OpenFilesOptions = {}): IndexFiles {
    return runNow(IndexFiles.openSteps(path, options));
  }

  /** Whose call comes first among those of this thread is decided before the first step may wait. */
  static *openSteps(path: string, options: OpenFilesOptions = {}): Steps<IndexFiles> {
    const { readOnly = false, durability = 'full', breakLock = false, disk = nodeDisk } = options;
    if (durability !== 'full' && durability !== 'relaxed') {
      throw new FunnelError('BAD_ARGUMENT', `Expected 'full' or 'relaxed' for durability, not ${String(durability)}`);
    }
    checkFolder(path);
    const relaxed = durability === 'relaxed';
    const file = join(path, LMDB_FILE);
    let hold: Hold | undefined;
    let check: LmdbCheck | undefined;
    let kv: Kv | undefined;
    let core: Core | undefined;
    let unannounce = () => {};
    try {
      hold = readOnly ? undefined : new Hold(file, breakLock);
      if (hold !== undefined) yield* hold.wait();
      const openLmdb = () => {
        if (kv !== undefined) return;
        check?.close();
        check = undefined;
        check = checkLmdbFile(file, LMDB_FILE);
        kv = lmdbKv(file, { readOnly, relaxed });
      };
      if (!readOnly) unannounce = announceWriter(file, openLmdb);
      yield* prepareLmdb();
      if (readOnly) letWriterOpen(file);
      openLmdb();
      yield* take(turnStep);
      yield* check!.rest();
      hold?.claim(kv!);
      yield* take(turnStep);
      const maxFileBytes = options.maxFileBytes ?? ROW_FILE_BYTES;
      core = new Core({ folder: path, disk, kv: kv!, readOnly, relaxed, maxFileBytes });
      yield* core.load();
      if (!readOnly) yield* removeLeftovers(path, core.state, disk);
      const files = new IndexFiles(path, core, hold);
      hold?.of(files);
      return files;
    } catch (error) {
      try {
        kv?.close().now();
        core?.files.closeAll();
      } catch {
        // The error that comes first is the one to tell.
      }
      hold?.release();
      throw diskError(`opening ${path}`, error, 'open with readOnly: true');
    } finally {
      unannounce();
      check?.close();
    }
  }

  /**
   * Calls back in the same turn in which a commit of this process shows, with the ordinals that died: new rows, deaths and
   * exchanged row files are never seen by one part of the program and not by another.
   */
  onChange(callback: (died: readonly number[]) => void): void {
    this.#core.changed = callback;
  }

  /** Asks who keeps rows in memory for the place of records that are about to be written: then nobody copies them later. */
  onRecords(roomFor: RoomFor): void {
    this.#core.roomFor = roomFor;
  }

  /** Asks for memory for the records of a compacted file: then nobody reads them from it again. */
  onCompaction(room: RoomForCompacted): void {
    this.#core.roomForCompacted = room;
  }

  /** Undefined before the first row. */
  get idKind(): IdKind | undefined {
    return this.#core.state.idKind ?? undefined;
  }

  /** Ordinals ever given: the next row's ordinal. */
  get rows(): number {
    return this.#core.state.rows;
  }

  /** Grows with every commit. */
  get generation(): number {
    return this.#core.state.generation;
  }

  /**
   * One bit per ordinal, least significant first; may be longer than `rows` needs. Another array after it has grown, and
   * after refresh(): take it anew for each query.
   */
  get alive(): Uint8Array {
    return this.#core.alive.bytes;
  }

  get liveCount(): number {
    return this.#core.alive.count;
  }

  /** Rows that row files hold, dead or alive. */
  get filedCount(): number {
    return this.#core.state.rowFiles.reduce((sum, { count }) => sum + count, 0);
  }

  /** Dead rows that row files still hold. */
  get deadCount(): number {
    return this.filedCount - this.liveCount;
  }

  /** Bytes that a row takes in the files, with its id and payload, about. */
  get bytesPerRow(): number {
    const { options, format } = this.#open();
    return format.stride + options.kv.bytes() / Math.max(1, this.filedCount);
  }

  /** The files of codes. */
  get segments(): readonly Readonly<SegmentRef>[] {
    const { segments, payloadIndexes } = this.#core.state;
    return segments.filter(({ name }) => payloadIndexes.every(({ file }) => file !== name));
  }

  get payloadIndexes(): readonly Readonly<PayloadIndexEntry>[] {
    return this.#core.state.payloadIndexes;
  }

  /** The `meta` of the last commitSegments() that had one; null before. */
  get meta(): unknown {
    return this.#core.state.meta;
  }

  /**
   * Adds rows, in the order given, and ends the lives of rows that had their ids. An id that comes more than once in a
   * batch gets only its last row. All or nothing. Resolves when all of it would survive a power loss; until then the
   * arrays must not change.
   *
   * @throws FunnelError BAD_ID, BAD_DIMS, BAD_ARGUMENT before any work; DISK, INDEX_LOCKED, NOT_WRITABLE
   */
  append(request: AppendRequest): Promise<Appended> {
    return this.appendPacked(() => request);
  }

  /**
   * The same for rows that are yet to be packed, in slices, as their checks are. It has its turn among the writes from the
   * call on, and what is wrong with the rows is found before anything is written.
   */
  async appendPacked(pack: () => AppendRequest | Sliced<AppendRequest>): Promise<Appended> {
    const core = this.#writable();
    const checked = inSlices(packAndCheck(core, pack));
    checked.catch(() => {}); // met when it is its turn
    return this.#later(async () => {
      const batch = await checked;
      return batch === undefined ? this.#nothing() : append(core, batch);
    });
  }

  appendSync(request: AppendRequest): Appended {
    const batch = atOnce(checkAppend(this.#writable(), request));
    return batch === undefined ? runNow(this.#nothing()) : this.#now(append(this.#core, batch));
  }

  #nothing(): Steps<Appended> {
    return take(instant(() => ({ first: this.rows, count: 0, replaced: [] })));
  }

  /** Ends the lives of rows; ids that no row has are ignored. The ordinals that died, ascending. */
  delete(ids: readonly Id[]): Promise<number[]> {
    return this.#laterWith(
      () => this.#writable() && ids.slice(),
      (copy) => remove(this.#core, copy),
    );
  }

  deleteSync(ids: readonly Id[]): number[] {
    this.#writable();
    return this.#now(remove(this.#core, ids));
  }

  /** Ends the lives of rows by their ordinals; those that are dead already are ignored. */
  deleteRows(ordinals: ArrayLike<number>): Promise<number[]> {
    return this.#laterWith(
      () => this.#writable() && Array.from(ordinals),
      (copy) => removeRows(this.#core, copy),
    );
  }

  deleteRowsSync(ordinals: ArrayLike<number>): number[] {
    this.#writable();
    return this.#now(removeRows(this.#core, Array.from(ordinals)));
  }

  /** The living row that has an id. */
  ordinalOf(id: Id): number | undefined {
    return typeof id === this.#core.state.idKind ? this.#core.find(id) : undefined;
  }

  /** Before {@link ordinalOf} by who gives others their turn: the first time it would take long. */
  prepareIds(): Sliced<void> {
    return this.#core.prepareFind();
  }

  /** A dead row's id stays until compaction. @throws FunnelError BAD_ARGUMENT for an ordinal that has none */
  idOf(ordinal: number): Id {
    const { state, kept, ids } = this.#core;
    if (ordinal >= state.rows || !kept.get(ordinal)) throw noRow(ordinal);
    return ids!.at(ordinal);
  }

  /** Payloads that another process had dropped by the time they were read here. Grows. */
  staleReads = 0;

  /**
   * The payload of a row, new each time. Undefined when it has none, and when another process deleted the row and
   * compacted the index since the last refresh().
   *
   * @throws FunnelError CORRUPT
   */
  payloadOf(ordinal: number): unknown {
    const { state, withPayload, options, uuid, kept } = this.#open();
    if (ordinal >= state.rows || !kept.get(ordinal)) throw noRow(ordinal);
    if (!withPayload.get(ordinal)) return undefined;
    const value = options.kv.payload(ordinal);
    if (value !== undefined) return decodePayload(unseal(uuid, 'payloads', ordinal, value, options.kv.file));
    if (this.#isStale()) {
      this.staleReads++;
      return undefined;
    }
    throw corrupt(options.kv.file, 'payloads', `lack that of row ${ordinal}`);
  }

  #isStale(): boolean {
    const { options, state } = this.#core;
    const record = options.kv.snapshot(() => options.kv.state());
    return record !== undefined && generationOf(record) !== state.generation;
  }

  /**
   * One row's values into `out`, from value `at` on; the row may be dead, but not compacted away.
   *
   * @throws FunnelError CORRUPT, DISK, BAD_ARGUMENT, BAD_DIMS
   */
  readRow(ordinal: number, out: RowValues, at = 0): void {
    readRow(this.#open(), ordinal, out, at);
  }

  /** Rows `first..first+count` into `out`, from its start; zeros for rows that were compacted away. */
  readRows(first: number, count: number, out: RowValues): Promise<void> {
    return runLater(this.#readRows(first, count, out));
  }

  readRowsSync(first: number, count: number, out: RowValues): void {
    runNow(this.#readRows(first, count, out));
  }

  *#readRows(first: number, count: number, out: RowValues): Steps<void> {
    const core = this.#open();
    checkInteger(first, 0, core.state.rows, 'first');
    checkInteger(count, 0, core.state.rows - first, 'count');
    const files = core.files.rows.filter(({ entry }) => entry.last >= first && entry.first < first + count);
    for (const file of files) core.files.lease(file);
    try {
      yield* readRows(core, files, first, count, out);
    } finally {
      for (const file of files) core.files.release(file);
    }
  }

  /** The files of rows, ascending, for a reader that is done before the event loop turns. */
  rowFiles(): RowFile[] {
    const { files, format, options } = this.#open();
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
  leaseRowFiles(): { files: RowFile[]; release: () => void } {
    const { files } = this.#open();
    const leased = [...files.rows];
    for (const file of leased) files.lease(file);
    let held = true;
    return {
      files: this.rowFiles(),
      release: () => {
        if (held) for (const file of leased) files.release(file);
        held = false;
      },
    };
  }

  /** Writes a file of sections, synced, that is no part of the index until {@link commitSegments}. */
  async writeSegment(sections: Sections): Promise<SegmentRef> {
    const iterator = Symbol.asyncIterator in sections ? sections[Symbol.asyncIterator]() : sections[Symbol.iterator]();
    const next: FileStep<Section | undefined> = {
      now: () => {
        throw new FunnelError('BAD_ARGUMENT', 'Expected sections that are there at once');
      },
      later: async () => {
        const { done, value } = await iterator.next();
        return done ? undefined : value;
      },
    };
    const core = this.#writable();
    this.#segmentsUnderWay++;
    try {
      return await runLater(writeSegment(core, next));
    } finally {
      this.#segmentsUnderWay--;
    }
  }

  writeSegmentSync(sections: Iterable<Section>): SegmentRef {
    const iterator = sections[Symbol.iterator]();
    return runNow(
      writeSegment(
        this.#writable(),
        instant(() => iterator.next().value as Section | undefined),
      ),
    );
  }

  /** Adds and removes segments in one commit, and what the engine says of them. */
  async commitSegments(change: SegmentChange): Promise<void> {
    const core = this.#writable();
    return this.#between(() => commitSegments(core, change));
  }

  commitSegmentsSync(change: SegmentChange): void {
    this.#now(commitSegments(this.#writable(), change));
  }

  /** The bytes of a section, checked; in `into` when given. @throws FunnelError CORRUPT, DISK, BAD_ARGUMENT */
  async readSection(segment: string, section: string, into?: Uint8Array): Promise<Uint8Array> {
    return runLater(readInto(this.#open(), segment, section, into));
  }

  readSectionSync(segment: string, section: string, into?: Uint8Array): Uint8Array {
    return runNow(readInto(this.#open(), segment, section, into));
  }

  /** The same in steps, for callers that wait for many. */
  sectionSteps(segment: string, section: string, into?: Uint8Array): Steps<Uint8Array> {
    return readInto(this.#open(), segment, section, into);
  }

  /** Fills `into` from a leased row file, unless it ends before. Not checked. */
  *readFrom(fd: number, into: Uint8Array, position: number): Steps<boolean> {
    const { disk } = this.#core.options;
    for (let done = 0; done < into.length; ) {
      const got = yield* take(disk.read(fd, into.subarray(done), position + done));
      if (got === 0) return false;
      done += got;
    }
    return true;
  }

  /** Where a section lies: of `path`, from `offset` (a multiple of 4,096) on, `bytes` bytes. Not checked. */
  sectionAt(segment: string, section: string): { fd: number; path: string; offset: number; bytes: number } {
    const { file, entry } = findSection(this.#open(), segment, section);
    return { fd: file.fd, path: file.path, offset: entry.offset, bytes: entry.bytes };
  }

  /** Follows what other processes have committed. True when there was something. */
  refresh(): boolean {
    return this.#open().refresh();
  }

  /** Resolves when every write that was asked for before has ended, well or badly. */
  async written(): Promise<void> {
    await this.#last;
  }

  /**
   * Rewrites row files without dead rows, and drops their ids and payloads. Ordinals stay. Appends, deletes and readers
   * go on meanwhile.
   *
   * @throws FunnelError ABORTED, DISK, CORRUPT; the index is as before, but for ids and payloads of dead rows
   */
  async compact(options: CompactOptions = {}): Promise<Compacted> {
    const core = this.#writable();
    if (this.#compaction !== undefined) throw filesError('NOT_WRITABLE', 'Expected one compaction at a time');
    const controller = new AbortController();
    const signal =
      options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
    const done = this.#compact(core, { ...options, signal });
    this.#compaction = { controller, done: done.catch(() => {}) };
    try {
      return await done;
    } catch (error) {
      throw diskError('compacting', error);
    } finally {
      this.#compaction = undefined;
    }
  }

  async #compact(core: Core, options: CompactOptions): Promise<Compacted> {
    const planned = await this.#between(() => plan(core));
    if (planned === undefined) return NOTHING_COMPACTED;
    try {
      const { files, dropped } = await runLater(rewrite(core, planned, options));
      try {
        for (const part of dropped) {
          await this.#between(() => forget(core, part));
          await turnStep.later();
        }
        return await this.#between(() => exchange(core, planned, files));
      } catch (error) {
        if (core.broken === undefined) await runLater(discard(core, files));
        throw error;
      }
    } finally {
      release(core, planned);
    }
  }

  /** @throws FunnelError NOT_WRITABLE while an asynchronous write is under way, DISK, CORRUPT */
  compactSync(): Compacted {
    const core = this.#writable();
    if (this.#compaction !== undefined) throw filesError('NOT_WRITABLE', 'Expected one compaction at a time');
    const planned = this.#now(plan(core));
    if (planned === undefined) return NOTHING_COMPACTED;
    try {
      const { files, dropped } = runNow(rewrite(core, planned, {}));
      try {
        for (const part of dropped) runNow(forget(core, part));
        return runNow(exchange(core, planned, files));
      } catch (error) {
        if (core.broken === undefined) runNow(discard(core, files));
        throw error;
      }
    } catch (error) {
      throw diskError('compacting', error);
    } finally {
      release(core, planned);
    }
  }

  info(): FilesInfo {
    const { state, alive, options } = this.#open();
    const sum = (files: readonly { bytes: number }[]) => files.reduce((all, { bytes }) => all + bytes, 0);
    return {
      rows: state.rows,
      live: alive.count,
      files: state.rowFiles.length + state.segments.length + 1,
      bytes: { rows: sum(state.rowFiles), segments: sum(state.segments), store: options.kv.bytes() },
    };
  }

  /**
   * Waits for writes, aborts compaction, and stops being the writer: all calls resolve when that is done.
   *
   * @throws FunnelError DISK; the index is closed all the same
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#compaction?.controller.abort(new Error('the index was closed'));
    await this.#compaction?.done;
    await this.#last;
    try {
      this.#core.files.closeAll();
      await this.#core.options.kv.close().later();
    } catch (error) {
      throw diskError(`closing ${this.path}`, error);
    } finally {
      this.#hold?.release();
    }
  }

  /** @throws FunnelError NOT_WRITABLE while a write is under way, the index stays open then; DISK, it is closed */
  closeSync(): void {
    if (this.#closed) return;
    this.#checkIdle();
    this.#closed = true;
    try {
      this.#core.files.closeAll();
      this.#core.options.kv.close().now();
    } catch (error) {
      throw diskError(`closing ${this.path}`, error);
    } finally {
      this.#hold?.release();
    }
  }

  /** Another becomes the writer, in this thread: nothing of ours may be on its way to the files. */
  revoke(): boolean {
    if (this.#waiting > 0 || this.#segmentsUnderWay > 0 || this.#compaction !== undefined) return false;
    this.#core.broken = lockLost();
    this.#hold?.release();
    return true;
  }

  #open(): Core {
    if (this.#closed) throw filesError('CLOSED', 'Expected an open index but it was closed');
    return this.#core;
  }

  #writable(): Core {
    this.#open().checkWritable();
    return this.#core;
  }

  async #laterWith<A, T>(check: () => A, run: (checked: A) => Steps<T>): Promise<T> {
    const checked = check();
    return this.#later(() => run(checked));
  }

  /** Runs after all writes that were asked for before. */
  #later<T>(run: () => Steps<T> | Promise<Steps<T>>): Promise<T> {
    this.#waiting++;
    const mine = this.#last.then(async () => {
      try {
        this.#core.checkWritable();
        return await runLater(await run());
      } finally {
        this.#waiting--; // before the caller goes on, who may go on with a synchronous call
      }
    });
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** A commit that no caller waits for: where callers write synchronously, in one turn. */
  async #between<T>(run: () => Steps<T>): Promise<T> {
    if (!this.#isWrittenNow || this.#waiting > 0) return this.#later(run);
    this.#core.checkWritable();
    return runNow(run());
  }

  #now<T>(steps: Steps<T>): T {
    this.#checkIdle();
    this.#isWrittenNow = true;
    return runNow(steps);
  }

  #checkIdle(): void {
    if (this.#waiting === 0) return;
    throw filesError('NOT_WRITABLE', 'Expected no asynchronous write under way for a synchronous one: await it first');
  }
}

function* packAndCheck(core: Core, pack: () => AppendRequest | Sliced<AppendRequest>): Sliced<Batch | undefined> {
  const packed = pack();
  return yield* checkAppend(core, 'ids' in packed ? packed : yield* packed);
}

const NOTHING_COMPACTED: Compacted = { rowsDropped: 0, bytesFreed: 0 };

function release(core: Core, { files }: CompactionPlan): void {
  for (const file of files) core.files.release(file);
}

function noRow(ordinal: number): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected a row that exists but ${ordinal} is not one, or was compacted away`);
}

function checkConfig(config: StoreConfig): void {
  checkDim(config.dim, 'dim');
  for (const [name, value, allowed] of [
    ['metric', config.metric, ['cosine', 'dot', 'euclid']],
    ['precision', config.precision, ['float32', 'float16']],
  ] as const) {
    if (!(allowed as readonly string[]).includes(value)) {
      throw new FunnelError('BAD_ARGUMENT', `Expected one of ${allowed.join(', ')} for ${name}, not ${String(value)}`);
    }
  }
}
