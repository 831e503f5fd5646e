/** The contract between a search and whatever holds the vectors: Qdrant, Milvus, the embedded index. */

import type { FilteredPoolStats, FilterStats, Id, IdKind, Metric, PackedCandidates } from '../../core/types.js';
import type { FilterNode } from '../filter/ast.js';
import type { PayloadSelector } from '../payload.js';
import type { Examples, Strategy } from '../recommend.js';

/** The facts of a source's collection; read from the server once, lazily. */
export interface SourceInfo {
  /** Length of the head vectors that the server searches. */
  headDim: number;
  /** Length of the full vectors. */
  dim: number;
  /** The metric of the full vectors. */
  metric: Metric;
  /** The kind of a point's id; collections of Qdrant may hold integers and UUIDs. */
  idKind: IdKind;
  /** The most candidates that one search may ask for, where collection or database have a limit. Default pools are no larger. */
  mostCandidates?: number;
}

/** Which payload comes with the candidates. */
export type PayloadSelection = PayloadSelector;

/**
 * How a server, or the index, is to search. Each source has its own; those that it has nothing to act on by are refused by
 * name.
 */
export interface SearchParams {
  /** Qdrant: the head search scans. The embedded index: mode 'exact'. */
  exact?: boolean;
  /** Qdrant: how many neighbours HNSW keeps in sight; more find more, and take longer. */
  hnsw_ef?: number;
  /** Qdrant, of quantized vectors: not used at all, scored once more by the original ones, and how many times as many. */
  quantization?: {
    /** Search the original vectors. */
    ignore?: boolean;
    /** Score what was found by the original vectors. @default the server's choice */
    rescore?: boolean;
    /** So many times as many are found by the quantized vectors, to be scored once more; 1 or more. */
    oversampling?: number;
  };
  /** Qdrant since 1.16, under filters: HNSW also looks behind neighbours that do not pass. */
  acorn?: {
    /** Use it. @default false */
    enable?: boolean;
    /** Only where at most this part of the rows passes, 0 to 1. @default the server's */
    max_selectivity?: number;
  };
  /** Qdrant: segments without an index are skipped, so answers may lack rows. */
  indexed_only?: boolean;
  /** Milvus, HNSW. */
  ef?: number;
  /** Milvus, IVF. */
  nprobe?: number;
  /** Milvus, DiskANN. */
  search_list?: number;
  /** Milvus, ScaNN. */
  reorder_k?: number;
  /** Milvus, AUTOINDEX of the cloud: 1 to 10, the higher the better, and the slower. */
  level?: number;
  /** Milvus, HNSW over codes: so many times as many are scored once more; 1 or more. */
  refine_k?: number;
  /** Milvus: 'iterative_filter' has the index walk first and the filter look second. */
  hints?: string;
  /** The embedded index, by its own head: see FunnelParams. */
  probes?: number;
  /** Qdrant: the shards of these keys alone are read, by every call of the request. @default the source's, else all shards */
  shardKey?: string | number | readonly (string | number)[];
  /** Milvus: the partitions that are read, by every call of the request. @default the source's, else all of them */
  partitions?: readonly string[];
  /**
   * How many replicas must agree, or how fresh the answer is, of every call of the request. Qdrant: a number of replicas,
   * 'majority', 'quorum' or 'all'. Milvus: 'Strong', 'Session', 'Bounded' or 'Eventually', or the number of one.
   *
   * @default the source's, else the server's
   */
  consistency?: number | string;
  /** Qdrant: milliseconds after which the server gives a call up, in whole seconds (1,500 are 2 s). @default the server's */
  serverTimeout?: number;
}

/** Which of the rows that pass a filter are looked at. */
export interface Restriction {
  /** In the checked form; compiled by the source, which refuses by name what it cannot say. */
  filter?: FilterNode;
  /** Passed through as it is, in the database's own form. */
  nativeFilter?: unknown;
}

