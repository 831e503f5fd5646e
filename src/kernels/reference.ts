/**
 * The kernels in plain TypeScript, written to be read: the oracle of the other backends, and the backend where neither
 * native code nor WASM SIMD runs. See kernels.ts for the contract.
 */

import { allFinite } from '../core/finite.js';
import { halfTable } from '../core/half.js';
import type { BadPosition, FunnelTask, Kernels, Metric, NormsTask, Rows, ScanTask, ScoresTask } from './kernels.js';
import { offload } from './offload.js';

export const reference: Kernels = {
  name: 'js',

  scores({ metric, query, rows, dim, from, to, keys }: ScoresTask): BadPosition {
    const scorer = new Scorer(metric, query, rows, dim);
    const queryNorm = scorer.queryNorm(from, to);
    const lanes = new Float64Array(LANES);
    const count = rows.length / dim;
    let suspect = -1;
    for (let r = 0; r < count; r++) {
      lanes.fill(0);
      scorer.add(r, from, to, lanes, 0);
      const key = scorer.key(lanes, 0, queryNorm);
      keys[r] = key;
      if (suspect === -1 && !Number.isFinite(key)) suspect = r;
    }
    return suspect === -1 ? -1 : badPosition(rows, dim, from, to, suspect);
  },

  norms({ rows, dim, from, to, norms }: NormsTask): BadPosition {
    const scorer = new Scorer('cosine', new Float32Array(dim), rows, dim);
    const lanes = new Float64Array(LANES);
    const count = rows.length / dim;
    let suspect = -1;
    for (let r = 0; r < count; r++) {
      lanes.fill(0);
      scorer.add(r, from, to, lanes, 0);
      const norm = Math.sqrt(reduce(lanes, SQUARES));
      norms[r] = norm;
      if (suspect === -1 && !Number.isFinite(norm)) suspect = r;
    }
    return suspect === -1 ? -1 : badPosition(rows, dim, from, to, suspect);
  },

  topK(scores: Float64Array, indices: Uint32Array, keys: Float64Array): number {
    const heap = new TopK(Math.min(indices.length, scores.length));
    for (let i = 0; i < scores.length; i++) heap.push(scores[i]! + 0, i);
    return heap.drain(indices, keys);
  },

  funnel({ metric, query, rows, dim, scales, keep, indices, keys }: FunnelTask): BadPosition {
    const scorer = new Scorer(metric, query, rows, dim);
    const count = rows.length / dim;
    const lanes = new Float64Array(count * LANES);
    const read = new Uint32Array(count); // dims of each row that its lanes hold
    let alive = new Uint32Array(count);
    for (let r = 0; r < count; r++) alive[r] = r;
    for (let s = 0; s < scales.length; s++) {
      const last = s === scales.length - 1;
      // A stage that keeps everybody decides nothing: only the last one's order is seen.
      if (!last && keep[s] === alive.length) continue;
      const to = scales[s]!;
      const queryNorm = scorer.queryNorm(0, to);
      const heap = new TopK(keep[s]!);
      for (const r of alive) {
        scorer.add(r, read[r]!, to, lanes, r * LANES);
        read[r] = to;
        const key = scorer.key(lanes, r * LANES, queryNorm);
        if (!Number.isFinite(key)) return badPosition(rows, dim, 0, dim, r);
        heap.push(key, r);
      }
      if (last) heap.drain(indices, keys);
      else alive = heap.rows().sort();
    }
    // Dims that no stage read are checked all the same: a row is good or bad whatever the other rows are.
    for (let r = 0; r < count; r++) {
      if (!allFinite(rows, r * dim + read[r]!, (r + 1) * dim)) return badPosition(rows, dim, 0, dim, r);
    }
    return -1;
  },

  funnelBatch(tasks: readonly FunnelTask[]): BadPosition[] {
    return tasks.map(reference.funnel);
  },

  funnelBatchAsync(tasks: readonly FunnelTask[], give = false): Promise<BadPosition[]> {
    return offload(reference, 'funnelBatch', tasks, give);
  },

  scan({ metric, query, rows, dim, to, indices, keys }: ScanTask): BadPosition {
    const scorer = new Scorer(metric, query, rows, dim);
    const queryNorm = scorer.queryNorm(0, to);
    const count = rows.length / dim;
    const lanes = new Float64Array(LANES);
    const heap = new TopK(Math.min(indices.length, count));
    for (let r = 0; r < count; r++) {
      lanes.fill(0);
      scorer.add(r, 0, to, lanes, 0);
      const key = scorer.key(lanes, 0, queryNorm);
      if (!Number.isFinite(key)) return badPosition(rows, dim, 0, to, r);
      heap.push(key, r);
    }
    heap.drain(indices, keys);
    return -1;
  },

  async scanAsync(task: ScanTask): Promise<BadPosition> {
    return (await offload(reference, 'scanBatch', [task]))[0]!;
  },

  firstNonFinite(rows: Rows): BadPosition {
    return firstBad(rows, rows.length, 0, rows.length);
  },
};

