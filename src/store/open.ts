/** Makes and opens indexes, for the twins create() and createSync(), open() and openSync(). */
import { expected } from '../core/errors.js';
import { usableThreads } from '../core/threads.js';
import { activeKernels } from '../kernels/load.js';
import { backend } from './backend.js';
import { extend, workOn } from './builds.js';
import { IndexFiles } from './files/index-files.js';
import { ROW_FILE_BYTES } from './files/open-core.js';
import { type Steps, take, turnStep } from './files/step.js';
import { checkCreateOptions, checkOpenOptions } from './input.js';
import { Live } from './live.js';
import { OpenIndex } from './open-index.js';
import { Pool } from './pool.js';
import type { FunnelIndexOptions, OpenIndexOptions } from './types.js';
import { packIfWorth } from './writes.js';

/** Values of rows from which on open() takes longer than the start of a thread. */
const LARGE = 1 << 24;

export function* creating(path: string, given: FunnelIndexOptions): Steps<OpenIndex> {
  checkPath(path);
  if (typeof given !== 'object' || given === null) {
    throw expected('BAD_ARGUMENT', '{ dim, ... }', 'the options of FunnelIndex.create()', given);
  }
  const options = { ...given }; // read once
  const config = checkCreateOptions(options);
  const { dim, metric = 'cosine', precision = 'float32', durability, breakLock } = options;
  const files = yield* IndexFiles.createSteps(
    path,
    { dim, metric, precision, options: config },
    { ...(durability && { durability }), ...(breakLock && { breakLock }), maxFileBytes: ROW_FILE_BYTES },
  );
  return yield* over(files, options, true);
}

export function* opening(
  path: string,
  given: OpenIndexOptions & { readOnly?: boolean },
  withRows: boolean,
): Steps<OpenIndex> {
  checkPath(path);
  const options = typeof given === 'object' && given !== null ? { ...given } : given; // read once
  checkOpenOptions(options);
  const { readOnly = false, durability, breakLock } = options;
  const files = yield* IndexFiles.openSteps(path, {
    readOnly,
    ...(durability && { durability }),
    ...(breakLock && { breakLock }),
  });
  return yield* over(files, options, withRows);
}

/** In memory, over the bytes that toBytes() gave. */
export function* openingBytes(bytes: unknown, given: OpenIndexOptions = {}): Steps<OpenIndex> {
  const options = typeof given === 'object' && given !== null ? { ...given } : given; // read once
  checkOpenOptions(options, 'FunnelIndex.fromBytes()');
  for (const key of ['readOnly', 'breakLock', 'durability'] as const) {
    const value = (options as { [key in typeof key]?: unknown })[key];
    if (value !== undefined) throw expected('BAD_ARGUMENT', `no ${key} for an index in memory`, key, value);
  }
  const files = yield* IndexFiles.imageSteps(bytes);
  const index = yield* over(files, options, true);
  const names = files.segments.map(({ name }) => name);
  if (names.length > 0) {
    files.commitSegmentsSync({ remove: names }); // their codes are in the memory of the kernels now
  }
  return index;
}

function* over(files: IndexFiles, options: OpenIndexOptions, withRows: boolean): Steps<OpenIndex> {
  let pool: Pool | undefined;
  try {
    activeKernels(); // for the first time in a process they are loaded
    yield* take(turnStep);
    const own = backend(); // once: on WASM it is a memory
    yield* take(turnStep);
    pool = new Pool(options.threads ?? usableThreads(), own.setup);
    if (!withRows && Pool.available && files.liveCount * files.config.dim > LARGE) pool.prepare();
    const live = new Live(files, own.codes, options.memory ?? Number.MAX_SAFE_INTEGER);
    yield* live.load(withRows);
    const index = new OpenIndex(files, live, pool, own, options, { run: workOn, extend });
    index.upkeep.written();
    packIfWorth(index);
    return index;
  } catch (error) {
    void pool?.close();
    files.closeSync();
    throw error;
  }
}

function checkPath(path: unknown): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw expected('BAD_ARGUMENT', "the path of a folder, or ':memory:',", 'path', path);
  }
}
