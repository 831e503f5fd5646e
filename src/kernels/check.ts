/**
 * Kernels for anybody. Ours are called with what was validated already, and a wrong length there ends the process; those
 * that `funnelvec/kernels` hands out check every call, in constant time but for the few stages of a plan.
 */
import { describe, expected } from '../core/errors.js';
import { MAX_DIM, METRICS } from '../core/metrics.js';
import { isOfThisRealm, ownView, viewBuffer } from '../core/realm.js';
import { isSharedMemory } from '../core/shared.js';
import { checkAttached, fixedLength, isPlainView } from '../core/validate.js';
import type { FunnelTask, Kernels, NormsTask, Rows, ScanTask, ScoresTask } from './kernels.js';

const wrapped = new WeakMap<Kernels, Kernels>();

/** The same kernels, with a FunnelError BAD_ARGUMENT for arguments that do not fit each other. */
export function checkedKernels(kernels: Kernels): Kernels {
  let checked = wrapped.get(kernels);
  if (checked === undefined) {
    checked = wrap(kernels);
    wrapped.set(kernels, checked);
  }
  return checked;
}

function wrap(kernels: Kernels): Kernels {
  return {
    name: kernels.name,
    scores(given) {
      const task = own(given);
      checkScores(task);
      return kernels.scores(task);
    },
    norms(given) {
      const task = own(given);
      checkNorms(task);
      return kernels.norms(task);
    },
    topK(givenScores, givenIndices, givenKeys) {
      const scores = taken(givenScores, 'scores');
      const indices = taken(givenIndices, 'indices');
      const keys = taken(givenKeys, 'keys');
      checkTopK(scores, indices, keys);
      return kernels.topK(scores, indices, keys);
    },
    funnel(given) {
      const task = own(given);
      checkFunnel(task);
      return kernels.funnel(task);
    },
    funnelBatch(given) {
      const tasks = withOwnPlans(ownList(given));
      return kernels.funnelBatch(tasks);
    },
    async funnelBatchAsync(given, give) {
      const tasks = withOwnPlans(ownList(given));
      return kernels.funnelBatchAsync(tasks, give);
    },
    scan(given) {
      const task = own(given);
      checkScan(task);
      return kernels.scan(task);
    },
    async scanAsync(given) {
      const task = own(given);
      checkScan(task);
      return kernels.scanAsync(task);
    },
    firstNonFinite(given) {
      const rows = taken(given, 'rows');
      checkRows(rows, 1);
      return kernels.firstNonFinite(rows);
    },
  };
}

/** Read once: what was checked is what runs, whatever a getter answers the next time. */
function own<Task extends object>(task: Task): Task {
  if (typeof task !== 'object' || task === null) throw expected('BAD_ARGUMENT', 'a task', 'the kernel', task);
  const own = { ...task } as Record<string, unknown>;
  for (const name in own) {
    const given = own[name];
    if (typeof given !== 'object' || isPlainView(given)) continue;
    own[name] = taken(given, name);
  }
  if (ArrayBuffer.isView(own['rows'])) own['rows'] = fixedLength(own['rows']);
  return own as Task;
}

/**
 * A view that kernels know, with its memory; other values come back as they are.
 *
 * @throws FunnelError DETACHED_BUFFER, BAD_ARGUMENT
 */
function taken<T>(given: T, name: string): T {
  if (typeof given === 'object' && isPlainView(given)) return given;
  const view = ownView(given, name);
  if (ArrayBuffer.isView(view)) checkAttached(view, name);
  // A proxy of an array, or an object with its prototype, has no memory that kernels could read.
  else if (isOfThisRealm(view)) throw expected('BAD_ARGUMENT', 'a typed array itself', name, view);
  return view;
}

/** All are read before the first is checked: a getter of one may take the memory of another away. */
function ownList<Task extends object>(tasks: readonly Task[]): Task[] {
  if (!Array.isArray(tasks)) throw expected('BAD_ARGUMENT', 'an array of tasks', 'the kernel', tasks);
  return Array.from(tasks, own);
}

/** Checked tasks, with copies of the plans that lie in memory into which a task of the list writes. */
function withOwnPlans(tasks: FunnelTask[]): FunnelTask[] {
  tasks.forEach(checkFunnel);
  const written = new Set<unknown>();
  for (const { indices, keys } of tasks) written.add(viewBuffer.call(indices)).add(viewBuffer.call(keys));
  const isWritten = (plan: Uint32Array) => written.has(viewBuffer.call(plan)) || isSharedMemory(plan.buffer);
  for (const task of tasks) {
    if (isWritten(task.scales)) task.scales = new Uint32Array(task.scales);
    if (isWritten(task.keep)) task.keep = new Uint32Array(task.keep);
  }
  return tasks;
}

function checkScores(task: ScoresTask): void {
  checkAgainstQuery(task);
  checkRange(task.from, task.to, task.dim);
  checkOut('keys', task.keys, Float64Array, task.rows.length / task.dim);
}

function checkNorms(task: NormsTask): void {
  checkRows(task.rows, task.dim);
  checkRange(task.from, task.to, task.dim);
  checkOut('norms', task.norms, Float64Array, task.rows.length / task.dim);
}

function checkTopK(scores: Float64Array, indices: Uint32Array, keys: Float64Array): void {
  checkOut('scores', scores, Float64Array, 0);
  checkOut('indices', indices, Uint32Array, 0);
  checkOut('keys', keys, Float64Array, Math.min(indices.length, scores.length));
}

function checkFunnel(task: FunnelTask): void {
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
  const { finite } = task;
  if (finite !== undefined && typeof finite !== 'boolean')
    throw expected('BAD_ARGUMENT', 'a boolean', 'finite', finite);
}

function checkScan(task: ScanTask): void {
  checkAgainstQuery(task);
  checkRange(0, task.to, task.dim);
  checkOut('indices', task.indices, Uint32Array, 0);
  checkOut('keys', task.keys, Float64Array, Math.min(task.indices.length, task.rows.length / task.dim));
}

function checkRows(rows: Rows, dim: number): void {
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
    throw expected('BAD_ARGUMENT', `0 ≤ from ≤ to ≤ ${dim}`, 'from and to', `${describe(from)} and ${describe(to)}`);
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
