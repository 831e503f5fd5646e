/** A filter's masks over partitioned segments, whose rows are out of order: made for the lists that a search visits, once. */
import { BLOCK_ROWS } from '../../kernels/codes.js';
import type { Only } from './search.js';
import type { Segment } from './segment.js';

export interface LateMasks {
  /** The filter's rows: bit o & 15 of number o >> 4 for ordinal o. */
  bits: Uint16Array;
  /** By segment, and by list in it: 1 when the list's blocks are in the mask. None: the segment's mask is whole. */
  made: readonly (Uint8Array | undefined)[];
}

/**
 * Searches on several threads may make the same list at once, and write the same, but for rows that die meanwhile: then both
 * are asked again. None may run on when the masks are given back.
 */
export function makeList({ masks, late }: Only, s: number, segment: Segment, list: number): void {
  const made = late?.made[s];
  if (made === undefined || Atomics.load(made, list) === 1) return;
  const { offsets } = segment.partition!;
  const [from, to] = [offsets[list]!, offsets[list + 1]!];
  // Whole blocks: those at the ends may have rows of the neighbours.
  if (from < to) gather(late!.bits, segment, masks[s]!, Math.floor(from / BLOCK_ROWS), Math.ceil(to / BLOCK_ROWS));
  Atomics.store(made, list, 1);
}

export function makeAll(only: Only, s: number, segment: Segment): void {
  const lists = only.late?.made[s]?.length ?? 0;
  for (let list = 0; list < lists; list++) makeList(only, s, segment, list);
}

/** Masks of blocks [first, end): live rows whose bit is set. */
export function gather(bits: Uint16Array, segment: Segment, mask: Uint16Array, first: number, end: number): void {
  const { ordinals, mask: alive } = segment;
  let row = first * BLOCK_ROWS;
  for (let block = first; block < end; block++) {
    const to = Math.min(row + BLOCK_ROWS, ordinals.length);
    let found = 0;
    for (let r = 0; row < to; row++, r++) {
      const ordinal = ordinals[row]!;
      found |= ((bits[ordinal >>> 4]! >>> (ordinal & 15)) & 1) << r;
    }
    mask[block] = found & alive[block]!;
  }
}
