/**
 * The kernel contract written a second time, as literally as it stands there and without any care for time: every lane in an
 * array, every stage from dim 0, every choice by sorting. The oracle of all backends, the TypeScript one included.
 */
import type { BadPosition, FunnelTask, Metric, Rows, ScanTask, ScoresTask } from '#dist/kernels/kernels.js';
import type { KernelCase } from './cases.js';

export function runOracle({ kernel, task }: KernelCase): number {
  switch (kernel) {
    case 'scores':
      return scores(task);
    case 'norms': {
      const { rows, dim, from, to, norms } = task;
      for (let r = 0; r < rows.length / dim; r++) {
        norms[r] = Math.sqrt(lanesOf(from, to, (i) => valueAt(rows, r * dim + i) ** 2));
      }
      return firstBad(rows, dim, from, to);
    }
    case 'funnel':
      return funnel(task);
    case 'scan':
      return scan(task);
    case 'topK': {
      const order = best(Array.from(task.scores, (key, row) => ({ key: key + 0, row })));
      const n = Math.min(task.indices.length, order.length);
      write(order.slice(0, n), task.indices, task.keys);
      return n;
    }
    default:
      return firstBad(task.rows, 1, 0, 1);
  }
}

interface Entry {
  key: number;
  row: number;
}

function scores({ metric, query, rows, dim, from, to, keys }: ScoresTask): BadPosition {
  for (let r = 0; r < rows.length / dim; r++) keys[r] = keyOf(metric, query, rows, r * dim, from, to);
  return firstBad(rows, dim, from, to);
}

function funnel({ metric, query, rows, dim, scales, keep, indices, keys }: FunnelTask): BadPosition {
  const bad = firstBad(rows, dim, 0, dim);
  if (bad !== -1) return bad;
  let alive: Entry[] = Array.from({ length: rows.length / dim }, (_, row) => ({ key: 0, row }));
  scales.forEach((scale, s) => {
    for (const entry of alive) entry.key = keyOf(metric, query, rows, entry.row * dim, 0, scale);
    alive = best(alive).slice(0, keep[s]);
  });
  write(alive, indices, keys);
  return -1;
}

function scan({ metric, query, rows, dim, to, indices, keys }: ScanTask): BadPosition {
  const bad = firstBad(rows, dim, 0, to);
  if (bad !== -1) return bad;
  const all = Array.from({ length: rows.length / dim }, (_, row) => ({
    key: keyOf(metric, query, rows, row * dim, 0, to),
    row,
  }));
  write(best(all).slice(0, indices.length), indices, keys);
  return -1;
}

function best(entries: Entry[]): Entry[] {
  return entries.sort((a, b) => (a.key === b.key ? a.row - b.row : b.key - a.key));
}

function write(entries: Entry[], indices: Uint32Array, keys: Float64Array): void {
  entries.forEach(({ key, row }, i) => {
    indices[i] = row;
    keys[i] = key;
  });
}

function keyOf(metric: Metric, q: Float32Array, rows: Rows, base: number, from: number, to: number): number {
  const x = (i: number) => valueAt(rows, base + i);
  if (metric === 'euclid') return 0 - Math.sqrt(lanesOf(from, to, (i) => (q[i]! - x(i)) ** 2));
  const dot = lanesOf(from, to, (i) => q[i]! * x(i));
  if (metric === 'dot') return dot;
  const queryNorm = Math.sqrt(lanesOf(from, to, (i) => q[i]! * q[i]!));
  const rowNorm = Math.sqrt(lanesOf(from, to, (i) => x(i) * x(i)));
  if (queryNorm === 0 || rowNorm === 0) return 0;
  return Math.max(-1, Math.min(1, dot / (queryNorm * rowNorm)));
}

function lanesOf(from: number, to: number, term: (i: number) => number): number {
  const a = [0, 0, 0, 0, 0, 0, 0, 0] as [number, number, number, number, number, number, number, number];
  for (let i = from; i < to; i++) a[i % 8]! += term(i);
  return a[0] + a[4] + (a[2] + a[6]) + (a[1] + a[5] + (a[3] + a[7]));
}

function firstBad(rows: Rows, dim: number, from: number, to: number): BadPosition {
  for (let base = 0; base < rows.length; base += dim) {
    for (let i = base + from; i < base + to; i++) if (!Number.isFinite(valueAt(rows, i))) return i;
  }
  return -1;
}

/** IEEE 754 binary16 by its definition. */
function valueAt(rows: Rows, i: number): number {
  const bits = rows[i]!;
  if (rows instanceof Float32Array) return bits;
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 0x1f, (bits & 0x3ff) / 1024];
  if (exponent === 0x1f) return fraction === 0 ? sign / 0 : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}
