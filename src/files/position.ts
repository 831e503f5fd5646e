/** How far files were read, so that another run goes on from there. */
import { resolve } from 'node:path';
import { FunnelError } from '../core/errors.js';
import { changed, type Fingerprint, hasFirstRows } from './fingerprint.js';
import type { Reader } from './formats/reader.js';

/** How far files were read: plain JSON, to be kept beside what was made of the rows. */
export interface FilePosition extends Fingerprint {
  /** Rows of the files before this one, in the order in which they are read. */
  first: number;
  /** Rows of this file that are done with, broken ones counted. */
  rows: number;
  /** A hash of these, of a text file: a changed file may be gone on with as long as it begins with them. */
  rowsHash?: string;
  /** Dims of the vectors. */
  dim?: number;
  /** The kind of the ids. */
  idKind?: 'number' | 'string';
}

/** The file that a position is in, among those that are read. @throws FunnelError BAD_ARGUMENT: in none, or in another order */
export function fileOf(files: readonly string[], { path, first }: FilePosition): number {
  const at = files.findIndex((file) => resolve(file) === path);
  if (at === 0 && first > 0 && files.length > 1) {
    const what = `the files in the order in which they were read, ${first} rows of others before ${files[0]},`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for path but received it as the first`);
  }
  if (at >= 0) return at;
  const what = `a position in ${files.length === 1 ? files[0] : `one of ${files.length} files`}`;
  const remedy = 'pass a number of rows to pass over, of a file that was moved';
  throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for from but received one in ${path}: ${remedy}`);
}

/** @throws FunnelError BAD_ARGUMENT: it is another file than was read; CORRUPT, DISK */
export async function checkSameFile(position: FilePosition, now: Fingerprint, reader: Reader): Promise<void> {
  const other = changed(position, now);
  if (other === undefined || (await hasFirstRows(position, reader))) return;
  const what = `the same first ${position.rows} rows of ${reader.path} as were read before`;
  throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but ${other}: begin anew, without from`);
}
