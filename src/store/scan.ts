/** Live rows in the order of insertion. */
import type { Id } from '../core/types.js';
import { checkInteger } from '../core/validate.js';
import type { IndexParts } from './parts.js';

/** Ordinals of live rows, from `first` on, at most `count`. */
export function liveFrom({ files, live }: IndexParts, first: number, count: number): number[] {
  const found: number[] = [];
  for (let ordinal = first; ordinal < files.rows && found.length < count; ordinal++) {
    if (live.alive(ordinal)) found.push(ordinal);
  }
  return found;
}

/** @throws FunnelError BAD_ARGUMENT */
export function someIds(parts: IndexParts, count: number): Id[] {
  checkInteger(count, 0, 0xffff_ffff, 'count');
  return liveFrom(parts, 0, count).map((ordinal) => parts.files.idOf(ordinal));
}
