/** The contract between a search and whatever holds the vectors: Qdrant, Milvus, later the embedded index. */
import type { Id, IdKind, Metric, PackedCandidates } from '../types.js';

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
  /** False: ids, scores and payloads alone; the candidates' `vectors` are then empty. @default true */
  vectors?: boolean;
  /** Milliseconds for the whole call. */
  timeout?: number;
  signal?: AbortSignal;
}

export interface HeadAnswer {
  /**
   * In the server's order; vectors are full ones, packed. At most `candidates` of them, with their ids. Given away: the
   * source keeps no reference to the vectors, which another thread may read next.
   */
  candidates: PackedCandidates;
  /** Milliseconds until the server's answer was here. */
  headMs: number;
  /** Milliseconds to turn it into packed candidates. */
  decodeMs: number;
}

/** Candidates that nobody ranked. */
export interface PackedRows extends Omit<PackedCandidates, 'ids' | 'headScores' | 'rows'> {
  ids: Id[];
}

export interface FetchRequest {
  /** As this source hands them out. */
  ids: readonly Id[];
  /** @default false */
  withPayload?: PayloadSelection;
  timeout?: number;
  signal?: AbortSignal;
}

export interface FetchAnswer {
  /** In the order asked. Ids that the collection does not have any more are left out. */
  rows: PackedRows;
  ms: number;
}

export interface ScanRequest {
  /** Where the page before ended: its `next`. @default the start */
  after?: string;
  /** Rows of a page: about as many come. */
  limit: number;
  /** @default false */
  withPayload?: PayloadSelection;
  /** False: ids and payloads alone; the rows' `vectors` are then empty. @default true */
  vectors?: boolean;
  timeout?: number;
  signal?: AbortSignal;
}

export interface ScanAnswer {
  rows: PackedRows;
  /** Text that may be kept and used by another process, later. Undefined behind the last page; a page may be empty. */
  next: string | undefined;
  ms: number;
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
  /** Rows by id, with their full vectors: one call, or several where the answer would be of tens of megabytes. */
  fetch(request: FetchRequest): Promise<FetchAnswer>;
  /**
   * All rows that the source's own filter lets through, page by page, each once, in an order that stays. Rows written
   * meanwhile may or may not come.
   */
  scan(request: ScanRequest): Promise<ScanAnswer>;
}

/** Bytes of JSON that one answer with vectors may take; a float takes about twelve. */
const ANSWER_BYTES = 32 << 20;

/** How many rows one call may ask for. */
export function rowsAtOnce(dim: number): number {
  return Math.max(1, Math.min(16_384, Math.floor(ANSWER_BYTES / (12 * dim))));
}
