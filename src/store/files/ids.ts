/** The ids of all rows, packed in memory: ordinal → id by position, id → ordinal through a hash table. */
import { describe, FunnelError } from '../../errors.js';
import type { Id, IdKind } from '../../types.js';
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
    const table = this.#table ?? this.#build(rows, isAlive);
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
    this.#grow(to - from);
    for (let ordinal = from; ordinal < to; ordinal++) if (kept.get(ordinal)) this.#insert(ordinal);
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

  #build(rows: number, isAlive: (ordinal: number) => boolean): Uint32Array {
    this.#table = new Uint32Array(1024);
    this.#filled = 0;
    let living = 0;
    for (let ordinal = 0; ordinal < rows; ordinal++) if (isAlive(ordinal)) living++;
    this.#grow(living);
    for (let ordinal = 0; ordinal < rows; ordinal++) if (isAlive(ordinal)) this.#insert(ordinal);
    return this.#table;
  }

  #insert(ordinal: number): void {
    const table = this.#table!;
    const column = this.#column;
    const mask = table.length - 1;
    for (let slot = column.seekAt(ordinal) & mask; ; slot = (slot + 1) & mask) {
      const held = table[slot]!;
      if (held === FREE) this.#filled++;
      else if (!column.isSought(held - 1)) continue;
      table[slot] = ordinal + 1;
      return;
    }
  }

  /** Room for `more`, without what was dropped. */
  #grow(more: number): void {
    const old = this.#table!;
    if ((this.#filled + more) * 2 <= old.length) return;
    const held = old.filter((one) => one !== FREE && this.#column.has(one - 1));
    let size = 1024;
    while ((held.length + more) * 3 > size) size *= 2; // so that the next time is far
    this.#table = new Uint32Array(size);
    this.#filled = 0;
    for (const one of held) this.#insert(one - 1);
  }
}
