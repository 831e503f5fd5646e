/** An index in memory: row images, segments and the rows that have no codes yet, kept in step with its files. */

import { countClosed } from '../core/collection.js';
import type { Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import { Scratch } from './engine/memory.js';
import { last, type Segment } from './engine/segment.js';
import type { SearchState } from './engine/types.js';
import type { IndexFiles } from './files/index-files.js';
import type { RowImage } from './files/row-image.js';
import { RowImages } from './files/row-images.js';
import { runNow, type Steps } from './files/step.js';
import { LiveImages } from './live-images.js';
import { dieMany, Lease, livingIn, withNews, withoutDead, withoutMany } from './live-memory.js';
import { LiveSegments } from './live-segments.js';
import type { Snapshot } from './pool-messages.js';

export class Live {
  #version = 0;
  readonly #coded: LiveSegments;
  readonly #images: LiveImages;
  #unindexed: Uint32Array = new Uint32Array(0);
  /** Ordinals below are in a segment, unindexed, or dead. */
  #listedTo = 0;
  #state: SearchState | undefined;
  #snapshot: Snapshot | undefined;
  readonly #scratch: Scratch;
  /** Lease on the descriptors of the images; searches hold on to theirs. */
  #lease: Lease | undefined;
  /** Grows with every row that dies. */
  deaths = 0;
  /** The rows without codes that are left by deaths which were told before. */
  #expected: { ordinals: readonly number[]; unindexed: Uint32Array; left: Uint32Array } | undefined;
  /** Dead rows that the last load() met. */
  #dead: number | undefined;

  constructor(
    readonly files: IndexFiles,
    readonly codes: CodeKernels,
    readonly memory: number,
  ) {
    this.#scratch = new Scratch(codes);
    this.#coded = new LiveSegments(files, codes, memory);
    this.#images = new LiveImages(files, memory, () => this.#coded.bytes);
  }

  /** Another number after every change, unless only a mask has changed. */
  get version(): number {
    return this.#version;
  }

  get half(): boolean {
    return this.files.config.precision === 'float16';
  }

  get segments(): readonly Segment[] {
    return this.#coded.all;
  }

  /** The file of the last build; undefined in memory, and before a build. */
  get buildName(): string | undefined {
    return this.#coded.buildName;
  }

  get hasRoomForFull(): boolean {
    return this.#coded.hasRoomForFull;
  }

  /** Rows of extensions, dead or alive. */
  get extended(): number {
    return this.#coded.extended;
  }

  get unindexed(): Uint32Array {
    return this.#unindexed;
  }

  get resident(): { codes: number; rows: number } {
    return {
      codes: this.#coded.bytes,
      rows: this.#images.resident,
    };
  }

  /** Rows that have codes and are dead. */
  get deadCoded(): number {
    return this.#coded.coded - (this.files.liveCount - this.#unindexed.length);
  }

  /** Bytes that the codes of a row take, about. */
  get bytesPerCode(): number {
    return this.#coded.bytes / Math.max(1, this.#coded.coded);
  }

  alive = (ordinal: number): boolean => ((this.files.alive[ordinal >> 3]! >> (ordinal & 7)) & 1) === 1;

  /** Everything anew: when another process has changed files. Large ones that are new are for warm(). */
  reload(): void {
    runNow(this.load(false));
  }

  /** Whether there is anything for warm() to do. */
  get isCold(): boolean {
    return this.#images.isCold;
  }

  /**
   * Everything from the files: before the first search, and by reload().
   *
   * @param withRows whether rows are read into memory, where there is room; else warm() does so with those of files that are new, and
   *   searches read these
   * @throws FunnelError CORRUPT, DISK
   */
  *load(withRows = true): Steps<void> {
    this.deaths++; // some may have died
    const dead = this.files.rows - this.files.liveCount;
    const isSame = dead === this.#dead;
    if (yield* this.#coded.load(this.#version, this.alive, isSame)) this.#listFrom(this.#coded.codedTo);
    else if (!isSame) this.#unindexed = this.#unindexed.filter(this.alive);
    this.#follow(true, !withRows);
    this.#dead = dead;
  }

  /** Reads into memory what load() has left in the files, in parts. An answer that needs a part that cannot be read says so. */
  warm(isOpen: () => boolean): Steps<void> {
    return this.#images.warm(isOpen, this);
  }

  /** Reads a little of that, for a call that does not let the event loop turn. */
  warmNow(): void {
    this.#images.warmNow(this);
  }

  /**
   * New rows, or another set of row files. They are committed, so that nothing may fail here: records that cannot be read into
   * memory stay on disk, where the answer that needs them says why.
   */
  rowsChanged(): void {
    this.#follow(false);
  }

  /** A build begins whose codes take so many bytes: rows give way where memory has no room for both. */
  expectCodes(bytes: number): void {
    this.#images.expectedCodes = bytes;
    this.rowsChanged();
  }

  #follow(mustRead: boolean, isCold = false): void {
    const leased = this.files.leaseRowFiles();
    try {
      this.#images.follow(leased.files, mustRead, isCold);
    } catch (error) {
      leased.release();
      throw error;
    }
    this.#lease?.drop();
    this.#lease = new Lease(leased.release);
    const { rows, alive } = this.files;
    const news = livingIn(alive, this.#listedTo, rows);
    if (news.length > 0) this.#unindexed = withNews(this.#unindexed, news);
    this.#listedTo = Math.max(this.#listedTo, rows);
    this.#changed();
  }

  /** Gets ready for deaths, so that they take little in the turn of their commit. */
  *expectDeaths(ordinals: readonly number[]): Sliced<void> {
    this.#expected = undefined;
    yield* this.#coded.expectDeaths(ordinals);
    const unindexed = this.#unindexed;
    if (!dieMany(unindexed, ordinals)) return;
    this.#expected = { ordinals, unindexed, left: yield* withoutMany(unindexed, ordinals) };
  }

  /** Rows died. */
  died(ordinals: readonly number[]): void {
    if (ordinals.length === 0) return;
    this.deaths += ordinals.length;
    this.#coded.died(ordinals);
    const expected = this.#expected;
    this.#expected = undefined;
    const isExpected = expected?.ordinals === ordinals && expected.unindexed === this.#unindexed;
    const left = isExpected ? expected.left : withoutDead(this.#unindexed, ordinals);
    if (left === this.#unindexed) return;
    this.#unindexed = left;
    this.#changed();
  }

  /** A new segment takes the place of all others. */
  replaceSegments(segment: Segment, name: string | undefined): void {
    this.#coded.replace(segment, name, this.#version);
    this.#listFrom(last(segment.ordinals) + 1); // rows of extensions are not in it
    this.rowsChanged();
  }

  /**
   * An extension takes the place of all segments but the first `staying`.
   *
   * @param codedTo rows of ordinals below are in segments now, or dead
   */
  extend(segment: Segment, name: string | undefined, staying: number, codedTo: number): void {
    this.#coded.extend(segment, name, staying, this.#version);
    this.#unindexed = this.#unindexed.filter((ordinal) => ordinal >= codedTo);
    this.rowsChanged();
  }

  /** Gives back the memory of an extension that came too late, but for what it shares with its build. */
  discard(segment: Segment, build: Segment): void {
    this.#coded.retired.add([segment], [build], -1);
  }

  /** No row lives that has codes. */
  dropSegments(): void {
    if (this.segments.length === 0) return;
    this.#coded.drop(this.#version);
    this.#listFrom(0);
    this.rowsChanged();
  }

  /** Rows from an ordinal on are found anew that have no codes. */
  #listFrom(ordinal: number): void {
    this.#listedTo = ordinal;
    this.#unindexed = new Uint32Array(0);
  }

  get state(): SearchState {
    if (this.#state === undefined) {
      const { metric, dim } = this.files.config;
      const rows = new RowImages(this.codes, this.images, dim, this.half, this.#scratch);
      this.#state = { metric, dim, segments: this.segments, unindexed: this.#unindexed, rows };
    }
    return this.#state;
  }

  get images(): readonly RowImage[] {
    return this.#images.all;
  }

  /** For search threads. */
  get snapshot(): Snapshot {
    if (this.#snapshot === undefined) {
      const { metric, dim } = this.files.config;
      this.#snapshot = {
        version: this.#version,
        metric,
        dim,
        half: this.half,
        segments: this.#coded.all,
        unindexed: this.#unindexed,
        images: this.#images.all,
      };
    }
    return this.#snapshot;
  }

  /** The images of now, and their descriptors until `done()`. */
  useImages(): { images: RowImage[]; done: () => void } {
    const lease = this.#lease!;
    lease.take();
    return { images: [...this.#images.all], done: () => lease.drop() };
  }

  /** The snapshot, kept whole until `done()`. */
  use(): { snapshot: Snapshot; done: () => void } {
    const { snapshot } = this;
    const { version } = snapshot;
    const lease = this.#lease!;
    this.#coded.retired.use(version);
    lease.take();
    const done = () => {
      lease.drop();
      this.#coded.retired.done(version);
    };
    return { snapshot, done };
  }

  close(): void {
    const { codes, rows } = this.resident;
    countClosed(codes + rows);
    this.#lease?.drop();
    this.#lease = undefined;
  }

  #changed(): void {
    this.#version++;
    this.#state = undefined;
    this.#snapshot = undefined;
  }
}
