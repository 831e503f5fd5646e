/** A filter's masks over partitioned segments, whose rows are out of order: made for the lists that a search visits, once. */
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Scratch } from './memory.js';
import type { Segment } from './segment.js';
import type { RowMasks } from './types.js';

/**
 * Makes those of the lists that nobody made before. Searches on several threads may make the same list at once, and write
 * the same, but for rows that die meanwhile: then both are asked again. None may run on when the masks are given back.
 */
export function makeLists(
  codes: CodeKernels,
  scratch: Scratch,
  { masks, late }: RowMasks,
  s: number,
  segment: Segment,
  lists: Iterable<number>,
): void {
  const made = late?.made[s];
  if (made === undefined) return;
  const { ordinals, mask: alive, partition } = segment;
  const { offsets } = partition!;
  const fresh: number[] = [];
  let count = 0;
  for (const list of lists) {
    if (Atomics.load(made, list) === 1) continue;
    fresh.push(list);
    count += endBlock(offsets, list) - firstBlock(offsets, list);
  }
  if (fresh.length === 0) return;
  const blocks = scratch.take('late blocks', Uint32Array, count);
  let n = 0;
  for (const list of fresh) {
    // Whole blocks: those at the ends may have rows of the neighbours.
    for (let block = firstBlock(offsets, list); block < endBlock(offsets, list); block++) blocks[n++] = block;
  }
  codes.gatherBits({ bits: late!.bits, ordinals, alive, blocks, count, mask: masks[s]! });
  for (const list of fresh) Atomics.store(made, list, 1);
}

export function makeAll(codes: CodeKernels, scratch: Scratch, only: RowMasks, s: number, segment: Segment): void {
  const made = only.late?.made[s];
  if (made === undefined) return;
  if (made.some((one) => one === 1)) {
    makeLists(codes, scratch, only, s, segment, made.keys());
    return;
  }
  const { ordinals, mask: alive, blocks } = segment;
  codes.gatherBits({ bits: only.late!.bits, ordinals, alive, blocks, count: blocks.length, mask: only.masks[s]! });
  for (let list = 0; list < made.length; list++) Atomics.store(made, list, 1);
}

function firstBlock(offsets: Uint32Array, list: number): number {
  return Math.floor(offsets[list]! / BLOCK_ROWS);
}

/** The block behind a list's last one; an empty list ends where it begins. */
function endBlock(offsets: Uint32Array, list: number): number {
  const [from, to] = [offsets[list]!, offsets[list + 1]!];
  return from < to ? Math.ceil(to / BLOCK_ROWS) : firstBlock(offsets, list);
}
