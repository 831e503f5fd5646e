/** Rows of a file as batches that are whole, checked and ready to be embedded. */
import { FunnelError } from '../core/errors.js';
import { RowsHash } from './fingerprint.js';
import type { Reader } from './formats/reader.js';
import type { MappedRow, Mapper } from './mapping.js';

/** A broken row that was passed over. */
export interface Skipped {
  /** Its place, for people: "line 7 of films.jsonl". */
  at: string;
  /** The message of the error that it would have been. */
  why: string;
}

export interface MappedBatch {
  rows: MappedRow[];
  skipped: Skipped[];
  /** Rows of the file up to its end. */
  end: number;
  /** RowsHash of these; undefined of Parquet and .npy. */
  rowsHash: string | undefined;
  /** Share of the file that was read, 0 to 1. */
  share: number;
}

export interface BatchOptions {
  /** The place of the file's first row in the whole input. */
  first: number;
  /** Rows of the file that are done with. */
  rows: number;
  /** Rows of the next batch. */
  size: () => number;
  /** Refuses a row that nothing can be done with. @throws FunnelError */
  check: (row: MappedRow) => void;
  skipBroken: boolean;
  stop: AbortSignal | undefined;
}

/** Ends early where `stop` says so. @throws FunnelError for the first broken row of a batch, before anything is done with it */
export async function* mappedBatches(
  reader: Reader,
  mapper: Mapper,
  { first, rows: from, size, check, skipBroken, stop }: BatchOptions,
): AsyncGenerator<MappedBatch> {
  const hash = new RowsHash(reader);
  let text = false;
  let batch: MappedBatch = { rows: [], skipped: [], end: from, rowsHash: undefined, share: 0 };
  let wanted = size();
  for await (const { rows, share } of reader.read(from, (source) => hash.add(source))) {
    if (stop?.aborted) return;
    for (const [i, row] of rows.entries()) {
      try {
        batch.rows.push(checked(mapper.map(row, first + row.number), check));
      } catch (error) {
        if (!skipBroken || !(error instanceof FunnelError)) throw error;
        batch.skipped.push({ at: row.at, why: error.message });
      }
      batch.end = row.number + 1;
      if (row.source !== undefined) {
        hash.add(row.source);
        text = true;
      }
      batch.share = share;
      if (batch.rows.length + batch.skipped.length < wanted) continue;
      if (text) batch.rowsHash = hash.hex();
      yield batch;
      batch = { rows: [], skipped: [], end: batch.end, rowsHash: undefined, share };
      wanted = size();
      if (stop?.aborted && i < rows.length - 1) return;
    }
  }
  if (!stop?.aborted && batch.rows.length + batch.skipped.length > 0)
    yield { ...batch, ...(text && { rowsHash: hash.hex() }), share: 1 };
}

function checked(mapped: MappedRow, check: (row: MappedRow) => void): MappedRow {
  try {
    check(mapped);
    return mapped;
  } catch (error) {
    if (!(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${mapped.at}: ${error.message}`, { cause: error });
  }
}

/** @param as why these dims, as a clause. @throws FunnelError BAD_DIMS */
export function checkRowDims({ vector }: MappedRow, dim: number | undefined, as = ''): void {
  if (dim !== undefined && vector !== undefined && vector.length !== dim) {
    throw new FunnelError('BAD_DIMS', `Expected ${dim} dims${as} for a vector but received ${vector.length}`);
  }
}

/** Vectors of rows, one after the other. */
export function packed(rows: readonly MappedRow[], dim: number): Float32Array {
  const vectors = new Float32Array(rows.length * dim);
  for (const [i, { vector }] of rows.entries()) vectors.set(vector!, i * dim);
  return vectors;
}
