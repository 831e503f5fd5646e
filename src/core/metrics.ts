/** Metrics, and the rows that they compare. */
import { FunnelError } from './errors.js';

/** How rows are compared with a query: 'cosine' and 'dot', larger is better; 'euclid', a distance, smaller is better. */
export type Metric = 'cosine' | 'dot' | 'euclid';

/** Every metric, in the order of their codes in native and WASM code. */
export const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclid'];

/** The metrics of an embedded index: codes need a bound for each, and take every other for 'euclid'. */
export const INDEX_METRICS: readonly Metric[] = ['cosine', 'dot', 'euclid'];

/** Whether a metric's scores are distances: smaller is better. Keys are larger when better, whatever the metric. */
export function isDistance(metric: Metric): boolean {
  return metric === 'euclid';
}

/** Whether a vector of zeros can be no query: it has no direction. */
export function needsDirection(metric: Metric): boolean {
  return metric !== 'euclid';
}

/** The score of a key. 0 − key keeps −0 out. */
export function scoreOfKey(metric: Metric, key: number): number {
  return isDistance(metric) ? 0 - key : key;
}

/** The key of a score. */
export function keyOfScore(metric: Metric, score: number): number {
  return isDistance(metric) ? 0 - score : score;
}

/**
 * The name by which a database or a framework calls a metric.
 *
 * @param names - its names with our metrics
 * @param who - who has them, for the error
 * @throws FunnelError UNSUPPORTED where it has none for this metric
 */
export function nameOfMetric<Name extends string>(
  names: Readonly<Record<Name, Metric>>,
  metric: Metric,
  who: string,
): Name {
  for (const name of Object.keys(names) as Name[]) if (names[name] === metric) return name;
  const known = Object.values(names).join(', ');
  throw new FunnelError('UNSUPPORTED', `Expected a metric that ${who} has (${known}) but received ${metric}`);
}

/** Most dims of a vector. */
export const MAX_DIM = 65_536;

/** float32 values, or the bits of float16 values. */
export type Rows = Float32Array | Uint16Array;
