/**
 * The kernel contract. It is stated here once; cpp/, assembly/ and reference.ts implement it with the same names
 * and must agree in every bit (test/kernels holds the suite that demands it).
 *
 * Shapes. A query is `dim` float32. Rows are `count × dim`, row-major, float32 or the bit patterns of IEEE float16
 * (Uint16Array); any byte offset. 1 ≤ dim ≤ 65,536. Callers validate; kernels trust sizes, ranges and the query's
 * finiteness, and themselves detect a NaN or Infinity in the rows.
 *
 * Arithmetic. Eight float64 lanes per quantity, each starting at +0. Dim i goes into lane i mod 8 (its ABSOLUTE index),
 * in ascending order of i:
 *
 *     dot[i & 7]     += f64(q_i) · f64(x_i)     the product of two float32 is exact in float64
 *     squares[i & 7] += f64(x_i) · f64(x_i)
 *     e = f64(q_i) − f64(x_i);  euclid[i & 7] += e · e      two roundings, never fused: e·e is not exact
 *     reduce(a) = ((a0+a4) + (a2+a6)) + ((a1+a5) + (a3+a7))
 *
 * Keys. Whatever the metric, larger is better; −0 never appears (it becomes +0):
 *
 *     cosine   reduce(dot) / (|q| · |x|), both norms over the same dims; 0 when either is 0. Rounding may carry the quotient
 *              past ±1 (that of a row with itself often is 1 + 2^-52): it is cut to [−1, 1]
 *     dot      reduce(dot)
 *     euclid   −sqrt(reduce(euclid))
 *
 * Because lanes are absolute and only ever accumulate, a key over dims [0, m) depends on query, row and m alone, not on
 * the stages before it.
 *
 * Order. Key descending, then row ascending.
 */
import type { Metric, Rows } from '../core/metrics.js';
import { metricCode, type Signature, signature } from './signatures.js';

export { MAX_DIM, METRICS, type Metric, type Rows } from '../core/metrics.js';

/** Keys of every row over dims `[from, to)`. */
export interface ScoresTask {
  /** The metric of the keys. */
  metric: Metric;
  /** `dim` finite values. */
  query: Float32Array;
  /** `count × dim`, row-major. */
  rows: Rows;
  /** Dims of each row. */
  dim: number;
  /** The first dim that counts. */
  from: number;
  /** The dim behind the last that counts. */
  to: number;
  /** Out: `count` keys. */
  keys: Float64Array;
}

/** Lengths of every row over dims `[from, to)`: sqrt(reduce(squares)). */
export interface NormsTask {
  /** `count × dim`, row-major. */
  rows: Rows;
  /** Dims of each row. */
  dim: number;
  /** The first dim that counts. */
  from: number;
  /** The dim behind the last that counts. */
  to: number;
  /** Out: `count` lengths. */
  norms: Float64Array;
}

/** The multi-scale prune loop over one candidate set. */
export interface FunnelTask {
  /** The metric that rows are ranked by. */
  metric: Metric;
  /** `dim` finite values. */
  query: Float32Array;
  /** `count × dim`, row-major. */
  rows: Rows;
  /** Dims of each row. */
  dim: number;
  /** Ascending prefix lengths, each in 1..dim. At least one. */
  scales: Uint32Array;
  /** How many rows survive each scale; never increasing, never more than there are. As long as `scales`. */
  keep: Uint32Array;
  /** Out: rows that survive the last scale, best first: the first `keep[last]` entries. */
  indices: Uint32Array;
  /** Out: their keys at the last scale, likewise. */
  keys: Float64Array;
  /** Whether all rows are known to be finite: dims that no stage reads need not be looked at. @default false */
  finite?: boolean;
}

/** The k best rows of all, by their keys over dims `[0, to)`. */
export interface ScanTask {
  /** The metric that rows are ranked by. */
  metric: Metric;
  /** `dim` finite values. */
  query: Float32Array;
  /** `count × dim`, row-major. */
  rows: Rows;
  /** Dims of each row. */
  dim: number;
  /** Dims that count: the first so many. */
  to: number;
  /** Out: the min(k, count) best rows, best first; k is its length. */
  indices: Uint32Array;
  /** Out: their keys. */
  keys: Float64Array;
}

/**
 * Where the first NaN or Infinity stands in the rows, as a flat index in row-major order; −1 when all are finite.
 * When it is not −1 the outputs of the call mean nothing. In shared memory another thread may have replaced the value since
 * it was met; the position is then that of the first dim of the row it was met in, and never −1.
 */
