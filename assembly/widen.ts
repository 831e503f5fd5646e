// Exact conversions.

/** n float32 values to float64. Writes up to one value more. */
export function widenFloats(from: usize, to: usize, n: usize): void {
  for (let i: usize = 0; i < n; i += 2) {
    v128.store(to + (i << 3), f64x2.promote_low_f32x4(v128.load64_zero(from + (i << 2))));
  }
}

/**
 * Read in front of a loop: constants would be made anew at every step in it. Each twice or once: an exponent's bits, a 1 in its
 * place, the least of normal exponents plus one; sign, exponent and fraction of a widened value; 112 << 23.
 */
const CONSTANTS = memory.data<u32>([0x7c007c00, 0x04000400, 0x08000800, 0x8fffe000, 0x38000000]);

/** Bytes of the values that are looked at together: of embeddings nearly all are normal. */
const RUN: usize = 128;

/** n float16 values to float32. Reads and writes up to seven values more. */
export function widenHalves(from: usize, to: usize, n: usize): void {
  const exponent = v128.load32_splat(CONSTANTS);
  const one = v128.load32_splat(CONSTANTS, 4);
  const kept = v128.load32_splat(CONSTANTS, 12);
  const bias = v128.load32_splat(CONSTANTS, 16);
  const zero = i16x8.splat(0);
  const end = from + (n << 1);
  while (from < end) {
    const run = from;
    const stop = min(end, from + RUN);
    // One more makes 1 of the exponent of what is not normal, or 0 where it is not finite.
    let least = exponent;
    for (; from < stop; from += 16, to += 32) {
      const h = v128.load(from);
      least = i16x8.min_s(least, v128.and(i16x8.add(h, one), exponent));
      // The sign stays, exponent and fraction move down.
      const low = i32x4.shr_s(v128.shuffle<i16>(zero, h, 0, 8, 1, 9, 2, 10, 3, 11), 3);
      const high = i32x4.shr_s(v128.shuffle<i16>(zero, h, 4, 12, 5, 13, 6, 14, 7, 15), 3);
      v128.store(to, i32x4.add(v128.and(low, kept), bias));
      v128.store(to, i32x4.add(v128.and(high, kept), bias), 16);
    }
    if (v128.any_true(i16x8.lt_s(least, v128.load32_splat(CONSTANTS, 8)))) widenAnew(run, from, to);
  }
}

/** The values before `end`, and before `to`, once more: some are not normal. */
function widenAnew(from: usize, end: usize, to: usize): void {
  for (to -= (end - from) << 1; from < end; from += 16, to += 32) {
    const h = v128.load(from);
    v128.store(to, widenAny(i32x4.extend_low_i16x8_u(h)));
    v128.store(to, widenAny(i32x4.extend_high_i16x8_u(h)), 16);
  }
}

/** Four float16 values in 32-bit slots. NaN and Infinity stay what they are. */
function widenAny(h: v128): v128 {
  // Exponent and fraction in their places of a float32; 112 is the difference of the exponents' biases.
  const m = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13);
  const normal = i32x4.add(m, i32x4.splat(112 << 23));
  // A denormal's fraction counts units of 2^-24: put it behind the 1 of 2^-14, then take that 1 away.
  const tiny = f32x4.sub(i32x4.add(m, i32x4.splat(113 << 23)), i32x4.splat(113 << 23));
  const finite = v128.bitselect(tiny, normal, i32x4.lt_s(m, i32x4.splat(1 << 23)));
  const bad = v128.and(i32x4.ge_s(m, i32x4.splat(31 << 23)), i32x4.splat(0x7f800000));
  const sign = i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16);
  return v128.or(v128.or(finite, bad), sign);
}
