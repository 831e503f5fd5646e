/**
 * A plan says how a funnel narrows: which prefix lengths it scores, and how many candidates survive each. Every user
 * error about a plan is thrown here, before any work.
 */

import { describe, expected, FunnelError } from '../core/errors.js';
import { log2Of } from '../core/exact-math.js';
import { nameHint } from '../core/hints.js';
import { METRICS, type Metric } from '../core/metrics.js';
import type { FunnelStage } from '../core/types.js';
import { checkDim, checkInteger, checkKeys } from '../core/validate.js';
import { freshWorkspace, type Workspace } from './workspace.js';

/**
 * How many rows survive a stage: a fraction of the rows that entered it, 0 < f ≤ 1, rounded down; or an absolute count.
 */
export type Keep =
  | number
  | {
      /** Rows that survive, at least 1; all where fewer entered. */
      count: number;
    };

/** A plan: the scales of a funnel, and what survives each. Unknown keys are refused (BAD_PLAN). */
export interface Plan {
  /** Length of the prefix that the head search (in the database) uses. `funnel()` itself does not need it. */
  head?: number;
  /** How many candidates the head search fetches. */
  candidates?: number;
  /** Prefix lengths to score, ascending; the last one decides. It may be shorter than the vector. */
  scales: readonly number[];
  /** One rule for all scales, or one per scale. */
  keep: Keep | readonly Keep[];
  /** @default 'cosine', or the metric of the source */
  metric?: Metric;
  /**
   * How many hits to return. No keep rule then leaves fewer: at `limit` survivors pruning stops, and the remaining
   * scales only re-order.
   */
  limit?: number;
}

/** A plan that was found good, as plain data of our own: what the caller changes later changes nothing here. */
export interface CheckedPlan {
  readonly head: number | undefined;
  readonly candidates: number | undefined;
  readonly scales: readonly number[];
  /** One per scale. */
  readonly keep: readonly Keep[];
  readonly metric: Metric | undefined;
  readonly limit: number | undefined;
}

/** A plan fitted to `dim` and a number of candidates. */
export interface ResolvedPlan {
  metric: Metric;
  scales: Uint32Array;
  /** Survivors of each scale. */
  keep: Uint32Array;
  stages: FunnelStage[];
}

/**
 * The funnel of the Milvus tutorial, exactly: a pool of 128 hits of a 128-dim head search, halved at 256, 512 and 768
 * dims, 16 left.
 */
export const tutorialPlan: Readonly<Plan> = Object.freeze({
  head: 128,
  candidates: 128,
  scales: Object.freeze([256, 512, 768]),
  keep: 0.5,
});

/** Options of funnelPlan() and doublingPlan() beside the dims. */
export interface PlanOptions {
  /** Length of the head. */
  head?: number;
  /** Candidates that the head search fetches. @default 4 × limit, at least 128 */
  candidates?: number;
  /** One rule for all scales, or one per scale. @default 0.5 */
  keep?: Keep | readonly Keep[];
  /** @default that of the source, else 'cosine' */
  metric?: Metric;
  /** @default 10 */
  limit?: number;
}

/**
 * The default plan for vectors of `dim` dims: a head of a power of two (about a sixth to a quarter of the dims, a half
 * for short vectors), then scales that double up to `dim`, half of the rows kept at each, 10 hits. A pool of 128 keeps
 * 99 % of the true top 10 on 768-d Matryoshka vectors; measure on yours.
 *
 * @throws FunnelError BAD_DIMS, BAD_PLAN
 * @example
 * funnelPlan(768) // { head: 128, candidates: 128, scales: [256, 512, 768], keep: 0.5, limit: 10 }
 */
export function funnelPlan(dim: number, options: PlanOptions = {}): Plan {
  checkDim(dim, 'funnelPlan()');
  checkKeys(options, ['head', 'candidates', 'keep', 'metric', 'limit'], 'the options of funnelPlan()');
  const { head = defaultHead(dim), ...rest } = options;
  checkHead(head, dim);
  const scales: number[] = [];
  for (let scale = 2 * head; scale < dim; scale *= 2) scales.push(scale);
  scales.push(dim);
  return withDefaults({ scales, head, ...rest }, dim);
}

