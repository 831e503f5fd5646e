/** Rows as lines of JSON, streamed. */
import { expected, FunnelError } from '../../core/errors.js';
import { idAs } from '../../core/ids.js';
import { atOnce } from '../../core/slices.js';
import type { Id, IdKind } from '../../core/types.js';
import { isListOf, isString } from '../../core/validate.js';
import { checkIdKind } from '../files/ids.js';
import type { FunnelIndex } from '../funnel-index.js';
import { convert } from '../input.js';
import { partsOf } from '../parts.js';
import { BatchWriter, checkImport, type ImportOptions, type ImportResult } from './batches.js';
import { BULK_REMEDY, bulkAction } from './bulk.js';
import { encodingOf, type TextSource, textOf } from './encoding.js';
import { namesIn, putAt, valueAt, without } from './fields.js';
import { parseJson } from './json.js';
import { bytesOf, chunksOf, linesOf } from './lines.js';

/** Options of importJsonl(). */
export interface JsonlOptions extends ImportOptions {
  /** Names of fields; or paths as filters have them, for what lies in objects: `_source.embedding`. */
  fields?: {
    /** The field of the row's id. @default 'id' */
    id?: string;
    /** The field of its vector, an array of `dim` numbers. @default 'vector' */
    vector?: string;
    /** 'rest': all other fields; or the names of some; false: none. @default 'rest' */
    payload?: 'rest' | readonly string[] | false;
  };
  /**
   * The kind that ids get: '7', 7 and 7n are one in any. 'bigint' and 'string' hold every integer as it is written.
   *
   * @default that of the index, else of the first row
   */
  idKind?: IdKind;
  /** A label of the WHATWG's, such as 'windows-1252'. @default UTF-8, or UTF-16 where a byte order mark says so */
  encoding?: string;
}

/** The path of a file, or its text in chunks. */
export type JsonlInput = string | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/**
 * Writes the objects of a JSONL file, or of chunks of its text from anywhere. Empty lines are passed over. Ids are integers
 * or strings. Integers beyond ±(2^53 − 1) are bigints, exact ones, in payloads too.
 *
 * @param input the path of a file (unpacked where it ends in .gz), or its text in chunks (strings, or bytes), cut anywhere
 * @example
 * await importJsonl(index, 'films.jsonl', { fields: { vector: 'embedding', payload: ['title'] } });
 *
 * @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE before any work; BAD_ARGUMENT, BAD_ID, BAD_DIMS, NOT_FINITE (they name line and
 *   field), ABORTED, DISK: batches that were written until then stay
 */
export async function importJsonl<Payload>(
  index: FunnelIndex<Payload>,
  input: JsonlInput,
  options: JsonlOptions = {},
): Promise<ImportResult> {
  const { batch, from } = checkImport(index as never, options, 'importJsonl', ['fields', 'idKind', 'encoding']);
  const fields = checkFields(options.fields);
  const idKind = checkKind(options.idKind, index.idKind);
  const name = typeof input === 'string' ? input : 'the input';
  const encoding = options.encoding === undefined ? undefined : encodingOf(options.encoding, 'encoding');
  const source: TextSource = { name, option: 'encoding', encoding };
  const reader = new RowReader(index.dim, fields, name);
  const writer = new BatchWriter(index, options, name);
  const { half } = partsOf(index).live;
  let done = 0;
  const flush = async () => {
    if (reader.ids.length === 0) return;
    const kind = idKind ?? index.idKind ?? (typeof reader.ids[0] as IdKind);
    const { vectors, payloads, lines } = reader;
    const ids = reader.ids.map((id, i) => {
      const where = reader.place(lines[i]!, fields.id);
      const own = idAs(kind, id);
      if (own === undefined) throw badId(kind, index.idKind === undefined, id, where);
      checkIdKind(own, kind, where);
      return own;
    });
    reader.clear();
    await writer.write(
      {
        ids,
        vectors: half ? atOnce(convert(Float64Array.from(vectors), index.dim, true)) : Float32Array.from(vectors),
        payloads: payloads as Payload[],
      },
      done,
    );
  };
  let first = true;
  for await (const line of linesOf(typeof input === 'string' ? fileOf(input) : chunksOf(input, source), source)) {
    writer.checkSignal();
    if (done++ < from || (typeof line === 'string' && /^\s*$/.test(line))) continue;
    const text = typeof line === 'string' ? line : textOf(line, `line ${done} of ${name}`, source);
    reader.read(text, done, first && from === 0);
    first = false;
    if (reader.ids.length === batch) await flush();
  }
  writer.checkSignal();
  await flush();
  return writer.result;
}

async function* fileOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* bytesOf(path);
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EIO') throw new FunnelError('DISK', `Reading ${path} failed: ${message}`, { cause });
    throw new FunnelError('BAD_ARGUMENT', `Expected a file that can be read for input but received ${message}`, {
      cause,
    });
  }
}

