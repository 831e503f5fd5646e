/** Rows of an index by their ordinals, read from its files: what a test compares with what was written. */
import { Buffer } from 'node:buffer';
import { FunnelError } from '#dist/core/errors.js';
import { checkInteger } from '#dist/core/validate.js';
import type { Core } from '#dist/store/files/core.js';
import { corrupt, diskError } from '#dist/store/files/errors.js';
import type { IndexFiles } from '#dist/store/files/index-files.js';
import { ordinalAt } from '#dist/store/files/lookup.js';
import type { OpenRows } from '#dist/store/files/open-files.js';
import { checkRecord, HEADER_BYTES, type RowValues } from '#dist/store/files/rows.js';
import { runLater, runNow, type Steps, take } from '#dist/store/files/step.js';

/**
 * One row's values into `out`, from value `at` on; the row may be dead, but not compacted away.
 *
 * @throws FunnelError CORRUPT, DISK, BAD_ARGUMENT, BAD_DIMS
 */
export function readRow(index: IndexFiles, ordinal: number, out: RowValues, at = 0): void {
  index.reading((core) => rowInto(core, ordinal, out, at));
}

/** Rows `first..first+count` into `out`, from its start; zeros for rows that were compacted away. */
export async function readRows(index: IndexFiles, first: number, count: number, out: RowValues): Promise<void> {
  return runLater(index.reading((core) => readRowRange(core, first, count, out)));
}

export function readRowsSync(index: IndexFiles, first: number, count: number, out: RowValues): void {
  runNow(index.reading((core) => readRowRange(core, first, count, out)));
}

const BLOCK_BYTES = 1 << 20;

/** The file that covers an ordinal, or the first after it; -1 when there is none. */
function fileFrom(core: Core, ordinal: number): number {
  const files = core.files.rows;
  let low = 0;
  let high = files.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (files[middle]!.entry.last < ordinal) low = middle + 1;
    else high = middle;
  }
  return low === files.length ? -1 : low;
}

/** The first record of a file whose ordinal is at least `ordinal`. */
function recordFrom({ entry, ordinals }: OpenRows, ordinal: number): number {
  if (ordinals === undefined) return Math.max(0, ordinal - entry.first);
  let low = 0;
  let high = ordinals.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ordinals[middle]! < ordinal) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** `out`, as bytes from value `at` on, for `count` rows. */
function target(core: Core, out: RowValues, at: number, count: number): Buffer {
  const { dim, bytesPerValue } = core.format;
  if (out.BYTES_PER_ELEMENT !== bytesPerValue) {
    const wanted = bytesPerValue === 4 ? 'Float32Array' : 'Uint16Array';
    throw new FunnelError('BAD_ARGUMENT', `Expected a ${wanted} for out, as precision has it`);
  }
  if (at < 0 || at + count * dim > out.length) {
    throw new FunnelError('BAD_DIMS', `Expected room for ${count} × ${dim} values in out`);
  }
  return Buffer.from(out.buffer, out.byteOffset + at * bytesPerValue, count * dim * bytesPerValue);
}

let scratch = Buffer.alloc(0);

function rowInto(core: Core, ordinal: number, out: RowValues, at: number): void {
  const { format } = core;
  const into = target(core, out, at, 1);
  const index = fileFrom(core, ordinal);
  const file = index < 0 ? undefined : core.files.rows[index]!;
  const record = file === undefined ? -1 : recordFrom(file, ordinal);
  if (file === undefined || ordinalAt(file, record) !== ordinal) {
    if (core.alive.get(ordinal)) throw corrupt('the row files', 'rows', `lack row ${ordinal}`);
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected a row that exists but ${ordinal} is not one, or was compacted away`,
    );
  }
  if (scratch.length < format.stride) scratch = Buffer.alloc(format.stride);
  const bytes = scratch.subarray(0, format.stride);
  let got: number;
  try {
    got = core.options.disk.read(file.fd, bytes, HEADER_BYTES + record * format.stride).now();
  } catch (error) {
    throw diskError(`reading ${file.name}`, error);
  }
  if (got !== format.stride) throw corrupt(file.name, 'rows', `end early (row ${ordinal})`);
  checkRecord(format, bytes, 0, ordinal, file.name);
  into.set(bytes.subarray(0, into.length));
}

/** Rows `first..first+count` into `out`, from its start; zeros where compaction dropped one. */
function* readRowRange(core: Core, first: number, count: number, out: RowValues): Steps<void> {
  checkInteger(first, 0, core.state.rows, 'first');
  checkInteger(count, 0, core.state.rows - first, 'count');
  const files = core.files.rows.filter(({ entry }) => entry.last >= first && entry.first < first + count);
  for (const file of files) core.files.lease(file);
  try {
    yield* readLeasedRows(core, files, first, count, out);
  } finally {
    for (const file of files) core.files.release(file);
  }
}

function* readLeasedRows(core: Core, files: OpenRows[], first: number, count: number, out: RowValues): Steps<void> {
  const { format } = core;
  const into = target(core, out, 0, count);
  const rowBytes = format.dim * format.bytesPerValue;
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / format.stride));
  const block = Buffer.alloc(Math.min(perBlock, Math.max(count, 1)) * format.stride);
  let expected = first;
  for (const file of files) {
    let record = recordFrom(file, first);
    const stop = Math.min(recordFrom(file, first + count), file.entry.count);
    while (record < stop) {
      const records = Math.min(perBlock, stop - record);
      const bytes = block.subarray(0, records * format.stride);
      let got: number;
      try {
        got = yield* take(core.options.disk.read(file.fd, bytes, HEADER_BYTES + record * format.stride));
      } catch (error) {
        throw diskError(`reading ${file.name}`, error);
      }
      if (got !== bytes.length) throw corrupt(file.name, 'rows', `end early (record ${record})`);
      for (let i = 0, at = 0; i < records; i++, at += format.stride) {
        const ordinal = ordinalAt(file, record + i)!;
        checkRecord(format, bytes, at, ordinal, file.name);
        skip(core, expected, ordinal);
        into.fill(0, (expected - first) * rowBytes, (ordinal - first) * rowBytes);
        bytes.copy(into, (ordinal - first) * rowBytes, at, at + rowBytes);
        expected = ordinal + 1;
      }
      record += records;
    }
  }
  skip(core, expected, first + count);
  into.fill(0, (expected - first) * rowBytes);
}

/** Rows that no file has must be dead. */
function skip(core: Core, from: number, to: number): void {
  for (let i = from; i < to; i++) if (core.alive.get(i)) throw corrupt('the row files', 'rows', `lack row ${i}`);
}