/**
 * A head of `from · dim` dims, then twice as many at every scale up to all of them: 1/32 → 1/16 → … → 1.
 *
 * @param options.from the head's share of the dims. @default 1/32
 * @throws FunnelError BAD_DIMS, BAD_PLAN
 * @example
 * doublingPlan(1024) // head 32, scales 64, 128, 256, 512, 1024
 */
export function doublingPlan(dim: number, options: Omit<PlanOptions, 'head'> & { from?: number } = {}): Plan {
  checkDim(dim, 'doublingPlan()');
  checkKeys(options, ['from', 'candidates', 'keep', 'metric', 'limit'], 'the options of doublingPlan()');
  const { from = 1 / 32, ...rest } = options;
  if (!(typeof from === 'number' && from > 0 && from < 1)) {
    throw expected('BAD_PLAN', 'a share of the dims between 0 and 1', 'from', from);
  }
  const lengths = new Set<number>();
  for (let share = from; share < 1; share *= 2) lengths.add(Math.max(1, Math.round(dim * share)));
  lengths.add(dim);
  const [head, ...scales] = lengths;
  return withDefaults({ scales: scales.length > 0 ? scales : [dim], head, ...rest }, dim);
}

/**
 * Fits a plan to `count` candidates. `limit` wins over the plan's own.
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function resolvePlan(
  plan: CheckedPlan,
  count: number,
  limit: number | undefined,
  workspace: Workspace = freshWorkspace,
): ResolvedPlan {
  if (limit === undefined) limit = plan.limit;
  else checkInteger(limit, 1, 0xffff_ffff, 'limit');
  const last = plan.scales.length - 1;
  const { scales, keep } = workspace.stages(plan.scales.length);
  const stages: FunnelStage[] = [];
  let alive = count;
  for (let s = 0; s <= last; s++) {
    const scale = plan.scales[s]!;
    const rule = plan.keep[s]!;
    const floor = limit === undefined ? 0 : Math.min(alive, limit);
    const wanted = typeof rule === 'number' ? Math.floor(rule * alive) : Math.min(rule.count, alive);
    let out = Math.max(wanted, floor);
    if (s === last && limit !== undefined) out = floor;
    stages.push({ scale, in: alive, out, prunes: limit === undefined || alive > limit });
    scales[s] = scale;
    keep[s] = out;
    alive = out;
  }
  return { metric: plan.metric ?? 'cosine', scales, keep, stages };
}

const PLAN_KEYS = ['head', 'candidates', 'scales', 'keep', 'metric', 'limit'];

/**
 * Every property of the plan is read once, so that a getter cannot answer differently after its check.
 *
 * @throws FunnelError BAD_PLAN
 */
export function checkPlan(plan: Plan, dim: number): CheckedPlan {
  if (typeof plan !== 'object' || plan === null) throw expected('BAD_PLAN', 'a plan', 'plan', plan);
  for (const key in plan) {
    if (!PLAN_KEYS.includes(key)) {
      const hint = /^(top(_?k)?|k)$/i.test(key) ? ' (did you mean limit?)' : nameHint(key, PLAN_KEYS);
      throw new FunnelError(
        'BAD_PLAN',
        `Expected one of ${PLAN_KEYS.join(', ')} in the plan but received ${key}${hint}`,
      );
    }
  }
  const { scales, keep, metric, head, candidates, limit } = plan;
  const lengths = checkScales(scales, dim);
  if (metric !== undefined && !METRICS.includes(metric)) {
    throw expected('BAD_PLAN', `one of ${METRICS.join(', ')}`, 'metric', metric);
  }
  if (head !== undefined) checkHead(head, dim);
  if (candidates !== undefined) checkCount(candidates, 'candidates');
  if (limit !== undefined) checkCount(limit, 'limit');
  return { head, candidates, scales: lengths, keep: checkKeeps(keep, lengths.length), metric, limit };
}

