/** Coded rows: what the engine scans. A segment never changes once built, but for the mask of rows that live. */

import { atOnce, type Sliced } from '../../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import type { Basis } from './basis.js';
import { arrayIn } from './memory.js';
import type { Quantiser } from './quantiser.js';
import type { ShortlistCoding, ShortlistPlane } from './shortlist-plane.js';

/** How rows are coded. x is the row less the mean, brought to length 1; y are its rotated dims. */
export interface Coding {
  readonly dim: number;
  readonly metric: Metric;
  /** The mean that is taken away from rows (for cosine, from rows brought to length 1); null: none is (centre.ts). */
  readonly mean: Float64Array | null;
  /** Null: the rows' own dims, in their order. */
  readonly basis: Basis | null;
  /** Rotated dims [0, head) have a head and a fine plane; a multiple of 8. */
  readonly head: number;
  /** Rotated dims [head, width) have an int8 plane; a multiple of 8, ≥ head. */
  readonly width: number;
  /** All dims of x, not rotated, have an int8 plane: dim rounded up to a multiple of 8; 0 when `width` says it all. */
  readonly full: number;
  readonly headQuantiser: Quantiser;
  readonly levelQuantiser: Quantiser;
  readonly fullQuantiser: Quantiser;
  /** Null: the head plane chooses the shortlist of mode 'funnel'. */
  readonly shortlist: ShortlistCoding | null;
}

/** Do the codes of two segments mean the same? Those of an extension do what those of its build do. */
export function isCodedAs(one: Coding, other: Coding): boolean {
  return one.basis === other.basis && one.mean === other.mean && one.headQuantiser === other.headQuantiser;
}

/** Whether rows of several segments compete for one shortlist: where their codes mean the same. */
export function arePooled([build, ...others]: readonly Segment[]): boolean {
  if (build === undefined || others.length === 0 || build.shortlist !== null) return false;
  return others.every(({ coding }) => isCodedAs(coding, build.coding));
}

/** Lengths of what codes leave out, one byte a row, rounded up: value ≤ scale · byte. */
export interface Lengths {
  readonly bytes: Uint8Array;
  readonly scale: number;
}

/** Centroids as whole `step`s, of 16 bits each, as two rows of an int8 plane: centroid c is 256 · row 2 c + row 2 c + 1. */
export interface CentroidCodes {
  readonly plane: Uint8Array;
  readonly step: number;
}

export interface Partition {
  /** The head's dims. */
  readonly dims: number;
  /** `dims × lists` float32, dim-major. */
  readonly centroids: Float32Array;
  /** The same as whole numbers; a query is compared with these. */
  readonly codes: CentroidCodes;
  /** |c|² / 2 of each list. */
  readonly halfSquares: Float64Array;
  /** First row of each list, and the end: `lists + 1`. Rows of a list are neighbours. */
  readonly offsets: Uint32Array;
}

/** The table of each row's nearest rows, over which mode 'funnel' walks. */
export interface Neighbours {
  /** Neighbours a row. */
  readonly degree: number;
  /** By row: rows near it, the nearest first, as numbers of `idBytes` bytes (see WalkTask). */
  readonly table: Uint8Array;
  /** 3 where they reach all rows, but for tables under way and those of files from before there were such: 4. */
  readonly idBytes: 3 | 4;
  /** The head plane's codes row by row, since a walk reads single rows; laid out as the fine plane. */
  readonly rows: Uint8Array;
  /** Lists that a search for ten visits before it walks. */
  readonly lists: number;
}

export interface Segment {
  readonly coding: Coding;
  readonly count: number;
  readonly headPlane: Uint8Array;
  readonly finePlane: Uint8Array;
  readonly levelPlane: Uint8Array;
  readonly fullPlane: Uint8Array;
  /** Quantisation errors: of the head plane; of head and fine; of those and the level plane; of the full plane. */
  readonly coarseError: Lengths;
  readonly fineError: Lengths;
  readonly levelError: Lengths;
  readonly fullError: Lengths;
  /** Lengths of x beyond the head dims, and beyond the width. */
  readonly headTail: Lengths;
  readonly levelTail: Lengths;
  /** Lengths of the rows less the mean, in units of the largest; empty where cosines order them. */
  readonly norms: Float32Array;
  readonly largestNorm: number;
  /** By row: its ordinal. */
  readonly ordinals: Uint32Array;
  readonly partition: Partition | null;
  readonly shortlist: ShortlistPlane | null;
  /** Null: mode 'funnel' answers from the lists that it visits alone. */
  readonly neighbours: Neighbours | null;
  /** How well the codes tell rows apart (agreement.ts); undefined: not measured. */
  readonly agreement?: number | undefined;
  /** So many times as many rows as else head codes pick, where nobody says how many (agreement.ts); undefined: once. */
  readonly depth?: number | undefined;
  /** 0, 1, 2, ...: every block. */
  readonly blocks: Uint32Array;
  /** By block: the rows that exist and live. */
  readonly mask: Uint16Array;
}

