/** The contract between a search and whatever holds the vectors: Qdrant, Milvus, later the embedded index. */
import type { IdKind, Metric, PackedCandidates } from '../types.js';

/** What a source knows of its collection; read from the server once, lazily. */
export interface SourceInfo {
  /** Length of the head vectors that the server searches. */
  headDim: number;
  /** Length of the full vectors. */
  dim: number;
  metric: Metric;
  idKind: IdKind;
}

/** Which payload comes with the candidates. */
export type PayloadSelection = boolean | readonly string[];

export interface HeadRequest {
  /** The full query vector (`dim` finite values); the source cuts the head out of it. */
  vector: Float32Array;
  /** How many hits the head search asks for. */
  candidates: number;
  /** Passed through as it is, in the database's own form. */
  nativeFilter?: unknown;
  /** @default false */
  withPayload?: PayloadSelection;
  /** Milliseconds for the whole call. */
  timeout?: number;
  signal?: AbortSignal;
}

export interface HeadAnswer {
  /**
   * In the server's order; vectors are full ones, packed. At most `candidates` of them. Given away: the source keeps no
   * reference to the vectors, which another thread may read next.
   */
  candidates: PackedCandidates;
  /** Milliseconds until the server's answer was here. */
  headMs: number;
  /** Milliseconds to turn it into packed candidates. */
  decodeMs: number;
}

/** A plain object behind one interface; holds a client that the caller built and owns. */
export interface Source {
  /** For people: kind and collection, as in errors. */
  readonly name: string;
  info(options?: { timeout?: number; signal?: AbortSignal }): Promise<SourceInfo>;
  /** The head search. Never answers a part of what was found: it throws a FunnelError instead. */
  head(request: HeadRequest): Promise<HeadAnswer>;
  /** Full-vector search on the server, for comparison (`limit` best, exact where the server can). */
  full(
    request: Omit<HeadRequest, 'candidates'> & { limit: number },
  ): Promise<{ ids: (string | number | bigint)[]; scores: number[]; ms: number }>;
}
