/** A filter's rows as the engine takes them: a list to score, or masks over segments. */

import { LITTLE_ENDIAN } from '../core/endian.js';
import { sharedBuffer } from '../core/shared.js';
import type { Sliced } from '../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../kernels/codes.js';
import { arrayIn, releaseIn } from './engine/memory.js';
import { readsListed } from './engine/restricted.js';
import { NOWHERE, type Places, placesOf, type Segment } from './engine/segment.js';
import type { LateMasks, RowMasks, SearchTask } from './engine/types.js';
import type { IndexFiles } from './files/index-files.js';
import { nativeFiles } from './files/native.js';
import { orderedRows } from './files/ordered-rows.js';
import type { Live } from './live.js';
import { liveRows } from './payload/live-rows.js';
import {
  Bitmap,
  bitmapOf,
  bitsIn,
  bitsOf,
  intersection,
  listOf,
  ordinalsWithBit,
  type RowSet,
  settled,
  sizeOf,
} from './payload/row-set.js';
import type { RowFilter } from './types.js';

/** So few rows are scored one by one sooner than their codes are found (of 768 dims; of 256, some more would be). */
export const FULL_SCAN_THRESHOLD = 256;

/** Masks that were given back, to be used again: shared memory costs more to make than a mask to fill. */
export class Masks {
  #free: Uint16Array[] = [];

  constructor(readonly codes: CodeKernels) {}

  /** A mask of any content. */
  take(length: number): Uint16Array {
    const at = this.#free.findIndex((mask) => mask.length === length);
    if (at === -1) return arrayIn(this.codes, Uint16Array, length);
    const [mask] = this.#free.splice(at, 1);
    return mask!;
  }

