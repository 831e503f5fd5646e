/** An index in memory: row images, segments and the rows that have no codes yet, kept in step with its files. */
import type { CodeKernels } from '../kernels/codes.js';
import { releaseIn, Scratch } from './engine/memory.js';
import type { SearchState } from './engine/search.js';
import { blocksOf, kernelArrays, residentBytes, type Segment } from './engine/segment.js';
import { type IndexFiles, ROW_FILE_BYTES, type RowFile } from './files/index-files.js';
import { checkRecords, extendRecords, type RowImage, RowImages } from './files/row-images.js';
import { runNow, type Steps, take, turnStep } from './files/step.js';
import type { Snapshot } from './pool-messages.js';
import { loadSegment } from './segment-file.js';

export class Live {
  #version = 0;
  #segments: Segment[] = [];
  #names: string[] = [];
  #images: RowImage[] = [];
  #unindexed: Uint32Array = new Uint32Array(0);
  /** Ordinals below are in a segment, unindexed, or dead. */
  #listedTo = 0;
  #state: SearchState | undefined;
  #snapshot: Snapshot | undefined;
  readonly #scratch: Scratch;
  readonly #places = new WeakMap<Segment, Uint32Array>();
  /** Lease on the descriptors of the images; searches hold on to theirs. */
  #lease: Lease | undefined;
  /** Records that were put into an image's memory before they were committed. */
  #ahead: { records: Uint8Array; from: number; to: number } | undefined;
  /** Grows with every row that dies. */
  deaths = 0;
  /** Searches under way in threads, by the version that they see. */
  readonly #uses = new Map<number, number>();
  /** Segments that were replaced, and the last version with them. */
  #retired: { segment: Segment; version: number }[] = [];
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
  }

  /** Another number after every change, unless only a mask has changed. */
  get version(): number {
    return this.#version;
  }

  get half(): boolean {
    return this.files.config.precision === 'float16';
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get unindexed(): Uint32Array {
    return this.#unindexed;
  }

  get resident(): { codes: number; rows: number } {
    return {
      codes: this.#segments.reduce((sum, segment) => sum + residentBytes(segment), 0),
      rows: this.#images.reduce((sum, image) => sum + residentIn(image), 0),
    };
  }

  /** Rows that have codes and are dead. */
  get deadCoded(): number {
    const coded = this.#segments.reduce((sum, { ordinals }) => sum + ordinals.length, 0);
    return coded - (this.files.liveCount - this.#unindexed.length);
  }

  /** Bytes that the codes of a row take, about. */
  get bytesPerCode(): number {
    const coded = this.#segments.reduce((sum, { ordinals }) => sum + ordinals.length, 0);
    return this.resident.codes / Math.max(1, coded);
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
    const names = this.files.segments.map(({ name }) => name);
    if (this.files.path !== ':memory:' && names.join() !== this.#names.join()) {
      const segments: Segment[] = [];
      for (const name of names) {
        const read = (section: string, into?: Uint8Array) => this.files.sectionSteps(name, section, into);
        const segment = yield* loadSegment(this.codes, name, read, this.alive, this.#hasRoomForFull);
        segments.push(withoutBuilding(segment));
      }
      this.#retire(this.#segments, this.#version);
      this.#segments = segments;
      this.#names = names;
      this.#listedTo = this.#segments.reduce((to, { ordinals }) => Math.max(to, last(ordinals) + 1), 0);
      this.#unindexed = new Uint32Array(0);
    } else {
      for (const segment of this.#segments) this.#remask(segment);
      this.#unindexed = this.#unindexed.filter(this.alive);
    }
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
        const records = image !== undefined ? yield* this.#recordsOf(image, isOpen) : undefined;
        if (!isOpen()) return;
        if (image !== undefined && records === undefined) this.#unreadable.add(path);
        this.#warmed(path, image?.count ?? 0, records);
      } finally {
        done();
      }
    }
  }

  /** Undefined where there is no room, and for what cannot be read: it stays in the file. */
  *#recordsOf(image: RowImage, isOpen: () => boolean): Steps<Uint8Array | undefined> {
    const { stride, count } = image;
    const records = memoryFor(count * stride);
    if (records === undefined) return undefined;
    const step = Math.max(1, Math.floor(WARMED_AT_ONCE / stride));
    try {
      for (let from = 0; from < count && isOpen(); from += step) {
        const to = Math.min(count, from + step);
        const part = records.subarray(from * stride, to * stride);
        if (!(yield* this.files.readFrom(image.fd, part, image.headerBytes + from * stride))) return undefined;
        checkRecords(image, records, from, to);
        yield* take(turnStep);
      }
      return records;
    } catch {
      return undefined;
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
    if (isCold) for (const { path, bytes } of leased.files) if (bytes === undefined) this.#cold.add(path);
    let budget = this.memory - this.#segments.reduce((sum, segment) => sum + residentBytes(segment), 0);
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
    this.#lease?.drop();
    this.#lease = new Lease(leased.release);
    const news: number[] = [];
    for (; this.#listedTo < this.files.rows; this.#listedTo++) {
      if (this.alive(this.#listedTo)) news.push(this.#listedTo);
    }
    if (news.length > 0) {
      const unindexed = new Uint32Array(this.#unindexed.length + news.length);
      unindexed.set(this.#unindexed);
      unindexed.set(news, this.#unindexed.length);
      this.#unindexed = unindexed;
    }
    this.#changed();
  }

  /** Room in memory for records that are about to be written, behind those of the image. */
  roomFor = (path: string, from: number, count: number): Uint8Array | undefined => {
    const image = this.#images.find((one) => one.path === path);
    const records = image?.records;
    if (image === undefined || records === undefined || records.length < (from + count) * image.stride)
      return undefined;
    const follows = this.#ahead?.records === records && this.#ahead.to === from;
    this.#ahead = { records, from: follows ? this.#ahead!.from : from, to: from + count };
    return records.subarray(from * image.stride, (from + count) * image.stride);
  };

  /** For the records of a compacted file, or the first of them; `taken` bytes of such files have room already. */
  roomForCompacted = (bytes: number, taken: number): Uint8Array | undefined => {
    const budget = this.memory - this.#segments.reduce((sum, segment) => sum + residentBytes(segment), 0);
    const room = Math.min(bytes, budget - taken);
    return room > 0 ? memoryFor(room) : undefined;
  };

  /** Rows died. */
  died(ordinals: readonly number[]): void {
    if (ordinals.length === 0) return;
    this.deaths += ordinals.length;
    for (const segment of this.#segments) {
      const places = this.placesOf(segment);
      for (const ordinal of ordinals) {
        const row = places[ordinal];
        if (row !== undefined && row !== NOWHERE) segment.mask[row >> 4]! &= ~(1 << (row & 15));
      }
    }
    const dead = new Set(ordinals);
    if (this.#unindexed.some((ordinal) => dead.has(ordinal))) {
      this.#unindexed = this.#unindexed.filter((ordinal) => !dead.has(ordinal));
      this.#changed();
    }
  }

  /** A new segment takes the place of all others. */
  replaceSegments(segment: Segment, name: string | undefined): void {
    const old = this.#segments;
    const before = this.#version;
    if (!this.#hasRoomForFull) this.codes.release(segment.fullPlane);
    const kept = withoutBuilding(this.#hasRoomForFull ? segment : withoutFull(segment));
    this.#segments = [kept];
    this.#names = name === undefined ? [] : [name];
    const codedTo = last(kept.ordinals) + 1;
    this.#unindexed = this.#unindexed.filter((ordinal) => ordinal >= codedTo);
    this.#remask(kept);
    this.rowsChanged();
    this.#retire(old, before);
  }

  /** No row lives that has codes. */
  dropSegments(): void {
    const old = this.#segments;
    if (old.length === 0) return;
    const before = this.#version;
    this.#segments = [];
    this.#names = [];
    this.rowsChanged();
    this.#retire(old, before);
  }

  get state(): SearchState {
    if (this.#state === undefined) {
      const { metric, dim } = this.files.config;
      const rows = new RowImages(this.codes, this.#images, dim, this.half, this.#scratch);
      this.#state = { metric, dim, segments: this.#segments, unindexed: this.#unindexed, rows };
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
        segments: this.#segments,
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
    this.#uses.set(version, (this.#uses.get(version) ?? 0) + 1);
    const lease = this.#lease!;
    lease.take();
    const done = () => {
      const left = this.#uses.get(version)! - 1;
      if (left > 0) this.#uses.set(version, left);
      else this.#uses.delete(version);
      lease.drop();
      this.#sweep();
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

  /** Whether the plane of all dims, which spares reads of rows, fits beside the others. */
  get #hasRoomForFull(): boolean {
    return this.memory >= 1.5 * this.files.rows * this.files.config.dim;
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
    if (file.bytes !== undefined && file.bytes.buffer instanceof SharedArrayBuffer) {
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
    // Room to grow, so that small writes do not copy everything; a large file's is all that it may come to, since most
    // systems provide memory when it is touched.
    const wanted = needed < LARGE_FILE ? 2 * count : Math.ceil(ROW_FILE_BYTES / stride);
    const room = old === undefined ? count : Math.min(wanted, Math.floor(budget / stride));
    const records = memoryFor(Math.max(room, count) * stride) ?? memoryFor(needed);
    // A file that has no room in memory is read from disk.
    if (records === undefined) return { ...plain, records };
    const known = old?.records === undefined ? 0 : Math.min(old.count, count);
    if (old?.records !== undefined) records.set(old.records.subarray(0, known * stride));
    return { ...plain, records: extend(file, records, known) ? records : undefined };
  }

  #remask(segment: Segment): void {
    const { ordinals, mask } = segment;
    for (let block = 0; block < blocksOf(ordinals.length); block++) {
      let bits = 0;
      const end = Math.min(16, ordinals.length - 16 * block);
      for (let r = 0; r < end; r++) if (this.alive(ordinals[16 * block + r]!)) bits |= 1 << r;
      mask[block] = bits;
    }
  }

  /** By ordinal: its row in the segment. */
  placesOf(segment: Segment): Uint32Array {
    let places = this.#places.get(segment);
    if (places === undefined) {
      places = new Uint32Array(last(segment.ordinals) + 1).fill(NOWHERE);
      for (let row = 0; row < segment.count; row++) places[segment.ordinals[row]!] = row;
      this.#places.set(segment, places);
    }
    return places;
  }

  /** @param version the last one that has them */
  #retire(segments: readonly Segment[], version: number): void {
    for (const segment of segments) this.#retired.push({ segment, version });
    this.#sweep();
  }

  /** Gives back the memory of what no search can see any more. */
  #sweep(): void {
    const oldest = Math.min(...this.#uses.keys());
    this.#retired = this.#retired.filter(({ segment, version }) => {
      if (oldest <= version) return true;
      for (const array of kernelArrays(segment)) {
        if (array.byteLength === 0) continue; // of a plane that was left out
        releaseIn(this.codes, array);
      }
      return false;
    });
  }
}

/** Bytes of records that are read and checked in a millisecond or two. */
const WARMED_AT_ONCE = 1 << 20;
/** The place of a row that is not in a segment. */
export const NOWHERE = 0xffff_ffff;
/** Bytes of records from which on growing step by step costs more than it spares. */
const LARGE_FILE = 32 << 20;

/** Reads records [from, file.count) into their places; false where they cannot be read. */
type Extend = (file: RowFile, records: Uint8Array, from: number) => boolean;

/** Undefined where the system has no more. */
function memoryFor(bytes: number): Uint8Array | undefined {
  try {
    return new Uint8Array(new SharedArrayBuffer(bytes));
  } catch {
    return undefined;
  }
}

/** The first records of a file, and the others, as files of their own. */
function splitAt(file: RowFile, records: number): [RowFile, RowFile] {
  const { ordinals, firstOrdinal, headerBytes, stride, count } = file;
  const at = (slot: number) => ordinals?.[slot] ?? firstOrdinal + slot;
  const part = (from: number, to: number) => (ordinals === undefined ? {} : { ordinals: ordinals.subarray(from, to) });
  return [
    { ...file, count: records, lastOrdinal: at(records - 1), ...part(0, records) },
    {
      ...file,
      headerBytes: headerBytes + records * stride,
      firstOrdinal: at(records),
      count: count - records,
      ...part(records, count),
    },
  ];
}

function residentIn({ records, count, stride }: RowImage): number {
  return records === undefined ? 0 : count * stride;
}

const NONE = new Float32Array(0);

function last(ordinals: Uint32Array): number {
  let most = -1;
  for (let row = 0; row < ordinals.length; row++) most = Math.max(most, ordinals[row]!);
  return most;
}

/** Descriptors that stay open while anybody uses them. */
class Lease {
  #users = 1;

  constructor(readonly release: () => void) {}

  take(): void {
    this.#users++;
  }

  drop(): void {
    if (--this.#users === 0) this.release();
  }
}

/** A segment without the parts that only a build reads. */
function withoutBuilding(segment: Segment): Segment {
  const { coding, partition } = segment;
  const basis = coding.basis === null ? null : { ...coding.basis, columns: NONE };
  return {
    ...segment,
    coding: { ...coding, basis },
    partition: partition === null ? null : { ...partition, centroids: NONE },
  };
}

function withoutFull(segment: Segment): Segment {
  return { ...segment, coding: { ...segment.coding, full: 0 }, fullPlane: segment.fullPlane.subarray(0, 0) };
}
