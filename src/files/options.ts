/** Options of what reads files of rows. */

import { isSignal } from '../core/call.js';
import { expected, FunnelError } from '../core/errors.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { encodingOf } from '../store/import/encoding.js';
import { filesIn } from './formats/folders.js';
import { checkReading, FORMATS, type Format, formatOf, isDelimiter } from './formats/open.js';
import { optionInCode, type TextOptions } from './formats/reader.js';
import { checkMapping, type Mapping } from './mapping.js';
import type { FilePosition } from './position.js';
import { VECTOR_TYPES, type VectorType } from './vector-type.js';

/** How a file is read, where its name and its bytes do not say it. */
export interface FileOptions extends TextOptions {
  /** @default as the file's name ends */
  format?: Format;
}

/** Which column of a row is what, and which rows are read. Columns may lie in objects: `'_source.title'`. */
export interface ReadOptions extends FileOptions {
  /** The column of ids. @default none: rows have the number of their place in the input, from 0 */
  id?: string;
  /** The kind of ids: 'string' keeps the digits of integers beyond 2^53. @default as the first row has it */
  idType?: 'number' | 'string';
  /** The columns that are kept beside each vector, or 'rest': all but id and vector. @default 'rest' */
  payload?: 'rest' | readonly string[];
  /** Columns of text files that have numbers. @default none: values of CSV are text */
  numbers?: readonly string[];
  /** Columns whose numbers are kept as text, digit by digit. */
  strings?: readonly string[];
  /** Rows of a batch. @default 2048 */
  batch?: number;
  /**
   * Where to go on: the position of the last batch that was done with, whose file has to be the same, or to begin with the same
   * rows where it is text; or a number of rows of a single file to pass over.
   *
   * @default at the beginning
   */
  from?: FilePosition | number;
  /** Passes over rows that cannot be read, and tells of them, in place of an error for the first. @default false */
  skipBroken?: boolean;
  /** Ends the reading when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** Rows that have vectors. */
export interface VectorRowOptions extends ReadOptions {
  /** The column of vectors. @default the only one of a matrix (.npy, .fvecs, .fbin, …), 'train' of HDF5 */
  vector?: string;
  /** The form of its bytes or unsigned integers, where the file does not say it. */
  vectorType?: VectorType;
  /** Dims of each vector; rows of others are broken. @default those of the first row */
  dim?: number;
  /** Not beside a column of vectors. */
  text?: undefined;
}

/** Rows that have texts. */
export interface TextRowOptions extends ReadOptions {
  /** The columns of the text: their values trimmed, joined by a line break. */
  text: string | readonly string[];
  /** Not beside a text. */
  vector?: undefined;
}

export interface CheckedRead {
  files: readonly string[];
  /** One for each file. */
  formats: readonly Format[];
  reading: TextOptions;
  mapping: Mapping;
  idType: 'number' | 'string' | undefined;
  dim: number | undefined;
  /** Says whose dims these are, behind them in a message. */
  dimClause?: string;
  batch: number;
  from: FilePosition | number;
  skipBroken: boolean;
  signal: AbortSignal | undefined;
}

const FILE_KEYS = ['format', 'encoding', 'delimiter', 'table'] as const;
const READ_KEYS = [
  ...FILE_KEYS,
  ...(['id', 'idType', 'payload', 'numbers', 'strings', 'batch', 'from', 'skipBroken', 'signal'] as const),
  ...(['vector', 'vectorType', 'dim', 'text'] as const),
];

/** @throws FunnelError BAD_ARGUMENT */
export function checkFileOptions(options: FileOptions, where: string, keys: readonly string[] = FILE_KEYS): void {
  checkKeys(options, keys, where);
  checkOneOf(options.format, FORMATS, 'format');
  const { encoding, delimiter, table } = options;
  if (encoding !== undefined) encodingOf(encoding, 'encoding');
  if (delimiter !== undefined && !isDelimiter(delimiter)) {
    throw expected('BAD_ARGUMENT', 'one character, no quote and no line break,', 'delimiter', delimiter);
  }
  checkText(table, 'table');
}

/** The format of each file. @throws FunnelError BAD_ARGUMENT: nobody says it, or an option that none has a use for */
export function formatsOf(files: readonly string[], options: FileOptions): Format[] {
  const formats = files.map((file) => formatOf(file, options.format));
  checkReading(options, formats);
  return formats;
}

/**
 * @param more keys that the caller knows beside
 * @throws FunnelError BAD_ARGUMENT; as filesIn()
 */
export function checkedRead(
  path: string | readonly string[],
  options: VectorRowOptions | TextRowOptions,
  where: string,
  more: readonly string[] = [],
): CheckedRead {
  checkFileOptions(options, where, [...READ_KEYS, ...more]);
  const { id, idType, payload = 'rest', numbers = [], strings, batch = 2048, from = 0, skipBroken = false } = options;
  const { vector, text, encoding, delimiter, table, signal } = options;
  const { vectorType, dim } = options as VectorRowOptions;
  for (const [name, value] of [...Object.entries({ id, vector })]) checkText(value, name);
  checkOneOf(idType, ['number', 'string'], 'idType');
  checkOneOf(vectorType, VECTOR_TYPES, 'vectorType');
  const texts = typeof text === 'string' ? [text] : text;
  if (texts !== undefined && dim !== undefined) throw expected('BAD_ARGUMENT', 'vector beside it', 'dim', dim);
  if (texts !== undefined) checkNames(texts, 'text');
  if (texts?.length === 0) throw expected('BAD_ARGUMENT', 'at least one column', 'text', texts);
  if (payload !== 'rest') checkNames(payload, 'payload');
  checkNames(numbers, 'numbers');
  if (strings !== undefined) checkNames(strings, 'strings');
  checkInteger(batch, 1, 1 << 20, 'batch');
  if (dim !== undefined) checkInteger(dim, 1, 1 << 16, 'dim');
  if (typeof skipBroken !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', 'skipBroken', skipBroken);
  if (signal !== undefined && !isSignal(signal)) throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  const mapping: Mapping = {
    ...(texts && { text: [...texts] }),
    ...(vector !== undefined && { vector }),
    ...(vectorType && { vectorType }),
    ...(id !== undefined && { id }),
    payload: payload === 'rest' ? payload : [...payload],
    numbers: [...numbers],
    ...(strings && { strings: [...strings] }),
  };
  checkMapping(mapping, idType, optionInCode);
  const files = checkedFiles(path);
  const formats = formatsOf(files, options);
  checkFrom(from, files);
  const reading = { encoding, delimiter, table };
  return { files, formats, reading, mapping, idType, dim, batch, from, skipBroken, signal };
}

/** @throws FunnelError BAD_ARGUMENT; as filesIn() */
export function checkedFiles(path: string | readonly string[]): string[] {
  const paths = typeof path === 'string' ? [path] : path;
  const are = Array.isArray(paths) && paths.length > 0 && paths.every((one) => typeof one === 'string' && one !== '');
  if (!are) throw expected('BAD_ARGUMENT', 'the path of a file, or an array of them,', 'path', path);
  const files = filesIn(paths);
  const twice = files.find((file, i) => files.indexOf(file) !== i);
  if (twice === undefined) return files;
  throw new FunnelError('BAD_ARGUMENT', `Expected each file once for path but received ${twice} twice`);
}

function checkFrom(from: FilePosition | number, files: readonly string[]): void {
  if (typeof from === 'number') {
    checkInteger(from, 0, Number.MAX_SAFE_INTEGER, 'from');
    if (from === 0 || files.length === 1) return;
    throw expected('BAD_ARGUMENT', `the position of a batch, of ${files.length} files,`, 'from', from);
  }
  const { path, first, rows, bytes, modified, beginning } = (from ?? {}) as Partial<FilePosition>;
  const counts = [first, rows, bytes].every((count) => Number.isSafeInteger(count) && count! >= 0);
  if (!counts || typeof path !== 'string' || typeof modified !== 'number' || typeof beginning !== 'string') {
    throw expected('BAD_ARGUMENT', 'the position of a batch, or a number of rows,', 'from', from);
  }
}

function checkOneOf(value: unknown, allowed: readonly string[], name: string): void {
  if (value === undefined || allowed.includes(value as string)) return;
  throw expected('BAD_ARGUMENT', `one of ${allowed.join(', ')}`, name, value);
}

function checkText(value: unknown, name: string): void {
  if (value === undefined || (typeof value === 'string' && value !== '')) return;
  throw expected('BAD_ARGUMENT', 'a text', name, value);
}

function checkNames(value: unknown, name: string): void {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '')) return;
  throw expected('BAD_ARGUMENT', 'an array of names of columns', name, value);
}
