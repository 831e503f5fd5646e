/** Payloads that a compaction writes anew. */
import type { Core } from './core.js';
import { type Steps, take, turnStep } from './step.js';

/** Rows that are looked at between two turns of others. */
const ROWS_AT_ONCE = 32_768;
/** One of so many rows of a stretch is dropped where its payloads are worth writing anew. */
const WORTH_MOVING = 8;
/** Larger ones have pages that they share with few. */
const MOVED_BYTES = 1024;

/**
 * Payloads of the living among rows that are dropped, to be removed and put again: LMDB leaves pages half empty of which rows
 * have gone here and there, and rows that are put in order fill theirs.
 */
export function* movedPayloads(core: Core, dropped: readonly number[]): Steps<[number, Uint8Array][]> {
  const living: number[] = [];
  for (let ordinal = dropped[0]!, looked = 0, at = 0; ordinal < dropped.at(-1)!; ordinal++) {
    if (++looked % ROWS_AT_ONCE === 0) yield* take(turnStep);
    if (ordinal === dropped[at]) at++;
    else if (core.withPayload.get(ordinal) && core.kept.get(ordinal)) living.push(ordinal);
  }
  const moved: [number, Uint8Array][] = [];
  if (dropped.length * (WORTH_MOVING - 1) < living.length) return moved;
  for (const [i, ordinal] of living.entries()) {
    if (i % 128 === 127) yield* take(turnStep);
    const value = core.stored(ordinal);
    if (value !== undefined && value.length <= MOVED_BYTES) moved.push([ordinal, value]);
  }
  return moved;
}
