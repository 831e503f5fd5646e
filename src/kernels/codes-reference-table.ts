/** The kernels that build tables of neighbours in plain TypeScript. See codes-walk.ts. */
import { BLOCK_ROWS, type ScanKernels } from './codes-scan.js';
import type { NeighboursTask, RelinkTask, TableKernels, WalkKernels } from './codes-walk.js';

/** @param scan the kernels that score and rank the rows they meet */
export function tableReference(scan: Pick<ScanKernels, 'headDots' | 'topDots'>, { walk }: WalkKernels): TableKernels {
  return {
    neighbours({
      plane,
      dims,
      offsets,
      lists,
      sought,
      most,
      mask,
      weights,
      first,
      rows,
      degree,
      table,
    }: NeighboursTask): void {
      const query = new Int16Array(dims);
      const found = new Uint32Array(degree + 1);
      const best = new Int32Array(degree + 1);
      for (let i = 0; i < rows; i++) {
        const row = first + i;
        const own = row >> 4;
        const at = own * dims * 8 + 4 * (row & 15);
        for (let d = 0; d < dims; d++) {
          const byte = plane[at + (d >> 3) * 64 + (d & 3)]!;
          query[d] = weights[16 * d + (d & 4 ? byte >> 4 : byte & 15)]!;
        }
        const seen = new Set<number>();
        for (const list of lists.subarray(i * sought, (i + 1) * sought)) {
          if (offsets[list] === offsets[list + 1]) continue;
          let from = offsets[list]! >> 4;
          const end = Math.ceil(offsets[list + 1]! / BLOCK_ROWS);
          if (end - from > most && own >= from && own < end) {
            from = Math.min(Math.max(from, own - (most >> 1)), end - most);
          }
          for (let block = from; block < Math.min(end, from + most); block++) seen.add(block);
        }
        const blocks = Uint32Array.from(seen);
        const count = blocks.length;
        const dots = new Int32Array(count * BLOCK_ROWS);
        scan.headDots({ plane, dims, blocks, count, query, queries: 1, dots });
        const n = scan.topDots({ dots, blocks, count, mask, k: degree + 1, rows: found, best });
        writeOthers(found.subarray(0, n), row, degree, table);
      }
    },

    relink({ plane, dims, weights, from, degree, marks, size, room, met, first, rows: n, table }: RelinkTask): void {
      const none = new Uint32Array(0);
      const query = new Int16Array(dims);
      const rows = new Uint32Array(size);
      const best = new Int32Array(size);
      for (let row = first; row < first + n; row++) {
        let dot = 0;
        for (let d = 0; d < dims; d++) {
          const byte = plane[(row * dims) / 2 + 4 * (d >> 3) + (d & 3)]!;
          const code = d & 4 ? byte >> 4 : byte & 15;
          query[d] = weights[16 * d + code]!;
          dot += query[d]! * code;
        }
        rows[0] = row;
        best[0] = dot;
        marks[row >> 4] = 1 << (row & 15);
        const visit = { blocks: none, count: 0, mask: marks, marks };
        const keys = { metric: 'cosine', norms: new Float32Array(0), scale: 1, constant: 0, twoQuery: 0 } as const;
        const task = {
          plane,
          dims,
          query,
          table: new Uint8Array(from.buffer, from.byteOffset, from.byteLength),
          idBytes: 4 as const,
          degree,
          ...visit,
          ...keys,
          size,
          found: 1,
          rows,
          best,
          room,
          met,
        };
        const found = walk(task);
        marks[row >> 4] = 0;
        writeOthers(rows.subarray(0, found), row, degree, table);
      }
    },
  };
}

/** Writes the first rows that are not the row itself as its neighbours. */
function writeOthers(found: Uint32Array, row: number, degree: number, table: Uint32Array): void {
  const others = found.filter((one) => one !== row);
  for (let i = 0; i < degree; i++) table[row * degree + i] = others[i] ?? row;
}
