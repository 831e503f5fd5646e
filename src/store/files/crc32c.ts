/** CRC-32C (Castagnoli), the checksum of everything on disk; eight bytes a step. */

import { nativeFiles } from './native.js';

/** Bytes from which the binary, where there is one, is faster. */
const WORTH_A_CALL = 256;

const TABLES = tables();
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function tables(): Int32Array[] {
  const made = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    made[0]![i] = crc;
  }
  for (let t = 1; t < 8; t++) {
    for (let i = 0; i < 256; i++) {
      const before = made[t - 1]![i]!;
      made[t]![i] = (before >>> 8) ^ made[0]![before & 0xff]!;
    }
  }
  return made;
}

/**
 * The CRC-32C of bytes `from..to`, as a u32.
 *
 * @param seed the checksum of what came before, so that `crc32c(b, crc32c(a))` is the checksum of a then b
 */
export function crc32c(bytes: Uint8Array, seed = 0, from = 0, to = bytes.length): number {
  if (to - from >= WORTH_A_CALL) {
    const { crc32c: native } = nativeFiles();
    if (native !== undefined) return native(bytes, seed, from, to);
  }
  return crc32cByTables(bytes, seed, from, to);
}

/** The same in plain TypeScript. */
export function crc32cByTables(bytes: Uint8Array, seed = 0, from = 0, to = bytes.length): number {
  let crc = ~seed;
  let at = from;
  for (const end = to - 7; at < end; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/** The checksum with one u32, little-endian, after what `seed` covers. */
export function crc32cU32(value: number, seed = 0): number {
  let crc = ~seed;
  for (let i = 0; i < 4; i++) crc = (crc >>> 8) ^ T0[(crc ^ (value >>> (8 * i))) & 0xff]!;
  return ~crc >>> 0;
}
