/** Rows as lines of JSON, streamed. */
import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { expected, FunnelError } from '../../errors.js';
import { idAs } from '../../ids.js';
import { setOwn } from '../../sources/own.js';
import type { Id } from '../../types.js';
import { isListOf, isString } from '../../validate.js';
import type { FunnelIndex } from '../funnel-index.js';
import { checkImport, type ImportOptions, type ImportResult, Writer } from './batches.js';

export interface JsonlOptions extends ImportOptions {
  fields?: {
    /** @default 'id' */
    id?: string;
    /** @default 'vector' */
    vector?: string;
    /** 'rest': all other fields; or the names of some; false: none. @default 'rest' */
    payload?: 'rest' | readonly string[] | false;
  };
}

export type JsonlInput = string | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** Characters of a line; more are no row. */
const LONGEST = 64 << 20;

/**
 * Writes the objects of a JSONL file, or of chunks of its text from anywhere. Empty lines are passed over. Ids are integers
 * or strings, and of the kind that the index has; larger integers than 2^53 − 1 must be strings, since JSON rounds them.
 *
 * @param input the path of a file, or its text in chunks (strings, or UTF-8), cut anywhere
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
  const { batch, from } = checkImport(index as never, options, 'importJsonl', ['fields']);
  const fields = checkFields(options.fields);
  const name = typeof input === 'string' ? input : 'the input';
  const reader = new RowReader(index.dim, fields, name);
  const writer = new Writer(index, options, name);
  let done = 0;
  const flush = async () => {
    if (reader.ids.length === 0) return;
    const kind = index.idKind ?? (typeof reader.ids[0] as 'string');
    const { vectors, payloads, lines } = reader;
    const ids = reader.ids.map((id, i) => {
      const own = idAs(kind, id);
      if (own !== undefined) return own;
      throw expected('BAD_ID', `a ${kind}, as the other ids are,`, reader.place(lines[i]!, fields.id), id);
    });
    reader.clear();
    await writer.write({ ids, vectors: Float32Array.from(vectors), payloads: payloads as Payload[] }, done);
  };
  for await (const line of linesOf(input, name)) {
    writer.checkSignal();
    if (done++ < from || /^\s*$/.test(line)) continue;
    reader.read(line, done);
    if (reader.ids.length === batch) await flush();
  }
  writer.checkSignal();
  await flush();
  return writer.result;
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

  read(text: string, line: number): void {
    const row = this.parse(text, line);
    const { fields, dim } = this;
    const id = row[fields.id];
    const where = this.place(line, fields.id);
    if (typeof id !== 'string' && !Number.isSafeInteger(id)) {
      throw expected('BAD_ID', 'a string, or an integer within ±(2^53 − 1) (larger ones as strings),', where, id);
    }
    const vector = row[fields.vector];
    const place = this.place(line, fields.vector);
    if (!Array.isArray(vector)) throw expected('BAD_ARGUMENT', `an array of ${dim} numbers`, place, vector);
    if (vector.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, place, vector);
    for (let i = 0; i < dim; i++) {
      const value = vector[i];
      if (typeof value !== 'number' || !Number.isFinite(Math.fround(value))) {
        throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of ${place}`, value);
      }
    }
    for (const value of vector) this.vectors.push(value);
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
      row = JSON.parse(text);
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

  private payload(row: Record<string, unknown>): unknown {
    const { id, vector, payload } = this.fields;
    if (payload === false) return undefined;
    const names = payload === 'rest' ? Object.keys(row).filter((key) => key !== id && key !== vector) : payload;
    const some: Record<string, unknown> = {};
    for (const key of names) if (Object.hasOwn(row, key)) setOwn(some, key, row[key]);
    return some;
  }
}

/** Lines of a text that comes in chunks, without their breaks. */
export async function* linesOf(input: JsonlInput, name: string): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let first = true;
  for await (const chunk of chunksOf(input)) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      throw expected('BAD_ARGUMENT', 'a string or a Buffer', `a chunk of ${name}`, chunk);
    }
    const text = typeof chunk === 'string' ? decoder.end() + chunk : decoder.write(Buffer.from(chunk));
    const lines = (rest + (first ? text.replace(/^\ufeff/, '') : text)).split('\n');
    if (text !== '') first = false;
    rest = lines.pop()!;
    yield* lines;
    if (rest.length > LONGEST) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected lines of at most ${LONGEST} characters in ${name} but received a longer one`,
      );
    }
  }
  rest += decoder.end();
  if (rest !== '') yield rest;
}

async function* chunksOf(input: JsonlInput): AsyncGenerator<string | Uint8Array> {
  if (typeof input !== 'string') {
    const one = input as Partial<AsyncIterable<string>> & Partial<Iterable<string>>;
    if (typeof one?.[Symbol.asyncIterator] !== 'function' && typeof one?.[Symbol.iterator] !== 'function') {
      throw expected('BAD_ARGUMENT', 'the path of a file, or its text in chunks', 'input', input);
    }
    yield* input;
    return;
  }
  try {
    yield* createReadStream(input, { highWaterMark: 1 << 20 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EIO') throw new FunnelError('DISK', `Reading ${input} failed: ${message}`, { cause });
    throw new FunnelError('BAD_ARGUMENT', `Expected a file that can be read for input but received ${message}`, {
      cause,
    });
  }
}
