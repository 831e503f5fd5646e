/** Packed ids of one kind, by ordinal, in blocks that go when none of their ids is kept any more. Each knows how to hash, to compare, and to be written to a page and read again. */
import { Buffer } from '../../core/buffer.js';
import { randomBytes } from '../../core/host.js';
import type { Id, IdKind } from '../../core/types.js';

/** Ordinals of a block: `ordinal >>> BLOCK_BITS` is its number. */
export const BLOCK_BITS = 10;
const BLOCK = 1 << BLOCK_BITS;
const IN_BLOCK = BLOCK - 1;

export interface IdColumn {
  /** False where the block of an ordinal was never written to, or dropped. */
  has(ordinal: number): boolean;
  /** Lets a block go; its ordinals are never set again. */
  drop(block: number): void;
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
  /**
   * The same for those of the ordinals from `first` on whose bit is set, one behind the other from the start of `from`, which
   * are all of one block. `from` may have more.
   */
  readMany(first: number, bits: Uint8Array, from: Buffer): number;
}

export function columnOf(kind: IdKind): IdColumn {
  // Not before: some runtimes have no randomness while modules load.
  if (seed === 0) seed = new DataView(Uint8Array.from(randomBytes(4)).buffer).getUint32(0) || 1;
  return kind === 'string' ? new StringColumn() : kind === 'number' ? new NumberColumn() : new BigintColumn();
}

/** Seed of the hash: another in each process, so that nobody can prepare ids that collide. */
let seed = 0;

function mix(low: number, high: number): number {
  let hash = Math.imul(low ^ seed, 0x9e3779b1);
  hash ^= hash >>> 15;
  hash = Math.imul(hash ^ high, 0x85ebca77);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae3d);
  return (hash ^ (hash >>> 16)) >>> 0;
}

abstract class Blocks<B> {
  protected readonly blocks: (B | undefined)[] = [];

  abstract read(ordinal: number, from: Buffer, at: number): number;

  readMany(first: number, bits: Uint8Array, from: Buffer): number {
    let at = 0;
    for (let i = 0; i < bits.length << 3; i++) {
      if (bits[i >>> 3]! & (1 << (i & 7))) at += this.read(first + i, from, at);
    }
    return at;
  }

  has(ordinal: number): boolean {
    return this.blocks[ordinal >>> BLOCK_BITS] !== undefined;
  }

  drop(block: number): void {
    this.blocks[block] = undefined;
  }
}

const NO_NUMBER = 'holds a number that is no id';

class NumberColumn extends Blocks<Float64Array> implements IdColumn {
  #sought = 0;

  set(ordinal: number, id: Id): void {
    this.blocks[ordinal >>> BLOCK_BITS] ??= new Float64Array(BLOCK);
    this.blocks[ordinal >>> BLOCK_BITS]![ordinal & IN_BLOCK] = (id as number) + 0; // -0 is 0
  }

  at(ordinal: number): Id {
    return this.blocks[ordinal >>> BLOCK_BITS]![ordinal & IN_BLOCK]!;
  }

  seek(id: Id): number {
    const value = id as number;
    this.#sought = value;
    return mix(value | 0, Math.floor(value / 2 ** 32) | 0);
  }

  seekAt(ordinal: number): number {
    return this.seek(this.at(ordinal));
  }

  isSought(ordinal: number): boolean {
    const block = this.blocks[ordinal >>> BLOCK_BITS];
    return block !== undefined && block[ordinal & IN_BLOCK] === this.#sought;
  }

  size(): number {
    return 8;
  }

  write(ordinal: number, into: Buffer, at: number): number {
    into.writeDoubleLE(this.at(ordinal) as number, at);
    return 8;
  }

  read(ordinal: number, from: Buffer, at: number): number {
    const value = from.readDoubleLE(at);
    if (!Number.isSafeInteger(value)) throw new RangeError(NO_NUMBER);
    this.set(ordinal, value);
    return 8;
  }

