/**
 * Looks at the file of LMDB before LMDB does. LMDB maps it and trusts it: a file cut short ends the process with SIGBUS,
 * a flipped bit in a page number with SIGSEGV. So all that LMDB follows (meta pages, trees, positions of nodes, overflow
 * pages) is followed here first, with reads that cannot crash. Values need no look: ours carry checksums.
 *
 * Layout (LMDB's data version 2, 64 bits, little-endian; `struct MDB_page_header`, `MDB_meta`, `MDB_db`, `MDB_node`,
 * `MDB_ovpage` in lmdb-js's mdb.c): pages with a header of 24 bytes {u64 number, u64 txn, u16, u16 flags, u16 lower,
 * u16 upper}, positions counted from behind it. A file of another version, or a platform of another kind, is left to LMDB.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { corrupt, diskError } from './errors.js';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const HEADER = 24;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;
const BIG_DATA = 1;
const SUB_TREE = 2;
/** The tables of lmdb-kv.ts and their flags: 8 for integer keys, 256 for versions. */
const TABLES = new Map([
  ['main', 256],
  ['ids', 8],
  ['dead', 8],
  ['payloads', 8],
]);
/** lmdb-js puts a float64 before each value of a table with versions. */
const VERSION_BYTES = 8;
const NONE = 0xffff_ffff_ffff_ffffn;
/** Leaves of payloads are followed up to this size of the file only, so that opening does not read gigabytes. */
const DEEP_BYTES = 256 << 20;

interface Meta {
  pageSize: number;
  lastPage: number;
  txn: number;
  trees: Tree[];
}

