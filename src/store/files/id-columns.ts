/** Packed ids of one kind, by ordinal. Each knows how to hash, to compare, and to be written to a page and read again. */
import { randomBytes } from 'node:crypto';
import type { Id, IdKind } from '../../types.js';

export interface IdColumn {
  /** Sets the id of an ordinal; in any order, but strings only once. */
  set(ordinal: number, id: Id): void;
  at(ordinal: number): Id;
  /** Takes an id as the one that is sought; its hash (u32). */
  seek(id: Id): number;
  /** The same for the id of an ordinal. */
  seekAt(ordinal: number): number;
  isSought(ordinal: number): boolean;
  /** Appends the bytes of one id, for a page; the number of bytes. */
  write(ordinal: number, into: Buffer, at: number): number;
  /** Bytes that {@link write} will take. */
  size(ordinal: number): number;
  /** Reads what {@link write} wrote as the id of an ordinal; the number of bytes. Throws RangeError beyond the page. */
  read(ordinal: number, from: Buffer, at: number): number;
}

export function columnOf(kind: IdKind): IdColumn {
  return kind === 'string' ? new StringColumn() : kind === 'number' ? new NumberColumn() : new BigintColumn();
}

/** Other in each process, so that nobody can prepare ids that collide. */
const SEED = randomBytes(4).readUInt32LE();

function mix(low: number, high: number): number {
  let hash = Math.imul(low ^ SEED, 0x9e3779b1);
  hash ^= hash >>> 15;
  hash = Math.imul(hash ^ high, 0x85ebca77);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae3d);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function grown<T extends Float64Array | BigUint64Array | Uint8Array | Uint32Array>(old: T, needed: number): T {
  if (needed <= old.length) return old;
  const bigger = new (old.constructor as new (length: number) => T)(
    Math.max(needed, Math.ceil(old.length * 1.5), 1024),
  );
  bigger.set(old as never);
  return bigger;
}

class NumberColumn implements IdColumn {
  #values = new Float64Array(0);
  #sought = 0;

  set(ordinal: number, id: Id): void {
    this.#values = grown(this.#values, ordinal + 1);
    this.#values[ordinal] = (id as number) + 0; // -0 is 0
  }

  at(ordinal: number): Id {
    return this.#values[ordinal]!;
  }

  seek(id: Id): number {
    const value = id as number;
    this.#sought = value;
    return mix(value | 0, Math.floor(value / 2 ** 32) | 0);
  }

