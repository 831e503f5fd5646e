/** Qdrant over @qdrant/js-client-grpc. */
import { FunnelError } from '../../errors.js';
import type { Id } from '../../types.js';
import { messageOf, reachReason, socketCode } from '../call.js';
import { setOwn } from '../own.js';
import type { SearchParams } from '../source.js';
import { FIXED32, FIXED64, LENGTH, LITTLE_ENDIAN, WireReader } from '../wire.js';
import { type QdrantDriver, type QdrantQuery, type QdrantRead, type QdrantVectors, qdrantRefusal } from './driver.js';
import { toQdrantGrpcFilter } from './filter.js';
import { type AnyPoint, plainInteger, pointsOf } from './from-qdrant.js';
import { checkParts } from './grpc-check.js';

/** The part of the gRPC client that we use, so that the types of this package need no client installed. */
export interface QdrantGrpcClient {
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  api(name: any): any;
}

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
  const { collection, using, limit, filter, params, exact } = request;
  return {
    collectionName: collection,
    query: { variant: variantOf(request) },
    using: using === '' ? undefined : using,
    limit: BigInt(limit),
    filter,
    params: exact ? { ...(params as object), exact: true } : params,
    ...selectors(request),
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

interface RawQueries {
  /** Undefined when this call must go the usual way. */
  run(call: () => Promise<unknown>): Promise<unknown> | undefined;
}

interface Method {
  input: unknown;
  output: { typeName: string };
}

async function findRawQueries(client: QdrantGrpcClient, name: string, answer: string): Promise<RawQueries | undefined> {
  if (!LITTLE_ENDIAN) return undefined;
  try {
    // Already loaded by whoever made the client; a copy that did not make it describes other methods, and is of no use.
    const qdrant = await import('@qdrant/js-client-grpc');
    if (!(client instanceof qdrant.QdrantClient)) return undefined;
    const services = qdrant.file_qdrant.dependencies.flatMap((file) => file.services);
    const method = services.find((service) => service.typeName === 'qdrant.Points')?.method[name] as Method | undefined;
    const empty = qdrant.HealthCheckRequestSchema;
    const writable = method && Object.getOwnPropertyDescriptor(method, 'output')?.writable === true;
    if (!writable || method.output.typeName !== answer) return undefined;
    if (empty.typeName !== EMPTY || empty.fields.length > 0) return undefined;
    return rawQueries(method, empty);
  } catch {
    return undefined;
  }
}

function rawQueries(method: Method, empty: { typeName: string }): RawQueries {
  const usual = method.output;
  let first = true;
  return {
    run(call) {
      // Should a later library remember the type a method was first read as, it must be the usual one.
      if (first) {
        first = false;
        return undefined;
      }
      // The library takes the type from the method while the call is being made, synchronously: other calls never see this.
      method.output = empty;
      try {
        return call();
      } finally {
        method.output = usual;
      }
    },
  };
}

interface Unknown {
  no: number;
  wireType: number;
  /** With its length in front. */
  data: Uint8Array;
}

/** A message without fields, that every version of the client has. */
const EMPTY = 'qdrant.HealthCheckRequest';

/** False for an answer that the client decoded as usual. */
function isRaw(answer: unknown): answer is { $unknown?: readonly Unknown[] } {
  return (answer as { $typeName?: string } | undefined)?.$typeName === EMPTY;
}

// Field numbers of qdrant's points.proto and json_with_int.proto.

/** Undefined for what is no QueryResponse, or a damaged one. */
function readPoints(records: readonly Unknown[]): AnyPoint[] | undefined {
  // QueryResponse.time is in every answer; without it, unknown fields are not kept, and no points would mean nothing.
  if (!records.some(({ no, wireType }) => no === 2 && wireType === FIXED64)) return undefined;
  const points: AnyPoint[] = [];
  try {
    for (const { no, wireType, data } of records) {
      // QueryResponse.result
      if (no !== 1 || wireType !== LENGTH) continue;
      const reader = new WireReader(data);
      reader.type = LENGTH;
      points.push(readPoint(reader.message()));
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return points;
}

/** The points of each BatchResult; undefined as for readPoints. */
function readBatch(records: readonly Unknown[]): AnyPoint[][] | undefined {
  if (!records.some(({ no, wireType }) => no === 2 && wireType === FIXED64)) return undefined;
  const parts: AnyPoint[][] = [];
  try {
    for (const { no, wireType, data } of records) {
      if (no !== 1 || wireType !== LENGTH) continue;
      const reader = new WireReader(data);
      reader.type = LENGTH;
      const part = reader.message();
      const points: AnyPoint[] = [];
      while (part.next()) {
        if (part.field === 1) points.push(readPoint(part.message()));
        else part.skip();
      }
      parts.push(points);
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return parts;
}

function readPoint(reader: WireReader): AnyPoint {
  const payload: Record<string, unknown> = {};
  const point: AnyPoint = { id: undefined, score: 0, payload };
  while (reader.next()) {
    if (reader.field === 1) point.id = readId(reader.message());
    else if (reader.field === 2) readEntry(reader.message(), payload, readValue, null);
    else if (reader.field === 3) point.score = reader.float();
    else if (reader.field === 6) point.vector = readVectors(reader.message());
    else reader.skip();
  }
  return point;
}

function readId(reader: WireReader): bigint | string | undefined {
  let id: bigint | string | undefined;
  while (reader.next()) {
    if (reader.field === 1) id = reader.varint();
    else if (reader.field === 2) id = reader.string();
    else reader.skip();
  }
  return id;
}

/** One entry of a map: key 1, value 2. */
function readEntry<T>(reader: WireReader, into: Record<string, T>, value: (reader: WireReader) => T, absent: T): void {
  let key = '';
  let read = absent;
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) read = value(reader.message());
    else reader.skip();
  }
  setOwn(into, key, read);
}

function readValue(reader: WireReader): unknown {
  let value: unknown = null;
  while (reader.next()) {
    switch (reader.field) {
      case 2:
        value = reader.double();
        break;
      case 3:
        value = plainInteger(BigInt.asIntN(64, reader.varint()));
        break;
      case 4:
        value = reader.string();
        break;
      case 5:
        value = reader.varint() !== 0n;
        break;
      case 6:
        value = readStruct(reader.message());
        break;
      case 7:
        value = readList(reader.message());
        break;
      default:
        reader.skip();
    }
  }
  return value;
}

function readStruct(reader: WireReader): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  while (reader.next()) {
    if (reader.field === 1) readEntry(reader.message(), fields, readValue, null);
    else reader.skip();
  }
  return fields;
}

function readList(reader: WireReader): unknown[] {
  const values: unknown[] = [];
  while (reader.next()) {
    if (reader.field === 1) values.push(readValue(reader.message()));
    else reader.skip();
  }
  return values;
}

/** As REST has it: one vector, or vectors by name. */
function readVectors(reader: WireReader): unknown {
  let vectors: unknown;
  while (reader.next()) {
    if (reader.field === 1) vectors = readVector(reader.message());
    else if (reader.field === 2) {
      const named: Record<string, unknown> = {};
      const map = reader.message();
      while (map.next()) {
        if (map.field === 1) readEntry<unknown>(map.message(), named, readVector, new Float32Array(0));
        else map.skip();
      }
      vectors = named;
    } else reader.skip();
  }
  return vectors;
}

/** VectorOutput: `dense` (101) or, from older servers, `data` (1); what is not dense is only recognised. */
function readVector(reader: WireReader): unknown {
  const chunks: Uint8Array[] = [];
  let other: unknown;
  while (reader.next()) {
    if (reader.field === 1) readFloats(reader, chunks);
    else if (reader.field === 101) {
      const dense = reader.message();
      while (dense.next()) {
        if (dense.field === 1) readFloats(dense, chunks);
        else dense.skip();
      }
    } else {
      if (reader.field === 2 || reader.field === 102) other = { indices: [] };
      if (reader.field === 3 || reader.field === 103) other = [[]];
      reader.skip();
    }
  }
  return other ?? floats(chunks);
}

/** Packed, or one by one. */
function readFloats(reader: WireReader, chunks: Uint8Array[]): void {
  if (reader.type === LENGTH) chunks.push(reader.view());
  else if (reader.type === FIXED32) {
    reader.skip();
    chunks.push(reader.bytes.subarray(reader.at - 4, reader.at));
  } else reader.skip();
}

function floats(chunks: readonly Uint8Array[]): Float32Array {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return new Float32Array(bytes.buffer, 0, size >>> 2);
}

// Other differences from REST.

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
