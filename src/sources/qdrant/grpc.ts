/** Qdrant over @qdrant/js-client-grpc. */

import { messageOf, reachReason, socketCode } from '../../core/call.js';
import { FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { SearchParams } from '../../query/source/source.js';
import {
  type QdrantDriver,
  type QdrantQuery,
  type QdrantRead,
  type QdrantStage,
  type QdrantVectors,
  qdrantRefusal,
} from './driver.js';
import { toQdrantGrpcFilter } from './filter.js';
import { type AnyPoint, pointsOf } from './from-qdrant.js';
import { checkParts } from './grpc-check.js';
import type { QdrantGrpcClient } from './grpc-client.js';
import { findRawQueries, isRaw, type RawQueries, readBatch, readPoints } from './grpc-points.js';

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
      return grpcVectors(await collections.get({ collectionName: collection }, { signal }));
    },

    async somePoint(collection, signal) {
      const request = { collectionName: collection, limit: 1, withPayload: select('enable', false) };
      const { scroll } = client.api('points') as { scroll: Call };
      return pointsOf(await scroll(request, { signal }))[0] as AnyPoint | undefined;
    },

    both: (a, b) => ({ must: [a, b].map((value) => ({ conditionOneOf: { case: 'filter', value } })) }),
    compile: toQdrantGrpcFilter,
    params: grpcParams,

    async query(request, signal, fast) {
      const { query } = client.api('points') as { query: Call };
      const call = () => query(queryPoints(request), { signal });
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
      const call = () => queryBatch({ collectionName, queryPoints: requests.map(queryPoints) }, { signal });
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
      if (parts.length !== requests.length) {
        throw new FunnelError('BAD_RESPONSE', `Expected ${requests.length} answers of a Qdrant batch`);
      }
      return parts.map((points) => ({ points, at }));
    },

    async lacking(collectionName, vector, signal) {
      const { count, scroll } = client.api('points') as { count: Call; scroll: Call };
      const filter = { mustNot: [{ conditionOneOf: { case: 'hasVector', value: { hasVector: vector } } }] };
      // An estimate, of segments' own counts: 0 is certain, and costs no look at points.
      const told = (await count({ collectionName, filter, exact: false }, { signal })) as {
        result?: { count: bigint };
      };
      if (told.result === undefined) throw new FunnelError('BAD_RESPONSE', 'Expected a count of points');
      if (told.result.count === 0n) return undefined;
      const request = { collectionName, filter, limit: 1, withPayload: select('enable', false) };
      return pointsOf(await scroll(request, { signal }))[0] as AnyPoint | undefined;
    },

    async count(collectionName, filter, signal) {
      const { count } = client.api('points') as { count: Call };
      const answer = (await count({ collectionName, filter, exact: true }, { signal })) as {
        result?: { count: bigint };
      };
      return Number(answer.result?.count ?? 0n);
    },

    async retrieve(request, signal) {
      const { get } = client.api('points') as { get: Call };
      const ids = request.ids.map(pointId);
      const answer = await get({ collectionName: request.collection, ids, ...selectors(request) }, { signal });
      return { points: pointsOf(answer) as AnyPoint[], at: performance.now() };
    },

    async scroll(request, signal) {
      const { scroll } = client.api('points') as { scroll: Call };
      const { collection: collectionName, from, limit, filter } = request;
      const offset = from === undefined ? undefined : pointId(from);
      const answer = await scroll({ collectionName, offset, limit, filter, ...selectors(request) }, { signal });
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

function selectors({ withPayload, lifts }: QdrantRead): object {
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

function grpcParams({ hnsw_ef, indexed_only, exact }: SearchParams, native: unknown): unknown {
  const own = {
    ...(hnsw_ef !== undefined && { hnswEf: BigInt(hnsw_ef) }),
    ...(indexed_only !== undefined && { indexedOnly: indexed_only }),
    ...(exact !== undefined && { exact }),
  };
  return Object.keys(own).length === 0 ? native : { ...(native as object), ...own };
}

function queryPoints(request: QdrantQuery): object {
  const { collection, params, exact, offset } = request;
  return {
    collectionName: collection,
    ...stageMessage(request),
    query: { variant: variantOf(request) },
    ...(offset && { offset: BigInt(offset) }),
    params: exact ? { ...(params as object), exact: true } : params,
    ...selectors(request),
  };
}

function stageMessage({ vector, using, limit, filter, params, prefetch }: QdrantStage): object {
  return {
    ...(prefetch && { prefetch: [stageMessage(prefetch)] }),
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

const DISTANCES = ['Unknown', 'Cosine', 'Euclid', 'Dot', 'Manhattan'];

function grpcVectors(answer: unknown): QdrantVectors {
  type Params = { size: bigint; distance: number; multivectorConfig?: unknown };
  type Config = { case?: string; value?: Params | { map: Record<string, Params> } };
  type Collection = { vectorsConfig?: { config?: Config }; sparseVectorsConfig?: { map?: object } };
  const params = (answer as { result?: { config?: { params?: Collection } } }).result?.config?.params;
  const config = params?.vectorsConfig?.config;
  const entries: [string, Params][] =
    config?.case === 'params'
      ? [['', config.value as Params]]
      : Object.entries((config?.value as { map?: Record<string, Params> } | undefined)?.map ?? {});
  const dense = new Map(
    entries.map(([name, { size, distance, multivectorConfig }]) => [
      name,
      { dim: Number(size), distance: DISTANCES[distance] ?? String(distance), multi: Boolean(multivectorConfig) },
    ]),
  );
  return { dense, sparse: Object.keys(params?.sparseVectorsConfig?.map ?? {}) };
}

/** gRPC status codes. */
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

function grpcError(error: unknown, where: string): FunnelError {
  const { code, rawMessage } = (error ?? {}) as { code?: unknown; rawMessage?: unknown };
  const reason = typeof rawMessage === 'string' ? rawMessage : messageOf(error);
  if (code === UNAVAILABLE || socketCode(error) !== undefined) {
    return new FunnelError('UNREACHABLE', `Cannot reach ${where} (${reachReason(error)})`, { cause: error });
  }
  // The client's own timeout cancels, and has an abort's words for it; a server or proxy may cancel, too.
  if (code === DEADLINE_EXCEEDED || (code === CANCELLED && /abort|time/i.test(reason))) {
    return new FunnelError('TIMEOUT', `${where} gave no answer within the client's own timeout`, { cause: error });
  }
  if (typeof code === 'number') return qdrantRefusal(where, `gRPC ${code}: ${reason}`, error);
  return new FunnelError('BAD_RESPONSE', `Expected a readable answer from ${where} but the client failed: ${reason}`, {
    cause: error,
  });
}
