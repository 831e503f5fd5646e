/** Options of a source over Qdrant. */
import type { Metric } from '../../core/types.js';
import type { GivenNames, HeadOf, TailLayout } from '../../query/source/layout.js';

/** Where the vectors are. */
export interface QdrantLayout {
  /** The named vector that the server searches: the first dims of the full ones. '' is the un-named vector. */
  head: string;
  /** The named vector with all dims, or the layout that splits them. */
  full: string | TailLayout;
  /**
   * Named vectors with the first dims of the full ones, longer than the head: stages of a plan that the server runs prune by
   * those of their dims.
   *
   * @default none
   */
  prefixes?: readonly string[];
  /** The metric of the full vectors. @default the full vector's (tail layout: 'cosine') */
  metric?: Metric;
  /**
   * The head of a query, where the named vector holds something else than the first dims of the full vectors:
   * `fitted.applyQuery`, where it holds `fitted.apply(vectors)` (see fitHead() of funnelvec/train).
   *
   * @default the query's first dims
   */
  headOf?: HeadOf;
}

/**
 * For a collection with one vector, un-named or named, which is head and full one at once: the server searches all its
 * dims.
 */
export interface QdrantOneVector extends Pick<QdrantLayout, 'metric' | 'headOf'> {
  /** The collection's one vector. */
  head?: undefined;
  /** The collection's one vector. */
  full?: undefined;
}

/**
 * For a collection that has heads alone, beside a mirror with the full vectors (the `mirror` of FunnelSearch): searched by its
 * heads and ranked on the mirror, or searched there.
 */
export interface QdrantHeads extends Pick<QdrantLayout, 'head' | 'metric'> {
  /** In the mirror alone. */
  full?: undefined;
  /** Heads are the first dims of the mirror's vectors. */
  headOf?: undefined;
}

/**
 * With `head` and `full`; with `head` alone, where a mirror has the full vectors; with neither, where the collection has one vector; or with `vectors`, several layouts by name, of
 * which each request names one (`using`).
 */
export type QdrantSourceOptions = QdrantCommonOptions &
  (
    | ((QdrantLayout | QdrantOneVector | QdrantHeads) & {
        /** There is one layout. */
        vectors?: undefined;
      })
    | {
        /** Layouts by the names that requests use. */
        vectors: Record<string, QdrantLayout>;
        /** Each layout names its own. */
        head?: undefined;
        /** Each layout names its own. */
        full?: undefined;
      }
  );

/** Options of every source over Qdrant. */
export interface QdrantCommonOptions {
  /** Its name, or an alias. */
  collection: string;
  /** A filter in the client's own form that every search obeys, beside the filter of the request. */
  nativeFilter?: unknown;
  /** Search parameters in the client's own form, e.g. `{ hnsw_ef: 256 }` (gRPC: `hnswEf: 256n`). */
  params?: unknown;
  /** With a function in place of a client: it makes the client of each address when that is first needed. */
  addresses?: readonly string[];
  /**
   * How often a call that found nobody (UNREACHABLE, UNAVAILABLE), or came too often (RATE_LIMITED, where the server says until
   * when), is tried again: after a pause of some 50 ms, twice as long each time, or when the limit ends, as far as that is
   * within the call's timeout (without one: 2 s). 0 to 10; a source that fails often tries less.
   *
   * @default 2
   */
  retries?: number;
  /** Milliseconds for one call, where the request names none. */
  timeout?: number;
  /**
   * The shards of this key, or of these, alone are read, by every call; a request may name some of them (`params.shardKey`).
   *
   * @default all shards
   */
  shardKey?: string | number | readonly (string | number)[];
  /** How many replicas must agree on an answer: so many, or 'majority', 'quorum', 'all'. @default the server's: one */
  consistency?: number | 'majority' | 'quorum' | 'all';
  /** Milliseconds after which the server itself gives a call up, in whole seconds (1,500 are 2 s). @default the server's */
  serverTimeout?: number;
  /**
   * 'fast' reads vectors out of the answer's bytes, wherever this client allows it; 'client' always lets the client decode.
   * The candidates are the same.
   * @default 'fast'
   */
  decode?: 'fast' | 'client';
  /**
   * How to treat points that lack the full vector, as points of Qdrant may lack any: 'error' names the first, 'skip'
   * leaves them out and counts them (`stats.missingVectors` of searches, `missingVectors` of syncFrom()). An example
   * that lacks it is an error either way.
   *
   * @default 'error'
   */
  missingVectors?: 'error' | 'skip';
}

/** The keys of {@link QdrantSourceOptions}. */
export const OPTIONS = [
  'collection',
  'nativeFilter',
  'params',
  'addresses',
  'retries',
  'timeout',
  'shardKey',
  'consistency',
  'serverTimeout',
  'decode',
  'missingVectors',
  'head',
  'full',
  'metric',
  'headOf',
  'prefixes',
  'vectors',
] as const;

/** The options of one layout, with the names of its vectors as far as they are given. */
export type OwnOptions = QdrantCommonOptions & GivenNames & Pick<QdrantLayout, 'metric' | 'headOf' | 'prefixes'>;
