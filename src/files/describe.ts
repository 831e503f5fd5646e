/** describeFile: what is in a file, before any row of it is taken. */

import { type Format, openReader } from './formats/open.js';
import { badFile, type Reader, type VectorColumn } from './formats/reader.js';
import { checkedFiles, checkFileOptions, type FileOptions, formatsOf } from './options.js';

/** A column of a file. */
export interface ColumnDescription {
  /** As options name it. */
  name: string;
  /** Its type, for people: "list of float", "string". Of JSON that of the first row's value; undefined where nobody can tell. */
  type?: string;
  /**
   * The form of vectors that it may have: `numbers`; `text` (their JSON); `bytes`, `uint8`, `uint16`, `uint`, `booleans`, which
   * need `vectorType`. Undefined: it has none, or the file does not say.
   */
  vectors?: 'numbers' | 'text' | 'bytes' | 'uint8' | 'uint16' | 'uint' | 'booleans';
  /** Dims of its vectors, where the file says so. */
  dim?: number;
}

/** The result of describeFile(). */
export interface FileDescription {
  /** As the name ends, or as `format` says. */
  format: Format;
  /** The files that are read, in their order; of a folder those that it names. */
  files: string[];
  /** Rows of all files, where they say how many. */
  rows?: number;
  /** Columns of the first file: as it declares them, or those of its first row. */
  columns: ColumnDescription[];
  /** The column of vectors that is read where nobody names one. */
  vector?: string;
}

/**
 * Tells what is in a file, or in a folder of Hugging Face's `datasets`: format, rows, columns and their types.
 *
 * @throws FunnelError BAD_ARGUMENT, UNSUPPORTED, CORRUPT, MISSING_PACKAGE, DISK
 * @example
 * const { rows, columns } = await describeFile('films.parquet');
 */
export async function describeFile(path: string, options: FileOptions = {}): Promise<FileDescription> {
  checkFileOptions(options, 'the options of describeFile()');
  const files = checkedFiles(path);
  const formats = formatsOf(files, options);
  let described: FileDescription | undefined;
  let rows: number | undefined = 0;
  for (const [i, file] of files.entries()) {
    const format = formats[i]!;
    const reader = await openReader(file, format, options);
    try {
      const vector = reader.usualVector?.('rows');
      reader.vector = vector;
      const total = reader.kind === 'hdf5' && vector === undefined ? undefined : reader.total;
      rows = rows === undefined || total === undefined ? undefined : rows + total;
      described ??= { format, files, columns: await columnsOf(reader), ...(vector !== undefined && { vector }) };
    } finally {
      await reader.close();
    }
  }
  return { ...described!, ...(rows !== undefined && { rows }) };
}

async function columnsOf(reader: Reader): Promise<ColumnDescription[]> {
  const { columns, unlisted, kind } = reader;
  if (columns === undefined) return columnsOfRow(reader);
  if (kind === 'csv') return columns.map((name) => ({ name, type: 'string' }));
  return columns.filter((name) => name !== unlisted).map((name) => ({ name, ...typeOf(reader.vectorColumn?.(name)) }));
}

function typeOf(column: VectorColumn | undefined): Omit<ColumnDescription, 'name'> {
  if (column === undefined) return {};
  const { kind, words, dim } = column;
  const type = words.replace(/^a column of /, '');
  const vectors = kind === 'lists' || kind === 'struct' || kind === 'other' ? undefined : kind;
  return { type, ...(vectors && { vectors }), ...(dim !== undefined && { dim }) };
}

/** Files of JSON declare nothing. */
async function columnsOfRow(reader: Reader): Promise<ColumnDescription[]> {
  for await (const { rows } of reader.read(0)) {
    for (const { values } of rows) {
      if (values === undefined) continue;
      return Object.entries(values).map(([name, value]) => ({ name, type: typeOfJson(value) }));
    }
  }
  throw badFile('BAD_ARGUMENT', 'a row that can be read', reader.path, 'none');
}

function typeOfJson(value: unknown): string {
  if (value === null) return 'null';
  if (!Array.isArray(value)) return typeof value;
  return value.every((one) => typeof one === 'number' || typeof one === 'bigint') ? 'list of numbers' : 'list';
}
