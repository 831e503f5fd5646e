// Re-rank hits that you have already: score a prefix, keep the better ones, go on with longer prefixes.
import { FunnelError, funnel } from 'funnelvec';

const movies = [
  { id: 'alien', vector: [0.9, 0.1, 0.3, 0.1, 0.7, 0.2, 0.1, 0.4] },
  { id: 'aliens', vector: [0.8, 0.2, 0.3, 0.1, 0.6, 0.4, 0.1, 0.3] },
  { id: 'amelie', vector: [0.1, 0.9, 0.4, 0.3, 0.1, 0.2, 0.8, 0.1] },
  { id: 'brazil', vector: [0.7, 0.4, 0.1, 0.6, 0.3, 0.1, 0.4, 0.2] },
];
const query = [0.9, 0.1, 0.3, 0.1, 0.7, 0.1, 0.1, 0.5];
const plan = { scales: [2, 4, 8], keep: 0.7, limit: 2 };

for (const { id, score } of funnel(movies, query, plan)) console.log(id, score.toFixed(4));
// => alien 0.9941
// => aliens 0.9520

// Tell what became of each row, stage by stage.
const explanation = funnel(movies, query, plan, { explain: true });
for (const { scale, in: before, out: after } of explanation.stages) console.log(`${scale} dims: ${before} -> ${after}`);
console.log(`amelie: ${explanation.find('amelie').outcome}`);
// => 2 dims: 4 -> 2
// => 4 dims: 2 -> 2
// => 8 dims: 2 -> 2
// => amelie: dropped

// Bad input is an error with a code, before any work.
try {
  funnel(movies, [0.9, 0.1, Number.NaN, 0.1, 0.7, 0.1, 0.1, 0.5], plan);
} catch (error) {
  if (error instanceof FunnelError) console.log(error.code);
}
// => NOT_FINITE
