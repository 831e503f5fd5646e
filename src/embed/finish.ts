/**
 * The model's rule for a pooled vector: layer_norm over all its dims, then the cut, then length 1; or length 1 before the cut,
 * where the model's folder says the cut (truncate_dim), as sentence-transformers does.
 */

export interface Finish {
  /** Dims of the result, at most the width of what comes in. */
  dim: number;
  layerNorm: boolean;
  normalise: boolean;
  /** Whether the cut comes last. */
  cutLast?: boolean;
}

/** torch.nn.functional.layer_norm's default. */
const EPSILON = 1e-5;

/**
 * Writes `dim` values to `out` at `at`. A vector of zeros stays one.
 *
 * @returns whether all of them are finite
 */
export function finishVector(row: Float64Array, rule: Finish, out: Float32Array, at: number): boolean {
  const width = row.length;
  const { dim } = rule;
  let mean = 0;
  let scale = 1;
  if (rule.layerNorm) {
    for (let d = 0; d < width; d++) mean += row[d]!;
    mean /= width;
    let variance = 0;
    for (let d = 0; d < width; d++) variance += (row[d]! - mean) ** 2;
    scale = 1 / Math.sqrt(variance / width + EPSILON);
  }
  let squares = 0;
  const counted = rule.cutLast ? width : dim;
  for (let d = 0; d < counted; d++) {
    const value = (row[d]! - mean) * scale;
    squares += value * value;
  }
  if (rule.normalise && squares > 0) scale /= Math.sqrt(squares);
  for (let d = 0; d < dim; d++) out[at + d] = (row[d]! - mean) * scale;
  return Number.isFinite(squares);
}
