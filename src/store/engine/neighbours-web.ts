/**
 * In place of neighbours.ts in browsers and on the edge, where nobody builds the 200,000 rows from which on there are tables.
 * Those of shipped indexes are walked.
 */
import type { Sliced } from '../../core/slices.js';
import type { Segment } from './segment.js';

/** The segment as it is, whose lists are searched whole. */
export function* tabled(_kernels: unknown, segment: Segment): Sliced<Segment> {
  yield;
  return segment;
}
