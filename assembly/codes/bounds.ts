// Finds the rows that may still be good enough: the bound of src/kernels/codes-scan.ts against a threshold.

/** The metrics' codes. */
const COSINE: u32 = 0;
const DOT: u32 = 1;

const BLOCK_ROWS: usize = 16;

/** Rows of a visit. Reads up to 12 bytes behind `error` and `tail`, and up to 15 norms. */
export function pruneVisit(
  dots: usize,
  scale: f64,
  blocks: usize,
  count: usize,
  mask: usize,
  rows: usize,
  kept: usize,
  estimates: usize,
  metric: u32,
  error: usize,
  errorScale: f64,
  tail: usize,
  tailScale: f64,
  constant: f64,
  norms: usize,
  twoQuery: f64,
  threshold: f64,
): usize {
  const needed = metric === COSINE ? leastDot(scale, errorScale, tailScale, constant, threshold) : <i64>i32.MIN_VALUE;
  if (needed > <i64>i32.MAX_VALUE) return 0;
  const least = i32x4.splat(<i32>needed);
  const scales = f64x2.splat(scale);
  const errorScales = f64x2.splat(errorScale);
  const tailScales = f64x2.splat(tailScale);
  const constants = f64x2.splat(constant);
  const twoQueries = f64x2.splat(twoQuery);
  const thresholds = f64x2.splat(threshold);
  let n: usize = 0;
  for (let b: usize = 0; b < count; b++) {
    const block = <usize>load<u32>(blocks + (b << 2));
    const open = <u32>load<u16>(mask + (block << 1));
    if (open === 0) continue;
    for (let r: usize = 0; r < BLOCK_ROWS; r += 4) {
      const at = dots + (((b << 4) + r) << 2);
      const dot = v128.load(at);
      let bits = (open >> <u32>r) & <u32>i32x4.bitmask(i32x4.ge_s(dot, least)) & 15;
      if (bits === 0) continue;
      const row = (block << 4) + r;
      const e = widenBytes(error + row);
      const t = widenBytes(tail + row);
      let low = f64x2.mul(f64x2.convert_low_i32x4_s(dot), scales);
      let high = f64x2.mul(f64x2.convert_low_i32x4_s(upper(dot)), scales);
      low = f64x2.add(low, f64x2.mul(f64x2.convert_low_i32x4_s(e), errorScales));
      high = f64x2.add(high, f64x2.mul(f64x2.convert_low_i32x4_s(upper(e)), errorScales));
      low = f64x2.add(low, f64x2.mul(f64x2.convert_low_i32x4_s(t), tailScales));
      high = f64x2.add(high, f64x2.mul(f64x2.convert_low_i32x4_s(upper(t)), tailScales));
      low = f64x2.add(low, constants);
      high = f64x2.add(high, constants);
      if (metric !== COSINE) {
        const norm = v128.load(norms + (row << 2));
        const lowNorm = f64x2.promote_low_f32x4(norm);
        const highNorm = f64x2.promote_low_f32x4(upper(norm));
        if (metric !== DOT) {
          low = f64x2.sub(f64x2.mul(twoQueries, low), lowNorm);
          high = f64x2.sub(f64x2.mul(twoQueries, high), highNorm);
        }
        low = f64x2.mul(lowNorm, low);
        high = f64x2.mul(highNorm, high);
      }
      bits &= <u32>i64x2.bitmask(f64x2.ge(low, thresholds)) | ((<u32>i64x2.bitmask(f64x2.ge(high, thresholds))) << 2);
      for (; bits !== 0; bits &= bits - 1) {
        const i = <usize>ctz(bits);
        store<u32>(rows + (n << 2), <u32>(row + i));
        const product = load<i32>(at + (i << 2));
        store<i32>(kept + (n << 2), product);
        store<f64>(estimates + (n << 3), <f64>product * scale);
        n++;
      }
    }
  }
  return n;
}

/** Prunes listed rows, in place. */
export function pruneRows(
  rows: usize,
  count: usize,
  estimates: usize,
  dots: usize,
  scale: f64,
  metric: u32,
  error: usize,
  errorScale: f64,
  tail: usize,
  tailScale: f64,
  constant: f64,
  norms: usize,
  twoQuery: f64,
  threshold: f64,
): usize {
  let n: usize = 0;
  for (let i: usize = 0; i < count; i++) {
    const row = load<u32>(rows + (i << 2));
    const at = <usize>row;
    const estimate = load<f64>(estimates + (i << 3)) + <f64>load<i32>(dots + (i << 2)) * scale;
    let bound = estimate + <f64>load<u8>(error + at) * errorScale + <f64>load<u8>(tail + at) * tailScale + constant;
    if (metric !== COSINE) {
      const norm = <f64>load<f32>(norms + (at << 2));
      bound = norm * (metric === DOT ? bound : twoQuery * bound - norm);
    }
    store<u32>(rows + (n << 2), row);
    store<f64>(estimates + (n << 3), estimate);
    n += usize(bound >= threshold);
  }
  return n;
}

/**
 * The least dot product whose bound may reach the threshold, for cosine: with the largest of errors and tails. It is
 * sound because every rounded operation keeps the order of its operands, as long as no scale is negative.
 */
function leastDot(scale: f64, errorScale: f64, tailScale: f64, constant: f64, threshold: f64): i64 {
  let low: i64 = i32.MIN_VALUE;
  if (scale < 0 || errorScale < 0 || tailScale < 0) return low;
  let high: i64 = <i64>i32.MAX_VALUE + 1;
  while (low < high) {
    const dot = (low + high) >> 1;
    if (<f64>dot * scale + 255.0 * errorScale + 255.0 * tailScale + constant >= threshold) high = dot;
    else low = dot + 1;
  }
  return low;
}

function widenBytes(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
}

/** The upper half, below. */
function upper(x: v128): v128 {
  return v128.shuffle<i64>(x, x, 1, 0);
}
