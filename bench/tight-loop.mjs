// Careful plain JavaScript over the rows that a client hands out ({ id, vector: number[] }): no allocation inside the
// loops, no library. Two forms: as the tutorial computes, and one that never computes a dim twice.

/** Scores the whole prefix of every survivor at each scale, as the tutorial does. */
export function tightFunnel(rows, query, { scales, keep }) {
  const scores = new Float64Array(rows.length);
  const order = rows.map((_, row) => row);
  for (const scale of scales) {
    let squares = 0;
    for (let i = 0; i < scale; i++) squares += query[i] * query[i];
    const length = Math.sqrt(squares);
    for (let at = 0; at < order.length; at++) {
      const { vector } = rows[order[at]];
      let dot = 0;
      let own = 0;
      for (let i = 0; i < scale; i++) {
        const x = vector[i];
        dot += query[i] * x;
        own += x * x;
      }
      scores[order[at]] = dot / (length * Math.sqrt(own));
    }
    prune(order, scores, keep);
  }
  return order.map((row) => ({ id: rows[row].id, score: scores[row] }));
}

/** Keeps the sums of the scale before and adds only the new dims. */
export function tightIncrementalFunnel(rows, query, { scales, keep }) {
  const scores = new Float64Array(rows.length);
  const dots = new Float64Array(rows.length);
  const owns = new Float64Array(rows.length);
  const order = rows.map((_, row) => row);
  let squares = 0;
  let from = 0;
  for (const scale of scales) {
    for (let i = from; i < scale; i++) squares += query[i] * query[i];
    const length = Math.sqrt(squares);
    for (let at = 0; at < order.length; at++) {
      const row = order[at];
      const { vector } = rows[row];
      let dot = dots[row];
      let own = owns[row];
      for (let i = from; i < scale; i++) {
        const x = vector[i];
        dot += query[i] * x;
        own += x * x;
      }
      dots[row] = dot;
      owns[row] = own;
      scores[row] = dot / (length * Math.sqrt(own));
    }
    from = scale;
    prune(order, scores, keep);
  }
  return order.map((row) => ({ id: rows[row].id, score: scores[row] }));
}

function prune(order, scores, keep) {
  order.sort((a, b) => scores[b] - scores[a] || a - b);
  order.length = Math.floor(keep * order.length);
}
