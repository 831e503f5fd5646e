/**
 * Extensions: segments of rows that were written since the last build, coded as its rows are. They need no new basis, and share
 * what the build's codes are read with, so that one rotation of a query, and one shortlist, serve all.
 */
import type { Sliced } from '../../core/slices.js';
import type { CodeKernels } from '../../kernels/codes.js';
import { readBasis } from './basis.js';
import { partitionOf, type RowReader } from './build.js';
import type { CodingPlan } from './coder.js';
import { findGroups } from './k-means.js';
import { releaseIn } from './memory.js';
import { decodedCentroids, type ListCentroids, listsFor, listsOver } from './partition.js';
import type { Coding, Partition, Segment } from './segment.js';

/** The parts of a build that its extensions share. */
export type Coded = Pick<Segment, 'coding' | 'partition'>;

/** Fewer rows than this are scanned as soon as their lists are chosen. */
const LISTED_FROM = 1 << 15;

/**
 * How rows are coded that are to stand beside those of a build. They stand in its lists; where it has none, since it saw few
 * rows, many get lists of their own.
 *
 * @param total rows that the index has in all
 */
export function* planExtension(
  kernels: CodeKernels,
  rows: RowReader,
  { coding, partition }: Coded,
  total: number,
): Sliced<CodingPlan> {
  const { basis: kept, fullQuantiser } = coding;
  // A segment in use does not keep all of it.
  const basis = kept === null ? null : yield* readBasis(kernels, kept.plane, kept.step, kept.dim);
  const whole: Coding = { ...coding, basis, full: fullQuantiser.base.length };
  const lists = rows.count < LISTED_FROM ? null : yield* listsOf(kernels, rows, whole, partition, total);
  return { coding: whole, partition: lists, grouping: lists === null ? null : yield* findGroups(kernels, lists) };
}

function* listsOf(
  kernels: CodeKernels,
  rows: RowReader,
  coding: Coding,
  partition: Partition | null,
  total: number,
): Sliced<ListCentroids | null> {
  if (partition !== null) return centroidsOf(partition);
  return listsFor(total) === 0 ? null : yield* partitionOf(kernels, rows, coding, listsOver(rows.count));
}

function centroidsOf({ dims, codes, halfSquares }: Partition): ListCentroids {
  return { dims, centroids: decodedCentroids(codes, dims, halfSquares.length), halfSquares };
}

/** An extension that holds no copy of what its build has. Only then are they known to be coded alike. */
export function shared(kernels: CodeKernels, segment: Segment, build: Coded): Segment {
  const { coding, partition } = segment;
  const { full } = coding;
  const own = { ...segment, coding: full === build.coding.full ? build.coding : { ...build.coding, full } };
  if (partition === null || build.partition === null) return own;
  const { dims, centroids, codes, halfSquares } = build.partition;
  if (partition.codes.plane !== codes.plane) releaseIn(kernels, partition.codes.plane);
  return { ...own, partition: { dims, centroids, codes, halfSquares, offsets: partition.offsets } };
}
