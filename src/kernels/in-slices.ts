/**
 * Kernels on this thread in parts, between which the event loop turns: where there is no other thread to give work to. A key
 * depends on query, row and prefix alone, so that parts have the bits of the whole.
 */
import { inSlices, type Sliced } from '../core/slices.js';
import type { BadPosition, FunnelTask, Kernels, ScanTask } from './kernels.js';

/** Values of rows in one part: well below a millisecond, on the slowest kernels too. */
const VALUES_AT_ONCE = 1 << 18;

type Slicing = Pick<Kernels, 'scores' | 'topK' | 'funnel' | 'firstNonFinite'>;

/** As funnel() or scan() of each task. */
export async function runInSlices(kernels: Slicing, tasks: readonly (FunnelTask | ScanTask)[]): Promise<BadPosition[]> {
  return inSlices(all(kernels, tasks));
}

function* all(kernels: Slicing, tasks: readonly (FunnelTask | ScanTask)[]): Sliced<BadPosition[]> {
  const bad: BadPosition[] = [];
  for (const task of tasks) {
    bad.push('scales' in task ? yield* funnel(kernels, task) : yield* best(kernels, task, false));
    yield;
  }
  return bad;
}

/** The first stage that drops rows as a scan, the others as a funnel over the rows that it kept. */
function* funnel(kernels: Slicing, task: FunnelTask): Sliced<BadPosition> {
  const { metric, query, rows, dim, scales, keep, indices } = task;
  if (rows.length <= VALUES_AT_ONCE) return kernels.funnel(task);
  const last = scales.length - 1;
  let s = 0;
  while (s < last && keep[s] === rows.length / dim) s++;
  const to = scales[s]!;
  if (s === last) {
    return yield* best(kernels, { ...task, to, indices: indices.subarray(0, keep[last]!) }, true);
  }
  const kept = new Uint32Array(keep[s]!);
  const keys = new Float64Array(kept.length);
  const bad = yield* best(kernels, { metric, query, rows, dim, to, indices: kept, keys }, true);
  if (bad !== -1) return bad;
  kept.sort();
  yield;
  const gathered = yield* gather(rows, dim, kept);
  const rest = { ...task, rows: gathered, scales: scales.subarray(s + 1), keep: keep.subarray(s + 1) };
  // The copies were made after the first stage: shared memory may hold other values by now.
  const again = yield* funnel(kernels, rest);
  if (again !== -1) return kept[Math.floor(again / dim)]! * dim + (again % dim);
  for (let i = 0; i < keep[last]!; i++) indices[i] = kept[indices[i]!]!;
  return -1;
}

/** @param whole check the dims from `to` on as well */
function* best(kernels: Slicing, task: ScanTask, whole: boolean): Sliced<BadPosition> {
  const { metric, query, rows, dim, to, indices, keys } = task;
  const scores = new Float64Array(rows.length / dim);
  const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / dim));
  for (let from = 0; from < scores.length; from += atOnce) {
    const part = rows.subarray(from * dim, (from + atOnce) * dim);
    const scored = scores.subarray(from, from + part.length / dim);
    let bad = kernels.scores({ metric, query, rows: part, dim, from: 0, to, keys: scored });
    if (whole && (bad !== -1 || to < dim)) {
      const first = kernels.firstNonFinite(part);
      bad = first === -1 ? bad : first;
    }
    if (bad !== -1) return from * dim + bad;
    yield;
  }
  kernels.topK(scores, indices, keys);
  yield;
  return -1;
}

function* gather(rows: FunnelTask['rows'], dim: number, kept: Uint32Array): Sliced<FunnelTask['rows']> {
  const length = kept.length * dim;
  const gathered = rows instanceof Float32Array ? new Float32Array(length) : new Uint16Array(length);
  const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / dim));
  for (let i = 0; i < kept.length; i++) {
    gathered.set(rows.subarray(kept[i]! * dim, (kept[i]! + 1) * dim), i * dim);
    if (i % atOnce === atOnce - 1) yield;
  }
  return gathered;
}
