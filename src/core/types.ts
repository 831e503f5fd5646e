import type { Metric, Rows } from './metrics.js';

export type { Metric } from './metrics.js';

/** An id as the database or the caller has it; one kind per candidate set, or integers and UUIDs, as Qdrant has them. */
export type Id = string | number | bigint;

/** The JavaScript type of ids. */
export type IdKind = 'string' | 'number' | 'bigint';

/** A Float16Array, which Node.js 24, Bun and Deno have: by its shape, since compilers before 5.8 do not know the name. */
export interface Float16Values extends ArrayLike<number> {
  /** Where its values lie. */
  readonly buffer: ArrayBufferLike;
  /** Bytes before the first value. */
  readonly byteOffset: number;
  /** Bytes of all values, two each. */
  readonly byteLength: number;
  /** A copy of the values from `start` up to `end`. */
  slice(start?: number, end?: number): Float16Values;
  /** 'Float16Array'. */
  readonly [Symbol.toStringTag]: 'Float16Array';
}

/** A vector as callers hold it. Values are read as float32. */
export type Vector = Float32Array | readonly number[];

/** One candidate as an object of the caller's; more fields are welcome, the hit refers back to it as `row`. */
export interface CandidateRow {
  /** @default the row's index; all rows have one or none has */
  id?: Id;
  /** The vector: as many values as the query has. */
  vector: Vector | Float16Values;
}

/** Candidates whose vectors lie in one matrix: the form that costs nothing to hand over. */
export interface PackedCandidates<Row = unknown> {
  /**
   * `count × dim`, row-major: a Float32Array, a Float16Array or float16 bits in a Uint16Array, read where they are; plain arrays
   * of numbers are copied.
   */
  vectors: Rows | Vector | Float16Values;
  /** Dims of each row, 1 to 65,536. */
  dim: number;
  /** `count` ids. Without them a hit's id is its index. */
  ids?: ArrayLike<Id>;
  /** `count` payloads, by reference. */
  payloads?: ArrayLike<unknown>;
  /** `count` rows of the caller's, by reference. */
  rows?: ArrayLike<Row>;
  /** `count` scores of the head search, where it was a database that ranked them. Kept for reports, never for ranking. */
  headScores?: ArrayLike<number>;
  /**
   * Whether all values are known to be finite. Native kernels then do not look at the dims of rows that no stage reads. Among
   * those that are read NaN and Infinity are refused as ever.
   *
   * @default false
   */
  finite?: boolean;
}

/** Candidates for a funnel: rows as objects, or one matrix. */
export type Candidates<Row = unknown> = PackedCandidates<Row> | readonly (CandidateRow & Row)[];

/** A candidate that is left, with its score. */
export interface Hit<Row = unknown> {
  /** The candidate's id, or its index where candidates have none. */
  id: Id;
  /** Cosine or dot product (larger is better), or true euclidean distance (smaller is better). */
  score: number;
  /** Position in the candidate set; where the database ran the stages, in the list that it ranked. */
  index: number;
  /** The candidate's, by reference; of a search what `withPayload` asks for. */
  payload?: unknown;
  /** The full vector (a copy), when asked for. */
  vector?: Float32Array;
  /** With a source of several layouts of vectors, when asked for: those that the point has, by name. */
  vectors?: Record<string, Float32Array>;
  /** The caller's own row, by reference. */
  row?: Row;
}

/** One scale of a plan, fitted to a number of candidates. */
export interface FunnelStage {
  /** The prefix length this stage scored. */
  scale: number;
  /** Candidates that enter. */
  in: number;
  /** Candidates that stay. */
  out: number;
  /** False when `limit` survivors were reached before: the stage then only re-orders. */
  prunes: boolean;
}

