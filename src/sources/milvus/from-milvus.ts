/** Makes candidates of an answer to the Milvus SDK's search(). */
import { describe, expected, FunnelError, printed } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { dimOf, type PackableRow, packRows } from '../../core/pack.js';
import { isBytes } from '../../core/realm.js';
import type { Id, PackedCandidates } from '../../core/types.js';
import { checkKeys, isListOf, isString } from '../../core/validate.js';
import type { MilvusRow } from './client.js';
import { integersOf } from './integers.js';

/** Which fields of the rows are taken. */
export interface FromMilvusOptions {
  /** The field of the full vectors. It must have been among `output_fields`. */
  vectorField: string;
  /** The primary key's field. It must have been among `output_fields`: Milvus does not send it otherwise. @default 'id' */
  idField?: string;
  /**
   * The type of raw bytes, where a transformer of yours hands out Float16Vector or BFloat16Vector fields as Buffers.
   */
  bytes?: 'float16' | 'bfloat16';
  /**
   * Fields of Int64, and of arrays of them, that are to be integers in `rows`: numbers within ±(2^53 − 1), bigints beyond. An
   * answer does not say which these are. `rows` are then copies.
   *
   * @default none: they stay the decimal text that the SDK makes of them
   */
  integers?: readonly string[];
}

/**
 * Packs the rows that the SDK's `search()` (or `query()`) answered for one query vector. Rows are kept by reference; Int64 ids
 * stay the decimal strings they arrive as, and so do other Int64 fields that `integers` does not name. Integers beyond
 * 2^53 − 1 in JSON were rounded by the SDK before; milvusSource() reads them exactly.
 *
 * @example
 * const answer = await client.search({ collection_name: 'films', anns_field: 'head', data: head, limit: 128,
 *   output_fields: ['id', 'title', 'full'] });
 * const hits = funnel(fromMilvus(answer, { vectorField: 'full' }), query, tutorialPlan);
 *
 * @throws FunnelError REFUSED (the status says so), BAD_RESPONSE, BAD_ID, BAD_DIMS, NOT_FINITE
 */
export function fromMilvus<Row = unknown>(response: unknown, options: FromMilvusOptions): PackedCandidates<Row> {
  checkKeys(options, ['vectorField', 'idField', 'bytes', 'integers'], 'the options of fromMilvus()');
  const { vectorField, idField = 'id', bytes, integers = [] } = options;
  for (const [name, field] of Object.entries({ vectorField, idField })) {
    if (typeof field !== 'string') throw expected('BAD_ARGUMENT', 'the name of a field', name, field);
  }
  if (!isListOf(integers, isString)) throw expected('BAD_ARGUMENT', 'names of fields', 'integers', integers);
  const rows = milvusRows(response);
  const name = (row: number) => `row ${row} (id ${printed(rows[row]?.[idField])})`;
  const ids = milvusIds(rows, idField);
  const vectors = rows.map((row, i) => {
    const vector = row[vectorField];
    if (vector === undefined || vector === null) throw absent(vectorField, name(i), rows[i]!);
    return vector as PackableRow;
  });
  const packed = isBytes(vectors[0]) ? halves(vectors as unknown[], bytes, name) : undefined;
  const dim = packed?.dim ?? dimOf(vectors, name);
  return {
    vectors: packed?.vectors ?? packRows(vectors, dim, { name }),
    dim,
    ids,
    rows: (integers.length === 0 ? rows : withIntegers(rows, integers, name)) as readonly unknown[] as readonly Row[],
    headScores: milvusScores(rows),
  };
}

function withIntegers(
  rows: readonly MilvusRow[],
  fields: readonly string[],
  name: (row: number) => string,
): readonly MilvusRow[] {
  return rows.map((row, i) => {
    const copy = { ...row };
    for (const field of fields) {
      const where = `${JSON.stringify(field)} of ${name(i)}`;
      if (!Object.hasOwn(row, field)) {
        throw expected(
          'BAD_ARGUMENT',
          `fields that are among output_fields for integers, as ${where} is not,`,
          'integers',
          field,
        );
      }
      setOwn(
        copy,
        field,
        integersOf(row[field], () => where),
      );
    }
    return copy;
  });
}

/** The rows of an answer for one query, its status checked. */
export function milvusRows(response: unknown): readonly MilvusRow[] {
  if (Array.isArray(response)) return flat(response);
  if (typeof response !== 'object' || response === null) {
    throw expected('BAD_RESPONSE', "the answer of the Milvus SDK's search()", 'fromMilvus', response);
  }
  const { status, results, data } = response as { status?: unknown; results?: unknown; data?: unknown };
  const refused = refusal(status);
  if (refused) {
    throw new FunnelError('REFUSED', `Milvus refused the request (${refused.code}: ${refused.reason})`, {
      cause: response,
    });
  }
  const rows = results ?? data;
  if (!Array.isArray(rows)) throw expected('BAD_RESPONSE', 'an array', 'results of the Milvus answer', rows);
  return flat(rows);
}

