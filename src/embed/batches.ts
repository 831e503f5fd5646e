/** Texts of like length share a run, so that little of it is padding. */

export interface BatchLimits {
  /** Texts. */
  rows: number;
  /** Texts × the longest of them. */
  tokens: number;
}

/**
 * Positions of `lengths` in batches, shortest texts first; a text longer than `tokens` is a batch of its own.
 *
 * @param uniform texts of one length alone share a batch
 */
export function batchesOf(lengths: ArrayLike<number>, { rows, tokens }: BatchLimits, uniform = false): Uint32Array[] {
  const order = Uint32Array.from({ length: lengths.length }, (_, i) => i).sort((a, b) => lengths[a]! - lengths[b]!);
  const batches: Uint32Array[] = [];
  let from = 0;
  for (let to = 1; to <= order.length; to++) {
    const next = lengths[order[to]!]; // of what would come in; undefined at the end
    if (next !== undefined && to - from < rows && (to - from + 1) * next <= tokens) {
      if (!uniform || next === lengths[order[from]!]) continue;
    }
    batches.push(order.subarray(from, to));
    from = to;
  }
  return batches;
}
