/** A filter's rows as the engine takes them: a list to score, or masks over segments. */
import type { CodeKernels } from '../kernels/codes.js';
import { arrayIn } from './engine/memory.js';
import type { SearchRequest } from './engine/search.js';
import type { IndexFiles } from './files/index-files.js';
import { type Live, NOWHERE } from './live.js';
import { Bitmap, listOf, type RowSet } from './payload/row-set.js';
import type { RowFilter } from './types.js';

/** So few rows are scored one by one sooner than their codes are found. */
export const FULL_SCAN_THRESHOLD = 1024;

export type Restriction = NonNullable<SearchRequest['only']>;

/** @param few up to so many rows are scored, and no codes read */
export function restrict(rows: RowSet, few: number, live: Live, codes: CodeKernels): Restriction {
  const ordinals = listOf(rows);
  if (ordinals.length <= few) return { masks: [], tail: ordinals.filter(live.alive), rows: 0 };
  const { segments } = live;
  const masks = segments.map(({ mask }) => arrayIn(codes, Uint16Array, mask.length));
  const places = segments.map((segment) => live.placesOf(segment));
  const tail = new Uint32Array(ordinals.length);
  let masked = 0;
  let free = 0;
  for (const ordinal of ordinals) {
    if (!live.alive(ordinal)) continue;
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
