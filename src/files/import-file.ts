/** importFile: rows of files into an index. */
import { expected, FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { embedderOf } from '../embed/given.js';
import { type GivenModel, MODEL_FORMS } from '../embed/given-models.js';
import type { FunnelIndex } from '../store/funnel-index.js';
import { checkWritableIndex, type ImportResult } from '../store/import/batches.js';
import { type MappedBatch, packed, type Skipped } from './batches.js';
import { embeddedRows } from './embed-rows.js';
import { type CheckedRead, checkedRead, type TextRowOptions, type VectorRowOptions } from './options.js';
import type { FilePosition } from './position.js';
import { batchesOfFiles } from './read-rows.js';

/** The progress that importFile() tells after each batch that is safe on disk. */
export interface FileProgress {
  /** How far the files are done with: `from` of another call, after an error or an abort. */
  position: FilePosition;
  /** Rows that were written by this call. */
  count: number;
  /** Rows that were passed over. */
  skipped: number;
  /** The share of the file under way that is done with, 0 to 1. */
  share: number;
}

interface Following {
  /** After each batch that is safe on disk. */
  onProgress?: (progress: FileProgress) => void;
}

/** Options of importFile(): those of readRows(), and with texts what makes vectors of them. */
export type ImportFileOptions =
  | (VectorRowOptions &
      Following & {
        /** For texts alone. */
        embedder?: undefined;
      })
  | (TextRowOptions &
      Following & {
        /** Makes vectors of texts: an Embedder, a model of the AI SDK or of LangChain, or a function of texts. */
        embedder: GivenModel;
      });

/** The result of importFile(). */
export interface ImportFileResult extends ImportResult {
  /** Broken rows that were passed over. */
  skipped: {
    /** How many. */
    count: number;
    /** The first 100. */
    first: Skipped[];
  };
  /** How far the files were read; undefined where no row was. */
  position?: FilePosition;
}

/**
 * Rows of files into an index, a batch at a time; the next one is read, and its texts embedded, while one is written. Rows whose
 * ids are there already take their place, so that a batch may be written again after a crash. What was written stays when the
 * call fails.
 *
 * @param index opened for writing
 * @param path a file, or several, whose rows follow each other
 * @throws FunnelError as readRows() and `index.upsert()`; NOT_WRITABLE
 * @example
 * let from = saved; // what onProgress told last
 * await importFile(index, 'films.csv', { text: ['title', 'plot'], embedder, id: 'imdb', from, onProgress: (p) => save(p.position) });
 */
export async function importFile<Payload = unknown>(
  index: FunnelIndex<Payload>,
  path: string | readonly string[],
  options: ImportFileOptions = {},
): Promise<ImportFileResult> {
  checkWritableIndex(index);
  const asked = checkedRead(path, options, 'the options of importFile()', ['embedder', 'onProgress']);
  const { embedder: given, onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  }
  const isText = asked.mapping.text !== undefined;
  if (isText !== (given !== undefined)) {
    throw expected('BAD_ARGUMENT', isText ? MODEL_FORMS : 'text beside it', 'embedder', given);
  }
  // A row of other dims is broken by itself, be it the first.
  if (!isText) {
    asked.dim ??= index.dim;
    asked.dimClause = ', as the index has,';
  }
  if (!isText && asked.dim !== index.dim) {
    throw expected('BAD_DIMS', `${index.dim}, the dims of the index,`, 'dim', asked.dim);
  }
  const kind = index.idKind;
  if (kind === 'number' || kind === 'string') checkKind(asked, kind); // files give no bigints
  const embedder = given && (await embedderOf(given));
  if (embedder !== undefined && embedder.dim !== index.dim) {
    const got = `${embedder.dim}, those of ${embedder.name}`;
    throw new FunnelError('BAD_DIMS', `Expected ${index.dim} dims, as the index has, for embedder but received ${got}`);
  }
  const { skipBroken, signal } = asked;
  const result: ImportFileResult = { count: 0, replaced: 0, skipped: { count: 0, first: [] } };
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const { batch, position } of batchesOfFiles(asked)) {
      const embed = (texts: string[]) => embedder!.embed(texts, { role: 'document', ...(signal && { signal }) });
      const vectors = isText ? await embeddedRows(batch, embed, skipBroken) : packed(batch.rows, position.dim ?? 0);
      await writing;
      writing = write(
        batch.rows.map(({ id }) => id),
        vectors,
        batch,
        position,
      );
      writing.catch(() => {}); // waited for below, whatever comes between
    }
  } finally {
    await writing;
  }
  return result;

  async function write(ids: Id[], vectors: Float32Array, batch: MappedBatch, position: FilePosition): Promise<void> {
    const { rows, skipped, share } = batch;
    if (ids.length > 0) {
      const payloads = rows.map(({ payload }) => payload as Payload);
      const { count, replaced } = await index.upsert({ ids, vectors, payloads });
      result.count += count;
      result.replaced += replaced;
    }
    result.skipped.count += skipped.length;
    result.skipped.first.push(...skipped.slice(0, 100 - Math.min(100, result.skipped.first.length)));
    result.position = position;
    onProgress?.({ position, count: result.count, skipped: result.skipped.count, share });
  }
}

/** Ids are read as those of the index are, so that one of another kind is a broken row. @throws FunnelError BAD_ID */
function checkKind(asked: CheckedRead, kind: 'number' | 'string'): void {
  if (asked.mapping.id === undefined) {
    if (kind === 'number') return;
    throw new FunnelError('BAD_ID', 'Expected id, a column of text ids as the index has, but received none');
  }
  if (asked.idType !== undefined && asked.idType !== kind) {
    throw expected('BAD_ID', `'${kind}', the kind of ids of the index,`, 'idType', asked.idType);
  }
  asked.idType = kind;
}
