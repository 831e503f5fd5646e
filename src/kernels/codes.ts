/**
 * The second half of the kernel contract: kernels over coded rows, which the embedded index searches before it reads a
 * row itself. cpp/, assembly/ and codes-reference.ts implement it with the same names and agree in every bit.
 *
 * Coded rows. An index keeps, for each row's unit vector, small integer codes of some dims ("a plane"):
 *
 *     head plane   4 bits a dim, 16 rows a block, so that a scan streams it. A block is dims / 8 groups of 64 bytes; byte
 *                  4 r + t of group g holds dim 8 g + t of row r in its low half and dim 8 g + 4 + t in its high half
 *     fine plane   4 bits a dim, row by row: byte 4 g + t of a row holds dims 8 g + t and 8 g + 4 + t likewise
 *     int8 plane   one signed byte a dim, row by row
 *     bit plane    1 bit a dim, 16 rows a block. A block is dims / 8 groups of 16 bytes; bit t of byte r of group g is that
 *                  of dim 8 g + t of row r
 *
 * All integer sums are exact, in int32; callers choose queries so that they fit. All float64 arithmetic is one rounding
 * an operation, in the order written, nothing fused.
 *
 * Memory. Planes, queries and outputs come from `allocate`, so that WASM can reach them; they are shared memory, and any
 * thread may read them. Callers validate; kernels trust sizes and ranges.
 */
import { type Metric, metricCode } from './kernels.js';
import { type Signature, signature } from './signatures.js';

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

/** out[r][i] = Σ_j f64(rows[r][j]) · f64(basis[j][i]), one float64 sum from +0, j ascending. */
export interface ProjectTask {
  /** `count × dim`. */
  rows: Float32Array;
  count: number;
  dim: number;
  /** `dim × width`, dim-major. */
  basis: Float32Array;
  width: number;
  /** Out: `count × width`. */
  out: Float64Array;
}

/**
 * For listed rows, by the sums of project: the column whose product less its offset is largest and above what the row has.
 * Columns are looked at in their order, and only a larger one wins.
 */
export interface NearestTask {
  /** Rows of `dim` values. */
  rows: Float32Array;
  /** The rows that take part: places in `rows`, `best` and `found`, each at most once. */
  places: Uint32Array;
  count: number;
  dim: number;
  /** `dim × width`, dim-major. */
  basis: Float32Array;
  width: number;
  /** By column. */
  offsets: Float64Array;
  /** By column: the name that goes into `found`. */
  names: Uint32Array;
  /** In and out, by place: product less offset. */
  best: Float64Array;
  /** In and out, by place. */
  found: Uint32Array;
}

/**
 * Codes of a quantiser with a base and a step a dim. For value v: t = (v − base) · inverse, code = floor(t + 0.5) clamped;
 * the residual is v − (base + step · code). Residuals are squared and summed in eight lanes by dim mod 8, as
 * kernels.ts does.
 */
export interface EncodeTask {
  /** `count` rows of `stride` float64 values, of which dims [0, dims) from `offset` on are coded. */
  values: Float64Array;
  count: number;
  stride: number;
  offset: number;
  dims: number;
  base: Float64Array;
  step: Float64Array;
  /** 1 / step. */
  inverse: Float64Array;
}

/** Codes 0..255: the high halves into the head plane, the low ones into the fine plane. */
export interface EncodeHeadTask extends EncodeTask {
  /** First row: a multiple of 16. */
  first: number;
  head: Uint8Array;
  fine: Uint8Array;
  /** Out: `count` sums of squared residuals of the code 16 h + 7.5, h the high half. */
  coarseError: Float64Array;
  /** Out: the same sums for the whole code. */
  fineError: Float64Array;
}

/** Codes −127..127. */
export interface EncodeRowsTask extends EncodeTask {
  /** Out: `count × dims`, from row `first` on. */
  first: number;
  plane: Uint8Array;
  /** Out: `count` sums of squared residuals. */
  error: Float64Array;
}

