/**
 * Eigenvectors of a symmetric matrix, all of them: Householder reduction to tridiagonal form, then implicit QL with
 * Wilkinson shifts (Golub & Van Loan, Matrix Computations, §8.3). For the few hundred dims that a basis has.
 */
import { lengthOfTwo } from '../../core/exact-math.js';
import type { Sliced } from '../../core/slices.js';

/**
 * @param a `n × n`, row-major; overwritten
 * @returns eigenvalues, descending, and `vectors`: row i is the unit eigenvector of value i
 */
export function* symmetricEigen(a: Float64Array, n: number): Sliced<{ values: Float64Array; vectors: Float64Array }> {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const q = yield* tridiagonalise(a, n, diagonal, beside);
  yield* implicitQl(diagonal, beside, q, n);

  const order = Array.from(diagonal.keys()).sort((i, j) => diagonal[j]! - diagonal[i]!);
  const vectors = new Float64Array(n * n);
  order.forEach((from, i) => {
    vectors.set(q.subarray(from * n, (from + 1) * n), i * n);
  });
  return { values: Float64Array.from(order, (i) => diagonal[i]!), vectors };
}

/** Reduces a to T = Qᵀ a Q; returns Qᵀ, whose ROWS will become the eigenvectors. */
function* tridiagonalise(
  a: Float64Array,
  n: number,
  diagonal: Float64Array,
  beside: Float64Array,
): Sliced<Float64Array> {
  const reflectors: Reflector[] = [];
  const p = new Float64Array(n);
  const each = stepsAtOnce(2 * n * n);
  for (let k = 0; k < n - 2; k++) {
    if (k % each === 0) yield;
    const reflector = annihilate(a, n, k, diagonal, beside);
    if (reflector === undefined) continue;
    reflectors.push(reflector);
    reflectBoth(a, n, reflector, p);
  }
  if (n > 1) {
    diagonal[n - 2] = a[(n - 2) * n + n - 2]!;
    beside[n - 2] = a[(n - 1) * n + n - 2]!;
  }
  diagonal[n - 1] = a[n * n - 1]!;

  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  // Qᵀ = … H₂ H₁, applied to the rows from the last reflector backwards: Q = H₁ H₂ … as columns, stored transposed.
  for (const [i, reflector] of reflectors.reverse().entries()) {
    if (i % each === 0) yield;
    reflectRows(q, n, reflector);
  }
  return q;
}

/** Products between two breaks: each break wakes all generators on the way, which V8 would compile for it. */
const PRODUCTS = 1 << 20;

/** Steps of so many products between two breaks. */
export function stepsAtOnce(products: number): number {
  return Math.max(1, Math.floor(PRODUCTS / products));
}

// The loops are functions of their own: in a generator they would run half as fast, and all of it be compiled for them.

interface Reflector {
  readonly v: Float64Array;
  readonly beta: number;
  readonly k: number;
}

/** The reflector that annihilates column k below the subdiagonal; undefined where nothing is there. */
function annihilate(
  a: Float64Array,
  n: number,
  k: number,
  diagonal: Float64Array,
  beside: Float64Array,
): Reflector | undefined {
  let norm2 = 0;
  for (let i = k + 1; i < n; i++) norm2 += a[i * n + k]! ** 2;
  const head = a[(k + 1) * n + k]!;
  const alpha = head > 0 ? -Math.sqrt(norm2) : Math.sqrt(norm2);
  const v = new Float64Array(n);
  for (let i = k + 1; i < n; i++) v[i] = a[i * n + k]!;
  v[k + 1] = head - alpha;
  let v2 = 0;
  for (let i = k + 1; i < n; i++) v2 += v[i]! ** 2;
  diagonal[k] = a[k * n + k]!;
  beside[k] = alpha;
  return v2 === 0 ? undefined : { v, beta: 2 / v2, k };
}

/** a ← H a H on the trailing block: a − v wᵀ − w vᵀ with w = p − (β/2)(pᵀv) v, p = β a v. */
function reflectBoth(a: Float64Array, n: number, { v, beta, k }: Reflector, p: Float64Array): void {
  let pv = 0;
  for (let i = k + 1; i < n; i++) {
    let sum = 0;
    for (let j = k + 1; j < n; j++) sum += a[i * n + j]! * v[j]!;
    p[i] = beta * sum;
    pv += p[i]! * v[i]!;
  }
  const half = (beta / 2) * pv;
  for (let i = k + 1; i < n; i++) p[i]! -= half * v[i]!;
  for (let i = k + 1; i < n; i++) {
    const vi = v[i]!;
    const wi = p[i]!;
    const at = i * n;
    for (let j = k + 1; j < n; j++) a[at + j]! -= vi * p[j]! + wi * v[j]!;
  }
}

function reflectRows(q: Float64Array, n: number, { v, beta, k }: Reflector): void {
  for (let r = k + 1; r < n; r++) {
    let sum = 0;
    for (let i = k + 1; i < n; i++) sum += q[r * n + i]! * v[i]!;
    if (sum === 0) continue;
    sum *= beta;
    for (let i = k + 1; i < n; i++) q[r * n + i]! -= sum * v[i]!;
  }
}

/** Diagonalises the tridiagonal matrix, rotating the rows of q along. */
function* implicitQl(d: Float64Array, e: Float64Array, q: Float64Array, n: number): Sliced<void> {
  e[n - 1] = 0;
  // An element this small beside the whole counts as 0: the noise of dims without variance need not converge.
  let norm = 0;
  for (let i = 0; i < n; i++) norm = Math.max(norm, Math.abs(d[i]!) + Math.abs(e[i]!));
  const each = stepsAtOnce(n * n);
  let steps = 0;
  for (let l = 0; l < n; l++) {
    for (let round = 0; ; round++) {
      if (steps++ % each === 0) yield;
      const m = endOfBlock(e, n, l, norm);
      if (m === l) break;
      if (round === 60) throw new Error('The eigenvalues of a symmetric matrix did not converge');
      qlStep(d, e, q, n, l, m);
    }
  }
}

/** The last row of the block that begins with row l: no element stands beside the diagonal there. */
function endOfBlock(e: Float64Array, n: number, l: number, norm: number): number {
  let m = l;
  for (; m < n - 1; m++) {
    if (Math.abs(e[m]!) <= Number.EPSILON * norm) break;
  }
  return m;
}

/** One implicit QL step on rows l to m. */
function qlStep(d: Float64Array, e: Float64Array, q: Float64Array, n: number, l: number, m: number): void {
  const g0 = (d[l + 1]! - d[l]!) / (2 * e[l]!);
  const r0 = lengthOfTwo(g0, 1);
  let g = d[m]! - d[l]! + e[l]! / (g0 + (g0 >= 0 ? r0 : -r0));
  let s = 1;
  let c = 1;
  let p = 0;
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i]!;
    const b = c * e[i]!;
    const r = lengthOfTwo(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1]! - p;
    const t = (d[i]! - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
    rotate(q, i * n, n, c, s);
  }
  d[l]! -= p;
  e[l] = g;
  e[m] = 0;
}

/** Rotates the row at `lower` and the one behind it. */
function rotate(q: Float64Array, lower: number, n: number, c: number, s: number): void {
  const upper = lower + n;
  for (let j = 0; j < n; j++) {
    const x = q[upper + j]!;
    const y = q[lower + j]!;
    q[upper + j] = s * y + c * x;
    q[lower + j] = c * y - s * x;
  }
}
