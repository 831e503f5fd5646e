/**
 * Segments: immutable files of named sections, the engine's codes. Little-endian:
 *
 * - 64 bytes of header: magic 'FVSEGM\r\n', u32 format, 16 bytes uuid, u32 table length, u64 table position, zeros; the
 *   last u32 is the CRC-32C of the rest
 * - the sections, each at a multiple of 4,096
 * - the table: JSON [{ name, offset, bytes, crcs }], crcs being the CRC-32C of each MiB of the section; then its CRC-32C
 */
import { Buffer } from '../../core/buffer.js';
import { crc32c } from './crc32c.js';
import type { Disk } from './disk-contract.js';
import { corrupt } from './errors.js';
import { checkHead } from './rows.js';
import {
  EXTENSION_VERSION,
  LATER_SECTIONS,
  LATER_VERSION,
  LIKE_SECTION,
  SEGMENT_VERSION,
  type SegmentEntry,
} from './state.js';
import { ahead, type FileStep, type Steps, settledStep, take, turnStep } from './step.js';

const MAGIC = Buffer.from('FVSEGM\r\n', 'latin1');
const HEADER_BYTES = 64;
const ALIGNMENT = 4096;

/** Bytes that one checksum covers. */
export const CHUNK_BYTES = 1 << 20;

export interface Section {
  name: string;
  bytes: Uint8Array;
}

export interface SectionEntry {
  name: string;
  /** Position in the file, a multiple of 4,096. */
  offset: number;
  bytes: number;
  /** CRC-32C of each {@link CHUNK_BYTES}. */
  crcs: number[];
}

export type SegmentTable = SectionEntry[];

/** @param number of the file, among all of the index */
export function segmentName(number: number): string {
  return `seg-${String(number).padStart(6, '0')}.bin`;
}

/** Writes the sections into a new file, all but the sync. The file's length in bytes. */
export function* writeSections(
  disk: Disk,
  fd: number,
  uuid: Uint8Array,
  next: FileStep<Section | undefined>,
  check: (name: unknown, bytes: unknown, table: SegmentTable) => void,
): Steps<{ bytes: number; table: SegmentTable }> {
  const table: SegmentTable = [];
  let offset = ALIGNMENT;
  for (let section = yield* take(next); section !== undefined; section = yield* take(next)) {
    const { name, bytes } = section;
    check(name, bytes, table);
    yield* take(disk.write(fd, bytes, offset));
    table.push({ name, offset, bytes: bytes.length, crcs: yield* chunkChecksums(bytes) });
    offset = Math.ceil((offset + bytes.length) / ALIGNMENT) * ALIGNMENT;
  }
  const json = Buffer.from(JSON.stringify(table), 'utf8');
  const tail = Buffer.alloc(json.length + 4);
  json.copy(tail);
  tail.writeUInt32LE(crc32c(json), json.length);
  yield* take(disk.write(fd, tail, offset));
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(versionOf(table), 8);
  header.set(uuid, 12);
  header.writeUInt32LE(tail.length, 28);
  header.writeBigUInt64LE(BigInt(offset), 32);
  header.writeUInt32LE(crc32c(header, 0, 0, HEADER_BYTES - 4), HEADER_BYTES - 4);
  yield* take(disk.write(fd, header, 0));
  return { bytes: offset + tail.length, table };
}

/** The oldest that can say it, so that older versions of this package read what they can. */
function versionOf(table: SegmentTable): number {
  if (table.some(({ name }) => name === LIKE_SECTION)) return EXTENSION_VERSION;
  return table.some(({ name }) => LATER_SECTIONS.includes(name)) ? LATER_VERSION : SEGMENT_VERSION;
}

function* chunkChecksums(bytes: Uint8Array): Steps<number[]> {
  const crcs: number[] = [];
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
    crcs.push(crc32c(bytes, 0, from, Math.min(from + CHUNK_BYTES, bytes.length)));
    if (crcs.length % CHUNKS_AT_ONCE === 0) yield* take(turnStep);
  }
  return crcs;
}

/** A few milliseconds. */
const CHUNKS_AT_ONCE = 2;

/** Reads header and table. @throws FunnelError CORRUPT, UNSUPPORTED_FORMAT */
export function* openSegment(disk: Disk, fd: number, entry: SegmentEntry, uuid: Uint8Array): Steps<SegmentTable> {
  const { name } = entry;
  const size = disk.size(fd);
  if (size !== entry.bytes) throw corrupt(name, 'length', `is ${size} bytes, not ${entry.bytes}`);
  const header = Buffer.alloc(HEADER_BYTES);
  yield* take(disk.read(fd, header, 0));
  checkHead(header, MAGIC, uuid, name, [SEGMENT_VERSION, LATER_VERSION, EXTENSION_VERSION]);
  if (header.readUInt32LE(HEADER_BYTES - 4) !== crc32c(header, 0, 0, HEADER_BYTES - 4)) {
    throw corrupt(name, 'header', 'has a wrong checksum');
  }
  const bytes = header.readUInt32LE(28);
  const at = Number(header.readBigUInt64LE(32));
  if (at + bytes !== size || bytes < 4) throw corrupt(name, 'header', 'names another length');
  const tail = Buffer.alloc(bytes);
  yield* take(disk.read(fd, tail, at));
  if (tail.readUInt32LE(bytes - 4) !== crc32c(tail, 0, 0, bytes - 4)) {
    throw corrupt(name, 'table of sections', 'has a wrong checksum');
  }
  return JSON.parse(tail.toString('utf8', 0, bytes - 4)) as SegmentTable;
}

/** Reads a section into `into`, chunk by chunk, each checked. @throws FunnelError CORRUPT */
export function* readSection(
  disk: Disk,
  fd: number,
  segment: string,
  section: SectionEntry,
  into: Uint8Array,
): Steps<void> {
  const partOf = (chunk: number) =>
    into.subarray(chunk * CHUNK_BYTES, Math.min((chunk + 1) * CHUNK_BYTES, section.bytes));
  const readOf = (chunk: number) => ahead(disk.read(fd, partOf(chunk), section.offset + chunk * CHUNK_BYTES));
  const chunks = section.crcs.length;
  let reading = chunks > 0 ? yield* take(readOf(0)) : undefined;
  try {
    // One chunk is checked while the disk gives the next.
    for (let chunk = 0; reading !== undefined; chunk++) {
      const part = partOf(chunk);
      const got: number = yield* take(reading);
      reading = undefined;
      if (chunk + 1 < chunks) reading = yield* take(readOf(chunk + 1));
      if (got !== part.length) throw corrupt(segment, `section ${section.name}`, 'ends early');
      if (crc32c(part) !== section.crcs[chunk]) {
        throw corrupt(segment, `section ${section.name}`, `has a wrong checksum (MiB ${chunk})`);
      }
    }
  } catch (error) {
    // Nothing may arrive later, where the descriptor may be of another file.
    if (reading !== undefined) yield* take(settledStep(reading));
    throw error;
  }
}
