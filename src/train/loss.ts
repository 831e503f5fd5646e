/** The contract of a loss, and the two losses that rank pairs. Everything is float64. */

import { expected } from '../core/errors.js';
import { expOf, logOf, logOfOnePlus } from '../core/exact-math.js';
import { checkKeys } from '../core/validate.js';
import { checkAlike, checkEmbeddings, checkLabels, type Embeddings, prefixes } from './embeddings.js';
import { cosines, throughCosines, throughUnits, unitsOf } from './units.js';

/** The value of a loss, and its gradients. */
export interface LossResult {
  /** Over the batch: the sum or mean that the loss is defined as. */
  value: number;
  /** d value / d embeddings: one array for each of the embeddings, of their shape. */
  gradients: Float64Array[];
}

/** One number for each row, or a row for each (the target of a distillation, say). */
export type Labels = ArrayLike<number> | Embeddings;

/**
 * A batch: `embeddings[c]` holds what stands in column c of the training data, row i of all columns belongs together.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE
 */
export type Loss = (embeddings: readonly Embeddings[], labels?: Labels) => LossResult;

/** Options of losses over cosines. */
export interface ScaleOptions {
  /** The factor by which cosines are multiplied: 1 / temperature. @default 20 */
  scale?: number;
}

/**
 * CoSENT over pairs (u, v) with a graded target: log(1 + Σ exp(scale (s_i − s_j))) over all i, j with label_i < label_j,
 * where s_i = cos(u_i, v_i). Equal labels contribute nothing. In O(B log B).
 *
 * Source: J. Su, "CoSENT" (2022), as sentence-transformers' CoSENTLoss.
 */
export function cosentLoss(options: ScaleOptions = {}): Loss {
  const scale = checkScale(options, 'cosentLoss');
  return (embeddings, labels) => {
    const all = checkColumns(embeddings, 2, 'cosentLoss');
    const { count, dim } = checkAlike(all, 'the second embeddings of cosentLoss()');
    const y = checkLabels(labels as ArrayLike<number>, count);
    const [u, v] = all.map((one) => unitsOf(prefixes(one, dim), count, dim)) as [
      ReturnType<typeof unitsOf>,
      ReturnType<typeof unitsOf>,
    ];
    const s = new Float64Array(count);
    for (let i = 0; i < count * dim; i++) s[Math.floor(i / dim)]! += u.values[i]! * v.values[i]!;
    const { value, gradient } = cosent(s, y, scale);
    const gradients = [
      [u, v],
      [v, u],
    ].map(([own, other]) => {
      const byUnits = other!.values.map((x, i) => gradient[Math.floor(i / dim)]! * x);
      const out = new Float64Array(count * dim);
      throughUnits(own!, byUnits, out, dim);
      return out;
    });
    return { value, gradients };
  };
}

/**
 * CoSENT of similarities alone: its value, and its gradient by each similarity,
 * scale (Σ_{j: y_j > y_i} p_ij − Σ_{j: y_j < y_i} p_ji) with p_ij = exp(scale (s_i − s_j) − L).
 *
 * @throws FunnelError BAD_ARGUMENT, NOT_FINITE
 */
export function cosent(
  similarities: ArrayLike<number>,
  labels: ArrayLike<number>,
  scale = 20,
): {
  /** The loss. */
  value: number;
  /** d value / d similarities, one for each. */
  gradient: Float64Array;
} {
  checkScale({ scale }, 'cosent');
  const s = checkLabels(similarities, similarities?.length ?? 0, 'similarities');
  const y = checkLabels(labels, s.length);
  const order = Array.from(s.keys()).sort((i, j) => y[i]! - y[j]!);
  const below = groupSums(order, y, (i) => scale * s[i]!);
  const above = groupSums(order.reverse(), y, (i) => -scale * s[i]!);
  // log(1 + Σ_j exp(below_j − scale s_j)), the largest exponent taken out.
  let most = 0;
  for (let j = 0; j < s.length; j++) most = Math.max(most, below[j]! - scale * s[j]!);
  let sum = 0;
  for (let j = 0; j < s.length; j++) sum += expOf(below[j]! - scale * s[j]! - most);
  const value = most === 0 ? logOfOnePlus(sum) : most + logOf(sum + expOf(-most));
  const gradient = s.map(
    (one, i) => scale * (expOf(scale * one + above[i]! - value) - expOf(below[i]! - scale * one - value)),
  );
  return { value, gradient };
}

