/** One index as it is read: what it counts, its ids, payloads, rows and sections, and what other processes have committed. */
import type { Sliced } from '../../core/slices.js';
import type { Id, IdKind } from '../../core/types.js';
import { changedAfter, changesOf } from './changed-rows.js';
import type { Core, FilesInfo } from './core.js';
import { filesError } from './errors.js';
import { idAt, payloadAt } from './lookup.js';
import { leaseRowFilesOf, type RowFile, rowFilesOf } from './row-files.js';
import type { SegmentRef } from './segments.js';
import { readInto } from './segments.js';
import type { PayloadIndexEntry, StoreConfig } from './state.js';
import { runNow, type Steps } from './step.js';

export class IndexReads {
  /** ':memory:' or a folder. */
  readonly path: string;
  readonly config: Readonly<StoreConfig>;
  readonly readOnly: boolean;
  protected readonly core: Core;
  protected closed = false;

  protected constructor(path: string, core: Core) {
    this.path = path;
    this.core = core;
    this.config = core.state.config;
    this.readOnly = core.options.readOnly;
  }

  /** The identity of the index, in hex: copies of it have the same. */
  get uuid(): string {
    return this.core.state.uuid;
  }

  /** Undefined before the first row. */
  get idKind(): IdKind | undefined {
    return this.core.state.idKind ?? undefined;
  }

  /** Ordinals ever given: the next row's ordinal. */
  get rows(): number {
    return this.core.state.rows;
  }

  /** Grows with every commit. */
  get generation(): number {
    return this.core.state.generation;
  }

  /**
   * One bit per ordinal, least significant first; may be longer than `rows` needs. Another array after it has grown, and
   * after refresh(): take it anew for each query.
   */
  get alive(): Uint8Array {
    return this.core.alive.bytes;
  }

  get liveCount(): number {
    return this.core.alive.count;
  }

  /** Rows that row files hold, dead or alive. */
  get filedCount(): number {
    return this.core.filedCount;
  }

  /** Dead rows that row files still hold. */
  get deadCount(): number {
    return this.filedCount - this.liveCount;
  }

  /** Bytes that a row takes in the files, with its id and payload, about. */
  get bytesPerRow(): number {
    return this.opened().bytesPerRow;
  }

  /** The files of codes. */
  get segments(): readonly Readonly<SegmentRef>[] {
    const { segments, payloadIndexes } = this.core.state;
    return segments.filter(({ name }) => payloadIndexes.every(({ file }) => file !== name));
  }

  get payloadIndexes(): readonly Readonly<PayloadIndexEntry>[] {
    return this.core.state.payloadIndexes;
  }

  /** The `meta` of the last commitSegments() that had one; null before. */
  get meta(): unknown {
    return this.core.state.meta;
  }

  /** Tells later whether no payload of a row that stays has changed, in whichever process, since this call. */
  payloadsHold(): () => boolean {
    const core = this.core;
    const { payloadChanges } = core;
    return () => core.payloadChanges === payloadChanges && !core.lacksChanges;
  }

  /** The number of the last change of payloads. */
  get lastChange(): number {
    return changesOf(this.core.state).last;
  }

  /** Rows whose payload was changed after change number `seen`, and maybe others; undefined where nobody knows any more. */
  changedAfter(seen: number): Uint32Array | undefined {
    const { options, uuid, state } = this.core;
    return changedAfter({ kv: options.kv, uuid }, changesOf(state), seen);
  }

  /** The living row that has an id. */
  ordinalOf(id: Id): number | undefined {
    return typeof id === this.core.state.idKind ? this.core.find(id) : undefined;
  }

  /** Before {@link ordinalOf} by who gives others their turn: the first time it would take long. */
  prepareIds(): Sliced<void> {
    return this.core.prepareFind();
  }

  /** A dead row's id stays until compaction. @throws FunnelError BAD_ARGUMENT for an ordinal that has none */
  idOf(ordinal: number): Id {
    return idAt(this.core, ordinal);
  }

  /** Payloads that another process had dropped by the time they were read here. Grows. */
  get staleReads(): number {
    return this.core.staleReads;
  }

  /**
   * The payload of a row, new each time. Undefined when it has none, and when another process deleted the row and
   * compacted the index since the last refresh().
   *
   * @throws FunnelError CORRUPT
   */
  payloadOf(ordinal: number): unknown {
    return payloadAt(this.opened(), ordinal);
  }

  /** The files of rows, ascending, for a reader that is done before the event loop turns. */
  rowFiles(): RowFile[] {
    return rowFilesOf(this.opened());
  }

  /** The same for a reader that takes its time: the descriptors stay open until `release()`. */
  leaseRowFiles(): { files: RowFile[]; release: () => void } {
    return leaseRowFilesOf(this.opened());
  }

  /** The bytes of a section, checked; in `into` when given. @throws FunnelError CORRUPT, DISK, BAD_ARGUMENT */
  readSectionSync(segment: string, section: string, into?: Uint8Array): Uint8Array {
    return runNow(readInto(this.opened(), segment, section, into));
  }

  /** The same in steps, for callers that wait for many. */
  sectionSteps(segment: string, section: string, into?: Uint8Array): Steps<Uint8Array> {
    return readInto(this.opened(), segment, section, into);
  }

  /** Follows what other processes have committed. True when there was something. */
  refresh(): boolean {
    return this.opened().refresh();
  }

  /** For what reads all that is committed. */
  reading<T>(run: (core: Core) => T): T {
    return run(this.opened());
  }

  info(): FilesInfo {
    return this.opened().info();
  }

  /** @throws FunnelError CLOSED */
  protected opened(): Core {
    if (this.closed) throw filesError('CLOSED', 'Expected an open index but it was closed');
    return this.core;
  }
}
