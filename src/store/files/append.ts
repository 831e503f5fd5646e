/**
 * New rows. In this order: records into row files, their sync (and the folder's, for a new file), one commit of the
 * store. A failure before the commit is undone; a crash leaves records at the end that no committed count covers.
 */

import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { LargeMap } from '../../core/large-map.js';
import { join } from '../../core/paths.js';
import { type Sliced, sorted } from '../../core/slices.js';
import type { Id, IdKind } from '../../core/types.js';
import type { Core } from './core.js';
import { discard } from './discard.js';
import { diskError } from './errors.js';
import { checkIdKind, Ids, kindOf } from './ids.js';
import type { OpenRows } from './open-files.js';
import { orderedRows } from './ordered-rows.js';
import { DEATHS_PER_PAGE, encodeDeadPage, encodeIdPage, IDS_PER_PAGE, seal } from './pages.js';
import { encodePayload } from './payload.js';
import { encodeRecords, encodeRowHeader, type RowValues, rowFileBytes } from './rows.js';
import { encodeState, type RowFileEntry, type State } from './state.js';
import { begun, type FileStep, instant, inTurns, type Steps, settledStep, take, turnStep } from './step.js';

export interface AppendRequest {
  ids: readonly Id[];
  /** `ids.length × dim`, row-major: float32, or the bits of float16 where the index keeps float16. */
  rows: RowValues;
  /** One for each id; undefined is none. Data as JSON has it, and bigint, Date, Uint8Array, NaN and the infinities. */
  payloads?: readonly unknown[] | undefined;
}

export interface Appended {
  /** The ordinal of the first new row; the others follow. */
  first: number;
  /** New rows. */
  count: number;
  /** The rows that died: those that had these ids before, and those that were to die as well; ascending. */
  replaced: number[];
  /** Which rows of the request were kept, where an id came more than once: the last of each. */
  kept?: number[];
}

/** A request that was checked, without duplicates. */
export interface Batch {
  kind: IdKind;
  ids: readonly Id[];
  rows: RowValues;
  payloads: (Buffer | undefined)[];
  kept?: number[];
}

