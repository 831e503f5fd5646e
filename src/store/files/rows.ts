/**
 * Files of rows. Little-endian:
 *
 * - 4,096 bytes of header: magic 'FVROWS\r\n', u32 format, 16 bytes uuid, u32 dim, u32 bytes per value (4 float32,
 *   2 float16), u32 stride, u32 first ordinal, u32 1 when compacted, zeros; the last u32 is the CRC-32C of the rest
 * - records of `stride` bytes: the values, zeros up to a multiple of 4, then the u32 CRC-32C of all of that and then of
 *   the row's ordinal as u32. `stride = ceil(dim × bytes per value / 4) × 4 + 4`
 * - compacted files only: the ordinals, ascending, as u32, and the u32 CRC-32C of them
 *
 * Record i of a file that is not compacted has the ordinal `first + i`.
 */

import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { allFinite } from '../../core/finite.js';
import { sharedBuffer } from '../../core/shared.js';
import { crc32c, crc32cU32 } from './crc32c.js';
import { corrupt, filesError } from './errors.js';
import { nativeFiles } from './native.js';
import { FORMAT_VERSION, type RowFileEntry, type StoreConfig } from './state.js';

export const HEADER_BYTES = 4096;

const MAGIC = Buffer.from('FVROWS\r\n', 'latin1');

/** Row values as callers have them: float32, or the bits of float16. */
export type RowValues = Float32Array | Uint16Array;

export interface RowFormat {
  uuid: Uint8Array;
  dim: number;
  bytesPerValue: 2 | 4;
  /** Bytes of a record. */
  stride: number;
}

export function rowFormat(config: StoreConfig, uuid: Uint8Array): RowFormat {
  const bytesPerValue = config.precision === 'float32' ? 4 : 2;
  const stride = Math.ceil((config.dim * bytesPerValue) / 4) * 4 + 4;
  return { uuid, dim: config.dim, bytesPerValue, stride };
}

export function rowFileBytes(format: RowFormat, count: number, compacted: boolean): number {
  return HEADER_BYTES + count * format.stride + (compacted ? 4 * count + 4 : 0);
}

export function encodeRowHeader(format: RowFormat, first: number, compacted: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt32LE(FORMAT_VERSION, 8);
  header.set(format.uuid, 12);
  header.writeUInt32LE(format.dim, 28);
  header.writeUInt32LE(format.bytesPerValue, 32);
  header.writeUInt32LE(format.stride, 36);
  header.writeUInt32LE(first, 40);
  header.writeUInt32LE(compacted ? 1 : 0, 44);
  header.writeUInt32LE(crc32c(header, 0, 0, HEADER_BYTES - 4), HEADER_BYTES - 4);
  return header;
}

/** @throws FunnelError CORRUPT, UNSUPPORTED_FORMAT: the header is not the one that `entry` must have. */
export function checkRowHeader(header: Buffer, format: RowFormat, entry: RowFileEntry): void {
  checkHead(header, MAGIC, format.uuid, entry.name);
  const wanted = encodeRowHeader(format, entry.first, entry.compacted);
  if (!header.equals(wanted)) throw corrupt(entry.name, 'header', 'is not the one of these rows');
}

/** Magic, version and uuid: what every file of ours starts with. */
export function checkHead(
  header: Buffer,
  magic: Buffer,
  uuid: Uint8Array,
  name: string,
  wanted: readonly number[] = [FORMAT_VERSION],
): void {
  if (!header.subarray(0, 8).equals(magic)) throw corrupt(name, 'header', 'is not that of a file of funnelvec');
  const version = header.readUInt32LE(8);
  if (!wanted.includes(version)) {
    throw filesError(
      'UNSUPPORTED_FORMAT',
      `Expected format ${wanted.join(' or ')} in the header of ${name}, not ${version}`,
    );
  }
  if (!header.subarray(12, 28).equals(uuid)) throw corrupt(name, 'header', 'is of another index');
}

/**
 * Rows `from..to` of a matrix as records; they get the ordinals from `first` on.
 *
 * @param into of their size, at a multiple of 4 bytes; zeros, or records of earlier rows
 */
