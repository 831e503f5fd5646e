/** Rows of Arrow IPC files (Feather 2) and streams, through apache-arrow: one batch of the file in memory at a time. */

import { type FileHandle, open } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import { FunnelError } from '../../core/errors.js';
import { load } from '../packages.js';
import { type ArrowMessage, type ArrowMessages, bytesAt, messagesOf } from './arrow-messages.js';
import { BATCH } from './arrow-metadata.js';
import {
  type ArrowColumn,
  type ArrowData,
  type ArrowField,
  arrowColumn,
  columnsWithin,
  leavesWith,
} from './arrow-values.js';
import { vectorColumnOf } from './column-tree.js';
import { exactRow, inexactColumn } from './exact-rows.js';
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

/** The package as far as it is used. */
interface Arrow {
  RecordBatchReader: { from(messages: AsyncIterable<Uint8Array> | FileHandle): Promise<BatchReader> };
  Message: { from(schema: unknown): object; encode(message: object): Uint8Array };
  compressionRegistry: { get(type: number): unknown; set(type: number, codec: Codec): void };
}

interface BatchReader extends AsyncIterable<{ numRows: number; data: ArrowData }> {
  open(): Promise<unknown>;
  schema: { fields: readonly ArrowField[] };
  cancel(): Promise<void>;
}

interface Codec {
  decode(bytes: Uint8Array): Uint8Array;
}

/** Rows of a chunk. */
const CHUNK = 256;

export class ArrowReader implements Reader {
  readonly kind = 'arrow';
  readonly total: number;
  readonly columns: readonly string[];
  /** Columns that are read. Undefined: all. */
  only: readonly string[] | undefined;
  /** The column of vectors, whose floats need not become arrays. */
  vector: string | undefined;
  #ready: Promise<Set<ArrowColumn>> | undefined;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly arrow: Arrow,
    private readonly schema: Uint8Array,
    private readonly messages: readonly ArrowMessage[],
    rows: number,
    private readonly trees: readonly ArrowColumn[],
    readonly option: OptionName,
  ) {
    this.total = rows;
    this.columns = trees.map(({ name }) => name);
  }

  /** @throws FunnelError MISSING_PACKAGE, BAD_ARGUMENT, CORRUPT, UNSUPPORTED, DISK */
  static async open(path: string, { option = optionInCode }: ReaderOptions = {}): Promise<ArrowReader> {
    const arrow = await load<Arrow>('apache-arrow');
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      throw unreadable(path, error);
    }
    try {
      const found = await messagesOf(handle, path);
      await loadCodecs(arrow, found, path);
      const { schema, fields } = await fieldsOf(arrow, handle, path, found.schema);
      const twice = fields.find(({ name }, i) => fields.findIndex((one) => one.name === name) !== i);
      if (twice !== undefined) {
        throw badFile('BAD_ARGUMENT', 'different names of columns', path, `${JSON.stringify(twice.name)} twice`);
      }
      return new ArrowReader(path, handle, arrow, schema, found.messages, found.rows, fields.map(arrowColumn), option);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  vectorColumn(name: string): VectorColumn | undefined {
    return vectorColumnOf(this.trees, name);
  }

  /** @throws FunnelError UNSUPPORTED, naming a column that has no exact form; CORRUPT, of batches; DISK */
  async *read(from: number): AsyncGenerator<RowChunk> {
    this.#ready ??= this.#prepare();
    const read = await this.#ready;
    const { path, total, vector } = this;
    for await (const { first, rows: count, children } of this.#batches(from)) {
      const readers = this.#checked(first, () =>
        this.trees.flatMap((column, c) =>
          read.has(column) ? [{ name: column.name, at: column.reader(children[c]!, column.name === vector) }] : [],
        ),
      );
      for (let at = Math.max(0, from - first); at < count; at += CHUNK) {
        const rows = this.#checked(first, () =>
          Array.from({ length: Math.min(CHUNK, count - at) }, (_, i) => {
            const number = first + at + i;
            return exactRow(readers, (column) => column.at(at + i), number, `row ${number} of ${path}`);
          }),
        );
        yield { rows, share: (first + at + rows.length) / total };
      }
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** The columns that are asked for, with the type of each decided. @throws FunnelError UNSUPPORTED, CORRUPT, DISK */
  async #prepare(): Promise<Set<ArrowColumn>> {
    const { only, trees } = this;
    const read = new Set(trees.filter(({ name }) => only?.includes(name) ?? true));
    for (const column of read) {
      const bad = columnsWithin(column).find(({ unsupported }) => unsupported);
      if (bad === undefined) continue;
      throw inexactColumn(column.name, bad.words, this);
    }
    // Integers have no statistics here, so they are looked at once before.
    const integers = trees.filter((column) => read.has(column) && columnsWithin(column).some((one) => one.someWide));
    if (integers.length === 0) return read;
    for await (const { first, children } of this.#batches(0)) {
      this.#checked(first, () => {
        for (const column of integers) {
          for (const [one, data] of leavesWith(column, children[trees.indexOf(column)]!)) {
            if (one.someWide !== undefined && !one.wide) one.wide = one.someWide(data);
          }
        }
      });
    }
    return read;
  }

  /** @throws FunnelError CORRUPT: the values of a batch do not fit together */
  #checked<Value>(first: number, work: () => Value): Value {
    try {
      return work();
    } catch (cause) {
      throw this.#broken(first, cause);
    }
  }

  #broken(first: number, cause: unknown): FunnelError {
    if (cause instanceof FunnelError) return cause;
    const why = `Expected readable values for the batch from row ${first} on of ${this.path} but received ${(cause as Error).message}`;
    return new FunnelError('CORRUPT', why, { cause });
  }

  /** The batches that have rows from `from` on. @throws FunnelError CORRUPT, DISK */
  async *#batches(from: number): AsyncGenerator<{ first: number; rows: number; children: readonly ArrowData[] }> {
    const wanted = this.messages.filter(({ kind, first, rows }) => kind !== BATCH || first + rows > from);
    const batches = wanted.filter(({ kind, rows }) => kind === BATCH && rows > 0);
    if (batches.length === 0) return;
    let at = 0;
    let reader: BatchReader | undefined;
    try {
      reader = await this.arrow.RecordBatchReader.from(bytesOf(this.handle, this.path, this.schema, wanted));
      await reader.open();
      for await (const { numRows, data } of reader) {
        if (numRows === 0) continue;
        const { first, rows } = batches[at++]!;
        if (numRows !== rows) throw new Error(`${numRows} rows where there are ${rows}`);
        for (const child of data.children) {
          if (child.length !== rows) throw new Error(`a column of ${child.length} rows where there are ${rows}`);
        }
        yield { first, rows, children: data.children };
      }
    } catch (cause) {
      throw this.#broken(batches[Math.min(at, batches.length - 1)]!.first, cause);
    } finally {
      await reader?.cancel();
    }
    if (at < batches.length) throw this.#broken(batches[at]!.first, new Error('nothing'));
  }
}

