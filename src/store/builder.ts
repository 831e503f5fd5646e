/** Builds a segment over the live rows of an index, on the calling thread. */

import { halfToFloat } from '../core/half.js';
import { sharedBuffer } from '../core/shared.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Kernels } from '../kernels/kernels.js';
import { measured } from './engine/agreement.js';
import { type BuildOptions, dropRoom, encodeRange, planCoding, roomFor } from './engine/build.js';
import type { CodingPlan } from './engine/coder.js';
import { type Coded, planExtension, shared } from './engine/extend.js';
import { finishSegment, sortByList, sortPlane } from './engine/finish.js';
import { tabled } from './engine/neighbours.js';
import { Searcher } from './engine/search.js';
import type { Segment } from './engine/segment.js';
import type { RowImage } from './files/row-image.js';
import { OrdinalReader, RowImages } from './files/row-images.js';
import type { Live } from './live.js';
import { LOOKED_AT_ONCE, livingIn } from './live-memory.js';
import type { OptimizeProgress } from './types.js';

/** Rows that one job encodes, a multiple of 16: so many jobs that threads end together, so few that beginning one is cheap. */
export function rowsPerJob(total: number): number {
  return Math.min(16, Math.max(1, Math.round(total / 250_000))) * 3840;
}

export type OnProgress = (progress: OptimizeProgress) => void;

/** The ordinals `from..to` that live, where threads read them. Some may die, and others come, before all were looked at. */
export function* liveOrdinals({ files }: Live, from: number, to: number): Sliced<Uint32Array> {
  const parts: Uint32Array[] = [];
  let count = 0;
  for (let at = from; at < to; at += LOOKED_AT_ONCE) {
    if (at > from) yield;
    const living = livingIn(files.alive, at, Math.min(at + LOOKED_AT_ONCE, to));
    parts.push(living);
    count += living.length;
  }
  const ordinals = new Uint32Array(sharedBuffer(4 * count));
  let n = 0;
  for (const living of parts) {
    ordinals.set(living, n);
    n += living.length;
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
  const ordinals = yield* liveOrdinals(live, 0, live.files.rows);
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
  let isDone = false;
  try {
    for (let from = 0; from < total; from += step) {
      const to = Math.min(total, from + step);
      yield* encodeRange(codes, plan, reader, from, to, encoded);
      onProgress({ phase: 'encode', done: to, total });
    }
    const sorting = yield* sortByList(encoded, plan);
    yield* sortPlane(encoded.fullPlane, plan.coding.full, sorting);
    const finished = yield* finishSegment(codes, plan, encoded, ordinals, live.alive, sorting);
    const segment = yield* tabled(codes, finished);
    const built = yield* measured(new Searcher(kernels, codes), segment, rows);
    isDone = true;
    return built;
  } finally {
    if (!isDone) dropRoom(encoded); // also where nobody goes on with it
  }
}

/**
 * A segment of rows that were written since the build, coded as its rows are; undefined where none of them lives.
 *
 * @param from the first ordinal that is not in a segment that stays
 * @param check may throw
 */
export async function extendInSlices(
  live: Live,
  kernels: Kernels,
  codes: CodeKernels,
  like: Coded,
  from: number,
  check: () => void,
): Promise<Segment | undefined> {
  const { images, done: release } = live.useImages();
  try {
    const ordinals = await inSlices(liveOrdinals(live, from, live.files.rows), check);
    if (ordinals.length === 0) return undefined;
    return await inSlices(extension(live, images, kernels, codes, like, ordinals), check);
  } finally {
    release();
  }
}

function* extension(
  live: Live,
  images: readonly RowImage[],
  kernels: Kernels,
  codes: CodeKernels,
  like: Coded,
  ordinals: Uint32Array,
): Sliced<Segment> {
  const rows = new RowImages(codes, images, like.coding.dim, live.half);
  const plan = yield* planExtension(codes, new OrdinalReader(rows, ordinals, halfToFloat), like, live.files.liveCount);
  return shared(codes, yield* encode(live, rows, kernels, codes, plan, ordinals, () => {}), like);
}
