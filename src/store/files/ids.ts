/** The ids of all rows, packed in memory: ordinal → id by position, id → ordinal through a hash table. */
import { Buffer } from '../../core/buffer.js';
import { describe, FunnelError } from '../../core/errors.js';
import { atOnce, type Sliced } from '../../core/slices.js';
import type { Id, IdKind } from '../../core/types.js';
import { BLOCK_BITS, columnOf, type IdColumn } from './id-columns.js';

/** Bytes of UTF-8. */
export const MAX_ID_BYTES = 1900;

/** @throws FunnelError BAD_ID */
export function checkIdKind(id: unknown, kind: IdKind, where: string): void {
  if (typeof id !== kind) throw badId(`a ${kind}, as the other ids of the index are,`, where, id);
  switch (typeof id) {
    case 'number':
      if (!Number.isSafeInteger(id))
        throw badId('an integer within ±(2^53 − 1) (else a bigint or a string)', where, id);
      return;
    case 'bigint':
      if (!isStorable(id)) throw badId('an integer of 64 bits', where, id);
      return;
    case 'string':
      if (id.length === 0) throw badId('a string that is not empty', where, id);
      if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
        throw badId(`at most ${MAX_ID_BYTES} bytes of UTF-8`, where, id);
      }
      if (!isWhole(id)) throw badId('whole characters', where, id);
  }
}

/**
 * Whether such an id may be written at all. One that is not must not be sought either: columns would take it for what its
 * low 64 bits, or its UTF-8, say.
 */
export function isStorable(id: Id): boolean {
  if (typeof id === 'bigint') return id >= LEAST && id < BEYOND;
  return typeof id !== 'string' || isWhole(id);
}

const LEAST = -(2n ** 63n);
const BEYOND = 2n ** 64n;

/** Half of a pair of surrogates has no UTF-8. */
function isWhole(id: string): boolean {
  return !/[\ud800-\udfff]/.test(id) || Buffer.from(id).toString() === id;
}

function badId(what: string, where: string, id: unknown): FunnelError {
  return new FunnelError('BAD_ID', `Expected ${what} for ${where} but received ${describe(id)}`);
}

/** @throws FunnelError BAD_ID for what is no id at all. */
export function kindOf(id: unknown, where: string): IdKind {
  const kind = typeof id;
  if (kind !== 'string' && kind !== 'number' && kind !== 'bigint') throw badId('a string, number or bigint', where, id);
  return kind;
}

const FREE = 0;
/** Rows that are hashed between two turns of others: about a millisecond. */
const AT_ONCE = 4096;
/** Slots that are copied, likewise. */
const COPIED_AT_ONCE = 1 << 20;

/**
 * Ids by ordinal. The hash table holds `ordinal + 1` of the newest row of each id; it is made when first needed, since a
 * reader may never ask. A row's death is not told to it: callers look whether the row is alive.
 */
export class Ids {
  readonly kind: IdKind;
  readonly #column: IdColumn;
  /** Open addressing, linear probing, at most half full. */
  #table: Uint32Array | undefined;
  #filled = 0;
  /** The table with rows that are not added yet, `from..to`. */
  #next: { table: Uint32Array; filled: number; from: number; to: number } | undefined;

  constructor(kind: IdKind) {
    this.kind = kind;
    this.#column = columnOf(kind);
  }

  get column(): IdColumn {
    return this.#column;
  }

  /** -0 is 0. */
  at(ordinal: number): Id {
    return this.#column.at(ordinal);
  }

