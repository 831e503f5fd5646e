/** The row images of an index, and what of them is in memory. */
import { letGo, servesThreads } from '../core/shared.js';
import type { Sliced } from '../core/slices.js';
import type { RoomFor, RoomForCompacted } from './files/core.js';
import { extendRecords } from './files/disk-records.js';
import type { IndexFiles } from './files/index-files.js';
import type { RowFile } from './files/row-files.js';
import type { RowImage } from './files/row-image.js';
import type { Steps } from './files/step.js';
import { grownTo, LARGE_FILE, memoryFor, newRoom, residentIn, splitAt } from './image-memory.js';
import { ComingRecords, WARMED_AT_ONCE } from './warm-records.js';

/** Has the images of now, and their descriptors until `done()`, and is told when other rows are in memory. */
interface ImagesUser {
  useImages(): { images: RowImage[]; done: () => void };
  rowsChanged(): void;
}

/** Records [from, to) of a file. */
interface Ahead {
  records: Uint8Array;
  from: number;
  to: number;
}

export class LiveImages {
  #all: RowImage[] = [];
  /** Records that were put into an image's memory before they were committed, by the paths of their files. */
  readonly #ahead = new Map<string, Ahead>();
  /** The last row file, which may grow. */
  #tail: string | undefined;
  /** The first files come as they are opened: a small one, too, is there sooner without its records. */
  #isOpening = true;
  /** Row files whose records warm() is to bring into memory. */
  readonly #cold = new Set<string>();
  /** Files that it could not read: every write would read them again. */
  readonly #unreadable = new Set<string>();

  /** Records that warm() is reading. */
  #coming: ComingRecords | undefined;

  /**
   * Bytes of the codes that a build is making, about: rows beside which these would not fit give way before it begins, not when it
   * ends. Else a build over rows that have no codes would take what they leave of `memory` besides.
   */
  expectedCodes = 0;

  /** @param codeBytes bytes of codes, which share `memory` with rows */
  constructor(
    readonly files: IndexFiles,
    readonly memory: number,
    readonly codeBytes: () => number,
  ) {
    files.onRecords(
      (path, part) => this.#roomFor(path, part),
      (path) => this.#forget(path),
    );
    files.onCompaction(this.#roomForCompacted);
  }

  /** Whether there is anything for warm() to do. */
  get isCold(): boolean {
    return this.#cold.size > 0;
  }

  /** Another array whenever others take their place. */
  get all(): RowImage[] {
    return this.#all;
  }

  /** Bytes that records may take. */
  get #budget(): number {
    return this.memory - Math.max(this.codeBytes(), this.expectedCodes);
  }

  /** Bytes of records in memory. */
  get resident(): number {
    return this.#all.reduce((sum, image) => sum + residentIn(image), 0);
  }

