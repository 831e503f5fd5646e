/** Rows of Parquet files, through hyparquet. The file is read in slices, of the columns that are asked for. */

import { type FileHandle, open } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import type { FileMetaData } from 'hyparquet';
import { FunnelError } from '../../core/errors.js';
import { load } from '../packages.js';
import { vectorColumnOf } from './column-tree.js';
import { exactRow, inexactColumn } from './exact-rows.js';
import { columnsOf, leavesOf, type ParquetColumn, physical } from './parquet-schema.js';
import { isSafe, type Leaf } from './parquet-values.js';
import {
  badFile,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  unreadable,
  type VectorColumn,
} from './reader.js';

type Hyparquet = typeof import('hyparquet');
type ReadOptions = Parameters<Hyparquet['parquetRead']>[0];
type Compressors = NonNullable<ReadOptions['compressors']>;
type ColumnMetaData = NonNullable<FileMetaData['row_groups'][number]['columns'][number]['meta_data']>;

/** Node.js decompresses these; its Zstandard came with 22.15. */
const { gunzipSync, brotliDecompressSync, zstdDecompressSync } = zlib as typeof zlib & {
  zstdDecompressSync?: (input: Uint8Array) => Uint8Array;
};
const COMPRESSORS: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ...(zstdDecompressSync && { ZSTD: (input) => zstdDecompressSync(input) }),
};
/** hyparquet does these itself. */
const BUILT_IN: ReadonlySet<string> = new Set(['UNCOMPRESSED', 'SNAPPY']);
/** Compressions that hyparquet-compressors adds. */
const ADDED: ReadonlySet<string> = new Set(['ZSTD', 'LZ4', 'LZ4_RAW']);
/** Rows decoded at once, of a row group whose pages can be found one by one. */
const ROWS = 1024;
/**
 * Bytes decoded at once, of other groups: to reach a row of them, all that comes before it in the group is read again, so a
 * group of this size is decoded whole, and a larger one in as few parts as memory allows.
 */
const PART_BYTES = 64 << 20;

