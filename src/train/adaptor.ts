/**
 * The terms that a Matryoshka adaptor is trained with: e is an embedding, e^ what the adaptor makes of it, and prefixes of
 * e^ are to have the similarities that e has. Sums, as published; gradients are by e^ (or what is said).
 *
 * Source: Yoon et al., Matryoshka-Adaptor, arXiv 2407.20243. Two mistakes of public re-implementations are avoided: prefixes
 * are normalised after the cut, and neighbours are the same rows on both sides, not equal ranks.
 */

import { expected } from '../core/errors.js';
import { expOf, logOfOnePlus } from '../core/exact-math.js';
import { checkAttached, checkInteger } from '../core/validate.js';
import { type Checked, checkDims, checkEmbeddings, type Embeddings, prefixes } from './embeddings.js';
import type { LossResult } from './loss.js';
import { cosines, throughCosines, throughUnits, type Units, unitsOf } from './units.js';

/**
 * L_pair = Σ_{i,j} Σ_m |cos(e_i, e_j) − cos(e^_i[:m], e^_j[:m])|, over all ordered pairs.
 *
 * @param original `n` rows of any length
 * @param adapted `n` rows, at least as long as the longest of dims
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_PLAN, NOT_FINITE
 */
export function pairLoss(original: Embeddings, adapted: Embeddings, dims: readonly number[]): LossResult {
  const [e, a] = checkSame(original, adapted);
  checkDims(dims, a.dim);
  const target = unitsOf(prefixes(e, e.dim), e.count, e.dim);
  const wanted = cosines(target, target);
  const out = new Float64Array(a.count * a.dim);
  let value = 0;
  for (const m of dims) {
    const units = unitsOf(prefixes(a, m), a.count, m);
    const gradient = cosines(units, units);
    for (let i = 0; i < gradient.length; i++) {
      const difference = gradient[i]! - wanted[i]!;
      value += Math.abs(difference);
      gradient[i] = Math.sign(difference);
    }
    const [left, right] = throughCosines(units, units, gradient);
    for (let i = 0; i < left.length; i++) left[i]! += right[i]!;
    throughUnits(units, left, out, a.dim);
  }
  return { value, gradients: [out] };
}

/**
 * L_topk = Σ_i Σ_{j ∈ NN_k(e_i)} Σ_m |cos(e_i, e_j) − cos(e^_i[:m], e^_j[:m])|. The neighbours are found in the ORIGINAL space,
 * over the whole corpus, by the caller.
 *
 * @param neighbours row numbers, `k` for each of the first `neighbours.length / k` rows
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_PLAN, NOT_FINITE
 */
export function topkLoss(
  original: Embeddings,
  adapted: Embeddings,
  neighbours: Uint32Array,
  k: number,
  dims: readonly number[],
): LossResult {
  const [e, a] = checkSame(original, adapted);
  checkDims(dims, a.dim);
  checkInteger(k, 1, 0xffff_ffff, 'k');
  if (!(neighbours instanceof Uint32Array) || neighbours.length % k !== 0 || neighbours.length / k > e.count) {
    throw expected('BAD_ARGUMENT', `a Uint32Array of ${k} row numbers for each row`, 'neighbours', neighbours);
  }
  checkAttached(neighbours, 'neighbours');
  for (const row of neighbours)
    if (row >= e.count) throw expected('BAD_ARGUMENT', `rows below ${e.count}`, 'neighbours', row);
  const wanted = listed(unitsOf(prefixes(e, e.dim), e.count, e.dim), neighbours, k);
  const out = new Float64Array(a.count * a.dim);
  let value = 0;
  for (const m of dims) {
    const units = unitsOf(prefixes(a, m), a.count, m);
    const found = listed(units, neighbours, k);
    const byUnits = new Float64Array(units.values.length);
    for (let n = 0; n < neighbours.length; n++) {
      const difference = found[n]! - wanted[n]!;
      value += Math.abs(difference);
      const sign = Math.sign(difference);
      const i = Math.floor(n / k) * m;
      const j = neighbours[n]! * m;
      for (let t = 0; t < m; t++) {
        byUnits[i + t]! += sign * units.values[j + t]!;
        byUnits[j + t]! += sign * units.values[i + t]!;
      }
    }
    throughUnits(units, byUnits, out, a.dim);
  }
  return { value, gradients: [out] };
}

function listed({ values, dim }: Units, neighbours: Uint32Array, k: number): Float64Array {
  const out = new Float64Array(neighbours.length);
  for (let n = 0; n < out.length; n++) {
    const i = Math.floor(n / k) * dim;
    const j = neighbours[n]! * dim;
    let sum = 0;
    for (let t = 0; t < dim; t++) sum += values[i + t]! * values[j + t]!;
    out[n] = sum;
  }
  return out;
}

