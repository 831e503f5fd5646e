/** In place of write-segment.ts in browsers and on the edge, where an index in memory has no files of codes: nobody calls these. */
import type { SegmentRef } from './segments.js';
import type { FileStep, Steps } from './step.js';

export type Sections = Iterable<object> | AsyncIterable<object>;

export function laterSections(_sections: Sections): FileStep<undefined> {
  throw new Error('there are no files here');
}

export const nowSections = laterSections;

export function writeSegment(..._asked: unknown[]): Steps<SegmentRef> {
  throw new Error('there are no files here');
}
