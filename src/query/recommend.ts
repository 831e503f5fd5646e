/** Recommending by examples: the mean that is searched by, and the two strategies that score every row by each example. */

import { expected, FunnelError } from '../core/errors.js';
import { lengthOf } from '../core/exact-math.js';
import type { Metric } from '../core/types.js';

/**
 * 'average_vector': one search by mean(positive) + (mean(positive) − mean(negative)). 'best_score': a row is as good as its
 * most similar positive, or as bad as its most similar negative where that one is more similar. 'sum_scores': similarities
 * to positives minus those to negatives.
 */
export type Strategy = 'average_vector' | 'best_score' | 'sum_scores';

export const STRATEGIES: readonly Strategy[] = ['average_vector', 'best_score', 'sum_scores'];

/** Full vectors of one length. */
export interface Examples {
  /** Near these. */
  positive: readonly Float32Array[];
  /** Far from these. */
  negative: readonly Float32Array[];
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkStrategy(value: unknown, positives: number, negatives: number): Strategy {
  const strategy = value ?? 'average_vector';
  if (!STRATEGIES.includes(strategy as Strategy)) {
    throw expected('BAD_ARGUMENT', `one of ${STRATEGIES.join(', ')}`, 'strategy', value);
  }
  if (positives + negatives === 0) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected at least one positive or negative example but received none');
  }
  if (strategy === 'average_vector' && positives === 0) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      "Expected a positive example for strategy 'average_vector' but received none: 'best_score' and 'sum_scores' take negatives alone",
    );
  }
  return strategy as Strategy;
}

/**
 * The vector that strategy 'average_vector' searches by. Under cosine every example counts by its direction alone,
 * since databases that store vectors normalised have only that.
 */
export function averageVector({ positive, negative }: Examples, metric: Metric): Float32Array {
  // As a search by that point, bit for bit.
  if (positive.length === 1 && negative.length === 0) return positive[0]!;
  const liked = meanOf(positive, metric);
  if (negative.length === 0) return Float32Array.from(liked);
  const disliked = meanOf(negative, metric);
  return Float32Array.from(liked, (value, i) => value + (value - disliked[i]!));
}

/**
 * A vector whose nearest rows are those that 'sum_scores' puts first: similarities to examples sum up to that to the sum of
 * the examples, since products are linear, and squared distances to that from one point, but for a constant. Undefined where
 * there is none: examples that cancel out, or, under euclid, more negatives than positives, which ask for what is far.
 */
export function sumVector({ positive, negative }: Examples, metric: Metric): Float32Array | undefined {
  const sum = new Float64Array((positive[0] ?? negative[0]!).length);
  const add = (examples: readonly Float32Array[], weight: number) => {
    if (examples.length === 0) return;
    const mean = meanOf(examples, metric);
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * mean[i]!;
  };
  add(positive, positive.length);
  add(negative, -negative.length);
  if (metric !== 'euclid') return usable(sum);
  const more = positive.length - negative.length;
  if (more > 0) return Float32Array.from(sum, (value) => value / more);
  const length = lengthOf(sum);
  if (more < 0 || length === 0) return undefined;
  // As many negatives as positives: the rows that lie farthest in a direction are those nearest to a point far away in
  // it.
  const away = FAR * Math.max(...positive.map(lengthOf), ...negative.map(lengthOf));
  return usable(sum.map((value) => (value / length) * away));
}

/** Lengths of rows. So far away, distances differ as along the direction. */
const FAR = 1000;

function usable(values: Float64Array): Float32Array | undefined {
  const vector = Float32Array.from(values);
  return vector.every(Number.isFinite) && vector.some((value) => value !== 0) ? vector : undefined;
}

/** In float64. */
export function meanOf(vectors: readonly Float32Array[], metric: Metric): Float64Array {
  const mean = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) {
    const scale = metric === 'cosine' ? 1 / (lengthOf(vector) || 1) : 1;
    for (let i = 0; i < mean.length; i++) mean[i]! += vector[i]! * scale;
  }
  return mean.map((sum) => sum / vectors.length);
}

/**
 * The similarity of a row to one example, which 'best_score' and 'sum_scores' go by: the product under dot, the cosine under
 * cosine, minus the square of the distance under euclid. Larger is better.
 *
 * @param score of the row by the example, under the metric: for euclid the distance
 */
export function similarityOf(metric: Metric, score: number): number {
  return metric === 'euclid' ? -(score * score) + 0 : score;
}

/**
 * The score of a row by its similarities to the examples; larger is better under every metric.
 *
 * @param positive similarities to the positive examples, see {@link similarityOf}
 * @param negative similarities to the negative ones
 */
export function strategyScore(
  strategy: Exclude<Strategy, 'average_vector'>,
  positive: ArrayLike<number>,
  negative: ArrayLike<number>,
): number {
  if (strategy === 'sum_scores') return sumOf(positive) - sumOf(negative);
  const liked = best(positive);
  const disliked = best(negative);
  return liked > disliked ? squashed(liked) : -squashed(disliked);
}

/** Into 0..1, so that whatever has a positive nearest stands before whatever has a negative nearest. */
export function squashed(x: number): number {
  return 0.5 * (1 + x / (1 + Math.abs(x)));
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

function best(values: ArrayLike<number>): number {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
}

/** Keys of `count` rows by one example, into `keys`: a call of the kernels. */
export type KeysOf = (example: Float32Array, keys: Float64Array) => void;

/** Scores of `count` rows: one pass of the kernels for each example, in order. */
export function scoreAll(
  { positive, negative }: Examples,
  strategy: Exclude<Strategy, 'average_vector'>,
  metric: Metric,
  count: number,
  keysOf: KeysOf,
  scores: Float64Array = new Float64Array(count),
): Float64Array {
  const similarities = [...positive, ...negative].map((example) => {
    const keys = new Float64Array(count);
    keysOf(example, keys);
    for (let i = 0; i < count; i++) keys[i] = similarityOf(metric, keys[i]!);
    return keys;
  });
  const liked = new Float64Array(positive.length);
  const disliked = new Float64Array(negative.length);
  for (let row = 0; row < count; row++) {
    for (let e = 0; e < liked.length; e++) liked[e] = similarities[e]![row]!;
    for (let e = 0; e < disliked.length; e++) disliked[e] = similarities[liked.length + e]![row]!;
    scores[row] = strategyScore(strategy, liked, disliked);
  }
  return scores;
}