/**
 * L_rec = Σ_i |e_i − e^_i|, lengths, not their squares. Where a row is unchanged the gradient is 0.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE
 */
export function reconstructionLoss(original: Embeddings, adapted: Embeddings): LossResult {
  const [e, a] = checkSame(original, adapted);
  if (a.dim !== e.dim)
    throw expected('BAD_DIMS', `${e.dim} dims, as the original has,`, 'the adapted embeddings', a.dim);
  const { dim, count } = e;
  const out = new Float64Array(count * dim);
  let value = 0;
  for (let r = 0; r < count; r++) {
    let squares = 0;
    for (let i = r * dim; i < (r + 1) * dim; i++) squares += (a.vectors[i]! - e.vectors[i]!) ** 2;
    const length = Math.sqrt(squares);
    value += length;
    if (length === 0) continue;
    for (let i = r * dim; i < (r + 1) * dim; i++) out[i] = (a.vectors[i]! - e.vectors[i]!) / length;
  }
  return { value, gradients: [out] };
}

/**
 * L_rank = Σ_i Σ_{j,k: y_ij > y_ik} Σ_m (y_ij − y_ik) log(1 + exp(s_ik[m] − s_ij[m])), s[m] the cosines of prefixes of adapted
 * queries i and documents j.
 *
 * @param labels `queries × documents` relevances, row-major
 * @returns gradients by queries and by documents
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_PLAN, NOT_FINITE
 */
export function rankLoss(
  queries: Embeddings,
  documents: Embeddings,
  labels: ArrayLike<number>,
  dims: readonly number[],
): LossResult {
  const q = checkEmbeddings(queries, 'queries');
  const d = checkEmbeddings(documents, 'documents');
  if (d.dim !== q.dim) throw expected('BAD_DIMS', `${q.dim} dims, as queries have,`, 'documents', d.dim);
  checkDims(dims, q.dim);
  checkRelevances(labels, q.count, d.count);
  const gradients = [new Float64Array(q.count * q.dim), new Float64Array(d.count * d.dim)] as const;
  let value = 0;
  for (const m of dims) {
    const [a, b] = [unitsOf(prefixes(q, m), q.count, m), unitsOf(prefixes(d, m), d.count, m)];
    const result = rankOf(cosines(a, b), labels, q.count, d.count);
    value += result.value;
    const [byA, byB] = throughCosines(a, b, result.gradient);
    throughUnits(a, byA, gradients[0], q.dim);
    throughUnits(b, byB, gradients[1], d.dim);
  }
  return { value, gradients: [...gradients] };
}

/**
 * L_rank of similarities alone, `queries × documents`, and its gradient by them.
 *
 * @throws FunnelError BAD_ARGUMENT, NOT_FINITE
 */
export function rank(
  similarities: ArrayLike<number>,
  labels: ArrayLike<number>,
  documents: number,
): {
  /** The loss. */
  value: number;
  /** d value / d similarities, `queries × documents`. */
  gradient: Float64Array;
} {
  checkInteger(documents, 1, 0xffff_ffff, 'documents');
  const queries = Math.ceil((similarities?.length ?? 0) / documents);
  checkRelevances(similarities, queries, documents, 'similarities');
  checkRelevances(labels, queries, documents);
  return rankOf(similarities, labels, queries, documents);
}

function rankOf(s: ArrayLike<number>, y: ArrayLike<number>, queries: number, documents: number) {
  const gradient = new Float64Array(s.length);
  let value = 0;
  for (let i = 0; i < queries; i++) {
    for (let j = i * documents; j < (i + 1) * documents; j++) {
      for (let k = i * documents; k < (i + 1) * documents; k++) {
        const margin = y[j]! - y[k]!;
        if (!(margin > 0)) continue;
        const x = s[k]! - s[j]!;
        value += margin * (Math.max(x, 0) + logOfOnePlus(expOf(-Math.abs(x))));
        const slope = margin / (1 + expOf(-x));
        gradient[k]! += slope;
        gradient[j]! -= slope;
      }
    }
  }
  return { value, gradient };
}

function checkRelevances(values: ArrayLike<number>, queries: number, documents: number, where = 'labels'): void {
  const isList = Array.isArray(values) || values instanceof Float32Array || values instanceof Float64Array;
  if (!isList || values.length !== queries * documents) {
    throw expected('BAD_ARGUMENT', `${queries} × ${documents} numbers`, where, values);
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw expected('NOT_FINITE', 'a finite number', `${where}[${i}]`, values[i]);
  }
}

function checkSame(original: Embeddings, adapted: Embeddings): readonly [Checked, Checked] {
  const e = checkEmbeddings(original, 'the original embeddings');
  const a = checkEmbeddings(adapted, 'the adapted embeddings');
  if (a.count !== e.count) throw expected('BAD_ARGUMENT', `${e.count} rows`, 'the adapted embeddings', a.count);
  return [e, a];
}