  /** Nobody may use them any more. */
  give(masks: readonly Uint16Array[]): void {
    this.#free.push(...masks);
    while (this.#free.length > MASKS_KEPT) releaseIn(this.codes, this.#free.shift()!);
  }
}

/** Masks kept for 16 filters, which may have bits beside a mask. */
const MASKS_KEPT = 32;

/** @param few up to so many rows are scored, and no codes read */
export function restrict(rows: RowSet, few: number, live: Live, free: Masks): RowMasks {
  const { files, segments, unindexed } = live;
  const of = files.liveCount - unindexed.length;
  if (sizeOf(rows) <= few) return { masks: [], unindexed: aliveOf(listOf(rows), live), rows: 0, of };
  const areRuns = rows instanceof Bitmap && segments.every(isRun);
  if (sizeOf(rows) <= files.rows * FEW_SHARE && !areRuns) {
    return { masks: segments.map(() => NO_MASK), of, ...ofFew(listOf(rows), live) };
  }
  const taken: Uint16Array[] = [];
  const take = (length: number) => {
    const mask = free.take(length);
    taken.push(mask);
    return mask;
  };
  try {
    const masks = segments.map(({ mask }) => take(mask.length));
    return { masks, of, ...ofMany(bitmapOf(rows, files.rows), masks, live, take, free.codes) };
  } catch (error) {
    free.give(taken);
    throw error;
  }
}

const NO_MASK = new Uint16Array(0);

/** Makes the masks of listed rows that a search reads, where there are none yet. */
export function markListed(only: RowMasks, request: Omit<SearchTask, 'only'>, live: Live, free: Masks): void {
  const { listed } = only;
  if (listed === undefined) return;
  only.masks = only.masks.map((mask, s) => {
    const segment = live.segments[s]!;
    if (mask.length > 0 || segment.count === 0 || readsListed(live.state, s, request)) return mask;
    const made = free.take(segment.mask.length);
    clear(made);
    for (const row of listed[s]!) made[row >>> 4]! |= 1 << (row & 15);
    return made;
  });
}

type Masked = Pick<RowMasks, 'unindexed' | 'rows' | 'late' | 'listed'>;

/** The codes of so few rows, out of order, are read one by one sooner than those of lists; masks of more are made late. */
const FEW_SHARE = 1 / 16;

/** A list of its own: it may travel to a thread. */
function aliveOf(list: Uint32Array, { files: { alive, liveCount, rows } }: Live): Uint32Array {
  if (liveCount === rows) return list.slice();
  const out = new Uint32Array(list.length);
  let n = 0;
  for (let i = 0; i < list.length; i++) {
    out[n] = list[i]!;
    n += (alive[list[i]! >> 3]! >> (list[i]! & 7)) & 1;
  }
  return out.slice(0, n);
}

/** Touches only the rows of the list. */
function ofFew(rows: Uint32Array, live: Live): Masked {
  const alive = aliveOf(rows, live);
  let unindexed = alive;
  const listed: Uint32Array[] = [];
  for (const segment of live.segments) {
    const placed = new Uint32Array(unindexed.length);
    const left = new Uint32Array(unindexed.length);
    const n = isRun(segment)
      ? placesInRun(unindexed, segment, placed, left)
      : placesIn(unindexed, placesOf(segment), placed, left);
    listed.push(placed.subarray(0, n));
    unindexed = left.slice(0, unindexed.length - n);
  }
  return { unindexed, rows: alive.length - unindexed.length, listed };
}

/** fill() of shared memory takes six times as long as a copy. */
function clear(mask: Uint16Array): void {
  for (let at = 0; at < mask.length; at += ZEROS.length) mask.set(ZEROS.subarray(0, mask.length - at), at);
}

const ZEROS = new Uint16Array(1 << 13);

/** Places in a run of ordinals; the ordinals that have none, in `left`. Returns how many have one. */
function placesInRun(ordinals: Uint32Array, run: Segment, placed: Uint32Array, left: Uint32Array): number {
  const first = run.ordinals[0]!;
  let n = 0;
  for (let i = 0; i < ordinals.length; i++) {
    const row = ordinals[i]! - first;
    if (row >= 0 && row < run.count) placed[n++] = row;
    else left[i - n] = ordinals[i]!;
  }
  return n;
}

/** The same in a segment whose rows are out of order. */
function placesIn(ordinals: Uint32Array, places: Places, placed: Uint32Array, left: Uint32Array): number {
  const { first, rows } = places;
  const { placesAt } = nativeFiles();
  if (placesAt !== undefined) return placesAt(rows, first, NOWHERE, ordinals, placed, left);
  let n = 0;
  for (let i = 0; i < ordinals.length; i++) {
    const at = ordinals[i]! - first;
    const row = at >= 0 && at < rows.length ? rows[at]! : NOWHERE;
    if (row !== NOWHERE) placed[n++] = row;
    else left[i - n] = ordinals[i]!;
  }
  return n;
}

/** Touches every row, in the order of the masks; those of partitioned segments wait until a search visits them. */
function ofMany(
  rows: Bitmap,
  masks: Uint16Array[],
  live: Live,
  take: (length: number) => Uint16Array,
  codes: CodeKernels,
): Masked {
  const { segments, files } = live;
  const { words } = rows;
  const unindexed = ordinalsWithBit(live.unindexed, words, 1);
  const late = segments.some(isLate) ? lateMasks(words, segments, take) : undefined;
  const all = files.liveCount === files.rows;
  let masked = 0;
  for (const [s, segment] of segments.entries()) {
    const mask = masks[s]!;
    if (isLate(segment)) continue;
    if (!isRun(segment)) {
      const { ordinals, mask: alive, blocks } = segment;
      codes.gatherBits({ bits: halvesOf(words), ordinals, alive, blocks, count: blocks.length, mask });
      masked += bitsIn(mask);
      continue;
    }
    copyBits(words, segment.ordinals[0]! / BLOCK_ROWS, mask);
    // Where no row is dead, only the last block may have bits of other rows: ordinals behind the segment's.
    if (all) mask[mask.length - 1]! &= segment.mask[mask.length - 1]!;
    else masked += keepBits(mask, segment.mask);
  }
  // A few of the rows matched may have died since.
  const counted = late === undefined && !all;
  return { unindexed, rows: counted ? masked : rows.size - unindexed.length, late };
}

function isLate({ partition, count }: Segment): boolean {
  return partition !== null && count > 0;
}

function lateMasks(words: Uint32Array, segments: readonly Segment[], take: (length: number) => Uint16Array): LateMasks {
  const bits = take(2 * words.length);
  bits.set(halvesOf(words));
  const made = segments.map((segment) =>
    isLate(segment) ? new Uint8Array(sharedBuffer(segment.partition!.offsets.length - 1)) : undefined,
  );
  return { bits, made };
}

/** Halves of words, the low one first, are masks of blocks. */
function halvesOf(words: Uint32Array): Uint16Array {
  const { buffer, byteOffset } = LITTLE_ENDIAN ? words : words.map((word) => (word << 16) | (word >>> 16));
  return new Uint16Array(buffer, byteOffset, 2 * words.length);
}

/** Copies the bits of rows that are consecutive ordinals from `first` blocks on. */
function copyBits(words: Uint32Array, first: number, mask: Uint16Array): void {
  const found = halvesOf(words).subarray(first, first + mask.length);
  mask.set(found);
  if (found.length < mask.length) mask.fill(0, found.length);
}

/** Clears what `alive` has not; the bits that are left. */
function keepBits(mask: Uint16Array, alive: Uint16Array): number {
  const pairs = mask.length >> 1;
  const [some, all] = [mask, alive].map(({ buffer, byteOffset }) => new Uint32Array(buffer, byteOffset, pairs));
  let left = 0;
  for (let i = 0; i < pairs; i++) {
    const bits = some![i]! & all![i]!;
    some![i] = bits;
    left += bitsOf(bits);
  }
  for (let block = 2 * pairs; block < mask.length; block++) {
    mask[block]! &= alive[block]!;
    left += bitsOf(mask[block]!);
  }
  return left;
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

/** Live rows that pass. */
export function* matching({ ids, rows }: RowFilter, files: IndexFiles): Sliced<RowSet> {
  const bit = (ordinal: number) => (((rows![ordinal >> 3] ?? 0) >> (ordinal & 7)) & 1) === 1;
  if (ids === undefined) {
    const live = liveRows(files);
    if (rows === undefined) return live;
    const passing = Bitmap.fromBytes(rows, files.rows);
    return settled(files.liveCount === files.rows ? passing : intersection(passing, live), files.rows);
  }
  yield* files.prepareIds();
  const found: number[] = [];
  let sought = 0;
  for (const id of ids) {
    if (++sought % IDS_AT_ONCE === 0) yield;
    const ordinal = files.ordinalOf(id);
    if (ordinal !== undefined && (rows === undefined || bit(ordinal))) found.push(ordinal);
  }
  return new Uint32Array(yield* orderedRows(found));
}

/** Ids that are sought between two turns of others. */
const IDS_AT_ONCE = 4096;
