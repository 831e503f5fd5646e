/** Qdrant over @qdrant/js-client-rest. */

import { messageOf, reachReason, socketCode } from '../../core/call.js';
import { expected, FunnelError } from '../../core/errors.js';
import { parseExact } from '../../core/exact-json.js';
import { isErrorOf } from '../../core/realm.js';
import type { Id } from '../../core/types.js';
import { textOfUtf8 } from '../../core/utf8.js';
import { answeredBy, batchIn, countIn, listIn, resultIn } from './answers.js';
import { DATATYPES } from './datatypes.js';
import {
  type QdrantAnswer,
  type QdrantDriver,
  type QdrantQuery,
  type QdrantRead,
  type QdrantStage,
  type QdrantVectors,
  qdrantRefusal,
  rateLimited,
  strictOf,
  tooLate,
  versionIn,
} from './driver.js';
import { rateLimitOf, tappedFetch } from './fetch-tap.js';
import { toQdrantFilter } from './filter.js';
import type { AnyPoint } from './from-qdrant.js';
import { type Lift, liftVectors } from './json-lift.js';
import { checkNativeParams, restCall, restShards } from './scope.js';

/** The part of the REST client that we use, so that the types of this package need no client installed. */
export interface QdrantRestClient {
  /** Vectors and payload schema of a collection. */
  getCollection(collection: string): Promise<unknown>;
  /** Points page by page. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  scroll(collection: string, args: any): Promise<unknown>;
  /** Points by id. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  retrieve?(collection: string, args: any): Promise<unknown>;
  /** The head search. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  query(collection: string, args: any): Promise<unknown>;
  /** Many head searches in one round trip. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  queryBatch?(collection: string, args: any): Promise<unknown>;
  /** How many points pass a filter. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  count?(collection: string, args: any): Promise<unknown>;
  /** The server's version. */
  versionInfo?(): Promise<unknown>;
  /** The client's typed calls, which take a fetch `init`; without them answers are decoded by the client. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  api?: any;
}

/**
 * Node's fetch asks for gzip, and a compressed answer of more than about a kilobyte comes in chunks that meet a 40 ms
 * delayed acknowledgement. So every call asks for the plain bytes, through the client's typed API: its functions take a
 * fetch `init`, and unlike the package's `withHeaders` that works whichever copy (ESM or CommonJS) made the client.
 */
const INIT = { headers: { 'accept-encoding': 'identity' } };

/** parseExact() decodes all integers as they are; a larger one is a float64 to Qdrant. */
const EXACT = 2 ** 64;

type ApiCall = (payload: object, init?: object) => Promise<{ data?: { result?: unknown } }>;

export function restDriver(client: QdrantRestClient): QdrantDriver {
  /** Undefined where a later client has no such function any more; its `query()` then still works. */
  const typedApi = (name: string): ApiCall | undefined => {
    const call = typeof client.api === 'function' ? client.api()?.[name] : undefined;
    return typeof call === 'function' ? call : undefined;
  };

  /** One call, of the typed API where there is one. `bytes`: its answer, unread, where `path` ends the request's. */
  const ask = async (
    name: string,
    { collection }: QdrantRead,
    body: object,
    plain: () => Promise<unknown>,
    signal: AbortSignal,
    path: string | false,
  ): Promise<{ bytes?: Uint8Array; result?: unknown; at: number }> => {
    const typed = typedApi(name);
    if (!typed) return { result: (await tappedFetch(plain, signal)).value, at: performance.now() };
    const call = () => typed({ collection_name: collection, ...body }, INIT);
    const { bytes, value } = await tappedFetch(call, signal, path || undefined);
    const at = performance.now();
    return bytes ? { bytes, at } : { result: resultIn(value.data, collection), at };
  };

  return {
    idKind: 'number',

    async vectors(collection, signal) {
      const get = typedApi('getCollection');
      const call = async () =>
        get
          ? resultIn((await get({ collection_name: collection }, INIT)).data, collection)
          : client.getCollection(collection);
      return restVectors((await tappedFetch(call, signal)).value, collection);
    },

    async somePoint(collection, signal, scope) {
      const args = { limit: 1, with_payload: false, with_vector: false, ...restShards(scope), ...restCall(scope) };
      const { value } = await tappedFetch(() => client.scroll(collection, args), signal);
      return pointsIn(value, 'page', collection)[0];
    },

    async version(signal) {
      if (typeof client.versionInfo !== 'function') return undefined;
      return versionIn((await tappedFetch(() => client.versionInfo!(), signal)).value);
    },

    check: async (_, params) => checkNativeParams(params),
    both: (a, b) => ({ must: [a, b] }),
    compile: toQdrantFilter,
    params: (own, native) => (Object.keys(own).length === 0 ? native : { ...(native as object), ...own }),

    async query(request, signal, fast) {
      const body = { ...queryBody(request), ...restCall(request.scope) };
      const plain = () => client.query(request.collection, body);
      const { bytes, result, at } = await ask('queryPoints', request, body, plain, signal, fast && '/points/query');
      if (!bytes) return { points: pointsIn(result, 'page', request.collection), at };
      return { at, exactBelow: EXACT, ...decode(bytes, request, request.limit, 'page') };
    },

    async queryBatch(requests, signal, fast) {
      const [first] = requests;
      if (!first || typeof client.queryBatch !== 'function') return undefined;
      const body = { searches: requests.map(queryBody), ...restCall(first.scope) };
      const plain = async () => client.queryBatch!(first.collection, body);
      const path = fast && '/points/query/batch';
      const { bytes, result, at } = await ask('queryBatchPoints', first, body, plain, signal, path);
      const most = requests.reduce((sum, { limit }) => sum + limit, 0);
      const answer: Partial<Decoded> = bytes ? decode(bytes, first, most, 'batch') : { result };
      const parts = batchIn(answer.result as unknown[], requests.length, first.collection);
      let from = 0;
      const without = new Set(answer.lacking);
      return parts.map((part) => {
        const all = pointsIn(part, 'page', first.collection);
        const lacking = without.size === 0 ? [] : all.filter((point) => without.has(point));
        const points = lacking.length === 0 ? all : all.filter((point) => !without.has(point));
        const to = from + points.length;
        const packed = answer.packed?.map((some, l) =>
          some.slice(from * first.lifts[l]!.dim, to * first.lifts[l]!.dim),
        );
        from = to;
        const lack = answer.lacking && { lacking };
        return { points, ...(packed && { packed }), ...lack, at, ...(bytes && { exactBelow: EXACT }) };
      });
    },

    async lacking(collection, vector, signal) {
      const filter = { must_not: [{ has_vector: vector }] };
      // An estimate, of segments' own counts: 0 is certain, and costs no look at points.
      const call = async () => client.count?.(collection, { filter, exact: false });
      if (countIn((await tappedFetch(call, signal)).value, collection) === 0) return undefined;
      const args = { filter, limit: 1, with_payload: false, with_vector: false };
      const { value } = await tappedFetch(() => client.scroll(collection, args), signal);
      return pointsIn(value, 'page', collection)[0];
    },

    async count(collection, filter, signal, scope) {
      const body = { filter, exact: true, ...restShards(scope), ...restCall(scope) };
      const plain = async () => {
        // Its count() takes no consistency.
        if (scope?.consistency === undefined) return client.count?.(collection, body);
        throw expected(
          'BAD_ARGUMENT',
          'a client that has its typed API (client.api)',
          'count() with consistency',
          scope.consistency,
        );
      };
      const read = { collection, withPayload: false, lifts: [], skip: false };
      const { result } = await ask('countPoints', read, body, plain, signal, false);
      return countIn(result, collection);
    },

    async retrieve(request, signal, fast) {
      const { ids, scope } = request;
      const parts = { with_payload: payloadOf(request), with_vector: vectorOf(request) };
      const body = { ids, ...parts, ...restShards(scope), ...restCall(scope) };
      const plain = async () => client.retrieve?.(request.collection, body);
      const { bytes, result, at } = await ask('getPoints', request, body, plain, signal, fast && '/points');
      if (!bytes) return { points: pointsIn(result, 'list', request.collection), at };
      return { at, ...decode(bytes, request, request.ids.length, 'list') };
    },

    async scroll(request, signal, fast) {
      const { limit, filter, from, scope } = request;
      const parts = { with_payload: payloadOf(request), with_vector: vectorOf(request) };
      const body = { limit, filter, offset: from, ...parts, ...restShards(scope), ...restCall(scope) };
      const plain = () => client.scroll(request.collection, body);
      const { bytes, result, at } = await ask('scrollPoints', request, body, plain, signal, fast && '/points/scroll');
      const answer = bytes
        ? decode(bytes, request, limit, 'page')
        : { points: pointsIn(result, 'page', request.collection), result };
      const page = answer.result as { next_page_offset?: Id | null } | undefined;
      return { ...answer, at, next: page?.next_page_offset ?? undefined };
    },

    classify: restError,
  };
}

/** A key without a value is none in JSON. */
function queryBody(request: QdrantQuery): object {
  const { recommend, vector, using, limit, filter, prefetch, params, exact, offset, scope } = request;
  const body = {
    prefetch: prefetch && stageBody(prefetch),
    query: recommend ? { recommend: recommendBody(recommend) } : Array.from(vector),
    using: using === '' ? undefined : using,
    limit,
    offset: offset || undefined,
    filter,
    params: exact ? { ...(params as object), exact: true } : params,
    with_payload: payloadOf(request),
    with_vector: vectorOf(request),
  };
  return scope?.shardKey === undefined ? body : { ...body, ...restShards(scope) };
}

function stageBody({ vector, using, limit, filter, params, prefetch }: QdrantStage): object {
  return {
    prefetch: prefetch && stageBody(prefetch),
    query: Array.from(vector),
    using: using === '' ? undefined : using,
    limit,
    filter,
    params,
  };
}

function recommendBody({ strategy, examples }: NonNullable<QdrantQuery['recommend']>): object {
  const lists = (vectors: readonly Float32Array[]) => vectors.map((vector) => Array.from(vector));
  return { positive: lists(examples.positive), negative: lists(examples.negative), strategy };
}

function payloadOf({ withPayload }: QdrantRead): QdrantRead['withPayload'] {
  return withPayload;
}

function vectorOf({ lifts }: QdrantRead): boolean | string[] {
  return lifts.length > 0 && (lifts.some((lift) => lift.name === '') || lifts.map((lift) => lift.name));
}

interface Decoded extends Omit<QdrantAnswer, 'at'> {
  result: unknown;
}

/** Where an answer has its points: under `points`, as searches and pages; as a list; or as a list of the first. */
type Form = 'page' | 'list' | 'batch';

/** The answer's bytes as points, their vectors already packed where the lift could read them. */
function decode(bytes: Uint8Array, { lifts, skip, collection }: QdrantRead, limit: number, form: Form): Decoded {
  if (lifts.length > 0) {
    // A number takes two bytes of text at least, so a limit far beyond the collection claims no memory.
    const dims = lifts.reduce((sum, lift) => sum + lift.dim, 0);
    const most = Math.min(limit, Math.ceil(bytes.length / (2 * dims)));
    const filled: Lift[] = lifts.map(({ name, dim }) => ({ name, dim, into: new Float32Array(most * dim), count: 0 }));
    const places: number[] = [];
    const lifted = liftVectors(bytes, filled, form === 'batch', skip ? places : undefined);
    const result = (lifted as { result?: unknown } | undefined)?.result;
    const all = listed(result, form);
    const rows = Array.isArray(all) ? all.length - places.length : -1;
    if (filled.every((lift) => lift.count === rows)) {
      const packed = filled.map((lift) => lift.into.subarray(0, rows * lift.dim));
      if (!skip) return { points: all!, packed, result };
      const lacking = places.map((place) => all![place]!);
      const without = new Set(lacking);
      return { points: all!.filter((point) => !without.has(point)), packed, lacking, result };
    }
  }
  const result = resultIn(parseExact(textOfUtf8(bytes)), collection);
  const points = form === 'batch' ? [] : pointsIn(result, form, collection);
  return lifts.length === 0 ? { points, packed: [], result } : { points, result };
}

function listed(result: unknown, form: Form): AnyPoint[] | undefined {
  if (form === 'page') return (result as { points?: AnyPoint[] } | null | undefined)?.points;
  if (form === 'list' || !Array.isArray(result)) return form === 'list' ? (result as AnyPoint[]) : undefined;
  return result.flatMap((part) => listed(part, 'page') as AnyPoint[]);
}

/** A list in place of a page is refused too: an empty one would say that a collection has no points. @throws FunnelError BAD_RESPONSE */
function pointsIn(result: unknown, form: 'page' | 'list', collection: string): AnyPoint[] {
  return listIn(listed(result, form), result, collection);
}

/** `params.vectors` is one un-named vector's, or an object of them. */
function restVectors(answer: unknown, collection: string): QdrantVectors {
  type Params = { size?: unknown; distance?: unknown; multivector_config?: unknown; datatype?: unknown };
  type Config = { vectors?: unknown; sparse_vectors?: object | null };
  const whole = (answer as { config?: { params?: Config; strict_mode_config?: object | null } } | undefined)?.config;
  const params = whole?.params;
  if (typeof params !== 'object' || params === null) {
    throw expected('BAD_RESPONSE', 'config.params', answeredBy(collection), answer);
  }
  const config = params.vectors;
  const sparse = Object.keys(params.sparse_vectors ?? {});
  const { enabled, search_allow_exact, max_query_limit, search_max_batchsize } = (whole?.strict_mode_config ??
    {}) as Record<string, unknown>;
  const strict = strictOf({
    enabled,
    exact: search_allow_exact,
    rows: max_query_limit,
    searches: search_max_batchsize,
  });
  const { indexed_vectors_count, payload_schema } = (answer ?? {}) as Record<string, unknown>;
  const graph = Number(indexed_vectors_count ?? 0) > 0;
  const more = { sparse, graph, indexed: Object.keys(payload_schema ?? {}), strict };
  if (typeof config !== 'object' || config === null) return { dense: new Map(), ...more };
  const entries =
    typeof (config as Params).size === 'number'
      ? [['', config as Params] as const]
      : Object.entries<Params>(config as never);
  if (!entries.every(([, one]) => Number(one?.size) > 0)) {
    throw expected('BAD_RESPONSE', 'the size of each vector', answeredBy(collection), config);
  }
  const dense = new Map(
    entries.map(([name, { size, distance, multivector_config, datatype }]) => [
      name,
      {
        dim: Number(size),
        distance: String(distance),
        multi: Boolean(multivector_config),
        datatype: DATATYPES.find((one) => one === datatype) ?? 'float32',
      },
    ]),
  );
  return { dense, ...more };
}

/** The server's own words: an error in JSON, or text, as it has for keys that are wrong and proxies have for all. */
function wordsOf(data: unknown): string | undefined {
  if (typeof data === 'string') return data.trim().slice(0, 300) || undefined;
  const { error } = ((data as { status?: unknown } | undefined)?.status ?? {}) as { error?: unknown };
  return typeof error === 'string' ? error : undefined;
}

function restError(error: unknown, where: string, ms?: number): FunnelError {
  const { name, status, data } = (error ?? {}) as {
    name?: string;
    status?: unknown;
    data?: unknown;
  };
  if (typeof status === 'number') {
    const reason = wordsOf(data) ?? messageOf(error);
    if (status === 429) return rateLimited(where, `HTTP 429: ${reason}`, rateLimitOf(error)?.after, error);
    if (status === 408) return new FunnelError('TIMEOUT', `${where} gave up (HTTP 408: ${reason})`, { cause: error });
    if (status >= 502 && status <= 504) {
      return new FunnelError('UNREACHABLE', `Cannot reach ${where} (HTTP ${status}: ${reason})`, { cause: error });
    }
    return qdrantRefusal(where, `HTTP ${status}: ${reason}`, error);
  }
  // Before anything was sent.
  if (isErrorOf(error, 'TypeError') && /\bBigInt\b/.test(error.message)) {
    return new FunnelError(
      'BAD_ARGUMENT',
      `Expected no bigint in nativeFilter or params of ${where}, since JSON has none, but received one: ` +
        'a number, or the gRPC client for integers beyond 2^53 − 1',
      { cause: error },
    );
  }
  if (name === 'QdrantClientTimeoutError') {
    return tooLate(where, ms, error);
  }
  // The answer of undici 6 on Node.js 26, whatever it is asked.
  if (reachReason(error) === 'invalid onError method') {
    return new FunnelError(
      'UNSUPPORTED',
      `Expected a client that runs on this Node.js for ${where} but its undici fails here: ` +
        'npm install @qdrant/js-client-rest@1.19',
      { cause: error },
    );
  }
  if (socketCode(error) !== undefined || (isErrorOf(error, 'TypeError') && error.message === 'fetch failed')) {
    return new FunnelError('UNREACHABLE', `Cannot reach ${where} (${reachReason(error)})`, { cause: error });
  }
  // The client reads no more than the first character of the delay; where that is no digit, it throws another error.
  if (name === 'QdrantClientResourceExhaustedError' || /^Invalid retryAfter/.test(messageOf(error))) {
    const { after, body } = rateLimitOf(error) ?? {};
    return rateLimited(where, `HTTP 429: ${wordsOf(body) ?? messageOf(error)}`, after, error);
  }
  return new FunnelError(
    'BAD_RESPONSE',
    `Expected a readable answer from ${where} but the client failed: ${messageOf(error)}`,
    {
      cause: error,
    },
  );
}
