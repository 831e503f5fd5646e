/** One look at the pages of LMDB's file: whether numbers and sizes lead where LMDB may follow them. */
import { fstatSync, readSync } from 'node:fs';
import { atOnce, type Sliced } from '../../core/slices.js';
import {
  BIG_DATA,
  BRANCH,
  Broken,
  DATA_VERSION,
  HEADER,
  int64,
  LEAF,
  MAGIC,
  META,
  type Meta,
  NONE,
  OVERFLOW,
  readTree,
  SUB_TREE,
  TABLES,
  type Tree,
  uint64,
  Window,
} from './lmdb-format.js';

/** Leaves of payloads are followed up to this size of the file only, so that opening does not read gigabytes. */
const DEEP_BYTES = 256 << 20;

/** Pages that are looked at between two turns. */
const PAGES_AT_ONCE = 32;

type PageRun = [first: number, pages: number];

/** The two trees that all hang from fill it. */
interface Roots {
  tables: Tree[];
  free: PageRun[];
  /** Free pages are those that commits before this one have left. */
  before: number;
  /** Counts free pages, which are then not listed. */
  counted?: { pages: number };
}

/** Pages that nobody needs. */
export interface FreePages {
  /** The newest commit when they were looked up, and the oldest that was being read. */
  txn: number;
  oldest: number;
  pageSize: number;
  /** Runs of pages that no commit from number `oldest` on needs, ascending. */
  free: readonly PageRun[];
}

export class Check {
  readonly #fd: number;
  #size = 0;
  #pageSize = 4096;
  #meta: Meta | undefined;
  #visited = new Uint8Array(0);
  readonly #pages: Window;
  readonly #values: Window;

  constructor(fd: number) {
    this.#fd = fd;
    this.#pages = new Window(fd);
    this.#values = new Window(fd);
  }

  /** Transaction number of the meta page that is believed; -1 before there is one. */
  get txn(): number {
    return this.#meta?.txn ?? -1;
  }

  /** Looks at all that the tables hang from; what is left are their trees. */
  begin(): Sliced<void> {
    const meta = this.meta();
    this.#meta = meta;
    // Looked at after the meta page: a writer makes the file longer before it writes the page that counts on it.
    this.#size = fstatSync(this.#fd).size;
    this.#visited = new Uint8Array(meta.lastPage + 1);
    const tables: Tree[] = [];
    /** The next commits will write over them. */
    const free: PageRun[] = [];
    for (const tree of meta.trees) atOnce(this.#walk(tree, { tables, free, before: Number.POSITIVE_INFINITY }));
    const missing = [...TABLES.keys()].find((name) => !tables.some((table) => table.name === name));
    if (missing !== undefined) throw new Broken('tables', `lack ${missing}`);
    return this.#rest(tables, free);
  }

  /** Bytes of pages that are in use, by a count of the free ones alone. */
  bytesInUse(): number {
    const { lastPage, pageSize } = this.#begun();
    const counted = { pages: 0 };
    this.#lists({ tables: [], free: [], before: Number.POSITIVE_INFINITY, counted });
    return (lastPage + 1 - counted.pages) * pageSize;
  }

  /** Free pages that may be written over now, in order. @param oldest the commit that the oldest reader reads */
  freePages(oldest: number): FreePages {
    const { txn, pageSize } = this.#begun();
    const free: PageRun[] = [];
    // As LMDB itself would write over them: the commit before the newest is left whole, too.
    this.#lists({ tables: [], free, before: Math.min(oldest, txn) });
    for (const [first, pages] of free) this.#claim(first, pages, 'free pages');
    return { txn, oldest, pageSize, free: joined(free.sort(([a], [b]) => a - b)) };
  }

  #begun(): Meta {
    const meta = this.meta();
    this.#meta = meta;
    this.#size = fstatSync(this.#fd).size;
    this.#visited = new Uint8Array(meta.lastPage + 1);
    return meta;
  }

  #lists(roots: Roots): void {
    atOnce(this.#walk(this.#meta!.trees[0]!, roots));
  }

  *#rest(tables: readonly Tree[], free: readonly PageRun[]): Sliced<void> {
    for (const tree of tables) yield* this.#walk(tree);
    for (const [i, [first, pages]] of free.entries()) {
      if (i % 1024 === 1023) yield;
      this.#claim(first, pages, 'free pages');
    }
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

  /**
   * The newest meta page. A writer may be at it while we read: a read may give the number of the new commit and trees of the one
   * before. So what was read is believed when it is the same twice.
   */
  meta(): Meta {
    let pages = this.#metaBytes();
    for (let attempt = 0; ; attempt++) {
      let found: Meta | Broken;
      try {
        found = this.#newestMeta(pages);
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        found = error;
      }
      const before = pages;
      pages = this.#metaBytes();
      if (attempt < 20 && !pages.equals(before)) continue;
      if (found instanceof Broken) throw found;
      return found;
    }
  }

