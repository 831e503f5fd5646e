/** What callers of the embedded index give and get. */
import type { Metric } from '../kernels/kernels.js';
import type { Id, Vector } from '../types.js';
import type { StageCount } from './engine/search.js';

export interface FunnelIndexOptions extends OpenIndexOptions {
  /** Dims of every vector, 1..65,536. */
  dim: number;
  /** @default 'cosine' */
  metric?: Metric;
  /**
   * The dims at which the model was trained to be cut, ascending. With `rotation: 'none'` they set the head and the
   * levels.
   */
  scales?: readonly number[];
  /** Dims that the first pass reads of every row, a multiple of 8 (rounded up), at most 512. @default 128 */
  head?: number;
  /**
   * 'pca': codes are taken in a basis fitted to the rows by optimize(), which makes few dims say most. 'none': in the
   * rows' own dims, as a Matryoshka model orders them. Answers in mode 'exact' do not depend on it.
   *
   * @default 'pca'
   */
  rotation?: 'pca' | 'none';
  /** How rows are kept. 'float16' rounds them on the way in; they are exact from there on. @default 'float32' */
  precision?: 'float32' | 'float16';
  /** Lists of the coarse partition (IVF) that optimize() makes; 'off': none. @default 'auto', by size */
  lists?: number | 'auto' | 'off';
}

export interface OpenIndexOptions {
  /** Threads for asynchronous calls. @default as many as the process may use */
  threads?: number;
  /**
   * Bytes that vectors and codes may take in memory. Codes come first; rows that do not fit are read from disk when an
   * answer needs them. @default no limit
   */
  memory?: number;
  /** @default 'full'; 'relaxed' risks, in a power loss, any write and the index itself */
  durability?: 'full' | 'relaxed';
  /** Take over an index whose writer, on another machine, is gone for certain. @default false */
  breakLock?: boolean;
  /** Run optimize() after writes that leave more rows without codes than with. @default true */
  autoOptimize?: boolean;
}

/** Rows to write, one by one. */
export interface Point<Payload = unknown> {
  id: Id;
  /** `dim` values. */
  vector: Vector;
  payload?: Payload;
}

/** Rows to write, packed: no copy is made before they are stored. */
export interface PointBatch<Payload = unknown> {
  ids: ArrayLike<Id>;
  /** `ids.length × dim`, row-major: float32, or float16 bits. */
  vectors: Float32Array | Uint16Array;
  payloads?: ArrayLike<Payload | undefined>;
}

/** The rows that take part in a search. */
export interface RowFilter {
  /** Of these ids; ids that no row has are ignored. */
  ids?: Iterable<Id>;
  /** Of these positions (`hit.index`): bit p & 7 of byte p >> 3 lets position p through. */
  rows?: Uint8Array;
}

export interface IndexQuery {
  /** `dim` values. */
  vector: Vector;
  /** @default 10 */
  limit?: number;
  /**
   * 'exact': the answer of a brute-force scan, proven so. 'funnel': the best by the head codes, scored in full.
   *
   * @default 'funnel'
   */
  mode?: 'exact' | 'funnel';
  /** Only scores better than this, strictly: above for cosine and dot, below for euclid. */
  scoreThreshold?: number;
  filter?: RowFilter;
  /** @default false */
  withPayload?: boolean;
  /** Return copies of the stored vectors. @default false */
  withVector?: boolean;
  params?: FunnelParams;
}

/** How much work mode 'funnel' does. */
export interface FunnelParams {
  /**
   * Rows are dropped when their bound, shrunk to this share of what is certain, stays below the k-th best. 1 drops only
   * what cannot belong to the answer; 0.3 to 0.5 is usually enough. In place of `candidates` and `probes`.
   */
  eps?: number;
  /** Rows scored in full. @default the larger of 64 and 4 × limit */
  candidates?: number;
  /** Lists of the partition that are visited. @default an eighth of them */
  probes?: number;
}

export interface IndexHit<Payload = unknown> {
  id: Id;
  /** Cosine or dot product (larger is better), or euclidean distance (smaller is better): float64, over all dims. */
  score: number;
  /** The row's position: its number in the order of insertion. */
  index: number;
  payload?: Payload;
  vector?: Float32Array;
}

export interface IndexQueryStats {
  mode: 'exact' | 'funnel';
  /** Whether the answer is proven to be the one of a brute-force scan. */
  certified: boolean;
  /** How many rows each stage read, and how many went on. */
  stages: StageCount[];
  /** Rows of which every dim was read. */
  rowsRead: number;
  kernels: string;
  /** Milliseconds in the search itself. */
  ms: number;
}

export interface IndexAnswer<Payload = unknown> {
  hits: IndexHit<Payload>[];
  stats: IndexQueryStats;
}

export interface IndexStats {
  /** Live rows. */
  count: number;
  /** Rows ever written, which is the position of the next one. */
  positions: number;
  dim: number;
  metric: Metric;
  /** Rows that have codes; the others are scanned whole. */
  coded: number;
  lists: number;
  head: number;
  rotation: 'pca' | 'none';
  /** Bytes in memory. */
  resident: { codes: number; rows: number };
  /** Bytes on disk. */
  files: { rows: number; segments: number; store: number };
  kernels: string;
  threads: number;
}
