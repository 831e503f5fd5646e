/**
 * The store in LMDB.
 *
 * `overlappingSync` is off: a commit then returns only after LMDB has synced its pages and, after them, the meta page
 * that makes them visible. So a resolved promise of lmdb-js, and the return of `transactionSync`, mean durable, without
 * `db.flushed` (with overlapping syncs neither would).
 */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { othersTurn } from '../../core/turns.js';
import { diskError, filesError, lockLost } from './errors.js';
import type { Commit, Entries, Kv } from './kv.js';
import { LONGEST_MS, takeLatch } from './latch.js';
import {
  type Db,
  LMDB_FILE,
  type LmdbOptions,
  lmdbPath,
  meetTurn,
  named,
  namedWrite,
  openEnv,
  READ_ONLY,
  readError,
  reason,
  type Tables,
} from './lmdb-env.js';
import { bytesOnDisk, hasSlack, oldestRead, punchHoles } from './lmdb-holes.js';
import type { FreePages } from './lmdb-pages.js';
import { mapOfThread } from './of-thread.js';
import { openFiles, shareEnv } from './shared-envs.js';
import type { FileStep } from './step.js';

/** Entries that are queued in one go: some milliseconds of work. More payloads of new rows go ahead of their commit. */
const QUEUED_AT_ONCE = 4096;

/** @throws FunnelError MISSING_PACKAGE, CORRUPT, DISK, NOT_WRITABLE */
export function lmdbKv(path: string, options: LmdbOptions): Kv {
  return new LmdbKv(path, options);
}

class LmdbKv implements Kv {
  readonly file = LMDB_FILE;
  readonly #path: string;
  readonly #options: LmdbOptions;
  #db: Tables;
  #release: () => void = () => {};
  /** The version of the writer record while it is ours. */
  #token: number | undefined;
  /** The free pages, while they are being given back. */
  #free: FreePages | undefined;

  constructor(path: string, options: LmdbOptions) {
    this.#path = resolve(path); // the process may move to another folder
    this.#options = options;
    this.#db = this.#open();
  }

  #open(): Tables {
    // A new index has no file yet, and nobody else knows of it.
    const release = existsSync(this.#path) ? shareEnv(this.#path, this.#options.readOnly, this) : () => {};
    latchAtExit();
    const unlatch = takeLatch(this.#path);
    try {
      const db = openEnv(this.#path, this.#options);
      this.#release = release;
      return db;
    } catch (error) {
      release();
      throw error;
    } finally {
      unlatch();
    }
  }

  async #closeEnv(root: Db): Promise<void> {
    const release = this.#release;
    const unlatch = takeLatch(this.#path);
    let late: NodeJS.Timeout | undefined;
    try {
      const closing = root.close();
      if (root.status === 'closed') {
        unlatch();
        release(); // a synchronous caller may open it anew before a promise is settled
      }
      // lmdb-js closes it after its own writes and reads; for those that never end nobody else should wait.
      else late = setTimeout(unlatch, LONGEST_MS).unref();
      await closing;
    } finally {
      clearTimeout(late);
      unlatch();
      release();
    }
  }

  state(): Uint8Array | undefined {
    return this.#read('state record', () => this.#db.main.getBinary('state'));
  }

  ids(page: number): Uint8Array | undefined {
    return this.#read('ids', () => this.#db.ids.getBinary(page));
  }

  dead(page: number): Uint8Array | undefined {
    return this.#read('tombstones', () => this.#db.dead.getBinary(page));
  }

  payload(ordinal: number): Uint8Array | undefined {
    return this.#read('payloads', () => this.#db.payloads.getBinary(ordinal));
  }

  changes(at: number): Uint8Array | undefined {
    return this.#read('changes', () => this.#db.main.getBinary(changeKey(at)));
  }

  edits(page: number): Uint8Array | undefined {
    return this.#read('edits', () => this.#db.main.getBinary(editKey(page)));
  }

  #read<T>(section: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw readError(section, 'cannot be read', error);
    }
  }

  /** lmdb-js keeps one read transaction until the event loop turns, so that what runs in one go sees one commit. */
  snapshot<T>(read: () => T): T {
    this.#read('environment', () => this.#db.root.resetReadTxn());
    return read();
  }

