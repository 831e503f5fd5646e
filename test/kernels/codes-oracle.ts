/**
 * The contract of the code kernels written a second time, value by value and without any care for time: the oracle of all
 * backends, the TypeScript one included.
 */
import type { Bound, EncodeTask, ScoresAtTask, SiftTask, SurvivorsTask, TopDotsTask } from '#dist/kernels/codes.js';
import type { CodeCase } from './codes-cases.js';
import { runOracle } from './oracle.js';

/** Returns what the kernel returns, or how many outputs it defines where it returns nothing. */
export function runCodeOracle({ kernel, task }: CodeCase): number | undefined {
  switch (kernel) {
    case 'headDots': {
      const { plane, dims, blocks, count, query, queries, dots } = task;
      each(queries, count, 16, (t, b, r) => {
        const row = 16 * blocks[b]! + r;
        dots[16 * (t * count + b) + r] = sum(dims, (i) => query[t * dims + i]! * headCode(plane, dims, row, i));
      });
      return undefined;
    }
    case 'bitDots': {
      const { plane, dims, blocks, count, query, dots } = task;
      each(count, 16, 1, (b, r) => {
        dots[16 * b + r] = sum(dims, (i) => query[i]! * bitOf(plane, dims, 16 * blocks[b]! + r, i));
      });
      return undefined;
    }
    case 'rowDots': {
      const { plane, bits, stride, dims, rows, count, query, dots } = task;
      for (let k = 0; k < count; k++) {
        const row = plane.subarray(rows[k]! * stride);
        const signed = new Int8Array(row.buffer, row.byteOffset);
        dots[k] = sum(dims, (i) => query[i]! * (bits === 8 ? signed[i]! : nibbleOfGroup(row, i, 4)));
      }
      return undefined;
    }
    case 'topDots':
      return topDots(task);
    case 'survivors':
      return survivors(task);
    case 'sift':
      return sift(task);
    case 'project': {
      const { rows, count, dim, basis, width, out } = task;
      each(count, width, 1, (r, i) => {
        out[r * width + i] = sum(dim, (j) => rows[r * dim + j]! * basis[j * width + i]!);
      });
      return undefined;
    }
    case 'nearest': {
      const { rows, places, count, dim, basis, width, offsets, names, best, found } = task;
      for (const place of places.subarray(0, count)) {
        const values = Array.from({ length: width }, (_, i) => {
          return sum(dim, (j) => rows[place * dim + j]! * basis[j * width + i]!) - offsets[i]!;
        });
        const most = Math.max(...values);
        if (!(most > best[place]!)) continue;
        best[place] = most;
        found[place] = names[values.indexOf(most)]!;
      }
      return undefined;
    }
    case 'encodeHead': {
      const { head, fine, dims, first, coarseError, fineError } = task;
      for (let k = 0; k < task.count; k++) {
        const row = first + k;
        for (let i = 0; i < dims; i++) {
          const code = codeOf(task, k, i, 0, 255);
          setNibble(head, headByte(dims, row, i), i, Math.floor(code / 16));
          setNibble(fine, row * (dims / 2) + 4 * Math.floor(i / 8) + (i % 4), i, code % 16);
        }
        coarseError[k] = squares(task, k, (i) => 16 * Math.floor(codeOf(task, k, i, 0, 255) / 16) + 7.5);
        fineError[k] = squares(task, k, (i) => codeOf(task, k, i, 0, 255));
      }
      return undefined;
    }
    case 'encodeRows': {
      const { plane, dims, first, error } = task;
      const signed = new Int8Array(plane.buffer, plane.byteOffset, plane.length);
      for (let k = 0; k < task.count; k++) {
        for (let i = 0; i < dims; i++) signed[(first + k) * dims + i] = codeOf(task, k, i, -127, 127);
        error[k] = squares(task, k, (i) => codeOf(task, k, i, -127, 127));
      }
      return undefined;
    }
    case 'encodeBits': {
      const { plane, dims, first } = task;
      each(task.count, dims, 1, (k, i) => {
        const at = bitByte(dims, first + k, i);
        const others = plane[at]! - bitOf(plane, dims, first + k, i) * 2 ** (i % 8);
        plane[at] = others + codeOf(task, k, i, 0, 1) * 2 ** (i % 8);
      });
      return undefined;
    }
    case 'gatherBits': {
      const { bits, ordinals, alive, blocks, count, mask } = task;
      const isIn = (ordinal: number) => Math.floor((bits[Math.floor(ordinal / 16)] ?? 0) / 2 ** (ordinal % 16)) % 2;
      for (const block of blocks.subarray(0, count)) {
        const lives = (r: number) => Math.floor(alive[block]! / 2 ** r) % 2;
        mask[block] = sum(16, (r) => lives(r) * isIn(ordinals[16 * block + r] ?? 2 ** 40) * 2 ** r);
      }
      return undefined;
    }
    default:
      scoresAt(task);
      return undefined;
  }
}

function each(a: number, b: number, c: number, visit: (i: number, j: number, k: number) => void): void {
  for (let i = 0; i < a; i++) for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) visit(i, j, k);
}

function sum(n: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
}

// Layouts

