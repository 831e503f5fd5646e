/** Which reader a file needs. */
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { UsageError } from '../exit.js';
import { CsvReader } from './csv.js';
import { hintByContent, hintByName } from './foreign.js';
import { JsonlReader } from './jsonl.js';
import { NpyReader } from './npy.js';
import { ParquetReader } from './parquet.js';
import { badFile, type Reader, unreadable } from './reader.js';

export const FORMATS = ['jsonl', 'csv', 'tsv', 'parquet', 'npy'] as const;
export type Format = (typeof FORMATS)[number];

const BY_EXTENSION: Record<string, Format> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.parquet': 'parquet',
  '.npy': 'npy',
};

/** @throws UsageError: nobody says what it is */
export function formatOf(path: string, given?: Format): Format {
  const format = given ?? BY_EXTENSION[extname(path).toLowerCase()];
  if (format !== undefined) return format;
  const hint = hintByName(path);
  if (hint !== undefined) throw new UsageError(`Expected JSONL, CSV, Parquet or .npy but received ${path}, ${hint}`);
  const known = Object.keys(BY_EXTENSION).join(', ');
  throw new UsageError(`Expected a file that ends in ${known}, or --format, but received ${path}`);
}

/** @throws FunnelError: there is no such file, it is broken from the start, or its package is missing */
export async function openReader(path: string, format: Format): Promise<Reader> {
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
  if (hint !== undefined) throw badFile('BAD_ARGUMENT', `${format === 'npy' ? '.npy' : format}`, path, hint);
  switch (format) {
    case 'jsonl':
      return new JsonlReader(path);
    case 'csv':
      return CsvReader.open(path, ',');
    case 'tsv':
      return CsvReader.open(path, '\t');
    case 'parquet':
      return ParquetReader.open(path);
    case 'npy':
      return NpyReader.open(path);
  }
}
