/** The tutorial's loop in plain doubles, each prefix summed again and in the simplest order. */

import type { Metric } from '../core/types.js';
import type { Plan } from '../funnel/plan.js';

export interface RankedRow {
  index: number;
  score: number;
}

/** Ranks rows by a plan. Sorting is stable, so that equal scores keep the order of the candidates. */
export function oracleFunnel(
  rows: readonly ArrayLike<number>[],
  query: ArrayLike<number>,
  plan: Plan,
  { limit = plan.limit, metric = plan.metric ?? 'cosine' }: { limit?: number; metric?: Metric } = {},
): RankedRow[] {
  let alive: RankedRow[] = rows.map((_, index) => ({ index, score: 0 }));
  plan.scales.forEach((scale, s) => {
    const rule = Array.isArray(plan.keep) ? plan.keep[s] : plan.keep;
    const wanted = typeof rule === 'number' ? Math.floor(rule * alive.length) : Math.min(rule.count, alive.length);
    const keep = Math.max(wanted, limit === undefined ? 0 : Math.min(limit, alive.length));
    alive = alive.map(({ index }) => ({ index, score: oracleScore(metric, query, rows[index]!, scale) }));
    alive.sort((a, b) => (metric === 'euclid' ? a.score - b.score : b.score - a.score) || a.index - b.index);
    alive = alive.slice(0, keep);
    if (s < plan.scales.length - 1) alive.sort((a, b) => a.index - b.index);
  });
  return limit === undefined ? alive : alive.slice(0, limit);
}

export function oracleScore(metric: Metric, q: ArrayLike<number>, x: ArrayLike<number>, scale: number): number {
  let dot = 0;
  let qq = 0;
  let xx = 0;
  let distance = 0;
  for (let i = 0; i < scale; i++) {
    dot += q[i]! * x[i]!;
    qq += q[i]! * q[i]!;
    xx += x[i]! * x[i]!;
    distance += (q[i]! - x[i]!) ** 2;
  }
  if (metric === 'euclid') return Math.sqrt(distance);
  if (metric === 'dot') return dot;
  return qq === 0 || xx === 0 ? 0 : dot / Math.sqrt(qq * xx);
}

/** Same ids in the same order, where scores differ by more than another order of summing explains. */
export function assertAgrees(got: readonly { index: number; score: number }[], want: readonly RankedRow[]): void {
  if (got.length !== want.length) throw new Error(`Expected ${want.length} hits, got ${got.length}`);
  got.forEach(({ index, score }, i) => {
    const expected = want[i]!;
    const close = Math.abs(score - expected.score) <= 1e-12 * Math.max(1, Math.abs(expected.score));
    if (!close || (index !== expected.index && !isTie(want, i, index))) {
      throw new Error(
        `Hit ${i}: got row ${index} with ${score}, the oracle has row ${expected.index} with ${expected.score}`,
      );
    }
  });
}

function isTie(want: readonly RankedRow[], at: number, index: number): boolean {
  const { score } = want[at]!;
  return want.some((r) => r.index === index && Math.abs(r.score - score) <= 1e-12 * Math.max(1, Math.abs(score)));
}