/** Codes 0 and 1. */
export interface EncodeBitsTask extends EncodeTask {
  /** First row: a multiple of 16. */
  first: number;
  /** The bit plane. */
  plane: Uint8Array;
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
  /** As neighbours wrote it. */
  table: Uint32Array;
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

export interface CodeKernels {
  /** As in kernels.ts. */
  readonly name: string;
  /** Zeroed shared memory that all kernels of this backend can reach, 64-byte aligned. */
  allocate(bytes: number): Uint8Array;
  /** Gives back a view that `allocate` returned. Nothing may use it afterwards. */
  release(memory: Uint8Array): void;
  /** Sets how many threads the kernels may use when this thread calls them; 1 until then. Backends without threads lack it. */
  team?(threads: number): void;
  headDots(task: HeadDotsTask): void;
  bitDots(task: BitDotsTask): void;
  rowDots(task: RowDotsTask): void;
  /** Returns how many were found: min(k, rows let through). */
  topDots(task: TopDotsTask): number;
  /** Returns how many stay. */
  pruneVisit(task: PruneVisitTask): number;
  /** Returns how many stay. */
  pruneRows(task: PruneRowsTask): number;
  project(task: ProjectTask): void;
  nearest(task: NearestTask): void;
  encodeHead(task: EncodeHeadTask): void;
  encodeRows(task: EncodeRowsTask): void;
  encodeBits(task: EncodeBitsTask): void;
  scoresAt(task: ScoresAtTask): void;
  gatherBits(task: GatherBitsTask): void;
  neighbours(task: NeighboursTask): void;
  relink(task: RelinkTask): void;
  /** Returns how many places are taken. */
  walk(task: WalkTask): number;
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

/** In the order of every task that encodes. */
const ENCODE = [
  'f64[] values',
  'size count',
  'size stride',
  'size offset',
  'size dims',
  'f64[] base',
  'f64[] step',
  'f64[] inverse',
  'size first',
] as const;

/** How each kernel is called in native and WASM code; cpp/codes.h and assembly/ state the same. */
export const CODE_SIGNATURES = {
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
  project: signature<ProjectTask>()(
    ['f32[] rows', 'size count', 'size dim', 'f32[] basis', 'size width', 'out f64[] out'],
    (call, t) => call(t.rows, t.count, t.dim, t.basis, t.width, t.out),
  ),
  nearest: signature<NearestTask>()(
    [
      'f32[] rows',
      'u32[] places',
      'size count',
      'size dim',
      'f32[] basis',
      'size width',
      'f64[] offsets',
      'u32[] names',
      'out f64[] best',
      'out u32[] found',
    ],
    (call, t) => call(t.rows, t.places, t.count, t.dim, t.basis, t.width, t.offsets, t.names, t.best, t.found),
  ),
  encodeHead: signature<EncodeHeadTask>()(
    [...ENCODE, 'out u8[] head', 'out u8[] fine', 'out f64[] coarseError', 'out f64[] fineError'],
    (call, t) =>
      call(
        t.values,
        t.count,
        t.stride,
        t.offset,
        t.dims,
        t.base,
        t.step,
        t.inverse,
        t.first,
        t.head,
        t.fine,
        t.coarseError,
        t.fineError,
      ),
  ),
  encodeRows: signature<EncodeRowsTask>()([...ENCODE, 'out u8[] plane', 'out f64[] error'], (call, t) =>
    call(t.values, t.count, t.stride, t.offset, t.dims, t.base, t.step, t.inverse, t.first, t.plane, t.error),
  ),
  encodeBits: signature<EncodeBitsTask>()([...ENCODE, 'out u8[] plane'], (call, t) =>
    call(t.values, t.count, t.stride, t.offset, t.dims, t.base, t.step, t.inverse, t.first, t.plane),
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
  neighbours: signature<NeighboursTask>()(
    [
      'u8[] plane',
      'size dims',
      'u32[] offsets',
      'u32[] lists',
      'size sought',
      'size most',
      'u16[] mask',
      'i16[] weights',
      'size first',
      'size rows',
      'size degree',
      'out u32[] table',
    ],
    (call, t) =>
      call(
        t.plane,
        t.dims,
        t.offsets,
        t.lists,
        t.sought,
        t.most,
        t.mask,
        t.weights,
        t.first,
        t.rows,
        t.degree,
        t.table,
      ),
  ),
  relink: signature<RelinkTask>()(
    [
      'u8[] plane',
      'size dims',
      'i16[] weights',
      'u32[] from',
      'size degree',
      'out u16[] marks',
      'size size',
      'size room',
      'out u32[] met',
      'size first',
      'size rows',
      'out u32[] table',
    ],
    (call, t) =>
      call(t.plane, t.dims, t.weights, t.from, t.degree, t.marks, t.size, t.room, t.met, t.first, t.rows, t.table),
  ),
  walk: signature<WalkTask>()(
    [
      'u8[] plane',
      'size dims',
      'i16[] query',
      'u32[] table',
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
} as const satisfies { [K in CodeKernelName]: Signature<Parameters<CodeKernels[K]>[0]> };

export type CodeKernelName = Exclude<keyof CodeKernels, 'name' | 'allocate' | 'release' | 'team'>;

/** Every name of the contract. */
export const CODE_KERNEL_NAMES = Object.keys(CODE_SIGNATURES) as readonly CodeKernelName[];
