/** optimize(): codes for all rows, and files without the dead; asked for, or decided on by upkeep.ts. */
import { telling, tellingNow } from '../core/diagnostics.js';
import { expected, FunnelError } from '../core/errors.js';
import { checkKeys } from '../core/validate.js';
import { buildInSlices, buildSync, extendInSlices, type OnProgress } from './builder.js';
import type { Basis } from './engine/basis.js';
import type { BuildOptions } from './engine/build.js';
import { last, type Segment } from './engine/segment.js';
import { sampleQueries } from './input.js';
import { type OpenIndex, underWay } from './open-index.js';
import { Pool } from './pool.js';
import { buildWith, extendWith } from './pool-builder.js';
import { writeBuild, writeBuildNow, writeExtension } from './segment-writes.js';
import type { OptimizeOptions } from './types.js';
import type { Work } from './upkeep.js';
import { rowsOfIndex } from './writes.js';

/** Dead rows beyond this share of those in the files are dropped from them by optimize(). */
const COMPACT_FROM = 0.2;

export async function optimize(index: OpenIndex, options: OptimizeOptions): Promise<void> {
  index.checkOpen();
  checkOptions(index, options);
  // A build that is under way may bring the basis.
  const isTold = options.queries === undefined && index.upkeep.hasQueries;
  const queries = isTold ? undefined : checkQueries(index, options.queries);
  return index.upkeep.optimize(queries, options.onProgress);
}

/** Does what upkeep.ts has decided on. */
export function workOn(index: OpenIndex, work: Work): Promise<void> {
  const operation = work.automatic ? 'automatic' : 'FunnelIndex.optimize';
  return telling(
    ['build', operation, index.files.path],
    () => worked(index, work),
    () => rowsOfIndex(index),
  );
}

async function worked(index: OpenIndex, work: Work): Promise<void> {
  const { files, indexes, live, codes, kernels } = index;
  index.checkOpen();
  await files.written();
  index.checkOpen();
  if (work.task === 'compaction' || hasManyDead(index)) {
    await compacted(index, work);
    index.checkOpen();
  }
  if (work.task === 'compaction') {
    await indexes.write(true);
    return;
  }
  const options = buildOptions(index, checkQueries(index, work.queries));
  work.saw(files);
  const segment = Pool.available
    ? await buildWith(index.pool, live, codes, options, work.progress)
    : await buildInSlices(live, kernels, codes, options, work.progress, index.checkOpen);
  index.checkOpen();
  await keep(index, segment, work.progress);
  index.checkOpen();
  await indexes.write();
}

async function compacted(index: OpenIndex, work: Work): Promise<void> {
  try {
    await index.files.compact({ pace: work.pace, signal: work.controller.signal });
  } catch (error) {
    // close() aborts it, and nobody else does.
    if ((error as FunnelError).code === 'ABORTED') index.checkOpen();
    throw error;
  }
}

export function optimizeSync(index: OpenIndex, options: OptimizeOptions): void {
  const told = ['build', 'FunnelIndex.optimizeSync', index.files.path] as const;
  tellingNow(
    told,
    () => optimizeNow(index, options),
    () => rowsOfIndex(index),
  );
}

function optimizeNow(index: OpenIndex, options: OptimizeOptions): void {
  const { files, indexes, live, codes, kernels } = index;
  index.checkOpen();
  checkOptions(index, options);
  if (index.upkeep.busy) throw underWay();
  const build = buildOptions(index, checkQueries(index, options.queries));
  if (hasManyDead(index)) files.compactSync();
  indexes.writeNow();
  keepSync(index, buildSync(live, kernels, codes, build, options.onProgress));
}

/** An extension takes in those before it that are at most so many times as large: else there would be ever more of them. */
const TAKES_IN = 4;

/**
 * Codes for the rows that have none, as those of the last build are made: an extension of it. Whatever comes between, a build
 * above all, goes on, and the extension is in vain then.
 *
 * @param check may throw
 */