export type BadPosition = number;

/**
 * One backend: the functions that score rows, with the shapes, sums and order stated above. Those that users get check their
 * arguments: what does not fit each other is a FunnelError BAD_ARGUMENT before any work.
 */
export interface Kernels {
  /** One of the names of `listKernels()`. */
  readonly name: string;

  /** Keys of every row over some dims. Checks only the dims it reads. */
  scores(task: ScoresTask): BadPosition;

  /** Lengths of every row over some dims. Checks only the dims it reads. */
  norms(task: NormsTask): BadPosition;

  /**
   * Top-k heap: the `min(indices.length, scores.length)` best of `scores` (none may be NaN), best first. Writes their
   * positions and values; returns how many.
   */
  topK(scores: Float64Array, indices: Uint32Array, keys: Float64Array): number;

  /** Every dim of every row is checked, also where the funnel stopped reading, unless the task says that all are finite. */
  funnel(task: FunnelTask): BadPosition;

  /** One call for many queries, each with its own candidates. One position per task. */
  funnelBatch(tasks: readonly FunnelTask[]): BadPosition[];

  /**
   * As funnelBatch, off the main thread. No buffer of a task may be written or transferred meanwhile.
   *
   * @param give the inputs may be transferred away, which saves a copy where work goes to a worker
   */
  funnelBatchAsync(tasks: readonly FunnelTask[], give?: boolean): Promise<BadPosition[]>;

  /** Checks only the dims it reads. Returns the first bad position among those. */
  scan(task: ScanTask): BadPosition;

  /** As scan, off the main thread, under the same condition as funnelBatchAsync. */
  scanAsync(task: ScanTask): Promise<BadPosition>;

  /** Looks at every value of the rows. */
  firstNonFinite(rows: Rows): BadPosition;
}

/** The arguments of topK as a task, for its signature. */
interface TopKTask {
  scores: Float64Array;
  /** Out. */
  indices: Uint32Array;
  /** Out. */
  keys: Float64Array;
}

/** How each kernel is called in native code; cpp/funnel.h and cpp/topk.h state the same. */
export const SIGNATURES = {
  scores: signature<ScoresTask>()(
    ['metric metric', 'f32[] query', 'rows rows', 'size dim', 'size from', 'size to', 'out f64[] keys'],
    (call, t) => call(metricCode(t.metric), t.query, t.rows, t.dim, t.from, t.to, t.keys),
  ),
  norms: signature<NormsTask>()(['rows rows', 'size dim', 'size from', 'size to', 'out f64[] norms'], (call, t) =>
    call(t.rows, t.dim, t.from, t.to, t.norms),
  ),
  topK: signature<TopKTask>()(['f64[n] scores', 'out u32[n] indices', 'out f64[] keys'], (call, t) =>
    call(t.scores, t.indices, t.keys),
  ),
  funnel: signature<Required<FunnelTask>>()(
    [
      'metric metric',
      'f32[] query',
      'rows rows',
      'size dim',
      'u32[n] scales',
      'u32[] keep',
      'flag finite',
      'out u32[] indices',
      'out f64[] keys',
    ],
    (call, t) => call(metricCode(t.metric), t.query, t.rows, t.dim, t.scales, t.keep, t.finite, t.indices, t.keys),
  ),
  scan: signature<ScanTask>()(
    ['metric metric', 'f32[] query', 'rows rows', 'size dim', 'size to', 'out u32[n] indices', 'out f64[] keys'],
    (call, t) => call(metricCode(t.metric), t.query, t.rows, t.dim, t.to, t.indices, t.keys),
  ),
  firstNonFinite: signature<{ rows: Rows }>()(['rows rows'], (call, t) => call(t.rows)),
} as const satisfies Partial<Record<keyof Kernels, Signature<never>>>;

/** Kernels that take the arguments of another one, as lists. */
const LISTS = ['funnelBatch', 'funnelBatchAsync', 'scanAsync'] as const satisfies readonly (keyof Kernels)[];

export type KernelName = keyof typeof SIGNATURES | (typeof LISTS)[number];

/** Every name of the contract: loaders check that a backend has them all. */
export const KERNEL_NAMES: readonly KernelName[] = [
  ...(Object.keys(SIGNATURES) as (keyof typeof SIGNATURES)[]),
  ...LISTS,
];