export function encodeRecords(
  format: RowFormat,
  rows: RowValues,
  from: number,
  to: number,
  first: number,
  into: Uint8Array,
): void {
  const { dim, stride } = format;
  if (rows.byteLength < to * dim * rows.BYTES_PER_ELEMENT)
    throw changed('DETACHED_BUFFER', 'its buffer was transferred away');
  const { encodeRecords: native } = nativeFiles();
  if (native !== undefined) {
    const { bytesPerValue } = format;
    const Type = bytesPerValue === 4 ? Float32Array : Uint16Array;
    const part = new Type(rows.buffer as ArrayBuffer, rows.byteOffset + from * dim * bytesPerValue, (to - from) * dim);
    const done = native(part, dim * bytesPerValue, bytesPerValue === 2, to - from, first, stride, into);
    if (done < to - from) throw changed('NOT_FINITE', `row ${from + done} became NaN or Infinity`);
    return;
  }
  encodeByOne(format, rows, from, to, first, into);
}

/** The same in plain TypeScript. */
export function encodeByOne(
  format: RowFormat,
  rows: RowValues,
  from: number,
  to: number,
  first: number,
  into: Uint8Array,
): void {
  const { dim, stride } = format;
  const bytes = dim * format.bytesPerValue;
  // The Buffer covers these rows alone: one over a whole matrix could be longer than a Buffer may be.
  const source = Buffer.from(rows.buffer, rows.byteOffset + from * bytes, (to - from) * bytes);
  const records = Buffer.from(into.buffer as ArrayBuffer, into.byteOffset, into.length);
  const Type = format.bytesPerValue === 4 ? Float32Array : Uint16Array;
  const values = new Type(records.buffer, records.byteOffset, records.length / format.bytesPerValue);
  for (let row = from, at = 0; row < to; row++, at += stride) {
    source.copy(records, at, (row - from) * bytes, (row - from + 1) * bytes);
    // Checked before, but the caller may have written into the matrix since: a NaN would be kept for good.
    const value = at / format.bytesPerValue;
    if (!allFinite(values, value, value + dim)) throw changed('NOT_FINITE', `row ${row} became NaN or Infinity`);
    records.writeUInt32LE(recordChecksum(format, records, at, first + row - from), at + stride - 4);
  }
}

function changed(code: 'DETACHED_BUFFER' | 'NOT_FINITE', what: string): FunnelError {
  return new FunnelError(code, `Expected a matrix that nobody changes while it is written but ${what}`);
}

function recordChecksum(format: RowFormat, records: Buffer, at: number, ordinal: number): number {
  return crc32cU32(ordinal, crc32c(records, 0, at, at + format.stride - 4));
}

/** @throws FunnelError CORRUPT */
export function checkRecord(format: RowFormat, records: Buffer, at: number, ordinal: number, name: string): void {
  if (records.readUInt32LE(at + format.stride - 4) !== recordChecksum(format, records, at, ordinal)) {
    throw corrupt(name, 'rows', `have a wrong checksum (row ${ordinal})`);
  }
}

export function encodeOrdinals(ordinals: Uint32Array): Buffer {
  const section = Buffer.alloc(ordinals.length * 4 + 4);
  section.set(new Uint8Array(ordinals.buffer, ordinals.byteOffset, ordinals.byteLength));
  section.writeUInt32LE(crc32c(section, 0, 0, section.length - 4), section.length - 4);
  return section;
}

/** @throws FunnelError CORRUPT */
export function decodeOrdinals(section: Buffer, entry: RowFileEntry): Uint32Array {
  const end = section.length - 4;
  if (section.readUInt32LE(end) !== crc32c(section, 0, 0, end)) {
    throw corrupt(entry.name, 'list of ordinals', 'has a wrong checksum');
  }
  const ordinals = new Uint32Array(sharedBuffer(end)); // searching threads read it
  new Uint8Array(ordinals.buffer).set(section.subarray(0, end));
  for (let i = 1; i < ordinals.length; i++) {
    if (ordinals[i]! <= ordinals[i - 1]!) throw corrupt(entry.name, 'list of ordinals', 'is not in order');
  }
  if (ordinals[0] !== entry.first || ordinals[ordinals.length - 1] !== entry.last) {
    throw corrupt(entry.name, 'list of ordinals', 'is not the one of these rows');
  }
  return ordinals;
}
