/**
 * In place of neighbours.ts in browsers and on the edge, where nobody builds the 200,000 rows from which on there are tables.
 * Those of shipped indexes are walked.
 */
import type { Sliced } from '../../core/slices.js';
import type { Segment } from './segment.js';

/** The segment as it is, whose lists are searched whole: so nobody calls the others. */
export function* withTable(_kernels: unknown, segment: Segment): Sliced<Segment> {
  yield;
  return segment;
}

export function tableFor(..._asked: unknown[]): Uint32Array {
  return new Uint32Array();
}

export function listRanges(_segment: Segment): [from: number, to: number][] {
  return [];
}

export function* findNeighbours(..._asked: unknown[]): Sliced<void> {
  yield;
}

export const relinkRows = findNeighbours;
export const linkBack = findNeighbours;
