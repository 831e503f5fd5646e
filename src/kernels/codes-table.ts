/** How the kernels that build tables of neighbours are called. Their tasks: codes-walk.ts. */
import type { NeighboursTask, RelinkTask, TableKernels } from './codes-walk.js';
import { type SignaturesOf, signature } from './signatures.js';

export const TABLE_SIGNATURES = {
  neighbours: signature<NeighboursTask>()(
    [
      'u8[] plane',
      'size dims',
      'u32[] offsets',
      'u32[] lists',
      'size sought',
      'size most',
      'u16[] mask',
      'i16[] weights',
      'size first',
      'size rows',
      'size degree',
      'out u32[] table',
    ],
    (call, t) =>
      call(
        t.plane,
        t.dims,
        t.offsets,
        t.lists,
        t.sought,
        t.most,
        t.mask,
        t.weights,
        t.first,
        t.rows,
        t.degree,
        t.table,
      ),
  ),
  relink: signature<RelinkTask>()(
    [
      'u8[] plane',
      'size dims',
      'i16[] weights',
      'u32[] from',
      'size degree',
      'out u16[] marks',
      'size size',
      'size room',
      'out u32[] met',
      'size first',
      'size rows',
      'out u32[] table',
    ],
    (call, t) =>
      call(t.plane, t.dims, t.weights, t.from, t.degree, t.marks, t.size, t.room, t.met, t.first, t.rows, t.table),
  ),
} as const satisfies SignaturesOf<TableKernels>;
