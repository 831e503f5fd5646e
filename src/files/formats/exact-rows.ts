/** Rows of files whose columns have types: each value in its exact form, or the reason why it has none. */
import { FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { Unfit } from './parquet-values.js';
import type { FileRow, Reader } from './reader.js';

/**
 * @param read gives a column's value; it throws Unfit for a value that cannot be said exactly, which breaks the row
 * @param at where the row stands, for people
 */
export function exactRow<Column extends { name: string }>(
  columns: readonly Column[],
  read: (column: Column) => unknown,
  number: number,
  at: string,
): FileRow {
  const values: Record<string, unknown> = {};
  for (const column of columns) {
    try {
      setOwn(values, column.name, read(column));
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      const where = `${JSON.stringify([column.name, ...error.path].join('.'))} in ${at}`;
      const why = `Expected ${error.what} for ${where} but received ${error.got}`;
      return { number, at, broken: new FunnelError('BAD_ARGUMENT', why, { cause: error }) };
    }
  }
  return { number, at, values };
}

/** @param words the type, for people */
export function inexactColumn(name: string, words: string, { path, option }: Reader): FunnelError {
  const choice = `cast it, to string for example, or choose others with ${option('payload')}`;
  const what = `a column whose values have an exact form (${choice})`;
  return new FunnelError(
    'UNSUPPORTED',
    `Expected ${what} for ${JSON.stringify(name)} in ${path} but received ${words}`,
  );
}
