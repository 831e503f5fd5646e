/** How an index comes to be, is opened and closed: the hold of its writer, LMDB, the state, then what a crash left. */
import { join } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { METRICS } from '../../core/metrics.js';
import { checkDim } from '../../core/validate.js';
import { Core } from './core.js';
import { type Disk, nodeDisk } from './disk.js';
import { diskError } from './errors.js';
import { checkFolder, createFolder, newState, removeLeftovers } from './folder.js';
import { Hold } from './hold.js';
import type { Kv } from './kv.js';
import { checkLmdbFile, type LmdbCheck } from './lmdb-check.js';
import { LMDB_FILE, lmdbKv, prepareLmdb } from './lmdb-kv.js';
import { checkByteOrder, checkMaySync } from './may-sync.js';
import { memoryDisk, memoryKv } from './memory.js';
import { announceWriter, letWriterOpen } from './shared-envs.js';
import { encodeState, type StoreConfig } from './state.js';
import { type Steps, take, turnStep } from './step.js';
import type { Writer } from './writers.js';

/** Row files take no more rows beyond this size. */
export const ROW_FILE_BYTES = 1 << 30;
/** The same in memory, where a file that grows is copied while nothing else happens. */
const MEMORY_FILE_BYTES = 32 << 20;

export interface OpenFilesOptions {
  /** Read only; any number of processes may. Default false. */
  readOnly?: boolean;
  /**
   * 'full' (default): what a call has acknowledged survives a crash of the machine. 'relaxed': nothing waits for the
   * disk. A crash of the process loses nothing, but one of the machine, or a power loss, may lose any acknowledged write
   * or leave an index that does not open at all.
   */
  durability?: 'full' | 'relaxed';
  /**
   * Become the writer though another is registered: one that is dead for certain, or whose index this thread has lost. Does
   * not help against one that is known to be alive.
   */
  breakLock?: boolean;
  /** For tests. */
  disk?: Disk;
  /** Row files take no more rows beyond this size. Default 1 GiB. */
  maxFileBytes?: number;
}

/** Makes the index of what was opened; `hold` is that of a writer on disk. It must not wait. */
export type OverCore<T extends Writer> = (core: Core, hold: Hold | undefined) => T;

/** @throws FunnelError INDEX_EXISTS, MISSING_PACKAGE, DISK, BAD_ARGUMENT */
export function* createCore<T extends Writer>(
  path: string,
  config: StoreConfig,
  options: OpenFilesOptions,
  make: OverCore<T>,
): Steps<T> {
  checkConfig(config);
  if (path !== ':memory:') {
    checkByteOrder(path);
    checkMaySync(path);
    yield* createFolder(path, config, options.disk ?? nodeDisk);
    return yield* openCore(path, options, make);
  }
  const kv = memoryKv();
  kv.commit({ state: encodeState(newState(config)), ids: [], dead: [], payloads: [] }).now();
  const core = new Core({
    folder: path,
    disk: memoryDisk(),
    kv,
    readOnly: false,
    relaxed: true,
    maxFileBytes: options.maxFileBytes ?? MEMORY_FILE_BYTES,
  });
  yield* core.load();
  return make(core, undefined);
}

/**
 * Whose call comes first among those of this thread is decided before the first step may wait.
 *
 * @throws FunnelError NO_INDEX, INDEX_LOCKED, NOT_WRITABLE, CORRUPT, UNSUPPORTED_FORMAT, MISSING_PACKAGE, DISK
 */
export function* openCore<T extends Writer>(path: string, options: OpenFilesOptions, make: OverCore<T>): Steps<T> {
  const { readOnly = false, durability = 'full', breakLock = false, disk = nodeDisk } = options;
  if (durability !== 'full' && durability !== 'relaxed') {
    throw new FunnelError('BAD_ARGUMENT', `Expected 'full' or 'relaxed' for durability, not ${String(durability)}`);
  }
  checkByteOrder(path);
  if (!readOnly) checkMaySync(path);
  checkFolder(path);
  const relaxed = durability === 'relaxed';
  const file = join(path, LMDB_FILE);
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
    core = new Core({ folder: path, disk, kv: kv!, readOnly, relaxed, maxFileBytes });
    yield* core.load();
    if (!readOnly) yield* removeLeftovers(path, core.state, disk);
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

/** @throws FunnelError DISK; it is closed all the same */
export function* closeCore(core: Core, hold: Hold | undefined): Steps<void> {
  const { kv, folder } = core.options;
  try {
    core.files.closeAll();
    yield* take(kv.close());
  } catch (error) {
    throw diskError(`closing ${folder}`, error);
  } finally {
    hold?.release();
  }
}

function checkConfig(config: StoreConfig): void {
  checkDim(config.dim, 'dim');
  for (const [name, value, allowed] of [
    ['metric', config.metric, METRICS],
    ['precision', config.precision, ['float32', 'float16']],
  ] as const) {
    if (!(allowed as readonly string[]).includes(value)) {
      throw new FunnelError('BAD_ARGUMENT', `Expected one of ${allowed.join(', ')} for ${name}, not ${String(value)}`);
    }
  }
}
