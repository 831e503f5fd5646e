/**
 * Rows of HDF5 files, through h5wasm: data sets of two axes are columns of vectors, those of one axis columns of values. The rows
 * are those of the column that has the vectors, and columns of as many.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { loadPart } from '../packages.js';
import { type ColumnTree, vectorColumnOf } from './column-tree.js';
import { isSafe } from './parquet-values.js';
import {
  badFile,
  type FileRow,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  unreadable,
  type VectorColumn,
} from './reader.js';

/** The package as far as it is used. */
interface Hdf5 {
  ready: Promise<unknown>;
  Module: { activate_throwing_error_handler(): number };
  File: new (path: string, mode: 'r') => Hdf5Group & { close(): unknown };
}

interface Hdf5Group {
  type: string;
  path: string;
  /** The path that a soft link has. */
  get_link(path: string): string | null;
  keys(): string[];
  get(name: string): Hdf5Group | Hdf5Data | null;
}

interface Hdf5Data {
  type: string;
  metadata: {
    /** The class of HDF5: 0 integers, 1 floats, 3 text, 8 names of integers. */
    type: number;
    size: number;
    signed: boolean;
    shape: readonly number[] | null;
    chunks: readonly number[] | null;
    enum_type?: { members: Record<string, number> };
  };
  slice(ranges: readonly (readonly number[])[]): Values;
}

type Values = readonly (string | number | bigint)[] & { subarray?: (from: number, to: number) => Values };

interface Column extends ColumnTree {
  data: Hdf5Data;
  rows: number;
  /** Values of a row. */
  width: number;
  /** Whether an integer of it lies beyond ±(2^53 − 1). */
  wide: boolean;
}

/** Bytes that are read at once, about. */
const PART_BYTES = 8 << 20;
/** Rows of a chunk. */
const CHUNK = 256;
/** Groups within groups, at most. */
const DEEPEST = 16;
/** Groups, at most, that lie deeper than so many within one another: those that hold one another have no end. */
const [DEEP, MOST_DEEP] = [4, 256];

export class Hdf5Reader implements Reader {
  readonly kind = 'hdf5';
  readonly columns: readonly string[];
  only: readonly string[] | undefined;
  vector: string | undefined;

  private constructor(
    readonly path: string,
    private readonly file: { close(): unknown },
    private readonly trees: readonly Column[],
    readonly option: OptionName,
  ) {
    this.columns = trees.map(({ name }) => name);
  }

  /** @throws FunnelError MISSING_PACKAGE, BAD_ARGUMENT, CORRUPT */
  static async open(path: string, { option = optionInCode }: ReaderOptions = {}): Promise<Hdf5Reader> {
    const hdf5 = await loadPart<Hdf5>('h5wasm', 'node');
    await hdf5.ready;
    // Else it prints its errors.
    hdf5.Module.activate_throwing_error_handler();
    try {
      statSync(path);
    } catch (error) {
      throw unreadable(path, error);
    }
    return told(path, 'a whole HDF5 file', () => {
      const file = new hdf5.File(resolve(path), 'r');
      return new Hdf5Reader(path, file, [...columnsOf(path, file)], option);
    });
  }

  /** The data set that has vectors where nobody says which, as ann-benchmarks and VIBE name it. */
  usualVector(role: 'rows' | 'queries'): string | undefined {
    const name = role === 'rows' ? 'train' : 'test';
    return this.columns.includes(name) ? name : undefined;
  }

  vectorColumn(name: string): VectorColumn | undefined {
    return vectorColumnOf(this.trees, name);
  }

  get total(): number {
    return this.#main().rows;
  }

