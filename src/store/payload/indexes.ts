/** The payload indexes of an index: made, kept in step with its rows, and written beside its codes. */
import { expected, FunnelError } from '../../core/errors.js';
import { atOnce, inSlices, type Sliced } from '../../core/slices.js';
import type { Path } from '../../query/filter/ast.js';
import { parsePath } from '../../query/filter/path.js';
import type { IndexFiles } from '../files/index-files.js';
import type { PayloadIndexType } from '../files/payload-index-type.js';
import type { SegmentChange } from '../files/segments.js';
import type { PayloadIndexEntry } from '../files/state.js';
import { Column } from './column.js';
import { readColumn } from './column-file.js';
import { writeColumn, writeColumnNow } from './column-writes.js';
import type { OnIndexProgress } from './types.js';

/** Rows that a build reads before it keeps what it has; twice as many each time. A killed build goes on from there. */
const CHECKPOINT_ROWS = 131_072;
/** Pairs of dead rows are dropped, where nobody asked for it, beyond this share of the others and this number. */
const DEAD_SHARE = 0.5;
const DEAD_PAIRS = 16_384;
/** Rows between two looks at the clock. */
const AT_ONCE = 16;

export class PayloadIndexes {
  /** By what their paths lead to. */
  #columns = new Map<string, Column>();
  /** The asynchronous changes, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  constructor(
    readonly files: IndexFiles,
    readonly alive: (ordinal: number) => boolean,
    readonly checkpointRows = CHECKPOINT_ROWS,
  ) {
    this.follow();
  }

  /** Takes over what is committed: after opening, and when another process has written. @throws FunnelError CORRUPT */
  follow(): void {
    const columns = new Map<string, Column>();
    for (const entry of this.files.payloadIndexes) {
      const known = this.#columns.get(nameOf(entry.key));
      const same = known?.type === entry.type && fileOf(known) === entry.file;
      let column = same ? known : this.#load(entry);
      let changed = this.files.changedAfter(column.marked);
      if (changed === undefined) {
        // The log goes back to what the file has, but not to what was read of payloads without one.
        column = this.#load(entry);
        changed = this.files.changedAfter(column.marked);
        // The file may be of before the log, and nobody knows which of its rows hold.
        if (changed === undefined) column = this.#anew(entry);
      }
      column.mark(changed ?? new Uint32Array(0), this.files.lastChange);
      columns.set(nameOf(column.path), column);
    }
    this.#columns = columns;
  }

  /** Rows have another payload since a commit of this process. */
  changed(ordinals: Uint32Array): void {
    for (const column of this.all) column.mark(ordinals, this.files.lastChange);
  }

