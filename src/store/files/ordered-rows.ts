/** The rows that a write is about, put in order in parts: they may be a million. */
import { type Sliced, sorted } from '../../core/slices.js';

/** Rows that are looked at before others get their turn. */
const ROWS_AT_ONCE = 16_384;

/** The ordinals that are wanted, ascending, each once. */
export function* orderedRows(
  ordinals: Iterable<number>,
  isWanted: (ordinal: number) => boolean = () => true,
): Sliced<number[]> {
  const found: number[] = [];
  let work = 0;
  let before = -1;
  let isInOrder = true;
  for (const ordinal of ordinals) {
    if (++work % ROWS_AT_ONCE === 0) yield;
    if (!isWanted(ordinal)) continue;
    isInOrder &&= ordinal > before;
    before = ordinal;
    found.push(ordinal);
  }
  if (isInOrder) return found;
  const list = yield* sorted(found);
  const distinct: number[] = [];
  for (const ordinal of list) {
    if (++work % ROWS_AT_ONCE === 0) yield;
    if (ordinal !== distinct.at(-1)) distinct.push(ordinal);
  }
  return distinct;
}

/** The place of the first ordinal, from place `from` on, that is not below. */
export function firstNotBelow(wanted: number, ordinals: Uint32Array, from = 0): number {
  let low = from;
  for (let high = ordinals.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (ordinals[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