  /**
   * Those of the files of now.
   *
   * @param mustRead whether it throws, and everything stays as it was, where records cannot be read; else they stay on disk
   * @param isCold whether files of which nothing is in memory stay out of it until warm(), but for small ones that come later
   */
  follow(files: readonly RowFile[], mustRead: boolean, isCold: boolean): void {
    this.#tail = files.at(-1)?.path;
    if (isCold) for (const file of files) if (this.#isWorthWarming(file)) this.#cold.add(file.path);
    let budget = this.#budget;
    const before = this.#all;
    this.#all = files.flatMap((file) => {
      const images = this.#imagesOf(file, budget, mustRead ? extended : extendedIfReadable);
      for (const image of images) budget -= image.isComing ? image.count * image.stride : residentIn(image);
      return images;
    });
    this.#isOpening = false;
    for (const { records } of before) {
      const isGone = this.#all.every((image) => image.records?.buffer !== records?.buffer);
      if (records !== undefined && isGone) letGo(records);
    }
    this.#dropAhead(files);
  }

  /** Memory that no image has when its records are committed: nobody would read it. Those of a write under way are not yet. */
  #dropAhead(files: readonly RowFile[]): void {
    for (const [path, { to }] of this.#ahead) {
      const file = files.find((one) => one.path === path);
      if (file !== undefined && file.count >= to) this.#forget(path);
    }
  }

  /** Bytes of memory for other files that a write under way fills, and that no image has yet. */
  #aheadBeside(path: string): number {
    let bytes = 0;
    for (const [other, { records }] of this.#ahead) {
      if (other !== path && !this.#isHeld(records)) bytes += records.length;
    }
    return bytes;
  }

  /** Whether an image has this memory. */
  #isHeld(memory: Uint8Array): boolean {
    return this.#all.some(({ records }) => records === memory);
  }

  /** Its memory goes, too, where no image has it. */
  #forget(path: string): void {
    const ahead = this.#ahead.get(path);
    if (ahead === undefined) return;
    this.#ahead.delete(path);
    if (!this.#isHeld(ahead.records)) letGo(ahead.records);
  }

  /** Reads into memory what was left in the files, in parts. An answer that needs a part that cannot be read says so. */
  *warm(isOpen: () => boolean, user: ImagesUser): Steps<void> {
    for (const path of [...this.#cold]) {
      if (!isOpen()) return;
      const { images, done } = user.useImages();
      try {
        const image = images.find((one) => one.path === path && one.isComing);
        const room = image !== undefined ? this.#roomOf(path, image.count, image.stride) : 0;
        // Rows may come meanwhile.
        const known = () => this.#all.find((one) => one.path === path && one.isComing)?.count ?? 0;
        this.#coming = image && ComingRecords.of(image, room, known);
        if (this.#coming !== undefined) yield* this.#coming.read(this.files, isOpen);
        if (!isOpen()) return;
        if (image !== undefined && this.#coming === undefined) this.#unreadable.add(path);
        this.#warmed(path, user);
      } finally {
        this.#coming = undefined;
        done();
      }
    }
  }

  /** Reads a little of what warm() reads, for a call that does not let the event loop turn. */
  warmNow(user: ImagesUser): void {
    const coming = this.#coming;
    if (coming === undefined || coming.isDone) return;
    coming.readNow();
    if (coming.isDone) this.#warmed(coming.image.path, user);
  }

  /** Rows that came to the file meanwhile follow at once; compaction may have put others in its place. */
  #warmed(path: string, user: ImagesUser): void {
    if (!this.#cold.delete(path)) return; // warmNow() had the last of it
    const coming = this.#coming;
    if (coming?.hasFailed) this.#unreadable.add(path);
    else if (coming !== undefined) {
      const { count, records } = coming;
      this.#all = this.#all.map((image) =>
        image.path === path && image.isComing ? { ...image, count, records, isComing: false } : image,
      );
    }
    user.rowsChanged();
  }

  /** Room in memory for records that are about to be written, behind those of the image. */
  *#roomFor(path: string, { from, count, coming, stride }: Parameters<RoomFor>[1]): Sliced<Uint8Array | undefined> {
    const image = this.#all.find((one) => one.path === path);
    const end = (from + count) * stride;
    const last = this.#ahead.get(path);
    let ahead = last?.to === from && last.records.length >= end ? last : undefined;
    // All that this write puts there, or its last part would find no room.
    if (ahead === undefined && !(image?.records && image.records.length >= (from + coming) * stride)) {
      const others = this.#all.reduce(
        (sum, one) => sum + (one === image ? 0 : residentIn(one)),
        this.#aheadBeside(path),
      );
      const budget = this.files.path === ':memory:' ? 0 : this.#budget - others;
      const records = yield* newRoom(image, from, coming, stride, budget);
      ahead = records && { records, from: 0, to: from };
    }
    if (ahead === undefined && image?.records && image.records.length >= end) {
      ahead = { records: image.records, from, to: from };
    }
    if (ahead?.records !== last?.records) this.#forget(path);
    if (ahead === undefined) return undefined;
    this.#ahead.set(path, { ...ahead, to: from + count });
    return ahead.records.subarray(from * stride, end);
  }

  /** For the records of a compacted file, or the first of them; `taken` bytes of such files have room already. */
  readonly #roomForCompacted: RoomForCompacted = (bytes, taken) => {
    const budget = this.#budget;
    const room = Math.min(bytes, budget - taken);
    return room > 0 ? memoryFor(room) : undefined;
  };

  #isWorthWarming({ path, bytes, count, stride }: RowFile): boolean {
    if (bytes !== undefined || this.#unreadable.has(path)) return false;
    if (this.#isOpening) return true;
    return count * stride > WARMED_AT_ONCE && !this.#all.some((image) => image.path === path);
  }

  /** One, or two where memory holds the first records alone. */
  #imagesOf(file: RowFile, budget: number, extend: Extend): RowImage[] {
    const { path, stride, count } = file;
    const fitting = Math.floor(budget / stride);
    if (this.files.path === ':memory:' || count <= fitting) return [this.#imageOf(file, budget, extend)];
    const old = this.#all.find((image) => image.path === path && image.records !== undefined);
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
    const old = this.#all.find((image) => image.path === path && image.records !== undefined);
    const ahead = this.#ahead.get(path);
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
      const put = ahead?.records === records && ahead.from <= old.count ? ahead.to : 0;
      const known = Math.max(old.count, put);
      return { ...plain, records: count <= known || extend(file, records, known) ? records : undefined };
    }
    if (file.records !== undefined && file.records.length >= needed) return { ...plain, records: file.records };
    // Less may be allowed now than when it was made.
    const isFitting = ahead !== undefined && ahead.records.length >= needed && ahead.records.length <= 1.1 * budget;
    if (!isTooMuch && isFitting && ahead.from === 0 && ahead.to >= count) {
      return { ...plain, records: ahead.records };
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

function extended(file: RowFile, records: Uint8Array, from: number): boolean {
  extendRecords(file, records, from);
  return true;
}

function extendedIfReadable(file: RowFile, records: Uint8Array, from: number): boolean {
  try {
    return extended(file, records, from);
  } catch {
    return false;
  }
}
