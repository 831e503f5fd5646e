/** How an index on disk comes to be and is opened: the hold of its writer, LMDB, the state, then what a crash left. */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { checkByteOrder } from './byte-order.js';
import { Core } from './core.js';
import { nodeDisk } from './disk.js';
import { diskError } from './errors.js';
import { checkFolder, createFolder, removeLeftovers } from './folder.js';
import { giveBack } from './give-back.js';
import { Hold } from './hold.js';
import type { Kv } from './kv.js';
import { checkLmdbFile, type LmdbCheck } from './lmdb-check.js';
import { LMDB_FILE, prepareLmdb } from './lmdb-env.js';
import { lmdbKv } from './lmdb-kv.js';
import { checkMaySync } from './may-sync.js';
import { checkConfig, type OpenFilesOptions, type OverCore, ROW_FILE_BYTES } from './open-core.js';
import { announceWriter, letWriterOpen } from './shared-envs.js';
import type { StoreConfig } from './state.js';
import { type Steps, take, turnStep } from './step.js';
import type { Writer } from './writers.js';

/** @throws FunnelError INDEX_EXISTS, MISSING_PACKAGE, DISK, BAD_ARGUMENT */
export function* createOnDisk<T extends Writer>(
  path: string,
  config: StoreConfig,
  options: OpenFilesOptions,
  make: OverCore<T>,
): Steps<T> {
  checkConfig(config);
  checkByteOrder(`the index in ${path}`);
  checkMaySync(path);
  yield* createFolder(path, config, options.disk ?? nodeDisk);
  return yield* openOnDisk(path, options, make);
}

/** A link that leads elsewhere by and by must not: all files are of one index, and a writer removes those that are not its own. */
function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it may be read, but not the folders above
  }
}

/**
 * Whose call comes first among those of this thread is decided before the first step may wait.
 *
 * @throws FunnelError NO_INDEX, INDEX_LOCKED, NOT_WRITABLE, CORRUPT, UNSUPPORTED_FORMAT, MISSING_PACKAGE, DISK
 */
export function* openOnDisk<T extends Writer>(path: string, options: OpenFilesOptions, make: OverCore<T>): Steps<T> {
  const { readOnly = false, durability = 'full', breakLock = false, disk = nodeDisk } = options;
  if (durability !== 'full' && durability !== 'relaxed') {
    throw new FunnelError('BAD_ARGUMENT', `Expected 'full' or 'relaxed' for durability, not ${String(durability)}`);
  }
  checkByteOrder(`the index in ${path}`);
  if (!readOnly) checkMaySync(path);
  checkFolder(path);
  const relaxed = durability === 'relaxed';
  const folder = realFolder(path);
  const file = join(folder, LMDB_FILE);
  let hold: Hold | undefined;
  let check: LmdbCheck | undefined;
  let kv: Kv | undefined;
  let core: Core | undefined;
  let unannounce = () => {};
  try {
    hold = readOnly ? undefined : new Hold(file, breakLock);
    if (hold !== undefined) yield* hold.wait();
    const openLmdb = () => {
      if (kv !== undefined) return;
      check?.close();
      check = undefined;
      check = checkLmdbFile(file, LMDB_FILE);
      kv = lmdbKv(file, { readOnly, relaxed });
    };
    if (!readOnly) unannounce = announceWriter(file, openLmdb);
    yield* prepareLmdb();
    if (readOnly) letWriterOpen(file);
    openLmdb();
    yield* take(turnStep);
    yield* check!.rest();
    hold?.claim(kv!);
    yield* take(turnStep);
    const maxFileBytes = options.maxFileBytes ?? ROW_FILE_BYTES;
    core = new Core({ folder, disk, kv: kv!, readOnly, relaxed, maxFileBytes });
    yield* core.load();
    if (!readOnly) {
      core.nextFile = Math.max(core.nextFile, yield* removeLeftovers(folder, core.state, disk));
      yield* core.unstage();
      yield* giveBack(core); // where a crash came before that
    }
    const files = make(core, hold);
    hold?.of(files);
    return files;
  } catch (error) {
    try {
      kv?.close().now();
      core?.files.closeAll();
    } catch {
      // The error that comes first is the one to tell.
    }
    hold?.release();
    throw diskError(`opening ${path}`, error, 'open with readOnly: true');
  } finally {
    unannounce();
    check?.close();
  }
}
