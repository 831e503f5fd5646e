/**
 * Rows whose payload was changed in place. A log in the store tells readers in other processes which they are, and a payload
 * index which rows it is to read again. An entry has all rows that were changed after the entry before it, up to its own
 * number; those of like size become one, so that there are few, and together they take less than two of all rows.
 */
import { Buffer } from '../../core/buffer.js';
import { popcount } from './bits.js';
import type { Entries, Kv } from './kv.js';
import { seal, unseal } from './pages.js';
import { type Steps, take, turnStep } from './step.js';

/** The log of changes of payloads in place; see changed-rows.ts. */
export interface PayloadChanges {
  /** Grows by one with every commit that changes payloads. */
  last: number;
  /** The log tells of changes after this one. */
  since: number;
  /** Ascending by number. */
  log: { at: number; rows: number }[];
}

export const NO_CHANGES: PayloadChanges = { last: 0, since: 0, log: [] };

export function changesOf({ changes }: { changes?: PayloadChanges }): PayloadChanges {
  return changes ?? NO_CHANGES;
}

export function whyNoChanges(changes: PayloadChanges | undefined): string | undefined {
  if (changes === undefined) return undefined;
  const { last, since, log } = changes;
  if (!count(last) || !count(since) || since > last || !Array.isArray(log)) return 'changes';
  let after = since;
  for (const { at, rows } of log) {
    if (!count(at) || !count(rows) || at <= after || at > last) return 'changes';
    after = at;
  }
  return log.length > 0 && after !== last ? 'changes' : undefined;
}

/** Where the log is kept. */
export interface LogPlace {
  kv: Kv;
  uuid: Uint8Array;
}

const count = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const CRC = 4;
const LIST = 0;
const BITMAP = 1;

function encode(uuid: Uint8Array, at: number, ordinals: Uint32Array): Buffer {
  const words = ((ordinals.at(-1) ?? 0) >>> 5) + 1;
  const kind = ordinals.length <= words ? LIST : BITMAP;
  const values = kind === LIST ? ordinals : new Uint32Array(words);
  if (kind === BITMAP) for (const ordinal of ordinals) values[ordinal >>> 5]! |= 1 << (ordinal & 31);
  const value = Buffer.alloc(CRC + 4 + 4 * values.length);
  value.writeUInt32LE(kind, CRC);
  for (let i = 0; i < values.length; i++) value.writeUInt32LE(values[i]!, CRC + 4 + 4 * i);
  return seal(uuid, 'changes', at, value);
}

/** Ascending. @throws FunnelError CORRUPT */
export function readChange({ kv, uuid }: LogPlace, at: number): Uint32Array {
  const value = kv.changes(at) ?? new Uint8Array(0);
  const body = unseal(uuid, 'changes', at, value, kv.file);
  const kind = body.readUInt32LE(0);
  const values = new Uint32Array((body.length - 4) / 4);
  for (let i = 0; i < values.length; i++) values[i] = body.readUInt32LE(4 + 4 * i);
  return kind === LIST ? values : listed(values);
}

function listed(words: Uint32Array): Uint32Array {
  const ordinals = new Uint32Array(popcount(new Uint8Array(words.buffer)));
  let n = 0;
  for (let w = 0; w < words.length; w++) {
    for (let word = words[w]!; word !== 0; word &= word - 1) ordinals[n++] = 32 * w + 31 - Math.clz32(word & -word);
  }
  return ordinals;
}

/** Both ascending, as the result. */
export function joinedRows(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const out = new Uint32Array(a.length + b.length);
  let n = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const next = j >= b.length || (i < a.length && a[i]! <= b[j]!) ? a[i++]! : b[j++]!;
    if (n === 0 || out[n - 1] !== next) out[n++] = next;
  }
  return out.slice(0, n);
}

/**
 * The log with one change more.
 *
 * @param ordinals ascending
 * @param isKept false where nobody will read it: in memory
 */
export function* logged(
  place: LogPlace,
  changes: PayloadChanges,
  ordinals: Uint32Array,
  isKept: boolean,
): Steps<{ changes: PayloadChanges; entries: Entries }> {
  const last = changes.last + 1;
  if (!isKept) return { changes: { last, since: last, log: [] }, entries: [] };
  const log = [...changes.log];
  const entries: Entries = [];
  let rows = ordinals;
  for (let before = log.at(-1); before !== undefined && before.rows <= 2 * rows.length; before = log.at(-1)) {
    log.pop();
    rows = joinedRows(readChange(place, before.at), rows);
    entries.push([before.at, undefined]);
    yield* take(turnStep);
  }
  entries.push([last, encode(place.uuid, last, rows)]);
  log.push({ at: last, rows: rows.length });
  return { changes: { last, since: changes.since, log }, entries };
}

/** The log without what every payload index in a file has: `since` is the least of what they have. */
export function trimmed(changes: PayloadChanges, since: number): { changes: PayloadChanges; entries: Entries } {
  const gone = changes.log.filter(({ at }) => at <= since);
  if (gone.length === 0) return { changes, entries: [] };
  const log = changes.log.filter(({ at }) => at > since);
  return {
    changes: { last: changes.last, since: gone.at(-1)!.at, log },
    entries: gone.map(({ at }): [number, undefined] => [at, undefined]),
  };
}

/** Rows that were changed after change number `seen`, ascending, and maybe others; undefined where the log no longer says. */
export function changedAfter(place: LogPlace, changes: PayloadChanges, seen: number): Uint32Array | undefined {
  if (seen >= changes.last) return new Uint32Array(0);
  if (seen < changes.since) return undefined;
  let rows = new Uint32Array(0);
  for (const { at } of changes.log) if (at > seen) rows = joinedRows(rows, readChange(place, at)) as typeof rows;
  return rows;
}
