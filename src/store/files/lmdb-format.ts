/** The format of LMDB's file, as far as lmdb-check.ts reads it. */
import { readSync } from 'node:fs';

export const MAGIC = 0xbeefc0de;

export const DATA_VERSION = 2;

export const HEADER = 24;

export const BRANCH = 1;

export const LEAF = 2;

export const OVERFLOW = 4;

export const META = 8;

export const BIG_DATA = 1;

export const SUB_TREE = 2;

/** The tables of lmdb-env.ts and their flags: 8 for integer keys, 256 for versions. */
export const TABLES = new Map([
  ['main', 256],
  ['ids', 8],
  ['dead', 8],
  ['payloads', 8],
]);

/** lmdb-js puts a float64 before each value of a table with versions. */
export const VERSION_BYTES = 8;

export const NONE = 0xffff_ffff_ffff_ffffn;

export interface Meta {
  pageSize: number;
  lastPage: number;
  txn: number;
  trees: Tree[];
}

export interface Tree {
  name: string;
  /** Kind of keys, and whether values have versions. */
  flags: number;
  depth: number;
  branches: number;
  leaves: number;
  overflows: number;
  entries: number;
  root: bigint;
}

export class Broken extends Error {
  constructor(
    readonly section: string,
    why: string,
  ) {
    super(why);
  }
}

/** No page number, count or transaction of a file in good health is beyond what a float64 holds. */
export function uint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

export function int64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readInt32LE(at + 4) * 2 ** 32;
}

const WINDOW_BYTES = 1 << 16;

/**
 * Reads more than was asked for while one read follows the other: neighbours were mostly written together. Pages that a meta page
 * leads to never change while it is the newest.
 */
export class Window {
  readonly #fd: number;
  #bytes: Buffer | undefined;
  #from = 0;
  #to = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Until the next read. */
  read(offset: number, bytes: number, section: string): Buffer {
    this.#bytes ??= Buffer.allocUnsafeSlow(2 * WINDOW_BYTES);
    if (offset < this.#from || offset + bytes > this.#to) {
      const follows = offset >= this.#from && offset <= this.#to + WINDOW_BYTES;
      const wanted = Math.max(bytes, follows ? WINDOW_BYTES : 0);
      const got = readSync(this.#fd, this.#bytes, 0, wanted, offset);
      this.#from = offset;
      this.#to = offset + got;
      if (got < bytes) throw new Broken(section, 'is cut off');
    }
    return this.#bytes.subarray(offset - this.#from, offset - this.#from + bytes);
  }
}

export function readTree(bytes: Buffer, at: number, name: string): Tree {
  const number = (offset: number) => Number(bytes.readBigUInt64LE(at + offset));
  return {
    name,
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    branches: number(8),
    leaves: number(16),
    overflows: number(24),
    entries: number(32),
    root: bytes.readBigUInt64LE(at + 40),
  };
}