/** Where a dim of a row is in a head plane. */
function headByte(dims: number, row: number, dim: number): number {
  const [block, r, g, t] = [Math.floor(row / 16), row % 16, Math.floor(dim / 8), dim % 4];
  return block * dims * 8 + 64 * g + 4 * r + t;
}

function headCode(plane: Uint8Array, dims: number, row: number, dim: number): number {
  const byte = plane[headByte(dims, row, dim)]!;
  return dim % 8 < 4 ? byte % 16 : Math.floor(byte / 16);
}

/** Where a dim of a row is in a bit plane. */
function bitByte(dims: number, row: number, dim: number): number {
  return Math.floor(row / 16) * dims * 2 + 16 * Math.floor(dim / 8) + (row % 16);
}

function bitOf(plane: Uint8Array, dims: number, row: number, dim: number): number {
  return Math.floor(plane[bitByte(dims, row, dim)]! / 2 ** (dim % 8)) % 2;
}

/** Dim of a row whose groups of eight dims follow each other, `bytes` each. */
function nibbleOfGroup(row: Uint8Array, dim: number, bytes: number): number {
  const byte = row[bytes * Math.floor(dim / 8) + (dim % 4)]!;
  return dim % 8 < 4 ? byte % 16 : Math.floor(byte / 16);
}

function setNibble(plane: Uint8Array, at: number, dim: number, value: number): void {
  const byte = plane[at]!;
  plane[at] = dim % 8 < 4 ? Math.floor(byte / 16) * 16 + value : (byte % 16) + 16 * value;
}

// Codes

function codeOf(task: EncodeTask, k: number, i: number, least: number, most: number): number {
  const t = (valueAt(task, k, i) - task.base[i]!) * task.inverse[i]!;
  const code = Math.floor(t + 0.5);
  return code < least ? least : code > most ? most : code;
}

function valueAt({ values, stride, offset }: EncodeTask, k: number, i: number): number {
  return values[k * stride + offset + i]!;
}

function squares(task: EncodeTask, k: number, code: (i: number) => number): number {
  const a = [0, 0, 0, 0, 0, 0, 0, 0] as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < task.dims; i++) {
    const e = valueAt(task, k, i) - (task.base[i]! + task.step[i]! * code(i));
    a[i % 8]! += e * e;
  }
  return a[0] + a[4] + (a[2] + a[6]) + (a[1] + a[5] + (a[3] + a[7]));
}

// Choices

interface Visit {
  row: number;
  dot: number;
}

/** Rows of a visit that the mask lets through, in order. */
function visitsOf(task: { dots: Int32Array; blocks: Uint32Array; count: number; mask: Uint16Array }): Visit[] {
  const visits: Visit[] = [];
  each(task.count, 16, 1, (b, r) => {
    const block = task.blocks[b]!;
    const open = Math.floor(task.mask[block]! / 2 ** r) % 2 === 1;
    if (open) visits.push({ row: 16 * block + r, dot: task.dots[16 * b + r]! });
  });
  return visits;
}

function topDots({ k, rows, best, ...visit }: TopDotsTask): number {
  const found = visitsOf(visit)
    .map((one, order) => ({ ...one, order }))
    .sort((a, b) => (a.dot === b.dot ? a.order - b.order : b.dot - a.dot))
    .slice(0, k);
  found.forEach(({ row, dot }, i) => {
    rows[i] = row;
    best[i] = dot;
  });
  return found.length;
}

export function boundOf(bound: Bound, row: number, est: number): number {
  const withError = est + bound.error[row]! * bound.errorScale;
  const withTail = withError + bound.tail[row]! * bound.tailScale;
  const v = withTail + bound.constant;
  if (bound.metric === 'cosine') return v;
  const norm = bound.norms[row]!;
  if (bound.metric === 'dot') return norm * v;
  const product = bound.twoQuery * v;
  return norm * (product - norm);
}

function survivors({ scale, bound, rows, kept, estimates, ...visit }: SurvivorsTask): number {
  const stay = visitsOf(visit).filter(({ row, dot }) => boundOf(bound, row, dot * scale) >= bound.threshold);
  stay.forEach(({ row, dot }, i) => {
    rows[i] = row;
    kept[i] = dot;
    estimates[i] = dot * scale;
  });
  return stay.length;
}

function sift({ rows, count, estimates, dots, scale, bound }: SiftTask): number {
  const stay: { row: number; est: number }[] = [];
  for (let i = 0; i < count; i++) {
    const est = estimates[i]! + dots[i]! * scale;
    if (boundOf(bound, rows[i]!, est) >= bound.threshold) stay.push({ row: rows[i]!, est });
  }
  stay.forEach(({ row, est }, i) => {
    rows[i] = row;
    estimates[i] = est;
  });
  return stay.length;
}

function scoresAt({ metric, query, chunks, chunkRows, stride, dim, rows, count, keys }: ScoresAtTask): void {
  for (let k = 0; k < count; k++) {
    const chunk = chunks[Math.floor(rows[k]! / chunkRows)]!;
    const start = (rows[k]! % chunkRows) * stride;
    const task = { metric, query, rows: chunk.slice(start, start + dim), dim, from: 0, to: dim };
    const one = new Float64Array(1);
    runOracle({ kernel: 'scores', task: { ...task, keys: one } });
    keys[k] = one[0]!;
  }
}
