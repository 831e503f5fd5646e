/** The product of many rows with a basis, some rows at a time: each row's sums are its own. */

import type { Sliced } from '../../core/slices.js';
import type { CodeKernels, ProjectTask } from '../../kernels/codes.js';

/**
 * Products between two breaks. Each part reads the whole basis again, which costs up to a third more in a build: only who is
 * waited for makes parts small.
 */
export const breaks = { products: Number.POSITIVE_INFINITY };
/** Rows that go together in all kernels; fewer would be padded. */
const ROWS = 12;

export function* project(kernels: CodeKernels, { rows, count, dim, basis, width, out }: ProjectTask): Sliced<void> {
  const most = ROWS * Math.max(1, Math.floor(breaks.products / (ROWS * dim * width)));
  for (let from = 0; from < count; from += most) {
    const n = Math.min(most, count - from);
    const part = rows.subarray(from * dim, (from + n) * dim);
    kernels.project({ rows: part, count: n, dim, basis, width, out: out.subarray(from * width, (from + n) * width) });
    yield;
  }
}
