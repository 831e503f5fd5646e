/** The meaning of requests, as plainly as it can be said, in doubles and over every row. */
import type { Metric } from '../core/types.js';

export interface NaiveExamples {
  positive: readonly ArrayLike<number>[];
  negative: readonly ArrayLike<number>[];
}

export function unit(vector: ArrayLike<number>): number[] {
  const values = Array.from(vector);
  const length = Math.hypot(...values);
  return length === 0 ? values : values.map((value) => value / length);
}

export function naiveScore(metric: Metric, a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = metric === 'cosine' ? [unit(a), unit(b)] : [Array.from(a), Array.from(b)];
  if (metric === 'euclid') return Math.sqrt(x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0));
  return x.reduce((sum, value, i) => sum + value * y[i]!, 0);
}

export function naiveAverage({ positive, negative }: NaiveExamples, metric: Metric): number[] {
  const stored = (vector: ArrayLike<number>) => (metric === 'cosine' ? unit(vector) : Array.from(vector));
  const mean = (vectors: readonly ArrayLike<number>[]) =>
    stored(vectors[0]!).map((_, i) => vectors.reduce((sum, v) => sum + stored(v)[i]!, 0) / vectors.length);
  const liked = mean(positive);
  if (negative.length === 0) return liked;
  const disliked = mean(negative);
  return liked.map((value, i) => value + (value - disliked[i]!));
}

export function naiveStrategy(
  { positive, negative }: NaiveExamples,
  strategy: 'best_score' | 'sum_scores',
  metric: Metric,
  row: ArrayLike<number>,
): number {
  const similarity = (example: ArrayLike<number>) => {
    const score = naiveScore(metric, example, row);
    return metric === 'euclid' ? -(score ** 2) : score;
  };
  const liked = positive.map(similarity);
  const disliked = negative.map(similarity);
  if (strategy === 'sum_scores') {
    return liked.reduce((sum, x) => sum + x, 0) - disliked.reduce((sum, x) => sum + x, 0);
  }
  const [p, n] = [Math.max(...liked), Math.max(...disliked)];
  const g = (x: number) => 0.5 * (1 + x / (1 + Math.abs(x)));
  return p > n ? g(p) : -g(n);
}

export interface NaiveHit {
  id: unknown;
  score: number;
  payload: Record<string, unknown>;
}

export interface NaiveGroup {
  id: unknown;
  hits: unknown[];
}

/** Groups hits that are ranked already; `key` is a top-level one. */
export function naiveGroups(
  hits: readonly NaiveHit[],
  key: string,
  { limit = 10, groupSize = 3, offset = 0 }: { limit?: number; groupSize?: number; offset?: number } = {},
): NaiveGroup[] {
  const groups: { id: unknown; name: string; best: number; hits: unknown[] }[] = [];
  for (const { id, score, payload } of hits) {
    const value = Object.hasOwn(payload, key) ? payload[key] : undefined;
    const values = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
    if (!values.every((one) => typeof one === 'string' || (typeof one === 'number' && Number.isInteger(one)))) continue;
    for (const one of new Set(values)) {
      const name = JSON.stringify(one);
      let group = groups.find((other) => other.name === name);
      if (!group) {
        group = { id: one, name, best: score, hits: [] };
        groups.push(group);
      }
      group.hits.push(id);
    }
  }
  const rank = (value: unknown) => (typeof value === 'number' ? 0 : 1);
  const ordered = groups
    .map((group, place) => ({ ...group, place }))
    .sort(
      (a, b) =>
        (a.best === b.best ? 0 : a.place - b.place) ||
        rank(a.id) - rank(b.id) ||
        ((a.id as number) < (b.id as number) ? -1 : 1),
    );
  return ordered.slice(offset, offset + limit).map(({ id, hits: all }) => ({ id, hits: all.slice(0, groupSize) }));
}