  seekAt(ordinal: number): number {
    return this.seek(this.#values[ordinal]!);
  }

  isSought(ordinal: number): boolean {
    return this.#values[ordinal] === this.#sought;
  }

  size(): number {
    return 8;
  }

  write(ordinal: number, into: Buffer, at: number): number {
    into.writeDoubleLE(this.#values[ordinal]!, at);
    return 8;
  }

  read(ordinal: number, from: Buffer, at: number): number {
    const value = from.readDoubleLE(at);
    if (!Number.isSafeInteger(value)) throw new RangeError('holds a number that is no id');
    this.set(ordinal, value);
    return 8;
  }
}

/** The low 64 bits, and whether they are meant as unsigned where the top bit is set. On a page: one byte more. */
class BigintColumn implements IdColumn {
  #low = new BigUint64Array(0);
  #halves = new Uint32Array(0);
  #negative = new Uint8Array(0);
  #sought = new BigUint64Array(1);
  #soughtHalves = new Uint32Array(this.#sought.buffer);
  #soughtNegative = 0;

  set(ordinal: number, id: Id): void {
    if (ordinal >= this.#low.length) {
      this.#low = grown(this.#low, ordinal + 1);
      this.#halves = new Uint32Array(this.#low.buffer);
      this.#negative = grown(this.#negative, ordinal + 1);
    }
    this.#low[ordinal] = id as bigint;
    this.#negative[ordinal] = (id as bigint) < 0n ? 1 : 0;
  }

  at(ordinal: number): Id {
    const low = this.#low[ordinal]!;
    return this.#negative[ordinal] ? BigInt.asIntN(64, low) : low;
  }

  seek(id: Id): number {
    this.#sought[0] = id as bigint;
    this.#soughtNegative = (id as bigint) < 0n ? 1 : 0;
    return mix(this.#soughtHalves[0]!, this.#soughtHalves[1]!);
  }

  seekAt(ordinal: number): number {
    this.#soughtHalves[0] = this.#halves[2 * ordinal]!;
    this.#soughtHalves[1] = this.#halves[2 * ordinal + 1]!;
    this.#soughtNegative = this.#negative[ordinal]!;
    return mix(this.#soughtHalves[0]!, this.#soughtHalves[1]!);
  }

  isSought(ordinal: number): boolean {
    return (
      this.#halves[2 * ordinal] === this.#soughtHalves[0] &&
      this.#halves[2 * ordinal + 1] === this.#soughtHalves[1] &&
      this.#negative[ordinal] === this.#soughtNegative
    );
  }

  size(): number {
    return 9;
  }

  write(ordinal: number, into: Buffer, at: number): number {
    into.writeBigUInt64LE(this.#low[ordinal]!, at);
    into[at + 8] = this.#negative[ordinal]!;
    return 9;
  }

  read(ordinal: number, from: Buffer, at: number): number {
    const low = from.readBigUInt64LE(at);
    const negative = from.readUInt8(at + 8);
    if (negative > 1 || (negative === 1 && low < 2n ** 63n)) throw new RangeError('holds a bigint that is no id');
    this.set(ordinal, negative ? BigInt.asIntN(64, low) : low);
    return 9;
  }
}

/** UTF-8 of all strings, one after the other, in blocks that never move. */
class StringColumn implements IdColumn {
  #bytes = Buffer.alloc(1 << 16);
  #used = 0;
  /** By ordinal: position and length in `#bytes`; a length of 0 is no id. */
  #starts = new Float64Array(0);
  #lengths = new Uint32Array(0);
  #sought = Buffer.alloc(2048);
  #soughtLength = 0;

  set(ordinal: number, id: Id): void {
    this.#place(ordinal, Buffer.byteLength(id as string));
    this.#bytes.write(id as string, this.#starts[ordinal]!, 'utf8');
  }

  #place(ordinal: number, length: number): void {
    this.#starts = grown(this.#starts, ordinal + 1);
    this.#lengths = grown(this.#lengths, ordinal + 1);
    if (this.#used + length > this.#bytes.length) {
      const bigger = Buffer.alloc(Math.max(this.#used + length, Math.ceil(this.#bytes.length * 1.5)));
      this.#bytes.copy(bigger, 0, 0, this.#used);
      this.#bytes = bigger;
    }
    this.#starts[ordinal] = this.#used;
    this.#lengths[ordinal] = length;
    this.#used += length;
  }

  at(ordinal: number): Id {
    const start = this.#starts[ordinal]!;
    return this.#bytes.toString('utf8', start, start + this.#lengths[ordinal]!);
  }

  seek(id: Id): number {
    const length = Buffer.byteLength(id as string);
    if (length > this.#sought.length) this.#sought = Buffer.alloc(length);
    this.#sought.write(id as string, 0, 'utf8');
    this.#soughtLength = length;
    return hashBytes(this.#sought, 0, length);
  }

  seekAt(ordinal: number): number {
    const start = this.#starts[ordinal]!;
    const length = this.#lengths[ordinal]!;
    this.#bytes.copy(this.#sought, 0, start, start + length);
    this.#soughtLength = length;
    return hashBytes(this.#sought, 0, length);
  }

  isSought(ordinal: number): boolean {
    const length = this.#lengths[ordinal]!;
    if (length !== this.#soughtLength) return false;
    const start = this.#starts[ordinal]!;
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== this.#sought[i]) return false;
    return true;
  }

  size(ordinal: number): number {
    return 2 + this.#lengths[ordinal]!;
  }

  write(ordinal: number, into: Buffer, at: number): number {
    const start = this.#starts[ordinal]!;
    const length = this.#lengths[ordinal]!;
    into.writeUInt16LE(length, at);
    this.#bytes.copy(into, at + 2, start, start + length);
    return 2 + length;
  }

  read(ordinal: number, from: Buffer, at: number): number {
    const length = from.readUInt16LE(at);
    if (length === 0 || at + 2 + length > from.length) throw new RangeError('holds a string that does not end');
    this.#place(ordinal, length);
    from.copy(this.#bytes, this.#starts[ordinal]!, at + 2, at + 2 + length);
    return 2 + length;
  }
}

function hashBytes(bytes: Buffer, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return mix(hash, to - from);
}
