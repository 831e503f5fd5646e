/** Records of a row file come into memory while searches read them from the file. */
import { checkRecords, extendRecords } from './files/disk-records.js';
import type { IndexFiles } from './files/index-files.js';
import { readLeased } from './files/row-files.js';
import type { RowImage } from './files/row-image.js';
import { begun, type FileStep, type Steps, take, turnStep } from './files/step.js';
import { memoryFor } from './image-memory.js';

/** Bytes of records that are checked, or read and checked, in a millisecond. */
export const WARMED_AT_ONCE = 1 << 20;
/** Bytes that are read beside the event loop: where calls keep it busy it turns once a millisecond. */
const READ_AT_ONCE = 4 << 20;

/** Records that are being read. */
interface Part {
  from: number;
  readonly to: number;
}

/** The records of one file: read() brings them beside the event loop, and each readNow() some of them at once. */
export class ComingRecords {
  /** Records below are there, or being read. */
  #begun = 0;
  readonly #underWay = new Set<Part>();
  #hasFailed = false;

  /**
   * @param known how many records the file has by now
   * @param records room for them
   */
  private constructor(
    readonly image: RowImage,
    readonly known: () => number,
    readonly records: Uint8Array,
  ) {}

  /**
   * Undefined where there is no memory.
   *
   * @param room records that there should be room for, where the system has it
   */
  static of(image: RowImage, room: number, known: () => number): ComingRecords | undefined {
    const records = memoryFor(room * image.stride) ?? memoryFor(image.count * image.stride);
    return records && new ComingRecords(image, known, records);
  }

  /** How many there will be. */
  get count(): number {
    return Math.min(this.known(), Math.floor(this.records.length / this.image.stride));
  }

  /** Whether some cannot be read: all stay in the file. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Whether all are there, or never will be. */
  get isDone(): boolean {
    return this.#hasFailed || (this.#underWay.size === 0 && this.#begun >= this.count);
  }

  /**
   * Until all are there. The next part is read while one is checked; none is being read when it ends. Rows that come during the last
   * check are read, too: who is told that all are there takes `count` of them.
   */
  *read(files: IndexFiles, isOpen: () => boolean): Steps<void> {
    for (let next = yield* this.#begin(files); next !== undefined; ) {
      const { part, reading } = next;
      const { from, to } = part;
      try {
        const got = yield* take(reading);
        next = isOpen() ? yield* this.#begin(files) : undefined;
        if (this.#underWay.has(part)) yield* this.#check(files, from, to, got);
      } catch {
        this.#hasFailed = true;
        if (next?.part === part) next = undefined;
      }
      this.#underWay.delete(part);
      if (next === undefined && isOpen()) next = yield* this.#begin(files);
    }
  }

  /** A few of them, on the calling thread: where nobody lets the event loop turn, read() would never get on. */
  readNow(): void {
    if (this.isDone) return;
    const { image, records } = this;
    const [part = this.#part(WARMED_AT_ONCE)] = this.#underWay;
    const to = Math.min(part.to, part.from + this.#fitting(WARMED_AT_ONCE));
    try {
      extendRecords({ ...image, count: to }, records, part.from);
    } catch {
      this.#hasFailed = true;
    }
    part.from = to;
    if (to === part.to) this.#underWay.delete(part);
  }

  #fitting(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.image.stride));
  }

  /** The next records. */
  #part(bytes: number): Part {
    const from = this.#begun;
    const part = { from, to: Math.min(this.count, from + this.#fitting(bytes)) };
    this.#begun = part.to;
    this.#underWay.add(part);
    return part;
  }

  *#begin(files: IndexFiles): Steps<{ part: Part; reading: FileStep<number> } | undefined> {
    if (this.#hasFailed || this.#begun >= this.count) return undefined;
    const { image, records } = this;
    const { headerBytes, stride, fd } = image;
    const part = this.#part(READ_AT_ONCE);
    const bytes = records.subarray(part.from * stride, part.to * stride);
    const { disk } = files.reading((core) => core.options);
    return { part, reading: yield* take(begun(disk.read(fd, bytes, headerBytes + part.from * stride))) };
  }

  /** @param got bytes that have been read */
  *#check(files: IndexFiles, from: number, to: number, got: number): Steps<void> {
    const { image, records } = this;
    const { headerBytes, stride, fd } = image;
    const rest = records.subarray(from * stride + got, to * stride);
    const at = headerBytes + from * stride + got;
    if (!(yield* files.reading((core) => readLeased(core, fd, rest, at)))) this.#hasFailed = true;
    const step = this.#fitting(WARMED_AT_ONCE);
    for (let first = from; first < to && !this.#hasFailed; first += step) {
      checkRecords({ ...image, count: to }, records, first, Math.min(to, first + step));
      yield* take(turnStep);
    }
  }
}
