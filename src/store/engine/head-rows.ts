/** Codes of heads as a walk reads them: row by row, beside the planes, whose blocks scans read. */
import type { Sliced } from '../../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import { arrayIn } from './memory.js';

/** A segment's head plane, row by row. */
export function* headRows(kernels: CodeKernels, plane: Uint8Array, head: number, count: number): Sliced<Uint8Array> {
  const rows = arrayIn(kernels, Uint8Array, (count * head) / 2);
  const from = new Uint32Array(plane.buffer, plane.byteOffset, plane.length / 4);
  const to = new Uint32Array(rows.buffer, rows.byteOffset, rows.length / 4);
  const groups = head / 8;
  for (let first = 0; first < count; first += 1024) {
    moveRows(from, to, groups, first, Math.min(count, first + 1024));
    yield;
  }
  return rows;
}

function moveRows(from: Uint32Array, to: Uint32Array, groups: number, first: number, end: number): void {
  for (let row = first; row < end; row++) {
    const source = (row >> 4) * groups * BLOCK_ROWS + (row & 15);
    for (let g = 0; g < groups; g++) to[row * groups + g] = from[source + g * BLOCK_ROWS]!;
  }
}
