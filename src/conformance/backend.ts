/** The facts of a source and of the database behind it that the suite needs. */
import type { FunnelErrorCode } from '../core/errors.js';
import type { Id, IdKind, Metric } from '../core/types.js';
import type { Exactness, Source } from '../query/source/source.js';
import type { FeatureName } from './feature-names.js';

/** One collection to make. */
export interface CollectionSpec {
  /** Its name. */
  collection: string;
  /** The metric of the full vectors. */
  metric: Metric;
  /** Dims of the head vectors. */
  headDim: number;
  /** Dims of the full vectors. */
  dim: number;
  /** 'tail': heads normalised, their length in "norm", the other dims in "tail"; of backends that support `tails` alone. */
  layout: 'full' | 'tail';
  /** Kind of the rows' ids: integers from 1, UUIDs, or bigints beyond 2^53. Those beside 'number' only where `idKinds` has them. */
  ids: 'number' | 'string' | 'big';
  /** Rows to fill it with. */
  rows: readonly Row[];
}

/** One row to store. */
export interface Row {
  /** The id, of the kind that the spec says. */
  id: Id;
  /** `dim` values. */
  vector: Float32Array;
  /** With quotes, and characters beyond ASCII. */
  title: string;
  /** Its number, from 0. */
  n: number;
  /** Whether `n` is even. */
  even: boolean;
  /** More payload, in the tests of features; all rows of a collection have it, or none. */
  extra?: Extra;
}

/** Payload of every kind that filters and groups look at: strings, integers, an array of strings, an object, a UUID as text. */
export interface Extra {
  /** One of three strings. */
  kind: string;
  /** An integer, 1 to 8. */
  bucket: number;
  /** One string or more. */
  tags: string[];
  /** An object with objects in it. */
  meta: {
    /** An integer, 0 to 5. */
    stars: number;
    /** An object in the object: a place on the earth. */
    place: {
      /** One of two strings. */
      city: string;
      /** In degrees. */
      lon: number;
      /** In degrees. */
      lat: number;
    };
    /** A date, `2014-03-05`. */
    since: string;
    /** An array of objects. */
    cast: {
      /** One of two strings. */
      name: string;
      /** A boolean. */
      lead: boolean;
    }[];
  };
  /** One of six UUIDs. */
  ref: string;
}

/** How a source is to be opened. A backend ignores what its sources have no option for. */
export interface OpenOptions {
  /** Its name. */
  collection: string;
  /** Another name of the head vector than "head"; of backends that support `vectorNames`. */
  head?: string;
  /** Another name of the full vector than "full", or the tail layout. */
  full?:
    | string
    | {
        /** The vector of the other dims. */
        tail: string;
        /** The payload key of the head's former length. */
        headNorm: string;
      };
  /** In place of head and full: several layouts by name. */
  vectors?: Record<
    string,
    {
      /** The head vector's name. */
      head: string;
      /** The full vector's name. */
      full: string;
    }
  >;
  /** A filter that every search obeys: one of the backend's `filters`. */
  nativeFilter?: unknown;
  /** Milliseconds for one call. */
  timeout?: number;
  /** For backends that support `decoders`. */
  decode?: 'fast' | 'client';
}

/** The error of a refusal: its code, and words of its message. */
export interface Refusal {
  /** The error's code. */
  code: FunnelErrorCode;
  /** Words that its message has. */
  message: RegExp;
  /** Why, for the name of the test. */
  why?: string;
}

/** The abilities of a source. Tests that need more are skipped; a source must refuse what it says that it refuses. */
export interface Supports {
  /** The kind in which the source hands out the ids of collections of each kind. Without `string` or `big` there are none. */
  idKinds: {
    /** For ids that are integers from 1: 'string' where a source has text alone, and `idOf` says which. */
    number: IdKind;
    /** For ids that are UUIDs. */
    string?: IdKind;
    /** For ids that are integers beyond 2^53. */
    big?: IdKind;
  };
  /** The promise of mode 'exact'. */
  exact: Exactness;
  /** For a source that refuses ids beyond 2^53 − 1 with the code BAD_ID: words of the message. */
  refusesBigIds?: RegExp;
  /** Cosine vectors come back at length 1. */
  normalises?: boolean;
  /** Collections go by names: one may be missing, dropped, or made anew with other dims. */
  collections?: boolean;
  /** Vectors go by names, too: one may be missing. @default as `collections` */
  vectorNames?: boolean;
  /** A collection has one vector, which is searched over all dims: specs have `headDim` equal to `dim`. */
  oneVector?: boolean;
  /** The layout of head and tail. */
  tails?: boolean;
  /** The option `decode`: vectors are read out of an answer's bytes, or decoded by a client. Needs `clientDecoded`. */
  decoders?: boolean;
  /** A collection may be out of memory. Needs `unload`. */
  loading?: boolean;
  /** Searches and pages of at most 16,384 rows. */
  limit?: boolean;
  /** A server that may be down or silent. Needs `elsewhere`. */
  server?: boolean;
  /** By feature: how it is refused, or, as text, why there is nothing to ask. All others must work. */
  refuses?: Partial<Record<FeatureName, Refusal | string>>;
}

/**
 * A database for the suite: makes collections and opens sources over them. Payloads of rows are what `payloadOf` says, of a
 * row's `title`, `n` and `even` at least, and of all keys of its `extra`.
 */
export interface Backend {
  /** Features of the source, and its refusals. */
  supports: Supports;
  /** The version that the database tells, for the suite's name. */
  version?: string;
  /** Makes and fills a collection, ready to be searched. */
  create(spec: CollectionSpec): Promise<void>;
  /** Removes a collection. */
  drop(collection: string): Promise<void>;
  /** Gives a collection other rows, under sources that are open. @default drop() and create() */
  replace?(spec: CollectionSpec): Promise<void>;
  /** Opens a source over a collection. */
  source(options: OpenOptions): Source;
  /** The same through a new client of 127.0.0.1 and another port. */
  elsewhere?(port: number, options: OpenOptions): Source;
  /** For each search since the last call, whether the client itself decoded the vectors. */
  clientDecoded?(): boolean[];
  /** Searches that the client has made, of one vector or of many. */
  searches?(): number;
  /** The id of a row as answers hold it. */
  idOf(row: Row): Id;
  /** The payload of a row as an answer has it. */
  payloadOf(row: Row): Record<string, unknown>;
  /**
   * Native filters: of rows that are even, whose n is below 10, of none; and one that the database refuses in its own words.
   *
   * @default the source takes no native filters
   */
  filters?: {
    /** Rows that are even. */
    even: unknown;
    /** Rows whose n is below 10. */
    small: unknown;
    /** No row. */
    nothing: unknown;
    /** A filter that the database refuses. */
    bad?: unknown;
  };
  /** Takes a collection out of memory. */
  unload?(collection: string): Promise<void>;
  /** After the last test. */
  stop(): Promise<void>;
}
