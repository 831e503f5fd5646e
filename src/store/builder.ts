/** Builds a segment over the live rows of an index, in its threads where there are some. */

import { halfToFloat } from '../core/half.js';
import { sharedBuffer } from '../core/shared.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Kernels } from '../kernels/kernels.js';
import { measured } from './engine/agreement.js';
import { type BuildOptions, encodeRange, planCoding, roomFor } from './engine/build.js';
import type { CodingPlan } from './engine/coder.js';
import { type Coded, planExtension, shared } from './engine/extend.js';
import { finishSegment, sortByList, sortPlane } from './engine/finish.js';
import { releaseIn, Scratch } from './engine/memory.js';
import { findNeighbours, linkBack, listRanges, relinkRows, tableFor, withTable } from './engine/neighbours.js';
import { Searcher } from './engine/search.js';
import type { Segment } from './engine/segment.js';
import type { RowImage } from './files/row-image.js';
import { OrdinalReader, RowImages } from './files/row-images.js';
import type { Live } from './live.js';
import type { Pool } from './pool.js';
import type { EncodeJob } from './pool-messages.js';
import type { OptimizeProgress } from './types.js';

/** Rows that one job encodes, a multiple of 16: so many jobs that threads end together, so few that beginning one is cheap. */
function rowsPerJob(total: number): number {
  return Math.min(16, Math.max(1, Math.round(total / 250_000))) * 3840;
}

export type OnProgress = (progress: OptimizeProgress) => void;

/** @param from the first that counts */
function liveOrdinals(live: Live, from = 0): Uint32Array {
  const { files } = live;
  let count = 0;
  if (from === 0) count = files.liveCount;
  else for (let ordinal = from; ordinal < files.rows; ordinal++) if (live.alive(ordinal)) count++;
  const ordinals = new Uint32Array(sharedBuffer(4 * count));
  let n = 0;
  for (let ordinal = from; ordinal < files.rows && n < ordinals.length; ordinal++) {
    if (live.alive(ordinal)) ordinals[n++] = ordinal;
  }
  return ordinals;
}

export function buildSync(
  live: Live,
  kernels: Kernels,
  codes: CodeKernels,
  options: BuildOptions,
  onProgress: OnProgress = () => {},
): Segment | undefined {
  return atOnce(build(live, live.images, kernels, codes, options, onProgress));
}

/** The same where there are no threads, so that the caller's thread has time for others. @param check may throw */
export async function buildInSlices(
  live: Live,
  kernels: Kernels,
  codes: CodeKernels,
  options: BuildOptions,
  onProgress: OnProgress,
  check: () => void,
): Promise<Segment | undefined> {
  const { images, done } = live.useImages();
  try {
    return await inSlices(build(live, images, kernels, codes, options, onProgress), check);
  } finally {
    done();
  }
}

function* build(
  live: Live,
  images: readonly RowImage[],
  kernels: Kernels,
  codes: CodeKernels,
  options: BuildOptions,
  onProgress: OnProgress,
): Sliced<Segment | undefined> {
  const ordinals = liveOrdinals(live);
  if (ordinals.length === 0) return undefined;
  onProgress({ phase: 'plan', done: 0, total: ordinals.length });
  const rows = new RowImages(codes, images, options.dim, live.half);
  const plan = yield* planCoding(codes, new OrdinalReader(rows, ordinals, halfToFloat), options);
  return yield* encode(live, rows, kernels, codes, plan, ordinals, onProgress);
}

function* encode(
  live: Live,
  rows: RowImages,
  kernels: Kernels,
  codes: CodeKernels,
  plan: CodingPlan,
  ordinals: Uint32Array,
  onProgress: OnProgress,
): Sliced<Segment> {
  const total = ordinals.length;
  const reader = new OrdinalReader(rows, ordinals, halfToFloat);
  const encoded = roomFor(codes, plan.coding, total);
  const step = rowsPerJob(total);
  for (let from = 0; from < total; from += step) {
    const to = Math.min(total, from + step);
    yield* encodeRange(codes, plan, reader, from, to, encoded);
    onProgress({ phase: 'encode', done: to, total });
  }
  const sorting = yield* sortByList(encoded, plan);
  yield* sortPlane(encoded.fullPlane, plan.coding.full, sorting);
  const finished = yield* finishSegment(codes, plan, encoded, ordinals, live.alive, sorting);
  const segment = yield* withTable(codes, finished);
  if (segment.neighbours !== null) yield* fillTable(codes, segment);
  return yield* measured(new Searcher(kernels, codes), segment, rows);
}