function checkScales(scales: unknown, dim: number): number[] {
  if (!Array.isArray(scales) || scales.length === 0) {
    const what =
      'an array of at least one prefix length (to change the default alone: { ...funnelPlan(dim), limit: 5 })';
    throw expected('BAD_PLAN', what, 'scales', scales);
  }
  const lengths: number[] = [];
  let before = 0;
  for (let s = 0; s < scales.length; s++) {
    const scale: unknown = scales[s]; // read once
    if (!isCount(scale)) throw notACount(scale, `scales[${s}]`);
    if (scale > dim) throw tooLong(scale, s, dim);
    if (scale <= before) throw expected('BAD_PLAN', `more than ${before}, as scales ascend,`, `scales[${s}]`, scale);
    lengths.push(scale);
    before = scale;
  }
  return lengths;
}

/**
 * A checked plan for vectors of `dim` dims, which were not known when it was checked.
 *
 * @throws FunnelError BAD_PLAN
 */
export function fitPlan(plan: CheckedPlan, dim: number): CheckedPlan {
  const { scales, head } = plan;
  const s = scales.findIndex((scale) => scale > dim);
  if (s >= 0) throw tooLong(scales[s]!, s, dim);
  if (head !== undefined) checkHead(head, dim);
  return plan;
}

function tooLong(scale: number, s: number, dim: number): FunnelError {
  return expected('BAD_PLAN', `a prefix length in 1..${dim} (the vectors have ${dim} dims)`, `scales[${s}]`, scale);
}

function checkHead(head: unknown, dim: number): void {
  if (checkCount(head, 'head') > dim) throw expected('BAD_PLAN', `a prefix length in 1..${dim}`, 'head', head);
}

function checkKeeps(keep: unknown, count: number): Keep[] {
  if (!Array.isArray(keep)) {
    const rule = checkKeep(keep);
    const rules: Keep[] = [];
    for (let s = 0; s < count; s++) rules.push(rule);
    return rules;
  }
  if (keep.length !== count) throw expected('BAD_PLAN', `one rule per scale (${count})`, 'keep', keep);
  return Array.from({ length: count }, (_, s) => checkKeep(keep[s], s));
}

/** @param s its place, of several */
function checkKeep(keep: unknown, s?: number): Keep {
  if (typeof keep === 'number' && keep > 0 && keep <= 1) return keep;
  const where = s === undefined ? 'keep' : `keep[${s}]`;
  if (typeof keep === 'number') {
    const hint = Number.isInteger(keep) && keep > 1 ? `; for a count write { count: ${keep} }` : '';
    throw new FunnelError(
      'BAD_PLAN',
      `Expected a fraction with 0 < f ≤ 1 for ${where} but received ${describe(keep)}${hint}`,
    );
  }
  if (typeof keep !== 'object' || keep === null || !('count' in keep) || Object.keys(keep).length !== 1) {
    throw expected('BAD_PLAN', 'a fraction or { count }', where, keep);
  }
  return { count: checkCount(keep.count, `${where}.count`) };
}

function checkCount(value: unknown, where: string): number {
  if (!isCount(value)) throw notACount(value, where);
  return value;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 0xffff_ffff;
}

function notACount(value: unknown, where: string): FunnelError {
  return expected('BAD_PLAN', 'an integer of at least 1', where, value);
}

/** Fills in the defaults that all makers of plans share. */
function withDefaults(plan: Omit<Plan, 'keep'> & { keep?: Plan['keep'] }, dim: number): Plan {
  const { head, scales, metric, keep = 0.5, limit = 10 } = plan;
  checkCount(limit, 'limit');
  const candidates = plan.candidates ?? poolFor(limit);
  const full: Plan = { head, candidates, scales, keep, limit };
  if (metric !== undefined) full.metric = metric;
  checkPlan(full, dim);
  return full;
}

/** As many rows as a source can be asked for. */
export const MAX_POOL = 0xffff_ffff;

/** How many candidates to fetch for so many hits, where nobody says. */
export function poolFor(limit: number): number {
  return Math.min(Math.max(128, 4 * limit), MAX_POOL);
}

/** See funnelPlan. 256 → 128, 768 → 128, 1024 and 1536 → 256, 3072 → 512. */
function defaultHead(dim: number): number {
  const quarter = 2 ** Math.floor(log2Of(dim / 4));
  const half = Math.ceil(dim / 2);
  return Math.min(half, Math.max(128, quarter));
}
