/** The folder of an index: how it comes to be, and what in it is nobody's. */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Disk } from './disk.js';
import { diskError, filesError } from './errors.js';
import { LMDB_FILE, lmdbKv } from './lmdb-kv.js';
import { encodeState, FORMAT_VERSION, type State, type StoreConfig } from './state.js';
import { takeOver } from './writer-record.js';

const NEW = /^new-[0-9a-f]{16}$/;
const OURS = /^(rows|seg)-\d{6,}\.(bin|tmp)$/;

export function newState(config: StoreConfig): State {
  return {
    format: FORMAT_VERSION,
    uuid: randomBytes(16).toString('hex'),
    config,
    idKind: null,
    rows: 0,
    dead: 0,
    generation: 0,
    nextFile: 1,
    rowFiles: [],
    segments: [],
    payloadIndexes: [],
    meta: null,
  };
}

/**
 * Makes the index in one step: its store is made in a folder beside it and linked into place when it is whole and synced.
 *
 * @throws FunnelError INDEX_EXISTS, DISK, MISSING_PACKAGE
 */
export function createFolder(folder: string, config: StoreConfig, disk: Disk): void {
  const made = fs.mkdirSync(folder, { recursive: true });
  const other = fs.readdirSync(folder).find((name) => !NEW.test(name));
  if (other !== undefined) {
    const what = other.startsWith(LMDB_FILE) ? 'it has an index' : `it has ${other}`;
    throw filesError('INDEX_EXISTS', `Expected ${folder} to be missing or empty but ${what}`);
  }
  const beside = join(folder, `new-${randomBytes(8).toString('hex')}`);
  fs.mkdirSync(beside);
  try {
    const kv = lmdbKv(join(beside, LMDB_FILE), { readOnly: false, relaxed: false });
    try {
      kv.claim((holder) => takeOver(holder, false));
      kv.commit({ state: encodeState(newState(config)), ids: [], dead: [], payloads: [] }).now();
    } finally {
      kv.close().now();
    }
    link(join(beside, LMDB_FILE), join(folder, LMDB_FILE));
    disk.syncDir(folder).now();
    if (made !== undefined) for (const above of foldersAbove(folder, made)) disk.syncDir(above).now();
  } catch (error) {
    throw diskError(`making an index in ${folder}`, error);
  } finally {
    fs.rmSync(beside, { recursive: true, force: true });
  }
}

/** The parents of all folders that were made, of which `first` was the topmost. */
function foldersAbove(folder: string, first: string): string[] {
  const above: string[] = [];
  for (let at = resolve(folder); at.length >= resolve(first).length; at = dirname(at)) above.push(dirname(at));
  return above;
}

/** Fails when there is one already, unlike a rename. */
function link(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw filesError('INDEX_EXISTS', `Expected no index at ${to} but another was just made`);
    if (fs.existsSync(to)) throw error;
    fs.renameSync(from, to); // no hard links on this file system
  }
}

/** @throws FunnelError NO_INDEX */
export function checkFolder(folder: string): void {
  if (!fs.existsSync(join(folder, LMDB_FILE))) {
    throw filesError('NO_INDEX', `Expected an index at ${folder} but it has no ${LMDB_FILE}`);
  }
}

/** Removes what a crash left: files of ours that the state does not name. Only the writer may. */
export function removeLeftovers(folder: string, state: State, disk: Disk): void {
  const named = new Set([...state.rowFiles, ...state.segments].map(({ name }) => name));
  for (const name of disk.list(folder)) {
    if (NEW.test(name)) fs.rmSync(join(folder, name), { recursive: true, force: true });
    else if (OURS.test(name) && !named.has(name)) disk.unlink(join(folder, name)).now();
  }
}
