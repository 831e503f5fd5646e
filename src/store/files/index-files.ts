/** One index on disk, or in memory: rows, ids, payloads and the engine's segments, committed together. */
import { atOnce, inSlices, type Sliced } from '../../core/slices.js';
import type { Id } from '../../core/types.js';
import { type Appended, type AppendRequest, append, appendNothing, checkAppend, packAndCheck } from './append.js';
import { type ChosenRows, changePayloads, type PayloadEdit, settlingEdits } from './change-payloads.js';
import type { Compacted, CompactOptions } from './compact.js';
import { CompactionRun } from './compaction-run.js';
import type { Core, RoomFor, RoomForCompacted } from './core.js';
import { remove, removeRows } from './delete.js';
import { lockLost } from './errors.js';
import { GroupCommit } from './group-commit.js';
import type { Hold } from './hold.js';
import { type ImagedCodes, imageOf, openImage } from './image.js';
import { IndexReads } from './index-reads.js';
import { closeCore, createInMemory, type OpenFilesOptions } from './open-core.js';
import { createOnDisk, openOnDisk } from './open-disk.js';
import type { Section } from './segment.js';
import { commitSegments, type SegmentChange, type SegmentRef } from './segments.js';
import type { StoreConfig } from './state.js';
import { runLater, runNow, type Steps } from './step.js';
import { WriteQueue } from './write-queue.js';
import { laterSections, nowSections, type Sections, writeSegment } from './write-segment.js';
import type { Writer } from './writers.js';

