/**
 * A copy of an index while it is read and written. LMDB copies itself as of one commit; that commit's row files and segments
 * follow, which only grow or are replaced, so that what they hold of it stays. The copied LMDB comes into its place last, when
 * all of the copy was read back: until then there is no index in the folder, whenever the process dies.
 */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import type { FunnelError } from '../../core/errors.js';
import { Bits } from './bits.js';
import type { Core } from './core.js';
import type { Disk } from './disk.js';
import { corrupt, diskError, filesError } from './errors.js';
import { foldersAbove, foldersFrom, link, makeFolder, NEW, NOTES_FILE, OURS } from './folder.js';
import { editsOf } from './follow-changes.js';
import { Ids } from './ids.js';
import { takeKernelLock } from './kernel-lock.js';
import type { Kv } from './kv.js';
import { LMDB_FILE } from './lmdb-env.js';
import { lmdbKv } from './lmdb-kv.js';
import { OpenFiles } from './open-files.js';
import { DEATHS_PER_PAGE, decodeIdPage, IDS_PER_PAGE, unseal } from './pages.js';
import { decodeState, type State } from './state.js';
import { runLater, type Steps, take, turnStep } from './step.js';
import { type OnRead, verifyCommitted } from './verify.js';
import type { VerifyProblem } from './verify-types.js';

/** Bytes that are copied at once. */
const BLOCK_BYTES = 1 << 20;
/** How often a commit may drop files between the copy of LMDB and a look at them. */
const ATTEMPTS = 20;
/** Pages of ids that are read between two turns of the event loop. */
const PAGES_AT_ONCE = 16;
/** In the folder beside: locked for as long as its backup goes on. */
const LOCK_FILE = 'lock';

/** Folders that this thread makes a backup in, by their real paths. */
const underWay = new Set<string>();

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
  const place = realPathOf(to);
  if (underWay.has(place)) throw otherBackup(to);
  underWay.add(place);
  const target = new Target(to);
  try {
    target.make();
    // Before the rows: by notes older than them the command writes some again, and leaves none out.
    const notes = notesOf(folder);
    const copy = join(target.beside, LMDB_FILE);
    const { state, fds } = await taken(core, copy);
    const total = fds.reduce((sum, { bytes }) => sum + bytes, 0);
    try {
      options.onTotal(2 * total + fs.statSync(copy).size);
      for (const { name, fd, bytes } of fds) {
        await copyFile(disk, fd, bytes, await target.open(disk, name), options.onRead);
      }
    } finally {
      for (const { fd } of fds) disk.close(fd).now();
    }
    const problems = await readBack(core, to, copy, state, options.onRead);
    if (problems.length > 0) throw filesError('CORRUPT', `Expected an index that is whole: ${problems[0]!.message}`);
    if (notes !== undefined) await writeFile(disk, await target.open(disk, NOTES_FILE), notes);
    await disk.syncDir(to).later();
    link(copy, join(to, LMDB_FILE));
    await disk.syncDir(to).later();
    for (const above of target.above) await disk.syncDir(above).later();
    target.removeBeside();
    const bytes = total + fs.statSync(join(to, LMDB_FILE)).size + (notes?.length ?? 0);
    return { rows: state.rows - state.dead, bytes };
  } catch (error) {
    target.undo();
    throw diskError(`making a backup in ${to}`, error, 'choose a folder where this user may write');
  } finally {
    underWay.delete(place);
  }
}

/** The folder of a copy, and what this backup has made of it. */
class Target {
  readonly beside: string;
  readonly #to: string;
  /** The topmost folder that was made. */
  #made: string | undefined;
  readonly #names = new Set<string>();
  #unlock: () => void = () => {};

  constructor(to: string) {
    this.#to = to;
    this.beside = join(to, `new-${randomBytes(8).toString('hex')}`);
  }