/** Below this the shortlist of mode 'funnel' is little better than any rows. */
const LEAST_AGREEMENT = 0.25;

/** Do codes say so little that a shortlist by them would lose most of an answer? */
export function isBlunt({ agreement }: Segment): boolean {
  return agreement !== undefined && agreement < LEAST_AGREEMENT;
}

/** The depth of a shortlist in which rows of all segments compete. */
export function shortlistDepth(segments: readonly Segment[]): number {
  return Math.max(1, ...segments.map(({ depth = 1 }) => depth));
}

export function blocksOf(count: number): number {
  return Math.ceil(count / BLOCK_ROWS);
}

export function allBlocks(kernels: CodeKernels, count: number): Uint32Array {
  const blocks = arrayIn(kernels, Uint32Array, blocksOf(count));
  for (let b = 0; b < blocks.length; b++) blocks[b] = b;
  return blocks;
}

/** Bit set: the row exists and `alive` holds of its ordinal. */
export function maskOf(kernels: CodeKernels, ordinals: Uint32Array, alive: (ordinal: number) => boolean): Uint16Array {
  return atOnce(readMask(kernels, ordinals, alive));
}

export function* readMask(
  kernels: CodeKernels,
  ordinals: Uint32Array,
  alive: (ordinal: number) => boolean,
): Sliced<Uint16Array> {
  const mask = arrayIn(kernels, Uint16Array, blocksOf(ordinals.length));
  for (let from = 0; from < ordinals.length; from += ROWS_AT_ONCE) {
    if (from > 0) yield;
    addToMask(mask, ordinals, alive, from, Math.min(ordinals.length, from + ROWS_AT_ONCE));
  }
  return mask;
}

const ROWS_AT_ONCE = 1 << 16;

// In a generator the loop would run half as fast.
function addToMask(
  mask: Uint16Array,
  ordinals: Uint32Array,
  alive: (ordinal: number) => boolean,
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) if (alive(ordinals[row]!)) mask[row >> 4]! |= 1 << (row & 15);
}

/** The arrays that lie in the kernels' memory. */
export function kernelArrays(s: Segment): ArrayBufferView[] {
  const lengths = [s.coarseError, s.fineError, s.levelError, s.fullError, s.headTail, s.levelTail];
  return [
    s.headPlane,
    s.finePlane,
    s.levelPlane,
    s.fullPlane,
    ...lengths.map(({ bytes }) => bytes),
    s.norms,
    s.ordinals,
    s.blocks,
    s.mask,
    ...(s.coding.basis === null ? [] : [s.coding.basis.plane]),
    ...(s.partition === null ? [] : [s.partition.codes.plane]),
    ...(s.shortlist === null ? [] : [s.shortlist.plane, s.shortlist.norms, s.shortlist.zeros]),
    ...(s.neighbours === null ? [] : [s.neighbours.table, s.neighbours.rows]),
  ];
}

/** Bytes that a segment takes in memory, without the rows themselves. */
export function residentBytes(s: Segment): number {
  const { coding, partition } = s;
  const others = [
    ...(coding.basis === null ? [] : [coding.basis.columns]),
    ...(coding.mean === null ? [] : [coding.mean]),
    ...(partition === null ? [] : [partition.centroids, partition.halfSquares, partition.offsets]),
  ];
  return [...kernelArrays(s), ...others].reduce((sum, array) => sum + array.byteLength, 0);
}

export function last(ordinals: Uint32Array): number {
  let most = -1;
  for (let row = 0; row < ordinals.length; row++) most = Math.max(most, ordinals[row]!);
  return most;
}

/** The place of a row that is not in a segment. */
export const NOWHERE = 0xffff_ffff;

/** Rows by ordinal, from the lowest ordinal of a segment on. */
export interface Places {
  readonly first: number;
  /** Each is a row of the segment, or NOWHERE. */
  readonly rows: Uint32Array;
}

const places = new WeakMap<Segment, Places>();

/** Rows that are placed before others get their turn. */
const PLACED_AT_ONCE = 16_384;

export function placesOf(segment: Segment): Places {
  return places.get(segment) ?? atOnce(placing(segment));
}

/** Before {@link placesOf} by who gives others their turn: the first time it would take long. */
export function* preparePlaces(segment: Segment): Sliced<void> {
  if (!places.has(segment)) yield* placing(segment);
}

function* placing(segment: Segment): Sliced<Places> {
  const { ordinals, count } = segment;
  let [first, end] = [ordinals[0] ?? 0, 0];
  for (let row = 0; row < count; row++) {
    if (row % PLACED_AT_ONCE === PLACED_AT_ONCE - 1) yield;
    first = Math.min(first, ordinals[row]!);
    end = Math.max(end, ordinals[row]! + 1);
  }
  const rows = new Uint32Array(Math.max(0, end - first)).fill(NOWHERE);
  for (let row = 0; row < count; row++) {
    if (row % PLACED_AT_ONCE === PLACED_AT_ONCE - 1) yield;
    rows[ordinals[row]! - first] = row;
  }
  const found = { first, rows };
  places.set(segment, found);
  return found;
}