/** Lanes of one row: eight of products (or of squared differences), then eight of squares. */
const LANES = 16;
const SQUARES = 8;

function reduce(lanes: Float64Array, at: number): number {
  const even = lanes[at]! + lanes[at + 4]! + (lanes[at + 2]! + lanes[at + 6]!);
  const odd = lanes[at + 1]! + lanes[at + 5]! + (lanes[at + 3]! + lanes[at + 7]!);
  return even + odd;
}

/** A query against rows: adds dims to lanes, and makes lanes a key. */
class Scorer {
  readonly #metric: Metric;
  readonly #query: Float32Array;
  /** Widened once, not for every row. */
  readonly #wideQuery: Float64Array;
  readonly #rows: Rows;
  readonly #dim: number;
  /** The rows themselves, or one row of float16 widened. */
  readonly #values: Float32Array;

  constructor(metric: Metric, query: Float32Array, rows: Rows, dim: number) {
    this.#metric = metric;
    this.#query = query;
    this.#wideQuery = new Float64Array(query);
    this.#rows = rows;
    this.#dim = dim;
    this.#values = rows instanceof Float32Array ? rows : new Float32Array(dim);
  }

  /** Adds dims [from, to) of a row to the lanes at `at`. */
  add(row: number, from: number, to: number, lanes: Float64Array, at: number): void {
    let base = row * this.#dim;
    if (this.#values !== this.#rows) {
      const table = halfTable();
      for (let i = from; i < to; i++) this.#values[i] = table[this.#rows[base + i]!]!;
      base = 0;
    }
    const add = this.#metric === 'euclid' ? addSquaredDifferences : addProductsAndSquares;
    addDims(add, this.#wideQuery, this.#values, base, from, to, lanes, at);
  }

  /** |q| over dims [from, to); 0 where the metric needs none. */
  queryNorm(from: number, to: number): number {
    if (this.#metric !== 'cosine') return 0;
    const lanes = new Float64Array(LANES);
    addDims(addProductsAndSquares, this.#wideQuery, this.#query, 0, from, to, lanes, 0);
    return Math.sqrt(reduce(lanes, SQUARES));
  }

  /** A sum is never −0, since lanes start at +0. */
  key(lanes: Float64Array, at: number, queryNorm: number): number {
    const sum = reduce(lanes, at);
    if (this.#metric === 'euclid') return -Math.sqrt(sum) + 0;
    if (this.#metric === 'dot') return sum;
    const product = queryNorm * Math.sqrt(reduce(lanes, at + SQUARES));
    // A zero prefix has no direction: its cosine is 0. Math.min and Math.max leave NaN alone.
    return product === 0 ? 0 : Math.max(-1, Math.min(1, sum / product));
  }
}

type AddOctets = typeof addProductsAndSquares;

/** Dim i goes to lane i & 7. Whole octets run in two halves of four lanes, which fit the registers. */
function addDims(
  add: AddOctets,
  q: Float64Array,
  x: Float32Array,
  base: number,
  from: number,
  to: number,
  lanes: Float64Array,
  at: number,
): void {
  const octetsFrom = Math.min(to, (from + 7) & ~7);
  const octetsTo = octetsFrom + ((to - octetsFrom) & ~7);
  for (let i = from; i < octetsFrom; i++) addOne(add, q, x, base, i, lanes, at);
  if (octetsTo > octetsFrom) {
    add(q, x, base, octetsFrom, octetsTo, lanes, at);
    add(q, x, base, octetsFrom + 4, octetsTo, lanes, at + 4);
  }
  for (let i = octetsTo; i < to; i++) addOne(add, q, x, base, i, lanes, at);
}

function addOne(
  add: AddOctets,
  q: Float64Array,
  x: Float32Array,
  base: number,
  i: number,
  lanes: Float64Array,
  at: number,
): void {
  const lane = at + (i & 7);
  const value = x[base + i]!;
  if (add === addSquaredDifferences) {
    const e = q[i]! - value;
    lanes[lane]! += e * e;
  } else {
    lanes[lane]! += q[i]! * value;
    lanes[lane + SQUARES]! += value * value;
  }
}

/** Four neighbouring lanes of every octet from dim `from` on. Locals keep the sums in registers. */
function addProductsAndSquares(
  q: Float64Array,
  x: Float32Array,
  base: number,
  from: number,
  to: number,
  lanes: Float64Array,
  at: number,
): void {
  let p0 = lanes[at]!;
  let p1 = lanes[at + 1]!;
  let p2 = lanes[at + 2]!;
  let p3 = lanes[at + 3]!;
  let s0 = lanes[at + SQUARES]!;
  let s1 = lanes[at + SQUARES + 1]!;
  let s2 = lanes[at + SQUARES + 2]!;
  let s3 = lanes[at + SQUARES + 3]!;
  for (let i = from, j = base + from; i < to; i += 8, j += 8) {
    const x0 = x[j]!;
    const x1 = x[j + 1]!;
    const x2 = x[j + 2]!;
    const x3 = x[j + 3]!;
    p0 += q[i]! * x0;
    s0 += x0 * x0;
    p1 += q[i + 1]! * x1;
    s1 += x1 * x1;
    p2 += q[i + 2]! * x2;
    s2 += x2 * x2;
    p3 += q[i + 3]! * x3;
    s3 += x3 * x3;
  }
  lanes[at] = p0;
  lanes[at + 1] = p1;
  lanes[at + 2] = p2;
  lanes[at + 3] = p3;
  lanes[at + SQUARES] = s0;
  lanes[at + SQUARES + 1] = s1;
  lanes[at + SQUARES + 2] = s2;
  lanes[at + SQUARES + 3] = s3;
}

function addSquaredDifferences(
  q: Float64Array,
  x: Float32Array,
  base: number,
  from: number,
  to: number,
  lanes: Float64Array,
  at: number,
): void {
  let p0 = lanes[at]!;
  let p1 = lanes[at + 1]!;
  let p2 = lanes[at + 2]!;
  let p3 = lanes[at + 3]!;
  for (let i = from, j = base + from; i < to; i += 8, j += 8) {
    const e0 = q[i]! - x[j]!;
    const e1 = q[i + 1]! - x[j + 1]!;
    const e2 = q[i + 2]! - x[j + 2]!;
    const e3 = q[i + 3]! - x[j + 3]!;
    p0 += e0 * e0;
    p1 += e1 * e1;
    p2 += e2 * e2;
    p3 += e3 * e3;
  }
  lanes[at] = p0;
  lanes[at + 1] = p1;
  lanes[at + 2] = p2;
  lanes[at + 3] = p3;
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
      if (other < size && worse(this.#keys[other]!, this.#rows[other]!, this.#keys[child]!, this.#rows[child]!))
        child++;
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

/** As firstBad, of rows among which `suspect` was seen to hold one: shared memory may have changed since. */
function badPosition(rows: Rows, dim: number, from: number, to: number, suspect: number): BadPosition {
  const at = firstBad(rows, dim, from, to);
  return at === -1 ? suspect * dim + from : at;
}

/** First NaN or Infinity in dims [from, to) of the rows, in row-major order. */
function firstBad(rows: Rows, dim: number, from: number, to: number): BadPosition {
  for (let base = 0; base < rows.length; base += dim) {
    if (allFinite(rows, base + from, base + to)) continue;
    for (let i = base + from; i < base + to; i++) {
      if (!allFinite(rows, i, i + 1)) return i;
    }
  }
  return -1;
}
