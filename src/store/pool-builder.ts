/** Builds a segment in the threads of an index. */
import { letGo } from '../core/shared.js';
import { inSlices } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import { liveOrdinals, type OnProgress, rowsPerJob } from './builder.js';
import { type BuildOptions, dropRoom, roomFor } from './engine/build.js';
import { type Coded, shared } from './engine/extend.js';
import { releaseIn } from './engine/memory.js';
import { listRanges, narrowFor, tableBytes, tableFor, withNarrow } from './engine/neighbours.js';
import { listsFor } from './engine/partition.js';
import type { Segment } from './engine/segment.js';
import type { Live } from './live.js';
import type { Pool } from './pool.js';
import type { EncodeJob } from './pool-messages.js';

/** Bytes of a row beside its planes and neighbours: its lengths, its ordinal, its part of a mask. */
const BESIDE_PLANES = 10;

/** As buildSync, off this thread. */
export async function buildWith(
  pool: Pool,
  live: Live,
  codes: CodeKernels,
  options: BuildOptions,
  onProgress: OnProgress = () => {},
): Promise<Segment | undefined> {
  const { liveCount, rows } = live.files;
  if (liveCount === 0) return undefined;
  onProgress({ phase: 'plan', done: 0, total: liveCount });
  live.expectCodes(codeBytes(options, liveCount));
  const { images, done: release } = live.useImages();
  const { half } = live;
  try {
    const ordinals = await inSlices(liveOrdinals(live, 0, rows));
    if (ordinals.length === 0) return undefined;
    const plan = await pool.plan({ kind: 'plan', images, half, ordinals, options });
    return await encodeWith(pool, codes, { plan, images, half, ordinals }, onProgress);
  } finally {
    release();
  }
}

/** Bytes that the codes of so many rows take in memory, about. */
function codeBytes({ dim, head, width, full, lists, shortlist }: BuildOptions, count: number): number {
  const planes = width + (full === false || width >= dim ? 0 : dim);
  const table = (lists ?? listsFor(count)) > 1 && shortlist === undefined ? tableBytes(head) : 0;
  return count * (planes + BESIDE_PLANES + table);
}

/** As extendInSlices, off this thread. @param check may throw */
export async function extendWith(
  pool: Pool,
  live: Live,
  codes: CodeKernels,
  like: Coded,
  from: number,
  check: () => void,
): Promise<Segment | undefined> {
  const { liveCount: total, rows } = live.files;
  const { images, done: release } = live.useImages();
  const { half } = live;
  try {
    const ordinals = await inSlices(liveOrdinals(live, from, rows), check);
    if (ordinals.length === 0) return undefined;
    const plan = await pool.plan({ kind: 'planExtension', images, half, ordinals, like, total });
    check();
    return shared(codes, await encodeWith(pool, codes, { plan, images, half, ordinals }, check), like);
  } finally {
    release();
  }
}

type Encoding = Pick<EncodeJob, 'plan' | 'images' | 'half' | 'ordinals'>;

/** @param onProgress called as parts are done; it may throw */
async function encodeWith(
  pool: Pool,
  codes: CodeKernels,
  encoding: Encoding,
  onProgress: OnProgress,
): Promise<Segment> {
  const encoded = roomFor(codes, encoding.plan.coding, encoding.ordinals.length);
  try {
    return await encodeInto(pool, codes, { ...encoding, encoded }, onProgress);
  } catch (error) {
    dropRoom(encoded);
    throw error;
  }
}

async function encodeInto(
  pool: Pool,
  codes: CodeKernels,
  { plan, images, half, ordinals, encoded }: Encoding & Pick<EncodeJob, 'encoded'>,
  onProgress: OnProgress,
): Promise<Segment> {
  const total = ordinals.length;
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
  if (sorting.order !== null) {
    letGo(encoded.headPlane); // sorted into another, by a thread that counts for itself
    if (encoded.shortlist !== null) letGo(encoded.shortlist.plane);
  }
  return await pool.measure({ kind: 'measure', segment, images, half });
}

/** Fills a segment's table of neighbours, where it has one: lists are divided among the threads. */
async function withNeighbours(pool: Pool, codes: CodeKernels, segment: Segment): Promise<Segment> {
  const ranges = listRanges(segment);
  if (ranges.length === 0) return segment;
  const table = tableFor(codes, segment.count);
  await all(ranges.map(([from, to]) => pool.table({ kind: 'neighbours', segment, from, to, table })));
  await all(ranges.map(([from, to]) => pool.table({ kind: 'relink', segment, from, to, before: table })));
  releaseIn(codes, table);
  const narrow = narrowFor(codes, segment);
  await pool.table({ kind: 'linkBack', segment, narrow });
  return withNarrow(codes, segment, narrow);
}

/** Waits for all of the jobs, also when one of them fails: they read what their caller holds. */
async function all(jobs: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(jobs)).find((job) => job.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