/** As buildSync, off this thread. */
export async function buildWith(
  pool: Pool,
  live: Live,
  codes: CodeKernels,
  options: BuildOptions,
  onProgress: OnProgress = () => {},
): Promise<Segment | undefined> {
  const ordinals = liveOrdinals(live);
  if (ordinals.length === 0) return undefined;
  onProgress({ phase: 'plan', done: 0, total: ordinals.length });
  const { images, done: release } = live.useImages();
  const { half } = live;
  try {
    const plan = await pool.plan({ kind: 'plan', images, half, ordinals, options });
    return await encodeWith(pool, codes, { plan, images, half, ordinals }, onProgress);
  } finally {
    release();
  }
}

/**
 * A segment of rows that were written since the build, coded as its rows are; undefined where none of them lives.
 *
 * @param from the first ordinal that is not in a segment that stays
 * @param check may throw
 */
export async function extendWith(
  pool: Pool | undefined,
  live: Live,
  kernels: Kernels,
  codes: CodeKernels,
  like: Coded,
  from: number,
  check: () => void,
): Promise<Segment | undefined> {
  const ordinals = liveOrdinals(live, from);
  if (ordinals.length === 0) return undefined;
  const total = live.files.liveCount;
  const { images, done: release } = live.useImages();
  const { half } = live;
  const { dim } = like.coding;
  try {
    if (pool === undefined) {
      const rows = new RowImages(codes, images, dim, half);
      const plan = planExtension(codes, new OrdinalReader(rows, ordinals, halfToFloat), like, total);
      const made = await inSlices(
        encode(live, rows, kernels, codes, await inSlices(plan, check), ordinals, () => {}),
        check,
      );
      return shared(codes, made, like);
    }
    const plan = await pool.plan({ kind: 'planExtension', images, half, ordinals, like, total });
    check();
    return shared(codes, await encodeWith(pool, codes, { plan, images, half, ordinals }, check), like);
  } finally {
    release();
  }
}

/** @param onProgress called as parts are done; it may throw */
async function encodeWith(
  pool: Pool,
  codes: CodeKernels,
  { plan, images, half, ordinals }: Pick<EncodeJob, 'plan' | 'images' | 'half' | 'ordinals'>,
  onProgress: OnProgress,
): Promise<Segment> {
  const total = ordinals.length;
  const encoded = roomFor(codes, plan.coding, total);
  let done = 0;
  const jobs: Promise<void>[] = [];
  const step = rowsPerJob(total);
  for (let from = 0; from < total; from += step) {
    const to = Math.min(total, from + step);
    const job = pool.encode({ kind: 'encode', plan, images, half, ordinals, from, to, encoded });
    jobs.push(
      job.then(() => {
        done += to - from;
        onProgress({ phase: 'encode', done, total });
      }),
    );
  }
  await all(jobs); // before the files may go
  const sorting = await pool.sort({ kind: 'sort', plan, encoded });
  const [segment] = await Promise.all([
    pool.finish({ kind: 'finish', plan, encoded, ordinals, sorting }).then((made) => withNeighbours(pool, codes, made)),
    pool.sortPlane({ kind: 'sortPlane', plane: encoded.fullPlane, stride: plan.coding.full, sorting }),
  ]);
  return await pool.measure({ kind: 'measure', segment, images, half });
}

function* fillTable(codes: CodeKernels, segment: Segment): Sliced<void> {
  const scratch = new Scratch(codes);
  const lists = segment.partition!.halfSquares.length;
  const first = tableFor(codes, segment.count);
  yield* findNeighbours(codes, scratch, segment, 0, lists, first);
  yield* relinkRows(codes, scratch, segment, 0, lists, first);
  releaseIn(codes, first);
  yield* linkBack(segment);
}

/** Fills a segment's table of neighbours, where it has one: lists are divided among the threads. */
async function withNeighbours(pool: Pool, codes: CodeKernels, segment: Segment): Promise<Segment> {
  const ranges = listRanges(segment);
  if (ranges.length === 0) return segment;
  const table = tableFor(codes, segment.count);
  await all(ranges.map(([from, to]) => pool.table({ kind: 'neighbours', segment, from, to, table })));
  await all(ranges.map(([from, to]) => pool.table({ kind: 'relink', segment, from, to, before: table })));
  releaseIn(codes, table);
  await pool.table({ kind: 'linkBack', segment });
  return segment;
}

/** Waits for all of the jobs, also when one of them fails: they read what their caller holds. */
async function all(jobs: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(jobs)).find((job) => job.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
