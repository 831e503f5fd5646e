/**
 * The store in LMDB.
 *
 * `overlappingSync` is off: a commit then returns only after LMDB has synced its pages and, after them, the meta page
 * that makes them visible. So a resolved promise of lmdb-js, and the return of `transactionSync`, mean durable, without
 * `db.flushed` (with overlapping syncs neither would).
 */
import { randomBytes } from 'node:crypto';
import { accessSync, closeSync, existsSync, constants as fsConstants, openSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, resolve } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { loadInParts, loadOptional } from '../../core/optional.js';
import { corrupt, diskError, filesError, isForbidden, lockLost } from './errors.js';
import type { Commit, Entries, Kv } from './kv.js';
import { LONGEST_MS, takeLatch } from './latch.js';
import { bytesOnDisk, hasSlack, oldestRead, punchHoles } from './lmdb-holes.js';
import type { FreePages } from './lmdb-pages.js';
import { mapOfThread } from './of-thread.js';
import { openFiles, shareEnv } from './shared-envs.js';
import { type FileStep, inTurns, type Steps } from './step.js';

/** As much of lmdb-js as is used here. */
interface Db {
  getBinary(key: unknown): Uint8Array | undefined;
  getEntry(key: unknown): { value: Uint8Array; version: number } | undefined;
  put(key: unknown, value: Uint8Array, version?: number): Promise<boolean>;
  remove(key: unknown, ifVersion?: number): Promise<boolean>;
  ifVersion(key: unknown, version: number, writes: () => void): Promise<boolean>;
  transactionSync<T>(run: () => T): T;
  resetReadTxn(): void;
  /** Frees the places of readers whose process has gone. */
  readerCheck(): number;
  readerList(): string;
  openDB(name: string, options: object): Db | undefined;
  sync(done: (error?: unknown) => void): void;
  /** Settles with all writes that are under way. */
  readonly committed: PromiseLike<unknown>;
  close(): Promise<void>;
  readonly status: string;
  backup(path: string, compact: boolean): Promise<void>;
}

interface Open {
  root: Db;
  main: Db;
  ids: Db;
  dead: Db;
  payloads: Db;
}

export const LMDB_FILE = 'data.mdb';

export interface LmdbOptions {
  readOnly: boolean;
  /** Skip LMDB's syncs. */
  relaxed: boolean;
}

/** @throws FunnelError MISSING_PACKAGE, CORRUPT, DISK, NOT_WRITABLE */
export function lmdbKv(path: string, options: LmdbOptions): Kv {
  return new LmdbKv(path, options);
}

function loadLmdb(): { open(options: object): Db } {
  return loadOptional('lmdb', 'indexes with a path need') as { open(options: object): Db };
}

/** Before the first {@link lmdbKv}, so that the event loop turns meanwhile. */
export function prepareLmdb(): Steps<void> {
  return inTurns(loadInParts('lmdb'));
}

class LmdbKv implements Kv {
  readonly file = LMDB_FILE;
  readonly #path: string;
  readonly #options: LmdbOptions;
  #db: Open;
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

  #open(): Open {
    // A new index has no file yet, and nobody else knows of it.
    const release = existsSync(this.#path) ? shareEnv(this.#path, this.#options.readOnly, this) : () => {};
    latchAtExit();
    const unlatch = takeLatch(this.#path);
    try {
      const db = open(this.#path, this.#options);
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
      if (root.status === 'closed') unlatch();
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
      throw diskError(`becoming the writer in ${LMDB_FILE}`, named(error), READ_ONLY);
    }
    this.#token = token;
  }

  commit(commit: Commit): FileStep<void> {
    return {
      now: () => this.#commitNow(commit),
      later: () => this.#commitLater(commit),
    };
  }

  #commitNow(commit: Commit): void {
    this.#check();
    try {
      this.#db.root.transactionSync(() => {
        if (this.#db.main.getEntry('writer')?.version !== this.#token) throw lockLost();
        this.#write(commit);
      });
    } catch (error) {
      throw diskError(`committing to ${LMDB_FILE}`, named(error));
    }
  }