  #load(entry: PayloadIndexEntry): Column {
    const { key, type, file, rows, changes = 0 } = entry;
    if (file === null) return this.#new(key, type);
    const packed = readColumn(entry, (section) => this.files.readSectionSync(file, section));
    if (packed === undefined) return this.#anew(entry);
    const column = new Column(key, type, { packed, rows, file, changes });
    column.marked = changes;
    return column;
  }

  /** Payloads are read from now on. */
  #new(key: string, type: PayloadIndexType): Column {
    return this.#anew({ key, type, file: null, rows: 0 });
  }

  /** The same, in the place of a file whose rows do not count. */
  #anew({ key, type, file, rows }: PayloadIndexEntry): Column {
    const changes = this.files.lastChange;
    const column = new Column(key, type, file === null ? undefined : { packed: undefined, rows, file, changes });
    column.marked = changes;
    column.packedChanges = changes;
    return column;
  }

  get all(): Iterable<Column> {
    return this.#columns.values();
  }

  get count(): number {
    return this.#columns.size;
  }

  /** One that knows at least the rows below `rows`: not one that is being built beside a search. */
  at(path: Path, rows: number): Column | undefined {
    if (this.#columns.size === 0) return undefined;
    const column = this.#columns.get(nameOf(path));
    return column !== undefined && column.covered >= rows ? column : undefined;
  }

  /** Whether a change of an asynchronous call is under way. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Reads the payloads of rows that came since. Others may do the same meanwhile. */
  *catchUp(columns: Iterable<Column> = this.all, upTo = Number.POSITIVE_INFINITY): Sliced<void> {
    const list = [...columns];
    for (let work = 0; ; ) {
      const first = list.reduce((least, { covered }) => Math.min(least, covered), upTo);
      if (first >= Math.min(upTo, this.files.rows)) break;
      const alive = this.alive(first);
      const payload = alive ? this.files.payloadOf(first) : undefined;
      for (const column of list) if (column.covered === first) column.take(payload, alive);
      if (++work % AT_ONCE === 0) yield;
    }
    // Rows may change meanwhile, also while patches are packed, where others take their place.
    for (let column = list.find(isBehind); column !== undefined; column = list.find(isBehind)) {
      for (const one of list) yield* one.sort();
      let work = 0;
      // In one pass: whoever looks for the first of a set anew steps over all that were deleted.
      for (const ordinal of column.pending) {
        const alive = this.alive(ordinal);
        const payload = alive ? this.files.payloadOf(ordinal) : undefined;
        for (const one of list) if (one.pending.has(ordinal)) one.patch(ordinal, payload, alive);
        if (++work % AT_ONCE === 0) yield;
      }
    }
  }

  /** @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE before any work; DISK, CLOSED: the next call goes on from there */
  create(key: string, type: PayloadIndexType, onProgress: OnIndexProgress): Promise<void> {
    this.#checkNew(key, type);
    return this.#later(async () => {
      this.#checkNew(key, type); // another may have been made meanwhile
      const known = this.#columns.get(nameOf(key));
      if (known !== undefined && this.#isBuilt(known)) {
        onProgress({ phase: 'write', done: 1, total: 1 });
        return;
      }
      await this.files.commitSegments(this.#definition(key, type));
      const column = this.#add(key, type);
      const check = () => this.#check(column);
      while (column.covered < this.files.rows) {
        const upTo = Math.min(this.files.rows, column.covered + Math.max(this.checkpointRows, column.packedRows));
        await inSlices(this.#reading(column, upTo, onProgress), check);
        if (upTo < this.files.rows) await this.#write(column, check);
      }
      onProgress({ phase: 'write', done: 0, total: 1 });
      await this.#write(column, check);
      onProgress({ phase: 'write', done: 1, total: 1 });
    });
  }

  createNow(key: string, type: PayloadIndexType, onProgress: OnIndexProgress): void {
    this.#checkIdle();
    this.#checkNew(key, type);
    this.files.commitSegmentsSync(this.#definition(key, type));
    const column = this.#add(key, type);
    atOnce(this.#reading(column, this.files.rows, onProgress));
    onProgress({ phase: 'write', done: 0, total: 1 });
    this.writeNow();
    onProgress({ phase: 'write', done: 1, total: 1 });
  }

  *#reading(column: Column, upTo: number, onProgress: OnIndexProgress): Sliced<void> {
    for (const step of this.catchUp([column], upTo)) {
      yield step;
      if (column.covered % 4096 === 0) onProgress({ phase: 'read', done: column.covered, total: this.files.rows });
    }
    onProgress({ phase: 'read', done: column.covered, total: this.files.rows });
  }

  /** False when there was none. @throws FunnelError BAD_ARGUMENT, NOT_WRITABLE, DISK */
  delete(key: string): Promise<boolean> {
    const name = nameOf(key);
    this.#columns.delete(name); // what builds it stops
    return this.#later(async () => {
      this.#columns.delete(name);
      if (this.files.payloadIndexes.every((index) => nameOf(index.key) !== name)) return false;
      await this.files.commitSegments(without(key));
      return true;
    });
  }

  deleteNow(key: string): boolean {
    this.#checkIdle();
    if (!this.#columns.delete(nameOf(key))) return false;
    this.files.commitSegmentsSync(without(key));
    return true;
  }

  /**
   * Reads what is new and writes the indexes anew that have gained rows since, or rows of which have died.
   * In memory they are only packed.
   *
   * @param onlyWorth where so many have that searches or memory gain from it
   */
  write(onlyWorth = false): Promise<void> {
    return this.#later(async () => {
      for (const column of [...this.all]) {
        const check = () => this.#check(column);
        if (this.#columns.get(nameOf(column.path)) !== column) continue;
        try {
          await inSlices(this.catchUp([column]), check);
          const { living, dead } = await inSlices(column.census(this.alive), check);
          const isWorth = (dead > DEAD_SHARE * living && dead > DEAD_PAIRS) || this.#isOld(column);
          const anew = onlyWorth ? isWorth : dead > 0 || column.patched > 0;
          if (!onlyWorth || anew || this.#isLarge(column)) await this.#write(column, check, anew);
        } catch (error) {
          // Deleted meanwhile: nobody asked for this one, and the others go on.
          if (!(error instanceof FunnelError && error.code === 'ABORTED')) throw error;
        }
      }
    });
  }

  writeNow(): void {
    this.#checkIdle();
    for (const column of this.all) {
      atOnce(this.catchUp([column]));
      const { dead } = atOnce(column.census(this.alive));
      atOnce(column.pack(this.alive, dead > 0 || column.patched > 0));
      writeColumnNow(this.files, column);
    }
  }

  /** Whether so many rows came that searches gain from having them packed. */
  get isWorthWriting(): boolean {
    return [...this.all].some((column) => this.#isLarge(column) || this.#isOld(column));
  }

  /** So many rows changed that searches and memory gain from having them packed. */
  #isOld({ patched, packedRows }: Column): boolean {
    return patched > DEAD_PAIRS && patched > DEAD_SHARE * packedRows;
  }

  /** But for rows of late, which are written with the next optimize(). */
  #isBuilt(column: Column): boolean {
    return (column.file !== null || this.files.path === ':memory:') && !this.#isLarge(column);
  }

  /** Rows that are long dead do not count: of an index that is written again and again they are nearly all. */
  #isLarge({ packedRows }: Column): boolean {
    const { rows, liveCount } = this.files;
    return rows - packedRows >= Math.max(this.checkpointRows, Math.min(packedRows, liveCount));
  }

  async #write(column: Column, check: () => void, anew = false): Promise<void> {
    await inSlices(column.pack(this.alive, anew), check);
    await writeColumn(this.files, column, check);
  }

  #add(key: string, type: PayloadIndexType): Column {
    const name = nameOf(key);
    const column = this.#columns.get(name) ?? this.#new(key, type);
    this.#columns.set(name, column);
    return column;
  }

  #definition(key: string, type: PayloadIndexType): SegmentChange {
    return {
      indexes: (now) => (now.some((index) => index.key === key) ? now : [...now, { key, type, file: null, rows: 0 }]),
    };
  }

  #checkNew(key: string, type: PayloadIndexType): void {
    const other = this.#columns.get(nameOf(key));
    if (other === undefined || (other.type === type && other.key === key)) return;
    throw expected('BAD_ARGUMENT', `'${other.type}', which the payload index of ${other.key} is of,`, 'type', type);
  }

  #check(column: Column): void {
    if (this.#closed) throw new FunnelError('CLOSED', 'Expected an open index but it was closed');
    if (this.#columns.get(nameOf(column.path)) !== column) {
      throw new FunnelError('ABORTED', `The payload index of ${column.key} was deleted`);
    }
  }

  #later<T>(run: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const mine = this.#last.then(async () => {
      try {
        return await run();
      } finally {
        this.#waiting--;
      }
    });
    this.#last = mine.catch(() => {});
    return mine;
  }

  #checkIdle(): void {
    if (this.busy)
      throw new FunnelError('NOT_WRITABLE', 'Expected no change of payload indexes under way: await it first');
  }

  /** Stops soon whatever is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}

function isBehind(column: Column): boolean {
  return column.isBehind;
}

/** The one that is committed. */
function fileOf({ file, replaces }: Column): string | null {
  return file ?? replaces;
}

/** Paths that lead to the same place have the same name, however they are quoted. */
function nameOf(path: Path | string): string {
  const { steps } = typeof path === 'string' ? parsePath(path, 'key') : path;
  return JSON.stringify(steps.map(({ key, each }) => (each ? [key] : key)));
}

function without(key: string): SegmentChange {
  const name = nameOf(key);
  return { indexes: (now) => now.filter((index) => nameOf(index.key) !== name) };
}
