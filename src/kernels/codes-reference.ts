/** The code kernels in plain TypeScript: the oracle of the other backends, and the last resort. See codes.ts. */
import { sharedBuffer } from '../core/shared.js';
import {
  type BitDotsTask,
  BLOCK_ROWS,
  type Bound,
  type CodeKernels,
  type EncodeBitsTask,
  type EncodeHeadTask,
  type EncodeRowsTask,
  type GatherBitsTask,
  type HeadDotsTask,
  type NearestTask,
  type NeighboursTask,
  type ProjectTask,
  type PruneRowsTask,
  type PruneVisitTask,
  type RelinkTask,
  type RowDotsTask,
  type ScoresAtTask,
  type TopDotsTask,
  WALK_STEP,
  type WalkTask,
} from './codes.js';
import { reference } from './reference.js';

export const codesReference: CodeKernels = {
  name: 'js',

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(sharedBuffer(bytes));
  },

  release(): void {},

  headDots({ plane, dims, blocks, count, query, queries, dots }: HeadDotsTask): void {
    const blockBytes = dims * 8;
    for (let t = 0; t < queries; t++) {
      const out = t * count * BLOCK_ROWS;
      for (let b = 0; b < count; b++) {
        const at = blocks[b]! * blockBytes;
        for (let r = 0; r < BLOCK_ROWS; r++) {
          let sum = 0;
          for (let i = 0; i < dims; i++) {
            const byte = plane[at + (i >> 3) * 64 + 4 * r + (i & 3)]!;
            sum += query[t * dims + i]! * (i & 4 ? byte >> 4 : byte & 15);
          }
          dots[out + b * BLOCK_ROWS + r] = sum;
        }
      }
    }
  },

  bitDots({ plane, dims, blocks, count, query, dots }: BitDotsTask): void {
    const sums = nibbleSums(query, dims);
    for (let b = 0; b < count; b++) {
      for (let r = 0; r < BLOCK_ROWS; r++) {
        let at = blocks[b]! * dims * 2 + r;
        let sum = 0;
        for (let half = 0; half < sums.length; half += 32, at += 16) {
          const byte = plane[at]!;
          sum += sums[half + (byte & 15)]! + sums[half + 16 + (byte >> 4)]!;
        }
        dots[b * BLOCK_ROWS + r] = sum;
      }
    }
  },

  rowDots({ plane, bits, stride, dims, rows, count, query, dots }: RowDotsTask): void {
    for (let k = 0; k < count; k++) {
      const at = rows[k]! * stride;
      let sum = 0;
      if (bits === 8) {
        for (let i = 0; i < dims; i++) sum += query[i]! * ((plane[at + i]! << 24) >> 24);
      } else {
        for (let i = 0; i < dims; i++) {
          const byte = plane[at + 4 * (i >> 3) + (i & 3)]!;
          sum += query[i]! * (i & 4 ? byte >> 4 : byte & 15);
        }
      }
      dots[k] = sum;
    }
  },

  topDots({ dots, blocks, count, mask, k, rows, best }: TopDotsTask): number {
    const visits: number[] = [];
    for (let v = 0; v < count * BLOCK_ROWS; v++) {
      if ((mask[blocks[v >> 4]!]! >> (v & 15)) & 1) visits.push(v);
    }
    visits.sort((a, b) => dots[b]! - dots[a]! || a - b);
    const found = Math.min(k, visits.length);
    for (let i = 0; i < found; i++) {
      const v = visits[i]!;
      rows[i] = blocks[v >> 4]! * BLOCK_ROWS + (v & 15);
      best[i] = dots[v]!;
    }
    return found;
  },

  pruneVisit({ dots, scale, blocks, count, mask, bound, rows, kept, estimates }: PruneVisitTask): number {
    let n = 0;
    for (let v = 0; v < count * BLOCK_ROWS; v++) {
      const block = blocks[v >> 4]!;
      const row = block * BLOCK_ROWS + (v & 15);
      if (((mask[block]! >> (v & 15)) & 1) === 0 || !stays(bound, row, dots[v]! * scale)) continue;
      rows[n] = row;
      kept[n] = dots[v]!;
      estimates[n] = dots[v]! * scale;
      n++;
    }
    return n;
  },

  pruneRows({ rows, count, estimates, dots, scale, bound }: PruneRowsTask): number {
    let n = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const estimate = estimates[i]! + dots[i]! * scale;
      if (!stays(bound, row, estimate)) continue;
      rows[n] = row;
      estimates[n] = estimate;
      n++;
    }
    return n;
  },

  project({ rows, count, dim, basis, width, out }: ProjectTask): void {
    for (let r = 0; r < count; r++) {
      const sums = out.subarray(r * width, (r + 1) * width).fill(0);
      for (let j = 0; j < dim; j++) {
        const x = rows[r * dim + j]!;
        for (let i = 0; i < width; i++) sums[i]! += x * basis[j * width + i]!;
      }
    }
  },

  nearest({ rows, places, count, dim, basis, width, offsets, names, best, found }: NearestTask): void {
    for (let k = 0; k < count; k++) {
      const place = places[k]!;
      for (let i = 0; i < width; i++) {
        let product = 0;
        for (let j = 0; j < dim; j++) product += rows[place * dim + j]! * basis[j * width + i]!;
        if (product - offsets[i]! > best[place]!) {
          best[place] = product - offsets[i]!;
          found[place] = names[i]!;
        }
      }
    }
  },

  encodeHead(task: EncodeHeadTask): void {
    const { values, count, stride, offset, dims, base, step, inverse, first, head, fine } = task;
    const coarse = new Float64Array(8);
    const whole = new Float64Array(8);
    for (let k = 0; k < count; k++) {
      coarse.fill(0);
      whole.fill(0);
      const row = first + k;
      const headAt = (row >> 4) * dims * 8 + 4 * (row & 15);
      const fineAt = row * (dims / 2);
      for (let i = 0; i < dims; i++) {
        const v = values[k * stride + offset + i]!;
        const code = Math.min(255, Math.max(0, Math.floor((v - base[i]!) * inverse[i]! + 0.5)));
        const high = code >> 4;
        const coarseResidual = v - (base[i]! + step[i]! * (16 * high + 7.5));
        const residual = v - (base[i]! + step[i]! * code);
        coarse[i & 7]! += coarseResidual * coarseResidual;
        whole[i & 7]! += residual * residual;
        const h = headAt + (i >> 3) * 64 + (i & 3);
        const f = fineAt + (i >> 3) * 4 + (i & 3);
        // Both halves are written, whatever was there.
        if (i & 4) {
          head[h] = (head[h]! & 15) | (high << 4);
          fine[f] = (fine[f]! & 15) | ((code & 15) << 4);
        } else {
          head[h] = high;
          fine[f] = code & 15;
        }
      }
      task.coarseError[k] = reduce(coarse);
      task.fineError[k] = reduce(whole);
    }
  },

  encodeRows(task: EncodeRowsTask): void {
    const { values, count, stride, offset, dims, base, step, inverse, first, plane, error } = task;
    const lanes = new Float64Array(8);
    for (let k = 0; k < count; k++) {
      lanes.fill(0);
      for (let i = 0; i < dims; i++) {
        const v = values[k * stride + offset + i]!;
        const code = Math.min(127, Math.max(-127, Math.floor((v - base[i]!) * inverse[i]! + 0.5)));
        const residual = v - (base[i]! + step[i]! * code);
        lanes[i & 7]! += residual * residual;
        plane[(first + k) * dims + i] = code;
      }
      error[k] = reduce(lanes);
    }
  },

  encodeBits({ values, count, stride, offset, dims, base, inverse, first, plane }: EncodeBitsTask): void {
    for (let k = 0; k < count; k++) {
      const row = first + k;
      const at = (row >> 4) * dims * 2 + (row & 15);
      for (let g = 0; g < dims; g += 8) {
        let byte = 0;
        for (let t = 0; t < 8; t++) {
          const i = g + t;
          // floor(x) ≥ 1 where x ≥ 1.
          if ((values[k * stride + offset + i]! - base[i]!) * inverse[i]! + 0.5 >= 1) byte |= 1 << t;
        }
        plane[at + g * 2] = byte;
      }
    }
  },

  gatherBits({ bits, ordinals, alive, blocks, count, mask }: GatherBitsTask): void {
    for (let b = 0; b < count; b++) {
      const block = blocks[b]!;
      let found = 0;
      const first = block * BLOCK_ROWS;
      const end = Math.min(first + BLOCK_ROWS, ordinals.length);
      for (let row = first; row < end; row++) {
        const ordinal = ordinals[row]!;
        found |= (((bits[ordinal >>> 4] ?? 0) >>> (ordinal & 15)) & 1) << (row - first);
      }
      mask[block] = found & alive[block]!;
    }
  },

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
      codesReference.headDots({ plane, dims, blocks, count, query, queries: 1, dots });
      const n = codesReference.topDots({ dots, blocks, count, mask, k: degree + 1, rows: found, best });
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
        table: from,
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
      const found = codesReference.walk(task);
      marks[row >> 4] = 0;
      writeOthers(rows.subarray(0, found), row, degree, table);
    }
  },

  walk(task: WalkTask): number {
    const { plane, dims, query, table, degree, blocks, count, mask, marks, size, rows, best, room, met } = task;
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
        for (const row of table.subarray(place.row * degree, (place.row + 1) * degree)) {
          if ((marks[row >> 4]! >> (row & 15)) & 1) continue;
          marks[row >> 4]! |= 1 << (row & 15);
          met[1 + known++] = row;
        }
      }
      const fresh = met.subarray(1 + from, 1 + known);
      const dots = new Int32Array(fresh.length);
      codesReference.rowDots({
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
  },

  scoresAt({ metric, query, chunks, chunkRows, stride, dim, rows, count, keys }: ScoresAtTask): void {
    for (let k = 0; k < count; k++) {
      const chunk = chunks[Math.floor(rows[k]! / chunkRows)]!;
      const at = (rows[k]! % chunkRows) * stride;
      const row = chunk.subarray(at, at + dim);
      reference.scores({ metric, query, rows: row, dim, from: 0, to: dim, keys: keys.subarray(k, k + 1) });
    }
  },
};

