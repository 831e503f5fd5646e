/** In place of changed-rows.ts in browsers and on the edge, where payloads do not change in place. */
import type { Entries, Kv } from './kv.js';

/** The log of changes of payloads in place; see changed-rows.ts. */
export interface PayloadChanges {
  /** Grows by one with every commit that changes payloads. */
  last: number;
  /** The log tells of changes after this one. */
  since: number;
  /** Ascending by number. */
  log: { at: number; rows: number }[];
}

const NO_CHANGES: PayloadChanges = { last: 0, since: 0, log: [] };

export function changesOf({ changes }: { changes?: PayloadChanges }): PayloadChanges {
  return changes ?? NO_CHANGES;
}

/** Undefined: an image has none to speak of. */
export function whyNoChanges(_changes: unknown): string | undefined {
  return undefined;
}

/** None: an image has no log. */
export function readChange(_place: { kv: Kv; uuid: Uint8Array }, _at: number): Uint32Array {
  return new Uint32Array(0);
}

/** None. */
export function changedAfter(_place: object, _changes: PayloadChanges, _seen: number): Uint32Array | undefined {
  return new Uint32Array(0);
}

export function trimmed(changes: PayloadChanges, _since: number): { changes: PayloadChanges; entries: Entries } {
  return { changes, entries: [] };
}
