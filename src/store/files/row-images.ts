/** The rows themselves, as a search and a build read them: images of the row files in memory, or records read from disk. */
import type { CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import { Scratch } from '../engine/memory.js';
import { identity } from '../engine/prepared.js';
import type { RowTier } from '../engine/types.js';
import { crc32c, crc32cU32 } from './crc32c.js';
import { corrupt, diskError } from './errors.js';
import { nativeFiles } from './native.js';
import { readSync } from './read-sync.js';
import type { RowFile } from './row-files.js';

/** The part of a row file that a search needs: plain data, for any thread. */
export interface RowImage {
  readonly path: string;
  readonly fd: number;
  readonly headerBytes: number;
  /** Bytes of a record. */
  readonly stride: number;
  readonly firstOrdinal: number;
  readonly lastOrdinal: number;
  readonly count: number;
  /** The ordinal of each record, where they do not simply follow `firstOrdinal`. */
  readonly ordinals: Uint32Array | undefined;
  /** The records, in shared memory, checked; undefined: read from `fd`. */
  readonly records: Uint8Array | undefined;
  /** The records come into memory soon: a search answers as it will then. */
  readonly isComing?: boolean;
}

/** Reads records [from, file.count) into their places. @throws FunnelError CORRUPT */
export function extendRecords(file: RowFile, records: Uint8Array, from: number): void {
  const { stride, headerBytes } = file;
  const part = records.subarray(from * stride, file.count * stride);
  if (file.bytes !== undefined)
    part.set(file.bytes.subarray(headerBytes + from * stride, headerBytes + file.count * stride));
  else readFully(file.fd, part, headerBytes + from * stride, file.path);
  checkRecords(file, records, from, file.count);
}

/** @throws FunnelError CORRUPT */
export function checkRecords(file: RowFile | RowImage, records: Uint8Array, from: number, to: number): void {
  const { stride } = file;
  for (let i = from; i < to; i++) checkRecord(file, records.subarray(i * stride, (i + 1) * stride), i);
}

function readFully(fd: number, into: Uint8Array, position: number, path: string): void {
  let done = 0;
  while (done < into.length) {
    let n: number;
    try {
      n = readSync(fd, into, done, Math.min(into.length - done, 1 << 30), position + done);
    } catch (error) {
      throw diskError(`reading ${path}`, error);
    }
    if (n === 0) throw corrupt(path, 'records', 'end before the last one');
    done += n;
  }
}

function ordinalAt({ firstOrdinal, ordinals }: Pick<RowFile, 'firstOrdinal' | 'ordinals'>, slot: number): number {
  return ordinals === undefined ? firstOrdinal + slot : ordinals[slot]!;
}

function checkRecord(file: Pick<RowFile, 'path' | 'firstOrdinal' | 'ordinals'>, record: Uint8Array, i: number): void {
  const end = record.length - 4;
  const ordinal = ordinalAt(file, i);
  const stored = (record[end]! | (record[end + 1]! << 8) | (record[end + 2]! << 16) | (record[end + 3]! << 24)) >>> 0;
  if (crc32cU32(ordinal, crc32c(record, 0, 0, end)) !== stored) {
    throw corrupt(file.path, `record of row ${ordinal}`, 'has another checksum');
  }
}

/** Rows over images. One per thread. */
export class RowImages implements RowTier {
  readonly resident: boolean;
  readonly #scratch: Scratch;
  /** By image: its records as values; undefined: on disk. */
  readonly views: readonly (Float32Array | Uint16Array | undefined)[];

  constructor(
    readonly codes: CodeKernels,
    readonly images: readonly RowImage[],
    readonly dim: number,
    readonly half: boolean,
    /** This thread's memory, kept over many versions of an index. */
    scratch = new Scratch(codes),
  ) {
    this.#scratch = scratch;
    this.resident = images.every(({ records, isComing }) => records !== undefined || isComing === true);
    this.views = images.map(({ records }) => (records === undefined ? undefined : valuesOf(records, half)));
  }

  score(query: Float32Array, metric: Metric, ordinals: Uint32Array, count: number, keys: Float64Array): void {
    const { images } = this;
    if (images.length === 1) {
      const slots = this.#scratch.take('slots', Uint32Array, count);
      for (let i = 0; i < count; i++) {
        slots[i] = slotAfter(images[0]!, ordinals[i]!, i > 0 ? slots[i - 1]! : -1);
        // Kernels trust places; −1 is far beyond any count here.
        if (slots[i]! >= images[0]!.count) throw noRecord(images[0]!.path, ordinals[i]!);
      }
      this.#scoreIn(0, query, metric, slots, count, keys);
      return;
    }
    const slots = this.#scratch.take('slots', Uint32Array, count);
    const places = this.#scratch.take('places', Uint32Array, count);
    const some = this.#scratch.take('some keys', Float64Array, count);
    let found = 0;
    for (const [f, image] of images.entries()) {
      let n = 0;
      for (let i = 0; i < count; i++) {
        const ordinal = ordinals[i]!;
        if (ordinal < image.firstOrdinal || ordinal > image.lastOrdinal) continue;
        slots[n] = slotAfter(image, ordinal, n > 0 ? slots[n - 1]! : -1);
        if (slots[n]! >= image.count) throw noRecord(image.path, ordinal);
        places[n++] = i;
      }
      if (n === 0) continue;
      found += n;
      this.#scoreIn(f, query, metric, slots, n, some);
      for (let i = 0; i < n; i++) keys[places[i]!] = some[i]!;
    }
    if (found < count) throw noRecord('the row files', ordinals[0]!);
  }

  /** Rows of consecutive ordinals as float32, `n × dim`; zeros where there is none. */
  read(first: number, n: number, out: Float32Array, toFloat: (half: number) => number): void {
    const { dim } = this;
    out.fill(0, 0, n * dim);
    for (const [f, image] of this.images.entries()) {
      const from = Math.max(first, image.firstOrdinal);
      const to = Math.min(first + n - 1, image.lastOrdinal);
      if (this.views[f] === undefined) {
        this.#readFromDisk(image, first, from, to, out, toFloat);
        continue;
      }
      for (let ordinal = from; ordinal <= to; ordinal++) {
        const slot = slotOf(image, ordinal);
        if (slot < 0) continue;
        put(this.#values(this.views[f]!, image, slot), out, (ordinal - first) * dim, toFloat);
      }
    }
  }

  /** The values of a record. */
  #values(all: Float32Array | Uint16Array, { stride }: RowImage, slot: number): Float32Array | Uint16Array {
    const from = slot * (stride / (this.half ? 2 : 4));
    return all.subarray(from, from + this.dim);
  }

  /** Ordinals from..to of an image, some at once, into their rows of `out`, which begins with `first`. */
  #readFromDisk(
    image: RowImage,
    first: number,
    from: number,
    to: number,
    out: Float32Array,
    toFloat: (half: number) => number,
  ): void {
    const most = Math.max(1, Math.floor(READ_BYTES / image.stride));
    for (let ordinal = from; ordinal <= to; ) {
      const slots = this.#scratch.take('read slots', Uint32Array, Math.min(most, to - ordinal + 1));
      let count = 0;
      for (; ordinal <= to && count < most; ordinal++) {
        const slot = slotOf(image, ordinal);
        if (slot >= 0) slots[count++] = slot;
      }
      const bytes = this.#scratch.take('records', Uint8Array, count * image.stride);
      this.#fetchAll(image, slots, count, bytes);
      const values = valuesOf(bytes, this.half);
      for (let i = 0; i < count; i++) {
        const at = (ordinalAt(image, slots[i]!) - first) * this.dim;
        put(this.#values(values, image, i), out, at, toFloat);
      }
    }
  }

  #fetch(image: RowImage, slot: number, into: Uint8Array): void {
    readFully(image.fd, into, image.headerBytes + slot * image.stride, image.path);
    checkRecord(image, into, slot);
  }

  #fetchAll(image: RowImage, slots: Uint32Array, count: number, bytes: Uint8Array): void {
    const { fd, headerBytes, stride } = image;
    const { readRecords } = nativeFiles();
    let done = 0;
    if (readRecords !== undefined) {
      const ordinals = this.#scratch.take('record ordinals', Uint32Array, count);
      for (let i = 0; i < count; i++) ordinals[i] = ordinalAt(image, slots[i]!);
      done = readRecords(fd, headerBytes, stride, slots, ordinals, count, bytes);
    }
    // One by one, for the error that names the record.
    for (let i = done; i < count; i++) this.#fetch(image, slots[i]!, bytes.subarray(i * stride, (i + 1) * stride));
  }

  #scoreIn(
    f: number,
    query: Float32Array,
    metric: Metric,
    slots: Uint32Array,
    count: number,
    keys: Float64Array,
  ): void {
    const image = this.images[f]!;
    const { dim, half, codes } = this;
    const stride = image.stride / (half ? 2 : 4);
    const view = this.views[f];
    if (view !== undefined) {
      codes.scoresAt({ metric, query, chunks: [view], chunkRows: 2 ** 31, stride, dim, rows: slots, count, keys });
      return;
    }
    const most = Math.max(1, Math.floor(READ_BYTES / image.stride));
    for (let first = 0; first < count; first += most) {
      const n = Math.min(most, count - first);
      const bytes = this.#scratch.take('records', Uint8Array, n * image.stride);
      this.#fetchAll(image, slots.subarray(first, first + n), n, bytes);
      const chunks = [valuesOf(bytes, half)];
      const rows = identity(this.#scratch, n);
      const found = keys.subarray(first, first + n);
      codes.scoresAt({ metric, query, chunks, chunkRows: 2 ** 31, stride, dim, rows, count: n, keys: found });
    }
  }
}

