/** Payloads of rows that stay: one commit of the store, which touches neither their vectors nor their places. */
import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { LargeMap } from '../../core/large-map.js';
import type { Id } from '../../core/types.js';
import { changesOf, logged } from './changed-rows.js';
import type { Core } from './core.js';
import { EditPages, encodeEdits } from './edit-pages.js';
import { diskError } from './errors.js';
import { checkIdKind } from './ids.js';
import type { Entries } from './kv.js';
import { orderedRows } from './ordered-rows.js';
import { encodeIdPage, IDS_PER_PAGE, seal, unseal } from './pages.js';
import { decodePayload, encodePayload } from './payload.js';
import { encodeState, stateFormat } from './state.js';
import { inTurns, type Steps, take, turnStep } from './step.js';

/** Rows by ids, or by ordinals, of which some may be dead by now. */
export type ChosenRows = { ids: readonly Id[] } | { ordinals: Iterable<number> };

/** The payload as it is to be, of one that is the row's own; undefined where it stays as it is, or there is to be none yet. */
export type PayloadEdit = (payload: unknown) => unknown;

/** Ids that are sought, and payloads that are edited, before others get their turn. */
const SOUGHT_AT_ONCE = 2048;
const EDITED_AT_ONCE = 64;

/**
 * Runs while no other write does. All or nothing.
 *
 * @returns how many rows there were, whether or not their payload is another now
 * @throws FunnelError BAD_ID, NOT_FOUND, BAD_ARGUMENT before anything is written; DISK
 */
export function* changePayloads(core: Core, rows: ChosenRows, edit: PayloadEdit): Steps<number> {
  const { state, uuid, options, withPayload } = core;
  const found =
    'ids' in rows ? yield* soughtIds(core, rows.ids) : yield* inTurns(orderedRows(rows.ordinals, core.isAlive));
  const payloads: [number, Buffer][] = [];
  const replaced = new LargeMap<number, Uint8Array>();
  for (let i = 0; i < found.length; i++) {
    if (i % EDITED_AT_ONCE === EDITED_AT_ONCE - 1) yield* take(turnStep);
    const ordinal = found[i]!;
    const stored = withPayload.get(ordinal) ? (options.kv.payload(ordinal) ?? new Uint8Array(0)) : undefined;
    const value = editedValue(core, ordinal, stored, edit);
    if (value === undefined) continue;
    payloads.push([ordinal, value]);
    if (stored !== undefined) replaced.set(ordinal, stored);
  }
  if (payloads.length === 0) return found.length;
  const changed = new Uint32Array(payloads.length);
  for (let i = 0; i < changed.length; i++) changed[i] = payloads[i]![0];
  yield* take(turnStep);
  const gained = changed.filter((ordinal) => !withPayload.get(ordinal));
  const isLong = yield* take(options.kv.isLong(payloads.length));
  try {
    const isKept = options.disk.bytesOf === undefined;
    const log = yield* logged({ kv: options.kv, uuid }, changesOf(state), changed, isKept);
    const changes = log.changes;
    const pages = isLong ? yield* encodeEdits(uuid, payloads) : undefined;
    const edits = pages && { edits: pages.firsts.length };
    const format = stateFormat({ payloadIndexes: state.payloadIndexes, changes, ...edits });
    const next = { ...state, generation: state.generation + 1, changes, ...edits, format };
    const ids = yield* pagesOf(core, gained);
    if (pages === undefined) core.replaced = replaced; // else they stay where they are until all is committed
    const entries = {
      ids,
      dead: [],
      payloads: pages ? [] : payloads,
      changes: log.entries,
      edits: pages?.entries ?? [],
    };
    yield* core.commit(next, entries, encodeState);
    core.state = next;
    core.edits = pages && new EditPages({ kv: options.kv, uuid }, pages.firsts);
  } catch (error) {
    throw diskError('changing payloads', error);
  } finally {
    core.replaced = undefined;
  }
  for (const ordinal of gained) withPayload.set(ordinal, true);
  core.payloadChanges++;
  core.payloadsChanged(changed);
  if (core.edits !== undefined) {
    try {
      yield* settle(core, payloads);
    } catch {
      // All of it is committed, and who reads finds it on the pages: the next write tries again, and the next writer.
    }
  }
  return found.length;
}

/** Finishes a large change of payloads, of whichever process, before any other write; undefined where there is none. */
export function settlingEdits(core: Core): Steps<void> | undefined {
  return core.edits && settled(core, core.edits);
}

function* settled(core: Core, edits: EditPages): Steps<void> {
  yield* settle(core, yield* edits.all());
}

/** Puts payloads that pages have in their places, and drops the pages. @throws FunnelError DISK, INDEX_LOCKED; nothing else shows then */
function* settle(core: Core, payloads: Entries): Steps<void> {
  const { edits: _, ...state } = core.state;
  const pages = core.edits!.removed;
  try {
    const inCommit = (yield* core.stage(payloads)) ? [] : payloads;
    const next = { ...state, generation: state.generation + 1, format: stateFormat(state) };
    yield* core.commit(next, { ids: [], dead: [], payloads: inCommit, edits: pages }, encodeState);
    core.state = next;
    core.edits = undefined;
  } catch (error) {
    throw diskError('changing payloads', error);
  }
}

/** The pages of rows that get their first payload; until the commit readers are not to look for one. */
function* pagesOf({ uuid, ids, kept, withPayload }: Core, gained: Uint32Array): Steps<[number, Buffer | undefined][]> {
  const pages: [number, Buffer | undefined][] = [];
  for (let i = 0; i < gained.length; ) {
    const page = Math.floor(gained[i]! / IDS_PER_PAGE);
    const first = i;
    for (; i < gained.length && gained[i]! < (page + 1) * IDS_PER_PAGE; i++) withPayload.set(gained[i]!, true);
    pages.push([page, encodeIdPage(uuid, page, { ids: ids!, kept, withPayload })]);
    for (const ordinal of gained.subarray(first, i)) withPayload.set(ordinal, false);
    yield* take(turnStep);
  }
  return pages;
}

/** As it is to be written; undefined where nothing is. */
function editedValue({ options, uuid }: Core, ordinal: number, stored: Uint8Array | undefined, edit: PayloadEdit) {
  const before = stored && Buffer.from(unseal(uuid, 'payloads', ordinal, stored, options.kv.file));
  const edited = edit(before && decodePayload(before));
  if (edited === undefined) return undefined;
  const after = encodePayload(edited, 'payload');
  if (before?.equals(after)) return undefined;
  return seal(uuid, 'payloads', ordinal, Buffer.concat([Buffer.alloc(4), after]));
}

/** Their ordinals, ascending. */
function* soughtIds(core: Core, ids: readonly Id[]): Steps<number[]> {
  const { idKind } = core.state;
  yield* inTurns(core.prepareFind());
  const found: number[] = [];
  for (const [i, id] of ids.entries()) {
    if (i % SOUGHT_AT_ONCE === SOUGHT_AT_ONCE - 1) yield* take(turnStep);
    if (idKind !== null) checkIdKind(id, idKind, `ids[${i}]`);
    const ordinal = core.find(id);
    if (ordinal === undefined) throw missing(id, i);
    found.push(ordinal);
  }
  return yield* inTurns(orderedRows(found));
}

function missing(id: Id, i: number): FunnelError {
  const text = `Expected the id of a row for ids[${i}] but no row has ${String(id)}`;
  return new FunnelError('NOT_FOUND', `${text}: write it first with upsert(), or leave it out; nothing was changed`);
}
