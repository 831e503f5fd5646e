/**
 * The kernels in plain TypeScript, written to be read: the oracle of the other backends, and the backend where neither
 * native code nor WASM SIMD runs. See kernels.ts for the contract.
 */
import type { BadPosition, FunnelTask, Kernels, Metric, NormsTask, Rows, ScanTask, ScoresTask } from './kernels.js';
import { offload } from './offload.js';

export const reference: Kernels = {
  name: 'js',

  scores(task: ScoresTask): BadPosition {
    const { metric, query, rows, dim, from, to, keys } = task;
    const row = new RowCursor(rows, dim);
    const queryNorm = metric === 'cosine' ? norm(query, 0, from, to) : 0;
    let finite = true;
    for (let r = 0; r < count(task); r++) {
      row.seek(r);
      keys[r] = keyOf(metric, query, queryNorm, row, from, to);
      finite &&= Number.isFinite(keys[r]);
    }
    return finite ? -1 : firstBad(rows, dim, from, to);
  },

  norms(task: NormsTask): BadPosition {
    const { rows, dim, from, to, norms } = task;
    const row = new RowCursor(rows, dim);
    let finite = true;
    for (let r = 0; r < count(task); r++) {
      row.seek(r);
      norms[r] = norm(row.values, row.base, from, to);
      finite &&= Number.isFinite(norms[r]);
    }
    return finite ? -1 : firstBad(rows, dim, from, to);
  },

  topK(scores: Float64Array, indices: Uint32Array, keys: Float64Array): number {
    const heap = new TopK(Math.min(indices.length, scores.length));
    for (let i = 0; i < scores.length; i++) heap.push(scores[i]! + 0, i);
    return heap.drain(indices, keys);
  },

  funnel(task: FunnelTask): BadPosition {
    const { metric, query, rows, dim, scales, keep } = task;
    const bad = reference.firstNonFinite(rows);
    if (bad !== -1) return bad;

    const row = new RowCursor(rows, dim);
    const total = count(task);
    let survivors = Uint32Array.from({ length: total }, (_, r) => r);
    for (let s = 0; s < scales.length; s++) {
      const last = s === scales.length - 1;
      // A stage that keeps everybody decides nothing: only the last one's order is seen.
      if (!last && keep[s] === survivors.length) continue;
      const to = scales[s]!;
      const queryNorm = metric === 'cosine' ? norm(query, 0, 0, to) : 0;
      const heap = new TopK(keep[s]!);
      for (const r of survivors) {
        row.seek(r);
        heap.push(keyOf(metric, query, queryNorm, row, 0, to), r);
      }
      if (last) heap.drain(task.indices, task.keys);
      else survivors = heap.rows().sort();
    }
    return -1;
  },

  funnelBatch(tasks: readonly FunnelTask[]): BadPosition[] {
    return tasks.map(reference.funnel);
  },

  funnelBatchAsync(tasks: readonly FunnelTask[]): Promise<BadPosition[]> {
    return offload('js', 'funnelBatch', tasks);
  },

  scan(task: ScanTask): BadPosition {
    const { metric, query, rows, dim, to, indices, keys } = task;
    const row = new RowCursor(rows, dim);
    const total = count(task);
    const queryNorm = metric === 'cosine' ? norm(query, 0, 0, to) : 0;
    const heap = new TopK(Math.min(indices.length, total));
    for (let r = 0; r < total; r++) {
      row.seek(r);
      const key = keyOf(metric, query, queryNorm, row, 0, to);
      if (!Number.isFinite(key)) return firstBad(rows, dim, 0, to);
      heap.push(key, r);
    }
    heap.drain(indices, keys);
    return -1;
  },

  async scanAsync(task: ScanTask): Promise<BadPosition> {
    return (await offload('js', 'scanBatch', [task]))[0]!;
  },

  firstNonFinite(rows: Rows): BadPosition {
    return firstBad(rows, rows.length, 0, rows.length);
  },
};