  override readMany(first: number, bits: Uint8Array, from: Buffer): number {
    const count = bits.length << 3;
    if (!bits.every((byte) => byte === 0xff) || from.length < 8 * count) return super.readMany(first, bits, from);
    this.blocks[first >>> BLOCK_BITS] ??= new Float64Array(BLOCK);
    const block = this.blocks[first >>> BLOCK_BITS]!;
    const start = first & IN_BLOCK;
    new Uint8Array(block.buffer, 8 * start, 8 * count).set(from.subarray(0, 8 * count));
    for (let i = start; i < start + count; i++) {
      const value = block[i]!;
      if (!Number.isSafeInteger(value)) throw new RangeError(NO_NUMBER);
      block[i] = value + 0; // -0 is 0
    }
    return 8 * count;
  }
}

/** Ids of a block: the low 64 bits, and whether they are meant as negative where the top bit is set. */
class Bigints {
  readonly low = new BigUint64Array(BLOCK);
  readonly halves = new Uint32Array(this.low.buffer);
  readonly negative = new Uint8Array(BLOCK);
}

/** On a page: 64 bits, and one byte more. */
class BigintColumn extends Blocks<Bigints> implements IdColumn {
  #sought = new BigUint64Array(1);
  #soughtHalves = new Uint32Array(this.#sought.buffer);
  #soughtNegative = 0;

  set(ordinal: number, id: Id): void {
    this.blocks[ordinal >>> BLOCK_BITS] ??= new Bigints();
    const { low, negative } = this.blocks[ordinal >>> BLOCK_BITS]!;
    low[ordinal & IN_BLOCK] = id as bigint;
    negative[ordinal & IN_BLOCK] = (id as bigint) < 0n ? 1 : 0;
  }

  at(ordinal: number): Id {
    const block = this.blocks[ordinal >>> BLOCK_BITS]!;
    const low = block.low[ordinal & IN_BLOCK]!;
    return block.negative[ordinal & IN_BLOCK] ? BigInt.asIntN(64, low) : low;
  }

