/** Reading rows: which record of which file an ordinal is, and its values, checked. */
import { FunnelError } from '../../core/errors.js';
import type { Core } from './core.js';
import { corrupt, diskError } from './errors.js';
import type { OpenRows } from './open-files.js';
import { checkRecord, HEADER_BYTES, type RowValues } from './rows.js';
import { type Steps, take } from './step.js';

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

/** @throws FunnelError CORRUPT, DISK, BAD_ARGUMENT */
export function readRow(core: Core, ordinal: number, out: RowValues, at: number): void {
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

export function ordinalAt({ entry, ordinals }: OpenRows, record: number): number | undefined {
  if (ordinals !== undefined) return ordinals[record];
  return record >= 0 && record < entry.count ? entry.first + record : undefined;
}

/** Rows `first..first+count` into `out`; zeros where compaction dropped one. Files in use are leased by the caller. */
export function* readRows(core: Core, files: OpenRows[], first: number, count: number, out: RowValues): Steps<void> {
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
