import type { Metric, Rows } from './metrics.js';

export type { Metric } from './metrics.js';

/** An id as the database or the caller has it; one kind per candidate set, or integers and UUIDs, as Qdrant has them. */
export type Id = string | number | bigint;

/** The JavaScript type of ids. */
export type IdKind = 'string' | 'number' | 'bigint';

/** A vector as callers hold it. Values are read as float32. */
export type Vector = Float32Array | readonly number[];

/** One candidate as an object of the caller's; more fields are welcome, the hit refers back to it as `row`. */
export interface CandidateRow {
  /** @default the row's index; all rows have one or none has */
  id?: Id;
  /** The vector: as many values as the query has. */
  vector: Vector;
}

/** Candidates whose vectors lie in one matrix: the form that costs nothing to hand over. */
export interface PackedCandidates<Row = unknown> {
  /**
   * `count × dim`, row-major: a Float32Array, or float16 bits in a Uint16Array, both read where they are; plain arrays
   * of numbers are copied.
   */
  vectors: Rows | Vector;
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
}

/** Candidates for a funnel: rows as objects, or one matrix. */
export type Candidates<Row = unknown> = PackedCandidates<Row> | readonly (CandidateRow & Row)[];

/** A candidate that is left, with its score. */
export interface Hit<Row = unknown> {
  /** The candidate's id, or its index where candidates have none. */
  id: Id;
  /** Cosine or dot product (larger is better), or true euclidean distance (smaller is better). */
  score: number;
  /** Position in the candidate set. */
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
  /** 'hits': vectors travelled with the hits. 'mirror': read from a local index. */
  vectorsFrom: 'hits' | 'mirror';
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
}

/** One step of a search. */
export interface StageStats {
  /** 'head' or 'exact', 'decode', 'mirror', 'fetch', 'scale 256', 'funnel', 'threshold', 'page at 20'. */
  name: string;
  /** Candidates that went in. */
  in: number;
  /** Candidates that came out. */
  out: number;
  /** Absent for the scales inside the funnel unless `explain` ran them one by one. */
  ms?: number;
}
