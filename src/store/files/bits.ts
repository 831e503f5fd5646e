/** Bitmaps over ordinals, least significant bit first. */
import type { Sliced } from '../../core/slices.js';

/** Bits that are cleared before others get their turn. */
const CLEARED_AT_ONCE = 1 << 16;

export class Bits {
  bytes: Uint8Array = new Uint8Array(0);
  count = 0;

  get(at: number): boolean {
    return ((this.bytes[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  /** True when the bit was another. */
  set(at: number, value: boolean): boolean {
    if (this.get(at) === value) return false;
    this.reserve(at + 1);
    this.bytes[at >>> 3]! ^= 1 << (at & 7);
    this.count += value ? 1 : -1;
    return true;
  }

  setRange(from: number, to: number, value: boolean): void {
    let at = from;
    while (at < to && (at & 7) !== 0) this.set(at++, value);
    const whole = (to - at) >>> 3;
    if (whole > 0) this.put(at >>> 3, new Uint8Array(whole).fill(value ? 255 : 0));
    for (at += 8 * whole; at < to; at++) this.set(at, value);
  }

  /**
   * Clears some, each of which is set.
   *
   * @param left what {@link without} made of them, where nothing was set or cleared since
   */
  clear(bits: readonly number[], left?: Uint8Array): void {
    if (left === undefined) clearSome(this.bytes, bits, 0, bits.length);
    else this.bytes.set(left);
    this.count -= bits.length;
  }

  /** The bytes when some bits are cleared, so that it takes little to clear them; undefined where they are few. */
  *without(bits: readonly number[]): Sliced<Uint8Array | undefined> {
    if (bits.length <= CLEARED_AT_ONCE) return undefined;
    const left = this.bytes.slice();
    for (let from = 0; from < bits.length; from += CLEARED_AT_ONCE) {
      yield;
      clearSome(left, bits, from, Math.min(bits.length, from + CLEARED_AT_ONCE));
    }
    return left;
  }

  /** Sets bytes from byte `at` on. */
  put(at: number, bytes: Uint8Array): void {
    this.reserve(8 * (at + bytes.length));
    this.count += popcount(bytes) - popcount(this.bytes.subarray(at, at + bytes.length));
    this.bytes.set(bytes, at);
  }

  /** Makes room for bits `0..length`. */
  reserve(length: number): void {
    const needed = (length + 7) >>> 3;
    if (needed <= this.bytes.length) return;
    const bigger = new Uint8Array(Math.max(needed, Math.ceil(this.bytes.length * 1.5), 128));
    bigger.set(this.bytes);
    this.bytes = bigger;
  }

  /** A copy of bytes `from..to`, zeros where there are none yet. */
  slice(from: number, to: number): Uint8Array {
    const part = new Uint8Array(to - from);
    if (from < this.bytes.length) part.set(this.bytes.subarray(from, Math.min(to, this.bytes.length)));
    return part;
  }
}

function clearSome(bytes: Uint8Array, bits: readonly number[], from: number, to: number): void {
  for (let i = from; i < to; i++) bytes[bits[i]! >>> 3]! &= ~(1 << (bits[i]! & 7));
}

const ONES = new Uint8Array(256);
for (let byte = 1; byte < 256; byte++) ONES[byte] = ONES[byte >> 1]! + (byte & 1);

export function popcount(bytes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) count += ONES[bytes[i]!]!;
  return count;
}