export class IndexFiles extends IndexReads implements Writer {
  readonly #writes = new WriteQueue(
    () => this.core.checkWritable(),
    () => settlingEdits(this.core),
  );
  /** Small writes that wait together. */
  readonly #together: GroupCommit;
  readonly #compaction = new CompactionRun(this.#writes);
  #closing: Promise<void> | undefined;
  /** The hold of a writer on its index on disk. */
  readonly #hold: Hold | undefined;

  private constructor(path: string, core: Core, hold?: Hold) {
    super(path, core);
    this.#together = new GroupCommit(this.#writes, core);
    this.#hold = hold;
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

  static createSteps(path: string, config: StoreConfig, options: OpenFilesOptions = {}): Steps<IndexFiles> {
    const make = (core: Core, hold: Hold | undefined) => new IndexFiles(path, core, hold);
    return path === ':memory:' ? createInMemory(config, options, make) : createOnDisk(path, config, options, make);
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
  static openSteps(path: string, options: OpenFilesOptions = {}): Steps<IndexFiles> {
    return openOnDisk(path, options, (core, hold) => new IndexFiles(path, core, hold));
  }

  /** In memory, over what {@link image} gave. @throws FunnelError BAD_ARGUMENT, CORRUPT, UNSUPPORTED_FORMAT */
  static imageSteps(image: unknown): Steps<IndexFiles> {
    return openImage(image, {}, (core) => new IndexFiles(':memory:', core));
  }

  /**
   * All of it as bytes; undefined where another process wrote meanwhile.
   *
   * @param check called between parts of the work; what it throws ends it
   * @param codes those of an index in memory
   */
  async image(check: () => void, codes?: ImagedCodes): Promise<Uint8Array | undefined> {
    const core = this.opened();
    if (this.readOnly) return runLater(imageOf(core, codes, check));
    return this.#writes.later(() => imageOf(core, codes, check));
  }

  /**
   * Calls back in the same turn in which a commit of this process shows, with the ordinals that died: new rows, deaths and
   * exchanged row files are never seen by one part of the program and not by another.
   *
   * @param expectDeaths is run in parts before rows die
   */
  onChange(
    callback: (died: readonly number[]) => void,
    expectDeaths: (dying: readonly number[]) => Sliced<void>,
  ): void {
    this.core.expectDeaths = expectDeaths;
    this.core.changed = callback;
  }

  /**
   * Asks who keeps rows in memory for the place of records that are about to be written: then nobody copies them later; `dropRoom` is
   * told where they do not come after all.
   */
  onRecords(roomFor: RoomFor, dropRoom: (path: string) => void): void {
    this.core.roomFor = roomFor;
    this.core.dropRoom = dropRoom;
  }

  /** Asks for memory for the records of a compacted file: then nobody reads them from it again. */
  onCompaction(room: RoomForCompacted): void {
    this.core.roomForCompacted = room;
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
   *
   * @param dying the ordinals of rows that die in the same commit, asked for when it is its turn
   */
  async appendPacked(
    pack: () => AppendRequest | Sliced<AppendRequest>,
    dying?: () => Promise<Iterable<number>>,
  ): Promise<Appended> {
    const core = this.#writable();
    const work = packAndCheck(core, pack);
    const { done, value } = work.next();
    // Rows that are packed and checked without a pause are few.
    if (done && value !== undefined && dying === undefined) return this.#together.append(value);
    const checked = done ? Promise.resolve(value) : inSlices(work);
    checked.catch(() => {}); // met when it is its turn
    return this.#writes.later(async () => {
      const batch = await checked;
      return batch === undefined ? appendNothing(core) : append(core, batch, await dying?.());
    });
  }

  appendSync(request: AppendRequest): Appended {
    const core = this.#writable();
    const batch = atOnce(checkAppend(core, request));
    return batch === undefined ? runNow(appendNothing(core)) : this.#writes.now(append(core, batch));
  }

  /** Ends the lives of rows; ids that no row has are ignored. The ordinals that died, ascending. */
  async delete(ids: readonly Id[]): Promise<number[]> {
    this.#writable();
    return this.#together.delete(ids.slice());
  }

  deleteSync(ids: readonly Id[]): number[] {
    this.#writable();
    return this.#writes.now(remove(this.core, ids));
  }

  /**
   * Ends the lives of rows by their ordinals; those that are dead already are ignored.
   *
   * @param choose is asked when it is this write's turn: a row whose payload was changed before is not told by what it was
   */
  async deleteRows(choose: () => Promise<Iterable<number>>): Promise<number[]> {
    const core = this.#writable();
    return this.#writes.later(async () => removeRows(core, await choose()));
  }

  deleteRowsSync(ordinals: ArrayLike<number>): number[] {
    this.#writable();
    return this.#writes.now(removeRows(this.core, Array.from(ordinals)));
  }

  /**
   * Changes payloads of rows that stay, in one commit.
   *
   * @param choose is asked when it is this write's turn: nothing else is written until all is done
   * @returns how many rows there were
   * @throws FunnelError BAD_ID, NOT_FOUND, BAD_ARGUMENT before anything is written; DISK, INDEX_LOCKED, NOT_WRITABLE
   */
  async changePayloads(choose: () => ChosenRows | Promise<ChosenRows>, edit: PayloadEdit): Promise<number> {
    const core = this.#writable();
    return this.#writes.later(async () => changePayloads(core, await choose(), edit));
  }

  changePayloadsSync(rows: ChosenRows, edit: PayloadEdit): number {
    return this.#writes.now(changePayloads(this.#writable(), rows, edit));
  }

  /** Runs a read that no write of ours comes between, but for synchronous ones. Not within a write. */
  readBetween<T>(run: () => Promise<T>): Promise<T> {
    return this.#writes.readBetween(run);
  }

  /** Calls back in the same turn in which a commit of this process shows, with the rows that have another payload. */
  onPayloads(callback: (ordinals: Uint32Array) => void): void {
    this.core.payloadsChanged = callback;
  }

  /** Writes a file of sections, synced, that is no part of the index until {@link commitSegments}. */
  async writeSegment(sections: Sections): Promise<SegmentRef> {
    const next = laterSections(sections);
    return this.#writes.beside(writeSegment(this.#writable(), next));
  }

  writeSegmentSync(sections: Iterable<Section>): SegmentRef {
    return runNow(writeSegment(this.#writable(), nowSections(sections)));
  }

  /** Adds and removes segments in one commit, and what the engine says of them. False where what it needs is gone. */
  async commitSegments(change: SegmentChange): Promise<boolean> {
    const core = this.#writable();
    return this.#writes.between(() => commitSegments(core, change));
  }

  commitSegmentsSync(change: SegmentChange): void {
    this.#writes.now(commitSegments(this.#writable(), change));
  }

  /** Resolves when every write that was asked for before has ended, well or badly. */
  async written(): Promise<void> {
    await this.#writes.ended;
  }

  /**
   * Rewrites row files without dead rows, and drops their ids and payloads. Ordinals stay. Appends, deletes and readers
   * go on meanwhile.
   *
   * @throws FunnelError ABORTED, DISK, CORRUPT; the index is as before, but for ids and payloads of dead rows
   */
  async compact(options: CompactOptions = {}): Promise<Compacted> {
    return this.#compaction.run(this.#writable(), options);
  }

  /** @throws FunnelError NOT_WRITABLE while an asynchronous write is under way, DISK, CORRUPT */
  compactSync(): Compacted {
    return this.#compaction.runSync(this.#writable());
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
    if (this.closed) return;
    this.closed = true;
    await this.#compaction.abort(new Error('the index was closed'));
    await this.#writes.ended;
    await runLater(closeCore(this.core, this.#hold));
  }

  /** @throws FunnelError NOT_WRITABLE while a write is under way, the index stays open then; DISK, it is closed */
  closeSync(): void {
    if (this.closed) return;
    this.#writes.checkIdle();
    this.closed = true;
    runNow(closeCore(this.core, this.#hold));
  }

  /** Another becomes the writer, in this thread: nothing of ours may be on its way to the files. */
  revoke(): boolean {
    if (!this.#writes.isStill || this.#compaction.isUnderWay) return false;
    this.core.broken = lockLost();
    this.#hold?.release();
    return true;
  }

  #writable(): Core {
    this.opened().checkWritable();
    return this.core;
  }
}