/** The reason for which a status refuses the request; undefined when it is a success. */
export function refusal(status: unknown): { code: string | number; reason: string } | undefined {
  if (typeof status !== 'object' || status === null) return undefined;
  const { error_code, code, reason } = status as { error_code?: string | number; code?: number; reason?: string };
  const wrong = error_code !== undefined && error_code !== 'Success' && numberOf(error_code) !== 0;
  if (!wrong && (!code || numberOf(code) === 0)) return undefined;
  const given: unknown = wrong ? error_code : code;
  return {
    code: typeof given === 'string' || typeof given === 'number' ? given : describe(given),
    reason: typeof reason === 'string' && reason !== '' ? reason : 'no reason given',
  };
}

function flat(rows: readonly unknown[]): readonly MilvusRow[] {
  if (Array.isArray(rows[0])) {
    throw new FunnelError(
      'BAD_RESPONSE',
      `Expected the rows of one query but the Milvus answer holds those of ${rows.length}: ` +
        'pass them one by one, as in answer.results.map((rows) => fromMilvus(rows, options))',
    );
  }
  for (let i = 0; i < rows.length; i++) {
    if (typeof rows[i] !== 'object' || rows[i] === null) {
      throw expected('BAD_RESPONSE', 'an object', `row ${i} of the Milvus answer`, rows[i]);
    }
  }
  return rows as readonly MilvusRow[];
}

/** NaN for what is no number, nor text of one. */
function numberOf(value: unknown): number {
  return typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
}

export function milvusIds(rows: readonly MilvusRow[], idField: string): Id[] {
  let first: string | undefined;
  return rows.map((row, i) => {
    const id = row?.[idField];
    if (id === undefined || id === null) {
      throw new FunnelError(
        'BAD_ID',
        `Expected the id of row ${i} in field ${JSON.stringify(idField)} but the row has ${fieldsOf(row)}: ` +
          'Milvus sends the primary key only when it is named in output_fields',
      );
    }
    // With the SDK's `longs` set otherwise, an Int64 is a number or an object that prints itself.
    const plain = typeof id === 'object' ? printed(id) : (id as Id);
    if (typeof plain === 'number' && !Number.isSafeInteger(plain)) {
      throw new FunnelError(
        'BAD_ID',
        `Expected an integer of at most 2^53 − 1 for the id of row ${i} but received ${plain}, which is rounded: ` +
          "leave the SDK's loaderOptions.longs at String",
      );
    }
    first ??= typeof plain;
    if (typeof plain !== first) throw expected('BAD_ID', `a ${first} like the others`, `the id of row ${i}`, plain);
    return plain;
  });
}

/** Undefined where the answer has no scores, or a requested field of that name hides them. */
export function milvusScores(rows: readonly MilvusRow[], requested: readonly string[] = []): Float64Array | undefined {
  if (requested.includes('score')) return undefined;
  if (rows.length > 0 && typeof rows[0]!['score'] !== 'number') return undefined;
  return Float64Array.from(rows, (row) => numberOf(row['score']));
}

export function absent(field: string, name: string, row: MilvusRow): FunnelError {
  return new FunnelError(
    'BAD_RESPONSE',
    `Expected a vector in field ${JSON.stringify(field)} of ${name} but the row has ${fieldsOf(row)}: name it in output_fields`,
  );
}

/** Raw bytes of two a value: float16 is kept as it is, bfloat16 is the upper half of a float32. */
function halves(
  rows: readonly unknown[],
  kind: FromMilvusOptions['bytes'],
  name: (row: number) => string,
): { vectors: Float32Array | Uint16Array; dim: number } {
  if (kind !== 'float16' && kind !== 'bfloat16') {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected numbers but received bytes in ${name(0)}: say what they hold with { bytes: 'float16' } or { bytes: 'bfloat16' }`,
    );
  }
  const size = (rows[0] as Uint8Array).length;
  if (size % 2 !== 0) throw expected('BAD_DIMS', 'two bytes a dim', name(0), rows[0]);
  const bytes = new Uint8Array(size * rows.length);
  rows.forEach((row, i) => {
    if (!isBytes(row) || row.length !== size) throw expected('BAD_DIMS', `${size} bytes`, name(i), row);
    bytes.set(row, i * size);
  });
  return { vectors: kind === 'float16' ? new Uint16Array(bytes.buffer) : fromBfloat16(bytes), dim: size / 2 };
}

export function fromBfloat16(bytes: Uint8Array): Float32Array {
  const bits = new Uint32Array(bytes.length >>> 1);
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! | (bytes[2 * i + 1]! << 8)) << 16;
  return new Float32Array(bits.buffer);
}

function fieldsOf(row: MilvusRow): string {
  const names = typeof row === 'object' && row !== null ? Object.keys(row) : [];
  return names.length === 0
    ? `no fields (${describe(row)})`
    : `only ${names.map((name) => JSON.stringify(name)).join(', ')}`;
}
