// Codes from values: eight dims a step, in the four pairs of lanes whose residuals the contract adds up.
import { LANES_BYTES, reduceTwo } from '../lanes';

/** Added to an integer it leaves that in the low bits of a float64, as two's complement. */
const INTEGER_BITS: f64 = 6755399441055744.0; // 1.5 · 2^52

/** Scratch of encodeHead and encodeRows. */
export const encodeScratch: usize = 2 * LANES_BYTES;

function codesOf(v: v128, i: usize, base: usize, inverse: usize, least: v128, most: v128): v128 {
  const t = f64x2.mul(f64x2.sub(v, v128.load(base + i)), v128.load(inverse + i));
  const code = f64x2.floor(f64x2.add(t, f64x2.splat(0.5)));
  // pmin and pmax are single instructions; they differ from min and max for NaN and for zeros of two signs alone.
  return f64x2.pmin(f64x2.pmax(code, least), most);
}

function squaredResidual(v: v128, code: v128, i: usize, base: usize, step: usize): v128 {
  const e = f64x2.sub(v, f64x2.add(v128.load(base + i), f64x2.mul(v128.load(step + i), code)));
  return f64x2.mul(e, e);
}

/** 16 h + 7.5, h the high half of a code 0..255. */
function middleOf(code: v128): v128 {
  const high = f64x2.floor(f64x2.mul(code, f64x2.splat(0.0625)));
  return f64x2.add(f64x2.mul(high, f64x2.splat(16)), f64x2.splat(7.5));
}

