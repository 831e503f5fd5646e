/**
 * The contents of the store besides the state record, as bytes. Every value starts with the CRC-32C of the index's
 * uuid, the table, the key and the rest of the value, so that a value of another index or in another place is not taken
 * for ours.
 *
 * - ids, by page of 256 ordinals: bitmap of the ordinals whose id is kept (compaction drops those of dead rows), bitmap
 *   of those with a payload, then the kept ids: f64, or u64 and a byte that is 1 for negative, or u16 length and UTF-8
 * - dead, by page of 16,384 ordinals: bitmap of the dead
 * - payloads, by ordinal: JSON, see payload.ts
 * - changes, by number: which payloads were changed in place, see changed-rows.ts: u32 kind, then ordinals or a bitmap as u32
 * - edits, by page: payloads of a large change that are not in their places yet, see edit-pages.ts
 */

import { Buffer } from '../../core/buffer.js';
import type { Bits } from './bits.js';
import { crc32c, crc32cU32 } from './crc32c.js';
import { corrupt } from './errors.js';
import type { Ids } from './ids.js';

export const IDS_PER_PAGE = 256;
export const DEATHS_PER_PAGE = 16_384;

const BITMAP = IDS_PER_PAGE / 8;
const CRC = 4;

export type Table = 'state' | 'ids' | 'dead' | 'payloads' | 'changes' | 'edits';

const NAMES: Record<Table, string> = {
  state: 'state record',
  ids: 'ids',
  dead: 'tombstones',
  payloads: 'payloads',
  changes: 'changes',
  edits: 'edits',
};

function checksum(uuid: Uint8Array, table: Table, key: number, value: Uint8Array): number {
  const place = crc32cU32(key, crc32c(Buffer.from(table), crc32c(uuid)));
  return crc32c(value, place, CRC);
}

/** Puts the checksum into the first four bytes. */
export function seal(uuid: Uint8Array, table: Table, key: number, value: Buffer): Buffer {
  value.writeUInt32LE(checksum(uuid, table, key, value), 0);
  return value;
}

/** The value after its checksum. */
export function unseal(uuid: Uint8Array, table: Table, key: number, value: Uint8Array, file: string): Buffer {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (value.length < CRC || buffer.readUInt32LE(0) !== checksum(uuid, table, key, value)) {
    throw corrupt(file, NAMES[table], `has a wrong checksum (entry ${key})`);
  }
  return buffer.subarray(CRC);
}

/** The rows as their ids and payload flags have them: which ordinals' ids are kept, which have payloads. */
export interface Roster {
  ids: Ids;
  kept: Bits;
  withPayload: Bits;
}

/** The page of ids as it is to be written, with the ordinals below `rows`. Undefined when no id is kept. */
export function encodeIdPage(uuid: Uint8Array, page: number, roster: Roster): Buffer | undefined {
  const first = page * IDS_PER_PAGE;
  const { ids, kept, withPayload } = roster;
  const { column } = ids;
  let size = CRC + 2 * BITMAP;
  let any = false;
  for (let i = first; i < first + IDS_PER_PAGE; i++) {
    if (!kept.get(i)) continue;
    size += column.size(i);
    any = true;
  }
  if (!any) return undefined;
  const value = Buffer.alloc(size);
  value.set(kept.slice(first >>> 3, (first >>> 3) + BITMAP), CRC);
  value.set(withPayload.slice(first >>> 3, (first >>> 3) + BITMAP), CRC + BITMAP);
  let at = CRC + 2 * BITMAP;
  for (let i = first; i < first + IDS_PER_PAGE; i++) if (kept.get(i)) at += column.write(i, value, at);
  return seal(uuid, 'ids', page, value);
}

/** Reads once more which ordinals below `to` of a page have payloads. */
export function decodePayloadBits(body: Buffer, page: number, to: number, withPayload: Bits): void {
  const first = page * IDS_PER_PAGE;
  for (let i = first; i < Math.min(to, first + IDS_PER_PAGE); i++) {
    const bit = i - first;
    withPayload.set(i, (body.readUInt8(BITMAP + (bit >>> 3)) & (1 << (bit & 7))) !== 0);
  }
}

/** Reads the ordinals `from..to` of a page into the roster. */
export function decodeIdPage(body: Buffer, page: number, from: number, to: number, roster: Roster, file: string): void {
  const first = page * IDS_PER_PAGE;
  try {
    if (body.length < 2 * BITMAP) throw new RangeError('is shorter than its bitmaps');
    if (from <= first && to >= first + IDS_PER_PAGE) {
      const bitmap = body.subarray(0, BITMAP);
      const end = 2 * BITMAP + roster.ids.column.readMany(first, bitmap, body.subarray(2 * BITMAP));
      if (end !== body.length) throw new RangeError('is longer than its ids');
      roster.kept.put(first >>> 3, bitmap);
      roster.withPayload.put(first >>> 3, body.subarray(BITMAP, 2 * BITMAP));
      return;
    }
    let at = 2 * BITMAP;
    for (let i = first; i < first + IDS_PER_PAGE; i++) {
      const bit = i - first;
      if ((body.readUInt8(bit >>> 3) & (1 << (bit & 7))) === 0) continue;
      if (i >= to) throw new RangeError('holds an id of no row');
      const isNew = i >= from;
      at += isNew ? roster.ids.column.read(i, body, at) : skip(roster, i);
      if (!isNew) continue;
      roster.kept.set(i, true);
      if (body.readUInt8(BITMAP + (bit >>> 3)) & (1 << (bit & 7))) roster.withPayload.set(i, true);
    }
    if (at !== body.length) throw new RangeError('is longer than its ids');
  } catch (error) {
    throw corrupt(file, NAMES.ids, `${(error as Error).message} (page ${page})`, error);
  }
}

/** The bytes of an id that is known already. */
function skip(roster: Roster, ordinal: number): number {
  return roster.ids.column.size(ordinal);
}

/** A page of the bitmap of the dead: of the `rows` there were all that are not alive, and `more`. */
export function encodeDeadPage(
  uuid: Uint8Array,
  page: number,
  alive: Bits,
  rows: number,
  more: Iterable<number>,
): Buffer {
  const first = page * DEATHS_PER_PAGE;
  const value = Buffer.alloc(CRC + DEATHS_PER_PAGE / 8);
  const bitmap = alive.slice(first >>> 3, (first + DEATHS_PER_PAGE) >>> 3);
  const end = Math.min(rows - first, DEATHS_PER_PAGE);
  for (let i = 0; i < end; i += 8) {
    value[CRC + (i >>> 3)] = ~bitmap[i >>> 3]! & (end - i >= 8 ? 0xff : (1 << (end - i)) - 1);
  }
  for (const ordinal of more) {
    const at = ordinal - first;
    if (at >= 0 && at < DEATHS_PER_PAGE) value[CRC + (at >>> 3)]! |= 1 << (at & 7);
  }
  return seal(uuid, 'dead', page, value);
}
