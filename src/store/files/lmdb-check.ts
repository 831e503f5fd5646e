/**
 * Looks at the file of LMDB before LMDB does. LMDB maps it and trusts it: a file cut short ends the process with SIGBUS,
 * a flipped bit in a page number with SIGSEGV. So all that LMDB follows (meta pages, trees, positions of nodes, overflow
 * pages) is followed here first, with reads that cannot crash. Values need no look: ours carry checksums.
 *
 * Layout (LMDB's data version 2, 64 bits, little-endian; `struct MDB_page_header`, `MDB_meta`, `MDB_db`, `MDB_node`,
 * `MDB_ovpage` in lmdb-js's mdb.c): pages with a header of 24 bytes {u64 number, u64 txn, u16, u16 flags, u16 lower,
 * u16 upper}, positions counted from behind it. A file of another version, or a platform of another kind, is left to LMDB.
 */

import { closeSync, openSync } from 'node:fs';
import { endianness } from 'node:os';
import { isErrorOf } from '../../core/realm.js';
import type { Sliced } from '../../core/slices.js';
import { corrupt, diskError } from './errors.js';
import { Broken, readTree, VERSION_BYTES } from './lmdb-format.js';
import { Check } from './lmdb-pages.js';
import { pause, type Steps, take, turnStep } from './step.js';

function isKnownPlatform(): boolean {
  return endianness() === 'LE' && !/^(arm|ia32|mips)$/.test(process.arch);
}

/** A check that has begun. */
export interface LmdbCheck {
  /** Checks the rest. @throws FunnelError CORRUPT, DISK */
  rest(): Steps<void>;
  close(): void;
}

/**
 * Looks at once at all that LMDB follows when it opens the file: meta pages, the list of free pages, the table of tables.
 * The trees of the tables are left to `rest()`; nobody may read or write them before.
 *
 * @throws FunnelError CORRUPT, DISK
 */
export function checkLmdbFile(path: string, name: string): LmdbCheck {
  if (!isKnownPlatform()) return { *rest() {}, close() {} };
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw diskError(`opening ${name}`, error);
  }
  try {
    const check = new RepeatedCheck(fd, name);
    check.begin();
    return { rest: () => check.rest(), close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

const MOST_ATTEMPTS = 20;

/** Looks at what seems broken without a commit since, and milliseconds before each: damage stays, the work of a writer does not. */
const MOST_DOUBTS = 2;
const DOUBT_MS = 4;

/** A writer that commits meanwhile may reuse pages that we are at: then what seems broken is looked at again. */
class RepeatedCheck {
  #check!: Check;
  #rest: Sliced<void> | undefined;
  #attempts = 0;
  #doubts = 0;

  constructor(
    readonly fd: number,
    readonly file: string,
  ) {}

  begin(): void {
    do {
      this.#rest = undefined;
      this.#check = new Check(this.fd);
      try {
        this.#rest = this.#check.begin();
        return;
      } catch (error) {
        this.#checkMoved(error);
      }
    } while (this.#attempts++ < MOST_ATTEMPTS); // beyond, a writer is hard at work, so that the file is in good health
  }

  *rest(): Steps<void> {
    while (this.#rest !== undefined) {
      try {
        if (this.#rest.next().done) return;
      } catch (error) {
        this.#checkMoved(error);
        if (this.#attempts++ === MOST_ATTEMPTS) return;
        this.begin();
      }
      yield* take(turnStep);
    }
  }

  /** @throws FunnelError unless there was a commit since we began, or may be one under way */
  #checkMoved(error: unknown): void {
    if (!(error instanceof Broken)) throw diskError(`reading ${this.file}`, error);
    const { txn } = this.#check;
    if (txn >= 0 && newestTxn(this.fd) > txn) return;
    if (this.#doubts++ === MOST_DOUBTS) throw corrupt(this.file, error.section, error.message);
    pause(DOUBT_MS).now();
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
        if (!(error instanceof Broken || isErrorOf(error, 'RangeError'))) throw error;
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
