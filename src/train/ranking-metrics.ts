/** Measures of a ranking by relevance: recall, nDCG and reciprocal rank, as trec_eval computes them. */
import { log2Of } from '../core/exact-math.js';
import type { Id } from '../core/types.js';

/** Grades of one query's relevant rows; what is absent, or has a grade of 0 or less, is not relevant. */
export type Grades = ReadonlyMap<Id, number>;

/** |relevant ∩ first k| / |relevant|; 0 where nothing is relevant. */
export function recallAt(ranked: ArrayLike<Id>, grades: Grades, k: number): number {
  let all = 0;
  for (const grade of grades.values()) if (grade > 0) all++;
  return all === 0 ? 0 : relevantAmong(ranked, grades, k) / all;
}

/** How many of the first k are relevant; a row that comes twice counts once. */
export function relevantAmong(ranked: ArrayLike<Id>, grades: Grades, k: number): number {
  const seen = new Set<Id>();
  for (let i = 0; i < Math.min(k, ranked.length); i++) if ((grades.get(ranked[i]!) ?? 0) > 0) seen.add(ranked[i]!);
  return seen.size;
}

/**
 * DCG / ideal DCG, both of the first k: Σ gain_i / log2(i + 1), i from 1. 0 where nothing is relevant.
 *
 * @param gain 'linear': the grade (trec_eval, BEIR); 'exponential': 2^grade − 1 (Burges et al. 2005). Binary grades give one
 *   value under both
 */
export function ndcgAt(
  ranked: ArrayLike<Id>,
  grades: Grades,
  k: number,
  gain: 'linear' | 'exponential' = 'linear',
): number {
  const worth = gain === 'linear' ? (grade: number) => grade : (grade: number) => 2 ** grade - 1;
  const gains = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a);
  let ideal = 0;
  for (let i = 0; i < Math.min(k, gains.length); i++) ideal += worth(gains[i]!) / log2Of(i + 2);
  if (ideal === 0) return 0;
  const seen = new Set<Id>();
  let dcg = 0;
  for (let i = 0; i < Math.min(k, ranked.length); i++) {
    const id = ranked[i]!;
    const grade = grades.get(id) ?? 0;
    if (grade > 0 && !seen.has(id)) dcg += worth(grade) / log2Of(i + 2);
    seen.add(id);
  }
  return dcg / ideal;
}

/** 1 / rank of the first relevant among the first k; 0 where there is none. Its mean over queries is MRR@k. */
export function reciprocalRankAt(ranked: ArrayLike<Id>, grades: Grades, k: number): number {
  for (let i = 0; i < Math.min(k, ranked.length); i++) if ((grades.get(ranked[i]!) ?? 0) > 0) return 1 / (i + 1);
  return 0;
}
