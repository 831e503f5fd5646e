/** Builds a segment over the live rows of an index, in its threads where there are some. */

import { halfToFloat } from '../core/half.js';
import { sharedBuffer } from '../core/shared.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Kernels } from '../kernels/kernels.js';
import { agreementOf } from './engine/agreement.js';
import { type BuildOptions, encodeRange, planCoding, roomFor } from './engine/build.js';
import { finishSegment, sortByList, sortPlane } from './engine/finish.js';
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
  const segment = yield* finishSegment(codes, plan, encoded, ordinals, live.alive, sorting);
  const searcher = new Searcher(kernels, codes);
  return {
    ...segment,
    agreement: yield* agreementOf(searcher, segment, new RowImages(codes, images, options.dim, live.half)),
  };
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
    // All must end before the files may go.
    const failed = (await Promise.allSettled(jobs)).find((job) => job.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const sorting = await pool.sort({ kind: 'sort', plan, encoded });
    const [segment] = await Promise.all([
      pool.finish({ kind: 'finish', plan, images, half, encoded, ordinals, sorting }),
      pool.sortPlane({ kind: 'sortPlane', plane: encoded.fullPlane, stride: plan.coding.full, sorting }),
    ]);
    return segment;
  } finally {
    release();
  }
}
