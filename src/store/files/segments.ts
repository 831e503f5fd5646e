/** Segments as part of the index: written beside it, visible with a commit, read section by section. */

import { FunnelError } from '../../core/errors.js';
import { join } from '../../core/paths.js';
import { changesOf, trimmed } from './changed-rows.js';
import type { Core } from './core.js';
import { diskError } from './errors.js';
import { openSegment, readSection, type SectionEntry, type SegmentTable } from './segment.js';
import { encodeState, type PayloadIndexEntry, type SegmentEntry, stateFormat } from './state.js';
import { type Steps, take } from './step.js';

/** A segment that is written, and no part of the index until committed. */
export type SegmentRef = SegmentEntry;

export interface SegmentChange {
  add?: readonly SegmentRef[];
  /** Names; a function tells those of the moment of the commit. */
  remove?: readonly string[] | (() => readonly string[]);
  /** A file without which the segments to add say nothing: where it went meanwhile, nothing is committed, and they go. */
  needs?: string;
  /** The payload indexes from now on, by those of the moment; files that none of them names any more go. */
  indexes?: (now: readonly PayloadIndexEntry[]) => readonly PayloadIndexEntry[];
  /** JSON that is kept with the state, in the place of what was there; absent, that stays. */
  meta?: unknown;
}

/** Runs while no other write does. False where what is needed is there no more. */
export function* commitSegments(core: Core, change: SegmentChange): Steps<boolean> {
  const { add = [], remove = [], needs, meta, indexes } = change;
  const { state, options } = core;
  if (needs !== undefined && !state.segments.some(({ name }) => name === needs)) {
    for (const { name } of add) yield* core.files.drop(join(options.folder, name));
    return false;
  }
  const removed = typeof remove === 'function' ? remove() : remove;
  const payloadIndexes = indexes === undefined ? state.payloadIndexes : [...indexes(state.payloadIndexes)];
  const gone = new Set([...removed, ...filesOnlyIn(state.payloadIndexes, payloadIndexes)]);
  for (const name of gone) {
    if (!state.segments.some((segment) => segment.name === name)) throw noSegment(name);
  }
  const segments = [...state.segments.filter(({ name }) => !gone.has(name)), ...add];
  const known = Math.min(...payloadIndexes.flatMap((index) => (index.file === null ? [] : [index.changes ?? 0])));
  const log = trimmed(changesOf(state), Number.isFinite(known) ? known : 0);
  const next = {
    ...state,
    generation: state.generation + 1,
    nextFile: core.nextFile,
    segments,
    payloadIndexes,
    ...(state.changes && { changes: log.changes }),
    format: stateFormat({ payloadIndexes, changes: log.changes }),
    meta: meta === undefined ? state.meta : meta,
  };
  const opened = [];
  try {
    for (const entry of add) {
      const path = join(options.folder, entry.name);
      const fd = yield* take(options.disk.open(path, 'read'));
      const file = { name: entry.name, path, fd, users: 1, entry, table: [] as SegmentTable };
      opened.push(file);
      file.table = yield* openSegment(options.disk, fd, entry, core.uuid);
    }
    yield* core.commit(next, { ids: [], dead: [], payloads: [], changes: log.entries }, encodeState);
  } catch (error) {
    for (const file of opened) core.files.release(file);
    throw diskError('committing segments', error);
  }
  core.state = next;
  const dropped = core.files.segments.filter(({ name }) => gone.has(name));
  core.files.segments = [...core.files.segments.filter(({ name }) => !gone.has(name)), ...opened];
  for (const file of dropped) {
    core.files.release(file);
    yield* core.files.drop(file.path);
  }
  return true;
}

function filesOnlyIn(before: readonly PayloadIndexEntry[], after: readonly PayloadIndexEntry[]): string[] {
  const named = new Set(after.map(({ file }) => file));
  return before.flatMap(({ file }) => (file === null || named.has(file) ? [] : [file]));
}

/** @throws FunnelError BAD_ARGUMENT when there is no such section */
function findSection(core: Core, segment: string, section: string) {
  const file = core.files.segments.find(({ name }) => name === segment);
  if (file === undefined) throw noSegment(segment);
  const entry = file.table.find(({ name }) => name === section);
  if (entry === undefined) throw new FunnelError('BAD_ARGUMENT', `Expected a section of ${segment}, not ${section}`);
  return { file, entry };
}

export function* readInto(core: Core, segment: string, section: string, into?: Uint8Array): Steps<Uint8Array> {
  const { file, entry } = findSection(core, segment, section);
  const out = room(entry, into);
  core.files.lease(file);
  try {
    yield* readSection(core.options.disk, file.fd, segment, entry, out);
  } catch (error) {
    throw diskError(`reading ${segment}`, error);
  } finally {
    core.files.release(file);
  }
  return out;
}

function room({ name, bytes }: SectionEntry, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return new Uint8Array(bytes);
  if (into.length < bytes) throw new FunnelError('BAD_ARGUMENT', `Expected ${bytes} bytes of room for section ${name}`);
  return into.subarray(0, bytes);
}

function noSegment(name: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected the name of a segment but there is no ${name}`);
}
