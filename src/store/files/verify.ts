/** Reads everything that is committed against its checksums: every record of rows, every section, every entry of the store. */
import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { Bits, popcount } from './bits.js';
import { changesOf, readChange } from './changed-rows.js';
import type { Disk } from './disk-contract.js';
import { corrupt } from './errors.js';
import type { Kv } from './kv.js';
import { ordinalAt } from './lookup.js';
import type { OpenRows, OpenSegment } from './open-files.js';
import { DEATHS_PER_PAGE, IDS_PER_PAGE, unseal } from './pages.js';
import { checkRecord, HEADER_BYTES, type RowFormat } from './rows.js';
import { CHUNK_BYTES, readSection } from './segment.js';
import { decodeState, type State } from './state.js';
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
  /** The payload of a row as it is stored now, sealed. */
  payloadOf(ordinal: number): Uint8Array | undefined;
}

/** Told of bytes that were read; what it throws ends the work. */
export type OnRead = (bytes: number) => void;

/** As many problems are told. */
const MOST_PROBLEMS = 100;
/** Entries, rows and bytes that are checked between two turns of the event loop. */
const ENTRIES_AT_ONCE = 512;
const ROWS_AT_ONCE = 2048;
const BYTES_AT_ONCE = 1 << 20;

/** The problems of all files. */
class Problems {
  readonly all: VerifyProblem[] = [];

  /** Nothing more would be told. */
  get isFull(): boolean {
    return this.all.length >= MOST_PROBLEMS;
  }

  /** @throws what is no damage */
  add(file: string, error: unknown): void {
    if (!(error instanceof FunnelError) || error.code !== 'CORRUPT') throw error;
    if (!this.isFull) this.all.push({ file, message: error.message });
  }
}

/**
 * @returns what is wrong, at most 100 places, with the last of which it ends; empty: all of it is what was written
 * @throws FunnelError DISK; what `onRead` throws
 */
export function* verifyCommitted(parts: Committed, onRead: OnRead): Steps<VerifyProblem[]> {
  const problems = new Problems();
  const unseen = new Bits();
  unseen.put(0, parts.alive.slice(0, (parts.state.rows + 7) >>> 3));
  for (const file of parts.rows) yield* verifyRows(parts, file, unseen, onRead, problems);
  if (unseen.count > 0 && !problems.isFull) {
    let row = 8 * unseen.bytes.findIndex((byte) => byte !== 0);
    while (!unseen.get(row)) row++;
    const rows = unseen.count === 1 ? `row ${row}` : `row ${row} (and ${unseen.count - 1} others)`;
    problems.add('rows-*.bin', corrupt('the row files', 'rows', `lack ${rows}`));
  }
  for (const segment of parts.segments) yield* verifySegment(parts, segment, onRead, problems);
  yield* verifyEntries(parts, onRead, problems);
  return problems.all;
}

