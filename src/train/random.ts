/** Rows by chance. */

/** `wanted` of the numbers 0..count − 1, in random order. */
export function sample(count: number, wanted: number, random: () => number): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  const kept = Math.min(count, wanted);
  for (let i = 0; i < kept; i++) {
    const j = i + Math.floor(random() * (count - i));
    const other = all[j]!;
    all[j] = all[i]!;
    all[i] = other;
  }
  return all.slice(0, kept);
}
