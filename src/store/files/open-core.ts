/** How an index comes to be, opens and closes: options, an index in memory, and the end of any. */
import { FunnelError } from '../../core/errors.js';
import { INDEX_METRICS } from '../../core/metrics.js';
import { checkDim } from '../../core/validate.js';
import { Core } from './core.js';
import type { Disk } from './disk-contract.js';
import { diskError } from './errors.js';
import type { Hold } from './hold.js';
import type { Kv } from './kv.js';
import { memoryDisk, memoryKv } from './memory.js';
import { encodeState, newState, type StoreConfig } from './state.js';
import { type Steps, take } from './step.js';
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

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS */
export function* createInMemory<T extends Writer>(
  config: StoreConfig,
  options: OpenFilesOptions,
  make: OverCore<T>,
): Steps<T> {
  checkConfig(config);
  const kv = memoryKv();
  kv.commit({ state: encodeState(newState(config)), ids: [], dead: [], payloads: [] }).now();
  return yield* openInMemory(memoryDisk(), kv, options, make);
}

/** Over files that are in memory already, in the folder ':memory:'. @throws FunnelError CORRUPT, UNSUPPORTED_FORMAT */
export function* openInMemory<T extends Writer>(
  disk: Disk,
  kv: Kv,
  options: OpenFilesOptions,
  make: OverCore<T>,
): Steps<T> {
  const maxFileBytes = options.maxFileBytes ?? MEMORY_FILE_BYTES;
  const core = new Core({ folder: ':memory:', disk, kv, readOnly: false, relaxed: true, maxFileBytes });
  yield* core.load();
  return make(core, undefined);
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

export function checkConfig(config: StoreConfig): void {
  checkDim(config.dim, 'dim');
  for (const [name, value, allowed] of [
    ['metric', config.metric, INDEX_METRICS],
    ['precision', config.precision, ['float32', 'float16']],
  ] as const) {
    if (!(allowed as readonly string[]).includes(value)) {
      throw new FunnelError('BAD_ARGUMENT', `Expected one of ${allowed.join(', ')} for ${name}, not ${String(value)}`);
    }
  }
}
