/** In place of changed-rows.ts in browsers and on the edge, where payloads do not change in place. */
import type { Entries, Kv } from './kv.js';
import type { PayloadChanges } from './state.js';

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
