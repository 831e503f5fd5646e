// Recall: how many of the true ten an answer has.
const K = 10;
/** Scores as near as this are equal in float32, and either row is right. */
const TIE = 1e-7;

/** @param {number[][]} answers ids by query, from query 0 on */
export function recallOf(answers, truth) {
  let found = 0;
  for (const [q, ids] of answers.entries()) {
    const { ids: near, scores } = truth[q];
    const right = new Set(near.filter((_, i) => scores[i] >= scores[K - 1] - TIE));
    found += Math.min(K, ids.slice(0, K).filter((id) => right.has(id)).length);
  }
  return found / (K * answers.length);
}

/** Answers that have other ids, or in another order, than brute force in float64. */
export function otherThanTruth(answers, truth) {
  return answers.filter((ids, q) => ids.join() !== truth[q].ids.slice(0, K).join()).length;
}
