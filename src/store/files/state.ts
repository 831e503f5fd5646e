/**
 * The state record: what is committed. JSON after its checksum and, so that a look at 12 bytes tells whether anything is
 * new, the generation as f64.
 */

import { Buffer } from '../../core/buffer.js';
import { randomBytes } from '../../core/host.js';
import { INDEX_METRICS } from '../../core/metrics.js';
import type { IdKind } from '../../core/types.js';
import type { Metric } from '../../kernels/kernels.js';
import { type PayloadChanges, whyNoChanges } from './changed-rows.js';
import { crc32c } from './crc32c.js';
import { corrupt, filesError } from './errors.js';
import { INDEX_TYPES, type PayloadIndexType } from './payload-index-type.js';

/** Format of row files, and of a state without payload indexes. */
export const FORMAT_VERSION = 1;
/** Format of segments and payload indexes; 1 had a basis of float16. */
export const SEGMENT_VERSION = 2;
/**
 * Format of segments and payload indexes with one of {@link LATER_SECTIONS}: a version that knows only the second would
 * pass over it.
 */
export const LATER_VERSION = 3;
/** Integers of a payload index that no float64 holds; see payload/column-file.ts. */
export const WIDE_SECTION = 'values.wide';
/** The sections that only format 3 has: those integers, and the means of a segment (engine/centre.ts). */
export const LATER_SECTIONS: readonly string[] = [WIDE_SECTION, 'mean', 'orderMean'];
/** Format of segments whose rows are coded as those of another; a version that knows only the third would miss how. */
export const EXTENSION_VERSION = 4;
/** The section that only format 4 has: the file that says how the rows are coded. */
export const LIKE_SECTION = 'like';
/** Format of a state with payload indexes: a version that knows only the first would take their files for codes. */
export const FORMAT_WITH_INDEXES = 2;
/** Format of a state whose payload indexes do not have all changes of payloads: earlier versions would answer by them. */
export const FORMAT_WITH_CHANGES = 3;
/** Format of a state with pages of changed payloads: earlier versions would answer by what was there before. */
export const FORMAT_WITH_EDITS = 4;

export type Precision = 'float32' | 'float16';

export interface StoreConfig {
  dim: number;
  metric: Metric;
  /** Type of the rows on disk. */
  precision: Precision;
  /** The engine's, as JSON. */
  options: unknown;
}

/** A file of rows, as committed. */
export interface RowFileEntry {
  name: string;
  /** The ordinal of the first row. */
  first: number;
  /** The ordinal of the last row; `last - first + 1 = count` unless compaction left holes. */
  last: number;
  count: number;
  /** Bytes; what is behind them was never committed. */
  bytes: number;
  /** Written by compaction: with a list of ordinals, and never appended to. */
  compacted: boolean;
}

export interface SegmentEntry {
  name: string;
  bytes: number;
}

/** An index over payloads, as committed. */
export interface PayloadIndexEntry {
  /** The path, as the caller wrote it. */
  key: string;
  type: PayloadIndexType;
  /** The segment that holds it; null before the first was written. */
  file: string | null;
  /** The file holds the ordinals below; those from here on are read from payloads. */
  rows: number;
  /** The file has the changes of payloads up to this one. Absent: none. */
  changes?: number;
}

export interface State {
  format: number;
  /** Hex of 16 bytes, other for each index. */
  uuid: string;
  config: StoreConfig;
  /** Null before the first row. */
  idKind: IdKind | null;
  /** Ordinals ever given. */
  rows: number;
  /** Number of dead rows among them. */
  dead: number;
  /** One more with every commit. */
  generation: number;
  /** The number that the next file's name may have. */
  nextFile: number;
  /** By ordinal. */
  rowFiles: RowFileEntry[];
  /** Files of codes, and of payload indexes. */
  segments: SegmentEntry[];
  payloadIndexes: PayloadIndexEntry[];
  /** Absent before the first. */
  changes?: PayloadChanges;
  /** Pages of changed payloads that are not in their places yet, see edit-pages.ts; absent: none. */
  edits?: number;
  /** The engine's, as JSON; see commitSegments. */
  meta: unknown;
}

export function newState(config: StoreConfig): State {
  return {
    format: FORMAT_VERSION,
    uuid: Buffer.from(randomBytes(16)).toString('hex'),
    config,
    idKind: null,
    rows: 0,
    dead: 0,
    generation: 0,
    nextFile: 1,
    rowFiles: [],
    segments: [],
    payloadIndexes: [],
    meta: null,
  };
}

const HEAD = 12;