/** Key of the row under the cursor over dims [from, to). */
function keyOf(
  metric: Metric,
  q: Float32Array,
  queryNorm: number,
  row: RowCursor,
  from: number,
  to: number,
): number {
  const { values, base } = row;
  if (metric === 'euclid') return -Math.sqrt(sumOfLanes(EUCLID, q, 0, values, base, from, to)) + 0;
  const dot = sumOfLanes(PRODUCT, q, 0, values, base, from, to);
  if (metric === 'dot') return dot + 0;
  const rowNorm = norm(values, base, from, to);
  // A zero prefix has no direction: its cosine is 0. But a NaN must stay one, to be noticed.
  if (rowNorm === 0 || (queryNorm === 0 && Number.isFinite(rowNorm))) return 0;
  return dot / (queryNorm * rowNorm) + 0;
}

function norm(x: Float32Array, base: number, from: number, to: number): number {
  return Math.sqrt(sumOfLanes(PRODUCT, x, base, x, base, from, to));
}

const PRODUCT = 0;
const EUCLID = 1;
const lanes = new Float64Array(8);

/** The eight lanes over dims [from, to), reduced. `a` and `b` start at their own bases. */
function sumOfLanes(
  kind: 0 | 1,
  a: Float32Array,
  aBase: number,
  b: Float32Array,
  bBase: number,
  from: number,
  to: number,
): number {
  lanes.fill(0);
  const body = Math.min(to, (from + 7) & ~7);
  const tail = body + ((to - body) & ~7);
  addOneByOne(kind, a, aBase, b, bBase, from, body);
  (kind === PRODUCT ? addProducts : addSquaredDifferences)(a, aBase + body, b, bBase + body, tail - body);
  addOneByOne(kind, a, aBase, b, bBase, tail, to);
  return lanes[0]! + lanes[4]! + (lanes[2]! + lanes[6]!) + (lanes[1]! + lanes[5]! + (lanes[3]! + lanes[7]!));
}

/** The ragged ends. */
function addOneByOne(
  kind: 0 | 1,
  a: Float32Array,
  aBase: number,
  b: Float32Array,
  bBase: number,
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) {
    const x = a[aBase + i]!;
    const y = b[bBase + i]!;
    const e = x - y;
    lanes[i & 7]! += kind === PRODUCT ? x * y : e * e;
  }
}

/** Whole octets; `a` and `b` point at a lane 0. Locals instead of the array keep the sums in registers. */
function addProducts(a: Float32Array, aAt: number, b: Float32Array, bAt: number, n: number): void {
  let l0 = lanes[0]!;
  let l1 = lanes[1]!;
  let l2 = lanes[2]!;
  let l3 = lanes[3]!;
  let l4 = lanes[4]!;
  let l5 = lanes[5]!;
  let l6 = lanes[6]!;
  let l7 = lanes[7]!;
  for (let i = aAt, j = bAt, end = aAt + n; i < end; i += 8, j += 8) {
    l0 += a[i]! * b[j]!;
    l1 += a[i + 1]! * b[j + 1]!;
    l2 += a[i + 2]! * b[j + 2]!;
    l3 += a[i + 3]! * b[j + 3]!;
    l4 += a[i + 4]! * b[j + 4]!;
    l5 += a[i + 5]! * b[j + 5]!;
    l6 += a[i + 6]! * b[j + 6]!;
    l7 += a[i + 7]! * b[j + 7]!;
  }
  storeLanes(l0, l1, l2, l3, l4, l5, l6, l7);
}

function addSquaredDifferences(a: Float32Array, aAt: number, b: Float32Array, bAt: number, n: number): void {
  let l0 = lanes[0]!;
  let l1 = lanes[1]!;
  let l2 = lanes[2]!;
  let l3 = lanes[3]!;
  let l4 = lanes[4]!;
  let l5 = lanes[5]!;
  let l6 = lanes[6]!;
  let l7 = lanes[7]!;
  for (let i = aAt, j = bAt, end = aAt + n; i < end; i += 8, j += 8) {
    const e0 = a[i]! - b[j]!;
    const e1 = a[i + 1]! - b[j + 1]!;
    const e2 = a[i + 2]! - b[j + 2]!;
    const e3 = a[i + 3]! - b[j + 3]!;
    const e4 = a[i + 4]! - b[j + 4]!;
    const e5 = a[i + 5]! - b[j + 5]!;
    const e6 = a[i + 6]! - b[j + 6]!;
    const e7 = a[i + 7]! - b[j + 7]!;
    l0 += e0 * e0;
    l1 += e1 * e1;
    l2 += e2 * e2;
    l3 += e3 * e3;
    l4 += e4 * e4;
    l5 += e5 * e5;
    l6 += e6 * e6;
    l7 += e7 * e7;
  }
  storeLanes(l0, l1, l2, l3, l4, l5, l6, l7);
}