  /** The newest row with this id, dead or alive; undefined when there never was one. */
  find(id: Id, rows: number, isAlive: (ordinal: number) => boolean): number | undefined {
    if (this.#table === undefined) atOnce(this.build(() => rows, isAlive));
    const table = this.#table!;
    const column = this.#column;
    const mask = table.length - 1;
    for (let slot = column.seek(id) & mask; ; slot = (slot + 1) & mask) {
      const held = table[slot]!;
      if (held === FREE) return undefined;
      if (column.isSought(held - 1)) return held - 1;
    }
  }

  /** Rows `from..to` were put into the column, but those that are not `kept`: a writer elsewhere has dropped their ids since. */
  added(from: number, to: number, kept: { get(ordinal: number): boolean }): void {
    if (this.#table === undefined) return;
    const next = this.#next;
    this.#next = undefined;
    if (next?.from === from && next.to === to) {
      this.#table = next.table;
      this.#filled = next.filled;
      return;
    }
    atOnce(this.#grow(to - from));
    const table = this.#table;
    for (let ordinal = from; ordinal < to; ordinal++) {
      if (kept.get(ordinal)) this.#filled += this.#insert(table, ordinal);
    }
  }

  /**
   * Compaction let go of ids of dead rows: where none of a block is left, their memory goes.
   *
   * @param ordinals one or more of each block that lost some
   * @param rows ordinals from here on are still to come
   */
  dropped(ordinals: readonly number[], kept: { get(ordinal: number): boolean }, rows: number): void {
    for (const block of new Set(ordinals.map((ordinal) => ordinal >>> BLOCK_BITS))) {
      const end = (block + 1) * 2 ** BLOCK_BITS;
      let at = block * 2 ** BLOCK_BITS;
      while (at < end && !kept.get(at)) at++;
      if (at === end && end <= rows) this.#column.drop(block);
    }
  }

  /**
   * Makes what {@link find} needs, unless it is there. Rows may be added and die meanwhile.
   *
   * @param rows how many there are now
   */
  *build(rows: () => number, isAlive: (ordinal: number) => boolean): Sliced<void> {
    if (this.#table !== undefined) return;
    let living = 0;
    for (let ordinal = 0; ordinal < rows(); ordinal++) {
      if (ordinal % AT_ONCE === AT_ONCE - 1) yield;
      if (isAlive(ordinal)) living++;
    }
    let table: Uint32Array = new Uint32Array(sizeFor(living));
    let filled = 0;
    for (let ordinal = 0; ordinal < rows(); ordinal++) {
      if (ordinal % AT_ONCE === AT_ONCE - 1) {
        yield;
        if (this.#table !== undefined) return; // another was faster
      }
      if (!isAlive(ordinal)) continue;
      filled += this.#insert(table, ordinal);
      if (filled * 2 > table.length) table = atOnce(this.#rehashed(table, filled));
    }
    if (this.#table !== undefined) return;
    this.#table = table;
    this.#filled = filled;
  }

  /** So that rows `from..to`, which are in the column, are {@link added} in no time. No others may be added meanwhile. */
  *prepare(from: number, to: number): Sliced<void> {
    this.#next = undefined;
    if (this.#table === undefined) return;
    yield* this.#grow(to - from);
    if (to - from < AT_ONCE) return;
    const old = this.#table;
    const next = { table: new Uint32Array(old.length), filled: this.#filled, from, to };
    for (let at = 0; at < old.length; at += COPIED_AT_ONCE) {
      next.table.set(old.subarray(at, at + COPIED_AT_ONCE), at);
      yield;
    }
    for (let ordinal = from; ordinal < to; ordinal++) {
      if (ordinal % AT_ONCE === AT_ONCE - 1) yield;
      next.filled += this.#insert(next.table, ordinal);
    }
    this.#next = next;
  }

  /** Whether the id was new to the table: 1 or 0. */
  #insert(table: Uint32Array, ordinal: number): number {
    const column = this.#column;
    const mask = table.length - 1;
    for (let slot = column.seekAt(ordinal) & mask; ; slot = (slot + 1) & mask) {
      const held = table[slot]!;
      if (held !== FREE && !column.isSought(held - 1)) continue;
      table[slot] = ordinal + 1;
      return held === FREE ? 1 : 0;
    }
  }

  /** Room for `more`, without what was dropped. */
  *#grow(more: number): Sliced<void> {
    const old = this.#table!;
    if ((this.#filled + more) * 2 <= old.length) return;
    let filled = 0;
    for (let slot = 0; slot < old.length; slot++) {
      if (slot % AT_ONCE === AT_ONCE - 1) yield;
      if (old[slot] !== FREE && this.#column.has(old[slot]! - 1)) filled++;
    }
    const table = yield* this.#rehashed(old, filled + more);
    if (this.#table !== old) return;
    this.#table = table;
    this.#filled = filled;
  }

  *#rehashed(old: Uint32Array, count: number): Sliced<Uint32Array> {
    const table = new Uint32Array(sizeFor(count));
    for (let slot = 0; slot < old.length; slot++) {
      if (slot % AT_ONCE === AT_ONCE - 1) yield;
      const held = old[slot]!;
      if (held !== FREE && this.#column.has(held - 1)) this.#insert(table, held - 1);
    }
    return table;
  }
}

/** So that the next time to grow is far. */
function sizeFor(count: number): number {
  let size = 1024;
  while (count * 3 > size) size *= 2;
  return size;
}
