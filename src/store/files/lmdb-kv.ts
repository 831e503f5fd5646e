/**
 * The store in LMDB.
 *
 * `overlappingSync` is off: a commit then returns only after LMDB has synced its pages and, after them, the meta page
 * that makes them visible. So a resolved promise of lmdb-js, and the return of `transactionSync`, mean durable, without
 * `db.flushed` (with overlapping syncs neither would).
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import type { FunnelError } from '../../errors.js';
import { loadOptional } from '../../optional.js';
import { corrupt, diskError, filesError } from './errors.js';
import type { Commit, Entries, Kv } from './kv.js';
import type { Step } from './step.js';

/** As much of lmdb-js as is used here. */
interface Db {
  getBinary(key: unknown): Uint8Array | undefined;
  getEntry(key: unknown): { value: Uint8Array; version: number } | undefined;
  put(key: unknown, value: Uint8Array, version?: number): Promise<boolean>;
  remove(key: unknown, ifVersion?: number): Promise<boolean>;
  ifVersion(key: unknown, version: number, writes: () => void): Promise<boolean>;
  transactionSync<T>(run: () => T): T;
  resetReadTxn(): void;
  openDB(name: string, options: object): Db | undefined;
  sync(done: (error?: unknown) => void): void;
  close(): Promise<void>;
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

/** @throws FunnelError MISSING_PACKAGE, NO_INDEX, CORRUPT */
export function lmdbKv(path: string, options: LmdbOptions): Kv {
  return new LmdbKv(path, options);
}

function loadLmdb(): { open(options: object): Db } {
  return loadOptional('lmdb', 'indexes with a path need') as { open(options: object): Db };
}

class LmdbKv implements Kv {
  readonly file = LMDB_FILE;
  readonly #path: string;
  readonly #options: LmdbOptions;
  #db: Open;
  /** The version of the writer record while it is ours. */
  #token: number | undefined;

  constructor(path: string, options: LmdbOptions) {
    this.#path = path;
    this.#options = options;
    this.#db = open(path, options);
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

  #read<T>(section: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw corrupt(LMDB_FILE, section, `cannot be read: ${(error as Error).message}`, error);
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
    root.transactionSync(() => {
      const record = decide(main.getBinary('writer'));
      main.put('writer', record, token);
    });
    this.#token = token;
  }

  commit(commit: Commit): Step<void> {
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
      throw diskError(`committing to ${LMDB_FILE}`, error);
    }
  }

  async #commitLater(commit: Commit): Promise<void> {
    const token = this.#check();
    let held: boolean;
    try {
      held = await this.#db.main.ifVersion('writer', token, () => this.#write(commit));
    } catch (error) {
      throw diskError(`committing to ${LMDB_FILE}`, await reason(error));
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
    main.put('state', commit.state, 0);
  }

  reopen(): void {
    void this.#db.root.close().catch(() => {});
    this.#db = open(this.#path, this.#options);
  }

  bytes(): number {
    return statSync(this.#path).size;
  }

  close(): Step<void> {
    return {
      now: () => {
        const { root, main } = this.#db;
        const token = this.#token;
        this.#token = undefined;
        if (token !== undefined) {
          root.transactionSync(() => {
            if (main.getEntry('writer')?.version === token) main.remove('writer');
          });
        }
        void root.close().catch(() => {});
      },
      later: async () => {
        const token = this.#token;
        this.#token = undefined;
        if (token !== undefined) {
          await this.#db.main.remove('writer', token);
          if (this.#options.relaxed) await new Promise<void>((resolve) => this.#db.root.sync(() => resolve()));
        }
        await this.#db.root.close();
      },
    };
  }
}

function put(db: Db, entries: Entries): void {
  for (const [key, value] of entries) void (value === undefined ? db.remove(key) : db.put(key, value));
}

function open(path: string, { readOnly, relaxed }: LmdbOptions): Open {
  const lmdb = loadLmdb();
  try {
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
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EMFILE' || code === 'ENOMEM') throw diskError(`opening ${LMDB_FILE}`, error);
    throw corrupt(LMDB_FILE, 'environment', `does not open: ${(error as Error).message}`, error);
  }
}

/** lmdb-js says what happened in a promise of its own. */
async function reason(error: unknown): Promise<unknown> {
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

function lockLost(): FunnelError {
  return filesError('INDEX_LOCKED', 'Expected to be the writer of the index but another took its place (breakLock)');
}
