// The eight float64 lanes of the contract (src/kernels/kernels.ts), as four f64x2 registers for each quantity.
// No decorators here: the compiler inlines small functions unasked, and plain syntax suits every formatter.

/** The sum that a pass makes of each row; the first three are the metrics' codes. */
export const PRODUCTS_AND_SQUARES: u32 = 0;
export const PRODUCTS: u32 = 1;
export const SQUARED_DIFFERENCES: u32 = 2;
export const SQUARES: u32 = 3;

/** Bytes of a row's lanes: eight of the first sum, then eight of the squares where the pass has two. */
export const LANES_BYTES: usize = 128;
export const SECOND_SUM: usize = 64;

// Spelled out: memory.fill and memory.copy are calls out of the module, and nothing unrolls loops.

export function clearLanes(lanes: usize): void {
  const zero = i32x4.splat(0);
  v128.store(lanes, zero);
  v128.store(lanes, zero, 16);
  v128.store(lanes, zero, 32);
  v128.store(lanes, zero, 48);
  v128.store(lanes, zero, 64);
  v128.store(lanes, zero, 80);
  v128.store(lanes, zero, 96);
  v128.store(lanes, zero, 112);
}

export function moveLanes(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
  v128.store(to, v128.load(from, 64), 64);
  v128.store(to, v128.load(from, 80), 80);
  v128.store(to, v128.load(from, 96), 96);
  v128.store(to, v128.load(from, 112), 112);
}

/** reduce(a) of two rows at once: ((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7)) */
export function reduceTwo(a: usize, b: usize): v128 {
  const x = evenAndOdd(a);
  const y = evenAndOdd(b);
  return f64x2.add(v128.shuffle<f64>(x, y, 0, 2), v128.shuffle<f64>(x, y, 1, 3));
}

/** (a0+a4)+(a2+a6) and (a1+a5)+(a3+a7) */
function evenAndOdd(a: usize): v128 {
  const a04 = f64x2.add(v128.load(a), v128.load(a, 32));
  const a26 = f64x2.add(v128.load(a, 16), v128.load(a, 48));
  return f64x2.add(a04, a26);
}

/** Lanes of nothing. */
export const ZEROS: usize = memory.data(LANES_BYTES, 16);

/** Adds dims [from, to) of the row x to its lanes. q: the query in float64; x: float32. Both start at dim 0. */
export function addDims(sums: u32, q: usize, x: usize, lanes: usize, from: usize, to: usize): void {
  const body = min(to, (from + 7) & ~7);
  const tail = body + ((to - body) & ~7);
  if (from < body) addOneByOne(sums, q, x, lanes, from, body);
  if (body < tail) addOctets(sums, q + (body << 3), x + (body << 2), x + (tail << 2), 0, lanes, lanes);
  if (tail < to) addOneByOne(sums, q, x, lanes, tail, to);
}

/** The ragged ends. */
function addOneByOne(sums: u32, q: usize, x: usize, lanes: usize, from: usize, to: usize): void {
  for (let i = from; i < to; i++) {
    const lane = lanes + ((i & 7) << 3);
    const xi = <f64>load<f32>(x + (i << 2));
    if (sums === SQUARES) {
      store<f64>(lane, load<f64>(lane) + xi * xi);
      continue;
    }
    const qi = load<f64>(q + (i << 3));
    if (sums === SQUARED_DIFFERENCES) {
      const e = qi - xi;
      store<f64>(lane, load<f64>(lane) + e * e);
    } else {
      store<f64>(lane, load<f64>(lane) + qi * xi);
      if (sums === PRODUCTS_AND_SQUARES) store<f64>(lane, load<f64>(lane, SECOND_SUM) + xi * xi, SECOND_SUM);
    }
  }
}

// Where engines can, src/kernels/wasm-module.ts makes one instruction of a product and the sum behind it. It knows these by their
// order, the sum last, which squares of differences must not have: their bits would change.
//
// Whole octets from here on: q and x point at a lane 0, x stops before `end`. One row keeps the adders busy: four or
// eight independent chains of additions outlast an adder's latency.

/**
 * The lanes at `to` are those at `lanes` and what is added. `ahead`: from x to the row that comes next, or 0. Where additions are
 * what takes time, its values are touched on the way: engines keep a load that nobody uses, since it may trap, and the next row
 * is in the first-level cache when its turn comes.
 */
export function addOctets(sums: u32, q: usize, x: usize, end: usize, ahead: usize, lanes: usize, to: usize): void {
  if (sums === PRODUCTS_AND_SQUARES) addProductsAndSquares(q, x, end, ahead, lanes, to);
  else if (sums === PRODUCTS) addProducts(q, x, end, lanes, to);
  else if (sums === SQUARED_DIFFERENCES) addSquaredDifferences(q, x, end, ahead, lanes, to);
  else addSquares(x, end, lanes, to);
}

