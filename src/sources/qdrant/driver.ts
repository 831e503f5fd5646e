/** The contract between the source and a Qdrant client, and the parts that both clients share. */
import { FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { FilterNode } from '../../query/filter/ast.js';
import type { HeadRequest, PayloadSelection, SearchParams } from '../../query/source/source.js';
import type { AnyPoint } from './from-qdrant.js';

/** The parts that differ between the two clients. */
export interface QdrantDriver {
  /** How numeric ids arrive. */
  idKind: 'number' | 'bigint';
  /** See HeadAnswer. */
  exactBelow?: number;
  vectors(collection: string, signal: AbortSignal): Promise<QdrantVectors>;
  /** Any point, for the kind of its id. */
  somePoint(collection: string, signal: AbortSignal): Promise<AnyPoint | undefined>;
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
  count(collection: string, filter: unknown, signal: AbortSignal): Promise<number>;
  /** Points by id, in any order. */
  retrieve(request: QdrantRead & { ids: readonly Id[] }, signal: AbortSignal, fast: boolean): Promise<QdrantAnswer>;
  /** Points in the order of their ids, from `from` on; `next`: the first one of the next page. */
  scroll(
    request: QdrantRead & { from: Id | undefined; limit: number; filter: unknown },
    signal: AbortSignal,
    fast: boolean,
  ): Promise<QdrantAnswer & { next: Id | undefined }>;
  classify(error: unknown, where: string): FunnelError;
}

export interface QdrantVectors {
  /** By name, multivectors among them; '' is the un-named one. */
  dense: ReadonlyMap<string, { dim: number; distance: string; multi: boolean }>;
  /** Names. */
  sparse: readonly string[];
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

export interface QdrantQuery extends QdrantRead, QdrantStage {
  /** In place of `vector`; of its length. */
  recommend: HeadRequest['recommend'];
  exact: boolean;
  /** @default 0 */
  offset?: number;
}

/**
 * The error for a request that the server refused, as far as its own words tell. The words are the same over REST and
 * gRPC.
 */
export function qdrantRefusal(where: string, reason: string, cause: unknown): FunnelError {
  if (/collection\b.*(doesn't exist|does not exist|not found)/i.test(reason)) {
    return new FunnelError('NO_COLLECTION', `${where} does not exist (${reason})`, { cause });
  }
  if (/vector name/i.test(reason))
    return new FunnelError('NO_FIELD', `${where} lacks that vector (${reason})`, { cause });
  if (/vector dimension error/i.test(reason))
    return new FunnelError('BAD_DIMS', `${where} has other dims (${reason})`, { cause });
  return new FunnelError('REFUSED', `${where} refused the request (${reason})`, { cause });
}
