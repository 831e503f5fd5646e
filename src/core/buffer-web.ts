/** In place of buffer.ts in browsers and on the edge: the part of Node's Buffer that this library uses. */

type Encoding = 'utf8' | 'utf16le' | 'latin1' | 'hex' | 'base64';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bytes, little-endian. */
class Bytes extends Uint8Array {
  copy(target: Uint8Array, at = 0, from = 0, to = this.length): void {
    target.set(this.subarray(from, to), at);
  }

  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, i) => byte === other[i]);
  }

  override fill(value: number | Uint8Array, from = 0, to = this.length): this {
    if (typeof value === 'number') return super.fill(value, from, to);
    this.set(value.subarray(0, to - from), from);
    return this;
  }

  override subarray(from?: number, to?: number): Bytes {
    return super.subarray(from, to) as Bytes;
  }

  write(text: string, at = 0, encoding: 'utf8' | 'utf16le' = 'utf8'): number {
    if (encoding === 'utf8')
      return encoder.encodeInto(text, new Uint8Array(this.buffer, this.byteOffset + at, this.length - at)).written;
    for (let i = 0; i < text.length; i++) this.writeUInt16LE(text.charCodeAt(i), at + 2 * i);
    return 2 * text.length;
  }

  override toString(encoding: Encoding = 'utf8', from = 0, to = this.length): string {
    const bytes = new Uint8Array(this.buffer, this.byteOffset, this.length).slice(from, to); // no decoder takes shared memory
    if (encoding === 'utf8') return decoder.decode(bytes);
    if (encoding === 'hex') return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (encoding === 'utf16le') return lettersOf(new Uint16Array(bytes.buffer, 0, bytes.length >> 1));
    const text = lettersOf(bytes);
    return encoding === 'latin1' ? text : btoa(text);
  }

  readUInt8(at = 0): number {
    return this.#view.getUint8(at);
  }

  readUInt16LE(at = 0): number {
    return this.#view.getUint16(at, true);
  }

  readUInt32LE(at = 0): number {
    return this.#view.getUint32(at, true);
  }

  readBigUInt64LE(at = 0): bigint {
    return this.#view.getBigUint64(at, true);
  }

  readDoubleLE(at = 0): number {
    return this.#view.getFloat64(at, true);
  }

  writeUInt16LE(value: number, at = 0): number {
    this.#view.setUint16(at, value, true);
    return at + 2;
  }

  writeUInt32LE(value: number, at = 0): number {
    this.#view.setUint32(at, value, true);
    return at + 4;
  }

  writeBigUInt64LE(value: bigint, at = 0): number {
    this.#view.setBigUint64(at, value, true);
    return at + 8;
  }

  writeDoubleLE(value: number, at = 0): number {
    this.#view.setFloat64(at, value, true);
    return at + 8;
  }

  get #view(): DataView {
    return new DataView(this.buffer, this.byteOffset, this.length);
  }
}

export type Buffer = Bytes;

function from(text: string, encoding?: Encoding): Bytes;
function from(values: ArrayLike<number>): Bytes;
function from(buffer: ArrayBufferLike, offset?: number, length?: number): Bytes;
function from(
  value: string | ArrayLike<number> | ArrayBufferLike,
  more: Encoding | number = 0,
  length?: number,
): Bytes {
  if (typeof value === 'string') return asBytes(encoded(value, more as Encoding));
  if ('byteLength' in value && !ArrayBuffer.isView(value))
    return new Bytes(value as ArrayBuffer, more as number, length);
  return new Bytes(value as ArrayLike<number>);
}

function encoded(text: string, encoding: Encoding | 0): Uint8Array {
  if (encoding === 'latin1') return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  if (encoding === 'hex') return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
  return encoding === 'base64' ? fromBase64(text) : encoder.encode(text);
}

function lettersOf(units: Uint8Array | Uint16Array): string {
  let text = '';
  for (let i = 0; i < units.length; i += 4096) text += String.fromCharCode(...units.subarray(i, i + 4096));
  return text;
}

function asBytes({ buffer, byteOffset, length }: Uint8Array): Bytes {
  return new Bytes(buffer as ArrayBuffer, byteOffset, length);
}

const alloc = (length: number): Bytes => new Bytes(length);

export const Buffer = {
  alloc,
  allocUnsafe: alloc,
  allocUnsafeSlow: alloc,
  from,
  byteLength: (text: string): number => encoder.encode(text).length,
  concat(parts: readonly Uint8Array[]): Bytes {
    const all = alloc(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  },
};

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
