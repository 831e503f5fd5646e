/** Which reader a file needs. Readers are loaded when a file is opened: the command is to start quickly. */
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { MATRIX_FORMATS, type MatrixFormat } from '../../store/import/matrix-layout.js';
import { UsageError } from '../exit.js';
import { hintByContent, hintByName } from './foreign.js';
import { badFile, type Reader, type TextOptions, unreadable } from './reader.js';

export const FORMATS = [
  'jsonl',
  'json',
  'csv',
  'tsv',
  'parquet',
  'arrow',
  'hdf5',
  'sqlite',
  ...MATRIX_FORMATS,
] as const;
export type Format = (typeof FORMATS)[number];

const BY_EXTENSION: Record<string, Format> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.parquet': 'parquet',
  '.arrow': 'arrow',
  '.arrows': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.h5': 'hdf5',
  '.hdf5': 'hdf5',
  '.hdf': 'hdf5',
  '.sqlite': 'sqlite',
  '.sqlite3': 'sqlite',
  '.db': 'sqlite',
  ...Object.fromEntries(MATRIX_FORMATS.map((format) => [`.${format}`, format])),
};

/** By the name alone; of a .gz file, by what it has packed. */
export function formatByName(path: string): Format | undefined {
  return BY_EXTENSION[extname(path.replace(/\.gz$/i, '')).toLowerCase()];
}

/** Whether a file of queries has one a line. */
export function isText({ path, format }: { path: string; format?: Format | undefined }): boolean {
  return format === undefined && extname(path.replace(/\.gz$/i, '')).toLowerCase() === '.txt';
}

/** Whether it is text, in some encoding. */
export function isTextFormat(format: Format): boolean {
  return ['jsonl', 'json', 'csv', 'tsv'].includes(format);
}

/** Whether it is one matrix, whose rows need no names. */
export function isMatrixFormat(format: Format | 'txt'): format is MatrixFormat {
  return MATRIX_FORMATS.includes(format as MatrixFormat);
}

/** Whether vectors are found where no column is named. */
export function hasVectors(format: Format | 'txt'): boolean {
  return isMatrixFormat(format) || format === 'hdf5';
}

/** @throws UsageError: nobody says what it is */
export function formatOf(path: string, given?: Format): Format {
  const format = given ?? formatByName(path);
  if (format !== undefined && /\.gz$/i.test(path) && !isTextFormat(format)) {
    throw new UsageError(`Expected ${format} files unpacked (gunzip) but received ${path}`);
  }
  if (format !== undefined) return format;
  const hint = hintByName(path);
  if (hint !== undefined)
    throw new UsageError(`Expected JSONL, CSV, Parquet, Arrow, HDF5, SQLite or .npy but received ${path}, ${hint}`);
  const known = Object.keys(BY_EXTENSION).join(', ');
  throw new UsageError(`Expected a file that ends in ${known}, or --format, but received ${path}`);
}

/** @throws FunnelError: there is no such file, it is broken from the start, or its package is missing */
export async function openReader(path: string, format: Format, text: TextOptions = {}): Promise<Reader> {
  let isFile: boolean;
  try {
    isFile = statSync(path).isFile();
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!isFile) {
    const what = `a folder or device (of a folder, name its files: ${path.replace(/[\\/]+$/, '')}/*)`;
    throw badFile('BAD_ARGUMENT', 'a file that can be read', path, what);
  }
  const hint = hintByContent(path, format);
  if (hint !== undefined)
    throw badFile('BAD_ARGUMENT', `${isMatrixFormat(format) ? `.${format}` : format}`, path, hint);
  switch (format) {
    case 'jsonl':
      return new (await import('./jsonl.js')).JsonlReader(path, text);
    case 'json': {
      const { firstCharacter, JsonReader } = await import('./json.js');
      // Many such files are an object a line.
      return (await firstCharacter(path, text)) === '{'
        ? new (await import('./jsonl.js')).JsonlReader(path, text, true)
        : new JsonReader(path, text);
    }
    case 'csv':
      return (await import('./csv.js')).CsvReader.open(path, ',', text);
    case 'tsv':
      return (await import('./csv.js')).CsvReader.open(path, '\t', text);
    case 'parquet':
      return (await import('./parquet.js')).ParquetReader.open(path);
    case 'arrow':
      return (await import('./arrow.js')).ArrowReader.open(path);
    case 'hdf5':
      return (await import('./hdf5.js')).Hdf5Reader.open(path);
    case 'sqlite':
      return (await import('./sqlite.js')).SqliteReader.open(path, text.table);
    default:
      return (await import('./matrix.js')).MatrixReader.open(path, format);
  }
}