const BLOCK_BYTES = 4 << 20;
/** Short rows take longer to encode than their bytes to write. */
const BLOCK_ROWS = 1 << 15;
/** Cheap work on a row is done for so many of them before others get their turn. */
const ROWS_AT_ONCE = 1024;
/** Payloads that are encoded, likewise. */
const ENCODED_AT_ONCE = 256;

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_ID before any work */
export function* checkAppend(core: Core, { ids: given, rows, payloads }: AppendRequest): Sliced<Batch | undefined> {
  const { dim, precision } = core.state.config;
  const wanted = precision === 'float32' ? Float32Array : Uint16Array;
  if (!(rows instanceof wanted)) throw new FunnelError('BAD_ARGUMENT', `Expected a ${wanted.name} for rows`);
  if (rows.length !== given.length * dim) {
    throw new FunnelError('BAD_DIMS', `Expected ${given.length} × ${dim} values for rows but received ${rows.length}`);
  }
  if (payloads !== undefined && payloads.length !== given.length) {
    throw new FunnelError('BAD_ARGUMENT', `Expected ${given.length} payloads but received ${payloads.length}`);
  }
  if (given.length === 0) return undefined;
  const ids = given.slice();
  const kind = core.state.idKind ?? kindOf(ids[0], 'ids[0]');
  const last = new LargeMap<Id, number>();
  yield* inStretches(ids.length, (from, to) => checkSome(ids, kind, from, to, last));
  if (last.size === ids.length) return { kind, ids, rows, payloads: yield* encoded(payloads, ids.length) };
  const kept = yield* sorted(last.values());
  const picked = new wanted(kept.length * dim);
  for (let to = 0; to < kept.length; to++) {
    if (to % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
    const from = kept[to]!;
    picked.set(rows.subarray(from * dim, (from + 1) * dim), to * dim);
  }
  return {
    kind,
    ids: kept.map((i) => ids[i]!),
    rows: picked,
    payloads: yield* encoded(payloads, kept.length, kept),
    kept,
  };
}

// V8 compiles a loop with all of the function around it, a generator above all: those over rows are in short functions.

/** Others get their turn between two stretches of rows. */
function* inStretches(count: number, work: (from: number, to: number) => void): Sliced<void> {
  for (let from = 0; from < count; from += ROWS_AT_ONCE) {
    if (from > 0) yield;
    work(from, Math.min(count, from + ROWS_AT_ONCE));
  }
}

/** The places of some ids: the last of each. */
function checkSome(ids: readonly Id[], kind: IdKind, from: number, to: number, last: LargeMap<Id, number>): void {
  for (let i = from; i < to; i++) {
    checkIdKind(ids[i], kind, `ids[${i}]`);
    last.set(ids[i]!, i);
  }
}

function* encoded(
  payloads: readonly unknown[] | undefined,
  count: number,
  kept?: ArrayLike<number>,
): Sliced<(Buffer | undefined)[]> {
  const out: (Buffer | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    if (i % ENCODED_AT_ONCE === ENCODED_AT_ONCE - 1) yield;
    const at = kept === undefined ? i : kept[i]!;
    out.push(encodeOne(payloads?.[at], at));
  }
  return out;
}

/** With room for its checksum. */
function encodeOne(payload: unknown, at: number): Buffer | undefined {
  if (payload === undefined) return undefined;
  return Buffer.concat([Buffer.alloc(4), encodePayload(payload, `payloads[${at}]`)]);
}

/** Rows that are yet to be packed. */
export function* packAndCheck(
  core: Core,
  pack: () => AppendRequest | Sliced<AppendRequest>,
): Sliced<Batch | undefined> {
  const packed = pack();
  return yield* checkAppend(core, 'ids' in packed ? packed : yield* packed);
}

/** An append of no rows. */
export function appendNothing(core: Core): Steps<Appended> {
  return take(instant(() => ({ first: core.state.rows, count: 0, replaced: [] })));
}

/**
 * Runs while no other write does.
 *
 * @param dying ordinals of living rows that die in the same commit
 */
export function* append(core: Core, batch: Batch, dying?: Iterable<number>): Steps<Appended> {
  const { state, uuid } = core;
  const { ids, payloads, kind } = batch;
  if (state.idKind !== null && state.idKind !== kind) checkIdKind(ids[0], state.idKind, 'ids[0]');
  const first = state.rows;
  const count = ids.length;
  if (first + count > 2 ** 32 - 1) throw new FunnelError('BAD_ARGUMENT', 'Expected at most 2^32 − 1 rows in all');
  const files = new TailWriter(core);
  const rows = first + count;
  core.ids ??= new Ids(kind);
  let replaced: number[];
  let aliveLeft: Uint8Array | undefined;
  let next: State;
  try {
    yield* files.write(batch.rows, first, count);
    yield* inTurns(core.prepareFind());
    const dead = [...(dying ?? [])];
    yield* inTurns(inStretches(count, (from, to) => addReplaced(core, ids, from, to, dead)));
    replaced = yield* inTurns(orderedRows(dead, core.isAlive));
    if (replaced.length > 0) yield* inTurns(core.expectDeaths(replaced));
    aliveLeft = yield* inTurns(core.alive.without(replaced));
    yield* inTurns(inStretches(count, (from, to) => enter(core, batch, first, from, to)));
    yield* inTurns(core.ids.prepare(first, rows));
    next = {
      ...state,
      idKind: kind,
      rows,
      dead: state.dead + replaced.length,
      generation: state.generation + 1,
      nextFile: core.nextFile,
      rowFiles: files.entries(),
    };
    const roster = { ids: core.ids, kept: core.kept, withPayload: core.withPayload };
    const firstPage = Math.floor(first / IDS_PER_PAGE);
    const idPages: [number, Buffer | undefined][] = [];
    for (const page of range(firstPage, Math.ceil(rows / IDS_PER_PAGE))) {
      idPages.push([page, encodeIdPage(uuid, page, roster)]);
      yield* take(turnStep);
    }
    const sealed: [number, Buffer][] = [];
    yield* inTurns(inStretches(count, (from, to) => sealSome(core, payloads, first, from, to, sealed)));
    const deaths = yield* deadPages(core, replaced);
    const inCommit = (yield* core.stage(sealed)) ? [] : sealed;
    yield* core.commit(next, { ids: idPages, dead: deaths, payloads: inCommit }, encodeState);
  } catch (error) {
    core.kept.setRange(first, rows, false);
    core.withPayload.setRange(first, rows, false);
    if (state.idKind === null) core.ids = undefined;
    yield* core.unstage();
    yield* files.undo();
    throw diskError('appending rows', error);
  }
  // From here on the rows are there, whatever happens.
  files.keep(next);
  core.state = next;
  core.alive.clear(replaced, aliveLeft);
  core.alive.setRange(first, rows, true);
  core.ids.added(first, rows, core.kept);
  core.changed(replaced);
  return appended(batch, first, replaced);
}

/** The rows that have some of these ids die. */
function addReplaced(core: Core, ids: readonly Id[], from: number, to: number, dead: number[]): void {
  for (let i = from; i < to; i++) {
    const ordinal = core.find(ids[i]!);
    if (ordinal !== undefined) dead.push(ordinal);
  }
}

function enter(core: Core, { ids, payloads }: Batch, first: number, from: number, to: number): void {
  const { column } = core.ids!;
  for (let i = from; i < to; i++) {
    column.set(first + i, ids[i]!);
    core.kept.set(first + i, true);
    core.withPayload.set(first + i, payloads[i] !== undefined);
  }
}

function sealSome(
  { uuid }: Core,
  payloads: Batch['payloads'],
  first: number,
  from: number,
  to: number,
  sealed: [number, Buffer][],
): void {
  for (let i = from; i < to; i++) {
    const value = payloads[i];
    if (value !== undefined) sealed.push([first + i, seal(uuid, 'payloads', first + i, value)]);
  }
}

/** The answer to who gave a batch, whose first row got the ordinal `first`. */
export function appended({ ids, kept }: Batch, first: number, replaced: number[]): Appended {
  const count = ids.length;
  return kept === undefined ? { first, count, replaced } : { first, count, replaced, kept };
}

/** Deaths as entries of the store. @param ordinals ascending */
export function* deadPages(core: Core, ordinals: readonly number[]): Steps<[number, Buffer][]> {
  const pages: [number, Buffer][] = [];
  for (let from = 0, to = 0; from < ordinals.length; from = to) {
    const page = Math.floor(ordinals[from]! / DEATHS_PER_PAGE);
    while (to < ordinals.length && ordinals[to]! < (page + 1) * DEATHS_PER_PAGE) to++;
    pages.push([page, encodeDeadPage(core.uuid, page, core.alive, core.state.rows, ordinals.slice(from, to))]);
    yield* take(turnStep);
  }
  return pages;
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** A file that is growing. */
interface Growing {
  file: OpenRows;
  /** As it will be committed. */
  entry: RowFileEntry;
  isNew: boolean;
}

/** Puts rows behind those of the last file, and into new ones. */
class TailWriter {
  readonly #core: Core;
  readonly #grown: Growing[] = [];
  /** A sync failed, and took with it what we knew of the disk. */
  #syncFailed = false;

  constructor(core: Core) {
    this.#core = core;
  }

  *write(rows: RowValues, first: number, count: number): Steps<void> {
    const { format, options, files } = this.#core;
    const { disk } = options;
    const perFile = Math.max(1, Math.floor((options.maxFileBytes - rowFileBytes(format, 0, false)) / format.stride));
    for (let done = 0; done < count; ) {
      const tail = this.#grown.length === 0 ? files.rows.at(-1) : undefined;
      const fits = tail !== undefined && !tail.closed && !tail.entry.compacted && tail.entry.count < perFile;
      const growing: Growing = fits
        ? { file: tail, entry: { ...tail.entry }, isNew: false }
        : yield* this.#create(first + done);
      this.#grown.push(growing);
      const to = Math.min(count, done + perFile - growing.entry.count);
      yield* this.#fill(growing, rows, done, to, first);
      done = to;
      if (!options.relaxed) yield* this.#sync(growing.file.fd);
    }
    if (!options.relaxed && this.#grown.some(({ isNew }) => isNew)) yield* take(disk.syncDir(options.folder));
  }

  /** Rows [from, to), in blocks: one is encoded while the disk takes the one before. */
  *#fill({ file, entry }: Growing, rows: RowValues, from: number, to: number, first: number): Steps<void> {
    const { format, options, roomFor } = this.#core;
    const perBlock = Math.min(BLOCK_ROWS, Math.max(1, Math.floor(BLOCK_BYTES / format.stride)));
    const buffers: Buffer[] = [];
    let writing: FileStep<void> | undefined;
    try {
      for (let block = 0; from < to; block++) {
        const end = Math.min(to, from + perBlock);
        const bytes = (end - from) * format.stride;
        const part = { from: entry.count, count: end - from, coming: to - from, stride: format.stride };
        let records = yield* inTurns(roomFor(file.path, part));
        if (records === undefined) {
          buffers[block % 2] ??= Buffer.alloc(bytes); // the first ones are the longest
          records = buffers[block % 2]!.subarray(0, bytes);
        }
        encodeRecords(format, rows, from, end, first + from, records);
        if (writing !== undefined) yield* take(writing);
        writing = undefined;
        writing = yield* take(begun(options.disk.write(file.fd, records, entry.bytes)));
        entry.count += end - from;
        entry.bytes += bytes;
        entry.last = first + end - 1;
        from = end;
      }
    } catch (error) {
      // Nothing may arrive behind what is about to be cut.
      if (writing !== undefined) yield* take(settledStep(writing));
      throw error;
    }
    if (writing !== undefined) yield* take(writing);
  }

  *#create(first: number): Steps<Growing> {
    const { disk, folder } = this.#core.options;
    const entry: RowFileEntry = {
      name: `rows-${String(this.#core.nextFile++).padStart(6, '0')}.bin`,
      first,
      last: first - 1,
      count: 0,
      bytes: rowFileBytes(this.#core.format, 0, false),
      compacted: false,
    };
    const fd = yield* take(disk.open(join(folder, entry.name), 'create'));
    const growing = { file: this.#core.files.adopt(entry, fd), entry, isNew: true };
    try {
      yield* take(disk.write(fd, encodeRowHeader(this.#core.format, first, false), 0));
    } catch (error) {
      this.#grown.push(growing); // to be undone
      throw error;
    }
    return growing;
  }

  *#sync(fd: number): Steps<void> {
    try {
      yield* take(this.#core.options.disk.sync(fd));
    } catch (error) {
      this.#syncFailed = true;
      throw error;
    }
  }

  /** All row files as they are to be committed. */
  entries(): RowFileEntry[] {
    const grown = this.#grown.map(({ entry }) => entry);
    const names = new Set(grown.map(({ name }) => name));
    return [...this.#core.state.rowFiles.filter(({ name }) => !names.has(name)), ...grown];
  }

  keep(state: State): void {
    for (const { file, entry, isNew } of this.#grown) {
      file.entry = entry;
      if (isNew) this.#core.files.rows.push(file);
    }
    if (state.rowFiles.length !== this.#core.files.rows.length) throw new Error('row files and their entries differ');
  }

  /** Never throws: what cannot be undone is cut or removed when the index is next opened for writing. */
  *undo(): Steps<void> {
    const core = this.#core;
    for (const { file } of this.#grown) core.dropRoom(file.path);
    const made = this.#grown.filter(({ isNew }) => isNew).map(({ file }) => file);
    yield* discard(core, made);
    if (core.broken !== undefined) return; // the rows may be committed
    for (const { file, isNew } of this.#grown) {
      if (isNew) continue;
      try {
        file.closed = this.#syncFailed;
        yield* take(core.options.disk.truncate(file.fd, file.entry.bytes));
      } catch {
        file.closed = true;
      }
    }
  }
}