/** A head search. */
export interface HeadRequest extends Restriction {
  /** The full query vector (`dim` finite values), not to be written to; the source cuts the head out of it. */
  vector: Float32Array;
  /** How many hits the head search asks for. */
  candidates: number;
  /** Parameters of the server's search; those that it has nothing to act on by are refused by name. */
  params?: SearchParams;
  /** 'exact': the best by their full vectors, of all rows, in place of a head search. */
  mode?: 'exact';
  /** Search by these examples in place of `vector`: of sources with `recommends` alone. Larger head scores are then better. */
  recommend?: {
    /** The strategy by which examples score a row. */
    strategy: Exclude<Strategy, 'average_vector'>;
    /** Full vectors. */
    examples: Examples;
  };
  /** @default false */
  withPayload?: PayloadSelection;
  /** False: ids, scores and payloads alone; the candidates' `vectors` are then empty. @default true */
  vectors?: boolean;
  /**
   * Scores over all dims will order the candidates, and only so many of the best will be hits: of sources with `decides` alone,
   * which may leave out vectors and all about the others, and then say that the candidates are `decided`.
   */
  decide?: number;
  /** Milliseconds for the whole call. */
  timeout?: number;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** A stage of a funnel that the database runs: it orders rows by their first dims, and the best go on. */
export interface ServerStage {
  /** Dims that rows are scored by: one of the source's `serverScales`. */
  scale: number;
  /** Rows that go on; of the last stage, rows up to where the answer ends. */
  keep: number;
}

/** A head search whose candidates the database ranks, too: of sources with `funnel` alone. */
export interface StagedRequest extends Omit<HeadRequest, 'mode' | 'recommend' | 'decide'> {
  /** In the order in which they run; the last one is over all dims. */
  stages: readonly ServerStage[];
  /** Rows of the last stage that are left out, best first. @default 0 */
  offset?: number;
}

/** The dims by which a database can rank rows on its own. */
export interface ServerScales {
  /** Ascending: dims of the vectors that it has beside the head. Stages need one of all dims. */
  scales: readonly number[];
  /** The metric of all of them. */
  metric: Metric;
  /** Where there are none of all dims: why it runs no stages, as half a sentence. */
  why?: string;
}

/** The answer of a head search. */
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
  /**
   * As `decide` asked: the candidates are in the order of their head scores, which are those that the kernels would give over all
   * dims, to the bit. `vectors` are empty, `payloads` may end behind the first `decide`.
   */
  decided?: true;
  /** Beside `decided`: how many candidates there were, where the best alone are here. @default as many as are here */
  found?: number;
  /** The promise of mode 'exact', in that mode. */
  exact?: Exactness;
  /** How the filter was applied, where the source knows. */
  filtered?: FilterStats;
  /** How the pool of a filter came out of the server's graph, where the source knows. */
  filteredPool?: FilteredPoolStats;
  /**
   * Whole numbers of payloads are as stored where their size is below this; a larger one may have been another integer, that
   * JSON or the client rounded.
   *
   * @default 2^53
   */
  exactBelow?: number;
  /** Points that were found and left out, since they lack a vector; of sources that leave such out. */
  lacking?: readonly Id[];
  /** Where the rows were read by the ids that the search found, in another call. */
  byIds?: {
    /** Milliseconds of that. */
    ms: number;
    /** Points that were deleted between the two, and left out. */
    gone: readonly Id[];
  };
  /** Candidates that the request's params kept from being found, where the source knows. */
  missing?: number;
  /** With a recommendation: searches that made the pool (0: all rows were scored), and rows that the strategy scored. */
  pools?: {
    /** Searches that made the pool. */
    searches: number;
    /** Rows that the strategy scored. */
    rows: number;
  };
}

/**
 * The promise of an answer in mode 'exact'. 'certified': it is the answer of a brute-force scan, in float64, proven.
 * 'server': the server scanned all rows, in float32. 'index': it is what the server's index finds, whatever that is.
 */
export type Exactness = 'certified' | 'server' | 'index';

/** Candidates that nobody ranked. */
export interface PackedRows extends Omit<PackedCandidates, 'ids' | 'headScores' | 'rows' | 'finite'> {
  /** One for each row. */
  ids: Id[];
}