  /** @throws FunnelError BAD_ARGUMENT: a column of another number of rows; UNSUPPORTED: of a type that is not read; CORRUPT */
  async *read(from: number): AsyncGenerator<RowChunk> {
    const { path } = this;
    const main = this.#main();
    const read = this.#read(main);
    for (const column of read) column.wide = told(path, 'readable values', () => isWide(column));
    const step = stepOf(main);
    for (let first = from; first < main.rows; ) {
      // Compressed chunks are read whole, so none is read twice.
      const end = Math.min(main.rows, (Math.floor(first / step) + 1) * step);
      const parts = told(path, `readable rows ${first} to ${end - 1}`, () =>
        read.map((column) => ({ column, values: column.data.slice(rangeOf(column, first, end)) })),
      );
      for (let at = first; at < end; at += CHUNK) {
        const rows = Array.from({ length: Math.min(CHUNK, end - at) }, (_, i): FileRow => {
          const number = at + i;
          const values: Record<string, unknown> = {};
          for (const { column, values: all } of parts)
            setOwn(values, column.name, valueIn(column, all, number - first));
          return { number, at: `row ${number} of ${path}`, values };
        });
        yield { rows, share: (at + rows.length) / main.rows };
      }
      first = end;
    }
  }

  /** A data set as rows of integers, for neighbours. @throws FunnelError BAD_ARGUMENT, CORRUPT */
  integers(name: string): { rows: number; columns: number; read(row: number, count: number): number[] } {
    const { path } = this;
    const column = this.trees.find((one) => one.name === name);
    const is = column && (column.kind === 'list' ? column.words : `values of ${column.words}`);
    if (column === undefined || !/^list of u?int\d+$/.test(is!)) {
      const got = column === undefined ? `data sets ${this.columns.map((one) => JSON.stringify(one)).join(', ')}` : is!;
      throw badFile('BAD_ARGUMENT', `a data set ${JSON.stringify(name)} of lists of integers`, path, got);
    }
    const { rows, width, data } = column;
    const read = (row: number, count: number) =>
      told(path, `readable rows of ${name}`, () =>
        Array.from(
          data.slice([
            [row, row + 1],
            [0, count],
          ]),
          Number,
        ),
      );
    return { rows, columns: width, read };
  }

  async close(): Promise<void> {
    try {
      this.file.close();
    } catch {
      // A damaged file was told of already.
    }
  }

  /** @throws FunnelError BAD_ARGUMENT */
  #main(): Column {
    const column = this.trees.find(({ name }) => name === this.vector);
    if (column !== undefined) return column;
    const has = this.columns.map((name) => JSON.stringify(name)).join(', ');
    const what = `${this.option('vector')} with the data set of vectors (usually "train") for ${this.path}`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${what}, which has ${has || 'none of one or two axes'}`);
  }

  /** Columns that are named, or all of values beside the vectors. */
  #read(main: Column): Column[] {
    const { trees, only, path } = this;
    const beside = (one: Column) => one.kind === 'leaf' && one.rows === main.rows && !unread(one);
    const read = trees.filter((one) => (only === undefined ? one === main || beside(one) : only.includes(one.name)));
    for (const column of read) {
      const where = `${JSON.stringify(column.name)} in ${path}`;
      if (unread(column)) {
        const what = 'float32, float64, integers or text (h5py: .astype("f4"))';
        throw new FunnelError('UNSUPPORTED', `Expected ${what} for ${where} but received ${column.words}`);
      }
      if (column.rows === main.rows) continue;
      const what = `as many rows as ${JSON.stringify(main.name)} has, ${main.rows},`;
      throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${where} but received ${column.rows}`);
    }
    return read;
  }
}

/** @throws FunnelError UNSUPPORTED: there are too many */
function columnsOf(path: string, file: Hdf5Group): Generator<Column> {
  let seen = 0;
  const entered = (depth: number) => {
    if (depth <= DEEP || ++seen <= MOST_DEEP) return;
    const what = `at most ${MOST_DEEP} groups that lie more than ${DEEP} deep`;
    throw badFile('UNSUPPORTED', what, path, 'more, or groups that are linked within themselves');
  };
  return columnsIn(file, '', 0, entered);
}

