/**
 * Kernels that read coded rows to find a few: dot products, the largest of them, bounds, and keys of the rows themselves.
 * Layouts and rules of all: codes.ts.
 */
import type { Metric } from '../core/metrics.js';
import { metricCode, type SignaturesOf, signature } from './signatures.js';

export const BLOCK_ROWS = 16;

/** Head queries lie in ±HEAD_QUERY_MAX: two planes of 7 bits. */
export const HEAD_QUERY_MAX = 8191;

/** Queries of a bit plane lie in ±BIT_QUERY_MAX: what four dims add up to, four times over, fits 8 bits. */
export const BIT_QUERY_MAX = 15;

/** Dot products of every row of some blocks with some queries. */
export interface HeadDotsTask {
  /** The head plane. */
  plane: Uint8Array;
  /** A multiple of 8, at most 8192. */
  dims: number;
  /** The blocks to visit, in this order; `count` of them. */
  blocks: Uint32Array;
  count: number;
  /** `queries × dims` values in ±HEAD_QUERY_MAX. */
  query: Int16Array;
  queries: number;
  /** Out: query after query, `count × 16` dot products Σ q_i · code_i, codes 0..15. */
  dots: Int32Array;
}

/** Dot products of every row of some blocks with one query. */
export interface BitDotsTask {
  /** The bit plane. */
  plane: Uint8Array;
  /** A multiple of 8, at most 65,536. */
  dims: number;
  /** The blocks to visit, in this order; `count` of them. */
  blocks: Uint32Array;
  count: number;
  /** `dims` values in ±BIT_QUERY_MAX. */
  query: Int16Array;
  /** Out: `count × 16` sums of the q_i whose bit is set. */
  dots: Int32Array;
}

/** Dot products of listed rows with one query. */
export interface RowDotsTask {
  /** A fine plane (`bits` 4) or an int8 plane (`bits` 8). */
  plane: Uint8Array;
  bits: 4 | 8;
  /** Bytes a row. */
  stride: number;
  /** A multiple of 8. */
  dims: number;
  rows: Uint32Array;
  count: number;
  /** `dims` values; |Σ| must fit int32. */
  query: Int16Array;
  /** Out: `count` sums Σ q_i · code_i. */
  dots: Int32Array;
}

/** The k largest dot products of a visit, among rows that the mask lets through. */
export interface TopDotsTask {
  /** `count × 16`, as headDots wrote them. */
  dots: Int32Array;
  blocks: Uint32Array;
  count: number;
  /** By block: bit r lets row r through. */
  mask: Uint16Array;
  k: number;
  /** Out: rows (16 · block + r), by dot product descending, then in the order of the visit. */
  rows: Uint32Array;
  /** Out: their dot products. */
  best: Int32Array;
}

/**
 * A bound on a row's key, from stored bytes:
 *
 *     v = ((est + error[row] · errorScale) + tail[row] · tailScale) + constant
 *     bound = v                                     cosine
 *           = norm[row] · v                             dot: key / |q|
 *           = norm[row] · (twoQuery · v − norm[row])    euclid: |q|² − distance²
 *
 * A row stays if bound ≥ threshold.
 */
export interface Bound {
  metric: Metric;
  /** By row. */
  error: Uint8Array;
  errorScale: number;
  /** By row. */
  tail: Uint8Array;
  tailScale: number;
  constant: number;
  /** By row; empty for cosine. */
  norms: Float32Array;
  /** 2 |q|; only euclid reads it. */
  twoQuery: number;
  threshold: number;
}

/** Rows of a visit whose bound reaches the threshold, with est = dot · scale. */
export interface PruneVisitTask {
  dots: Int32Array;
  scale: number;
  blocks: Uint32Array;
  count: number;
  mask: Uint16Array;
  bound: Bound;
  /** Out, in the order of the visit; room for every row visited. */
  rows: Uint32Array;
  /** Out: their dot products. */
  kept: Int32Array;
  /** Out: the same, times scale. */
  estimates: Float64Array;
}

/** Keeps the listed rows whose bound reaches the threshold, with est = estimates[i] + dots[i] · scale; in place. */
export interface PruneRowsTask {
  /** In and out. */
  rows: Uint32Array;
  count: number;
  /** In: the sums of earlier planes. Out: est of those that stay. */
  estimates: Float64Array;
  dots: Int32Array;
  scale: number;
  bound: Bound;
}

/** Keys of listed rows over all their dims, as `scores` of kernels.ts would give them. */
export interface ScoresAtTask {
  metric: Metric;
  query: Float32Array;
  /** The matrix, in chunks of `chunkRows` rows (the last may be shorter). Float32 or float16 bits; any memory. */
  chunks: readonly (Float32Array | Uint16Array)[];
  /** A power of two. */
  chunkRows: number;
  /** Elements from one row to the next in a chunk, at least `dim`: rows of a file have more than their values. */
  stride: number;
  dim: number;
  rows: Uint32Array;
  count: number;
  /** Out: `count` keys. */
  keys: Float64Array;
}

