/** A row by its ordinal: its values (which record of which file they are), its id and its payload, checked. */
import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import { checkInteger } from '../../core/validate.js';
import type { Core } from './core.js';
import { corrupt, diskError } from './errors.js';
import type { OpenRows } from './open-files.js';
import { unseal } from './pages.js';
import { decodePayload } from './payload.js';
import { checkRecord, HEADER_BYTES, type RowValues } from './rows.js';
import { generationOf } from './state.js';
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
    throw noRow(ordinal);
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

/** Rows `first..first+count` into `out`, from its start; zeros where compaction dropped one. */
export function* readRowRange(core: Core, first: number, count: number, out: RowValues): Steps<void> {
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

/** @throws FunnelError BAD_ARGUMENT for an ordinal that has none */
export function idAt({ state, kept, ids }: Core, ordinal: number): Id {
  if (ordinal >= state.rows || !kept.get(ordinal)) throw noRow(ordinal);
  return ids!.at(ordinal);
}

/** New each time; undefined where there is none, and where another process has dropped it. @throws FunnelError CORRUPT */
export function payloadAt(core: Core, ordinal: number): unknown {
  const { state, withPayload, options, uuid, kept } = core;
  if (ordinal >= state.rows || !kept.get(ordinal)) throw noRow(ordinal);
  if (!withPayload.get(ordinal)) return undefined;
  const value = core.replaced?.get(ordinal) ?? options.kv.payload(ordinal);
  if (value !== undefined) return decodePayload(unseal(uuid, 'payloads', ordinal, value, options.kv.file));
  if (isStale(core)) {
    core.staleReads++;
    return undefined;
  }
  throw corrupt(options.kv.file, 'payloads', `lack that of row ${ordinal}`);
}

function isStale({ options, state }: Core): boolean {
  const record = options.kv.snapshot(() => options.kv.state());
  return record !== undefined && generationOf(record) !== state.generation;
}

function noRow(ordinal: number): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected a row that exists but ${ordinal} is not one, or was compacted away`);
}
