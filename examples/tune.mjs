// The cheapest plan that keeps a promise of recall, from a sample of real queries: one half of them chooses, the other tests.
import { FunnelSearch } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { tune } from 'funnelvec/tune';

const dim = 64;
/** Seeded, so that every run prints the same. */
let state = 7;
function random() {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32 - 0.5;
}
/** Made up, as a Matryoshka model's are: the first dims say most. */
const made = (count) => Float32Array.from({ length: count * dim }, (_, i) => random() / (1 + (i % dim) / 8));

const index = await FunnelIndex.create(':memory:', { dim });
await index.upsert({ ids: Array.from({ length: 2000 }, (_, id) => id), vectors: made(2000) });
const search = new FunnelSearch({ source: embeddedSource(index, { head: 16 }) });

const found = await tune({
  search,
  queries: made(400),
  target: { recall: 0.9, k: 5, confidence: 0.95 },
  exact: false, // mode 'exact' of an index would be its answer
});
if (found.refused) {
  console.log(found.refused.reason); // what can be promised, and how many more queries it would take
} else {
  const { recall, confidence } = found.bound;
  console.log(`promised: a recall of ${recall}, with a confidence of ${confidence}`);
  const { hits } = await search.query({ vector: made(1), ...found.request });
  console.log(`${hits.length} hits by that plan`);
}
// => promised: a recall of 0.9, with a confidence of 0.95
// => 5 hits by that plan

await index.close();