function put(
  values: Float32Array | Uint16Array,
  out: Float32Array,
  at: number,
  toFloat: (half: number) => number,
): void {
  if (values instanceof Float32Array) out.set(values, at);
  else for (let j = 0; j < values.length; j++) out[at + j] = toFloat(values[j]!);
}

/** How many bytes of rows from disk are held at once. */
const READ_BYTES = 16 << 20;

function valuesOf(bytes: Uint8Array, half: boolean): Float32Array | Uint16Array {
  return half
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1)
    : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

export function noRecord(path: string, ordinal: number): Error {
  return corrupt(path, 'records', `lack one of ${ordinal}`);
}

/** Where an ordinal's record is; −1 when it has none. */
export function slotOf(image: RowImage, ordinal: number): number {
  const { ordinals } = image;
  if (ordinals === undefined) return ordinal - image.firstOrdinal;
  let low = 0;
  let high = ordinals.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const value = ordinals[middle]!;
    if (value === ordinal) return middle;
    if (value < ordinal) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** The same where an ordinal often follows the one of the record `before`. */
function slotAfter(image: RowImage, ordinal: number, before: number): number {
  return image.ordinals?.[before + 1] === ordinal ? before + 1 : slotOf(image, ordinal);
}

/** The rows of listed ordinals, in their order, as float32: what a build reads. */
export class OrdinalReader {
  readonly count: number;
  #buffer = new Float32Array(0);

  constructor(
    readonly rows: RowImages,
    readonly ordinals: Uint32Array,
    readonly toFloat: (half: number) => number,
  ) {
    this.count = ordinals.length;
  }

  /** Valid until the next call. */
  read(first: number, n: number): Float32Array {
    const { dim } = this.rows;
    if (this.#buffer.length < n * dim) this.#buffer = new Float32Array(n * dim);
    const { ordinals } = this;
    for (let i = 0; i < n; ) {
      let run = 1;
      while (i + run < n && ordinals[first + i + run] === ordinals[first + i]! + run) run++;
      this.rows.read(ordinals[first + i]!, run, this.#buffer.subarray(i * dim, (i + run) * dim), this.toFloat);
      i += run;
    }
    return this.#buffer.subarray(0, n * dim);
  }
}
