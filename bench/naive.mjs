// The tutorial's funnel as JavaScript is often written: map, slice, reduce, spread. Nothing is tuned, nothing is wrong.

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const normalized = (v) => {
  const length = Math.sqrt(dot(v, v));
  return v.map((x) => x / length);
};

/** @returns rows with their score, best first */
export function naiveFunnel(rows, query, { scales, keep }) {
  return scales.reduce((alive, scale) => {
    const q = normalized(query.slice(0, scale));
    return alive
      .map((row) => ({ ...row, score: dot(q, normalized(row.vector.slice(0, scale))) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, Math.floor(keep * alive.length));
  }, rows);
}
