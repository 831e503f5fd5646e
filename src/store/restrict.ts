/** A filter's rows as the engine takes them: a list to score, or masks over segments. */
import { BLOCK_ROWS, type CodeKernels } from '../kernels/codes.js';
import { arrayIn } from './engine/memory.js';
import type { SearchRequest } from './engine/search.js';
import type { Segment } from './engine/segment.js';
import type { IndexFiles } from './files/index-files.js';
import { type Live, NOWHERE } from './live.js';
import { Bitmap, bitsOf, listOf, type RowSet, sizeOf } from './payload/row-set.js';
import type { RowFilter } from './types.js';

/** So few rows are scored one by one sooner than their codes are found. */
export const FULL_SCAN_THRESHOLD = 1024;

export type Restriction = NonNullable<SearchRequest['only']>;

/** Masks that were given back, to be used again: shared memory costs more to make than a mask to fill. */
export class Masks {
  #free: Uint16Array[] = [];

  constructor(readonly codes: CodeKernels) {}

  /** Zeros. */
  take(length: number): Uint16Array {
    const at = this.#free.findIndex((mask) => mask.length === length);
    if (at === -1) return arrayIn(this.codes, Uint16Array, length);
    const [mask] = this.#free.splice(at, 1);
    return mask!.fill(0);
  }

  /** Nobody may use them any more. */
  give(masks: readonly Uint16Array[]): void {
    this.#free.push(...masks);
    while (this.#free.length > MASKS_KEPT) {
      const { buffer, byteOffset, byteLength } = this.#free.shift()!;
      this.codes.release(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
}

const MASKS_KEPT = 16;

/** @param few up to so many rows are scored, and no codes read */
export function restrict(rows: RowSet, few: number, live: Live, free: Masks): Restriction {
  if (sizeOf(rows) <= few) return { masks: [], tail: listOf(rows).filter(live.alive), rows: 0 };
  const masks = live.segments.map(({ mask }) => free.take(mask.length));
  return rows instanceof Bitmap ? ofMany(rows, masks, live) : ofSome(rows, masks, live);
}

/** Touches only the rows of the list. */
function ofSome(rows: Uint32Array, masks: Uint16Array[], live: Live): Restriction {
  const places = live.segments.map((segment) => live.placesOf(segment));
  const alive = live.files.alive;
  const tail = new Uint32Array(rows.length);
  let masked = 0;
  let free = 0;
  for (let i = 0; i < rows.length; i++) {
    const ordinal = rows[i]!;
    if (((alive[ordinal >> 3]! >> (ordinal & 7)) & 1) === 0) continue;
    let s = 0;
    let row = NOWHERE;
    for (; s < places.length; s++) {
      row = places[s]![ordinal] ?? NOWHERE;
      if (row !== NOWHERE) break;
    }
    if (row === NOWHERE) {
      tail[free++] = ordinal;
    } else {
      masks[s]![row >> 4]! |= 1 << (row & 15);
      masked++;
    }
  }
  return { masks, tail: tail.slice(0, free), rows: masked };
}

/** Touches every row, in the order of the masks. */
function ofMany(rows: Bitmap, masks: Uint16Array[], live: Live): Restriction {
  const { words } = rows;
  let masked = 0;
  for (const [s, segment] of live.segments.entries()) {
    const { ordinals, mask: alive } = segment;
    const mask = masks[s]!;
    if (isRun(segment)) {
      const first = ordinals[0]! / BLOCK_ROWS;
      for (let block = 0; block < mask.length; block++) {
        const half = first + block;
        const bits = (words[half >>> 1] ?? 0) >>> ((half & 1) * BLOCK_ROWS);
        mask[block] = bits & alive[block]!;
        masked += bitsOf(mask[block]!);
      }
      continue;
    }
    for (let block = 0, row = 0; block < mask.length; block++) {
      const end = Math.min(row + BLOCK_ROWS, ordinals.length);
      let bits = 0;
      for (let r = 0; row < end; row++, r++) {
        const ordinal = ordinals[row]!;
        bits |= ((words[ordinal >>> 5]! >>> (ordinal & 31)) & 1) << r;
      }
      mask[block] = bits & alive[block]!;
      masked += bitsOf(mask[block]!);
    }
  }
  return { masks, tail: live.tail.filter((ordinal) => rows.has(ordinal)), rows: masked };
}

/** Are its rows consecutive ordinals, block by block? Then a bitmap is a mask already. */
function isRun({ ordinals, partition, count }: Segment): boolean {
  return (
    partition === null &&
    count > 0 &&
    ordinals[0]! % BLOCK_ROWS === 0 &&
    ordinals[count - 1]! - ordinals[0]! === count - 1
  );
}

/** Live rows that pass, ascending. */
export function matching({ ids, rows }: RowFilter, files: IndexFiles, live: Live): Uint32Array {
  const bit = (ordinal: number) => (((rows![ordinal >> 3] ?? 0) >> (ordinal & 7)) & 1) === 1;
  if (ids === undefined) {
    const all = Bitmap.fromBytes(rows ?? files.alive, files.rows).list();
    return rows === undefined ? all : all.filter(live.alive);
  }
  const found = new Set<number>();
  for (const id of ids) {
    const ordinal = files.ordinalOf(id);
    if (ordinal !== undefined && (rows === undefined || bit(ordinal))) found.add(ordinal);
  }
  return Uint32Array.from(found).sort();
}
