/** Payloads that others have changed in place: for readers that follow, and for an image, which has no log of it. */
import type { Bits } from './bits.js';
import { changedAfter, changesOf, type LogPlace } from './changed-rows.js';
import { type EditPages, readEdits } from './edit-pages.js';
import type { Kv } from './kv.js';
import { decodePayloadBits, IDS_PER_PAGE, unseal } from './pages.js';
import { decodeState, generationOf, type State, stateFormat } from './state.js';

/** Rows that had no payload may have one now. */
export function followChanges({ kv, uuid }: LogPlace, next: State, known: State, withPayload: Bits): void {
  const changed = changedAfter({ kv, uuid }, changesOf(next), changesOf(known).last);
  const pages = new Set<number>();
  const all = Math.ceil(next.rows / IDS_PER_PAGE);
  if (changed === undefined) for (let page = 0; page < all; page++) pages.add(page);
  else {
    let before = -1;
    for (const ordinal of changed) {
      const page = Math.floor(ordinal / IDS_PER_PAGE);
      if (page !== before) pages.add(page);
      before = page;
    }
  }
  for (const page of pages) {
    const value = kv.ids(page);
    if (value === undefined) continue;
    decodePayloadBits(unseal(uuid, 'ids', page, value, kv.file), page, next.rows, withPayload);
  }
}

/** The pages of changed payloads of a commit, within a snapshot of it. @throws FunnelError CORRUPT */
export function editsOf(place: LogPlace, { edits }: State): EditPages | undefined {
  return edits === undefined ? undefined : readEdits(place, edits);
}

/** Whether there are changes that are not known. */
export function lacksChanges(kv: Kv, known: State): boolean {
  const record = kv.snapshot(() => kv.state());
  if (record === undefined || generationOf(record) === known.generation) return false;
  return changesOf(decodeState(record, kv.file)).last !== changesOf(known).last;
}

/**
 * Without the files of payload indexes that lack changes of payloads, which the image has no log of: they are read again. And
 * without pages of edits: it has all payloads in their places.
 */
export function withoutStale({ edits: _, ...state }: State): State {
  const { changes, payloadIndexes, segments } = state;
  if (changes === undefined) return state;
  const stale = payloadIndexes.filter((index) => index.file !== null && (index.changes ?? 0) < changes.last);
  const gone = new Set(stale.map(({ file }) => file));
  const left = {
    payloadIndexes: payloadIndexes.map(({ key, type, file, ...rest }) =>
      gone.has(file) ? { key, type, file: null, rows: 0 } : { key, type, file, ...rest },
    ),
    changes: { last: changes.last, since: changes.last, log: [] },
  };
  return { ...state, segments: segments.filter(({ name }) => !gone.has(name)), ...left, format: stateFormat(left) };
}
