/** Options and results of the embedded index. */
import type { FilterStats, Float16Values, Id, Vector } from '../core/types.js';
import type { Metric } from '../kernels/kernels.js';
import type { Filter } from '../query/filter/types.js';
import type { PayloadSelector } from '../query/payload.js';
import type { StageCount } from './engine/types.js';
import type { PayloadIndexType } from './files/payload-index-type.js';

/** Options of create(). Those that open() does not take are kept in the files. */
export interface FunnelIndexOptions extends OpenIndexOptions {
  /** Dims of every vector, 1..65,536. */
  dim: number;
  /** @default 'cosine' */
  metric?: Metric;
  /**
   * The dims at which the model was trained to be cut, ascending. With `rotation: 'none'` the first of 64 or more is the
   * head (at most 512), where `head` says nothing.
   */
  scales?: readonly number[];
  /** The codes by which mode 'funnel' orders rows before it scores the best in full. @default 128 */
  head?: Head;
  /**
   * 'pca': codes are taken in a basis fitted to the rows by optimize(), which makes few dims say most. 'none': in the
   * rows' own dims, as a Matryoshka model orders them. 'balanced': as 'pca', fitted to rows and sample queries alike
   * (`optimize({ queries })`), for queries that are distributed unlike the rows: questions over passages, say. Its basis is
   * the orthonormal one of the sum of both second moments, each scaled to trace 1. Measured on 30,000 such rows of 768 dims,
   * the Cauchy–Schwarz bound at 128 dims leaves 18.7 % of them, 27.6 % under 'pca'; a transform of rows and queries apart,
   * not orthogonal, would leave 15.7 %, but has to transform every query whole and has weaker bounds. Answers in mode
   * 'exact' do not depend on any of it.
   *
   * @default 'pca'
   */
  rotation?: Rotation;
  /** How rows are kept. 'float16' rounds them on the way in; they are exact from there on. @default 'float32' */
  precision?: 'float32' | 'float16';
  /** Lists of the coarse partition (IVF) that optimize() makes; 'off': none. @default 'auto', by size */
  lists?: number | 'auto' | 'off';
}

/** The basis that codes are taken in: see {@link FunnelIndexOptions.rotation}. */
export type Rotation = 'pca' | 'none' | 'balanced';

/**
 * A number: so many rotated dims with 4 bits each, a multiple of 8 (rounded up), at most 512. Mode 'exact' always works on
 * such a head (of 128 dims, when another kind is chosen); the other kinds are planes beside it that only mode 'funnel'
 * reads:
 *
 * - 'int8': the same dims with 8 bits each. One query costs twice as much, for better candidates.
 * - 'binary': one bit for each of the rows' own dims, whether the value is above the dim's mean. For models whose dims all
 *   say something.
 * - `{ prefix: m }`: the first m of the rows' own dims (at most 4096), 8 bits each, whatever the rotation: the order that a
 *   database gives which keeps such prefixes in a vector field of their own. For cosine that is the cosine of the prefixes,
 *   each brought to length 1 again (0 where a prefix is zeros); for dot their dot product; for euclid their distance.
 *
 * For dot and euclid 'int8' and 'binary' order by the estimated product or distance, lengths of rows included.
 */
export type Head =
  | number
  | 'int8'
  | 'binary'
  | {
      /** Dims of the prefix, 1 to 4096. */
      prefix: number;
    };

