/** Reads the options of a search: vectors, filters, plans. */
import { readFileSync } from 'node:fs';
import { expected, FunnelError } from '../core/errors.js';
import { unreadable } from '../files/formats/reader.js';
import { type VectorType, vectorOfBytes } from '../files/vector-type.js';
import type { Filter } from '../query/filter/types.js';
import { wholeText } from '../store/import/encoding.js';
import { parseJson } from '../store/import/json.js';
import { UsageError } from './exit.js';
import { optionOfCommand } from './files.js';

/** JSON itself, or the path of a file with it. @throws UsageError; FunnelError BAD_ARGUMENT, DISK: a file that cannot be read */
export function jsonOrFile(text: string, option: string): unknown {
  const isJson = /^\s*[[{]/.test(text);
  let json = text;
  if (!isJson) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(text, error);
      const list = /^[-+.\de,\s]+$/i.test(text) ? `. A list of numbers is written [${text}]` : '';
      const message = `Expected JSON, or a file of it, for ${option} but received ${text}: no such file${list}`;
      throw new FunnelError('BAD_ARGUMENT', message, { cause: error });
    }
    json = wholeText(bytes, { name: text });
  }
  try {
    return parseJson(json);
  } catch (error) {
    throw new UsageError(`Expected JSON, or a file of it, for ${option} but received ${(error as Error).message}`);
  }
}

/** An array of numbers; with a type, of bytes. @throws UsageError; FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE */
export function vectorFrom(text: string, dim: number, type?: VectorType): Float32Array {
  const value = jsonOrFile(text, '--vector');
  if (!Array.isArray(value)) throw new UsageError('Expected an array of numbers for --vector');
  if (type !== undefined && type !== 'numbers') {
    const vector = vectorOfBytes(value, { type, bits: 8, option: optionOfCommand }, '--vector');
    if (vector.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, '--vector', vector);
    return vector;
  }
  if (value.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, '--vector', value);
  return Float32Array.from(value, (one, i) => {
    const number = typeof one === 'bigint' ? Number(one) : one;
    if (typeof number === 'number' && Number.isFinite(Math.fround(number))) return number;
    throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of --vector`, one);
  });
}

/** @throws UsageError */
export function filterFrom(text: string): Filter {
  const value = jsonOrFile(text, '--filter');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('Expected an object such as {"must":{"key":"year","match":{"value":1979}}} for --filter');
  }
  return value as Filter;
}

/** @throws FunnelError BAD_ARGUMENT: no text */
export function queryText(words: readonly string[]): string | undefined {
  if (words.length === 0) return undefined;
  const text = words.join(' ').trim();
  if (text !== '') return text;
  throw new FunnelError('BAD_ARGUMENT', 'Expected a query with text but received an empty one');
}
