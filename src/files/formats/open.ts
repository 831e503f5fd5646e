/** Which reader a file needs. Readers are loaded when a file is opened: the command is to start quickly. */
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { MATRIX_FORMATS, type MatrixFormat } from '../../store/import/matrix-layout.js';
import { hintByContent, hintByName } from './foreign.js';
import { badFile, type OptionName, optionInCode, type Reader, type ReaderOptions, unreadable } from './reader.js';

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
/** A format of files of rows. */
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

/** Whether it can stand between values of CSV. */
export function isDelimiter(text: unknown): text is string {
  if (typeof text !== 'string' || [...text].length !== 1) return false;
  return !'"\r\n'.includes(text) && !/\p{Surrogate}/u.test(text);
}

/** @throws FunnelError BAD_ARGUMENT: an option that none of the files has a use for */
export function checkReading(
  { encoding, delimiter, table }: ReaderOptions,
  formats: readonly (Format | 'txt')[],
  option: OptionName = optionInCode,
): void {
  const refused = (what: string, name: Parameters<OptionName>[0]) =>
    badArgument(`Expected ${what} beside ${option(name)} but received ${formats.join(', ')}`);
  if (encoding !== undefined && !formats.some((format) => format === 'txt' || isTextFormat(format))) {
    throw refused('text files', 'encoding');
  }
  if (delimiter !== undefined && !formats.some((format) => format === 'csv' || format === 'tsv')) {
    throw refused('CSV or TSV files', 'delimiter');
  }
  if (table !== undefined && !formats.includes('sqlite')) throw refused('SQLite databases', 'table');
}

/** Whether it is one matrix, whose rows need no names. */
export function isMatrixFormat(format: Format | 'txt'): format is MatrixFormat {
  return MATRIX_FORMATS.includes(format as MatrixFormat);
}

/** Whether vectors are found where no column is named. */
export function hasVectors(format: Format | 'txt'): boolean {
  return isMatrixFormat(format) || format === 'hdf5';
}

/** @throws FunnelError BAD_ARGUMENT: nobody says what it is */
export function formatOf(path: string, given?: Format, option: OptionName = optionInCode): Format {
  const format = given ?? formatByName(path);
  if (format !== undefined && /\.gz$/i.test(path) && !isTextFormat(format)) {
    throw badArgument(`Expected ${format} files unpacked (gunzip) but received ${path}`);
  }
  if (format !== undefined) return format;
  const hint = hintByName(path);
  if (hint !== undefined)
    throw badArgument(`Expected JSONL, CSV, Parquet, Arrow, HDF5, SQLite or .npy but received ${path}, ${hint}`);
  const known = Object.keys(BY_EXTENSION).join(', ');
  throw badArgument(`Expected a file that ends in ${known}, or ${option('format')}, but received ${path}`);
}

function badArgument(message: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', message);
}

/** @throws FunnelError: there is no such file, it is broken from the start, or its package is missing */
export async function openReader(path: string, format: Format, options: ReaderOptions = {}): Promise<Reader> {
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
  const hint = hintByContent(path, format, options.option ?? optionInCode);
  if (hint !== undefined)
    throw badFile('BAD_ARGUMENT', `${isMatrixFormat(format) ? `.${format}` : format}`, path, hint);
  switch (format) {
    case 'jsonl':
      return new (await import('./jsonl.js')).JsonlReader(path, options);
    case 'json': {
      const { firstCharacter, JsonReader } = await import('./json.js');
      // Many such files are an object a line.
      return (await firstCharacter(path, options)) === '{'
        ? new (await import('./jsonl.js')).JsonlReader(path, options, true)
        : new JsonReader(path, options);
    }
    case 'csv':
      return (await import('./csv.js')).CsvReader.open(path, ',', options);
    case 'tsv':
      return (await import('./csv.js')).CsvReader.open(path, '\t', options);
    case 'parquet':
      return (await import('./parquet.js')).ParquetReader.open(path, options);
    case 'arrow':
      return (await import('./arrow.js')).ArrowReader.open(path, options);
    case 'hdf5':
      return (await import('./hdf5.js')).Hdf5Reader.open(path, options);
    case 'sqlite':
      return (await import('./sqlite.js')).SqliteReader.open(path, options);
    default:
      return (await import('./matrix.js')).MatrixReader.open(path, format, options);
  }
}
