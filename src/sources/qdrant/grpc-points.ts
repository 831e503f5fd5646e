/** Points of a gRPC answer, read from its raw bytes. */
import { LITTLE_ENDIAN } from '../../core/endian.js';
import { setOwn } from '../../core/own.js';
import { isErrorOf } from '../../core/realm.js';
import { FIXED32, FIXED64, LENGTH, WireReader } from '../wire.js';
import { type AnyPoint, plainInteger } from './from-qdrant.js';
import type { QdrantGrpcClient } from './grpc-client.js';

export interface RawQueries {
  /** Undefined when this call must go the usual way. */
  run(call: () => Promise<unknown>): Promise<unknown> | undefined;
}

interface Method {
  input: unknown;
  output: { typeName: string };
}

export async function findRawQueries(
  client: QdrantGrpcClient,
  name: string,
  answer: string,
): Promise<RawQueries | undefined> {
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

export interface Unknown {
  no: number;
  wireType: number;
  /** With its length in front. */
  data: Uint8Array;
}

/** A message without fields, that every version of the client has. */
const EMPTY = 'qdrant.HealthCheckRequest';

/** False for an answer that the client decoded as usual. */
export function isRaw(answer: unknown): answer is { $unknown?: readonly Unknown[] } {
  return (answer as { $typeName?: string } | undefined)?.$typeName === EMPTY;
}

// Field numbers of qdrant's points.proto and json_with_int.proto.

/** Undefined for what is no QueryResponse, or a damaged one. */
export function readPoints(records: readonly Unknown[]): AnyPoint[] | undefined {
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
    if (isErrorOf(error, 'RangeError')) return undefined;
    throw error;
  }
  return points;
}

/** The points of each BatchResult; undefined as for readPoints. */
export function readBatch(records: readonly Unknown[]): AnyPoint[][] | undefined {
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
    if (isErrorOf(error, 'RangeError')) return undefined;
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
