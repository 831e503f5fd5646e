/**
 * What native code must be able to trust: a wrong length there ends the process. `funnelvec/kernels` hands kernels to
 * anybody, so every call is checked, in constant time but for the few stages of a plan.
 */
import { expected } from '../errors.js';
import {
  type FunnelTask,
  MAX_DIM,
  METRICS,
  type NormsTask,
  type Rows,
  type ScanTask,
  type ScoresTask,
} from './kernels.js';

export function checkScores(task: ScoresTask): void {
  checkAgainstQuery(task);
  checkRange(task.from, task.to, task.dim);
  checkOut('keys', task.keys, Float64Array, task.rows.length / task.dim);
}

export function checkNorms(task: NormsTask): void {
  checkRows(task.rows, task.dim);
  checkRange(task.from, task.to, task.dim);
  checkOut('norms', task.norms, Float64Array, task.rows.length / task.dim);
}

export function checkTopK(scores: Float64Array, indices: Uint32Array, keys: Float64Array): void {
  checkOut('scores', scores, Float64Array, 0);
  checkOut('indices', indices, Uint32Array, 0);
  checkOut('keys', keys, Float64Array, Math.min(indices.length, scores.length));
}

export function checkFunnel(task: FunnelTask): void {
  const { scales, keep, dim, rows } = task;
  checkAgainstQuery(task);
  checkOut('scales', scales, Uint32Array, 1);
  checkOut('keep', keep, Uint32Array, scales.length);
  let alive = rows.length / dim;
  let before = 0;
  for (let s = 0; s < scales.length; s++) {
    const scale = scales[s]!;
    if (scale <= before || scale > dim)
      throw expected('BAD_ARGUMENT', `ascending values in 1..${dim}`, 'scales', scale);
    if (keep[s]! > alive) throw expected('BAD_ARGUMENT', `at most ${alive}`, `keep[${s}]`, keep[s]);
    before = scale;
    alive = keep[s]!;
  }
  checkOut('indices', task.indices, Uint32Array, alive);
  checkOut('keys', task.keys, Float64Array, alive);
}

export function checkScan(task: ScanTask): void {
  checkAgainstQuery(task);
  checkRange(0, task.to, task.dim);
  checkOut('indices', task.indices, Uint32Array, 0);
  checkOut('keys', task.keys, Float64Array, Math.min(task.indices.length, task.rows.length / task.dim));
}

export function checkRows(rows: Rows, dim: number): void {
  if (!(rows instanceof Float32Array) && !(rows instanceof Uint16Array)) {
    throw expected('BAD_ARGUMENT', 'a Float32Array or a Uint16Array', 'rows', rows);
  }
  if (!Number.isInteger(dim) || dim < 1 || dim > MAX_DIM) {
    throw expected('BAD_ARGUMENT', `an integer in 1..${MAX_DIM}`, 'dim', dim);
  }
  const count = rows.length / dim;
  if (!Number.isInteger(count) || count > 0xffff_ffff) {
    throw expected('BAD_ARGUMENT', `up to 2^32 − 1 rows of ${dim} dims`, 'rows', rows);
  }
}

function checkAgainstQuery({ metric, query, rows, dim }: Pick<ScoresTask, 'metric' | 'query' | 'rows' | 'dim'>): void {
  if (!METRICS.includes(metric)) throw expected('BAD_ARGUMENT', `one of ${METRICS.join(', ')}`, 'metric', metric);
  checkRows(rows, dim);
  if (!(query instanceof Float32Array) || query.length !== dim) {
    throw expected('BAD_ARGUMENT', `a Float32Array of ${dim} dims`, 'query', query);
  }
}

function checkRange(from: number, to: number, dim: number): void {
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || from > to || to > dim) {
    throw expected('BAD_ARGUMENT', `0 ≤ from ≤ to ≤ ${dim}`, 'from and to', [from, to].join(' and '));
  }
}

function checkOut(
  name: string,
  out: Float64Array | Uint32Array,
  Type: Float64ArrayConstructor | Uint32ArrayConstructor,
  length: number,
): void {
  if (!(out instanceof Type) || out.length < length) {
    throw expected('BAD_ARGUMENT', `a ${Type.name} of at least ${length}`, name, out);
  }
}
