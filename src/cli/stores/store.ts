/** The contract of a place that rows are ingested into and searched in. */
import { expected, FunnelError } from '../../core/errors.js';
import type { Id, Metric } from '../../core/types.js';
import type { Plan } from '../../funnel/plan.js';
import type { Filter } from '../../query/filter/types.js';
import type { FunnelSearchOn } from '../../query/search.js';
import type { Source } from '../../query/source/source.js';
import type { FunnelIndex } from '../../store/funnel-index.js';
import type { FunnelParams } from '../../store/types.js';

export interface Schema {
  dim: number;
  metric: Metric;
  /** Dims of the head vectors; null: an embedded index with a head of its own. */
  head: number | null;
  idKind: 'number' | 'string';
  /** Where a database has the vectors. @default the place's usual ones */
  vectors?: NamedVectors | undefined;
}

/** Names of a database's vectors; the same one twice where it has no head of its own. */
export interface NamedVectors {
  head: string;
  full: string;
}

/** The form of a collection that somebody else made. */
export interface CollectionShape {
  dim: number;
  head: number;
  metric: Metric;
  vectors: NamedVectors;
}

export interface RowBatch {
  ids: Id[];
  /** `ids.length × dim`, row-major. */
  vectors: Float32Array;
  payloads: Record<string, unknown>[];
}

/** Open for writing. */
export interface StoreWriter {
  /**
   * Refuses a row that the store cannot take, before anything is done with it. @throws FunnelError BAD_ID, BAD_ARGUMENT
   */
  check(id: Id, payload: Record<string, unknown>): void;
  /**
   * Resolves when the rows are safely there. Rows whose ids are there already are replaced, so that a batch may be written
   * again after an interruption.
   *
   * @throws FunnelError
   */
  write(batch: RowBatch): Promise<{ replaced: number | undefined }>;
  /** Makes what was written quick to search. */
  finish(onProgress: (step: string, share: number) => void): Promise<void>;
  count(): Promise<number>;
  close(): Promise<void>;
}

export interface Request {
  vector: Float32Array;
  limit: number;
  mode: 'funnel' | 'exact';
  filter?: Filter | undefined;
  /** For a database, or an index searched by a prefix. */
  plan?: Plan | undefined;
  /** For an index searched by its own head. */
  params?: FunnelParams | undefined;
  signal?: AbortSignal | undefined;
}

export interface StoreAnswer {
  hits: { id: Id; score: number; payload: Record<string, unknown> }[];
  /** How many rows each stage saw and let through; times where they are known. */
  stages: { name: string; in: number; out: number; ms?: number }[];
  /** The promise of mode 'exact': see `stats.exact`. */
  exact?: string | undefined;
  /** Milliseconds of the whole call; a first one opens what it needs. */
  ms: number;
  /** Milliseconds of the search itself, where they are known. */
  searchMs?: number;
}

/** Open for searching. */
export interface StoreSearcher {
  readonly dim: number;
  readonly metric: Metric;
  /** Dims of the vectors that a database searches first. */
  readonly headDim?: number | undefined;
  /** Where a database has its vectors, as far as the command knows. */
  readonly vectors?: NamedVectors | undefined;
  /** The subject that tune() takes. */
  readonly search: FunnelIndex | FunnelSearchOn;
  /** To read rows from. */
  readonly source: Source;
  query(request: Request): Promise<StoreAnswer>;
  count(): Promise<number>;
  close(): Promise<void>;
}

export interface Place {
  readonly kind: 'embedded' | 'milvus' | 'qdrant';
  /** For people, as in errors. */
  readonly label: string;
  /** Where what the command knows of it is kept. */
  readonly stateFile: string;
  /** For a database: the vectors that the command line names, and those that it usually has. */
  readonly vectors?: NamedVectors | undefined;
  readonly usualVectors?: NamedVectors | undefined;
  /** Rows in it; undefined where there is no such store. @throws FunnelError UNREACHABLE, INDEX_LOCKED, … */
  rows(): Promise<number | undefined>;
  create(schema: Schema): Promise<StoreWriter>;
  open(schema: Schema): Promise<StoreWriter>;
  /** For a database: the form of a collection that is there. @throws FunnelError */
  shape?(): Promise<CollectionShape>;
  /** The store and all that is in it. */
  remove(): Promise<void>;
  searcher(options?: { head?: number | undefined; vectors?: NamedVectors | undefined }): Promise<StoreSearcher>;
  /** Lets go of connections. */
  close(): Promise<void>;
}

/** Rows that a database takes by one call: about 8 MB of JSON, in which a float32 has up to 20 digits. */
export function rowsOfACall(dims: number): number {
  return Math.max(1, Math.floor((8 << 20) / (20 * dims)));
}

/** Payload keys that would hide what the store itself has under the name. @throws FunnelError BAD_ARGUMENT */
export function checkNames(payload: Record<string, unknown>, taken: readonly string[], label: string): void {
  const name = taken.find((one) => Object.hasOwn(payload, one));
  if (name === undefined) return;
  const what = `other columns than ${taken.join(', ')}, which are fields of ${label},`;
  throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received ${name}: choose columns with --payload`);
}

/**
 * Refuses values that a client that writes JSON would change in silence, or fail at in the middle of a batch.
 *
 * @throws FunnelError BAD_ARGUMENT, naming the key
 */
export function checkPlain(payload: Record<string, unknown>, label: string): void {
  for (const [key, value] of Object.entries(payload)) {
    const wrong = unlikeJson(value);
    if (wrong === undefined) continue;
    const large = typeof wrong === 'bigint' ? ' (--strings keeps the digits as text)' : '';
    const what = `what ${label} keeps as it is${large || ' (leave it out with --payload)'},`;
    throw expected('BAD_ARGUMENT', what, JSON.stringify(key), wrong);
  }
}

/** The first value within that JSON has no form for. */
function unlikeJson(value: unknown): unknown {
  switch (typeof value) {
    case 'bigint':
      return value;
    case 'number':
      return Number.isFinite(value) ? undefined : value;
    case 'string':
      return /\p{Surrogate}/u.test(value) ? value : undefined;
    case 'object':
      if (ArrayBuffer.isView(value)) return value;
      for (const one of Object.values(value ?? {})) {
        const wrong = unlikeJson(one);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    default:
      return undefined;
  }
}

/** @throws FunnelError BAD_ID */
export function checkIdBytes(id: Id, most: number): void {
  if (typeof id !== 'string' || Buffer.byteLength(id) <= most) return;
  throw expected('BAD_ID', `at most ${most} bytes`, 'an id', id);
}