interface Tree {
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

class Broken extends Error {
  constructor(
    readonly section: string,
    why: string,
  ) {
    super(why);
  }
}

function isKnownPlatform(): boolean {
  return endianness() === 'LE' && !/^(arm|ia32|mips)$/.test(process.arch);
}

/** @throws FunnelError CORRUPT, DISK */
export function checkLmdbFile(path: string, name: string): void {
  if (!isKnownPlatform()) return;
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw diskError(`opening ${name}`, error);
  }
  try {
    // A writer that commits meanwhile may reuse pages that we are at: then what seems broken is looked at again.
    for (let attempt = 0; ; attempt++) {
      let txn = -1;
      try {
        const check = new Check(fd, (meta) => (txn = meta.txn));
        check.run();
        return;
      } catch (error) {
        if (!(error instanceof Broken)) throw diskError(`reading ${name}`, error);
        const moved = txn >= 0 && newestTxn(fd) > txn;
        if (moved && attempt < 20) continue;
        if (moved) return; // a writer is hard at work, so that the file is in good health
        throw corrupt(name, error.section, error.message);
      }
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * The record of the writer as the file has it, read without LMDB. Undefined where there is none, where another writer is too
 * quick to be followed, and where this cannot be read ({@link checkLmdbFile}).
 */
export function writerRecordOf(path: string): Buffer | undefined {
  if (!isKnownPlatform()) return undefined;
  const fd = openSync(path, 'r');
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        const check = new Check(fd);
        const { txn, trees } = check.meta();
        const main = check.find(trees[1]!, 'main');
        const record = main && check.find(readTree(main, 0, 'main'), 'writer');
        // LMDB writes over pages of this commit only in the one after the next.
        if (newestTxn(fd) <= txn + 1) return record?.subarray(VERSION_BYTES);
      } catch (error) {
        if (!(error instanceof Broken || error instanceof RangeError)) throw error;
      }
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function newestTxn(fd: number): number {
  try {
    return new Check(fd).meta().txn;
  } catch {
    return -1;
  }
}

class Check {
  readonly #fd: number;
  #size = 0;
  readonly #seen: (meta: Meta) => void;
  #pageSize = 4096;
  #meta!: Meta;
  #visited = new Uint8Array(0);
  /** Runs of pages that the next commits will write over. */
  readonly #free: [first: bigint, pages: bigint][] = [];
  readonly #tables = new Set<string>();

  constructor(fd: number, seen: (meta: Meta) => void = () => {}) {
    this.#fd = fd;
    this.#seen = seen;
  }

  run(): void {
    this.#meta = this.meta();
    this.#seen(this.#meta);
    // Looked at after the meta page: a writer makes the file longer before it writes the page that counts on it.
    this.#size = fstatSync(this.#fd).size;
    this.#visited = new Uint8Array(this.#meta.lastPage + 1);
    for (const tree of this.#meta.trees) this.#walk(tree, true);
    for (const [first, pages] of this.#free) this.#claim(first, pages, 'free pages');
    const missing = [...TABLES.keys()].find((name) => !this.#tables.has(name));
    if (missing !== undefined) throw new Broken('tables', `lack ${missing}`);
  }

  /** The value of a key in a tree, by a look at all of its nodes: for trees of a few. */
  find(tree: Tree, wanted: string): Buffer | undefined {
    const visit = (number: bigint, level: number): Buffer | undefined => {
      const page = this.#read(Number(number) * this.#pageSize, this.#pageSize, tree.name);
      for (let i = 0; i < page.readUInt16LE(20); i += 2) {
        const at = HEADER + page.readUInt16LE(HEADER + i);
        const value = at + 8 + page.readUInt16LE(at + 6);
        if (level < tree.depth) {
          const found = visit(BigInt(page.readUInt32LE(at)) + (BigInt(page.readUInt16LE(at + 4)) << 32n), level + 1);
          if (found !== undefined) return found;
        } else if (page.toString('latin1', at + 8, value).replace(/\0$/, '') === wanted) {
          const bytes = page.readUInt32LE(at);
          if (page.readUInt16LE(at + 4) !== BIG_DATA) return page.subarray(value, value + bytes);
          const first = Number(page.readBigUInt64LE(value));
          return this.#read(first * this.#pageSize + HEADER, bytes, tree.name);
        }
      }
      return undefined;
    };
    return tree.root === NONE || tree.depth > 32 ? undefined : visit(tree.root, 1);
  }

  /** The newest meta page. A writer may be at them: what was read is believed when it is the same twice. */
  meta(): Meta {
    for (let attempt = 0; ; attempt++) {
      const before = this.#metaBytes();
      let found: Meta | Broken;
      try {
        found = this.#newestMeta();
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        found = error;
      }
      if (!(found instanceof Broken)) return found;
      if (attempt === 20 || before.equals(this.#metaBytes())) throw found;
    }
  }

  /** Of both pages; their numbers tell where the second is. */
  #metaBytes(): Buffer {
    const pages = Buffer.alloc(2 * this.#pageSize);
    readSync(this.#fd, pages, 0, pages.length, 0);
    return pages;
  }

  /** They take turns: an even transaction writes page 0, an odd one page 1. */
  #newestMeta(): Meta {
    const first = this.#readMeta(0, 0);
    const second = this.#readMeta(1, first.pageSize);
    if (second.pageSize !== first.pageSize) throw new Broken('meta pages', 'differ in the size of pages');
    const [a, b] = [first.txn, second.txn];
    if ((a !== 0 || b !== 0) && (a % 2 !== 0 || b % 2 !== 1 || Math.abs(a - b) !== 1)) {
      throw new Broken('meta pages', `are of transactions ${a} and ${b}`);
    }
    this.#pageSize = first.pageSize;
    return b > a ? second : first;
  }

  #readMeta(page: number, offset: number): Meta {
    const bytes = this.#read(offset, HEADER + 136, 'meta pages');
    const broken = (why: string) => new Broken('meta pages', `${why} (page ${page})`);
    const at = HEADER;
    if (bytes.readBigUInt64LE(0) !== BigInt(page) || bytes.readUInt16LE(18) !== META) throw broken('are no meta pages');
    if (bytes.readUInt32LE(at) !== MAGIC) throw broken('are not those of LMDB');
    if ((bytes.readUInt32LE(at + 4) & 0xffff) !== DATA_VERSION) throw broken('are of another version of LMDB');
    const pageSize = bytes.readUInt32LE(at + 24);
    const mapSize = bytes.readBigUInt64LE(at + 16);
    const lastPage = bytes.readBigUInt64LE(at + 120);
    if (pageSize < 256 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) throw broken('have no size of pages');
    if (mapSize > 1n << 46n || (lastPage + 1n) * BigInt(pageSize) > mapSize) throw broken('have a wrong size');
    const trees = [readTree(bytes, at + 24, 'free pages'), readTree(bytes, at + 72, 'tables')];
    return { pageSize, lastPage: Number(lastPage), txn: Number(bytes.readBigUInt64LE(at + 128)), trees };
  }

  /** Follows a tree. Those of tables are leaves of the tree of tables. */
  #walk(tree: Tree, isCore: boolean): void {
    const section = isCore ? tree.name : `table ${tree.name}`;
    const counted = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    const shallow = tree.name === 'payloads' && this.#size > DEEP_BYTES;
    const subtrees: Tree[] = [];
    const visit = (number: bigint, level: number): void => {
      const isLeaf = level === tree.depth;
      if (isLeaf && shallow) {
        this.#visit(number, 1n, section);
        return;
      }
      const page = this.#page(number, section);
      const broken = (why: string) => new Broken(section, `${why} (page ${number})`);
      if (page.readUInt16LE(18) !== (isLeaf ? LEAF : BRANCH)) throw broken('has a page of the wrong kind');
      const lower = page.readUInt16LE(20);
      const upper = page.readUInt16LE(22);
      const room = this.#pageSize - HEADER;
      if (lower % 2 !== 0 || lower > upper || upper > room || lower === 0) throw broken('has a page without shape');
      isLeaf ? counted.leaves++ : counted.branches++;
      for (let i = 0; i < lower; i += 2) {
        const node = page.readUInt16LE(HEADER + i);
        if (node < upper || node + 8 > room) throw broken('has a node out of place');
        const at = HEADER + node;
        const keyBytes = page.readUInt16LE(at + 6);
        if (!isLeaf) {
          if (node + 8 + keyBytes > room) throw broken('has a key out of place');
          visit(BigInt(page.readUInt32LE(at)) + (BigInt(page.readUInt16LE(at + 4)) << 32n), level + 1);
          continue;
        }
        counted.entries++;
        const flags = page.readUInt16LE(at + 4);
        const bytes = page.readUInt32LE(at);
        const held = flags === BIG_DATA ? 24 : bytes;
        if (keyBytes === 0 || node + 8 + keyBytes + held > room) throw broken('has a value out of place');
        const value = at + 8 + keyBytes;
        if (tree.name === 'free pages') this.#readFree(page, at, broken);
        if (flags === BIG_DATA) counted.overflows += this.#overflow(page, value, bytes, section);
        else if (flags === SUB_TREE && isCore && tree.name === 'tables' && bytes === 48) {
          subtrees.push(readTree(page, value, page.toString('latin1', at + 8, value).replace(/\0$/, '')));
        } else if (flags !== 0) throw broken('has a node of the wrong kind');
      }
    };
    if (tree.root === NONE ? tree.depth !== 0 || tree.entries !== 0 : tree.depth === 0 || tree.depth > 32) {
      throw new Broken(section, 'has no depth');
    }
    if (tree.root !== NONE) visit(tree.root, 1);
    if (!shallow) {
      for (const count of ['branches', 'leaves', 'overflows', 'entries'] as const) {
        if (counted[count] !== tree[count])
          throw new Broken(section, `has ${counted[count]} ${count}, not ${tree[count]}`);
      }
    }
    for (const subtree of subtrees) {
      if (TABLES.get(subtree.name) !== subtree.flags) throw new Broken('tables', `have a strange one: ${subtree.name}`);
      this.#tables.add(subtree.name);
      this.#walk(subtree, false);
    }
  }

  /** A list of free pages: how many words follow, then numbers of pages, or minus a length and the first of a run; 0 is nothing. */
  #readFree(page: Buffer, node: number, broken: (why: string) => Broken): void {
    const bytes = page.readUInt32LE(node);
    let list = page.subarray(node + 16, node + 16 + bytes);
    if (page.readUInt16LE(node + 6) !== 8 || page.readBigUInt64LE(node + 8) > BigInt(this.#meta.txn)) {
      throw broken('has a list of another time');
    }
    if (page.readUInt16LE(node + 4) === BIG_DATA) {
      const at = page.readBigUInt64LE(node + 16);
      if (at > BigInt(this.#meta.lastPage)) throw broken('has a list out of place');
      list = this.#read(Number(at) * this.#pageSize + HEADER, bytes, 'free pages');
    }
    const words = bytes / 8 - 1;
    if (!Number.isInteger(words) || words < 0 || list.readBigUInt64LE(0) > BigInt(words))
      throw broken('has a list without end');
    for (let i = 1, end = Number(list.readBigUInt64LE(0)); i <= end; i++) {
      const word = list.readBigInt64LE(8 * i);
      if (word > 0n) this.#free.push([word, 1n]);
      else if (word < 0n) {
        if (++i > end) throw broken('has a list without end');
        this.#free.push([list.readBigUInt64LE(8 * i), -word]);
      }
    }
  }

  #overflow(page: Buffer, at: number, bytes: number, section: string): number {
    const number = page.readBigUInt64LE(at);
    const pages = page.readBigUInt64LE(at + 16);
    if (pages !== BigInt(Math.floor((HEADER - 1 + bytes) / this.#pageSize) + 1)) {
      throw new Broken(section, `has a value of ${pages} pages`);
    }
    this.#visit(number, pages, section);
    const header = this.#read(Number(number) * this.#pageSize, HEADER, section);
    const txn = BigInt(this.#meta.txn);
    if (header.readBigUInt64LE(8) > txn || page.readBigUInt64LE(at + 8) > txn) {
      throw new Broken(section, `has a page of another time (page ${number})`);
    }
    const isRight = header.readBigUInt64LE(0) === number && header.readUInt16LE(18) === OVERFLOW;
    if (!isRight || BigInt(header.readUInt32LE(20)) !== pages) {
      throw new Broken(section, `has a value in a page of the wrong kind (page ${number})`);
    }
    return Number(pages);
  }

  #page(number: bigint, section: string): Buffer {
    this.#visit(number, 1n, section);
    const page = this.#read(Number(number) * this.#pageSize, this.#pageSize, section);
    if (page.readBigUInt64LE(0) !== number || page.readBigUInt64LE(8) > BigInt(this.#meta.txn)) {
      throw new Broken(section, `has a page of another place or time (page ${number})`);
    }
    return page;
  }

  /** Each page has one use. */
  #visit(number: bigint, pages: bigint, section: string): void {
    if (Number(number + pages) * this.#pageSize > this.#size) throw new Broken(section, 'is cut off');
    this.#claim(number, pages, section);
  }

  /** Free pages at the end may lie behind the end of the file. */
  #claim(number: bigint, pages: bigint, section: string): void {
    if (number < 2n || number + pages - 1n > BigInt(this.#meta.lastPage)) {
      throw new Broken(section, `refers to page ${number} of ${this.#meta.lastPage + 1}`);
    }
    for (let i = Number(number); i < Number(number + pages); i++) {
      if (this.#visited[i]) throw new Broken(section, `has a page twice (page ${i})`);
      this.#visited[i] = 1;
    }
  }

  #read(offset: number, bytes: number, section: string): Buffer {
    const buffer = Buffer.allocUnsafe(bytes);
    if (readSync(this.#fd, buffer, 0, bytes, offset) !== bytes) throw new Broken(section, 'is cut off');
    return buffer;
  }
}

function readTree(bytes: Buffer, at: number, name: string): Tree {
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
