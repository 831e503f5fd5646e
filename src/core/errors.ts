import { valueHint } from './hints.js';

/** The kind of an error, as a stable name that programs may test for. */
export type FunnelErrorCode =
  /** A plan, option or argument has the wrong type, range or combination. */
  | 'BAD_ARGUMENT'
  /** A plan's scales, keep rules, candidates or limit make no sense, alone or for these dims. */
  | 'BAD_PLAN'
  /** A vector, a matrix or a row has the wrong number of dims. */
  | 'BAD_DIMS'
  /** The request makes sense but cannot be done here: a condition that this source cannot express, say. */
  | 'UNSUPPORTED'
  /** A page lies beyond the pool of rows that pages are cut from; the message says how to ask deeper. */
  | 'TOO_DEEP'
  /** A vector holds NaN, Infinity or something that is not a number. */
  | 'NOT_FINITE'
  /** A query of zeros has no direction, so it has no cosine and no useful dot product. */
  | 'ZERO_QUERY'
  /** The memory behind a typed array was transferred away. */
  | 'DETACHED_BUFFER'
  /** An id is missing, of mixed kind, or beyond what a JavaScript number holds exactly. */
  | 'BAD_ID'
  /** The kernels asked for do not exist or cannot run here; `cause` says why. */
  | 'KERNELS_UNAVAILABLE'
  /** An optional package is not installed. */
  | 'MISSING_PACKAGE'
  /** The database's answer does not fit the request (a field or vector is absent, say). */
  | 'BAD_RESPONSE'
  /** No point has that id. */
  | 'NOT_FOUND'
  /** The collection does not exist. */
  | 'NO_COLLECTION'
  /** The field or named vector does not exist in the collection. */
  | 'NO_FIELD'
  /** The collection exists but is not loaded for search. */
  | 'NOT_LOADED'
  /** The database refused the request; `cause` holds its answer. */
  | 'REFUSED'
  /** The database cannot be reached, or the connection was cut before its answer was here. */
  | 'UNREACHABLE'
  /** The database was reached but cannot answer now: a shard has no living replica, say, or a channel nobody who serves it. */
  | 'UNAVAILABLE'
  /** The database takes no more requests for now; `retryAfter` has the milliseconds that it named, where it did. */
  | 'RATE_LIMITED'
  /** No answer within the timeout. */
  | 'TIMEOUT'
  /** The caller's AbortSignal fired. */
  | 'ABORTED'
  /** There is no index at the path. */
  | 'NO_INDEX'
  /** An index, or something else, is at the path already. */
  | 'INDEX_EXISTS'
  /** Another writer holds the index; the message says which. */
  | 'INDEX_LOCKED'
  /** A file is not what was written; the message names file and section. */
  | 'CORRUPT'
  /** The files are of a format that this version does not know. */
  | 'UNSUPPORTED_FORMAT'
  /** The disk failed or is full; `cause` has the system's error. Nothing of the call was kept. */
  | 'DISK'
  /** The index was opened for reading, its files may not be written, or a write is under way that must end first. */
  | 'NOT_WRITABLE'
  /** The files of an embedding model are not there; the message says which to put where. */
  | 'NO_MODEL'
  /** The runtime of an embedding model failed; `cause` has its error. */
  | 'MODEL_FAILED'
  /** The mirror is older than the search's `maxAge`, or nobody knows how old it is. */
  | 'STALE'
  /** The index, or the embedder, was closed. */
  | 'CLOSED';

/**
 * The one error class of funnelvec. User errors are thrown before any work starts, in the grammar
 * "Expected X for Y but received Z".
 *
 * @example
 * try { funnel(rows, query) } catch (e) { if (e.code === 'BAD_DIMS') … }
 */
export class FunnelError extends Error {
  /** 'FunnelError'. */
  override readonly name = 'FunnelError';
  /** The kind of failure, for programs: stays as it is when messages change. */
  readonly code: FunnelErrorCode;

  /** With RATE_LIMITED: milliseconds after which the database takes requests again, where it says so. */
  declare readonly retryAfter?: number;

  /** Makes one; `cause` is the error behind it. Errors of a source of your own are made so, or by {@link expected}. */
  constructor(code: FunnelErrorCode, message: string, options?: { cause?: unknown; retryAfter?: number | undefined }) {
    super(message, options);
    this.code = code;
    if (options?.retryAfter !== undefined) this.retryAfter = options.retryAfter;
  }
}

/** "Expected X for Y but received Z", as an error to throw. */
export function expected(code: FunnelErrorCode, what: string, where: string, got: unknown): FunnelError {
  return new FunnelError(
    code,
    `Expected ${what} for ${where} but received ${describe(got)}${float16Hint(what, got)}${encodedHint(what, got)}${valueHint(what, where, got)}`,
  );
}

/** How to pass a Float16Array, which newer runtimes have: where float16 bits are taken, without a copy. */
function float16Hint(what: string, got: unknown): string {
  try {
    const { [Symbol.toStringTag]: kind } = got as { [Symbol.toStringTag]?: unknown };
    if (!ArrayBuffer.isView(got) || kind !== 'Float16Array') return '';
  } catch {
    return ''; // null, or a getter that throws
  }
  const bits = 'its bits, new Uint16Array(array.buffer, array.byteOffset, array.length)';
  return `: pass ${what.includes('Uint16Array') ? bits : 'Float32Array.from(array)'}`;
}

/** How to pass bytes and codes, whose type a view or a text does not tell, where numbers are taken. */
function encodedHint(what: string, got: unknown): string {
  if (!/array of numbers|Float32Array|floats/.test(what)) return '';
  try {
    const kind = ArrayBuffer.isView(got) ? String((got as Partial<Uint8Array>)[Symbol.toStringTag]) : '';
    const encoded = /^(?:Int8|Uint8|Uint8Clamped|Uint16)Array$|^DataView$/.test(kind) || got instanceof ArrayBuffer;
    const text = typeof got === 'string' && got.length >= 8 && /^[A-Za-z0-9+/]+={0,2}$/.test(got);
    return encoded || text ? ': decodeVectors() of funnelvec/vectors makes numbers of it, told their type' : '';
  } catch {
    return ''; // a getter that throws
  }
}

/** A short rendering of any value: its content when small, its type always. Asks nothing of it that may throw. */
export function describe(value: unknown): string {
  try {
    return rendered(value);
  } catch {
    return `a strange ${typeof value}`; // a proxy or a getter that throws
  }
}

/** As it prints itself, where it does. */
export function printed(value: unknown): string {
  try {
    return String(value);
  } catch {
    return describe(value);
  }
}

function rendered(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)} of type string`;
    case 'number':
      return `${Object.is(value, -0) ? '-0' : value} of type number`;
    case 'bigint':
      return `${value}n of type bigint`;
    case 'boolean':
      return `${value} of type boolean`;
    case 'undefined':
      return 'undefined';
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return `an array of length ${value.length}`;
      if (ArrayBuffer.isView(value)) {
        const length = (value as Partial<Float32Array>).length ?? value.byteLength;
        return `a ${value.constructor?.name ?? 'view'} of length ${length}`;
      }
      return `an object of type ${value.constructor?.name ?? 'null prototype'}`;
    }
    default:
      return `a ${typeof value}`;
  }
}