function addProductsAndSquares(q: usize, x: usize, end: usize, ahead: usize, lanes: usize, to: usize): void {
  let a01 = v128.load(lanes);
  let a23 = v128.load(lanes, 16);
  let a45 = v128.load(lanes, 32);
  let a67 = v128.load(lanes, 48);
  let b01 = v128.load(lanes, 64);
  let b23 = v128.load(lanes, 80);
  let b45 = v128.load(lanes, 96);
  let b67 = v128.load(lanes, 112);
  while (x < end) {
    load<u8>(x + ahead);
    const x01 = f64x2.promote_low_f32x4(v128.load64_zero(x));
    const x23 = f64x2.promote_low_f32x4(v128.load64_zero(x, 8));
    const x45 = f64x2.promote_low_f32x4(v128.load64_zero(x, 16));
    const x67 = f64x2.promote_low_f32x4(v128.load64_zero(x, 24));
    a01 = f64x2.add(f64x2.mul(x01, v128.load(q)), a01);
    a23 = f64x2.add(f64x2.mul(x23, v128.load(q, 16)), a23);
    a45 = f64x2.add(f64x2.mul(x45, v128.load(q, 32)), a45);
    a67 = f64x2.add(f64x2.mul(x67, v128.load(q, 48)), a67);
    b01 = f64x2.add(f64x2.mul(x01, x01), b01);
    b23 = f64x2.add(f64x2.mul(x23, x23), b23);
    b45 = f64x2.add(f64x2.mul(x45, x45), b45);
    b67 = f64x2.add(f64x2.mul(x67, x67), b67);
    x += 32;
    q += 64;
  }
  v128.store(to, a01);
  v128.store(to, a23, 16);
  v128.store(to, a45, 32);
  v128.store(to, a67, 48);
  v128.store(to, b01, 64);
  v128.store(to, b23, 80);
  v128.store(to, b45, 96);
  v128.store(to, b67, 112);
}

function addProducts(q: usize, x: usize, end: usize, lanes: usize, to: usize): void {
  let a01 = v128.load(lanes);
  let a23 = v128.load(lanes, 16);
  let a45 = v128.load(lanes, 32);
  let a67 = v128.load(lanes, 48);
  while (x < end) {
    a01 = f64x2.add(f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x)), v128.load(q)), a01);
    a23 = f64x2.add(f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 8)), v128.load(q, 16)), a23);
    a45 = f64x2.add(f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 16)), v128.load(q, 32)), a45);
    a67 = f64x2.add(f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 24)), v128.load(q, 48)), a67);
    x += 32;
    q += 64;
  }
  v128.store(to, a01);
  v128.store(to, a23, 16);
  v128.store(to, a45, 32);
  v128.store(to, a67, 48);
}

function addSquaredDifferences(q: usize, x: usize, end: usize, ahead: usize, lanes: usize, to: usize): void {
  let a01 = v128.load(lanes);
  let a23 = v128.load(lanes, 16);
  let a45 = v128.load(lanes, 32);
  let a67 = v128.load(lanes, 48);
  while (x < end) {
    load<u8>(x + ahead);
    const e01 = f64x2.sub(v128.load(q), f64x2.promote_low_f32x4(v128.load64_zero(x)));
    const e23 = f64x2.sub(v128.load(q, 16), f64x2.promote_low_f32x4(v128.load64_zero(x, 8)));
    const e45 = f64x2.sub(v128.load(q, 32), f64x2.promote_low_f32x4(v128.load64_zero(x, 16)));
    const e67 = f64x2.sub(v128.load(q, 48), f64x2.promote_low_f32x4(v128.load64_zero(x, 24)));
    a01 = f64x2.add(a01, f64x2.mul(e01, e01));
    a23 = f64x2.add(a23, f64x2.mul(e23, e23));
    a45 = f64x2.add(a45, f64x2.mul(e45, e45));
    a67 = f64x2.add(a67, f64x2.mul(e67, e67));
    x += 32;
    q += 64;
  }
  v128.store(to, a01);
  v128.store(to, a23, 16);
  v128.store(to, a45, 32);
  v128.store(to, a67, 48);
}

function addSquares(x: usize, end: usize, lanes: usize, to: usize): void {
  let a01 = v128.load(lanes);
  let a23 = v128.load(lanes, 16);
  let a45 = v128.load(lanes, 32);
  let a67 = v128.load(lanes, 48);
  while (x < end) {
    const x01 = f64x2.promote_low_f32x4(v128.load64_zero(x));
    const x23 = f64x2.promote_low_f32x4(v128.load64_zero(x, 8));
    const x45 = f64x2.promote_low_f32x4(v128.load64_zero(x, 16));
    const x67 = f64x2.promote_low_f32x4(v128.load64_zero(x, 24));
    a01 = f64x2.add(f64x2.mul(x01, x01), a01);
    a23 = f64x2.add(f64x2.mul(x23, x23), a23);
    a45 = f64x2.add(f64x2.mul(x45, x45), a45);
    a67 = f64x2.add(f64x2.mul(x67, x67), a67);
    x += 32;
  }
  v128.store(to, a01);
  v128.store(to, a23, 16);
  v128.store(to, a45, 32);
  v128.store(to, a67, 48);
}
