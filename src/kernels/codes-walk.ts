/** Kernels of the table of neighbours: those that build it, and the walk over it. Layouts and rules of all: codes.ts. */
import { LITTLE_ENDIAN } from '../core/endian.js';
import type { Metric } from '../core/metrics.js';
import { metricCode, type SignaturesOf, signature } from './signatures.js';

/**
 * The nearest of some rows, by the head codes alone, among the rows of a few lists. A row asks as the query that `weights` make
 * of its own codes. Its nearest are those of the largest dot products, then the first; it is not among them. Where there are
 * fewer, it stands itself in the places that are left.
 */
export interface NeighboursTask {
  /** The head plane. */
  plane: Uint8Array;
  dims: number;
  /** First row of each list, and the end. */
  offsets: Uint32Array;
  /** `rows × sought`: the lists of each row, ascending and different. */
  lists: Uint32Array;
  sought: number;
  /** Blocks that are read of a list: those around the row's own where it is among them, else the first. */
  most: number;
  /** By block: the rows that exist. Every row of a block that is read may be a neighbour. */
  mask: Uint16Array;
  /** `dims × 16` values in ±127: the query's value for each code of each dim. */
  weights: Int16Array;
  /** Rows [first, first + rows) are those whose neighbours are sought. */
  first: number;
  rows: number;
  /** Neighbours a row. */
  degree: number;
  /** Out: `degree` row numbers of each row of the segment, best first; those of these rows are written. */
  table: Uint32Array;
}

/**
 * The nearest of some rows by a walk over a table: that of WalkTask, for cosines, with the row itself in the first place and
 * no block visited. Its neighbours are the first other rows of the places; it stands itself in the places that are left.
 */
export interface RelinkTask {
  /** Head codes row by row, laid out as a fine plane. */
  plane: Uint8Array;
  dims: number;
  /** As NeighboursTask has them. */
  weights: Int16Array;
  /** The table that is walked over. */
  from: Uint32Array;
  degree: number;
  /** By block: zeros, in and out. */
  marks: Uint16Array;
  size: number;
  room: number;
  /** Out, as WalkTask has it: that of the last row. */
  met: Uint32Array;
  first: number;
  rows: number;
  /** Out: as NeighboursTask has it; another one than `from`. */
  table: Uint32Array;
}

/** Rows that a walk takes at once: the lines of their neighbours come from memory side by side. */
export const WALK_STEP = 4;

/**
 * Improves the best rows of a visit by a walk over a table of neighbours. `size` places hold the best rows so far, by key.
 * At each step the first WALK_STEP of them whose neighbours were not looked at yet (fewer at the end) are taken, in order;
 * of their neighbours, in the order of the table, those that are new are scored and offered to the places, in the order in
 * which they were met. A row goes behind those of its key. The walk ends when all places are looked at, or when the new
 * rows of one more step might not fit `met`.
 *
 *     v = dot · scale + constant
 *     key = dot                                  cosine
 *           norm[row] · v                        dot
 *           norm[row] · (twoQuery · v − norm[row])    euclid
 */
export interface WalkTask {
  /** Head codes row by row, laid out as a fine plane. */
  plane: Uint8Array;
  dims: number;
  /** `dims` values; |Σ| must fit int32. */
  query: Int16Array;
  /** By row: `degree` row numbers of `idBytes` each. */
  table: Uint8Array;
  /** 3, the lowest first, which reach 2^24 rows, or 4, in the processor's order, as neighbours writes them. */
  idBytes: 3 | 4;
  degree: number;
  /** The blocks that were visited; `count` of them. Their rows are not new, but for those that the mask kept out. */
  blocks: Uint32Array;
  count: number;
  /** By block: bit r let row r through. */
  mask: Uint16Array;
  /** By block: a bit for each row that is not new. In and out: zeros. */
  marks: Uint16Array;
  metric: Metric;
  /** By row; empty for cosine. */
  norms: Float32Array;
  scale: number;
  constant: number;
  twoQuery: number;
  size: number;
  /** How many places are taken at first. */
  found: number;
  /** In and out, best first: rows, of visited blocks at first. Room for `size`. */
  rows: Uint32Array;
  /** In and out: their dot products. */
  best: Int32Array;
  /** New rows that there is room for. */
  room: number;
  /** Out: how many rows were new, and these rows: `1 + room` numbers. */
  met: Uint32Array;
}

/** The kernels that build a table; codes-table.ts has their signatures. */
export interface TableKernels {
  neighbours(task: NeighboursTask): void;
  relink(task: RelinkTask): void;
}

export interface WalkKernels {
  /** Returns how many places are taken. */
  walk(task: WalkTask): number;
}

/** A row number of a table, of so many bytes from `at` on. */
export function numberAt(table: Uint8Array, bytes: 3 | 4, at: number): number {
  if (bytes === 4 && !LITTLE_ENDIAN) return new DataView(table.buffer).getUint32(table.byteOffset + at);
  const low = table[at]! | (table[at + 1]! << 8) | (table[at + 2]! << 16);
  return bytes === 3 ? low : low + 2 ** 24 * table[at + 3]!;
}

export const WALK_SIGNATURES = {
  walk: signature<WalkTask>()(
    [
      'u8[] plane',
      'size dims',
      'i16[] query',
      'u8[] table',
      'size idBytes',
      'size degree',
      'u32[] blocks',
      'size count',
      'u16[] mask',
      'out u16[] marks',
      'metric metric',
      'f32[] norms',
      'f64 scale',
      'f64 constant',
      'f64 twoQuery',
      'size size',
      'size found',
      'out u32[] rows',
      'out i32[] best',
      'size room',
      'out u32[] met',
    ],
    (call, t) =>
      call(
        t.plane,
        t.dims,
        t.query,
        t.table,
        t.idBytes,
        t.degree,
        t.blocks,
        t.count,
        t.mask,
        t.marks,
        metricCode(t.metric),
        t.norms,
        t.scale,
        t.constant,
        t.twoQuery,
        t.size,
        t.found,
        t.rows,
        t.best,
        t.room,
        t.met,
      ),
  ),
} as const satisfies SignaturesOf<WalkKernels>;