  claim(decide: (holder: Uint8Array | undefined) => Uint8Array): void {
    const { root, main } = this.#db;
    const token = randomBytes(6).readUIntBE(0, 6) + 1;
    try {
      root.transactionSync(() => {
        const record = decide(main.getBinary('writer'));
        main.put('writer', record, token);
      });
    } catch (error) {
      throw diskError(`becoming the writer in ${LMDB_FILE}`, namedWrite(error, this.#path), READ_ONLY);
    }
    this.#token = token;
  }

  commit(commit: Commit): FileStep<void> {
    return {
      now: () => this.#nowAsWriter(() => this.#write(commit)),
      later: () => this.#asWriter(() => this.#write(commit)),
    };
  }

  #nowAsWriter(write: () => void): void {
    this.#check();
    try {
      this.#db.root.transactionSync(() => {
        if (this.#db.main.getEntry('writer')?.version !== this.#token) throw lockLost();
        write();
      });
    } catch (error) {
      throw diskError(`committing to ${LMDB_FILE}`, namedWrite(error, this.#path));
    }
  }

  /** Queues what `write` puts and removes, in one go: it is done in one transaction, if we are still the writer then. */
  async #asWriter(write: () => void): Promise<void> {
    const token = this.#check();
    let held: boolean;
    try {
      held = await this.#db.main.ifVersion('writer', token, write);
    } catch (error) {
      throw diskError(`committing to ${LMDB_FILE}`, namedWrite(await reason(this.#db.root, error), this.#path));
    }
    if (!held) throw lockLost();
  }

  isLong(payloads: number): FileStep<boolean> {
    return { now: () => false, later: async () => payloads > 2 * QUEUED_AT_ONCE };
  }

  stage(payloads: Entries): FileStep<boolean> {
    const isLong = this.isLong(payloads.length);
    return {
      now: () => isLong.now(),
      later: async () => {
        if (!(await isLong.later())) return false;
        const parts: Promise<void>[] = [];
        for (let from = 0; from < payloads.length; from += QUEUED_AT_ONCE) {
          const part = payloads.slice(from, from + QUEUED_AT_ONCE);
          const queued = this.#asWriter(() => put(this.#db.payloads, part));
          queued.catch(() => {}); // met when all have ended: nothing may come behind what is removed then
          parts.push(queued);
          await othersTurn();
          meetTurn(this.#db.root);
        }
        await Promise.allSettled(parts);
        await Promise.all(parts);
        return true;
      },
    };
  }

  unstage(rows: number): FileStep<void> {
    /** Some of them, until there are none. */
    const some = (): Entries => {
      const keys = this.#read('payloads', () => {
        this.#db.root.resetReadTxn();
        return Array.from(this.#db.payloads.getKeys({ start: rows, limit: QUEUED_AT_ONCE }));
      });
      return keys.map((key): [number, undefined] => [key, undefined]);
    };
    return {
      now: () => {
        for (let gone = some(); gone.length > 0; gone = some()) this.#nowAsWriter(() => put(this.#db.payloads, gone));
      },
      later: async () => {
        for (let gone = some(); gone.length > 0; gone = some())
          await this.#asWriter(() => put(this.#db.payloads, gone));
      },
    };
  }

  /** The token of the writer that we are. */
  #check(): number {
    if (this.#token === undefined) throw filesError('NOT_WRITABLE', 'Expected to be the writer of the index');
    return this.#token;
  }

  #write(commit: Commit): void {
    const { main, ids, dead, payloads } = this.#db;
    put(ids, commit.ids);
    put(dead, commit.dead);
    put(payloads, commit.payloads);
    putNamed(main, changeKey, commit.changes);
    putNamed(main, editKey, commit.edits);
    main.put('state', commit.state, 0);
  }

  reopen(): void {
    void this.#closeEnv(this.#db.root).catch(() => {});
    this.#db = this.#open();
  }

  async copyTo(path: string): Promise<void> {
    try {
      // Compact: without the pages that are free, which the copy would never need.
      await this.#db.root.backup(lmdbPath(path), true);
    } catch (error) {
      throw diskError(`copying ${LMDB_FILE}`, namedWrite(error, path));
    }
  }

  bytes(): number {
    try {
      return bytesOnDisk(statSync(this.#path));
    } catch (error) {
      throw diskError(`looking at ${LMDB_FILE}`, error);
    }
  }

  hasSlack(): boolean {
    return this.#token !== undefined && hasSlack(this.#path);
  }

  giveBack(from: number): number | undefined {
    const { root, main } = this.#db;
    try {
      root.resetReadTxn();
      root.readerCheck(); // of processes that ended in the middle of a read
      return root.transactionSync(() => {
        if (main.getEntry('writer')?.version !== this.#token) return undefined;
        const { next, known } = punchHoles(this.#path, from, oldestRead(root.readerList()), this.#free);
        this.#free = next === undefined || next === 0 ? undefined : known;
        return next;
      });
    } catch {
      return undefined;
    }
  }

  close(): FileStep<void> {
    return {
      now: () => {
        const { root, main } = this.#db;
        const token = this.#token;
        this.#token = undefined;
        try {
          if (token === undefined) return;
          root.transactionSync(() => {
            if (main.getEntry('writer')?.version === token) main.remove('writer');
          });
        } catch (error) {
          throw diskError(`closing ${LMDB_FILE}`, named(error));
        } finally {
          void this.#closeEnv(root).catch(() => {});
        }
      },
      later: async () => {
        const { root, main } = this.#db;
        const token = this.#token;
        this.#token = undefined;
        try {
          if (token === undefined) return;
          await main.remove('writer', token);
          if (this.#options.relaxed) await new Promise<void>((resolve) => root.sync(() => resolve()));
        } catch (error) {
          throw diskError(`closing ${LMDB_FILE}`, named(await reason(root, error)));
        } finally {
          await this.#closeEnv(root);
        }
      },
    };
  }
}

/** lmdb-js closes what is open when the process or the thread ends. The system drops these latches right behind. */
function latchAtExit(): void {
  const asked = mapOfThread<true>('funnelvec.latchedAtExit');
  if (asked.has('')) return;
  asked.set('', true);
  process.once('exit', () => {
    for (const file of openFiles()) takeLatch(file);
  });
}

function changeKey(at: number): string {
  return `changes-${at}`;
}

function editKey(page: number): string {
  return `edits-${page}`;
}

function putNamed(main: Db, keyOf: (key: number) => string, entries: Entries = []): void {
  for (const [key, value] of entries) {
    void (value === undefined ? main.remove(keyOf(key)) : main.put(keyOf(key), value, 0));
  }
}

function put(db: Db, entries: Entries): void {
  for (const [key, value] of entries) void (value === undefined ? db.remove(key) : db.put(key, value));
}
