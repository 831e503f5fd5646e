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

export function popcount(bytes: Uint8Array): number {
  let count = 0;
  for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) count++;
  return count;
}