/** Options of create() and open() that are not kept in the files. */
export interface OpenIndexOptions {
  /**
   * Threads that search: each asynchronous call takes one that is free, parts of a long batch several; a synchronous call
   * shares its scans among as many. @default as many as the process may use
   */
  threads?: number;
  /**
   * Bytes that vectors and codes may take in memory, within 10 %. Codes come first, without those of all dims where these
   * would leave no room for rows; the first records of the row files follow, and the others are read from disk when an answer
   * needs them. Answers in mode 'exact' do not depend on it; mode 'funnel' scores fewer candidates where rows are on disk (see
   * {@link FunnelParams.candidates}). Every search needs the codes: those of a head that is larger than the limit are loaded all
   * the same, and `stats().warning` says so. Ids, payload indexes and what is under way are not counted. On ':memory:', where
   * there is no disk, it has no effect. @default no limit
   */
  memory?: number;
  /** @default 'full'; 'relaxed' risks, in a power loss, any write and the index itself */
  durability?: 'full' | 'relaxed';
  /**
   * Become the writer in the place of one that is dead for certain, though that cannot be seen from here (it wrote on another
   * machine, say), or of one in this thread that a module which was loaded again has lost. A writer that is known to be alive
   * elsewhere keeps the index. @default false
   */
  breakLock?: boolean;
  /**
   * Keep the index in order without being asked, in the background: new rows get codes as those of the last build are made, once
   * nothing was written for a third of a second, or searches have read them a hundred times (fewer than 2^18 values of them wait
   * for a build); a build over all rows comes when half were written since the last; dead rows out of files, memory and payload
   * indexes once they are half as many as the living and more than 2 MB. Never in a script that waits for nothing. 'codes': only
   * the codes for new rows, beside those of the last optimize(): no build, and dead rows stay. @default true
   */
  autoOptimize?: boolean | 'codes';
  /**
   * Rows that pass a filter are scored one by one, without a look at their codes, when they are at most so many. Answers in
   * mode 'exact' do not depend on it.
   *
   * @default 256
   */
  fullScanThreshold?: number;
}

/** Options of optimize(). */
export interface OptimizeOptions {
  /** For rotation 'balanced': a sample of queries, `n × dim`. */
  queries?: Float32Array;
  /** Told after each part of a phase. */
  onProgress?: (progress: OptimizeProgress) => void;
}

/** Progress of a build. */
export interface OptimizeProgress {
  /** 'plan': samples give basis, quantisers and partition. 'encode': rows get codes. 'write': the codes go to disk. */
  phase: 'plan' | 'encode' | 'write';
  /** Parts of the phase that are done, of `total`. */
  done: number;
  /** Parts of the phase: rows while encoding. */
  total: number;
}

/** Rows to write, one by one. */
export interface Point<Payload = unknown> {
  /** Unique; a row that has it already is replaced. One kind of id in an index. */
  id: Id;
  /** `dim` values. */
  vector: Vector;
  /** Anything JSON can say, and bigint, Date, Uint8Array, NaN, ±Infinity. Kept as a copy. */
  payload?: Payload;
}

/** Rows to write, packed: no copy is made before they are stored. */
export interface PointBatch<Payload = unknown> {
  /** One for each row. */
  ids: ArrayLike<Id>;
  /** `ids.length × dim`, row-major: float32, float16, or float16 bits in a Uint16Array. */
  vectors: Float32Array | Float16Values | Uint16Array;
  /** One for each row, or undefined for a row without. */
  payloads?: ArrayLike<Payload | undefined>;
}

/** The rows that take part in a search. */
export interface RowFilter {
  /** Rows with these ids; ids that no row has are ignored. */
  ids?: Iterable<Id>;
  /** Rows at these positions (`hit.index`): bit p & 7 of byte p >> 3 lets position p through. */
  rows?: Uint8Array;
}

/** A search of the index. Keys that it does not know are refused. */
export interface IndexQuery<Payload = unknown> {
  /** `dim` values. */
  vector: Vector;
  /** @default 10 */
  limit?: number;
  /**
   * So many of the best are left out. In mode 'funnel', pages are cut from one pool of `maxDepth` rows, whatever their
   * offset, so that no row is on two of them: ask for the first with `offset: 0`, too.
   *
   * @default 0
   */
  offset?: number;
  /** How deep pages go: offset + limit may be so many. @default 100 when there is an offset, else limit */
  maxDepth?: number;
  /**
   * 'exact': the answer of a brute-force scan, proven so. 'funnel': the best by the head codes, scored in full.
   *
   * @default 'funnel'
   */
  mode?: 'exact' | 'funnel';
  /** Only scores better than this, strictly: above for cosine and dot, below for euclid. */
  scoreThreshold?: number;
  /** Conditions on payloads and ids in Qdrant's JSON form; or rows by id or position. */
  filter?: RowFilter | Filter<Payload> | undefined;
  /** All, or paths to include or exclude. @default false */
  withPayload?: PayloadSelector;
  /** Return copies of the stored vectors. @default false */
  withVector?: boolean;
  /** Parameters of mode 'funnel'; refused in mode 'exact', which has nothing to choose. */
  params?: FunnelParams;
}

