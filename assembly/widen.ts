// Exact conversions.

/** n float32 values to float64. Writes up to one value more. */
export function widenFloats(from: usize, to: usize, n: usize): void {
  for (let i: usize = 0; i < n; i += 2) {
    v128.store(to + (i << 3), f64x2.promote_low_f32x4(v128.load64_zero(from + (i << 2))));
  }
}

/** Times this, a widened half is its value: 2^112. */
export const HALF_UNIT: f64 = 5.192296858534828e33;

/** Read in front of a loop: a constant would be made anew at every step in it. Sign, exponent and fraction of a widened value. */
const KEPT = memory.data<u32>([0x8fffe000]);

/** Bytes of the values that are looked at together: of embeddings all are finite. */
const RUN: usize = 128;

/**
 * n float16 values to float32, times 2^-112: their bits are moved, and 112 is the difference of the exponents' biases. So denormals
 * need nothing else, and sums of products are those of the values times a power of two, with the same roundings. NaN and Infinity
 * become NaN. Reads and writes up to seven values more.
 */
export function widenHalves(from: usize, to: usize, n: usize): void {
  const kept = v128.load32_splat(KEPT);
  const zero = i16x8.splat(0);
  const magnitude = i16x8.splat(0x7fff);
  const end = from + (n << 1);
  while (from < end) {
    const run = from;
    const stop = min(end, from + RUN);
    let most = zero;
    for (; from < stop; from += 16, to += 32) {
      const h = v128.load(from);
      most = i16x8.max_s(most, v128.and(h, magnitude));
      // The sign stays, exponent and fraction move down.
      const low = i32x4.shr_s(v128.shuffle<i16>(zero, h, 0, 8, 1, 9, 2, 10, 3, 11), 3);
      const high = i32x4.shr_s(v128.shuffle<i16>(zero, h, 4, 12, 5, 13, 6, 14, 7, 15), 3);
      v128.store(to, v128.and(low, kept));
      v128.store(to, v128.and(high, kept), 16);
    }
    if (v128.any_true(i16x8.gt_s(most, i16x8.splat(0x7bff)))) markBad(run, stop, to - ((from - run) << 1));
  }
}

/** Puts NaN in the places of values before `end` that are not finite. */
function markBad(from: usize, end: usize, to: usize): void {
  for (; from < end; from += 2, to += 4) {
    if ((load<u16>(from) & 0x7c00) === 0x7c00) store<f32>(to, NaN);
  }
}
