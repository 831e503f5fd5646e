import type { Rows } from '../kernels/kernels.js';

/**
 * Are the values in [from, to) all finite? Finite float32 cannot overflow a float64 sum, and nothing turns a NaN or an
 * infinity back. Four sums, since one waits for itself.
 */
export function allFinite(rows: Rows, from: number, to: number): boolean {
  if (!(rows instanceof Float32Array)) {
    for (let i = from; i < to; i++) if ((rows[i]! & 0x7c00) === 0x7c00) return false;
    return true;
  }
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = from;
  for (; i + 4 <= to; i += 4) {
    s0 += rows[i]!;
    s1 += rows[i + 1]!;
    s2 += rows[i + 2]!;
    s3 += rows[i + 3]!;
  }
  for (; i < to; i++) s0 += rows[i]!;
  return Number.isFinite(s0 + s1 + (s2 + s3));
}