/** How long each step took and how many candidates it saw. Times in milliseconds. */
export interface SearchStats {
  /** In the order in which they ran. */
  stages: StageStats[];
  /** 'hits': vectors travelled with the hits. 'ids': they were read by the ids of these. 'mirror': read from a local index. */
  vectorsFrom: 'hits' | 'ids' | 'mirror';
  /** Where the stages of the plan ran, and why there. */
  ran: Ran;
  /** Where final scores are those of the database, in float32: stages that it ran, of hits that were not scored again (`rescore`). */
  scores?: 'server';
  /** Where the candidates' vectors came from, of a search with a mirror. */
  mirror?: MirrorStats;
  /** The kernels that ran: a name of listKernels(). */
  kernels: string;
  /** The metric of the scores. */
  metric: Metric;
  /** In mode 'exact': what that promises with this source. */
  exact?: 'certified' | 'server' | 'index';
  /** For a search with a filter over an embedded index. */
  filter?: FilterStats;
  /** For a head search with a filter over Qdrant, where its vectors are in a graph. */
  filteredPool?: FilteredPoolStats;
  /** Points of the pool that lack the full vector and were left out; of sources with `missingVectors: 'skip'`. */
  missingVectors?: number;
  /** For a recommendation that ranked by one of these strategies; larger scores are then better. */
  strategy?: 'best_score' | 'sum_scores';
  /**
   * For such a recommendation over an embedded index: the searches that made its pool (0: every row that passes was
   * scored), and the rows that the strategy scored. For one by 'best_score' over Milvus: the searches, one near each
   * positive example, and the points that they found.
   */
  pools?: {
    /** Searches that made the pool. */
    searches: number;
    /** Rows that the strategy scored, or that the searches found. */
    rows: number;
  };
  /** Candidates that `params.probes` lists of an embedded index do not hold, and that the pool lacks. */
  missing?: number;
}

/** How the pool of a filter came out of a server's graph, which knows payloads only where they had an index when it was built. */
export interface FilteredPoolStats {
  /** 'graph': the server's own search. 'exact': that came back short, and a search of all points that pass found more. */
  by: 'graph' | 'exact';
  /** Keys of the filter without a payload index. */
  unindexed: string[];
  /** The remedy, where points may be missing or had to be searched exactly. */
  advice?: string;
}

/** Where the stages of a search ran: see the option `stages`. */
export interface Ran {
  /** 'server': in the database. 'client': here, on vectors that it sent. 'mirror': here, on vectors of the mirror. */
  on: 'server' | 'client' | 'mirror';
  /** The reason, for people. */
  why: string;
  /** Scales of the plan that the database has no vectors for: it let all rows go on there. */
  passedOver?: readonly number[];
}

/** How a filter was evaluated; once for all queries of a batch that share it. */
export interface FilterStats {
  /** Rows that pass. */
  matched: number;
  /** 'rows': each was scored (see `fullScanThreshold`); 'mask': their codes were scanned. */
  plan: 'rows' | 'mask';
  /** Whether indexes answered all conditions, without a look at payloads. */
  indexed: boolean;
  /** Keys of conditions that were looked up in payloads, for which an index would help. */
  unindexed: string[];
  /** Rows of which the payload was read, by the first query with this filter. */
  payloadsRead: number;
  /** Whether an earlier query had the same filter and nothing was written since: then what it found is used again. */
  cached: boolean;
  /** Milliseconds in the filter. */
  ms: number;
}

/** Candidates by where their vectors came from. */
export interface MirrorStats {
  /** Read from the mirror. */
  found: number;
  /** Not in the mirror: fetched from the database. */
  fetched: number;
  /** Not in the mirror, and no longer in the database when they were fetched: left out. */
  gone: number;
  /** Where the search ran, of a FunnelSearch with `search: 'mirror'`; the other parts below are of such a search alone. */
  searched?: 'mirror' | 'source';
  /** Why it ran on the source, in words. */
  reason?: string;
  /** The last sync of the mirror; absent where none was completed: rows that came to the collection later are not found. */
  mark?: SyncMark;
  /** Milliseconds since the collection was as that sync saw it. */
  age?: number;
}

/** The last completed sync of a mirror. */
export interface SyncMark {
  /** The name of the source. */
  source: string;
  /** When the sync began, in milliseconds since 1970: later changes may be missing. */
  at: number;
  /** Rows that the collection had. */
  rows: number;
}

/** One step of a search. */
export interface StageStats {
  /**
   * 'head', 'exact' or 'server' (head and stages, run by the database), 'decode', 'mirror', 'fetch', 'scale 256', 'funnel',
   * 'threshold', 'page at 20', 'payloads'.
   */
  name: string;
  /** Candidates that went in. */
  in: number;
  /** Candidates that came out. */
  out: number;
  /** Absent for the scales inside the funnel unless `explain` ran them one by one. */
  ms?: number;
}