function checkKind(given: IdKind | undefined, has: IdKind | undefined): IdKind | undefined {
  if (given === undefined) return undefined;
  if (!['string', 'number', 'bigint'].includes(given)) {
    throw expected('BAD_ARGUMENT', "'string', 'number' or 'bigint'", 'idKind', given);
  }
  if (has !== undefined && given !== has)
    throw expected('BAD_ARGUMENT', `'${has}', as ids of the index are,`, 'idKind', given);
  return given;
}

function badId(kind: IdKind, free: boolean, id: Id, where: string): FunnelError {
  if (kind !== 'number' || typeof id !== 'bigint')
    return expected('BAD_ID', `a ${kind}, as the other ids are,`, where, id);
  const how = free ? "idKind: 'string' or 'bigint'" : 'in an index of such ids';
  return expected('BAD_ID', `an integer within ±(2^53 − 1) (larger ones as strings or bigints, ${how})`, where, id);
}

interface Fields {
  id: string;
  vector: string;
  payload: 'rest' | readonly string[] | false;
}

function checkFields(given: JsonlOptions['fields'] = {}): Fields {
  if (typeof given !== 'object' || given === null) throw expected('BAD_ARGUMENT', 'an object', 'fields', given);
  for (const key of Object.keys(given)) {
    if (!['id', 'vector', 'payload'].includes(key)) {
      throw new FunnelError('BAD_ARGUMENT', `Expected one of id, vector, payload in fields but received ${key}`);
    }
  }
  const { id = 'id', vector = 'vector', payload = 'rest' } = given;
  for (const [key, value] of Object.entries({ id, vector })) {
    if (typeof value !== 'string') throw expected('BAD_ARGUMENT', 'the name of a field', `fields.${key}`, value);
  }
  const names = isListOf(payload, isString);
  if (payload !== 'rest' && payload !== false && !names) {
    throw expected('BAD_ARGUMENT', "'rest', false or an array of field names", 'fields.payload', payload);
  }
  return { id, vector, payload };
}

/** Objects of lines, gathered as a batch. */
class RowReader {
  ids: Id[] = [];
  vectors: number[] = [];
  payloads: unknown[] = [];
  /** From 1, as editors count. */
  lines: number[] = [];

  constructor(
    readonly dim: number,
    readonly fields: Fields,
    readonly name: string,
  ) {}

  place(line: number, field: string): string {
    return `field ${JSON.stringify(field)} of line ${line} of ${this.name}`;
  }

  read(text: string, line: number, first: boolean): void {
    const row = this.parse(text, line);
    const action = first ? bulkAction(row) : undefined;
    if (action !== undefined) {
      const got = `an action of Elasticsearch's bulk format, "${action}" (${BULK_REMEDY})`;
      throw new FunnelError('BAD_ARGUMENT', `Expected a row for line ${line} of ${this.name} but received ${got}`);
    }
    const { fields, dim } = this;
    const id = valueAt(row, fields.id);
    const where = this.place(line, fields.id);
    if (id === undefined) throw this.absent('BAD_ID', 'a string or an integer', where, row);
    if (typeof id !== 'string' && typeof id !== 'bigint' && !Number.isSafeInteger(id)) {
      throw expected('BAD_ID', 'a string or an integer', where, id);
    }
    const vector = valueAt(row, fields.vector);
    const place = this.place(line, fields.vector);
    if (vector === undefined) throw this.absent('BAD_ARGUMENT', `an array of ${dim} numbers`, place, row);
    if (!Array.isArray(vector)) throw expected('BAD_ARGUMENT', `an array of ${dim} numbers`, place, vector);
    if (vector.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, place, vector);
    for (let i = 0; i < dim; i++) {
      const value = typeof vector[i] === 'bigint' ? Number(vector[i]) : vector[i];
      if (typeof value !== 'number' || !Number.isFinite(Math.fround(value))) {
        throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of ${place}`, value);
      }
    }
    for (const value of vector) this.vectors.push(Number(value));
    this.ids.push(id as Id);
    this.payloads.push(this.payload(row));
    this.lines.push(line);
  }

  clear(): void {
    this.ids = [];
    this.vectors = [];
    this.payloads = [];
    this.lines = [];
  }

  private parse(text: string, line: number): Record<string, unknown> {
    let row: unknown;
    try {
      row = parseJson(text);
    } catch (cause) {
      const why = (cause as Error).message;
      throw new FunnelError('BAD_ARGUMENT', `Expected JSON for line ${line} of ${this.name} but received ${why}`, {
        cause,
      });
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw expected('BAD_ARGUMENT', 'an object', `line ${line} of ${this.name}`, row);
    }
    return row as Record<string, unknown>;
  }

  private absent(
    code: 'BAD_ID' | 'BAD_ARGUMENT',
    what: string,
    where: string,
    row: Record<string, unknown>,
  ): FunnelError {
    return new FunnelError(code, `Expected ${what} for ${where} but received undefined: it has ${namesIn(row)}`);
  }

  private payload(row: Record<string, unknown>): unknown {
    const { id, vector, payload } = this.fields;
    if (payload === false) return undefined;
    if (payload === 'rest') return without(row, [id, vector]);
    const some: Record<string, unknown> = {};
    for (const name of payload) {
      const value = valueAt(row, name);
      if (value !== undefined) putAt(some, row, name, value);
    }
    return some;
  }
}
