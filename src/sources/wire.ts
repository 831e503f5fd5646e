/**
 * Reading protobuf wire format, as much of it as the database answers need. Malformed input ends in a RangeError, which the
 * callers take as "decode this answer the slow way".
 */
import { textOfUtf8 } from '../core/utf8.js';

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

/** A cursor over one message; `field` and `type` describe the record that `next()` stopped at. */
export class WireReader {
  field = 0;
  type = 0;
  /** Where the record's tag began. */
  start: number;

  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    readonly end = bytes.length,
  ) {
    this.start = at;
  }

  /** Moves to the next record; the previous one must have been read or skipped. */
  next(): boolean {
    if (this.at >= this.end) return false;
    this.start = this.at;
    const tag = this.size();
    this.field = tag >>> 3;
    this.type = tag & 7;
    return true;
  }

  /** A varint of at most 32 bits: tags, lengths, small numbers. */
  size(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      // More than 32 bits.
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed();
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed();
  }

  /** The extent of a length-delimited record as a reader of its own; moves behind it. */
  message(): WireReader {
    if (this.type !== LENGTH) throw malformed();
    const size = this.size();
    const from = this.take(size);
    return new WireReader(this.bytes, from, from + size);
  }

  /** A length-delimited record as a view. */
  view(): Uint8Array {
    const { at, end } = this.message();
    return this.bytes.subarray(at, end);
  }

  string(): string {
    return textOfUtf8(this.view());
  }

  float(): number {
    if (this.type !== FIXED32) throw malformed();
    return this.data().getFloat32(this.take(4), true);
  }

  double(): number {
    if (this.type !== FIXED64) throw malformed();
    return this.data().getFloat64(this.take(8), true);
  }

  skip(): void {
    switch (this.type) {
      case VARINT:
        while (this.byte() >= 0x80);
        break;
      case FIXED64:
        this.take(8);
        break;
      case LENGTH:
        this.take(this.size());
        break;
      case FIXED32:
        this.take(4);
        break;
      default:
        throw malformed();
    }
  }

  private byte(): number {
    if (this.at >= this.end) throw malformed();
    return this.bytes[this.at++]!;
  }

  private take(size: number): number {
    const from = this.at;
    if (size > this.end - from) throw malformed();
    this.at = from + size;
    return from;
  }

  private data(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }
}

/** A varint as bytes, for lengths that change when a part of a message is cut out. */
export function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  bytes.push(value);
  return bytes;
}

function malformed(): RangeError {
  return new RangeError('Malformed protobuf message');
}
