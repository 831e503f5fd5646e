/** Options of a source over Milvus. */
import type { Metric } from '../../core/types.js';
import type { HeadOf, TailLayout } from '../../query/source/layout.js';
import type { MilvusVectorsFrom } from './by-id.js';
import type { MilvusConsistency } from './consistency.js';

/** Where the vectors are. */
export interface MilvusLayout {
  /** The vector field that the server searches: the first dims of the full vectors. */
  head: string;
  /** The vector field with all dims, or the layout that splits them. */
  full: string | TailLayout;
  /** The metric of the full vectors. @default that of the full field's index, or else of the head's (tail layout: 'cosine') */
  metric?: Metric;
  /**
   * The head of a query, where the field holds something else than the first dims of the full vectors:
   * `fitted.applyQuery`, where it holds `fitted.apply(vectors)` (see fitHead() of funnelvec/train).
   *
   * @default the query's first dims
   */
  headOf?: HeadOf;
}

/**
 * For a collection with one vector field, which is head and full one at once: the server searches all its dims.
 * Collections that LangChain, LlamaIndex and pymilvus' quick set-up make are such.
 */
export interface MilvusOneVector extends Pick<MilvusLayout, 'metric' | 'headOf'> {
  /** The collection's one vector. */
  head?: undefined;
  /** The collection's one vector. */
  full?: undefined;
}

/**
 * For a collection that has heads alone, beside a mirror with the full vectors (the `mirror` of FunnelSearch): searched by its
 * heads and ranked on the mirror, or searched there.
 */
export interface MilvusHeads extends Pick<MilvusLayout, 'head' | 'metric'> {
  /** In the mirror alone. */
  full?: undefined;
  /** Heads are the first dims of the mirror's vectors. */
  headOf?: undefined;
}

/**
 * With `head` and `full`; with `head` alone, where a mirror has the full vectors; with neither, where the collection has one vector field; or with `vectors`, several layouts by name,
 * of which each request names one (`using`).
 */
export type MilvusSourceOptions = MilvusCommonOptions &
  (
    | ((MilvusLayout | MilvusOneVector | MilvusHeads) & {
        /** There is one layout. */
        vectors?: undefined;
      })
    | {
        /** Layouts by the names that requests use. */
        vectors: Record<string, MilvusLayout>;
        /** Each layout names its own. */
        head?: undefined;
        /** Each layout names its own. */
        full?: undefined;
      }
  );

/** Options of every source over Milvus. */
export interface MilvusCommonOptions {
  /** Its name, or an alias. */
  collection: string;
  /** The primary key's field. @default the collection's primary key */
  idField?: string;
  /** An expression that every search obeys, beside that of the request. */
  nativeFilter?: string;
  /** Search parameters of the index, e.g. `{ ef: 256 }`. */
  params?: Record<string, unknown>;
  /**
   * How new the rows are that calls see, by its name, or a value of the SDK's ConsistencyLevelEnum: only 'Strong' is sure to read
   * what was written just now. 'Session' is no promise to read one's own writes here, since the SDK keeps no session. A request
   * may name another (`params.consistency`).
   *
   * @default the collection's own, which is 'Bounded' where nobody said
   */
  consistency?: MilvusConsistency | number;
  /** These partitions alone are read, by every call; a request may name some of them (`params.partitions`). @default all */
  partitions?: readonly string[];
  /** With a function in place of a client: it makes the client of each address when that is first needed. */
  addresses?: readonly string[];
  /**
   * How often a call that found nobody (UNREACHABLE, UNAVAILABLE) is tried again at all addresses, beside what the SDK does itself
   * (its `maxRetries`, 3 at each address). 0 to 10.
   *
   * @default 0
   */
  retries?: number;
  /** Milliseconds for one call, where the request names none. @default the client's, for a search */
  timeout?: number;
  /**
   * True is a promise of yours: keys of JSON fields and dynamic keys hold no arrays or objects where filters look. Without it
   * only `match` can be said of them, since Milvus compares an array as one value. 'ask' lets the collection say so: before a
   * filter first looks at a key, rows that have it are counted, twice, which is believed for a minute; where some hold arrays or
   * objects the filter is UNSUPPORTED, as with false.
   *
   * @default false
   */
  scalars?: boolean | 'ask';
  /**
   * How to treat rows whose full vector is null, in a nullable field: 'error' names the first, 'skip' leaves them out and counts
   * them (`stats.missingVectors` of searches, `missingVectors` of syncFrom()).
   *
   * @default 'error'
   */
  missingVectors?: 'error' | 'skip';
  /**
   * 'fast' reads vectors out of the answer's bytes, wherever this SDK allows it; 'client' always lets the SDK decode them. The
   * candidates are the same.
   * @default 'fast'
   */
  decode?: 'fast' | 'client';
  /**
   * How vectors of candidates come to this process: 'hits', with the hits of the head search; 'ids', by the ids of these, in a call
   * of its own. 'auto' takes ids with a server that says it is 2.3, where that took less time, and hits else; `stats.vectorsFrom`
   * tells. The candidates are the same.
   *
   * @default 'auto'
   */
  vectorsFrom?: MilvusVectorsFrom;
}

/** The keys of {@link MilvusSourceOptions}. */
export const MILVUS_OPTIONS = [
  'collection',
  'idField',
  'nativeFilter',
  'params',
  'consistency',
  'partitions',
  'addresses',
  'retries',
  'timeout',
  'scalars',
  'missingVectors',
  'decode',
  'vectorsFrom',
  'head',
  'full',
  'metric',
  'headOf',
  'vectors',
] as const;