/** How much work mode 'funnel' does. */
export interface FunnelParams {
  /**
   * Rows are dropped when their bound, shrunk to this share of what is certain, stays below the k-th best. 1 drops only
   * what cannot belong to the answer; 0.3 to 0.5 is usually enough. In place of `candidates` and `probes`.
   */
  eps?: number;
  /**
   * Rows scored in full; twice as many (64 more at least) are looked at by finer codes before, and where a search walks, without
   * a filter, also the square of this / 24 more, up to 512. With rows on disk at most so many are read: not those that would have to
   * be better than their codes say by four standard deviations of what the first `limit` and some more were (`stats.rowsRead`).
   *
   * @default 2 × limit, at least 32; 1.5 × limit, at least 24, where rows are on disk; and up to 16 times as many are looked at,
   *   as `optimize()` found to be enough
   */
  candidates?: number;
  /**
   * Lists of the partition that are visited, whatever they hold: an answer that is shorter for it says so (`stats.missing`).
   * From their best rows a search walks to the nearest rows of these.
   *
   * @default as many as `optimize()` found to be enough; without a walk an eighth of them; more for a limit above 10, and under a filter the more the fewer rows it leaves: at any rate
   *   as many as hold the rows that were asked for
   */
  probes?: number;
}

/** One row of an answer. */
export interface IndexHit<Payload = unknown> {
  /** The id as it was written. */
  id: Id;
  /** Cosine or dot product (larger is better), or euclidean distance (smaller is better): float64, over all dims. */
  score: number;
  /** The row's position: its number in the order of insertion. */
  index: number;
  /** The part of the payload that `withPayload` selects; absent where the row has none. */
  payload?: Payload;
  /** `dim` values, a copy; with `withVector` alone. */
  vector?: Float32Array;
}

/** Statistics of a search. */
export interface IndexQueryStats {
  /** The mode of the request. */
  mode: 'exact' | 'funnel';
  /** Whether the answer is proven to be the one of a brute-force scan. */
  certified: boolean;
  /** How many rows each stage read, and how many went on. */
  stages: StageCount[];
  /** Rows of which every dim was read. */
  rowsRead: number;
  /** The kernels that ran: a name of listKernels(). */
  kernels: string;
  /** Milliseconds in the search itself. */
  ms: number;
  /** With a filter: how it was applied. */
  filter?: IndexFilterStats;
  /**
   * Hits that the answer is short of, since `params.probes` lists do not hold them; under a `scoreThreshold` at most so many.
   * Absent where it lacks none: without `probes`, answers have `limit` hits wherever so many rows pass.
   */
  missing?: number;
}

/** Statistics of a filter. */
export type IndexFilterStats = FilterStats;

/** Which rows scroll() lists, and what of them. */
export interface ScrollOptions<Payload = unknown> {
  /** Conditions, or rows by id or position. @default every row */
  filter?: RowFilter | Filter<Payload> | undefined;
  /** @default 10 */
  limit?: number;
  /** Rows that pass and are left out first. @default 0 */
  offset?: number;
  /** `next` of the page before. @default from the first row on */
  after?: number | undefined;
  /** @default true */
  withPayload?: PayloadSelector;
  /** @default false */
  withVector?: boolean;
}

/** A page of rows. */
export interface ScrollPage<Payload = unknown> {
  /** In the order of insertion: a row that is replaced meanwhile comes again, as what it is then. */
  points: ScrollPoint<Payload>[];
  /** Undefined at the end. */
  next: number | undefined;
}

