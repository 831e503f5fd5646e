/**
 * Functions whose bits are the same in every engine: of additions, multiplications, divisions and roots alone, which IEEE 754
 * rounds in one way. Those of Math differ between engines and between their versions, and heads, codes and promises are made
 * of them. Errors are below 7e-16 of the value, or of 1 where noted.
 */
import { LITTLE_ENDIAN } from './endian.js';

/** ln 2, its first 32 bits, and the rest: a multiple of the former is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);
const HIGH = LITTLE_ENDIAN ? 1 : 0;

/** 2^k for k in −1022..1023. */
function powerOfTwo(k: number): number {
  words[HIGH] = (k + 1023) << 20;
  words[1 - HIGH] = 0;
  return bits[0]!;
}

/** √(a² + b²). */
export function lengthOfTwo(a: number, b: number): number {
  const most = Math.max(Math.abs(a), Math.abs(b));
  if (most === 0 || !Number.isFinite(most)) return most;
  if (most > 1e-140 && most < 1e150) return Math.sqrt(a * a + b * b);
  const unit = most > 1 ? 2 ** -600 : 2 ** 600;
  return Math.sqrt(a * unit * (a * unit) + b * unit * (b * unit)) / unit;
}

/** √(Σ vᵢ²), summed in order. */
export function lengthOf(vector: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i]! * vector[i]!;
  return Math.sqrt(squares);
}

/** e^x. */
export function expOf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893384) return Number.POSITIVE_INFINITY;
  if (x < -745.2) return 0;
  const k = Math.round(x / Math.LN2);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  const value = 1 + smallExp(r);
  // In two steps: 2^k itself may be beyond the range, up or down.
  const half = k >> 1;
  return value * powerOfTwo(half) * powerOfTwo(k - half);
}

/** 1 / n! for n in 2..14. */
const BY_FACTORIAL = new Float64Array(15);
for (let n = 2, factorial = 2; n < 15; n++, factorial *= n) BY_FACTORIAL[n] = 1 / factorial;

/** e^r − 1 for |r| ≤ 0.36: the series, from its smallest term. */
function smallExp(r: number): number {
  let sum = 0;
  for (let n = 14; n > 1; n--) sum = sum * r + BY_FACTORIAL[n]!;
  return sum * r * r + r;
}

/** e^x − 1, also near 0. */
export function expMinusOne(x: number): number {
  return Math.abs(x) < 0.35 ? smallExp(x) : expOf(x) - 1;
}

/** k and m of x = 2^k · m with m in [√½, √2), where x is above 0 and finite. */
function parts(x: number): [number, number] {
  const scaled = x < 2 ** -1022 ? x * 2 ** 54 : x;
  bits[0] = scaled;
  const exponent = (words[HIGH]! >>> 20) - 1023;
  words[HIGH]! = (words[HIGH]! & 0xfffff) | 0x3ff00000;
  const m = bits[0]!;
  const shift = scaled === x ? 0 : 54;
  return m >= Math.SQRT2 ? [exponent + 1 - shift, m / 2] : [exponent - shift, m];
}

/** 1 / n for odd n up to 23. */
const BY_ODD = Float64Array.from({ length: 12 }, (_, i) => 1 / (2 * i + 1));

/** ln m for m in [√½, √2): 2 artanh((m − 1)/(m + 1)). @param f m − 1 */
function smallLog(f: number): number {
  const s = f / (2 + f);
  const square = s * s;
  let sum = 0;
  for (let i = 11; i > 0; i--) sum = (sum + BY_ODD[i]!) * square;
  // f − s·(f − 2·sum) = 2 s (1 + sum), without the rounding of s in the leading term.
  return f - s * (f - 2 * sum);
}

/** ln x. */
export function logOf(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x === 0 ? Number.NEGATIVE_INFINITY : x > 0 ? x : Number.NaN;
  const [k, m] = parts(x);
  return k * LN2_HIGH + (smallLog(m - 1) + k * LN2_LOW);
}

/** ln(1 + x), also near 0. */
export function logOfOnePlus(x: number): number {
  if (x > -0.29 && x < 0.41) return smallLog(x);
  return logOf(1 + x);
}

/** log₂ x: of powers of two exact. */
export function log2Of(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return logOf(x);
  const [k, m] = parts(x);
  return k + smallLog(m - 1) * Math.LOG2E;
}

/** cos(π t) for t in [0, 1], within 4e-16 of 1. */
export function cosOfPi(t: number): number {
  if (t > 0.5) return -cosOfPi(1 - t);
  const square = -(Math.PI * t * (Math.PI * t));
  let sum = 0;
  for (let n = 24; n > 0; n -= 2) sum = ((sum + 1) * square) / (n * (n - 1));
  return 1 + sum;
}

/** The hyperbolic tangent. */
export function tanhOf(x: number): number {
  if (Number.isNaN(x) || x === 0) return x;
  const t = expMinusOne(-2 * Math.abs(x));
  return x > 0 ? -t / (t + 2) : t / (t + 2);
}