function storeLanes(
  l0: number,
  l1: number,
  l2: number,
  l3: number,
  l4: number,
  l5: number,
  l6: number,
  l7: number,
): void {
  lanes[0] = l0;
  lanes[1] = l1;
  lanes[2] = l2;
  lanes[3] = l3;
  lanes[4] = l4;
  lanes[5] = l5;
  lanes[6] = l6;
  lanes[7] = l7;
}

/** The order of results: by key, then the later row is the worse one. */
function worse(key: number, row: number, otherKey: number, otherRow: number): boolean {
  return key < otherKey || (key === otherKey && row > otherRow);
}

/** A fixed-size heap of the best (key, row) pairs; its root is the worst of them, the first to be replaced. */
class TopK {
  readonly #keys: Float64Array;
  readonly #rows: Uint32Array;
  #size = 0;

  constructor(k: number) {
    this.#keys = new Float64Array(k);
    this.#rows = new Uint32Array(k);
  }

  push(key: number, row: number): void {
    if (this.#size < this.#keys.length) this.#up(this.#size++, key, row);
    else if (this.#size > 0 && worse(this.#keys[0]!, this.#rows[0]!, key, row)) this.#down(this.#size, key, row);
  }

  /** The rows held, in no order. */
  rows(): Uint32Array<ArrayBuffer> {
    return this.#rows.slice(0, this.#size) as Uint32Array<ArrayBuffer>;
  }

  /** Empties the heap into the outputs, best first. */
  drain(indices: Uint32Array, keys: Float64Array): number {
    const size = this.#size;
    for (let i = size - 1; i >= 0; i--) {
      indices[i] = this.#rows[0]!;
      keys[i] = this.#keys[0]!;
      this.#size = i;
      this.#down(i, this.#keys[i]!, this.#rows[i]!);
    }
    return size;
  }

  /** Puts a pair into the free leaf i and lifts it while its parent is better. */
  #up(i: number, key: number, row: number): void {
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!worse(key, row, this.#keys[parent]!, this.#rows[parent]!)) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#set(i, key, row);
  }

  /** Puts a pair at the root of a heap of `size` and sinks it while a child is worse. */
  #down(size: number, key: number, row: number): void {
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      const other = child + 1;
      if (other < size && worse(this.#keys[other]!, this.#rows[other]!, this.#keys[child]!, this.#rows[child]!)) child++;
      if (!worse(this.#keys[child]!, this.#rows[child]!, key, row)) break;
      this.#move(child, i);
      i = child;
    }
    this.#set(i, key, row);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#keys[from]!, this.#rows[from]!);
  }

  #set(i: number, key: number, row: number): void {
    this.#keys[i] = key;
    this.#rows[i] = row;
  }
}

function count(task: { rows: Rows; dim: number }): number {
  return task.rows.length / task.dim;
}

/** One row at a time as float32 values that start at `base`: float32 rows in place, float16 rows widened. */
class RowCursor {
  readonly values: Float32Array;
  base = 0;

  constructor(
    readonly rows: Rows,
    readonly dim: number,
  ) {
    this.values = rows instanceof Float32Array ? rows : new Float32Array(dim);
  }

  seek(row: number): void {
    const start = row * this.dim;
    if (this.values === this.rows) {
      this.base = start;
      return;
    }
    for (let i = 0; i < this.dim; i++) this.values[i] = halfToFloat(this.rows[start + i]!);
  }
}

/** The value of IEEE binary16 bits; every one is exact in float32. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** First NaN or Infinity in dims [from, to) of the rows, in row-major order. */
function firstBad(rows: Rows, dim: number, from: number, to: number): BadPosition {
  const half = rows instanceof Uint16Array;
  for (let base = 0; base < rows.length; base += dim) {
    for (let i = base + from; i < base + to; i++) {
      const x = rows[i]!;
      if (half ? (x & 0x7c00) === 0x7c00 : x - x !== 0) return i;
    }
  }
  return -1;
}
