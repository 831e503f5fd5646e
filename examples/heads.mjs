// Where to cut, and a head for a model that was not trained to be cut: fitted to rows, instead of their first dims.
import { evaluate, evaluationTable, fitHead } from 'funnelvec/train';

const dim = 64;
/** Seeded, so that every run prints the same. */
let state = 3;
function random() {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32 - 0.5;
}
// Rows that lie near 16 dims of all 64, none of which is more important than the others.
const directions = Float32Array.from({ length: 16 * dim }, random);
function made(count) {
  const vectors = new Float32Array(count * dim);
  for (let row = 0; row < count; row++) {
    const weights = Float32Array.from({ length: 16 }, random);
    for (let d = 0; d < dim; d++) {
      let sum = random() * 1.5;
      for (let k = 0; k < 16; k++) sum += weights[k] * directions[k * dim + d];
      vectors[row * dim + d] = sum;
    }
  }
  return vectors;
}
const documents = { vectors: made(2000), dim };
const queries = { vectors: made(300), dim };

console.log(evaluationTable(await evaluate(documents, queries)));
// => | dims | recall@10 | nDCG@10 | MRR@10 | recall@100 |
// => | --: | --: | --: | --: | --: |
// => | 64 | 1.0000 | 1.0000 | 1.0000 | 1.0000 |
// => | 32 | 0.2950 | 0.3369 | 0.6760 | 0.8137 |
// => | 16 | 0.1133 | 0.1211 | 0.2953 | 0.5000 |
// => | 8 | 0.0430 | 0.0449 | 0.1200 | 0.2910 |

const fitted = await fitHead(documents, { method: 'pca', dim: 16, queries });
const { cut, fitted: ours } = fitted.facts.recall; // by queries that nothing was fitted to
console.log(`recall of 100 by the first 16 dims ${cut.toFixed(2)}, by the fitted head ${ours.toFixed(2)}`);
// => recall of 100 by the first 16 dims 0.48, by the fitted head 0.93
const heads = fitted.apply(documents.vectors); // for the head field of a database; the full field stays as it is
console.log(heads.length / 16);
// => 2000
