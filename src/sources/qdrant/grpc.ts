/** Qdrant over @qdrant/js-client-grpc. */

import { mayEnd, messageOf, reachReason, socketCode } from '../../core/call.js';
import { expected, FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { SearchParams } from '../../query/source/source.js';
import { answeredBy, batchIn, countIn } from './answers.js';
import type { Datatype } from './datatypes.js';
import {
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
import { toQdrantGrpcFilter } from './filter.js';
import { type AnyPoint, pointsOf } from './from-qdrant.js';
import { checkParts } from './grpc-check.js';
import type { QdrantGrpcClient } from './grpc-client.js';
import { findRawQueries, isRaw, type RawQueries, readBatch, readPoints } from './grpc-points.js';
import { grpcCall, grpcShards, type QdrantScope } from './scope.js';

type Call = (request: object, options: object) => Promise<unknown>;

export function grpcDriver(client: QdrantGrpcClient): QdrantDriver {
  let raw: Promise<RawQueries | undefined> | undefined;
  let rawBatch: Promise<RawQueries | undefined> | undefined;
  return {
    idKind: 'bigint',
    // Integers of 64 bits are integers on the wire; what JSON has beyond is a float64 there.
    exactBelow: 2 ** 63,

    check: checkParts,

    async vectors(collection, signal) {
      const collections = client.api('collections') as { get: Call };
      return grpcVectors(await collections.get({ collectionName: collection }, { signal }), collection);
    },

    async somePoint(collection, signal, scope) {
      const some = { collectionName: collection, limit: 1, withPayload: select('enable', false) };
      const request = { ...some, ...grpcShards(scope), ...grpcCall(scope) };
      const { scroll } = client.api('points') as { scroll: Call };
      return pointsOf(await scroll(request, { signal }))[0] as AnyPoint | undefined;
    },

    async version(signal) {
      const { healthCheck } = (client.api('service') ?? {}) as { healthCheck?: Call };
      return healthCheck && versionIn(await healthCheck({}, { signal }));
    },

    both: (a, b) => ({ must: [a, b].map((value) => ({ conditionOneOf: { case: 'filter', value } })) }),
    compile: toQdrantGrpcFilter,
    params: grpcParams,

    async query(request, signal, fast) {
      const { query } = client.api('points') as { query: Call };
      const call = () => query(withCall(queryPoints(request), request.scope), mayEnd(signal) ? { signal } : {});
      if (fast) raw ??= findRawQueries(client, 'query', 'qdrant.QueryResponse');
      const queries = fast ? await raw : undefined;
      signal.throwIfAborted();
      const answer = await (queries?.run(call) ?? call());
      const at = performance.now();
      if (!isRaw(answer)) return { points: pointsOf(answer) as AnyPoint[], at };
      const points = readPoints(answer.$unknown ?? []);
      if (points) return { points, at };
      // Not what we can read: the client shall, from now on.
      raw = Promise.resolve(undefined);
      return { points: pointsOf(await call()) as AnyPoint[], at: performance.now() };
    },

    async queryBatch(requests, signal, fast) {
      const { queryBatch } = client.api('points') as { queryBatch?: Call };
      const collectionName = requests[0]!.collection;
      if (typeof queryBatch !== 'function') return undefined;
      const batch = withCall({ collectionName, queryPoints: requests.map(queryPoints) }, requests[0]!.scope);
      const call = () => queryBatch(batch, mayEnd(signal) ? { signal } : {});
      if (fast) rawBatch ??= findRawQueries(client, 'queryBatch', 'qdrant.QueryBatchResponse');
      const queries = fast ? await rawBatch : undefined;
      signal.throwIfAborted();
      let answer = await (queries?.run(call) ?? call());
      let at = performance.now();
      let parts = isRaw(answer) ? readBatch(answer.$unknown ?? []) : undefined;
      if (!parts) {
        if (isRaw(answer)) {
          rawBatch = Promise.resolve(undefined);
          answer = await call();
          at = performance.now();
        }
        const { result } = answer as { result?: readonly unknown[] };
        parts = result?.map((part) => pointsOf(part) as AnyPoint[]) ?? [];
      }
      return batchIn(parts, requests.length, collectionName).map((points) => ({ points, at }));
    },

    async lacking(collectionName, vector, signal) {
      const { count, scroll } = client.api('points') as { count: Call; scroll: Call };
      const filter = { mustNot: [{ conditionOneOf: { case: 'hasVector', value: { hasVector: vector } } }] };
      // An estimate, of segments' own counts: 0 is certain, and costs no look at points.
      const told = (await count({ collectionName, filter, exact: false }, { signal })) as {
        result?: unknown;
      };
      if (countIn(told.result, collectionName) === 0) return undefined;
      const request = { collectionName, filter, limit: 1, withPayload: select('enable', false) };
      return pointsOf(await scroll(request, { signal }))[0] as AnyPoint | undefined;
    },

    async count(collectionName, filter, signal, scope) {
      const { count } = client.api('points') as { count: Call };
      const request = { collectionName, filter, exact: true, ...grpcShards(scope), ...grpcCall(scope) };
      const answer = (await count(request, { signal })) as {
        result?: unknown;
      };
      return countIn(answer.result, collectionName);
    },

    async retrieve(request, signal) {
      const { get } = client.api('points') as { get: Call };
      const ids = request.ids.map(pointId);
      const parts = { ...selectors(request), ...grpcShards(request.scope), ...grpcCall(request.scope) };
      const answer = await get({ collectionName: request.collection, ids, ...parts }, { signal });
      return { points: pointsOf(answer) as AnyPoint[], at: performance.now() };
    },

    async scroll(request, signal) {
      const { scroll } = client.api('points') as { scroll: Call };
      const { collection: collectionName, from, limit, filter } = request;
      const offset = from === undefined ? undefined : pointId(from);
      const parts = { ...selectors(request), ...grpcShards(request.scope), ...grpcCall(request.scope) };
      const answer = await scroll({ collectionName, offset, limit, filter, ...parts }, { signal });
      const { nextPageOffset: next } = answer as { nextPageOffset?: { pointIdOptions?: { value?: Id } } };
      return { points: pointsOf(answer) as AnyPoint[], at: performance.now(), next: next?.pointIdOptions?.value };
    },

    classify: grpcError,
  };
}

function pointId(id: Id): object {
  const value = typeof id === 'string' ? id : BigInt(id);
  return { pointIdOptions: { case: typeof id === 'string' ? 'uuid' : 'num', value } };
}

function selectors({ withPayload, lifts }: QdrantRead): { withPayload: object; withVectors: object } {
  const names = lifts.map((lift) => lift.name);
  return {
    withPayload: selectPayload(withPayload),
    withVectors:
      names.length === 0 || names.includes('') ? select('enable', names.length > 0) : select('include', { names }),
  };
}

function selectPayload(selection: QdrantRead['withPayload']): object {
  if (typeof selection === 'boolean') return select('enable', selection);
  if ('exclude' in selection) return select('exclude', { fields: [...selection.exclude] });
  return select('include', { fields: [...('include' in selection ? selection.include : selection)] });
}

/** As the server numbers them. */
const STRATEGIES = { best_score: 1, sum_scores: 2 };

function dense(data: Float32Array): object {
  return { variant: { case: 'dense', value: { data } } };
}

function variantOf({ vector, recommend }: QdrantQuery): object {
  if (!recommend) return { case: 'nearest', value: dense(vector) };
  const { positive, negative } = recommend.examples;
  const strategy = STRATEGIES[recommend.strategy];
  return { case: 'recommend', value: { positive: positive.map(dense), negative: negative.map(dense), strategy } };
}

function grpcParams(search: SearchParams, native: unknown): unknown {
  if (Object.keys(search).length === 0) return native;
  const { hnsw_ef, indexed_only, exact, quantization, acorn } = search;
  const own = {
    ...(hnsw_ef !== undefined && { hnswEf: BigInt(hnsw_ef) }),
    ...(indexed_only !== undefined && { indexedOnly: indexed_only }),
    ...(exact !== undefined && { exact }),
    ...(quantization !== undefined && { quantization }),
    ...(acorn !== undefined && { acorn: { enable: acorn.enable, maxSelectivity: acorn.max_selectivity } }),
  };
  return { ...(native as object), ...own };
}

function withCall(message: object, scope: QdrantScope | undefined): object {
  const once = grpcCall(scope);
  return once === undefined ? message : { ...message, ...once };
}

/** A key without a value is none to the client. */
function queryPoints(request: QdrantQuery): object {
  const { collection: collectionName, params, exact, offset, scope, using, limit, filter, prefetch } = request;
  const { withPayload, lifts } = request;
  const parts = withPayload !== false || lifts.length > 0 ? selectors(request) : undefined;
  const message = {
    collectionName,
    prefetch: prefetch && [stageMessage(prefetch)],
    query: { variant: variantOf(request) },
    using: using === '' ? undefined : using,
    limit: BigInt(limit),
    offset: offset ? BigInt(offset) : undefined,
    filter,
    params: exact ? { ...(params as object), exact: true } : params,
    // A search that says nothing of them is answered ids and scores.
    withPayload: parts?.withPayload,
    withVectors: parts?.withVectors,
  };
  return scope?.shardKey === undefined ? message : { ...message, ...grpcShards(scope) };
}

function stageMessage({ vector, using, limit, filter, params, prefetch }: QdrantStage): object {
  return {
    prefetch: prefetch && [stageMessage(prefetch)],
    query: { variant: { case: 'nearest', value: dense(vector) } },
    using: using === '' ? undefined : using,
    limit: BigInt(limit),
    filter,
    params,
  };
}

function select(what: 'enable' | 'include' | 'exclude', value: unknown): object {
  return { selectorOptions: { case: what, value } };
}

/*
 * Reading answers as bytes. The client decodes every float of an answer on its own, into a number[]. Its protobuf library
 * keeps fields that a message type does not declare as views of the answer's bytes, so a query that is read as a message
 * without fields arrives as one view a point, and the vectors are copied out of it whole.
 */

/** By the server's numbers; 0 is its default. */
const GRPC_DATATYPES: readonly Datatype[] = ['float32', 'float32', 'uint8', 'float16'];
const DISTANCES = ['Unknown', 'Cosine', 'Euclid', 'Dot', 'Manhattan'];

function grpcVectors(answer: unknown, collection: string): QdrantVectors {
  type Params = { size: bigint; distance: number; multivectorConfig?: unknown; datatype?: number };
  type Config = { case?: string; value?: Params | { map: Record<string, Params> } };
  type Collection = { vectorsConfig?: { config?: Config }; sparseVectorsConfig?: { map?: object } };
  type Own = { params?: Collection; strictModeConfig?: Record<string, unknown> };
  type Info = { config?: Own; indexedVectorsCount?: bigint; payloadSchema?: object };
  const { config: own, indexedVectorsCount = 0n, payloadSchema = {} } = (answer as { result?: Info }).result ?? {};
  const params = own?.params;
  if (params === undefined) throw expected('BAD_RESPONSE', 'config.params', answeredBy(collection), answer);
  const { enabled, searchAllowExact, maxQueryLimit, searchMaxBatchsize } = own?.strictModeConfig ?? {};
  const strict = strictOf({ enabled, exact: searchAllowExact, rows: maxQueryLimit, searches: searchMaxBatchsize });
  const config = params.vectorsConfig?.config;
  const entries: [string, Params][] =
    config?.case === 'params'
      ? [['', config.value as Params]]
      : Object.entries((config?.value as { map?: Record<string, Params> } | undefined)?.map ?? {});
  const dense = new Map(
    entries.map(([name, { size, distance, multivectorConfig, datatype = 0 }]) => [
      name,
      {
        dim: Number(size),
        distance: DISTANCES[distance] ?? String(distance),
        multi: Boolean(multivectorConfig),
        datatype: GRPC_DATATYPES[datatype] ?? 'float32',
      },
    ]),
  );
  return {
    dense,
    sparse: Object.keys(params.sparseVectorsConfig?.map ?? {}),
    graph: indexedVectorsCount > 0,
    indexed: Object.keys(payloadSchema),
    strict,
  };
}

/** gRPC status codes. */
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

/** The client's words for a stream that ended before its answer did: a server that died, or one that speaks TLS. */
const CUT =
  /(stream|session|connection) closed|RST_STREAM|GOAWAY|^protocol error: (missing (status|output)|promised|incomplete)|^PING timed out|^connection aborted|^expected open session|^sentinel completed early/i;

/** Milliseconds: of the words, or the first digit of the header, which is all that the client hands on. */
function delayOf(error: unknown, reason: string): number | undefined {
  const [, amount, unit] = /(?:retry|try again)\D{0,20}(\d+(?:\.\d+)?) ?(ms|s)/i.exec(reason) ?? [];
  if (amount !== undefined) return Math.ceil(Number(amount) * (unit!.toLowerCase() === 'ms' ? 1 : 1000));
  const { retry_after: own, cause } = (error ?? {}) as { retry_after?: unknown; cause?: { retry_after?: unknown } };
  const seconds = own ?? cause?.retry_after;
  return typeof seconds === 'number' && seconds >= 0 ? seconds * 1000 : undefined;
}

function grpcError(error: unknown, where: string, ms?: number): FunnelError {
  const { code, rawMessage } = (error ?? {}) as { code?: unknown; rawMessage?: unknown };
  const reason = typeof rawMessage === 'string' ? rawMessage : messageOf(error);
  if (code === UNAVAILABLE || socketCode(error) !== undefined) {
    return new FunnelError('UNREACHABLE', `Cannot reach ${where} (${reachReason(error)})`, { cause: error });
  }
  if (CUT.test(reason)) {
    const remedy = ms !== undefined && ms < 100 ? ': it was cut off, or the server speaks TLS' : ': it was cut off';
    return new FunnelError('UNREACHABLE', `Cannot reach ${where} (${reason})${remedy}`, { cause: error });
  }
  // The client makes an error of its own of the server's, and the protobuf library one of code 2 of that.
  if (code === RESOURCE_EXHAUSTED || /^\[resource_exhausted\]|^Invalid retryAfter/i.test(reason)) {
    return rateLimited(where, `gRPC 8: ${reason.replace(/^\[\w+\] /, '')}`, delayOf(error, reason), error);
  }
  // The client's own timeout cancels, and has an abort's words for it; a server or proxy may cancel, too.
  if (code === CANCELLED && /abort|time/i.test(reason)) return tooLate(where, ms, error);
  if (code === DEADLINE_EXCEEDED) {
    if (/^the operation timed out$/i.test(reason) || reason === '') return tooLate(where, ms, error);
    return new FunnelError('TIMEOUT', `${where} gave up (gRPC 4: ${reason})`, { cause: error });
  }
  if (typeof code === 'number') return qdrantRefusal(where, `gRPC ${code}: ${reason}`, error);
  return new FunnelError('BAD_RESPONSE', `Expected a readable answer from ${where} but the client failed: ${reason}`, {
    cause: error,
  });
}
