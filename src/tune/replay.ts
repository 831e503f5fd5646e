/** Tells what a plan would have returned, from one deep pool of the query: nothing is asked again. */
import type { Hit } from '../core/types.js';
import { checkPlan, type Plan, resolvePlan } from '../funnel/plan.js';
import type { Kernels, Metric } from '../kernels/kernels.js';
import { asGood, type Truth } from './session.js';

/** The candidates of one query, in the order of the head list. */
export interface ReplayPool {
  count: number;
  /** By scale: positions in the pool, best by that prefix first. */
  orders: Uint16Array[];
  /** 1: among the best k by its full vector. */
  good: Uint8Array;
  /** Positions of the truth's ids in the pool; −1 where an id is not in it. */
  places: Int32Array;
}

/**
 * @param hits all candidates with their vectors, in the order of the head list
 * @param scales those of all plans, ascending
 */
export function poolOf(
  kernels: Kernels,
  metric: Metric,
  query: Float32Array,
  hits: readonly Hit[],
  scales: readonly number[],
  truth: Truth,
): ReplayPool {
  const dim = query.length;
  const count = hits.length;
  const rows = new Float32Array(count * dim);
  hits.forEach((hit, i) => void rows.set(hit.vector!, i * dim));
  const keys = new Float64Array(count);
  const sorted = new Float64Array(count);
  const order = new Uint32Array(count);
  const orders = scales.map((to) => {
    kernels.scores({ metric, query, rows, dim, from: 0, to, keys });
    kernels.topK(keys, order, sorted);
    return Uint16Array.from(order);
  });
  const last = truth.scores.at(-1) ?? Number.NaN;
  const better = asGood(metric);
  const places = new Map(hits.map(({ id }, place) => [id, place]));
  return {
    count,
    orders,
    good: Uint8Array.from(hits, ({ score }) => (better(score, last) ? 1 : 0)),
    places: Int32Array.from(truth.ids, (id) => places.get(id) ?? -1),
  };
}

/** A plan over the scales of a family of pools. */
export interface Replay {
  candidates: number;
  k: number;
  /** For each of its scales, the place of that scale among the family's. */
  scales: number[];
  plan: ReturnType<typeof checkPlan>;
}

/** @param scales of the pools */
export function replayOf(plan: Plan, dim: number, scales: readonly number[]): Replay {
  const checked = checkPlan(plan, dim);
  return {
    candidates: checked.candidates!,
    k: checked.limit!,
    scales: checked.scales.map((scale) => scales.indexOf(scale)),
    plan: checked,
  };
}

let marks = new Uint8Array(0);

/**
 * Which candidates reach the end, stage by stage.
 *
 * @param stage told what is alive after the head (−1) and after each scale but the last, which only orders what it returns
 */
export function replay(
  { candidates, k, scales, plan }: Replay,
  pool: ReplayPool,
  stage: (s: number, alive: Uint8Array, count: number) => void,
): void {
  const { count } = pool;
  if (marks.length < count) marks = new Uint8Array(count);
  const alive = marks;
  const entered = Math.min(candidates, count);
  alive.fill(1, 0, entered);
  alive.fill(0, entered, count);
  stage(-1, alive, entered);
  const { stages } = resolvePlan(plan, entered, k);
  for (let s = 0; s < scales.length - 1; s++) {
    const { in: before, out } = stages[s]!;
    if (out < before) keepBest(pool.orders[scales[s]!]!, alive, out);
    stage(s, alive, out);
  }
}

function keepBest(order: Uint16Array, alive: Uint8Array, out: number): void {
  let kept = 0;
  for (let r = 0; r < order.length; r++) {
    const place = order[r]!;
    if (alive[place] === 0) continue;
    if (kept < out) kept++;
    else alive[place] = 0;
  }
}

/** The share of true neighbours that a plan does not return. @param wanted how many there are */
export function lossIn(pool: ReplayPool, plan: Replay, wanted: number): number {
  if (wanted === 0) return 0;
  let found = 0;
  replay(plan, pool, (s, alive) => {
    if (s === plan.scales.length - 2) found = goodIn(pool, alive);
  });
  return (wanted - Math.min(found, wanted)) / wanted;
}

/** True neighbours that are lost before, at the head, and at each scale but the last. */
export function lossesByStage(pool: ReplayPool, plan: Replay, wanted: number): number[] {
  const lost: number[] = [];
  let left = wanted;
  replay(plan, pool, (_, alive) => {
    const now = Math.min(left, goodIn(pool, alive));
    lost.push(left - now);
    left = now;
  });
  return lost;
}

export function goodIn({ good, count }: ReplayPool, alive: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += good[i]! & alive[i]!;
  return sum;
}