/** Points to be read by their ids. */
export interface FetchRequest {
  /** As this source hands them out. */
  ids: readonly Id[];
  /** @default false */
  withPayload?: PayloadSelection;
  /** False: ids and payloads alone; the rows' `vectors` are then empty. @default true */
  vectors?: boolean;
  /** Points that lack this source's vectors are an error, or are left out. @default as the source was made, else 'error' */
  missing?: 'error' | 'leave out';
  /** Those of READ_PARAMS alone act. */
  params?: SearchParams;
  /** Milliseconds for the whole call. */
  timeout?: number;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** Points that were read by their ids. */
export interface FetchAnswer {
  /** In the order asked. Ids that the collection does not have any more are left out. */
  rows: PackedRows;
  /** Milliseconds of the call. */
  ms: number;
  /** As of a head search. */
  lacking?: readonly Id[];
}

/** One page of all points. */
export interface ScanRequest {
  /** Where the page before ended: its `next`. @default the start */
  after?: string;
  /** Rows of a page: about as many come. */
  limit: number;
  /** @default false */
  withPayload?: PayloadSelection;
  /** False: ids and payloads alone; the rows' `vectors` are then empty. @default true */
  vectors?: boolean;
  /** Those of READ_PARAMS alone act. */
  params?: SearchParams;
  /** Only rows that pass, too: of sources with `filtersScans` alone. */
  filter?: FilterNode;
  /** Milliseconds for the whole call. */
  timeout?: number;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** A page of points. */
export interface ScanAnswer {
  /** In an order that stays from page to page. */
  rows: PackedRows;
  /** Text that may be kept and used by another process, later. Undefined behind the last page; a page may be empty. */
  next: string | undefined;
  /** Milliseconds of the call. */
  ms: number;
  /** As of a head search; of a page without vectors nobody looks. */
  lacking?: readonly Id[];
}

/**
 * A plain object behind one interface; holds a client that the caller built and owns. Its calls throw FunnelErrors: BAD_ARGUMENT,
 * BAD_DIMS and UNSUPPORTED before any work; NO_COLLECTION, NO_FIELD, NOT_LOADED, REFUSED, UNREACHABLE, UNAVAILABLE,
 * RATE_LIMITED, TIMEOUT, ABORTED and BAD_RESPONSE for what becomes of the call.
 */
export interface Source {
  /** For people: kind and collection, as in errors. */
  readonly name: string;
  /**
   * The restriction of its rows beside the collection: its own filter, say, as text. A mirror that was filled through a source of
   * another scope is not searched in its place.
   */
  readonly scope?: string | undefined;
  /** Dims, metric and kind of ids of the collection; read once, and again when it may have changed. */
  info(options?: { timeout?: number; signal?: AbortSignal }): Promise<SourceInfo>;
  /** The head search. Never answers a part of what was found: it throws a FunnelError instead. */
  head(request: HeadRequest): Promise<HeadAnswer>;
  /** Many head searches, in as few round trips as the database allows; answers in order. All have one signal and timeout. */
  headBatch?(requests: readonly HeadRequest[]): Promise<HeadAnswer[]>;
  /** Whether mode 'exact' is 'certified'. */
  readonly certifies?: boolean;
  /** Whether whole payloads cost a pool nothing: they are read with their rows then, not when hits are known. */
  readonly payloadsInPools?: boolean;
  /**
   * The collection has heads alone, which `info().dim` counts and every answer has: a FunnelSearch takes the full vectors from its
   * mirror. @default false
   */
  readonly headsOnly?: boolean;
  /**
   * Whether head() takes `recommend`. Head scores are then those of the strategy: `strategyScore` of the row's similarities to the
   * examples, each `similarityOf` its score. Under euclid a similarity is minus the square of the distance.
   */
  readonly recommends?: boolean;
  /** Whether head() takes `decide`. A wrapper that looks at vectors of candidates, or changes their scores, sets it to false. */
  readonly decides?: boolean;
  /**
   * A head search and the stages behind it, in one call of the database. The answer's candidates are those that the last stage
   * lets through, best first; `headScores` are its scores. A wrapper of head() wraps this, too, or sets it to undefined.
   */
  funnel?(request: StagedRequest): Promise<HeadAnswer>;
  /** Many of these, as headBatch(). */
  funnelBatch?(requests: readonly StagedRequest[]): Promise<HeadAnswer[]>;
  /** The dims by which funnel() can rank; of sources with `funnel`, or to say why there is none. Asked at every search: it is to be known. */
  serverScales?(options?: { timeout?: number; signal?: AbortSignal }): Promise<ServerScales>;
  /** Whether scan() takes `filter`: a mirror that follows a key then reads what has changed alone. */
  readonly filtersScans?: boolean;
  /** For a source with several layouts: each as a source of its own, by name. Its own calls then refuse. */
  readonly layouts?: ReadonlyMap<string, Source>;
  /** How many rows pass. */
  count?(request: Restriction & { params?: SearchParams; timeout?: number; signal?: AbortSignal }): Promise<number>;
  /** The id that a value of a payload names in this collection: types must agree. Undefined where it can be no id. */
  idOf?(value: string | number | bigint, options?: { timeout?: number; signal?: AbortSignal }): Promise<Id | undefined>;
  /** An id in the one form that this source hands out, of a database that reads several; what is no id stays as it is. */
  canonicalId?(id: Id): Id;
  /** The kinds of ids that the rows of scan() have, of a database that may have several in one collection. */
  idKinds?(options?: { timeout?: number; signal?: AbortSignal }): Promise<IdKind[]>;
  /** Full-vector search on the server, for comparison (`limit` best, exact where the server can). */
  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): Promise<{
    /** Best first. */
    ids: (string | number | bigint)[];
    /** One for each id, as the server has them. */
    scores: number[];
    /** Milliseconds of the call. */
    ms: number;
  }>;
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

/** How many rows of so many dims one call may ask for, so that its answer stays below some 32 MB of JSON. */
export function rowsAtOnce(dim: number): number {
  return Math.max(1, Math.min(16_384, Math.floor(ANSWER_BYTES / (12 * dim))));
}
