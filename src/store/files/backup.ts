/**
 * A copy of an index while it is read and written. LMDB copies itself as of one commit; that commit's row files and segments
 * follow, which only grow or are replaced, so that what they hold of it stays. The copied LMDB comes into its place last, when
 * all of the copy was read back: until then there is no index in the folder, whenever the process dies.
 */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Bits } from './bits.js';
import type { Core } from './core.js';
import type { Disk } from './disk.js';
import { corrupt, diskError, filesError } from './errors.js';
import { foldersAbove, foldersFrom, link, makeFolder, NEW, OURS } from './folder.js';
import { Ids } from './ids.js';
import type { Kv } from './kv.js';
import { LMDB_FILE, lmdbKv } from './lmdb-kv.js';
import { OpenFiles } from './open-files.js';
import { DEATHS_PER_PAGE, decodeIdPage, IDS_PER_PAGE, unseal } from './pages.js';
import { decodeState, type State } from './state.js';
import { runLater } from './step.js';
import { type OnRead, verifyCommitted } from './verify.js';
import type { VerifyProblem } from './verify-types.js';

/** Bytes that are copied at once. */
const BLOCK_BYTES = 1 << 20;
/** How often a commit may drop files between the copy of LMDB and a look at them. */
const ATTEMPTS = 20;

export interface CopyOptions {
  /** Told of bytes that were copied, and of bytes that were read back. What it throws ends the work. */
  onRead: OnRead;
  /** Told how many there will be. */
  onTotal(bytes: number): void;
}

export interface Copied {
  rows: number;
  bytes: number;
}

/**
 * @param to a folder that is missing, empty, or has what an earlier copy left that did not get to its end
 * @throws FunnelError INDEX_EXISTS, BAD_ARGUMENT, DISK, CORRUPT (this index is broken), and what `onRead` throws; nothing is left
 *   then
 */
export async function copyIndex(core: Core, to: string, options: CopyOptions): Promise<Copied> {
  const { folder, disk, kv } = core.options;
  if (kv.copyTo === undefined) {
    const remedy = 'syncFrom(embeddedSource(index)) fills an index on disk';
    throw filesError('UNSUPPORTED', `Expected an index on disk for backup() but this one is in memory: ${remedy}`);
  }
  checkTarget(folder, to);
  let made: string | undefined;
  const beside = join(to, `new-${randomBytes(8).toString('hex')}`);
  try {
    made = makeFolder(to);
    removeLeft(to);
    fs.mkdirSync(beside);
    const copy = join(beside, LMDB_FILE);
    const { state, fds } = await taken(core, copy);
    const total = fds.reduce((sum, { bytes }) => sum + bytes, 0);
    options.onTotal(2 * total + fs.statSync(copy).size);
    try {
      for (const { name, fd, bytes } of fds) await copyFile(disk, fd, bytes, join(to, name), options.onRead);
    } finally {
      for (const { fd } of fds) disk.close(fd).now();
    }
    const problems = await readBack(core, to, copy, state, options.onRead);
    if (problems.length > 0) throw filesError('CORRUPT', `Expected an index that is whole: ${problems[0]!.message}`);
    await disk.syncDir(to).later();
    link(copy, join(to, LMDB_FILE));
    await disk.syncDir(to).later();
    if (made !== undefined) for (const above of foldersAbove(to, made)) await disk.syncDir(above).later();
    fs.rmSync(beside, { recursive: true, force: true });
    return { rows: state.rows - state.dead, bytes: total + fs.statSync(join(to, LMDB_FILE)).size };
  } catch (error) {
    undo(to, made);
    throw diskError(`making a backup in ${to}`, error, 'choose a folder where this user may write');
  }
}

interface Source {
  name: string;
  fd: number;
  bytes: number;
}

