/** The loss that a step of the adapter minimises, computed from the heads of a batch. */
import { pairLoss, rank } from './adaptor.js';
import { prefixes } from './embeddings.js';
import { throughUnits, unitsOf } from './units.js';

/** The factor by which L_rank multiplies cosines: differences that decide a rank are of some hundredths. */
const SHARPNESS = 20;

/** A batch: `count` anchors, then for each of them `listed` rows, the first `k` its nearest. */
export interface Lists {
  readonly count: number;
  readonly k: number;
  readonly listed: number;
  readonly dims: readonly number[];
}

/**
 * L_pair among the anchors and L_rank over their lists, each a mean over what it adds up, of every prefix of dims.
 *
 * @param rows full vectors, `count · (1 + listed) × dim`
 * @param heads of the same
 * @returns the gradient by the heads
 */
export function listLoss(
  rows: Float32Array,
  dim: number,
  heads: Float64Array,
  head: number,
  lists: Lists,
): { value: number; gradient: Float64Array } {
  const { count, dims } = lists;
  const gradient = new Float64Array(heads.length);
  const full = { vectors: rows.subarray(0, count * dim), dim };
  const pairs = pairLoss(full, { vectors: heads.subarray(0, count * head), dim: head }, dims);
  const weight = 1 / (count * count);
  pairs.gradients[0]!.forEach((slope, i) => {
    gradient[i] = weight * slope;
  });
  let value = weight * pairs.value;
  for (const m of dims) value += addRank(heads, head, lists, m, gradient);
  return { value, gradient };
}

/** Nearest rows are to stand above the others of their list; adds the gradient. */
function addRank(heads: Float64Array, head: number, lists: Lists, m: number, gradient: Float64Array): number {
  const { count, k, listed } = lists;
  const total = heads.length / head;
  const units = unitsOf(prefixes({ vectors: heads, dim: head, count: total }, m), total, m);
  const { values } = units;
  const s = new Float64Array(count * listed);
  const labels = new Float64Array(s.length);
  for (let n = 0; n < s.length; n++) {
    const [i, j] = [Math.floor(n / listed) * m, (count + n) * m];
    let sum = 0;
    for (let t = 0; t < m; t++) sum += values[i + t]! * values[j + t]!;
    s[n] = SHARPNESS * sum;
    labels[n] = n % listed < k ? 1 : 0;
  }
  const ranked = rank(s, labels, listed);
  const weight = 1 / (count * k * Math.max(1, listed - k));
  const byUnits = new Float64Array(values.length);
  for (let n = 0; n < s.length; n++) {
    const slope = weight * SHARPNESS * ranked.gradient[n]!;
    const [i, j] = [Math.floor(n / listed) * m, (count + n) * m];
    for (let t = 0; t < m; t++) {
      byUnits[i + t]! += slope * values[j + t]!;
      byUnits[j + t]! += slope * values[i + t]!;
    }
  }
  throughUnits(units, byUnits, gradient, head);
  return weight * ranked.value;
}
