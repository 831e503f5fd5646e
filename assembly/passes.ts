// Passes over rows: lanes first, then keys from lanes. Apart, because a square root and a division at the end of every
// row would stall the next one, while row after row in vectors of two they cost little.
import {
  addDims,
  addOctets,
  clearLanes,
  LANES_BYTES,
  PRODUCTS_AND_SQUARES,
  reduceTwo,
  SECOND_SUM,
  SQUARED_DIFFERENCES,
  SQUARES,
  ZEROS,
} from './lanes';
import { HALF_UNIT, widenFloats, widenHalves } from './widen';

/** How many rows' lanes a pass that forgets them holds at a time: few enough for the first-level cache. */
const PASS_ROWS: usize = 64;

/** Bytes of scratch for any pass: lanes, and a float16 row widened. */
export function passBytes(half: bool, dim: usize): usize {
  return PASS_ROWS * LANES_BYTES + (half ? (dim << 2) + 32 : 0);
}

/**
 * Keys of n rows over dims [from, to). `list`: their numbers, or 0 for the first n. Returns whether a NaN or Infinity
 * was met. May write one key more.
 */
export function keysOf(
  sums: u32,
  prepared: usize,
  queryLength: f64,
  rows: usize,
  half: bool,
  dim: usize,
  list: usize,
  n: usize,
  from: usize,
  to: usize,
  keys: usize,
  scratch: usize,
): bool {
  const stride = half ? dim << 1 : dim << 2;
  let bad = false;
  for (let i: usize = 0; i < n; i += PASS_ROWS) {
    const m = min(PASS_ROWS, n - i);
    const part = list ? list + (i << 2) : 0;
    const base = list ? rows : rows + i * stride;
    addRows(sums, prepared, base, half, dim, part, m, from, to, true, scratch, scratch + PASS_ROWS * LANES_BYTES);
    bad = keysFromLanes(sums, queryLength, half, scratch, m, keys + (i << 3)) || bad;
  }
  return bad;
}

/** Adds dims [from, to) of n rows to their lanes, which follow each other. `wide`: room for a float16 row widened. */
export function addRows(
  sums: u32,
  prepared: usize,
  rows: usize,
  half: bool,
  dim: usize,
  list: usize,
  n: usize,
  from: usize,
  to: usize,
  fresh: bool,
  lanes: usize,
  wide: usize,
): void {
  const stride = half ? dim << 1 : dim << 2;
  if (!half && ((from | to) & 7) === 0 && from < to) {
    const q = prepared + (from << 3);
    const bytes = (to - from) << 2;
    rows += from << 2;
    for (let i: usize = 0, x = rowAt(rows, list, 0, stride); i < n; i++, lanes += LANES_BYTES) {
      const next = i + 1 < n ? rowAt(rows, list, i + 1, stride) : x;
      addOctets(sums, q, x, x + bytes, next - x, fresh ? ZEROS : lanes, lanes);
      x = next;
    }
    return;
  }
  for (let i: usize = 0; i < n; i++) {
    let x = rowAt(rows, list, i, stride);
    if (half) {
      widenHalves(x + (from << 1), wide + (from << 2), to - from);
      x = wide;
    }
    if (fresh) clearLanes(lanes);
    addDims(sums, prepared, x, lanes, from, to);
    lanes += LANES_BYTES;
  }
}

/** The i-th row of those listed, or of all. */
function rowAt(rows: usize, list: usize, i: usize, stride: usize): usize {
  return rows + (list ? <usize>load<u32>(list + (i << 2)) : i) * stride;
}

/**
 * Keys (for SQUARES: lengths) of n rows; `half`: of float16 rows, whose lanes are of widened halves. Returns whether a lane holds a
 * NaN or Infinity. May write one key more.
 */
export function keysFromLanes(sums: u32, queryLength: f64, half: bool, lanes: usize, n: usize, keys: usize): bool {
  const zero = f64x2.splat(0);
  const q = f64x2.splat(queryLength);
  const zeroQuery = f64x2.eq(q, zero);
  // In a cosine it cancels out.
  const unit = f64x2.splat(half ? HALF_UNIT : 1);
  // A sum minus itself is 0, or NaN for good.
  let trap = zero;
  for (let i: usize = 0; i < n; i += 2) {
    const a = lanes + i * LANES_BYTES;
    const b = i + 1 < n ? a + LANES_BYTES : a;
    const sum = reduceTwo(a, b);
    trap = f64x2.add(trap, f64x2.sub(sum, sum));
    let key: v128;
    if (sums === PRODUCTS_AND_SQUARES) {
      const length = f64x2.sqrt(reduceTwo(a + SECOND_SUM, b + SECOND_SUM));
      const quotient = f64x2.div(sum, f64x2.mul(q, length));
      // Single instructions, unlike min and max. A NaN is masked, or met by `trap`.
      const cosine = f64x2.pmax(f64x2.splat(-1), f64x2.pmin(f64x2.splat(1), quotient));
      key = v128.andnot(cosine, v128.or(zeroQuery, f64x2.eq(length, zero)));
    } else if (sums === SQUARED_DIFFERENCES) {
      key = f64x2.sub(zero, f64x2.mul(f64x2.sqrt(sum), unit));
    } else {
      key = f64x2.mul(sums === SQUARES ? f64x2.sqrt(sum) : sum, unit);
    }
    // Never −0: a lane that starts at +0 cannot become −0, nor can sums of such lanes, and no quotient underflows.
    v128.store(keys + (i << 3), key);
  }
  return v128.any_true(f64x2.ne(trap, trap));
}

/** Writes the query's float64 copy for such a pass over rows, and up to one value more. */
export function prepare(sums: u32, half: bool, query: usize, dim: usize, prepared: usize): void {
  widenFloats(query, prepared, dim);
  if (!half || sums !== SQUARED_DIFFERENCES) return;
  // A difference is of what is scaled alike.
  const unit = f64x2.splat(1 / HALF_UNIT);
  const end = prepared + (dim << 3);
  for (let at = prepared; at < end; at += 16) v128.store(at, f64x2.mul(v128.load(at), unit));
}

/** Length of a float32 vector over the dims that its lanes hold after [from, to) is added to them. */
export function addLength(x: usize, lanes: usize, from: usize, to: usize): f64 {
  addDims(SQUARES, 0, x, lanes, from, to);
  return sqrt(f64x2.extract_lane(reduceTwo(lanes, lanes), 0));
}
