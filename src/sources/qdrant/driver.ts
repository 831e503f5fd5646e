/** The contract between the source and a Qdrant client, and the parts that both clients share. */
import { FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { FilterNode } from '../../query/filter/ast.js';
import type { PayloadSelection, SearchParams } from '../../query/source/source.js';
import type { Compared, Datatype } from './datatypes.js';
import type { AnyPoint } from './from-qdrant.js';
import type { QdrantScope } from './scope.js';

/** The parts that differ between the two clients. */
export interface QdrantDriver {
  /** How numeric ids arrive. */
  idKind: 'number' | 'bigint';
  /** See HeadAnswer. */
  exactBelow?: number;
  vectors(collection: string, signal: AbortSignal): Promise<QdrantVectors>;
  /** Any point, for the kind of its id. */
  somePoint(collection: string, signal: AbortSignal, scope?: QdrantScope): Promise<AnyPoint | undefined>;
  /** The server's version as it tells it; undefined where the client cannot ask. */
  version(signal: AbortSignal): Promise<string | undefined>;
  /** Refuses a filter or parameters that the client would drop without a word. */
  check?(filter: unknown, params: unknown): Promise<void>;
  /** A filter that is true where both are. */
  both(a: unknown, b: unknown): unknown;
  /** A filter in the client's form. */
  compile(filter: FilterNode): unknown;
  /** Parameters in the client's form, over others in that form. */
  params(own: SearchParams, native: unknown): unknown;
  /** `packed`: one matrix for every lift, where the vectors never became arrays. `at`: when the answer was here. */
  query(query: QdrantQuery, signal: AbortSignal, fast: boolean): Promise<QdrantAnswer>;
  /** Queries of one collection with the same lifts, in one round trip; undefined where the client has none. */
  queryBatch(queries: readonly QdrantQuery[], signal: AbortSignal, fast: boolean): Promise<QdrantAnswer[] | undefined>;
  /** A point that lacks a vector, if there is one. @throws what the client throws, where the server cannot tell */
  lacking(collection: string, vector: string, signal: AbortSignal): Promise<AnyPoint | undefined>;
  /** Points that pass, exactly. */
  count(collection: string, filter: unknown, signal: AbortSignal, scope?: QdrantScope): Promise<number>;
  /** Points by id, in any order. */
  retrieve(request: QdrantRead & { ids: readonly Id[] }, signal: AbortSignal, fast: boolean): Promise<QdrantAnswer>;
  /** Points in the order of their ids, from `from` on; `next`: the first one of the next page. */
  scroll(
    request: QdrantRead & { from: Id | undefined; limit: number; filter: unknown },
    signal: AbortSignal,
    fast: boolean,
  ): Promise<QdrantAnswer & { next: Id | undefined }>;
  /** @param ms that the call took, where that is known */
  classify(error: unknown, where: string, ms?: number): FunnelError;
}

export interface QdrantVectors {
  /** By name, multivectors among them; '' is the un-named one. */
  dense: ReadonlyMap<string, { dim: number; distance: string; multi: boolean; datatype: Datatype }>;
  /** Names. */
  sparse: readonly string[];
  /** Whether some vectors are in a graph. */
  graph: boolean;
  /** Keys with a payload index. */
  indexed: readonly string[];
  /** @default nothing is forbidden */
  strict?: QdrantStrict | undefined;
}

/** The things that strict mode forbids, as far as a source can do without. */
export interface QdrantStrict {
  /** Whether searches may scan, and counts count. */
  exact: boolean;
  /** Rows that one call may ask for. */
  rows: number;
  /** Searches of one batch. */
  searches: number;
}

/** The version that an answer tells, if it does. */
export function versionIn(answer: unknown): string | undefined {
  const { version } = (answer ?? {}) as { version?: unknown };
  return typeof version === 'string' && /^\d+\.\d/.test(version) ? version : undefined;
}

/** Strict mode as a collection has it; undefined where it is off, which is usual. */
export function strictOf(config: {
  enabled?: unknown;
  exact: unknown;
  rows: unknown;
  searches: unknown;
}): QdrantStrict | undefined {
  if (config.enabled !== true) return undefined;
  const most = (limit: unknown) =>
    limit === undefined || limit === null ? Number.POSITIVE_INFINITY : Math.max(1, Number(limit));
  return { exact: config.exact !== false, rows: most(config.rows), searches: most(config.searches) };
}

export interface QdrantAnswer {
  points: AnyPoint[];
  packed?: Float32Array[];
  /** Points that were left out, since they lack a vector. */
  lacking?: AnyPoint[];
  at: number;
  /** See HeadAnswer; where it is another one than the driver's. */
  exactBelow?: number;
}

/** The parts of points that a request asks for. */
export interface QdrantRead {
  collection: string;
  withPayload: PayloadSelection;
  /** The vectors that come along. */
  lifts: readonly { name: string; dim: number }[];
  /** @default all shards, and as the server does */
  scope?: QdrantScope;
  /** Whether points that lack one of these are left out; a driver may leave that to its caller. */
  skip: boolean;
}

/** A search among all points, or among those of the stage inside it. */
export interface QdrantStage {
  vector: Float32Array;
  using: string;
  limit: number;
  filter: unknown;
  params: unknown;
  prefetch?: QdrantStage;
}

/** `recommend` is in place of `vector`, and of its length. */
export interface QdrantQuery extends QdrantRead, QdrantStage, Compared {
  exact: boolean;
  /** @default 0 */
  offset?: number;
}

/** The words of a node that cannot have a shard read: it has no living replica, or the peers that have one do not answer. */
const NOBODY =
  /no (active|healthy|alive|live|available) (replica|peer)|not (have )?enough (active|healthy|alive) replicas|\d+ of \d+ read operations failed|error trying to connect|transport error/i;

/** @param after milliseconds that the server named */
export function rateLimited(where: string, reason: string, after: number | undefined, cause: unknown): FunnelError {
  const when = after === undefined ? '' : `; it says to try again after ${after} ms`;
  const said = `${where} takes no more requests for now (${reason})${when}`;
  return new FunnelError('RATE_LIMITED', said, { cause, retryAfter: after });
}

/**
 * The client's own timeout, which is the last word where a call has none.
 *
 * @param ms that the call took
 */
export function tooLate(where: string, ms: number | undefined, cause: unknown): FunnelError {
  const within = ms === undefined ? ' within' : ` within ${Math.round(ms)} ms,`;
  return new FunnelError(
    'TIMEOUT',
    `${where} gave no answer${within} the client's own timeout: set timeout, of the source or of the request, or the client's`,
    { cause },
  );
}

/**
 * The error for a request that the server refused, as far as its own words tell. The words are the same over REST and
 * gRPC.
 */
export function qdrantRefusal(where: string, reason: string, cause: unknown): FunnelError {
  if (NOBODY.test(reason)) {
    return new FunnelError('UNAVAILABLE', `${where} has nobody to answer now (${reason})`, { cause });
  }
  if (/collection\b.*(doesn't exist|does not exist|not found)/i.test(reason)) {
    return new FunnelError('NO_COLLECTION', `${where} does not exist (${reason})`, { cause });
  }
  if (/vector name/i.test(reason))
    return new FunnelError('NO_FIELD', `${where} lacks that vector (${reason})`, { cause });
  if (/vector dimension error/i.test(reason))
    return new FunnelError('BAD_DIMS', `${where} has other dims (${reason})`, { cause });
  return new FunnelError('REFUSED', `${where} refused the request (${reason})`, { cause });
}

/** HTTP and gRPC (INTERNAL) for a server that failed over a request which it took: its disk, or it is shutting down. */
const FAILED: readonly unknown[] = [500, 13];

/** Whether a refusal is a failure of the node that was asked. */
export function isOfNode({ code, cause }: FunnelError): boolean {
  const { status, code: grpc } = (cause ?? {}) as { status?: unknown; code?: unknown };
  return code === 'REFUSED' && FAILED.includes(status ?? grpc);
}