/** Writes the first rows that are not the row itself as its neighbours. */
function writeOthers(found: Uint32Array, row: number, degree: number, table: Uint32Array): void {
  const others = found.filter((one) => one !== row);
  for (let i = 0; i < degree; i++) table[row * degree + i] = others[i] ?? row;
}

function keyOf({ metric, norms, scale, constant, twoQuery }: WalkTask, row: number, dot: number): number {
  if (metric === 'cosine') return dot;
  const v = dot * scale + constant;
  const norm = norms[row]!;
  return metric === 'dot' ? norm * v : norm * (twoQuery * v - norm);
}

/** By 4 dims and their 4 bits: the sum of the query's values whose bit is set. */
function nibbleSums(query: Int16Array, dims: number): Int32Array {
  const sums = new Int32Array(dims * 4);
  for (let i = 0; i < dims; i += 4) {
    for (let bits = 1; bits < 16; bits++) {
      const lowest = 31 - Math.clz32(bits & -bits);
      sums[4 * i + bits] = sums[4 * i + (bits & (bits - 1))]! + query[i + lowest]!;
    }
  }
  return sums;
}

function stays(b: Bound, row: number, estimate: number): boolean {
  const v = estimate + b.error[row]! * b.errorScale + b.tail[row]! * b.tailScale + b.constant;
  const norm = b.metric === 'cosine' ? 1 : b.norms[row]!;
  const bound = b.metric === 'cosine' ? v : b.metric === 'dot' ? norm * v : norm * (b.twoQuery * v - norm);
  return bound >= b.threshold;
}

function reduce(a: Float64Array): number {
  return a[0]! + a[4]! + (a[2]! + a[6]!) + (a[1]! + a[5]! + (a[3]! + a[7]!));
}