/** Four codes as bytes. */
function bytesOf(first: v128, second: v128): u32 {
  const a = f64x2.add(first, f64x2.splat(INTEGER_BITS));
  const b = f64x2.add(second, f64x2.splat(INTEGER_BITS));
  const bytes = v128.shuffle<i8>(a, b, 0, 8, 16, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return <u32>i32x4.extract_lane(bytes, 0);
}

export function encodeHead(
  values: usize,
  count: usize,
  stride: usize,
  offset: usize,
  dims: usize,
  base: usize,
  step: usize,
  inverse: usize,
  first: usize,
  head: usize,
  fine: usize,
  coarseError: usize,
  fineError: usize,
  scratch: usize,
): void {
  values += offset << 3;
  const least = f64x2.splat(0);
  const most = f64x2.splat(255);
  for (let k: usize = 0; k < count; k++) {
    const row = first + k;
    let headAt = head + (row >> 4) * (dims << 3) + ((row & 15) << 2);
    let fineAt = fine + row * (dims >> 1);
    let a = f64x2.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let e = a;
    let f = a;
    let g = a;
    let h = a;
    for (let i: usize = 0; i < dims << 3; i += 64, headAt += 64, fineAt += 4) {
      const v01 = v128.load(values + i);
      const v23 = v128.load(values + i, 16);
      const v45 = v128.load(values + i, 32);
      const v67 = v128.load(values + i, 48);
      const c01 = codesOf(v01, i, base, inverse, least, most);
      const c23 = codesOf(v23, i + 16, base, inverse, least, most);
      const c45 = codesOf(v45, i + 32, base, inverse, least, most);
      const c67 = codesOf(v67, i + 48, base, inverse, least, most);
      a = f64x2.add(a, squaredResidual(v01, middleOf(c01), i, base, step));
      b = f64x2.add(b, squaredResidual(v23, middleOf(c23), i + 16, base, step));
      c = f64x2.add(c, squaredResidual(v45, middleOf(c45), i + 32, base, step));
      d = f64x2.add(d, squaredResidual(v67, middleOf(c67), i + 48, base, step));
      e = f64x2.add(e, squaredResidual(v01, c01, i, base, step));
      f = f64x2.add(f, squaredResidual(v23, c23, i + 16, base, step));
      g = f64x2.add(g, squaredResidual(v45, c45, i + 32, base, step));
      h = f64x2.add(h, squaredResidual(v67, c67, i + 48, base, step));
      const low = bytesOf(c01, c23);
      const high = bytesOf(c45, c67);
      store<u32>(headAt, ((low >> 4) & 0x0f0f0f0f) | (high & 0xf0f0f0f0));
      store<u32>(fineAt, (low & 0x0f0f0f0f) | ((high & 0x0f0f0f0f) << 4));
    }
    v128.store(scratch, a);
    v128.store(scratch, b, 16);
    v128.store(scratch, c, 32);
    v128.store(scratch, d, 48);
    v128.store(scratch, e, 64);
    v128.store(scratch, f, 80);
    v128.store(scratch, g, 96);
    v128.store(scratch, h, 112);
    const errors = reduceTwo(scratch, scratch + 64);
    store<f64>(coarseError + (k << 3), f64x2.extract_lane(errors, 0));
    store<f64>(fineError + (k << 3), f64x2.extract_lane(errors, 1));
    values += stride << 3;
  }
}

export function encodeRows(
  values: usize,
  count: usize,
  stride: usize,
  offset: usize,
  dims: usize,
  base: usize,
  step: usize,
  inverse: usize,
  first: usize,
  plane: usize,
  error: usize,
  scratch: usize,
): void {
  values += offset << 3;
  const least = f64x2.splat(-127);
  const most = f64x2.splat(127);
  let at = plane + first * dims;
  for (let k: usize = 0; k < count; k++) {
    let a = f64x2.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let i: usize = 0; i < dims << 3; i += 64, at += 8) {
      const v01 = v128.load(values + i);
      const v23 = v128.load(values + i, 16);
      const v45 = v128.load(values + i, 32);
      const v67 = v128.load(values + i, 48);
      const c01 = codesOf(v01, i, base, inverse, least, most);
      const c23 = codesOf(v23, i + 16, base, inverse, least, most);
      const c45 = codesOf(v45, i + 32, base, inverse, least, most);
      const c67 = codesOf(v67, i + 48, base, inverse, least, most);
      a = f64x2.add(a, squaredResidual(v01, c01, i, base, step));
      b = f64x2.add(b, squaredResidual(v23, c23, i + 16, base, step));
      c = f64x2.add(c, squaredResidual(v45, c45, i + 32, base, step));
      d = f64x2.add(d, squaredResidual(v67, c67, i + 48, base, step));
      store<u32>(at, bytesOf(c01, c23));
      store<u32>(at, bytesOf(c45, c67), 4);
    }
    v128.store(scratch, a);
    v128.store(scratch, b, 16);
    v128.store(scratch, c, 32);
    v128.store(scratch, d, 48);
    store<f64>(error + (k << 3), f64x2.extract_lane(reduceTwo(scratch, scratch), 0));
    values += stride << 3;
  }
}

export function encodeBits(
  values: usize,
  count: usize,
  stride: usize,
  offset: usize,
  dims: usize,
  base: usize,
  _step: usize,
  inverse: usize,
  first: usize,
  plane: usize,
): void {
  values += offset << 3;
  for (let k: usize = 0; k < count; k++) {
    const row = first + k;
    let at = plane + (((row >> 4) * dims) << 1) + (row & 15);
    for (let i: usize = 0; i < dims << 3; i += 64, at += 16) {
      const bits =
        bitsOf(values, i, base, inverse) |
        (bitsOf(values, i + 16, base, inverse) << 2) |
        (bitsOf(values, i + 32, base, inverse) << 4) |
        (bitsOf(values, i + 48, base, inverse) << 6);
      store<u8>(at, bits);
    }
    values += stride << 3;
  }
}

/** The bits of two values. */
function bitsOf(values: usize, i: usize, base: usize, inverse: usize): i32 {
  const t = f64x2.mul(f64x2.sub(v128.load(values + i), v128.load(base + i)), v128.load(inverse + i));
  return i64x2.bitmask(f64x2.ge(f64x2.add(t, f64x2.splat(0.5)), f64x2.splat(1)));
}
