/** The vector of a text in the recordings: 16 dims, the first of which weigh most. */
export function vectorOf(text) {
  let state = 7;
  for (const char of text) state = (Math.imul(state, 31) + char.charCodeAt(0)) >>> 0;
  return Array.from({ length: 16 }, (_, i) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Number(((state / 2 ** 32 - 0.5) / (1 + i / 4)).toFixed(6));
  });
}
