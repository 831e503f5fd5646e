/** readRows: the rows of files, checked and packed, batch by batch. */
import { FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import type { PointBatch } from '../store/types.js';
import { checkRowDims, type MappedBatch, mappedBatches, packed, type Skipped } from './batches.js';
import { fingerprintOf } from './fingerprint.js';
import { openReader } from './formats/open.js';
import type { Reader } from './formats/reader.js';
import { Mapper, type Mapping, prepareReader } from './mapping.js';
import { type CheckedRead, checkedRead, type TextRowOptions, type VectorRowOptions } from './options.js';
import { checkSameFile, type FilePosition, fileOf } from './position.js';

/** Rows that have texts in place of vectors. */
export interface TextBatch {
  /** One for each row. */
  ids: Id[];
  /** One for each row, never empty. */
  texts: string[];
  /** One for each row. */
  payloads: Record<string, unknown>[];
}

/** Some rows of a file, in its order. */
export interface FileBatch<Rows = PointBatch<Record<string, unknown>>> {
  /** With vectors as `index.upsert()` takes them; with texts as an embedder does. */
  rows: Rows;
  /** Broken rows among them, which were passed over. */
  skipped: Skipped[];
  /** How far the files are read with this batch: `from` of another run. */
  position: FilePosition;
  /** The share of the file that is read, 0 to 1. */
  share: number;
}

/**
 * Reads rows of files: JSONL, JSON, CSV, Parquet, Arrow (files and streams), HDF5, SQLite, matrices (.npy, .fvecs, .bvecs, .fbin,
 * .u8bin, .i8bin), text formats packed by gzip, and folders that Hugging Face's `datasets` saved. Each is read in parts, of the
 * columns that are asked for, and no faster than its rows are taken. Columns are checked in all files before the first row.
 *
 * @param path a file, or several, whose rows follow each other
 * @throws FunnelError BAD_ARGUMENT (no such file or column, options that make no sense: at once; a broken row, by its place),
 *   BAD_ID, BAD_DIMS, NOT_FINITE, UNSUPPORTED, CORRUPT, MISSING_PACKAGE, DISK, ABORTED
 * @example
 * for await (const { rows, position } of readRows('films.parquet', { vector: 'embedding', id: 'imdb' })) {
 *   await index.upsert(rows);
 *   await writeFile('position.json', JSON.stringify(position)); // `from` of the next run
 * }
 */
export function readRows(
  path: string | readonly string[],
  options: TextRowOptions,
): AsyncGenerator<FileBatch<TextBatch>>;
export function readRows(path: string | readonly string[], options?: VectorRowOptions): AsyncGenerator<FileBatch>;
export function readRows(
  path: string | readonly string[],
  options: VectorRowOptions | TextRowOptions = {},
): AsyncGenerator<FileBatch<TextBatch> | FileBatch> {
  return packedBatches(checkedRead(path, options, 'the options of readRows()'));
}

async function* packedBatches(asked: CheckedRead): AsyncGenerator<FileBatch<TextBatch> | FileBatch> {
  for await (const { batch, position } of batchesOfFiles(asked)) {
    const { rows: all, skipped, share } = batch;
    const ids = all.map(({ id }) => id);
    const payloads = all.map(({ payload }) => payload);
    yield asked.mapping.text === undefined
      ? { rows: { ids, vectors: packed(all, position.dim ?? 0), payloads }, skipped, position, share }
      : { rows: { ids, texts: all.map(({ text }) => text!), payloads }, skipped, position, share };
  }
}

/** The same, before they are packed. @throws as readRows() */
export async function* batchesOfFiles(
  asked: CheckedRead,
): AsyncGenerator<{ batch: MappedBatch; position: FilePosition }> {
  const { files, batch: size, from, skipBroken, signal } = asked;
  const resumed = typeof from === 'number' ? undefined : from;
  let [dim, kind] = [asked.dim ?? resumed?.dim, asked.idType ?? resumed?.idKind];
  let begun = resumed === undefined ? 0 : fileOf(files, resumed);
  if (files.length > 1) for (const i of files.keys()) await (await opened(asked, i)).reader.close();
  let first = resumed?.first ?? 0;
  let rows = resumed?.rows ?? (from as number);
  for (; begun < files.length; begun++, first += rows, rows = 0) {
    const { reader, mapping, form } = await opened(asked, begun);
    try {
      const fingerprint = await fingerprintOf(reader.path);
      if (resumed !== undefined && files[begun] === files[fileOf(files, resumed)])
        await checkSameFile(resumed, fingerprint, reader);
      const mapper = new Mapper(mapping, kind, form);
      const check = (row: Parameters<typeof checkRowDims>[0]) => {
        dim ??= row.vector?.length;
        checkRowDims(row, dim, asked.dimClause);
      };
      const batches = mappedBatches(reader, mapper, { first, rows, size: () => size, check, skipBroken, stop: signal });
      for await (const batch of batches) {
        rows = batch.end;
        kind ??= mapper.idKind;
        const { rowsHash } = batch;
        const facts = { ...(rowsHash && { rowsHash }), ...(dim && { dim }), ...(kind && { idKind: kind }) };
        yield { batch, position: { ...fingerprint, first, rows, ...facts } };
      }
    } finally {
      await reader.close();
    }
    if (signal?.aborted) {
      throw new FunnelError('ABORTED', `The reading of ${files[begun]} was aborted`, { cause: signal.reason });
    }
  }
}

/** @throws FunnelError, as openReader() and prepareReader(); BAD_ARGUMENT: nobody says where vectors or texts are */
async function opened({ files, formats, reading, mapping: given }: CheckedRead, i: number) {
  const reader: Reader = await openReader(files[i]!, formats[i]!, reading);
  try {
    const vector = given.vector ?? (given.text === undefined ? reader.usualVector?.('rows') : undefined);
    if (vector === undefined && given.text === undefined) {
      const has = reader.columns?.map((name) => JSON.stringify(name)).join(', ');
      const got = has === undefined ? 'neither' : `neither, of ${has}`;
      throw new FunnelError('BAD_ARGUMENT', `Expected vector or text, a column of ${files[i]}, but received ${got}`);
    }
    const mapping: Mapping = { ...given, ...(vector !== undefined && { vector }) };
    return { reader, mapping, form: prepareReader(reader, mapping) };
  } catch (error) {
    await reader.close();
    throw error;
  }
}
