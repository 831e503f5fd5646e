/** The code kernels in plain TypeScript: the oracle of the other backends, and the last resort. See codes.ts. */
import { keptBuffer, letGo } from '../core/shared.js';
import {
  type BitDotsTask,
  BLOCK_ROWS,
  type Bound,
  type CodeKernels,
  type EncodeBitsTask,
  type EncodeHeadTask,
  type EncodeKernels,
  type EncodeRowsTask,
  type GatherBitsTask,
  type HeadDotsTask,
  type NearestTask,
  type ProjectTask,
  type PruneRowsTask,
  type PruneVisitTask,
  type RowDotsTask,
  type ScanKernels,
  type ScoresAtTask,
  type TopDotsTask,
} from './codes.js';
import { tableReference } from './codes-reference-table.js';
import { walkReference } from './codes-reference-walk.js';
import { reference } from './reference.js';

const scanReference: ScanKernels = {
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

  scoresAt({ metric, query, chunks, chunkRows, stride, dim, rows, count, keys }: ScoresAtTask): void {
    for (let k = 0; k < count; k++) {
      const chunk = chunks[Math.floor(rows[k]! / chunkRows)]!;
      const at = (rows[k]! % chunkRows) * stride;
      const row = chunk.subarray(at, at + dim);
      reference.scores({ metric, query, rows: row, dim, from: 0, to: dim, keys: keys.subarray(k, k + 1) });
    }
  },
};

const encodeReference: EncodeKernels = {
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
};

const walk = walkReference(scanReference);

export const codesReference: CodeKernels = {
  name: 'js',

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(keptBuffer(bytes));
  },

  release: letGo,

  ...scanReference,
  ...encodeReference,
  ...tableReference(scanReference, walk),
  ...walk,
};

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
