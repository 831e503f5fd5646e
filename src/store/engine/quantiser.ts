/** Scalar quantisers, a base and a step for each dim: codes spend their range where a dim's values are. */

export interface Quantiser {
  readonly base: Float64Array;
  readonly step: Float64Array;
  /** 1 / step. */
  readonly inverse: Float64Array;
}

/** Half the range in standard deviations. Four bits want it narrow: what is clipped shows in the row's error. */
const HEAD_RANGE = 2.8;
const ROW_RANGE = 4.5;

/** Codes 0..255 of the head and fine planes. */
export function headQuantiser(sample: Float64Array, stride: number, offset: number, dims: number): Quantiser {
  return fit(sample, stride, offset, dims, (mean, sd) => ({
    base: mean - HEAD_RANGE * sd,
    step: (2 * HEAD_RANGE * sd) / 255,
  }));
}

/** Codes −127..127 of an int8 plane. */
export function rowQuantiser(sample: Float64Array, stride: number, offset: number, dims: number): Quantiser {
  return fit(sample, stride, offset, dims, (mean, sd) => ({ base: mean, step: (ROW_RANGE * sd) / 127 }));
}

/** Codes 0..255 that no finer plane corrects: few values are clipped. */
export function byteQuantiser(sample: Float64Array, stride: number, dims: number): Quantiser {
  return fit(sample, stride, 0, dims, (mean, sd) => ({
    base: mean - ROW_RANGE * sd,
    step: (2 * ROW_RANGE * sd) / 255,
  }));
}

/** Codes 0 and 1: the mean, less or plus the mean absolute deviation. */
export function bitQuantiser(sample: Float64Array, stride: number, dims: number): Quantiser {
  const means = fit(sample, stride, 0, dims, (mean) => ({ base: mean, step: 1 })).base;
  const deviations = new Float64Array(dims);
  const count = sample.length / stride;
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < stride; i++) deviations[i]! += Math.abs(sample[r * stride + i]! - means[i]!);
  }
  const step = deviations.map((sum) => Math.max((2 * sum) / Math.max(1, count), 1e-6));
  return { base: means.map((mean, i) => mean - step[i]! / 2), step, inverse: step.map((s) => 1 / s) };
}

/** How far beyond what a sample has the rows may go. */
const WIDE = 1.5;

/** Stretches the range of a head's dim to where values of a sample are, and beyond. */
export function widen({ base, step, inverse }: Quantiser, sample: Float64Array, stride: number, i: number): void {
  let low = base[i]!;
  let high = base[i]! + 255 * step[i]!;
  const middle = (low + high) / 2;
  for (let at = i; at < sample.length; at += stride) {
    low = Math.min(low, middle + WIDE * (sample[at]! - middle));
    high = Math.max(high, middle + WIDE * (sample[at]! - middle));
  }
  base[i] = low;
  step[i] = (high - low) / 255;
  inverse[i] = 1 / step[i]!;
}

/** @param sample rows of `stride` values; dims are [offset, offset + dims), zeros beyond the stride */
function fit(
  sample: Float64Array,
  stride: number,
  offset: number,
  dims: number,
  choose: (mean: number, sd: number) => { base: number; step: number },
): Quantiser {
  const count = sample.length / stride;
  const base = new Float64Array(dims);
  const step = new Float64Array(dims);
  const sums = new Float64Array(dims);
  const squares = new Float64Array(dims);
  const there = Math.max(0, Math.min(dims, stride - offset));
  for (let r = 0; r < count; r++) {
    const at = r * stride + offset;
    for (let i = 0; i < there; i++) {
      const value = sample[at + i]!;
      sums[i]! += value;
      squares[i]! += value * value;
    }
  }
  for (let i = 0; i < dims; i++) {
    const mean = sums[i]! / Math.max(1, count);
    const sd = Math.sqrt(Math.max(0, squares[i]! / Math.max(1, count) - mean * mean));
    // A dim that never moves still needs a step; a tiny one would turn the smallest drift into clipping.
    const chosen = choose(mean, Math.max(sd, 1e-6));
    base[i] = chosen.base;
    step[i] = chosen.step;
  }
  return { base, step, inverse: step.map((s) => 1 / s) };
}
