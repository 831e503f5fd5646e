/** The parts that all imports share: options, and rows written in batches that can be stopped and gone on with. */
import { expected, FunnelError } from '../../core/errors.js';
import { idAs } from '../../core/ids.js';
import type { Id } from '../../core/types.js';
import { checkInteger, checkKeys, honestList } from '../../core/validate.js';
import type { FunnelIndex } from '../funnel-index.js';
import { partsOf } from '../parts.js';
import type { PointBatch } from '../types.js';

/** Options of all imports. */
export interface ImportOptions {
  /** Rows that are written, and safe on disk, at once. @default 2048 */
  batch?: number;
  /** Rows (JSONL: lines) of the input to pass over: the last `done`, to go on after an error or an abort. @default 0 */
  from?: number;
  /** After each batch that is safe on disk. */
  onProgress?: (progress: ImportProgress) => void;
  /** Ends the call when it aborts; the error then has the code ABORTED. Batches that were written until then stay. */
  signal?: AbortSignal;
}

/** Progress of an import. */
export interface ImportProgress {
  /** Rows (JSONL: lines) of the input that are done with, those passed over among them. */
  done: number;
  /** Rows (JSONL: lines) of the whole input, where that is known. */
  total?: number;
}

/** The result of an import. */
export interface ImportResult {
  /** Rows written. */
  count: number;
  /** Rows among them that took the place of a row with their id. */
  replaced: number;
}

/** Ids and payloads of rows that come as bare vectors. */
export interface RowOptions<Payload = unknown> extends ImportOptions {
  /** One for each row of the input, or what makes it of the row's number. @default the row's number */
  ids?: ArrayLike<Id> | ((row: number) => Id);
  /** One for each row of the input, or what makes it of the row's number. @default none */
  payloads?: ArrayLike<Payload | undefined> | ((row: number) => Payload | undefined);
}

const COMMON = ['batch', 'from', 'onProgress', 'signal'] as const;

/** @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, CLOSED */
export function checkImport(
  index: FunnelIndex,
  options: ImportOptions,
  name: string,
  more: readonly string[] = [],
): { batch: number; from: number } {
  if (typeof index?.upsert !== 'function') throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'index', index);
  checkKeys(options, [...COMMON, ...more], `the options of ${name}()`);
  const { batch = 2048, from = 0, onProgress, signal } = options;
  checkInteger(batch, 1, 1 << 20, 'batch');
  checkInteger(from, 0, Number.MAX_SAFE_INTEGER, 'from');
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  }
  if (signal !== undefined && typeof signal?.aborted !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  }
  checkWritableIndex(index);
  return { batch, from };
}

/** @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, CLOSED */
export function checkWritableIndex(index: FunnelIndex): void {
  if (typeof index?.upsert !== 'function') throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'index', index);
  if (!partsOf(index).files.readOnly) return;
  throw new FunnelError('NOT_WRITABLE', 'Expected an index opened for writing, not readOnly');
}

/** @throws FunnelError BAD_ARGUMENT: a list of another length than `total` */
export function checkLists(options: RowOptions, total: number): void {
  for (const name of ['ids', 'payloads'] as const) {
    const list = options[name];
    if (list === undefined || typeof list === 'function') continue;
    if (typeof list !== 'object' || list === null || list.length !== total) {
      throw expected('BAD_ARGUMENT', `one for each of ${total} rows, or a function,`, name, list);
    }
    honestList(list, name);
  }
}

/** The rows from `first` on, as the index takes them. */
export function batchOf<Payload>(
  index: FunnelIndex<Payload>,
  vectors: Float32Array | Uint16Array,
  first: number,
  count: number,
  { ids, payloads }: RowOptions<Payload>,
): PointBatch<Payload> {
  const { idKind } = index;
  const at = <T>(list: ArrayLike<T> | ((row: number) => T), row: number): T =>
    typeof list === 'function' ? list(row) : list[row]!;
  const points: PointBatch<Payload> = {
    vectors,
    ids: Array.from({ length: count }, (_, i) => {
      if (ids !== undefined) return at(ids, first + i);
      return idKind === undefined ? first + i : idAs(idKind, first + i)!;
    }),
  };
  if (payloads !== undefined) points.payloads = Array.from({ length: count }, (_, i) => at(payloads, first + i));
  return points;
}

/** Writes one batch, tells how far it is, and stops where the signal says so. */
export class BatchWriter<Payload> {
  count = 0;
  replaced = 0;

  constructor(
    readonly index: FunnelIndex<Payload>,
    readonly options: ImportOptions,
    /** Name of the input, for people. */
    readonly name: string,
    readonly total?: number,
  ) {}

  /** @param done rows (lines) of the input that are done with after it */
  async write(points: PointBatch<Payload>, done: number): Promise<void> {
    const { count, replaced } = await this.index.upsert(points);
    this.count += count;
    this.replaced += replaced;
    this.options.onProgress?.({ done, ...(this.total !== undefined && { total: this.total }) });
  }

  /** @throws FunnelError ABORTED */
  checkSignal(): void {
    const { signal } = this.options;
    if (signal?.aborted) {
      throw new FunnelError('ABORTED', `The import of ${this.name} was aborted`, { cause: signal.reason });
    }
  }

  get result(): ImportResult {
    return { count: this.count, replaced: this.replaced };
  }
}

/** The error of a batch, of which row of the input it speaks. */
export function inRows(error: unknown, what: string, first: number, count: number): unknown {
  if (!(error instanceof FunnelError) || !NAMED.has(error.code)) return error;
  const rows = count === 1 ? `row ${first}` : `rows ${first} to ${first + count - 1}`;
  return new FunnelError(error.code, `${what}, ${rows}: ${error.message}`, { cause: error });
}

const NAMED = new Set(['BAD_ID', 'BAD_ARGUMENT', 'BAD_DIMS', 'NOT_FINITE']);

/** Where a matrix has a value that is not finite, as an error that names the row of the input. */
export function notFinite(value: number, at: number, dim: number, first: number, what: string): FunnelError {
  return expected(
    'NOT_FINITE',
    'a finite float32',
    `dim ${at % dim} of row ${first + Math.floor(at / dim)} of ${what}`,
    value,
  );
}
