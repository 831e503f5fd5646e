/** The environment of LMDB: as much of lmdb-js as is used, how it is opened, and what its errors mean. */
import { accessSync, closeSync, existsSync, constants as fsConstants, openSync, statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, win32 } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { loadInParts, loadOptional } from '../../core/optional.js';
import { corrupt, diskError, errorCodeOf, filesError, isForbidden } from './errors.js';
import { inTurns, type Steps } from './step.js';

export const LMDB_FILE = 'data.mdb';

export interface LmdbOptions {
  readOnly: boolean;
  /** Skip LMDB's syncs. */
  relaxed: boolean;
}

/** As much of lmdb-js as is used here. */
export interface Db {
  getBinary(key: unknown): Uint8Array | undefined;
  getKeys(range: { start: unknown; limit: number }): Iterable<number>;
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

/** The tables of an index. */
export interface Tables {
  root: Db;
  main: Db;
  ids: Db;
  dead: Db;
  payloads: Db;
}

function loadLmdb(): { open(options: object): Db } {
  return loadOptional('lmdb', 'indexes with a path need') as { open(options: object): Db };
}

/** Before the first {@link lmdbKv}, so that the event loop turns meanwhile. */
export function prepareLmdb(): Steps<void> {
  return inTurns(loadInParts('lmdb'));
}

/** @throws FunnelError MISSING_PACKAGE, CORRUPT, DISK, NOT_WRITABLE */
export function openEnv(path: string, { readOnly, relaxed }: LmdbOptions): Tables {
  const lmdb = loadLmdb();
  try {
    checkAccess(path, readOnly);
    const root = lmdb.open({
      path: lmdbPath(path),
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

/** The longest path that Windows takes as it stands, less what LMDB puts behind it. */
const WINDOWS_PATH = 240;

/** A path for LMDB, which does not lengthen Windows' paths as Node.js does. */
export function lmdbPath(path: string, platform: string = process.platform): string {
  return platform === 'win32' && path.length > WINDOWS_PATH ? win32.toNamespacedPath(path) : path;
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

export const READ_ONLY = 'open with readOnly: true';

/** lmdb-js numbers its errors: those of the system are above 0, and LMDB's own are below. */
export function named(error: unknown): unknown {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code !== 'number' || code <= 0) return error;
  const name = Object.keys(constants.errno).find((one) => (constants.errno as Record<string, number>)[one] === code);
  const message = `${name ?? code}: ${(error as Error).message}`;
  return Object.assign(new Error(message, { cause: error }), { code: name ?? String(code) });
}

/** Free bytes that are as good as none. */
const NO_SPACE = 1 << 20;

/**
 * As named(), but a write that a full disk cut short is told as such: LMDB calls it EIO, as if the disk were broken, and a copy
 * that fails has no code.
 */
export function namedWrite(error: unknown, path: string): unknown {
  const known = named(error);
  if ((errorCodeOf(known) ?? 'EIO') !== 'EIO' || freeBytes(dirname(path)) >= NO_SPACE) return known;
  return Object.assign(new Error('ENOSPC: no space left on device', { cause: known }), { code: 'ENOSPC' });
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY; // nothing is known of it
  }
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
export function readError(section: string, what: string, error: unknown, opensWriter = false): FunnelError {
  if (error instanceof FunnelError) return error;
  const known = named(error);
  const { code } = (known ?? {}) as { code?: unknown };
  if (code === 'EINVAL') return noReader(known, opensWriter);
  if (typeof code === 'string' || NOT_OF_FILE.has(code as number)) return diskError(`reading ${LMDB_FILE}`, known);
  return corrupt(LMDB_FILE, section, `${what}: ${(known as Error).message}`, known);
}

/**
 * The writes of a turn of the event loop have a promise of lmdb-js' own, too; a rejection of it that nobody meets would end the
 * process. After that turn, and before the next one that writes: only the last one can be met.
 */
export function meetTurn({ committed }: Db): void {
  committed.then(
    () => {},
    () => {},
  );
}

/** lmdb-js says what happened in a promise of its own. */
export async function reason(root: Db, error: unknown): Promise<unknown> {
  meetTurn(root);
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