/** A row of a page. */
export interface ScrollPoint<Payload = unknown> {
  /** The id as it was written. */
  id: Id;
  /** The row's position. */
  index: number;
  /** The part of the payload that `withPayload` selects; absent where the row has none. */
  payload?: Payload;
  /** `dim` values, a copy; with `withVector` alone. */
  vector?: Float32Array;
}

/** Which values facet() counts. */
export interface FacetOptions<Payload = unknown> {
  /** The path of the values. */
  key: string;
  /** Conditions, or rows by id or position. @default every row */
  filter?: RowFilter | Filter<Payload> | undefined;
  /** Values, at most. @default 10 */
  limit?: number;
}

/** A value and how many rows have it. */
export interface Facet {
  /** Strings, integers and booleans: what `match` can ask for. An integer beyond ±(2^53 − 1) is a bigint. */
  value: string | number | bigint | boolean;
  /** Rows that have it. */
  count: number;
}

/** The answer of a search. */
export interface IndexAnswer<Payload = unknown> {
  /** At most `limit`, best first; equal scores by position. */
  hits: IndexHit<Payload>[];
  /** Statistics of the search. */
  stats: IndexQueryStats;
}

/** The index as it is now. */
export interface IndexStats {
  /** Live rows. */
  count: number;
  /** Rows ever written, which is the position of the next one. */
  positions: number;
  /** Dims of every vector. */
  dim: number;
  /** The metric that the index was made with. */
  metric: Metric;
  /** Rows that have codes; the others are scanned whole. */
  coded: number;
  /** Rows without codes, and the bytes of them that every search without a filter reads, whatever its mode. */
  uncoded: {
    /** Rows without codes. */
    rows: number;
    /** Bytes of their vectors. */
    bytesPerQuery: number;
  };
  /** Rows that got codes since the last build, as its rows have them; dead ones count, too. */
  extended: number;
  /** Dead rows that the files still hold, and that codes still hold. */
  dead: {
    /** Dead rows in the files. */
    rows: number;
    /** Dead rows in the codes. */
    coded: number;
  };
  /** Lists of the partition; 0: there is none. */
  lists: number;
  /**
   * How well the codes tell rows apart, measured by optimize() with rows as queries: of the ten nearest that a shortlist 16
   * times as long finds, the share that the default one of mode 'funnel' holds, or rows as good. Absent where it was not
   * measured: few rows, a head of another kind, or codes of an earlier version.
   */
  agreement?: number;
  /**
   * In words, where codes say almost nothing (`agreement` below .25, as of many rows that differ by less than a step of the
   * codes). Mode 'funnel' without params then decides by bounds, so that it loses no hit; `candidates` is still obeyed. And
   * where the codes alone take more than the option `memory`.
   */
  warning?: string;
  /** The codes by which mode 'funnel' orders rows. */
  head: Head;
  /** The basis that codes are taken in. */
  rotation: Rotation;
  /** Bytes in memory. */
  resident: {
    /** Bytes of codes. */
    codes: number;
    /** Bytes of vectors. */
    rows: number;
  };
  /** Bytes on disk. */
  files: {
    /** Bytes of vectors, `rows-*.bin`. */
    rows: number;
    /** Bytes of codes and payload indexes, `seg-*.bin`. */
    segments: number;
    /** Bytes of ids and payloads, `data.mdb`: what it takes on the disk, which is less than its length where it has holes. */
    store: number;
  };
  /** By key. */
  payloadIndexes: PayloadIndexStats[];
  /** The kernels that it searches with: a name of listKernels(). */
  kernels: string;
  /** Threads that may work for it at once. */
  threads: number;
}

/** A payload index as it is now. */
export interface PayloadIndexStats {
  /** The path whose values it holds. */
  key: string;
  /** The type of these values. */
  type: PayloadIndexType;
  /** Rows that are packed, and on disk where the index is; the later ones are read from payloads when it is opened. */
  packed: number;
  /** Pairs of value and row. */
  values: number;
}
