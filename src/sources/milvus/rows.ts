/** Rows as the Milvus SDK answers them, as vectors and payloads. */
import { expected, FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { type PackableRow, packRows } from '../../core/pack.js';
import { DYNAMIC, type MilvusRow } from './client.js';
import { absent, fromBfloat16 } from './from-milvus.js';
import { integersOf } from './integers.js';
import type { LiftedField } from './lift.js';
import { WIDTHS } from './vector-types.js';

/** The rows of one query, or of a search's. */
export interface QueryRows {
  rows: readonly MilvusRow[];
  lifted: Map<string, LiftedField> | undefined;
}

/** An answer for several queries: an array of rows each; a flat empty one where none has hits. */
export function rowsByQuery(
  { results }: { results?: unknown },
  count: number,
  lifted: Map<string, LiftedField> | undefined,
  source: string,
): QueryRows[] {
  const lists = Array.isArray(results) && results.length === 0 ? Array.from({ length: count }, () => []) : results;
  if (!Array.isArray(lists) || lists.length !== count || !lists.every(Array.isArray)) {
    throw expected('BAD_RESPONSE', `the rows of ${count} queries`, `the answer of ${source}`, results);
  }
  let from = 0;
  return lists.map((rows: readonly MilvusRow[]) => {
    const to = from + rows.length;
    const own = lifted && partOf(lifted, from, to);
    from = to;
    return { rows, lifted: own };
  });
}

/** The first rows. */
export function firstRows({ rows, lifted }: QueryRows, count: number): QueryRows {
  if (rows.length <= count) return { rows, lifted };
  return { rows: rows.slice(0, count), lifted: lifted && partOf(lifted, 0, count) };
}

function partOf(lifted: Map<string, LiftedField>, from: number, to: number): Map<string, LiftedField> {
  const part = new Map<string, LiftedField>();
  for (const [name, field] of lifted) {
    const width = field.dim * WIDTHS[field.kind];
    part.set(name, { ...field, bytes: field.bytes.subarray(from * width, to * width) });
  }
  return part;
}

export function packField(
  { name, dim }: { name: string; dim: number },
  rows: readonly MilvusRow[],
  lifted: LiftedField | undefined,
  float16: boolean,
  nameRow: (row: number) => string,
): Float32Array | Uint16Array {
  if (lifted) {
    const { bytes, kind } = lifted;
    if (lifted.dim !== dim)
      throw new FunnelError('BAD_DIMS', `Expected ${dim} dims in ${JSON.stringify(name)} but received ${lifted.dim}`);
    const width = WIDTHS[kind];
    if (bytes.length !== rows.length * dim * width) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected ${rows.length} vectors in ${JSON.stringify(name)} but received ${bytes.length / (dim * width)}`,
      );
    }
    if (kind === 'bfloat16') return fromBfloat16(bytes);
    if (kind === 'int8') return Float32Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    // A copy, because floats on the wire lie at any address, and the message need not be kept for them.
    const own = new Uint8Array(bytes.length);
    own.set(bytes);
    return kind === 'float32' ? new Float32Array(own.buffer) : new Uint16Array(own.buffer);
  }
  const vectors = rows.map((row, i) => {
    const vector = row[name];
    if (vector === null) throw nothing(name, nameRow(i));
    if (vector === undefined) throw absent(name, nameRow(i), row);
    return vector as PackableRow;
  });
  if (!float16) return packRows(vectors, dim, { name: nameRow });
  const bits = new Uint16Array(rows.length * dim);
  vectors.forEach((vector, i) => {
    const bytes = vector as unknown as Uint8Array;
    if (bytes.length !== dim * 2) throw expected('BAD_DIMS', `${dim * 2} bytes`, nameRow(i), bytes);
    new Uint8Array(bits.buffer, i * dim * 2, dim * 2).set(bytes);
  });
  return bits;
}

function nothing(field: string, row: string): FunnelError {
  return new FunnelError(
    'BAD_RESPONSE',
    `Expected a vector in field ${JSON.stringify(field)} of ${row} but it is null: ` +
      `leave such rows out with missingVectors: 'skip', or nativeFilter: '${field} is not null'`,
  );
}

/**
 * @param fields by name; the dynamic one stands for all of its keys
 * @param integers those of Int64
 */
export function payloadOf(
  row: MilvusRow,
  fields: readonly string[],
  integers: ReadonlySet<string>,
  nameRow: () => string,
): MilvusRow {
  const payload: MilvusRow = {};
  const dynamic = (row[DYNAMIC] ?? {}) as MilvusRow;
  for (const field of fields) {
    if (field === DYNAMIC) {
      for (const key of Object.keys(dynamic)) setOwn(payload, key, dynamic[key]);
    } else if (integers.has(field)) {
      const value = integersOf(row[field], () => `field ${JSON.stringify(field)} of ${nameRow()}`);
      if (value !== undefined) setOwn(payload, field, value);
    } else {
      // A dynamic key stands beside the fields in what a search answered, and within the dynamic one in what a query did.
      const value = row[field] === undefined && Object.hasOwn(dynamic, field) ? dynamic[field] : row[field];
      if (value !== undefined) setOwn(payload, field, value);
    }
  }
  return payload;
}

/** @param factor - what the query was multiplied by */
export function distances(
  scores: Float64Array | undefined,
  squared: boolean,
  factor: number,
): Float64Array | undefined {
  if (squared) return scores?.map((score) => Math.sqrt(Math.max(0, score)));
  return factor === 1 ? scores : scores?.map((score) => score / factor);
}
