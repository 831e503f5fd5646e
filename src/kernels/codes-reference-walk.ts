/** The walk over a table of neighbours in plain TypeScript. See codes-walk.ts. */
import type { ScanKernels } from './codes-scan.js';
import { numberAt, WALK_STEP, type WalkKernels, type WalkTask } from './codes-walk.js';

/** @param scan the kernel that scores the rows it meets */
export function walkReference(scan: Pick<ScanKernels, 'rowDots'>): WalkKernels {
  function walk(task: WalkTask): number {
    const { plane, dims, query, table, degree, idBytes, blocks, count, mask, marks, size, rows, best, room, met } =
      task;
    const places: { key: number; row: number; dot: number; walked: boolean }[] = [];
    for (let i = 0; i < task.found; i++) {
      places.push({ key: keyOf(task, rows[i]!, best[i]!), row: rows[i]!, dot: best[i]!, walked: false });
    }
    for (let b = 0; b < count; b++) marks[blocks[b]!] = mask[blocks[b]!]!;
    let known = 0;
    while (known + WALK_STEP * degree <= room) {
      const step = places.filter(({ walked }) => !walked).slice(0, WALK_STEP);
      if (step.length === 0) break;
      const from = known;
      for (const place of step) {
        place.walked = true;
        for (let i = place.row * degree; i < (place.row + 1) * degree; i++) {
          const row = numberAt(table, idBytes, i * idBytes);
          if ((marks[row >> 4]! >> (row & 15)) & 1) continue;
          marks[row >> 4]! |= 1 << (row & 15);
          met[1 + known++] = row;
        }
      }
      const fresh = met.subarray(1 + from, 1 + known);
      const dots = new Int32Array(fresh.length);
      scan.rowDots({
        plane,
        bits: 4,
        stride: dims / 2,
        dims,
        rows: fresh,
        count: fresh.length,
        query,
        dots,
      });
      for (const [i, row] of fresh.entries()) {
        const key = keyOf(task, row, dots[i]!);
        let at = places.length;
        while (at > 0 && key > places[at - 1]!.key) at--;
        places.splice(at, 0, { key, row, dot: dots[i]!, walked: false });
        if (places.length > size) places.pop();
      }
    }
    for (const [i, { row, dot }] of places.entries()) {
      rows[i] = row;
      best[i] = dot;
    }
    for (let b = 0; b < count; b++) marks[blocks[b]!] = 0;
    for (const row of met.subarray(1, 1 + known)) marks[row >> 4] = 0;
    met[0] = known;
    return places.length;
  }

  return { walk };
}

function keyOf({ metric, norms, scale, constant, twoQuery }: WalkTask, row: number, dot: number): number {
  if (metric === 'cosine') return dot;
  const v = dot * scale + constant;
  const norm = norms[row]!;
  return metric === 'dot' ? norm * v : norm * (twoQuery * v - norm);
}