  /** The bytes of both pages. */
  #metaBytes(): Buffer {
    const pages = Buffer.alloc(2 * this.#pageSize);
    readSync(this.#fd, pages, 0, pages.length, 0);
    return pages;
  }

  /** They take turns: an even transaction writes page 0, an odd one page 1. */
  #newestMeta(pages: Buffer): Meta {
    const first = this.#readMeta(0, pages, 0);
    this.#pageSize = first.pageSize;
    const second = this.#readMeta(1, pages, first.pageSize);
    if (second.pageSize !== first.pageSize) throw new Broken('meta pages', 'differ in the size of pages');
    const [a, b] = [first.txn, second.txn];
    if ((a !== 0 || b !== 0) && (a % 2 !== 0 || b % 2 !== 1 || Math.abs(a - b) !== 1)) {
      throw new Broken('meta pages', `are of transactions ${a} and ${b}`);
    }
    return b > a ? second : first;
  }

  #readMeta(page: number, pages: Buffer, offset: number): Meta {
    const bytes = pages.subarray(offset, offset + HEADER + 136);
    if (bytes.length < HEADER + 136) throw new Broken('meta pages', 'are cut off');
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

  /** Follows a tree: one of a table, or one of the two that all hang from, which fill `core`. */
  *#walk(tree: Tree, core?: Roots): Sliced<void> {
    const section = core === undefined ? `table ${tree.name}` : tree.name;
    const isShallow = tree.name === 'payloads' && this.#size > DEEP_BYTES;
    if (tree.root === NONE ? tree.depth !== 0 || tree.entries !== 0 : tree.depth === 0 || tree.depth > 32) {
      throw new Broken(section, 'has no depth');
    }
    const counted = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    /** Pages still to be looked at, the next one last. */
    const numbers = tree.root === NONE ? [] : [Number(tree.root)];
    const levels = [1];
    for (let looked = 1; numbers.length > 0; looked++) {
      if (looked % PAGES_AT_ONCE === 0) yield;
      const number = numbers.pop()!;
      const level = levels.pop()!;
      if (level === tree.depth && isShallow) this.#visit(number, 1, section);
      else if (level === tree.depth) this.#lookAtLeaf(number, section, counted, tree, core);
      else {
        this.#lookAtBranch(number, section, numbers);
        counted.branches++;
        while (levels.length < numbers.length) levels.push(level + 1);
      }
    }
    if (isShallow) return;
    for (const count of ['branches', 'leaves', 'overflows', 'entries'] as const) {
      if (counted[count] !== tree[count])
        throw new Broken(section, `has ${counted[count]} ${count}, not ${tree[count]}`);
    }
  }

  #lookAtBranch(number: number, section: string, children: number[]): void {
    const page = this.#page(number, section);
    const [lower, upper] = this.#shapeOf(page, BRANCH, number, section);
    const room = this.#pageSize - HEADER;
    // From behind: the first child is to be the next page.
    for (let i = lower - 2; i >= 0; i -= 2) {
      const node = page.readUInt16LE(HEADER + i);
      if (node < upper || node + 8 > room) throw brokenPage(section, 'has a node out of place', number);
      const at = HEADER + node;
      if (node + 8 + page.readUInt16LE(at + 6) > room) throw brokenPage(section, 'has a key out of place', number);
      children.push(page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32);
    }
  }

  #lookAtLeaf(
    number: number,
    section: string,
    counted: { leaves: number; overflows: number; entries: number },
    { name }: Tree,
    core: Roots | undefined,
  ): void {
    const page = this.#page(number, section);
    const [lower, upper] = this.#shapeOf(page, LEAF, number, section);
    const room = this.#pageSize - HEADER;
    counted.leaves++;
    for (let i = 0; i < lower; i += 2) {
      const node = page.readUInt16LE(HEADER + i);
      if (node < upper || node + 8 > room) throw brokenPage(section, 'has a node out of place', number);
      const at = HEADER + node;
      const keyBytes = page.readUInt16LE(at + 6);
      counted.entries++;
      const flags = page.readUInt16LE(at + 4);
      const bytes = page.readUInt32LE(at);
      const held = flags === BIG_DATA ? 24 : bytes;
      const value = at + 8 + keyBytes;
      if (keyBytes === 0 || value - HEADER + held > room) throw brokenPage(section, 'has a value out of place', number);
      if (core !== undefined && name === 'free pages') this.#readFree(page, at, number, core);
      if (flags === BIG_DATA) counted.overflows += this.#overflow(page, value, bytes, section);
      else if (flags === SUB_TREE && core !== undefined && name === 'tables' && bytes === 48) {
        const table = readTree(page, value, page.toString('latin1', at + 8, value).replace(/\0$/, ''));
        if (TABLES.get(table.name) !== table.flags) throw new Broken('tables', `have a strange one: ${table.name}`);
        core.tables.push(table);
      } else if (flags !== 0) throw brokenPage(section, 'has a node of the wrong kind', number);
    }
  }

  /** Where the positions of nodes end, and where the nodes begin. */
  #shapeOf(page: Buffer, kind: number, number: number, section: string): [lower: number, upper: number] {
    if (page.readUInt16LE(18) !== kind) throw brokenPage(section, 'has a page of the wrong kind', number);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    if (lower % 2 !== 0 || lower > upper || upper > this.#pageSize - HEADER || lower === 0) {
      throw brokenPage(section, 'has a page without shape', number);
    }
    return [lower, upper];
  }

  /** A list of free pages: how many words follow, then numbers of pages, or minus a length and the first of a run; 0 is nothing. */
  #readFree(page: Buffer, node: number, number: number, { free, before, counted }: Roots): void {
    const broken = (why: string) => brokenPage('free pages', why, number);
    const { txn, lastPage } = this.#meta!;
    const bytes = page.readUInt32LE(node);
    let list = page.subarray(node + 16, node + 16 + bytes);
    if (page.readUInt16LE(node + 6) !== 8 || uint64(page, node + 8) > txn) throw broken('has a list of another time');
    if (uint64(page, node + 8) >= before) return;
    if (page.readUInt16LE(node + 4) === BIG_DATA) {
      const at = uint64(page, node + 16);
      if (at > lastPage) throw broken('has a list out of place');
      list = this.#read(at * this.#pageSize + HEADER, bytes, 'free pages');
    }
    const words = bytes / 8 - 1;
    if (!Number.isInteger(words) || words < 0 || uint64(list, 0) > words) throw broken('has a list without end');
    for (let i = 1, end = uint64(list, 0); i <= end; i++) {
      const word = int64(list, 8 * i);
      if (word < 0 && ++i > end) throw broken('has a list without end');
      if (counted !== undefined) counted.pages += Math.abs(word < 0 ? word : Math.sign(word));
      else if (word > 0) free.push([word, 1]);
      else if (word < 0) free.push([uint64(list, 8 * i), -word]);
    }
  }

  #overflow(page: Buffer, at: number, bytes: number, section: string): number {
    const number = uint64(page, at);
    const pages = uint64(page, at + 16);
    if (pages !== Math.floor((HEADER - 1 + bytes) / this.#pageSize) + 1) {
      throw new Broken(section, `has a value of ${pages} pages`);
    }
    this.#visit(number, pages, section);
    const header = this.#values.read(number * this.#pageSize, HEADER, section);
    const { txn } = this.#meta!;
    if (uint64(header, 8) > txn || uint64(page, at + 8) > txn) {
      throw brokenPage(section, 'has a page of another time', number);
    }
    if (uint64(header, 0) !== number || header.readUInt16LE(18) !== OVERFLOW || header.readUInt32LE(20) !== pages) {
      throw brokenPage(section, 'has a value in a page of the wrong kind', number);
    }
    return pages;
  }

  /** Until the next one is read. */
  #page(number: number, section: string): Buffer {
    this.#visit(number, 1, section);
    const page = this.#pages.read(number * this.#pageSize, this.#pageSize, section);
    if (uint64(page, 0) !== number || uint64(page, 8) > this.#meta!.txn) {
      throw brokenPage(section, 'has a page of another place or time', number);
    }
    return page;
  }

  /** Each page has one use. */
  #visit(number: number, pages: number, section: string): void {
    if ((number + pages) * this.#pageSize > this.#size) throw new Broken(section, 'is cut off');
    this.#claim(number, pages, section);
  }

  /** Free pages at the end may lie behind the end of the file. */
  #claim(number: number, pages: number, section: string): void {
    const { lastPage } = this.#meta!;
    if (number < 2 || number + pages - 1 > lastPage) {
      throw new Broken(section, `refers to page ${number} of ${lastPage + 1}`);
    }
    for (let i = number; i < number + pages; i++) {
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

function joined(runs: readonly PageRun[]): PageRun[] {
  const out: PageRun[] = [];
  for (const [first, pages] of runs) {
    const last = out.at(-1);
    if (last !== undefined && last[0] + last[1] === first) last[1] += pages;
    else out.push([first, pages]);
  }
  return out;
}

function brokenPage(section: string, why: string, page: number): Broken {
  return new Broken(section, `${why} (page ${page})`);
}