/** The first format whose readers understand the state. */
export function stateFormat({
  payloadIndexes,
  changes,
  edits,
}: Pick<State, 'payloadIndexes' | 'changes' | 'edits'>): number {
  if (edits !== undefined) return FORMAT_WITH_EDITS;
  if (payloadIndexes.length === 0) return FORMAT_VERSION;
  return (changes?.log.length ?? 0) > 0 ? FORMAT_WITH_CHANGES : FORMAT_WITH_INDEXES;
}

export function encodeState(state: State): Buffer {
  const json = Buffer.from(JSON.stringify(state), 'utf8');
  const value = Buffer.alloc(HEAD + json.length);
  value.writeDoubleLE(state.generation, 4);
  json.copy(value, HEAD);
  value.writeUInt32LE(crc32c(value, 0, 4), 0);
  return value;
}

/** The generation of a record that is not looked at further. */
export function generationOf(value: Uint8Array): number {
  return value.length < HEAD ? -1 : new DataView(value.buffer, value.byteOffset).getFloat64(4, true);
}

/** @throws FunnelError CORRUPT, UNSUPPORTED_FORMAT */
export function decodeState(value: Uint8Array, file: string): State {
  const bad = (why: string) => corrupt(file, 'state record', why);
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (buffer.length < HEAD || buffer.readUInt32LE(0) !== crc32c(buffer, 0, 4)) throw bad('has a wrong checksum');
  let state: State;
  try {
    state = JSON.parse(buffer.toString('utf8', HEAD));
  } catch (cause) {
    throw corrupt(file, 'state record', 'is not JSON', cause);
  }
  if (![FORMAT_VERSION, FORMAT_WITH_INDEXES, FORMAT_WITH_CHANGES, FORMAT_WITH_EDITS].includes(state.format)) {
    const known = `${FORMAT_VERSION} to ${FORMAT_WITH_EDITS}`;
    throw filesError(
      'UNSUPPORTED_FORMAT',
      `Expected format ${known} for the index but ${file} has ${state.format}: a newer funnelvec wrote it`,
    );
  }
  state.payloadIndexes ??= []; // of the first format
  const why = whyInvalid(state);
  if (why !== undefined) throw bad(`does not fit together: ${why}`);
  return state;
}

const count = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Tells why a state is invalid; the checksum was right, so this finds mistakes of programs, not of disks. */
function whyInvalid(state: State): string | undefined {
  const { config, rowFiles, segments } = state;
  if (!/^[0-9a-f]{32}$/.test(state.uuid)) return 'uuid';
  if (!count(config?.dim) || config.dim === 0) return 'config.dim';
  if (!INDEX_METRICS.includes(config.metric)) return 'config.metric';
  if (config.precision !== 'float32' && config.precision !== 'float16') return 'config.precision';
  if (![null, 'string', 'number', 'bigint'].includes(state.idKind)) return 'idKind';
  if (!count(state.rows) || state.rows > 2 ** 32 || (state.rows > 0 && state.idKind === null)) return 'rows';
  if (!count(state.dead) || state.dead > state.rows) return 'dead';
  if (!count(state.generation) || !count(state.nextFile)) return 'generation';
  if (!Array.isArray(rowFiles) || !Array.isArray(segments)) return 'files';
  let after = 0;
  for (const { name, first, last, count: rows, bytes, compacted } of rowFiles) {
    if (!isFileName(name) || !count(first) || !count(last) || !count(rows) || !count(bytes)) return `file ${name}`;
    if (first < after || last >= state.rows || rows === 0 || last - first + 1 < rows) return `rows of ${name}`;
    if (!compacted && last - first + 1 !== rows) return `rows of ${name}`;
    after = last + 1;
  }
  for (const { name, bytes } of segments) if (!isFileName(name) || !count(bytes)) return `segment ${name}`;
  if (state.edits !== undefined && !(count(state.edits) && state.edits > 0)) return 'edits';
  return whyNoIndexes(state) ?? whyNoChanges(state.changes);
}

function whyNoIndexes(state: State): string | undefined {
  const { payloadIndexes, segments, rows, format } = state;
  if (!Array.isArray(payloadIndexes)) return 'payloadIndexes';
  if (format !== stateFormat(state)) return 'format';
  for (const { key, type, file, rows: covered, changes = 0 } of payloadIndexes) {
    const counted = count(covered) && covered <= rows && count(changes);
    const known = typeof key === 'string' && INDEX_TYPES.includes(type) && counted;
    const has = file === null ? covered === 0 : segments.some(({ name }) => name === file);
    if (!known || !has) return `payload index ${key}`;
  }
  return undefined;
}

/** A name of ours: nothing that leads out of the folder. */
export function isFileName(name: unknown): name is string {
  return typeof name === 'string' && /^(rows|seg)-\d{6,}\.bin$/.test(name);
}
