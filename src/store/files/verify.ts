/** Reads everything that is committed against its checksums: every record of rows, every section, every entry of the store. */
import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { Bits } from './bits.js';
import type { Disk } from './disk-contract.js';
import { corrupt } from './errors.js';
import type { Kv } from './kv.js';
import { ordinalAt } from './lookup.js';
import type { OpenRows, OpenSegment } from './open-files.js';
import { DEATHS_PER_PAGE, IDS_PER_PAGE, type Table, unseal } from './pages.js';
import { checkRecord, HEADER_BYTES, type RowFormat } from './rows.js';
import { CHUNK_BYTES, readSection } from './segment.js';
import { generationOf, type State } from './state.js';
import { type Steps, take, turnStep } from './step.js';
import type { VerifyProblem } from './verify-types.js';

/** The parts of one commit. */
export interface Committed {
  state: State;
  format: RowFormat;
  uuid: Uint8Array;
  disk: Disk;
  kv: Kv;
  /** Open until the end. */
  rows: readonly OpenRows[];
  segments: readonly OpenSegment[];
  /** By ordinal. */
  alive: Bits;
  withPayload: Bits;
}

/** Told of bytes that were read; what it throws ends the work. */
export type OnRead = (bytes: number) => void;

/** As many problems are told. */
const MOST_PROBLEMS = 100;
const ENTRIES_AT_ONCE = 512;

/** @returns what is wrong, at most 100 places; empty: all of it is what was written @throws FunnelError DISK; what `onRead` throws */
export function* verifyCommitted(parts: Committed, onRead: OnRead): Steps<VerifyProblem[]> {
  const problems: VerifyProblem[] = [];
  const found = (file: string, error: unknown) => {
    if (!(error instanceof FunnelError) || error.code !== 'CORRUPT') throw error;
    problems.push({ file, message: error.message });
  };
  const unseen = new Bits();
  unseen.put(0, parts.alive.slice(0, (parts.state.rows + 7) >>> 3));
  for (const file of parts.rows) yield* verifyRows(parts, file, unseen, onRead, (error) => found(file.name, error));
  for (let row = 0; unseen.count > 0 && row < parts.state.rows; row++) {
    if (!unseen.get(row)) continue;
    found('rows-*.bin', corrupt('the row files', 'rows', `lack row ${row} (and ${unseen.count - 1} others)`));
    break;
  }
  for (const segment of parts.segments) {
    yield* verifySegment(parts, segment, onRead, (error) => found(segment.name, error));
  }
  yield* verifyEntries(parts, onRead, (error) => found(parts.kv.file, error));
  return problems.slice(0, MOST_PROBLEMS);
}

/** Takes from `unseen` the rows that the file has. */
function* verifyRows(
  { disk, format }: Committed,
  file: OpenRows,
  unseen: Bits,
  onRead: OnRead,
  found: (error: unknown) => void,
): Steps<void> {
  const { stride } = format;
  const { count } = file.entry;
  const perBlock = Math.max(1, Math.floor(CHUNK_BYTES / stride));
  const block = Buffer.alloc(Math.min(perBlock, count) * stride);
  for (let record = 0; record < count; record += perBlock) {
    const bytes = block.subarray(0, Math.min(perBlock, count - record) * stride);
    const got: number = yield* take(disk.read(file.fd, bytes, HEADER_BYTES + record * stride));
    for (let at = 0; at < bytes.length; at += stride) {
      const ordinal = ordinalAt(file, record + at / stride)!;
      unseen.set(ordinal, false);
      try {
        if (at + stride > got) throw corrupt(file.name, 'rows', `end early (row ${ordinal})`);
        checkRecord(format, bytes, at, ordinal, file.name);
      } catch (error) {
        found(error);
      }
    }
    onRead(bytes.length);
    yield* take(turnStep);
  }
  onRead(file.entry.bytes - count * stride); // header and list of ordinals were read when it was opened
}

function* verifySegment(
  { disk }: Committed,
  { fd, name, table, entry }: OpenSegment,
  onRead: OnRead,
  found: (error: unknown) => void,
): Steps<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let rest = entry.bytes;
  for (const section of table) {
    for (let i = 0; i < section.crcs.length; i++) {
      // A chunk at a time: sections are as large as the codes of all rows.
      const offset = section.offset + i * CHUNK_BYTES;
      const bytes = Math.min(CHUNK_BYTES, section.bytes - i * CHUNK_BYTES);
      const part = { ...section, offset, bytes, crcs: [section.crcs[i]!] };
      try {
        yield* readSection(disk, fd, name, part, chunk.subarray(0, bytes));
      } catch (error) {
        found(error);
      }
      onRead(bytes);
      rest -= bytes;
      yield* take(turnStep);
    }
  }
  onRead(rest); // header, table and what lies between sections
}

/** Pages of ids and of deaths, and payloads of living rows: compaction drops those of dead ones when it likes. */
function* verifyEntries(
  { state, uuid, kv, alive, withPayload }: Committed,
  onRead: OnRead,
  found: (error: unknown) => void,
): Steps<void> {
  const check = (table: Table, key: number, value: Uint8Array | undefined): void => {
    try {
      if (value !== undefined) unseal(uuid, table, key, value, kv.file);
    } catch (error) {
      found(error);
    }
  };
  for (let page = 0; page * IDS_PER_PAGE < state.rows; page++) {
    check('ids', page, kv.ids(page));
    if (page % ENTRIES_AT_ONCE === 0) yield* take(turnStep);
  }
  for (let page = 0; page * DEATHS_PER_PAGE < state.rows; page++) check('dead', page, kv.dead(page));
  for (let ordinal = 0; ordinal < state.rows; ordinal++) {
    if (ordinal % ENTRIES_AT_ONCE === 0) yield* take(turnStep);
    if (!alive.get(ordinal) || !withPayload.get(ordinal)) continue;
    const value = kv.payload(ordinal);
    if (value === undefined && !isLater(kv, state)) {
      found(corrupt(kv.file, 'payloads', `lack that of row ${ordinal}`));
    }
    check('payloads', ordinal, value);
  }
  onRead(kv.bytes());
}

/** Whether the store has moved on, in which rows may have died and lost what they had. */
function isLater(kv: Kv, { generation }: State): boolean {
  const record = kv.snapshot(() => kv.state());
  return record !== undefined && generationOf(record) !== generation;
}
