/** The folder of an index: how it comes to be, and what in it is nobody's. */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { FunnelError } from '../../core/errors.js';
import type { Disk } from './disk-contract.js';
import { diskError, errorCodeOf, filesError } from './errors.js';
import { LMDB_FILE, prepareLmdb } from './lmdb-env.js';
import { lmdbKv } from './lmdb-kv.js';
import { encodeState, newState, type State, type StoreConfig } from './state.js';
import { type Steps, take, turnStep } from './step.js';

export const NEW = /^new-[0-9a-f]{16}$/;
/** The command's notes on an index (src/cli/state.ts): files, columns, model. They are written after the rows that they tell of. */
export const NOTES_FILE = 'funnelvec.json';
export const OURS = /^(rows|seg)-\d{6,}\.(bin|tmp)$/;

/**
 * Makes the index in one step: its store is made in a folder beside it and linked into place when it is whole and synced.
 *
 * @throws FunnelError INDEX_EXISTS, DISK, NOT_WRITABLE, BAD_ARGUMENT, MISSING_PACKAGE
 */
export function* createFolder(folder: string, config: StoreConfig, disk: Disk): Steps<void> {
  let made: string | undefined;
  let beside: string | undefined;
  try {
    made = makeFolder(folder);
    const other = fs.readdirSync(folder).find((name) => !NEW.test(name));
    if (other !== undefined) {
      const what = other.startsWith(LMDB_FILE) ? 'it has an index (FunnelIndex.open() opens it)' : `it has ${other}`;
      throw filesError('INDEX_EXISTS', `Expected ${folder} to be missing or empty but ${what}`);
    }
    beside = join(folder, `new-${randomBytes(8).toString('hex')}`);
    fs.mkdirSync(beside);
    yield* prepareLmdb();
    const kv = lmdbKv(join(beside, LMDB_FILE), { readOnly: false, relaxed: false });
    try {
      yield* take(turnStep);
      kv.claim(() => Buffer.from('{}')); // nobody can know of it yet
      yield* take(kv.commit({ state: encodeState(newState(config)), ids: [], dead: [], payloads: [] }));
    } finally {
      yield* take(kv.close());
    }
    link(join(beside, LMDB_FILE), join(folder, LMDB_FILE));
    yield* take(disk.syncDir(folder));
    if (made !== undefined) for (const above of foldersAbove(folder, made)) yield* take(disk.syncDir(above));
    remove(beside);
    yield* take(turnStep);
  } catch (error) {
    if (beside !== undefined) remove(beside);
    // Only those that are empty can go.
    if (made !== undefined) for (const one of foldersFrom(folder, made)) attempt(() => fs.rmdirSync(one));
    throw whyNotMade(folder, error);
  }
}

/**
 * The topmost folder that was made. Node's own `recursive` never ends where a folder that is there says ENOENT to a new one:
 * /proc, or a link to nowhere.
 */
export function makeFolder(folder: string): string | undefined {
  let at = resolve(folder);
  const missing: string[] = [];
  while (!isThere(at) && dirname(at) !== at) {
    missing.unshift(at);
    at = dirname(at);
  }
  const made: string[] = [];
  try {
    for (const one of missing) {
      if (make(one)) made.push(one);
    }
  } catch (error) {
    for (const one of made.reverse()) attempt(() => fs.rmdirSync(one));
    throw error;
  }
  return made[0];
}

/** Also a link to nowhere. */
function isThere(path: string): boolean {
  try {
    fs.lstatSync(path);
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** False where another has just made it. */
function make(folder: string): boolean {
  try {
    fs.mkdirSync(folder);
    return true;
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST' || !fs.statSync(folder).isDirectory()) throw error;
    return false;
  }
}

function remove(folder: string): void {
  attempt(() => fs.rmSync(folder, { recursive: true, force: true }));
}

function attempt(run: () => void): void {
  try {
    run();
  } catch {
    // The next writer removes what is left.
  }
}

function whyNotMade(folder: string, error: unknown): FunnelError {
  const what = 'the path of a folder that is missing or empty';
  switch (errorCodeOf(error)) {
    case 'ENOTDIR':
      if (isFile(folder))
        return filesError('INDEX_EXISTS', `Expected ${what} but ${folder} is a file`, { cause: error });
      return filesError('BAD_ARGUMENT', `Expected ${what} but ${folder} leads through a file`, { cause: error });
    case 'ENAMETOOLONG':
      return filesError('BAD_ARGUMENT', `Expected ${what} but ${folder} is longer than the file system takes`, {
        cause: error,
      });
    case 'ELOOP':
      return filesError('BAD_ARGUMENT', `Expected ${what} but ${folder} leads in a circle of links`, { cause: error });
  }
  return diskError(`making an index in ${folder}`, error, 'choose a folder where this user may write');
}

function isFile(path: string): boolean {
  return fs.existsSync(path) && !fs.statSync(path).isDirectory();
}

/** The folder and those above it that were made, the innermost first. */
export function foldersFrom(folder: string, first: string): string[] {
  const from: string[] = [];
  for (let at = resolve(folder); at.length >= resolve(first).length; at = dirname(at)) from.push(at);
  return from;
}

/** The parents of all folders that were made, of which `first` was the topmost. */
export function foldersAbove(folder: string, first: string): string[] {
  return foldersFrom(folder, first).map((one) => dirname(one));
}

/** Fails when there is one already, unlike a rename. */
export function link(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw filesError('INDEX_EXISTS', `Expected no index at ${to} but another was just made`);
    if (fs.existsSync(to)) throw error;
    fs.renameSync(from, to); // no hard links on this file system
  }
}

/** @throws FunnelError NO_INDEX, DISK */
export function checkFolder(folder: string): void {
  try {
    fs.statSync(join(folder, LMDB_FILE));
  } catch (error) {
    if (!/^(ENOENT|ENOTDIR|ENAMETOOLONG|ELOOP)$/.test(errorCodeOf(error) ?? ''))
      throw diskError(`looking at ${folder}`, error);
    const what = fs.existsSync(folder) ? `it has no ${LMDB_FILE}` : 'there is no such folder';
    throw filesError('NO_INDEX', `Expected an index at ${folder} but ${what} (FunnelIndex.create() makes one)`, {
      cause: error,
    });
  }
}

/** Codes of Windows for a file that somebody has open, or whose removal waits for that. */
const OPEN_ELSEWHERE = /^(EBUSY|EPERM|EACCES|ENOTEMPTY)$/;

/**
 * Removes what a crash left: files of ours that the state does not name. Only the writer may. What others still have open, where
 * that keeps it there, stays for the next writer.
 *
 * @returns a number above those of all that stays
 */
export function* removeLeftovers(folder: string, state: State, disk: Disk): Steps<number> {
  const named = new Set([...state.rowFiles, ...state.segments].map(({ name }) => name));
  let above = 0;
  for (const name of disk.list(folder)) {
    try {
      if (NEW.test(name)) fs.rmSync(join(folder, name), { recursive: true, force: true });
      else if (OURS.test(name) && !named.has(name)) yield* take(disk.unlink(join(folder, name)));
    } catch (error) {
      if (!OPEN_ELSEWHERE.test(errorCodeOf(error) ?? '')) throw error;
      above = Math.max(above, 1 + Number(/-(\d+)\.|$/.exec(name)![1] ?? 0));
    }
  }
  return above;
}
