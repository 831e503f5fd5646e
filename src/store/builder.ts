/** Builds a segment over the live rows of an index, in its threads where there are some. */

import { halfToFloat } from '../core/half.js';
import { sharedBuffer } from '../core/shared.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Kernels } from '../kernels/kernels.js';
import { measured } from './engine/agreement.js';
import { type BuildOptions, encodeRange, planCoding, roomFor } from './engine/build.js';
import { finishSegment, sortByList, sortPlane } from './engine/finish.js';
import { releaseIn, Scratch } from './engine/memory.js';
import { findNeighbours, linkBack, listRanges, relinkRows, tableFor, withTable } from './engine/neighbours.js';
import { Searcher } from './engine/search.js';
import type { Segment } from './engine/segment.js';
import { OrdinalReader, type RowImage, RowImages } from './files/row-images.js';
import type { Live } from './live.js';
import type { Pool } from './pool.js';
import type { OptimizeProgress } from './types.js';

/** Rows that one job encodes, a multiple of 16: so many jobs that threads end together, so few that beginning one is cheap. */
function rowsPerJob(total: number): number {
  return Math.min(16, Math.max(1, Math.round(total / 250_000))) * 3840;
}

export type OnProgress = (progress: OptimizeProgress) => void;

function liveOrdinals(live: Live): Uint32Array {
  const { files } = live;
  const ordinals = new Uint32Array(sharedBuffer(4 * files.liveCount));
  let n = 0;
  for (let ordinal = 0; ordinal < files.rows && n < ordinals.length; ordinal++) {
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
  const total = ordinals.length;
  if (total === 0) return undefined;
  onProgress({ phase: 'plan', done: 0, total });
  const reader = new OrdinalReader(new RowImages(codes, images, options.dim, live.half), ordinals, halfToFloat);
  const plan = yield* planCoding(codes, reader, options);
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
  const rows = new RowImages(codes, images, options.dim, live.half);
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
  const total = ordinals.length;
  if (total === 0) return undefined;
  onProgress({ phase: 'plan', done: 0, total });
  const { images, done: release } = live.useImages();
  const { half } = live;
  try {
    const plan = await pool.plan({ kind: 'plan', images, half, ordinals, options });
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
      pool
        .finish({ kind: 'finish', plan, encoded, ordinals, sorting })
        .then((made) => withNeighbours(pool, codes, made)),
      pool.sortPlane({ kind: 'sortPlane', plane: encoded.fullPlane, stride: plan.coding.full, sorting }),
    ]);
    return await pool.measure({ kind: 'measure', segment, images, half });
  } finally {
    release();
  }
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