export class ParquetReader implements Reader {
  readonly kind = 'parquet';
  readonly total: number;
  readonly columns: readonly string[];
  /** Columns that are read. Undefined: all. */
  only: readonly string[] | undefined;
  /** The metadata that the decoder sees. */
  readonly #physical: FileMetaData;
  #ready: Promise<ParquetColumn[]> | undefined;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly size: number,
    private readonly parquet: Hyparquet,
    private readonly metadata: FileMetaData,
    private readonly trees: readonly ParquetColumn[],
    private readonly compressors: Compressors,
    readonly option: OptionName,
  ) {
    this.total = Number(metadata.num_rows);
    this.columns = trees.map(({ name }) => name);
    this.#physical = physical(metadata);
  }

  /**
   * @throws FunnelError MISSING_PACKAGE, BAD_ARGUMENT, CORRUPT, UNSUPPORTED: encryption, or a compression that nothing here
   *   knows
   */
  static async open(path: string, { option = optionInCode }: ReaderOptions = {}): Promise<ParquetReader> {
    const parquet = await load<Hyparquet>('hyparquet');
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      throw unreadable(path, error);
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw badFile('BAD_ARGUMENT', 'a Parquet file', path, 'a folder or device');
      const { size } = stat;
      const metadata = await metadataOf(parquet, handle, size, path);
      const trees = columnsOf(metadata, path);
      const leaves = metadata.schema.filter(({ type }) => type !== undefined).length;
      for (const { columns } of metadata.row_groups) {
        if (columns.some((chunk) => chunk.meta_data === undefined || chunk.crypto_metadata !== undefined)) {
          throw badFile('UNSUPPORTED', 'a Parquet file without encryption', path, 'one with encrypted columns');
        }
        if (columns.length !== leaves) {
          const what = `${columns.length} columns in a row group of ${leaves}`;
          throw badFile('CORRUPT', 'a whole Parquet file', path, what);
        }
      }
      const compressors = await compressorsFor(metadata, path);
      return new ParquetReader(path, handle, size, parquet, metadata, trees, compressors, option);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  vectorColumn(name: string): VectorColumn | undefined {
    return vectorColumnOf(this.trees, name);
  }

  /** @throws FunnelError UNSUPPORTED, naming a column that has no exact form; CORRUPT, of pages; DISK */
  async *read(from: number): AsyncGenerator<RowChunk> {
    const { total, path } = this;
    const read = await this.#prepared();
    let groupStart = 0;
    for (const group of this.metadata.row_groups) {
      const groupEnd = groupStart + Number(group.num_rows);
      const step = this.#step(group, read);
      for (let first = Math.max(from, groupStart); first < groupEnd; first += step) {
        const end = Math.min(groupEnd, first + step);
        const data = await this.#rows(first, end, read);
        for (let at = 0; at < data.length; at += ROWS) {
          const rows = data.slice(at, at + ROWS).map((raw, i) => {
            const number = first + at + i;
            return exactRow(read, ({ key, convert }) => convert(raw[key]), number, `row ${number} of ${path}`);
          });
          yield { rows, share: (first + at + rows.length) / total };
        }
      }
      groupStart = groupEnd;
    }
  }

  /** The columns that are asked for, with the type of each decided. */
  #prepared(): Promise<ParquetColumn[]> {
    this.#ready ??= this.#prepare();
    return this.#ready;
  }

  async #prepare(): Promise<ParquetColumn[]> {
    const { only, trees } = this;
    const read = trees.filter(({ name }) => only?.includes(name) ?? true);
    for (const column of read) {
      const bad = leavesOf(column).find(({ unsupported }) => unsupported);
      if (bad !== undefined) throw inexactColumn(column.name, column.words, this);
    }
    for (const column of read) {
      for (const leaf of leavesOf(column)) if (leaf.exact !== undefined) leaf.wide = await this.#isWide(column, leaf);
    }
    return read;
  }

  /** Whether a column has integers beyond ±(2^53 − 1). Groups whose statistics do not say are read for it. */
  async #isWide(column: ParquetColumn, { at, words, exact }: Leaf): Promise<boolean> {
    let rowStart = 0;
    for (const [g, group] of this.metadata.row_groups.entries()) {
      const rowEnd = rowStart + Number(group.num_rows);
      if (!statedSafe(group.columns[at]!.meta_data!, words)) {
        const path = this.#physical.row_groups[g]!.columns[at]!.meta_data!.path_in_schema.join();
        let wide = false;
        await this.#decode(rowStart, rowEnd, [column], {
          onPage({ pathInSchema, columnData }) {
            if (pathInSchema.join() === path) wide ||= someWide(columnData, exact!);
          },
        });
        if (wide) return true;
      }
      rowStart = rowEnd;
    }
    return false;
  }

  #step({ columns, num_rows }: FileMetaData['row_groups'][number], read: readonly ParquetColumn[]): number {
    const at = new Set(read.flatMap(leavesOf).map((leaf) => leaf.at));
    const chunks = columns.filter((_, i) => at.has(i));
    if (chunks.every((one) => one.offset_index_offset !== undefined)) return ROWS;
    const bytes = chunks.reduce((sum, one) => sum + Number(one.meta_data?.total_uncompressed_size ?? 0), 0);
    return Math.max(ROWS, Math.ceil(Number(num_rows) / Math.max(1, Math.ceil(bytes / PART_BYTES))));
  }

  async #rows(rowStart: number, rowEnd: number, read: readonly ParquetColumn[]): Promise<Record<string, unknown>[]> {
    let rows: Record<string, unknown>[] = [];
    const onComplete = (all: Record<string, unknown>[]) => {
      rows = all;
    };
    await this.#decode(rowStart, rowEnd, read, { rowFormat: 'object', onComplete });
    return rows;
  }

  async #decode(
    rowStart: number,
    rowEnd: number,
    read: readonly ParquetColumn[],
    how: Pick<ReadOptions, 'onPage'> | { rowFormat: 'object'; onComplete: (rows: Record<string, unknown>[]) => void },
  ): Promise<void> {
    const { path, compressors } = this;
    const file = sliced(this.handle, this.size, path);
    try {
      await this.parquet.parquetRead({
        file,
        metadata: this.#physical,
        rowStart,
        rowEnd,
        columns: read.map(({ key }) => key),
        useOffsetIndex: true,
        utf8: false,
        compressors,
        ...how,
      });
    } catch (cause) {
      if (cause instanceof FunnelError) throw cause;
      const { message } = cause as Error;
      const code = /unsupported|not supported/.test(message) ? 'UNSUPPORTED' : 'CORRUPT';
      const what = code === 'CORRUPT' ? 'readable pages' : 'pages that hyparquet knows (write the file anew)';
      const why = `Expected ${what} for rows ${rowStart} to ${rowEnd - 1} of ${path} but received ${message}`;
      throw new FunnelError(code, why, { cause });
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** @throws FunnelError CORRUPT, UNSUPPORTED */
async function metadataOf(parquet: Hyparquet, handle: FileHandle, size: number, path: string): Promise<FileMetaData> {
  const file = sliced(handle, size, path);
  try {
    if (size < 12) throw new Error(`it has ${size} bytes`);
    const end = Buffer.from(await file.slice(size - 4)).toString('latin1');
    if (end === 'PARE') throw badFile('UNSUPPORTED', 'a Parquet file without encryption', path, 'an encrypted one');
    return await parquet.parquetMetadataAsync(file);
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw badFile('CORRUPT', 'a whole Parquet file', path, (cause as Error).message, cause);
  }
}

/** @throws FunnelError UNSUPPORTED */
async function compressorsFor({ row_groups }: FileMetaData, path: string): Promise<Compressors> {
  const codecs = new Set(row_groups.flatMap(({ columns }) => columns.map((one) => String(one.meta_data?.codec))));
  const unknown = [...codecs].find((codec) => !BUILT_IN.has(codec) && !(codec in COMPRESSORS));
  if (unknown === undefined) return COMPRESSORS;
  let why = 'pyarrow: compression="snappy"';
  if (ADDED.has(unknown)) {
    try {
      const { compressors } = await load<typeof import('hyparquet-compressors')>('hyparquet-compressors');
      return { ...withEmptyPages(compressors), ...COMPRESSORS };
    } catch (error) {
      if (!(error instanceof FunnelError)) throw error;
      why = `npm install hyparquet-compressors, ${unknown === 'ZSTD' ? 'or Node.js 22.15 or newer' : `or ${why}`}`;
    }
  }
  throw badFile('UNSUPPORTED', `a compression that is known here (${why})`, path, unknown);
}

/** The dictionary of a column of nulls has no bytes, which the package’s LZ4 takes for a damaged block. */
function withEmptyPages(compressors: Compressors): Compressors {
  const empty = new Uint8Array(0);
  const entries = Object.entries(compressors).map(([codec, decompress]) => {
    return [codec, (input: Uint8Array, length: number) => (length === 0 ? empty : decompress!(input, length))];
  });
  return Object.fromEntries(entries) as Compressors;
}

/** Whether the statistics say that all integers lie within ±(2^53 − 1). */
function statedSafe({ statistics, num_values }: ColumnMetaData, words: string): boolean {
  if (statistics === undefined) return false;
  const { min, max, min_value, max_value, null_count } = statistics;
  // The older fields compare as signed integers.
  const [low, high] = words === 'uint64' ? [min_value, max_value] : [min_value ?? min, max_value ?? max];
  if (low === undefined || high === undefined) return null_count === num_values;
  return [low, high].every((one) => (typeof one === 'bigint' ? isSafe(one) : Number.isSafeInteger(one)));
}

/** Whether a column's page has integers beyond ±(2^53 − 1), in lists of whatever depth. */
function someWide(values: Iterable<unknown>, exact: (raw: never) => bigint): boolean {
  for (const value of values) {
    if (value === null || value === undefined) continue;
    if (Array.isArray(value) ? someWide(value, exact) : !isSafe(exact(value as never))) return true;
  }
  return false;
}

function sliced(handle: FileHandle, byteLength: number, path: string) {
  return {
    byteLength,
    async slice(start: number, end = byteLength): Promise<ArrayBuffer> {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start));
      for (let done = 0; done < bytes.length; ) {
        let got: number;
        try {
          got = (await handle.read(bytes, done, bytes.length - done, start + done)).bytesRead;
        } catch (error) {
          throw unreadable(path, error);
        }
        if (got === 0) throw badFile('CORRUPT', 'a whole Parquet file', path, 'one that ends early');
        done += got;
      }
      return bytes.buffer;
    },
  };
}