/** Tells by a bit a row, for the living rows of some blocks, whether their ordinals are in a set. */
export interface GatherBitsTask {
  /** The set: bit o & 15 of number o >> 4 for ordinal o. Ordinals behind its end are not in it. */
  bits: Uint16Array;
  /** By row: its ordinal. */
  ordinals: Uint32Array;
  /** By block: the rows that exist, and live. */
  alive: Uint16Array;
  /** The blocks to visit; `count` of them. */
  blocks: Uint32Array;
  count: number;
  /** Out, for each block visited: bit r is that of row 16 · block + r. */
  mask: Uint16Array;
}

export interface ScanKernels {
  headDots(task: HeadDotsTask): void;
  bitDots(task: BitDotsTask): void;
  rowDots(task: RowDotsTask): void;
  /** Returns how many were found: min(k, rows let through). */
  topDots(task: TopDotsTask): number;
  /** Returns how many stay. */
  pruneVisit(task: PruneVisitTask): number;
  /** Returns how many stay. */
  pruneRows(task: PruneRowsTask): number;
  scoresAt(task: ScoresAtTask): void;
  gatherBits(task: GatherBitsTask): void;
}

/** In the order of every task that has a bound. */
const BOUND = [
  'metric metric',
  'u8[] error',
  'f64 errorScale',
  'u8[] tail',
  'f64 tailScale',
  'f64 constant',
  'f32[] norms',
  'f64 twoQuery',
  'f64 threshold',
] as const;

export const SCAN_SIGNATURES = {
  headDots: signature<HeadDotsTask>()(
    ['u8[] plane', 'size dims', 'u32[] blocks', 'size count', 'i16[] query', 'size queries', 'out i32[] dots'],
    (call, t) => call(t.plane, t.dims, t.blocks, t.count, t.query, t.queries, t.dots),
  ),
  bitDots: signature<BitDotsTask>()(
    ['u8[] plane', 'size dims', 'u32[] blocks', 'size count', 'i16[] query', 'out i32[] dots'],
    (call, t) => call(t.plane, t.dims, t.blocks, t.count, t.query, t.dots),
  ),
  rowDots: signature<RowDotsTask>()(
    [
      'u8[] plane',
      'size bits',
      'size stride',
      'size dims',
      'u32[] rows',
      'size count',
      'i16[] query',
      'out i32[] dots',
    ],
    (call, t) => call(t.plane, t.bits, t.stride, t.dims, t.rows, t.count, t.query, t.dots),
  ),
  topDots: signature<TopDotsTask>()(
    ['i32[] dots', 'u32[] blocks', 'size count', 'u16[] mask', 'size k', 'out u32[] rows', 'out i32[] best'],
    (call, t) => call(t.dots, t.blocks, t.count, t.mask, t.k, t.rows, t.best),
  ),
  pruneVisit: signature<PruneVisitTask>()(
    [
      'i32[] dots',
      'f64 scale',
      'u32[] blocks',
      'size count',
      'u16[] mask',
      'out u32[] rows',
      'out i32[] kept',
      'out f64[] estimates',
      ...BOUND,
    ],
    (call, t) =>
      call(
        t.dots,
        t.scale,
        t.blocks,
        t.count,
        t.mask,
        t.rows,
        t.kept,
        t.estimates,
        metricCode(t.bound.metric),
        t.bound.error,
        t.bound.errorScale,
        t.bound.tail,
        t.bound.tailScale,
        t.bound.constant,
        t.bound.norms,
        t.bound.twoQuery,
        t.bound.threshold,
      ),
  ),
  pruneRows: signature<PruneRowsTask>()(
    ['out u32[] rows', 'size count', 'out f64[] estimates', 'i32[] dots', 'f64 scale', ...BOUND],
    (call, t) =>
      call(
        t.rows,
        t.count,
        t.estimates,
        t.dots,
        t.scale,
        metricCode(t.bound.metric),
        t.bound.error,
        t.bound.errorScale,
        t.bound.tail,
        t.bound.tailScale,
        t.bound.constant,
        t.bound.norms,
        t.bound.twoQuery,
        t.bound.threshold,
      ),
  ),
  scoresAt: signature<ScoresAtTask>()(
    [
      'metric metric',
      'f32[] query',
      'rows[] chunks',
      'size chunkRows',
      'size stride',
      'size dim',
      'u32[] rows',
      'size count',
      'out f64[] keys',
    ],
    (call, t) => call(metricCode(t.metric), t.query, t.chunks, t.chunkRows, t.stride, t.dim, t.rows, t.count, t.keys),
  ),
  gatherBits: signature<GatherBitsTask>()(
    ['u16[n] bits', 'u32[n] ordinals', 'u16[] alive', 'u32[] blocks', 'size count', 'out u16[] mask'],
    (call, t) => call(t.bits, t.ordinals, t.alive, t.blocks, t.count, t.mask),
  ),
} as const satisfies SignaturesOf<ScanKernels>;