/** LMDB as of some commit, and the files of that commit, open: a file that is dropped now can be read all the same. */
async function taken({ options }: Core, copy: string): Promise<{ state: State; fds: Source[] }> {
  const { disk, folder, kv } = options;
  for (let attempt = 1; ; attempt++) {
    fs.rmSync(copy, { force: true });
    await kv.copyTo!(copy);
    const state = await withoutWriter(copy);
    const fds: Source[] = [];
    try {
      for (const { name, bytes } of [...state.rowFiles, ...state.segments]) {
        fds.push({ name, bytes, fd: await disk.open(join(folder, name), 'read').later() });
      }
      return { state, fds };
    } catch (error) {
      for (const { fd } of fds) disk.close(fd).now();
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The state of a copy, which then has no writer any more and is synced. */
async function withoutWriter(copy: string): Promise<State> {
  const own = lmdbKv(copy, { readOnly: false, relaxed: false });
  try {
    own.claim(() => Buffer.from('{}')); // nobody can know of it yet
    return stateOf(own);
  } finally {
    await own.close().later();
  }
}

function stateOf(kv: Kv): State {
  const record = kv.snapshot(() => kv.state());
  if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
  return decodeState(record, kv.file);
}

async function copyFile(disk: Disk, from: number, bytes: number, to: string, onRead: OnRead): Promise<void> {
  const fd = await disk.open(to, 'create').later();
  try {
    const block = Buffer.alloc(Math.min(bytes, BLOCK_BYTES));
    for (let done = 0; done < bytes; done += block.length) {
      const part = block.subarray(0, Math.min(block.length, bytes - done));
      // A file that ends early is found when the copy is read back.
      const got = await disk.read(from, part, done).later();
      await disk.write(fd, part.subarray(0, got), done).later();
      onRead(part.length);
    }
    await disk.sync(fd).later();
  } finally {
    disk.close(fd).now();
  }
}

/** All of the copy, against its checksums. */
async function readBack(
  { options, format, uuid }: Core,
  to: string,
  copy: string,
  state: State,
  onRead: OnRead,
): Promise<VerifyProblem[]> {
  const { disk } = options;
  const kv = lmdbKv(copy, { readOnly: true, relaxed: false });
  const files = new OpenFiles(disk, to, format);
  try {
    files.follow(state, false);
    const { alive, withPayload } = livesOf(kv, state, uuid);
    const { rows, segments } = files;
    return await runLater(
      verifyCommitted({ state, format, uuid, disk, kv, rows, segments, alive, withPayload }, onRead),
    );
  } finally {
    files.closeAll();
    await kv.close().later();
  }
}

/** Which rows live, and which have a payload. */
function livesOf(kv: Kv, { rows, idKind }: State, uuid: Uint8Array): { alive: Bits; withPayload: Bits } {
  const [kept, withPayload, alive] = [new Bits(), new Bits(), new Bits()];
  if (idKind === null) return { alive, withPayload };
  const ids = new Ids(idKind);
  for (let page = 0; page * IDS_PER_PAGE < rows; page++) {
    const value = kv.ids(page);
    if (value === undefined) continue;
    decodeIdPage(unseal(uuid, 'ids', page, value, kv.file), page, 0, rows, { ids, kept, withPayload }, kv.file);
  }
  alive.put(0, kept.slice(0, (rows + 7) >>> 3));
  for (let page = 0; page * DEATHS_PER_PAGE < rows; page++) {
    const value = kv.dead(page);
    if (value === undefined) continue;
    const bitmap = unseal(uuid, 'dead', page, value, kv.file);
    for (let i = 0; i < 8 * bitmap.length; i++) {
      if (bitmap[i >>> 3]! & (1 << (i & 7))) alive.set(page * DEATHS_PER_PAGE + i, false);
    }
  }
  return { alive, withPayload };
}

/** @throws FunnelError INDEX_EXISTS, BAD_ARGUMENT */
function checkTarget(folder: string, to: string): void {
  const way = relative(fs.realpathSync(folder), realPathOf(to));
  if (way === '' || !(way.startsWith('..') || resolve(way) === way)) {
    throw filesError('BAD_ARGUMENT', `Expected a folder outside of the index for backup() but ${to} is in ${folder}`);
  }
  let names: string[];
  try {
    names = fs.readdirSync(to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code === 'ENOTDIR') throw filesError('INDEX_EXISTS', `Expected a folder for backup() but ${to} is a file`);
    throw diskError(`looking at ${to}`, error);
  }
  const other = names.includes(LMDB_FILE) ? LMDB_FILE : names.find((name) => !NEW.test(name) && !OURS.test(name));
  if (other === undefined) return;
  const what = other === LMDB_FILE ? 'it has an index' : `it has ${other}`;
  throw filesError('INDEX_EXISTS', `Expected ${to} to be missing or empty but ${what}`);
}

/** The real path of one that may not be there yet. */
function realPathOf(path: string): string {
  const whole = resolve(path);
  const parent = resolve(whole, '..');
  if (fs.existsSync(whole) || parent === whole) return fs.realpathSync(whole);
  return join(realPathOf(parent), relative(parent, whole));
}

/** Removes files of a copy that did not get to its end. */
function removeLeft(to: string): void {
  for (const name of fs.readdirSync(to)) {
    if (NEW.test(name) || OURS.test(name)) fs.rmSync(join(to, name), { recursive: true, force: true });
  }
}

/** Leaves no copy behind; the folders that were made go where they are empty. */
function undo(to: string, made: string | undefined): void {
  try {
    // Once it is there the copy is whole.
    if (!fs.existsSync(join(to, LMDB_FILE))) removeLeft(to);
    if (made !== undefined) for (const one of foldersFrom(to, made)) fs.rmdirSync(one);
  } catch {
    // The next backup into the folder removes what is left.
  }
}
