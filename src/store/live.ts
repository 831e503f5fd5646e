/** An index in memory: row images, segments and the rows that have no codes yet, kept in step with its files. */

import { servesThreads } from '../core/shared.js';
import type { CodeKernels } from '../kernels/codes.js';
import { Scratch } from './engine/memory.js';
import { last, type Segment } from './engine/segment.js';
import type { SearchState } from './engine/types.js';
import type { RoomFor } from './files/core.js';
import { extendRecords } from './files/disk-records.js';
import type { IndexFiles } from './files/index-files.js';
import type { RowFile } from './files/row-files.js';
import type { RowImage } from './files/row-image.js';
import { RowImages } from './files/row-images.js';
import { runNow, type Steps } from './files/step.js';
import {
  grownTo,
  LARGE_FILE,
  Lease,
  livingIn,
  memoryFor,
  newRoom,
  residentIn,
  splitAt,
  withNews,
  withoutDead,
} from './live-memory.js';
import { LiveSegments } from './live-segments.js';
import type { Snapshot } from './pool-messages.js';
import { recordsOf } from './warm-records.js';

export class Live {
  #version = 0;
  readonly #coded: LiveSegments;
  #images: RowImage[] = [];
  #unindexed: Uint32Array = new Uint32Array(0);
  /** Ordinals below are in a segment, unindexed, or dead. */
  #listedTo = 0;
  #state: SearchState | undefined;
  #snapshot: Snapshot | undefined;
  readonly #scratch: Scratch;
  /** Lease on the descriptors of the images; searches hold on to theirs. */
  #lease: Lease | undefined;
  /** Records that were put into an image's memory before they were committed. */
  #ahead: { path: string; records: Uint8Array; from: number; to: number } | undefined;
  /** Grows with every row that dies. */
  deaths = 0;
  /** The last row file, which may grow. */
  #tail: string | undefined;
  /** Row files whose records warm() is to bring into memory. */
  readonly #cold = new Set<string>();
  /** Files that it could not read: every write would read them again. */
  readonly #unreadable = new Set<string>();

  constructor(
    readonly files: IndexFiles,
    readonly codes: CodeKernels,
    readonly memory: number,
  ) {
    this.#scratch = new Scratch(codes);
    this.#coded = new LiveSegments(files, codes, memory);
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
      rows: this.#images.reduce((sum, image) => sum + residentIn(image), 0),
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

  /** Everything anew: when another process or a compaction has changed files. */
  reload(): void {
    runNow(this.load());
  }

  /**
   * Everything from the files: before the first search, and by reload().
   *
   * @param withRows whether rows are read into memory, where there is room; else warm() does so, and searches read files
   * @throws FunnelError CORRUPT, DISK
   */
  *load(withRows = true): Steps<void> {
    this.deaths++; // some may have died
    if (yield* this.#coded.load(this.#version, this.alive)) this.#listFrom(this.#coded.codedTo);
    else this.#unindexed = this.#unindexed.filter(this.alive);
    this.#follow((file, records, from) => {
      extendRecords(file, records, from);
      return true;
    }, !withRows);
  }