function* columnsIn(
  group: Hdf5Group,
  prefix: string,
  depth: number,
  entered: (depth: number) => void,
): Generator<Column> {
  entered(depth);
  for (const key of group.keys()) {
    const one = group.get(key);
    const name = `${prefix}${key}`;
    if (one?.type === 'Group') {
      // The target of a soft link has a path of its own, and may be a group around it.
      const linked = group.get_link(`${group.path.replace(/\/$/, '')}/${key}`) !== null;
      if (!linked && depth < DEEPEST) yield* columnsIn(one as Hdf5Group, `${name}/`, depth + 1, entered);
    }
    if (one?.type !== 'Dataset') continue;
    const data = one as Hdf5Data;
    const { shape } = data.metadata;
    if (shape === null || shape.length < 1 || shape.length > 2) continue;
    const words = wordsOf(data.metadata);
    const [rows, width = 1] = shape as [number, number?];
    const leaf = { name, kind: 'leaf' as const, words, data, rows, width, wide: false };
    yield shape.length === 1 ? leaf : { ...leaf, kind: 'list', words: `list of ${words}`, size: width, element: leaf };
  }
}

function wordsOf({ type, size, signed, enum_type }: Hdf5Data['metadata']): string {
  if (type === 0) return `${signed ? '' : 'u'}int${8 * size}`;
  if (type === 1) return { 2: 'half float', 4: 'float', 8: 'double' }[size] ?? `float of ${size} bytes`;
  if (type === 3) return 'string';
  if (
    type === 8 &&
    Object.keys(enum_type?.members ?? {})
      .sort()
      .join() === 'FALSE,TRUE'
  )
    return 'boolean';
  return CLASSES[type] ?? `values of class ${type}`;
}

/** By the numbers that HDF5 has for what is not read. */
const CLASSES: Readonly<Record<number, string>> = {
  ...{ 2: 'times', 4: 'bit fields', 5: 'opaque bytes', 6: 'compound values', 7: 'references', 8: 'enumerated values' },
  ...{ 9: 'lists of their own length', 10: 'arrays', 11: 'complex numbers' },
};

function unread({ words }: Column): boolean {
  return !/^(list of )?(u?int\d+|float|double|string|boolean)$/.test(words);
}

/** Rows that are read at once: whole chunks of the file. */
function stepOf({ width, data: { metadata } }: Column): number {
  const rows = Math.max(1, Math.floor(PART_BYTES / (metadata.size * width)));
  const chunk = metadata.chunks?.[0] ?? 1;
  return Math.max(chunk, Math.floor(rows / chunk) * chunk);
}

function rangeOf({ kind, width }: Column, first: number, end: number): number[][] {
  return kind === 'list'
    ? [
        [first, end],
        [0, width],
      ]
    : [[first, end]];
}

function isWide(column: Column): boolean {
  if (!/int64$/.test(column.words) || column.rows === 0) return false;
  const step = stepOf(column);
  for (let first = 0; first < column.rows; first += step) {
    const values = column.data.slice(rangeOf(column, first, Math.min(column.rows, first + step)));
    for (const value of values) if (!isSafe(value as bigint)) return true;
  }
  return false;
}

function valueIn(column: Column, values: Values, row: number): unknown {
  const { kind, width, words, wide } = column;
  const one = (value: unknown) => {
    if (words.endsWith('boolean')) return value !== 0;
    return typeof value === 'bigint' && !wide ? Number(value) : value;
  };
  if (kind === 'leaf') return one(values[row]);
  const part = values.subarray?.(row * width, (row + 1) * width) ?? values.slice(row * width, (row + 1) * width);
  const floats = part instanceof Float32Array || part instanceof Float64Array || part instanceof Uint8Array;
  return floats ? part : Array.from(part as ArrayLike<unknown>, one);
}

/** @throws FunnelError CORRUPT, with what the package said; UNSUPPORTED: a filter that it does not have */
function told<Value>(path: string, what: string, work: () => Value): Value {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    const message = String((cause as Error | undefined)?.message ?? cause);
    // Its stack of errors ends with the one that says why.
    const deepest = [...message.matchAll(/#\d+: .*\(\): (.*)/g)].at(-1)?.[1];
    // It looks for a filter that it does not have where plugins would lie.
    if (/\bplugin\b|filter .*not (registered|available)/i.test(message)) {
      const known = 'compression that h5wasm knows, gzip (h5repack -f GZIP=4 writes the file anew)';
      throw badFile('UNSUPPORTED', known, path, 'another, of a plugin', cause);
    }
    throw badFile('CORRUPT', what, path, deepest ?? message.split('\n')[0]!, cause);
  }
}