export async function extend(index: OpenIndex, check: () => void): Promise<void> {
  const { files, live, codes, kernels } = index;
  const { segments, buildName, unindexed } = live;
  const [build] = segments;
  if (build === undefined || unindexed.length === 0) return;
  let staying = segments.length;
  let taken = unindexed.length;
  while (staying > 1 && segments[staying - 1]!.count <= TAKES_IN * taken) taken += segments[--staying]!.count;
  const from = segments.slice(0, staying).reduce((to, { ordinals }) => Math.max(to, last(ordinals) + 1), 0);
  const codedTo = files.rows;
  const segment = Pool.available
    ? await extendWith(index.pool, live, codes, build, from, check)
    : await extendInSlices(live, kernels, codes, build, from, check);
  if (segment === undefined) return;
  const isInVain = () => live.segments !== segments;
  let name: string | undefined;
  if (buildName !== undefined && !index.closed && !isInVain()) {
    name = await writeExtension(index, segment, staying, check);
  }
  const isKept = !index.closed && !isInVain() && (buildName === undefined || name !== undefined);
  if (isKept) live.extend(segment, name, staying, codedTo);
  else live.discard(segment, build);
}

function hasManyDead({ files }: OpenIndex): boolean {
  return files.deadCount > COMPACT_FROM * files.filedCount;
}

/** @param segment undefined when no row lives: then codes of rows that did are all that there is to drop */
async function keep(index: OpenIndex, segment: Segment | undefined, onProgress: OnProgress): Promise<void> {
  const { files, live } = index;
  if (segment === undefined) {
    const remove = () => files.segments.map(({ name }) => name); // extensions may come meanwhile
    if (files.segments.length > 0) await files.commitSegments({ remove });
    if (!index.closed) live.dropSegments();
    return;
  }
  onProgress({ phase: 'write', done: 0, total: 1 });
  const name = await writeBuild(files, segment);
  if (!index.closed) live.replaceSegments(segment, name);
  onProgress({ phase: 'write', done: 1, total: 1 });
}

function keepSync({ files, live }: OpenIndex, segment: Segment | undefined): void {
  if (segment !== undefined) {
    live.replaceSegments(segment, writeBuildNow(files, segment));
    return;
  }
  const remove = files.segments.map(({ name }) => name);
  if (remove.length > 0) files.commitSegmentsSync({ remove });
  live.dropSegments();
}

function checkOptions(index: OpenIndex, options: OptimizeOptions): void {
  checkKeys(options, ['onProgress', 'queries'], 'the options of optimize()');
  if (options.onProgress !== undefined && typeof options.onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', options.onProgress);
  }
  index.checkWritable();
}

/** The sample for a build, a copy. @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER */
function checkQueries(index: OpenIndex, sample: Float32Array | undefined): Float32Array | undefined {
  const { rotation } = index.config;
  if (sample !== undefined && rotation !== 'balanced') {
    throw new FunnelError('BAD_ARGUMENT', `Expected no queries for optimize() with rotation '${rotation}'`);
  }
  if (sample === undefined && index.wantsQueries) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      "Expected optimize({ queries }) for rotation 'balanced': it has no basis yet",
    );
  }
  return sample === undefined ? undefined : sampleQueries(sample, index.dim);
}

function buildOptions({ dim, metric, config, live }: OpenIndex, queries: Float32Array | undefined): BuildOptions {
  const { head, order, rotation, lists } = config;
  const round = (n: number) => Math.ceil(n / 8) * 8;
  return {
    dim,
    metric,
    rotation,
    head: round(head),
    width: Math.max(round(head), round(Math.min(dim, 2 * head))),
    full: live.hasRoomForFull, // where no search could keep them, a build would take time and memory for nothing
    ...(lists === null ? {} : { lists }),
    ...(order === undefined ? {} : { shortlist: order }),
    ...(queries === undefined ? {} : { queries }),
    // A copy: the segment that has it may be replaced meanwhile.
    ...(rotation === 'balanced' && !queries && { basis: ownBasis(live.segments[0]!.coding.basis!) }),
  };
}

function ownBasis({ plane, step }: Basis): Pick<Basis, 'plane' | 'step'> {
  return { plane: plane.slice(), step };
}