  async #commitLater(commit: Commit): Promise<void> {
    const token = this.#check();
    let held: boolean;
    try {
      held = await this.#db.main.ifVersion('writer', token, () => this.#write(commit));
    } catch (error) {
      throw diskError(`committing to ${LMDB_FILE}`, named(await reason(this.#db.root, error)));
    }
    if (!held) throw lockLost();
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
    for (const [at, value] of commit.changes ?? []) {
      void (value === undefined ? main.remove(changeKey(at)) : main.put(changeKey(at), value, 0));
    }
    main.put('state', commit.state, 0);
  }

  reopen(): void {
    void this.#closeEnv(this.#db.root).catch(() => {});
    this.#db = this.#open();
  }

  async copyTo(path: string): Promise<void> {
    try {
      // Compact: without the pages that are free, which the copy would never need.
      await this.#db.root.backup(path, true);
    } catch (error) {
      throw diskError(`copying ${LMDB_FILE}`, named(error));
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

function put(db: Db, entries: Entries): void {
  for (const [key, value] of entries) void (value === undefined ? db.remove(key) : db.put(key, value));
}

function open(path: string, { readOnly, relaxed }: LmdbOptions): Open {
  const lmdb = loadLmdb();
  try {
    checkAccess(path, readOnly);
    const root = lmdb.open({
      path,
      noSubdir: true,
      readOnly,
      overlappingSync: false,
      noSync: relaxed,
      maxDbs: 8,
      encoding: 'binary',
    });
    const db = (name: string, options: object) => {
      const opened = root.openDB(name, { encoding: 'binary', ...options });
      if (opened === undefined) throw new Error(`it has no table ${name}`);
      return opened;
    };
    return {
      root,
      main: db('main', { useVersions: true }),
      ids: db('ids', { keyEncoding: 'uint32' }),
      dead: db('dead', { keyEncoding: 'uint32' }),
      payloads: db('payloads', { keyEncoding: 'uint32' }),
    };
  } catch (error) {
    const known = named(error);
    if (!readOnly && isForbidden(known)) throw diskError(`opening ${LMDB_FILE}`, known, READ_ONLY);
    throw readError('environment', 'does not open', known, !readOnly);
  }
}

/** Descriptors that LMDB opens. */
const DESCRIPTORS = 4;

/**
 * Asks the system beforehand what it would refuse to LMDB: lmdb-js frees memory twice when LMDB does not open. The lock
 * file is not opened, since closing it would drop the locks on it of this process.
 */
function checkAccess(path: string, readOnly: boolean): void {
  const folder = dirname(path);
  if (!readOnly) {
    const lock = `${path}-lock`;
    accessSync(existsSync(lock) ? lock : folder, fsConstants.R_OK | fsConstants.W_OK);
  }
  if (process.platform === 'win32') return; // has no descriptors of folders
  const opened: number[] = [];
  try {
    while (opened.length < DESCRIPTORS) opened.push(openSync(folder, 'r'));
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

const READ_ONLY = 'open with readOnly: true';

/** lmdb-js numbers its errors: those of the system are above 0, and LMDB's own are below. */
function named(error: unknown): unknown {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code !== 'number' || code <= 0) return error;
  const name = Object.keys(constants.errno).find((one) => (constants.errno as Record<string, number>)[one] === code);
  const message = `${name ?? code}: ${(error as Error).message}`;
  return Object.assign(new Error(message, { cause: error }), { code: name ?? String(code) });
}

/** LMDB's errors that say nothing of the file: no look at it, no room for a reader, in the map, or in a list. */
const NOT_OF_FILE = new Set([-30798, -30792, -30790, -30789, -30788, -30785]);

/** LMDB tells its readers apart by pid, whatever the container; or another thread of this process has opened it for reading. */
function noReader(cause: unknown, opensWriter: boolean): FunnelError {
  const other =
    'a process of another container has the same pid and the index open ' +
    `(${process.pid}; let them share a pid namespace, or differ in pid), or a thread that ended while another process opened ` +
    'the index has left its locks unusable (end all that have it open)';
  if (!opensWriter) {
    return filesError('DISK', `Expected to become a reader of ${LMDB_FILE} but LMDB takes none: ${other}`, { cause });
  }
  const why = `either another thread has it open with readOnly (open the writer first), or ${other}`;
  return filesError('NOT_WRITABLE', `Expected to open ${LMDB_FILE} for writing but LMDB does not: ${why}`, { cause });
}

/** A part that cannot be read is broken, unless the system says that it does not let us. */
function readError(section: string, what: string, error: unknown, opensWriter = false): FunnelError {
  if (error instanceof FunnelError) return error;
  const known = named(error);
  const { code } = (known ?? {}) as { code?: unknown };
  if (code === 'EINVAL') return noReader(known, opensWriter);
  if (typeof code === 'string' || NOT_OF_FILE.has(code as number)) return diskError(`reading ${LMDB_FILE}`, known);
  return corrupt(LMDB_FILE, section, `${what}: ${(known as Error).message}`, known);
}

/** lmdb-js says what happened in a promise of its own. */
async function reason({ committed }: Db, error: unknown): Promise<unknown> {
  // The writes of a turn of the event loop have a promise of lmdb-js' own, too; a rejection of it that nobody meets would end
  // the process.
  committed.then(
    () => {},
    () => {},
  );
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return Promise.race([
    commitError.then(
      () => error,
      (why) => why,
    ),
    new Promise((resolve) => setTimeout(resolve, 100, error).unref()),
  ]);
}