  seek(id: Id): number {
    this.#sought[0] = id as bigint;
    this.#soughtNegative = (id as bigint) < 0n ? 1 : 0;
    return mix(this.#soughtHalves[0]!, this.#soughtHalves[1]!);
  }

  seekAt(ordinal: number): number {
    const block = this.blocks[ordinal >>> BLOCK_BITS]!;
    const place = ordinal & IN_BLOCK;
    this.#soughtHalves[0] = block.halves[2 * place]!;
    this.#soughtHalves[1] = block.halves[2 * place + 1]!;
    this.#soughtNegative = block.negative[place]!;
    return mix(this.#soughtHalves[0]!, this.#soughtHalves[1]!);
  }

  isSought(ordinal: number): boolean {
    const block = this.blocks[ordinal >>> BLOCK_BITS];
    const place = ordinal & IN_BLOCK;
    return (
      block !== undefined &&
      block.halves[2 * place] === this.#soughtHalves[0] &&
      block.halves[2 * place + 1] === this.#soughtHalves[1] &&
      block.negative[place] === this.#soughtNegative
    );
  }

  size(): number {
    return 9;
  }

  write(ordinal: number, into: Buffer, at: number): number {
    const block = this.blocks[ordinal >>> BLOCK_BITS]!;
    into.writeBigUInt64LE(block.low[ordinal & IN_BLOCK]!, at);
    into[at + 8] = block.negative[ordinal & IN_BLOCK]!;
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

/** Ids of a block: UTF-8 of all of them, one after the other, in the order in which they came. */
class Strings {
  bytes = Buffer.allocUnsafeSlow(1 << 10);
  used = 0;
  /** By ordinal: position and length in `bytes`; a length of 0 is no id. */
  readonly starts = new Uint32Array(BLOCK);
  readonly lengths = new Uint16Array(BLOCK);

  /** Room for an id; where it begins. */
  place(at: number, length: number): number {
    const start = this.#reserve(length);
    this.starts[at] = start;
    this.lengths[at] = length;
    return start;
  }

  /** Copies bytes in which ids are; where they begin. */
  take(bytes: Buffer): number {
    const start = this.#reserve(bytes.length);
    this.bytes.set(bytes, start);
    return start;
  }

  #reserve(length: number): number {
    if (this.used + length > this.bytes.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(this.used + length, Math.ceil(this.bytes.length * 1.5)));
      this.bytes.copy(bigger, 0, 0, this.used);
      this.bytes = bigger;
    }
    const start = this.used;
    this.used += length;
    return start;
  }
}

const NO_END = 'holds a string that does not end';

class StringColumn extends Blocks<Strings> implements IdColumn {
  #sought = Buffer.alloc(2048);
  #soughtLength = 0;

  #block(ordinal: number): Strings {
    this.blocks[ordinal >>> BLOCK_BITS] ??= new Strings();
    return this.blocks[ordinal >>> BLOCK_BITS]!;
  }

  set(ordinal: number, id: Id): void {
    const block = this.#block(ordinal);
    const start = block.place(ordinal & IN_BLOCK, Buffer.byteLength(id as string));
    block.bytes.write(id as string, start, 'utf8');
  }

  at(ordinal: number): Id {
    const { bytes, starts, lengths } = this.blocks[ordinal >>> BLOCK_BITS]!;
    const start = starts[ordinal & IN_BLOCK]!;
    return bytes.toString('utf8', start, start + lengths[ordinal & IN_BLOCK]!);
  }

  seek(id: Id): number {
    const length = Buffer.byteLength(id as string);
    if (length > this.#sought.length) this.#sought = Buffer.alloc(length);
    this.#sought.write(id as string, 0, 'utf8');
    this.#soughtLength = length;
    return hashBytes(this.#sought, 0, length);
  }

  seekAt(ordinal: number): number {
    const { bytes, starts, lengths } = this.blocks[ordinal >>> BLOCK_BITS]!;
    const start = starts[ordinal & IN_BLOCK]!;
    const length = lengths[ordinal & IN_BLOCK]!;
    bytes.copy(this.#sought, 0, start, start + length);
    this.#soughtLength = length;
    return hashBytes(this.#sought, 0, length);
  }

  isSought(ordinal: number): boolean {
    const block = this.blocks[ordinal >>> BLOCK_BITS];
    if (block === undefined) return false;
    const { bytes, starts, lengths } = block;
    const start = starts[ordinal & IN_BLOCK]!;
    const length = lengths[ordinal & IN_BLOCK]!;
    if (length !== this.#soughtLength) return false;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== this.#sought[i]) return false;
    return true;
  }

  size(ordinal: number): number {
    return 2 + this.blocks[ordinal >>> BLOCK_BITS]!.lengths[ordinal & IN_BLOCK]!;
  }

  write(ordinal: number, into: Buffer, at: number): number {
    const { bytes, starts, lengths } = this.blocks[ordinal >>> BLOCK_BITS]!;
    const start = starts[ordinal & IN_BLOCK]!;
    const length = lengths[ordinal & IN_BLOCK]!;
    into.writeUInt16LE(length, at);
    bytes.copy(into, at + 2, start, start + length);
    return 2 + length;
  }

  /** One copy, with the lengths between the strings. */
  override readMany(first: number, bits: Uint8Array, from: Buffer): number {
    const block = this.#block(first);
    const start = block.take(from);
    const { starts, lengths } = block;
    let at = 0;
    for (let i = 0; i < bits.length << 3; i++) {
      if ((bits[i >>> 3]! & (1 << (i & 7))) === 0) continue;
      const length = at + 2 > from.length ? 0 : from[at]! + (from[at + 1]! << 8);
      if (length === 0 || at + 2 + length > from.length) throw new RangeError(NO_END);
      starts[(first + i) & IN_BLOCK] = start + at + 2;
      lengths[(first + i) & IN_BLOCK] = length;
      at += 2 + length;
    }
    return at;
  }

  read(ordinal: number, from: Buffer, at: number): number {
    const length = from.readUInt16LE(at);
    if (length === 0 || at + 2 + length > from.length) throw new RangeError(NO_END);
    const block = this.#block(ordinal);
    const start = block.place(ordinal & IN_BLOCK, length);
    from.copy(block.bytes, start, at + 2, at + 2 + length);
    return 2 + length;
  }
}

function hashBytes(bytes: Buffer, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return mix(hash, to - from);
}
