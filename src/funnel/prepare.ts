/** One call: what a caller handed over becomes a task for the kernels, and their answer becomes hits. */

import { expected, FunnelError } from '../core/errors.js';
import { keyOfScore, needsDirection, scoreOfKey } from '../core/metrics.js';
import type { Sliced } from '../core/slices.js';
import type { Candidates, Float16Values, FunnelStage, Hit, PackedCandidates, Vector } from '../core/types.js';
import { checkQuery, isZero } from '../core/validate.js';
import type { QueryVector } from '../core/vector.js';
import type { BadPosition, FunnelTask } from '../kernels/kernels.js';
import { type Matrix, toMatrix } from './candidates.js';
import { type CheckedPlan, checkPlan, funnelPlan, type Plan, resolvePlan } from './plan.js';
import { freshWorkspace, type Workspace } from './workspace.js';

/** A validated call: what the kernel is to do, and the way back to the caller's rows. */
export interface Prepared<Row> {
  matrix: Matrix<Row>;
  task: FunnelTask;
  stages: FunnelStage[];
  /** How many rows the task will leave. */
  hits: number;
  /** Keys are handed out as they are, whatever the metric: those of a strategy. */
  keysAreScores?: boolean;
}

/** Everything that can be wrong with a call is found here, except NaN and Infinity in rows: the kernel sees those. */
export function prepare<Row>(
  candidates: Candidates<Row>,
  query: Vector | Float16Values,
  plan: Plan | undefined,
  limit: number | undefined,
  workspace: Workspace = freshWorkspace,
): Prepared<Row> {
  const matrix = toMatrix(candidates, workspace);
  const q = checkQuery(query, matrix.count === 0 ? undefined : matrix.dim);
  const dim = q.length;
  const checked = plan === undefined ? defaultPlan(dim) : checkPlan(plan, dim);
  const prepared = taskOf(matrix, q, dim, checked, limit, workspace);
  const { metric } = prepared.task;
  if (needsDirection(metric) && isZero(q)) {
    throw new FunnelError('ZERO_QUERY', `Expected a query with a direction for metric ${metric} but received zeros`);
  }
  return prepared;
}

/** Prepares a query and a plan that were checked, and that fit the candidates' dims. */
export function prepareChecked<Row>(
  candidates: Candidates<Row>,
  query: QueryVector,
  plan: CheckedPlan,
  limit: number,
): Prepared<Row> {
  const matrix = toMatrix(candidates);
  if (matrix.count > 0) query.checkDims(matrix.dim, 'query');
  return taskOf(matrix, query.values, query.dim, plan, limit, freshWorkspace);
}

/**
 * The same of candidates that their source has put in the order of their scores over all dims: nothing is left to compute.
 *
 * @param count of the candidates, of which these are the best
 */
export function prepareDecided(
  { ids = [], payloads, headScores = [], dim }: PackedCandidates,
  query: QueryVector,
  plan: CheckedPlan,
  limit: number,
  count = ids.length,
): Prepared<unknown> {
  const { metric, scales, keep, stages } = resolvePlan(plan, count, limit);
  const hits = Math.min(ids.length, keep[stages.length - 1]!);
  const { indices, keys } = freshWorkspace.results(hits);
  for (let i = 0; i < hits; i++) {
    indices[i] = i;
    keys[i] = keyOfScore(metric, headScores[i]!);
  }
  const matrix: Matrix<unknown> = {
    vectors: NO_VECTORS,
    dim,
    count,
    owned: true,
    finite: false,
    id: (index) => ids[index]!,
    hit(index, score) {
      const hit: Hit<unknown> = { id: ids[index]!, score, index };
      if (payloads) hit.payload = payloads[index];
      return hit;
    },
  };
  const task = { metric, query: query.values, rows: NO_VECTORS, dim, scales, keep, indices, keys };
  return { matrix, task, stages, hits };
}

const NO_VECTORS = new Float32Array(0);

function taskOf<Row>(
  matrix: Matrix<Row>,
  query: Float32Array,
  dim: number,
  plan: CheckedPlan,
  limit: number | undefined,
  workspace: Workspace,
): Prepared<Row> {
  const { metric, scales, keep, stages } = resolvePlan(plan, matrix.count, limit, workspace);
  const hits = keep[stages.length - 1]!;
  const { indices, keys } = workspace.results(hits);
  // Native code trusts these lengths, and getters of the caller's have run since they were looked at. Bytes are asked: V8 may
  // give the length of before for a view that has lost its memory, in code that it optimized for resizable buffers too.
  const { vectors } = matrix;
  const bytes = matrix.count * matrix.dim * vectors.BYTES_PER_ELEMENT;
  if (query.byteLength !== dim * query.BYTES_PER_ELEMENT || vectors.byteLength !== bytes) {
    throw new FunnelError('DETACHED_BUFFER', 'Expected query and vectors to stay as they are during the call');
  }
  const { finite } = matrix;
  return { matrix, task: { metric, query, rows: vectors, dim, scales, keep, indices, keys, finite }, stages, hits };
}

/** The kernel's answer as hits. */
export function hitsOf<Row>(prepared: Prepared<Row>, bad: BadPosition): Hit<Row>[] {
  if (bad !== -1) throw notFiniteValue(prepared.matrix, bad);
  const hits = new Array<Hit<Row>>(prepared.hits);
  putHits(prepared, hits, 0, hits.length);
  return hits;
}

/** Hits that are made between two turns of others. */
const HITS_AT_ONCE = 2048;

/** The same in slices. */
export function* hitsInSlices<Row>(prepared: Prepared<Row>, bad: BadPosition): Sliced<Hit<Row>[]> {
  if (bad !== -1) throw notFiniteValue(prepared.matrix, bad);
  const hits = new Array<Hit<Row>>(prepared.hits);
  for (let from = 0; from < hits.length; from += HITS_AT_ONCE) {
    if (from > 0) yield;
    putHits(prepared, hits, from, Math.min(hits.length, from + HITS_AT_ONCE));
  }
  return hits;
}

function putHits<Row>(prepared: Prepared<Row>, hits: Hit<Row>[], from: number, to: number): void {
  const { matrix, task } = prepared;
  const { indices, keys } = task;
  for (let i = from; i < to; i++) hits[i] = matrix.hit(indices[i]!, scoreOf(prepared, keys[i]!));
}

export function scoreOf({ task, keysAreScores }: Prepared<unknown>, key: number): number {
  return keysAreScores ? key : scoreOfKey(task.metric, key);
}

export function notFiniteValue(matrix: Matrix<unknown>, at: number): FunnelError {
  const row = Math.floor(at / matrix.dim);
  const found = matrix.vectors instanceof Float32Array ? matrix.vectors[at] : undefined;
  // An asynchronous call looked at a copy, and the original may be gone by now.
  const value = found === undefined || Number.isFinite(found) ? 'NaN or Infinity' : found;
  const id = matrix.id(row);
  const name = id === row ? `row ${row}` : `row ${row} (id ${String(id)})`;
  return expected('NOT_FINITE', 'a finite float32', `dim ${at % matrix.dim} of ${name}`, value);
}

const defaultPlans = new Map<number, CheckedPlan>();

function defaultPlan(dim: number): CheckedPlan {
  let plan = defaultPlans.get(dim);
  if (plan === undefined) {
    plan = checkPlan(funnelPlan(dim), dim);
    defaultPlans.set(dim, plan);
  }
  return plan;
}
