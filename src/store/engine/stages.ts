/**
 * The stages of a search by bounds. Each says its name, its plane and the bits of a code, how the query is coded for it, and the
 * bound that follows from all that is known of a row by then. The scan comes first, over whole blocks; the others read one more
 * plane of the rows that are still candidates. search.ts runs REFINEMENT in its order, so another plane is one more entry.
 */
import type { CodeKernels } from '../../kernels/codes.js';
import type { SeenQuery } from './centre.js';
import type { Scratch } from './memory.js';
import {
  type HeadQuerySide,
  headQuerySide,
  type QuerySide,
  type Rotated,
  rowQuerySide,
  type Split,
  skewSlack,
  splitLengths,
} from './prepared.js';
import type { Coding, Lengths, Segment } from './segment.js';

/** One query beside one segment, with what all stages have in common. */
export interface CodedQuery {
  readonly seen: SeenQuery;
  /** `width` rotated dims. */
  readonly rotated: Rotated;
  readonly head: HeadQuerySide;
  /** The query's lengths inside and beyond the head's dims. */
  readonly lengths: Split;
}

/** The terms that a bound adds to an estimate: error · within + tail · beyond + constant (`Bound` of kernels/codes-scan.ts). */
export interface BoundTerms extends Split {
  readonly error: Lengths;
  readonly tail: Lengths;
  readonly constant: number;
}

interface CodePlane {
  readonly bits: 4 | 8;
  /** Dims that the plane codes, a multiple of 8; 0: the segment has no such plane. */
  dims(coding: Coding): number;
  plane(segment: Segment): Uint8Array;
}

/** A plane of which whole blocks are read, for several queries at once. */
export interface ScanStage extends CodePlane {
  readonly name: 'head';
  /** @param codes where the query's codes go, `dims` of them */
  querySide(coding: Coding, rotated: Rotated, codes: Int16Array): HeadQuerySide;
  bound(segment: Segment, query: CodedQuery): BoundTerms;
}

/** A plane that is read row by row, for the candidates alone. */
export interface RefineStage extends CodePlane {
  readonly name: 'fine' | 'level' | 'full';
  /** The stage is run for more candidates than this: fewer are scored sooner than their codes are read. */
  readonly above: number;
  /** Its estimates take the place of those before, and are not added to them. */
  readonly restarts: boolean;
  querySide(scratch: Scratch, coding: Coding, query: CodedQuery): QuerySide;
  /** @param before the constant of the bound before this one */
  bound(segment: Segment, query: CodedQuery, part: QuerySide, before: number): BoundTerms;
}

export type StageName = ScanStage['name'] | RefineStage['name'];

/** The high halves of the head's 8-bit codes. */
export const SCAN: ScanStage = {
  name: 'head',
  bits: 4,
  dims: ({ head }) => head,
  plane: ({ headPlane }) => headPlane,
  querySide: (coding, rotated, codes) => headQuerySide(coding, rotated, false, codes),
  bound: ({ coarseError, headTail }, { head, lengths }) => ({
    error: coarseError,
    tail: headTail,
    ...lengths,
    constant: head.constant + head.slack,
  }),
};

/** Their low halves: the constant is that of the whole codes then. */
export const FINE = {
  name: 'fine',
  bits: 4,
  above: 0,
  restarts: false,
  dims: ({ head }: Coding) => head,
  plane: ({ finePlane }: Segment): Uint8Array => finePlane,
  querySide: (_scratch: Scratch, _coding: Coding, { head }: Pick<CodedQuery, 'head'>): QuerySide => ({
    query: head.query,
    scale: head.scale / 16,
    constant: head.fineConstant,
    slack: head.fineSlack,
  }),
  bound: ({ fineError, headTail }: Segment, { lengths }: CodedQuery, { constant, slack }: QuerySide) => ({
    error: fineError,
    tail: headTail,
    ...lengths,
    constant: constant + slack,
  }),
} as const satisfies RefineStage;

/** The rotated dims beyond the head. */
export const LEVEL = {
  name: 'level',
  bits: 8,
  above: 0,
  restarts: false,
  dims: ({ head, width }: Coding) => width - head,
  plane: ({ levelPlane }: Segment): Uint8Array => levelPlane,
  querySide(scratch: Scratch, coding: Coding, { rotated }: Pick<CodedQuery, 'rotated'>) {
    const { head, width, levelQuantiser } = coding;
    const query = scratch.take('level query', Int16Array, width - head);
    return rowQuerySide(levelQuantiser, rotated.u, head, 1, width - head, query);
  },
  bound({ coding, levelError, levelTail }: Segment, { rotated, lengths }: CodedQuery, part: QuerySide, before: number) {
    const all = splitLengths(coding, rotated, coding.width);
    // The head's part has paid for the skew of its own dims.
    const skew = skewSlack(coding, all.within) - skewSlack(coding, lengths.within);
    return { error: levelError, tail: levelTail, ...all, constant: before + part.constant + part.slack + skew };
  },
} as const satisfies RefineStage;

/** Every dim, unrotated. It reads a quarter of a row's bytes, which pays only where many candidates are left. */
export const FULL = {
  name: 'full',
  bits: 8,
  above: 128,
  restarts: true,
  dims: ({ full }: Coding) => full,
  plane: ({ fullPlane }: Segment): Uint8Array => fullPlane,
  querySide(scratch: Scratch, { full, fullQuantiser }: Coding, { seen }: Pick<CodedQuery, 'seen'>) {
    const query = scratch.take('full query', Int16Array, full);
    return rowQuerySide(fullQuantiser, seen.values, 0, seen.norm > 0 ? 1 / seen.norm : 0, full, query);
  },
  // No dim is left out, so nothing is owed for a tail.
  bound: ({ fullError, headTail }: Segment, _query: CodedQuery, { constant, slack }: QuerySide) => ({
    error: fullError,
    tail: headTail,
    within: 1,
    beyond: 0,
    constant: constant + slack,
  }),
} as const satisfies RefineStage;

export const REFINEMENT: readonly RefineStage[] = [FINE, LEVEL, FULL];

/** Dot products of listed rows' codes with a query's. */
export function stageDots(
  codes: CodeKernels,
  { bits, dims, plane }: CodePlane,
  segment: Segment,
  query: Int16Array,
  rows: Uint32Array,
  count: number,
  dots: Int32Array,
): void {
  const n = dims(segment.coding);
  codes.rowDots({ plane: plane(segment), bits, stride: (n * bits) / 8, dims: n, rows, count, query, dots });
}
