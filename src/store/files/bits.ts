/** Bitmaps over ordinals, least significant bit first. */

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
    for (let at = from; at < to; at++) this.set(at, value);
  }

  /** Clears many, each of which is set. */
  clear(bits: ArrayLike<number>): void {
    const { bytes } = this;
    for (let i = 0; i < bits.length; i++) bytes[bits[i]! >>> 3]! &= ~(1 << (bits[i]! & 7));
    this.count -= bits.length;
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

const ONES = new Uint8Array(256);
for (let byte = 1; byte < 256; byte++) ONES[byte] = ONES[byte >> 1]! + (byte & 1);

export function popcount(bytes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) count += ONES[bytes[i]!]!;
  return count;
}
