/** The contract of what reads rows from files. */
import { FunnelError, type FunnelErrorCode } from '../../core/errors.js';

/** Names an option as the caller knows it, alone or with a value, for errors. */
export type OptionName = (
  option:
    | ('text' | 'vector' | 'vectorType' | 'id' | 'idType' | 'payload' | 'numbers' | 'strings')
    | ('format' | 'encoding' | 'delimiter' | 'table'),
  value?: string,
) => string;

/** As functions of this library take it. */
export const optionInCode: OptionName = (option, value) => (value === undefined ? option : `${option}: '${value}'`);

/** How a file is to be read: of text but for the last. */
export interface TextOptions {
  /** As encodingOf() names it. @default UTF-8, or UTF-16 where the first bytes mark it */
  encoding?: string | undefined;
  /** Between the values of CSV and TSV. @default a comma, or a tab */
  delimiter?: string | undefined;
  /** The table of a database. @default the only one */
  table?: string | undefined;
}

export interface ReaderOptions extends TextOptions {
  /** @default optionInCode */
  option?: OptionName | undefined;
}

/** One file of rows. */
export interface Reader {
  /** As it was given. */
  readonly path: string;
  readonly kind: 'jsonl' | 'json' | 'csv' | 'parquet' | 'arrow' | 'hdf5' | 'sqlite' | 'matrix';
  readonly option: OptionName;
  /** Rows, where the file says how many. */
  readonly total?: number;
  /** Names of columns, where the file declares them. */
  readonly columns?: readonly string[];
  /** The column that is read only where it is named: the rowid of a table. */
  readonly unlisted?: string | undefined;
  /** Columns that are read, where the file can leave others out. Undefined: all. */
  only?: readonly string[] | undefined;
  /** The column of vectors, where the file has a shorter way to these. */
  vector?: string | undefined;
  /** The column of vectors where nobody names one; undefined: none is usual. */
  usualVector?(role: 'rows' | 'queries'): string | undefined;
  /** The form of a column's vectors, where the file says so; undefined: it does not say, or has no such column. */
  vectorColumn?(name: string): VectorColumn | undefined;
  /**
   * Rows in the order of the file, from row number `from` on (the first is 0), in chunks. Rows before it are passed
   * over without being parsed, as far as the format lets it.
   *
   * @param onPassed takes the source of each row that was passed over, of a text file
   * @throws FunnelError BAD_ARGUMENT or CORRUPT, naming file and place, for what makes all that follows unreadable;
   * DISK
   */
  read(from: number, onPassed?: (source: RowSource) => void): AsyncIterable<RowChunk>;
  close(): Promise<void>;
}

/** As far as it matters for vectors: `uint`: longer unsigned integers; `text`: their JSON; `lists`: several vectors. */
export interface VectorColumn {
  kind: 'numbers' | 'uint8' | 'uint16' | 'uint' | 'booleans' | 'bytes' | 'text' | 'lists' | 'struct' | 'other';
  /** For people: "a list of uint8". */
  words: string;
  /** The type of its bytes, where the file says it. */
  type?: 'float32';
  /** Dims of each vector, where the file says it. */
  dim?: number;
}

/** A row as a text file has it. */
export type RowSource = string | Uint8Array;

export interface RowChunk {
  rows: FileRow[];
  /** The share of the file that was read, 0 to 1. */
  share: number;
}

export interface FileRow {
  /** From 0, broken ones counted. */
  number: number;
  /** For people: "line 7 of films.jsonl". */
  at: string;
  /** The row as it stands in a text file, so that a changed file can be told by its rows. */
  source?: RowSource;
  /** By column; undefined of a broken row. */
  values?: Record<string, unknown>;
  /** Why the row cannot be read, where others can. */
  broken?: FunnelError;
}

export function badFile(code: FunnelErrorCode, what: string, path: string, got: string, cause?: unknown): FunnelError {
  return new FunnelError(code, `Expected ${what} for ${path} but received ${got}`, { cause });
}

/** The error for a file that cannot be read, with the system's reason. */
export function unreadable(path: string, cause: unknown): FunnelError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EIO') return new FunnelError('DISK', `Reading ${path} failed: ${message}`, { cause });
  const what = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'a folder' : message;
  return badFile('BAD_ARGUMENT', 'a file that can be read', path, what, cause);
}