  /** Its own lock comes first: of two backups that begin at once, one sees the other. @throws FunnelError INDEX_EXISTS */
  make(): void {
    this.#made = makeFolder(this.#to);
    fs.mkdirSync(this.beside);
    const file = join(this.beside, LOCK_FILE);
    fs.writeFileSync(file, '');
    const lock = takeKernelLock(file);
    if (typeof lock !== 'string') this.#unlock = lock.release;
    removeLeft(this.#to, this.beside);
  }

  /** A new file, to be written. */
  async open(disk: Disk, name: string): Promise<number> {
    const fd = await disk.open(join(this.#to, name), 'create').later();
    this.#names.add(name);
    return fd;
  }

  /** Folders whose entries are new. */
  get above(): string[] {
    return this.#made === undefined ? [] : foldersAbove(this.#to, this.#made);
  }

  removeBeside(): void {
    this.#unlock(); // Windows does not remove what is open
    fs.rmSync(this.beside, { recursive: true, force: true });
  }

  /** Leaves no copy behind; the folders that were made go where they are empty. */
  undo(): void {
    try {
      // Once there is an index the files are its own: this one, which is whole, or another, whose writer removes what is left.
      if (!fs.existsSync(join(this.#to, LMDB_FILE))) {
        for (const name of this.#names) fs.rmSync(join(this.#to, name), { force: true });
      }
      this.removeBeside();
      if (this.#made !== undefined) for (const one of foldersFrom(this.#to, this.#made)) fs.rmdirSync(one);
    } catch {
      // The next backup into the folder removes what is left.
    }
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
    await synced(disk, copy);
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

/** Without blocking the event loop; LMDB's next commit, which does, has little to wait for then. */
async function synced(disk: Disk, file: string): Promise<void> {
  const fd = await disk.open(file, 'write').later();
  try {
    await disk.sync(fd).later();
  } finally {
    disk.close(fd).now();
  }
}

/** The state of a copy. Afterwards it names no writer, and is synced. */
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

/** Closes what it has written. */
async function copyFile(disk: Disk, from: number, bytes: number, to: number, onRead: OnRead): Promise<void> {
  try {
    const block = Buffer.alloc(Math.min(bytes, BLOCK_BYTES));
    for (let done = 0; done < bytes; done += block.length) {
      const part = block.subarray(0, Math.min(block.length, bytes - done));
      // A file that ends early is found when the copy is read back.
      const got = await disk.read(from, part, done).later();
      await disk.write(to, part.subarray(0, got), done).later();
      onRead(part.length);
    }
    await disk.sync(to).later();
  } finally {
    disk.close(to).now();
  }
}

/** The command's notes on the index, if there are any. */
function notesOf(folder: string): Buffer | undefined {
  const file = join(folder, NOTES_FILE);
  return fs.existsSync(file) ? Buffer.from(fs.readFileSync(file)) : undefined;
}

/** Closes what it has written. */
async function writeFile(disk: Disk, to: number, bytes: Buffer): Promise<void> {
  try {
    await disk.write(to, bytes, 0).later();
    await disk.sync(to).later();
  } finally {
    disk.close(to).now();
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
    const { alive, withPayload } = await runLater(livesOf(kv, state, uuid));
    const { rows, segments } = files;
    const edits = editsOf({ kv, uuid }, state);
    const payloadOf = (ordinal: number) => edits?.get(ordinal) ?? kv.payload(ordinal);
    const parts = { state, format, uuid, disk, kv, rows, segments, alive, withPayload, payloadOf };
    return await runLater(verifyCommitted(parts, onRead));
  } finally {
    files.closeAll();
    await kv.close().later();
  }
}

/** Which rows live, as the pages of deaths have it, and which have a payload. */
function* livesOf(kv: Kv, { rows, idKind }: State, uuid: Uint8Array): Steps<{ alive: Bits; withPayload: Bits }> {
  const [kept, withPayload, alive] = [new Bits(), new Bits(), new Bits()];
  if (idKind === null) return { alive, withPayload };
  const ids = new Ids(idKind);
  for (let page = 0; page * IDS_PER_PAGE < rows; page++) {
    if (page % PAGES_AT_ONCE === 0) yield* take(turnStep);
    const value = kv.ids(page);
    if (value === undefined) continue;
    decodeIdPage(unseal(uuid, 'ids', page, value, kv.file), page, 0, rows, { ids, kept, withPayload }, kv.file);
  }
  for (let page = 0; page * DEATHS_PER_PAGE < rows; page++) {
    const first = page * DEATHS_PER_PAGE;
    const value = kv.dead(page);
    const dead = value && unseal(uuid, 'dead', page, value, kv.file);
    const living = new Uint8Array((Math.min(DEATHS_PER_PAGE, rows - first) + 7) >>> 3);
    for (let i = 0; i < living.length; i++) living[i] = ~(dead?.[i] ?? 0);
    if (rows - first < DEATHS_PER_PAGE && rows & 7) living[living.length - 1]! &= (1 << (rows & 7)) - 1;
    alive.put(first >>> 3, living);
    yield* take(turnStep);
  }
  return { alive, withPayload };
}

/** @throws FunnelError INDEX_EXISTS, BAD_ARGUMENT */
function checkTarget(folder: string, to: string): void {
  const way = relative(fs.realpathSync(folder), realPathOf(to));
  if (way !== '..' && !way.startsWith(`..${sep}`) && resolve(way) !== way) {
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
  const other = names.includes(LMDB_FILE) ? LMDB_FILE : names.find((name) => !isLeft(name, names));
  if (other === undefined) return;
  if (other === LMDB_FILE) throw hasIndex(to);
  throw filesError('INDEX_EXISTS', `Expected ${to} to be missing or empty but it has ${other}`);
}

/** Notes are a copy's while the folder is there that it began with: alone they may be somebody's. */
function isLeft(name: string, names: readonly string[]): boolean {
  return NEW.test(name) || OURS.test(name) || (name === NOTES_FILE && names.some((other) => NEW.test(other)));
}

/** The real path of one that may not be there yet. */
function realPathOf(path: string): string {
  const whole = resolve(path);
  const parent = resolve(whole, '..');
  if (fs.existsSync(whole) || parent === whole) return fs.realpathSync(whole);
  return join(realPathOf(parent), relative(parent, whole));
}

/**
 * Removes files of copies that did not get to their end.
 *
 * @param but stays
 * @throws FunnelError INDEX_EXISTS where one is still being made, or has just come to its end
 */
function removeLeft(to: string, but: string): void {
  const others = fs.readdirSync(to).filter((name) => join(to, name) !== but);
  const left = others.filter((name) => isLeft(name, others)).sort(); // the notes before the folder that says whose they are
  if (left.some((name) => NEW.test(name) && isLocked(join(to, name, LOCK_FILE)))) throw otherBackup(to);
  for (const name of left) {
    if (fs.existsSync(join(to, LMDB_FILE))) throw hasIndex(to);
    fs.rmSync(join(to, name), { recursive: true, force: true });
  }
}

function isLocked(file: string): boolean {
  if (!fs.existsSync(file)) return false; // killed before it had a lock
  const lock = takeKernelLock(file);
  if (typeof lock === 'string') return lock === 'held';
  lock.release();
  return false;
}

function otherBackup(to: string): FunnelError {
  return filesError('INDEX_EXISTS', `Expected ${to} to be missing or empty but another backup is being made in it`);
}

function hasIndex(to: string): FunnelError {
  return filesError('INDEX_EXISTS', `Expected ${to} to be missing or empty but it has an index`);
}