/** The bytes of messages, one piece after the other. */
async function* bytesOf(
  handle: FileHandle,
  path: string,
  schema: Uint8Array,
  messages: readonly ArrowMessage[],
): AsyncGenerator<Uint8Array> {
  yield schema;
  for (const { at, lead, body } of messages) {
    yield await bytesAt(handle, path, at, lead);
    if (body > 0) yield await bytesAt(handle, path, at + lead, body);
  }
}

/** @throws FunnelError CORRUPT, DISK */
async function fieldsOf(
  arrow: Arrow,
  handle: FileHandle,
  path: string,
  given: Uint8Array | undefined,
): Promise<{ schema: Uint8Array; fields: readonly ArrowField[] }> {
  try {
    const schema = given ?? (await schemaOfFooter(arrow, handle));
    const reader = await arrow.RecordBatchReader.from(bytesOf(handle, path, schema, []));
    await reader.open();
    const { fields } = reader.schema;
    await reader.cancel();
    return { schema, fields };
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw badFile('CORRUPT', 'a readable schema', path, (cause as Error).message, cause);
  }
}

/** As a message: the package's own writer puts none in front of the batches of a file. */
async function schemaOfFooter({ RecordBatchReader, Message }: Arrow, handle: FileHandle): Promise<Uint8Array> {
  const reader = await RecordBatchReader.from(handle);
  await reader.open();
  const bytes = Message.encode(Message.from(reader.schema));
  const length = Math.ceil(bytes.length / 8) * 8;
  const message = Buffer.alloc(8 + length);
  message.writeInt32LE(-1, 0);
  message.writeInt32LE(length, 4);
  message.set(bytes, 8);
  return message;
}

const [LZ4, ZSTD] = [0, 1];

/** The package decompresses nothing by itself. @throws FunnelError UNSUPPORTED, which says what to install */
async function loadCodecs({ compressionRegistry }: Arrow, { messages }: ArrowMessages, path: string): Promise<void> {
  for (const type of new Set(messages.map(({ compression }) => compression))) {
    if (type === undefined || compressionRegistry.get(type)) continue;
    if (type !== LZ4 && type !== ZSTD) throw badFile('UNSUPPORTED', 'a known compression', path, `number ${type}`);
    try {
      compressionRegistry.set(type, await (type === LZ4 ? lz4() : zstd()));
    } catch (error) {
      if (!(error instanceof FunnelError)) throw error;
      const name = type === LZ4 ? 'LZ4' : 'ZSTD';
      const remedy =
        type === LZ4
          ? 'npm install lz4-napi, or pyarrow: compression="zstd" or "uncompressed"'
          : 'npm install hyparquet-compressors, or Node.js 22.15 or newer';
      throw badFile('UNSUPPORTED', `a compression that is known here (${remedy})`, path, name);
    }
  }
}

async function lz4(): Promise<Codec> {
  const { decompressFrameSync } = await load<{ decompressFrameSync(bytes: Buffer): Uint8Array }>('lz4-napi');
  return { decode: (bytes) => fresh(decompressFrameSync(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))) };
}

async function zstd(): Promise<Codec> {
  const { zstdDecompressSync } = zlib as typeof zlib & { zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array };
  if (zstdDecompressSync !== undefined) return { decode: (bytes) => fresh(zstdDecompressSync(bytes)) };
  const { decompressZstd } = await load<{ decompressZstd(bytes: Uint8Array): Uint8Array }>('hyparquet-compressors');
  return { decode: (bytes) => fresh(decompressZstd(bytes)) };
}

/** Numbers are read as views, which need to begin at a multiple of their size. */
function fresh(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
}