/** For each i, log Σ exp(term) over those that stand before it in `order` with another label; −Infinity for none. */
function groupSums(order: readonly number[], y: Float64Array, term: (i: number) => number): Float64Array {
  const out = new Float64Array(y.length);
  let [most, sum] = [-Infinity, 0];
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && y[order[to]!] === y[order[from]!]) to++;
    const group = order.slice(from, to);
    const before = sum === 0 ? -Infinity : most + logOf(sum);
    for (const i of group) {
      out[i] = before;
      const value = term(i);
      if (value > most) [most, sum] = [value, sum * expOf(most - value)];
      sum += expOf(value - most);
    }
    from = to;
  }
  return out;
}

/**
 * In-batch InfoNCE: −mean_i log softmax_j(scale cos(a_i, p_j))_i. Every other row's positive is a negative; further
 * columns hold hard negatives, which are negatives of every row. Takes no labels.
 *
 * Source: van den Oord et al., arXiv 1807.03748; as sentence-transformers' MultipleNegativesRankingLoss.
 */
export function infoNceLoss(options: ScaleOptions = {}): Loss {
  const scale = checkScale(options, 'infoNceLoss');
  return (embeddings, labels) => {
    if (labels !== undefined) throw expected('BAD_ARGUMENT', 'no labels', 'infoNceLoss()', labels);
    const all = checkColumns(embeddings, 2, 'infoNceLoss', Infinity);
    const { count, dim } = checkAlike(all, 'the embeddings of infoNceLoss()');
    const [anchors, ...candidates] = all.map((one) => prefixes(one, dim)) as [Float64Array, ...Float64Array[]];
    const columns = candidates.length * count;
    const joined = new Float64Array(columns * dim);
    candidates.forEach((one, c) => {
      joined.set(one, c * count * dim);
    });
    const [a, p] = [unitsOf(anchors, count, dim), unitsOf(joined, columns, dim)];
    const { value, gradient } = softmaxRows(cosines(a, p), count, columns, scale);
    const [byA, byP] = throughCosines(a, p, gradient);
    const gradients = Array.from(all, () => new Float64Array(count * dim));
    throughUnits(a, byA, gradients[0]!, dim);
    const byCandidates = new Float64Array(joined.length);
    throughUnits(p, byP, byCandidates, dim);
    for (let c = 1; c < all.length; c++) {
      gradients[c]!.set(byCandidates.subarray((c - 1) * count * dim, c * count * dim));
    }
    return { value, gradients };
  };
}

/** Mean cross-entropy of rows of similarities, the diagonal being right, and its gradient by them. */
function softmaxRows(s: Float64Array, rows: number, columns: number, scale: number) {
  const gradient = new Float64Array(s.length);
  let value = 0;
  for (let i = 0; i < rows; i++) {
    const at = i * columns;
    let most = -Infinity;
    for (let j = 0; j < columns; j++) most = Math.max(most, scale * s[at + j]!);
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += expOf(scale * s[at + j]! - most);
    const log = most + logOf(sum);
    value += (log - scale * s[at + i]!) / rows;
    for (let j = 0; j < columns; j++) {
      const p = expOf(scale * s[at + j]! - log);
      gradient[at + j] = (scale * (p - (j === i ? 1 : 0))) / rows;
    }
  }
  return { value, gradient };
}

function checkScale(options: ScaleOptions, where: string): number {
  checkKeys(options, ['scale'], `the options of ${where}()`);
  const { scale = 20 } = options;
  if (typeof scale !== 'number' || !Number.isFinite(scale) || scale <= 0) {
    throw expected('BAD_ARGUMENT', 'a finite number above 0', 'scale', scale);
  }
  return scale;
}

function checkColumns(embeddings: readonly Embeddings[], least: number, where: string, most = least) {
  const count = Array.isArray(embeddings) ? embeddings.length : -1;
  if (count < least || count > most) {
    const what = most === least ? `${least} columns` : `at least ${least} columns`;
    throw expected('BAD_ARGUMENT', `${what} of embeddings`, `${where}()`, embeddings);
  }
  const all = Array.from(embeddings, (one, c) => checkEmbeddings(one, `column ${c} of ${where}()`));
  if (all[0]!.count === 0) throw expected('BAD_ARGUMENT', 'at least one row', `${where}()`, embeddings[0]!.vectors);
  return all;
}