/** Takes from `unseen` the rows that the file has. */
function* verifyRows(
  { disk, format }: Committed,
  file: OpenRows,
  unseen: Bits,
  onRead: OnRead,
  problems: Problems,
): Steps<void> {
  const { stride } = format;
  const { count } = file.entry;
  const perBlock = Math.max(1, Math.min(ROWS_AT_ONCE, Math.floor(CHUNK_BYTES / stride)));
  const block = Buffer.alloc(Math.min(perBlock, count) * stride);
  for (let record = 0; record < count; record += perBlock) {
    const bytes = block.subarray(0, Math.min(perBlock, count - record) * stride);
    const got: number = yield* take(disk.read(file.fd, bytes, HEADER_BYTES + record * stride));
    for (let at = 0; at < bytes.length; at += stride) {
      const ordinal = ordinalAt(file, record + at / stride)!;
      unseen.set(ordinal, false);
      if (problems.isFull) return;
      try {
        if (at + stride > got) throw corrupt(file.name, 'rows', `end early (row ${ordinal})`);
        checkRecord(format, bytes, at, ordinal, file.name);
      } catch (error) {
        problems.add(file.name, error);
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
  problems: Problems,
): Steps<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let rest = entry.bytes;
  for (const section of table) {
    for (let i = 0; i < section.crcs.length; i++) {
      if (problems.isFull) return;
      // A chunk at a time: sections are as large as the codes of all rows.
      const offset = section.offset + i * CHUNK_BYTES;
      const bytes = Math.min(CHUNK_BYTES, section.bytes - i * CHUNK_BYTES);
      const part = { ...section, offset, bytes, crcs: [section.crcs[i]!] };
      try {
        yield* readSection(disk, fd, name, part, chunk.subarray(0, bytes));
      } catch (error) {
        problems.add(name, error);
      }
      onRead(bytes);
      rest -= bytes;
      yield* take(turnStep);
    }
  }
  onRead(rest); // header, table and what lies between sections
}

/**
 * The entries of the store are read as they are now, which may be after later commits. Of rows that have died since, compaction
 * may have dropped what they had; what is missing of a row that lives was lost.
 */
function* verifyEntries(parts: Committed, onRead: OnRead, problems: Problems): Steps<void> {
  const { state, kv, alive, withPayload } = parts;
  let [sum, bytes, entries] = [0, 0, 0];
  const check = (read: () => Uint8Array | undefined): void => {
    try {
      bytes += read()?.length ?? 0;
    } catch (error) {
      problems.add(kv.file, error);
    }
  };
  const isDue = () => ++entries >= ENTRIES_AT_ONCE || bytes >= BYTES_AT_ONCE;
  const rest = function* (): Steps<void> {
    onRead(bytes);
    sum += bytes;
    [bytes, entries] = [0, 0];
    yield* take(turnStep);
  };
  for (let page = 0; page * IDS_PER_PAGE < state.rows; page++) {
    if (problems.isFull) return;
    check(() => kv.snapshot(() => idPage(parts, page)));
    if (isDue()) yield* rest();
  }
  check(() => kv.snapshot(() => deadPages(parts, problems)));
  check(() => kv.snapshot(() => changeLog(parts)));
  yield* rest();
  for (let ordinal = 0; ordinal < state.rows; ordinal++) {
    if (problems.isFull) return;
    if (alive.get(ordinal) && withPayload.get(ordinal)) check(() => payload(parts, ordinal));
    if (isDue()) yield* rest();
  }
  onRead(bytes);
  onRead(Math.max(0, kv.bytes() - sum - bytes)); // what LMDB itself has
}

/** @throws FunnelError CORRUPT, also where it lacks the id of a living row */
function idPage({ state, uuid, kv, alive }: Committed, page: number): Uint8Array | undefined {
  const value = kv.ids(page);
  // The next read may reuse its bytes.
  const kept = Uint8Array.from(
    value === undefined ? [] : unseal(uuid, 'ids', page, value, kv.file).subarray(0, IDS_PER_PAGE / 8),
  );
  const first = page * IDS_PER_PAGE;
  for (let row = first; row < Math.min(state.rows, first + IDS_PER_PAGE); row++) {
    if (!alive.get(row) || bitOf(kept, row - first) || isDead(kv, uuid, row)) continue;
    throw corrupt(kv.file, 'ids', `lack that of row ${row}`);
  }
  return value;
}

/** All deaths, which have to be as many as the state record says. @throws FunnelError CORRUPT */
function deadPages({ uuid, kv }: Committed, problems: Problems): undefined {
  const record = kv.state();
  if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
  const { rows, dead } = decodeState(record, kv.file);
  let [counted, areWhole] = [0, true];
  for (let page = 0; page * DEATHS_PER_PAGE < rows; page++) {
    try {
      const value = kv.dead(page);
      if (value !== undefined) counted += popcount(unseal(uuid, 'dead', page, value, kv.file));
    } catch (error) {
      problems.add(kv.file, error);
      areWhole = false;
    }
  }
  if (areWhole && counted !== dead) throw corrupt(kv.file, 'tombstones', `are ${counted}, not ${dead}`);
  return undefined;
}

/** As of now. @throws FunnelError CORRUPT */
function changeLog({ uuid, kv }: Committed): undefined {
  const record = kv.state();
  if (record === undefined) throw corrupt(kv.file, 'state record', 'is missing');
  for (const { at } of changesOf(decodeState(record, kv.file)).log) readChange({ kv, uuid }, at);
  return undefined;
}

/** @throws FunnelError CORRUPT, also where a living row lacks it */
function payload({ uuid, kv, payloadOf }: Committed, ordinal: number): Uint8Array | undefined {
  const value = kv.snapshot(() => payloadOf(ordinal));
  if (value !== undefined) unseal(uuid, 'payloads', ordinal, value, kv.file);
  else if (kv.snapshot(() => payloadOf(ordinal) === undefined && !isDead(kv, uuid, ordinal))) {
    throw corrupt(kv.file, 'payloads', `lack that of row ${ordinal}`);
  }
  return value;
}

/** Whether a row is dead by now. */
function isDead(kv: Kv, uuid: Uint8Array, ordinal: number): boolean {
  const page = Math.floor(ordinal / DEATHS_PER_PAGE);
  const value = kv.dead(page);
  return value !== undefined && bitOf(unseal(uuid, 'dead', page, value, kv.file), ordinal - page * DEATHS_PER_PAGE);
}

function bitOf(bitmap: Uint8Array, at: number): boolean {
  return ((bitmap[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0;
}
