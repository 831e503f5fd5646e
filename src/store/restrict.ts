/** A filter as masks over segments: which rows take part. */
import type { CodeKernels } from '../kernels/codes.js';
import { arrayIn } from './engine/memory.js';
import type { SearchRequest } from './engine/search.js';
import type { IndexFiles } from './files/index-files.js';
import type { Live } from './live.js';
import type { RowFilter } from './types.js';

/** So few rows are scored one by one sooner than their codes are found. */
const FEW = 1024;

export function restrict(
  filter: RowFilter,
  files: IndexFiles,
  live: Live,
  codes: CodeKernels,
): NonNullable<SearchRequest['only']> {
  const ordinals = matching(filter, files, live);
  if (ordinals.length <= FEW) return { masks: [], tail: ordinals, rows: 0 };
  const takes = new Uint8Array(Math.ceil(files.rows / 8));
  for (const ordinal of ordinals) takes[ordinal >> 3]! |= 1 << (ordinal & 7);
  const has = (ordinal: number) => ((takes[ordinal >> 3]! >> (ordinal & 7)) & 1) === 1;
  let rows = 0;
  const masks = live.segments.map((segment) => {
    const mask = arrayIn(codes, Uint16Array, segment.mask.length);
    segment.ordinals.forEach((ordinal, row) => {
      if (!has(ordinal)) return;
      mask[row >> 4]! |= 1 << (row & 15);
      rows++;
    });
    return mask;
  });
  return { masks, tail: live.tail.filter(has), rows };
}

/** Live rows that pass, ascending. */
export function matching({ ids, rows }: RowFilter, files: IndexFiles, live: Live): Uint32Array {
  const bit = (ordinal: number) => ((rows![ordinal >> 3] ?? 0) >> (ordinal & 7)) & 1;
  const found: number[] = [];
  if (ids !== undefined) {
    for (const id of ids) {
      const ordinal = files.ordinalOf(id);
      if (ordinal !== undefined && (rows === undefined || bit(ordinal))) found.push(ordinal);
    }
    return Uint32Array.from(new Set(found)).sort();
  }
  for (let ordinal = 0; ordinal < files.rows; ordinal++) {
    if ((rows === undefined || bit(ordinal)) && live.alive(ordinal)) found.push(ordinal);
  }
  return Uint32Array.from(found);
}
