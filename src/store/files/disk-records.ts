/** Records of rows as they come from disk: into memory, or read for one answer. */
import { readSync } from 'node:fs';
import type { CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import type { Scratch } from '../engine/memory.js';
import { identity } from '../engine/prepared.js';
import { crc32c, crc32cU32 } from './crc32c.js';
import { corrupt, diskError } from './errors.js';
import { nativeFiles } from './native.js';
import type { RowFile } from './row-files.js';
import { put, type RowImage, slotOf, valuesOf } from './row-image.js';

/** How records are read as values. */
interface Reading {
  readonly codes: CodeKernels;
  readonly dim: number;
  readonly half: boolean;
}

/** How many bytes of rows from disk are held at once. */
const READ_BYTES = 16 << 20;

/** Reads records [from, file.count) into their places. @throws FunnelError CORRUPT */
export function extendRecords(file: RowFile | RowImage, records: Uint8Array, from: number): void {
  const { stride, headerBytes } = file;
  const part = records.subarray(from * stride, file.count * stride);
  if ('bytes' in file && file.bytes !== undefined)
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

function ordinalOf({ firstOrdinal, ordinals }: Pick<RowFile, 'firstOrdinal' | 'ordinals'>, slot: number): number {
  return ordinals === undefined ? firstOrdinal + slot : ordinals[slot]!;
}

function checkRecord(file: Pick<RowFile, 'path' | 'firstOrdinal' | 'ordinals'>, record: Uint8Array, i: number): void {
  const end = record.length - 4;
  const ordinal = ordinalOf(file, i);
  const stored = (record[end]! | (record[end + 1]! << 8) | (record[end + 2]! << 16) | (record[end + 3]! << 24)) >>> 0;
  if (crc32cU32(ordinal, crc32c(record, 0, 0, end)) !== stored) {
    throw corrupt(file.path, `record of row ${ordinal}`, 'has another checksum');
  }
}

/** Ordinals from..to of an image, some at once, into their rows of `out`, which begins with `first`. */
export function readFromDisk(
  { dim, half }: Reading,
  scratch: Scratch,
  image: RowImage,
  first: number,
  from: number,
  to: number,
  out: Float32Array,
  toFloat: (half: number) => number,
): void {
  const most = Math.max(1, Math.floor(READ_BYTES / image.stride));
  for (let ordinal = from; ordinal <= to; ) {
    const slots = scratch.take('read slots', Uint32Array, Math.min(most, to - ordinal + 1));
    let count = 0;
    for (; ordinal <= to && count < most; ordinal++) {
      const slot = slotOf(image, ordinal);
      if (slot >= 0) slots[count++] = slot;
    }
    const bytes = scratch.take('records', Uint8Array, count * image.stride);
    fetchAll(scratch, image, slots, count, bytes);
    const values = valuesOf(bytes, half);
    for (let i = 0; i < count; i++) {
      const at = i * (image.stride / (half ? 2 : 4));
      const place = (ordinalOf(image, slots[i]!) - first) * dim;
      put(values.subarray(at, at + dim), out, place, toFloat);
    }
  }
}

/** Keys of the rows in some records. */
export function scoreFromDisk(
  { codes, dim, half }: Reading,
  scratch: Scratch,
  image: RowImage,
  query: Float32Array,
  metric: Metric,
  slots: Uint32Array,
  count: number,
  keys: Float64Array,
): void {
  const stride = image.stride / (half ? 2 : 4);
  const most = Math.max(1, Math.floor(READ_BYTES / image.stride));
  for (let first = 0; first < count; first += most) {
    const n = Math.min(most, count - first);
    const bytes = scratch.take('records', Uint8Array, n * image.stride);
    fetchAll(scratch, image, slots.subarray(first, first + n), n, bytes);
    const chunks = [valuesOf(bytes, half)];
    const rows = identity(scratch, n);
    const found = keys.subarray(first, first + n);
    codes.scoresAt({ metric, query, chunks, chunkRows: 2 ** 31, stride, dim, rows, count: n, keys: found });
  }
}

function fetch(image: RowImage, slot: number, into: Uint8Array): void {
  readFully(image.fd, into, image.headerBytes + slot * image.stride, image.path);
  checkRecord(image, into, slot);
}

function fetchAll(scratch: Scratch, image: RowImage, slots: Uint32Array, count: number, bytes: Uint8Array): void {
  const { fd, headerBytes, stride } = image;
  const { readRecords } = nativeFiles();
  let done = 0;
  if (readRecords !== undefined) {
    const ordinals = scratch.take('record ordinals', Uint32Array, count);
    for (let i = 0; i < count; i++) ordinals[i] = ordinalOf(image, slots[i]!);
    done = readRecords(fd, headerBytes, stride, slots, ordinals, count, bytes);
  }
  // One by one, for the error that names the record.
  for (let i = done; i < count; i++) fetch(image, slots[i]!, bytes.subarray(i * stride, (i + 1) * stride));
}