  /** Reads into memory what load() has left in the files, in parts. An answer that needs a part that cannot be read says so. */
  *warm(isOpen: () => boolean): Steps<void> {
    for (const path of [...this.#cold]) {
      if (!isOpen()) return;
      const { images, done } = this.useImages();
      try {
        const image = images.find((one) => one.path === path && one.isComing);
        const room = image !== undefined ? this.#roomOf(path, image.count, image.stride) : 0;
        // Rows may come meanwhile.
        const known = () => this.#images.find((one) => one.path === path && one.isComing)?.count ?? 0;
        const read = image !== undefined ? yield* recordsOf(this.files, image, room, known, isOpen) : undefined;
        if (!isOpen()) return;
        if (image !== undefined && read === undefined) this.#unreadable.add(path);
        this.#warmed(path, read?.count ?? 0, read?.records);
      } finally {
        done();
      }
    }
  }

  /** Rows that came to the file meanwhile follow at once; compaction may have put others in its place. */
  #warmed(path: string, count: number, records: Uint8Array | undefined): void {
    this.#cold.delete(path);
    if (records !== undefined) {
      this.#images = this.#images.map((image) =>
        image.path === path && image.isComing ? { ...image, count, records, isComing: false } : image,
      );
    }
    this.rowsChanged();
  }

  /**
   * New rows, or another set of row files. They are committed, so that nothing may fail here: records that cannot be read into
   * memory stay on disk, where the answer that needs them says why.
   */
  rowsChanged(): void {
    this.#follow((file, records, from) => {
      try {
        extendRecords(file, records, from);
        return true;
      } catch {
        return false;
      }
    });
  }

  /**
   * @param extend reads records into memory; false where it could not. If it throws, everything stays as it was
   * @param isCold whether files that are not in memory stay out of it until warm()
   */
  #follow(extend: Extend, isCold = false): void {
    const leased = this.files.leaseRowFiles();
    this.#tail = leased.files.at(-1)?.path;
    if (isCold) for (const { path, bytes } of leased.files) if (bytes === undefined) this.#cold.add(path);
    let budget = this.memory - this.#coded.bytes;
    try {
      this.#images = leased.files.flatMap((file) => {
        const images = this.#imagesOf(file, budget, extend);
        for (const image of images) budget -= image.isComing ? image.count * image.stride : residentIn(image);
        return images;
      });
    } catch (error) {
      leased.release();
      throw error;
    }
    // Memory that no image has: nobody would read what a write puts there.
    if (this.#images.every(({ records }) => records !== this.#ahead?.records)) this.#ahead = undefined;
    this.#lease?.drop();
    this.#lease = new Lease(leased.release);
    const { rows, alive } = this.files;
    const news = livingIn(alive, this.#listedTo, rows);
    if (news.length > 0) this.#unindexed = withNews(this.#unindexed, news);
    this.#listedTo = Math.max(this.#listedTo, rows);
    this.#changed();
  }

  /** Room in memory for records that are about to be written, behind those of the image. */
  roomFor: RoomFor = (path, { from, count, coming, stride }) => {
    const image = this.#images.find((one) => one.path === path);
    const end = (from + count) * stride;
    const before = this.#ahead?.path === path && this.#ahead.to === from ? this.#ahead : undefined;
    let [records, first] = [before?.records, before?.from ?? from];
    if (records === undefined || records.length < end) [records, first] = [image?.records, from];
    if (records === undefined || records.length < end) {
      const others = this.#images.reduce((sum, one) => sum + (one === image ? 0 : residentIn(one)), 0);
      const budget = this.files.path === ':memory:' ? 0 : this.memory - this.#coded.bytes - others;
      records = newRoom(image, from, coming, stride, budget);
      first = 0;
    }
    if (records === undefined) return undefined;
    this.#ahead = { path, records, from: first, to: from + count };
    return records.subarray(from * stride, end);
  };

  /** For the records of a compacted file, or the first of them; `taken` bytes of such files have room already. */
  roomForCompacted = (bytes: number, taken: number): Uint8Array | undefined => {
    const budget = this.memory - this.#coded.bytes;
    const room = Math.min(bytes, budget - taken);
    return room > 0 ? memoryFor(room) : undefined;
  };

  /** Rows died. */
  died(ordinals: readonly number[]): void {
    if (ordinals.length === 0) return;
    this.deaths += ordinals.length;
    this.#coded.died(ordinals);
    const left = withoutDead(this.#unindexed, ordinals);
    if (left === this.#unindexed) return;
    this.#unindexed = left;
    this.#changed();
  }

  /** A new segment takes the place of all others. */
  replaceSegments(segment: Segment, name: string | undefined): void {
    this.#coded.replace(segment, name, this.#version, this.alive);
    this.#listFrom(last(segment.ordinals) + 1); // rows of extensions are not in it
    this.rowsChanged();
  }

  /**
   * An extension takes the place of all segments but the first `staying`.
   *
   * @param codedTo rows of ordinals below are in segments now, or dead
   */
  extend(segment: Segment, name: string | undefined, staying: number, codedTo: number): void {
    this.#coded.extend(segment, name, staying, this.#version, this.alive);
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
      const rows = new RowImages(this.codes, this.#images, dim, this.half, this.#scratch);
      this.#state = { metric, dim, segments: this.segments, unindexed: this.#unindexed, rows };
    }
    return this.#state;
  }

  get images(): readonly RowImage[] {
    return this.#images;
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
        images: this.#images,
      };
    }
    return this.#snapshot;
  }

  /** The images of now, and their descriptors until `done()`. */
  useImages(): { images: RowImage[]; done: () => void } {
    const lease = this.#lease!;
    lease.take();
    return { images: [...this.#images], done: () => lease.drop() };
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
    this.#lease?.drop();
    this.#lease = undefined;
  }

  #changed(): void {
    this.#version++;
    this.#state = undefined;
    this.#snapshot = undefined;
  }

  /** One, or two where memory holds the first records alone. */
  #imagesOf(file: RowFile, budget: number, extend: Extend): RowImage[] {
    const { path, stride, count } = file;
    const fitting = Math.floor(budget / stride);
    if (this.files.path === ':memory:' || count <= fitting) return [this.#imageOf(file, budget, extend)];
    const old = this.#images.find((image) => image.path === path && image.records !== undefined);
    // A little more room is no reason to read, and what a compaction has put there is enough.
    const there = old?.count ?? Math.floor((file.records?.length ?? 0) / stride);
    const kept = there <= fitting && there >= 0.9 * fitting ? there : fitting;
    if (kept < 1) return [this.#imageOf(file, 0, extend)];
    const [first, rest] = splitAt(file, kept);
    const image = this.#imageOf(first, budget, extend);
    const isThere = image.records !== undefined || image.isComing;
    return !isThere ? [this.#imageOf(file, 0, extend)] : [image, this.#imageOf(rest, 0, extend)];
  }

  /** The image that there was, with what the file has gained; else a new one, in memory if it fits. */
  #imageOf(file: RowFile, budget: number, extend: Extend): RowImage {
    const { path, fd, headerBytes, stride, firstOrdinal, lastOrdinal, count, ordinals } = file;
    const plain = { path, fd, headerBytes, stride, firstOrdinal, lastOrdinal, count, ordinals };
    const old = this.#images.find((image) => image.path === path && image.records !== undefined);
    const needed = count * stride;
    // An index in memory has its rows there already.
    if (file.bytes !== undefined && servesThreads(file.bytes.buffer)) {
      return { ...plain, records: file.bytes.subarray(headerBytes) };
    }
    if (needed > budget && this.files.path !== ':memory:') return { ...plain, records: undefined };
    if (this.#unreadable.has(path)) return { ...plain, records: undefined };
    if (this.#cold.has(path)) return { ...plain, records: undefined, isComing: true };
    const isTooMuch = old !== undefined && old.count * stride > 1.1 * budget; // more than may stay
    if (old?.records !== undefined && old.records.length >= needed && !isTooMuch) {
      const { records } = old;
      const ahead = this.#ahead?.records === records && this.#ahead.from <= old.count ? this.#ahead.to : 0;
      const known = Math.max(old.count, ahead);
      return { ...plain, records: count <= known || extend(file, records, known) ? records : undefined };
    }
    if (file.records !== undefined && file.records.length >= needed) return { ...plain, records: file.records };
    const put = this.#ahead;
    if (!isTooMuch && put?.path === path && put.from === 0 && put.records.length >= needed) {
      return { ...plain, records: count <= put.to || extend(file, put.records, put.to) ? put.records : undefined };
    }
    // Room to grow, so that small writes do not copy everything; a large file's is all that it may come to, since most
    // systems provide memory when it is touched.
    const wanted = old === undefined ? this.#roomOf(path, count, stride) : grownTo(count, stride);
    const room = Math.min(wanted, Math.floor(budget / stride));
    const records = memoryFor(Math.max(room, count) * stride) ?? memoryFor(needed);
    // A file that has no room in memory is read from disk.
    if (records === undefined) return { ...plain, records };
    const known = old?.records === undefined ? 0 : Math.min(old.count, count);
    if (old?.records !== undefined) records.set(old.records.subarray(0, known * stride));
    return { ...plain, records: extend(file, records, known) ? records : undefined };
  }

  /** Records that a file may come to; where it takes no more, or is small, those that it has. */
  #roomOf(path: string, count: number, stride: number): number {
    if (path !== this.#tail || count * stride < LARGE_FILE) return count;
    return Math.max(count, Math.min(grownTo(count, stride), Math.floor(this.memory / stride)));
  }
}

/** Reads records [from, file.count) into their places; false where they cannot be read. */
type Extend = (file: RowFile, records: Uint8Array, from: number) => boolean;
