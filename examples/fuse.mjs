// Keyword search and a funnel as one list. Words find codes and names that a model never learnt, vectors find what is said
// in other words. The keyword search is MiniSearch; the model is WordLlama's table, whose two files (out of the PyPI package
// wordllama) belong into models/wordllama, or into the folder that FUNNELVEC_MODELS names.
import { Embedder } from 'funnelvec/embed';
import { fuse } from 'funnelvec/fuse';
import { FunnelIndex } from 'funnelvec/store';
import MiniSearch from 'minisearch';

const articles = [
  'Error E1402: the pump does not start. Check the fuse behind the panel.',
  'Error E1403: the pump runs dry. Close the valve and fill the tank.',
  'Error E2210: the door of the drum is open.',
  'The machine makes a loud noise while it spins: level its feet.',
  'Water leaks onto the floor: tighten the hose at the back.',
  'Clothes come out wet: clean the filter, the water cannot drain.',
  'A bad smell from the drum: run it empty at 90 degrees.',
  'How to remove stains of red wine from cotton.',
  'How to wash wool and silk by hand.',
  'Where to order spare parts: the model number TX-900 is on the door.',
  'The display of the TX-700 stays dark: hold the power button for ten seconds.',
  'How to return a product and get your money back.',
  'The warranty covers repairs for two years.',
  'Our technicians come to your home on weekdays.',
  'How to set the clock and delay the start until the night.',
  'Save energy: wash at low temperature, with a full drum.',
];
// Judged by hand: which articles answer a question, 2 fully and 1 in part.
const judged = [
  { question: 'E1402', grades: { 0: 2, 1: 1 } },
  { question: 'E2210 lid', grades: { 2: 2 } },
  { question: 'TX-700 screen is black', grades: { 10: 2 } },
  { question: 'buy replacement components for TX-900', grades: { 9: 2 } },
  { question: 'my laundry is still soaked', grades: { 5: 2, 4: 1 } },
  { question: 'it stinks', grades: { 6: 2 } },
  { question: 'refund', grades: { 11: 2, 12: 1 } },
  { question: 'so noisy that the neighbours complain', grades: { 3: 2 } },
  { question: 'there is a puddle under it', grades: { 4: 2 } },
  { question: 'cheaper electricity bill', grades: { 15: 2, 14: 1 } },
  { question: 'visit by a repairman', grades: { 13: 2, 12: 1 } },
  { question: 'E1403 tank', grades: { 1: 2, 0: 1 } },
];

// Words that every article has say nothing of any.
const COMMON = new Set(
  'a an and at by for from how is it its my of on or so that the to under with you your'.split(' '),
);
const processTerm = (term) => (COMMON.has(term.toLowerCase()) ? null : term.toLowerCase());
const words = new MiniSearch({ fields: ['text'], processTerm });
words.addAll(articles.map((text, id) => ({ id, text })));
const embedder = await Embedder.load({ preset: 'wordllama' });
const index = await FunnelIndex.create(':memory:', { dim: embedder.dim });
await index.upsert({ ids: articles.map((_, id) => id), vectors: await embedder.embed(articles) });

/** Discounted gains of the first ten, as a share of what the best order has. */
function ndcg(ids, grades) {
  const dcg = (some) => some.slice(0, 10).reduce((sum, grade, i) => sum + grade / Math.log2(i + 2), 0);
  return dcg(ids.map((id) => grades[id] ?? 0)) / dcg(Object.values(grades).sort((a, b) => b - a));
}

const sums = { words: 0, vectors: 0, fused: 0 };
for (const { question, grades } of judged) {
  const byWords = words.search(question);
  const vector = await embedder.embed([question], { role: 'query' });
  const byVectors = (await index.query({ vector, limit: 10 })).hits;
  const fused = fuse([byWords, byVectors], { limit: 10 });
  for (const [name, hits] of Object.entries({ words: byWords, vectors: byVectors, fused })) {
    sums[name] += ndcg(
      hits.map(({ id }) => Number(id)),
      grades,
    );
  }
  if (question === 'E1402') {
    const where = fused[0].from.map(({ list, rank }) => `${['words', 'vectors'][list]} ${rank}`);
    console.log(`${articles[Number(fused[0].id)].slice(0, 11)}: ${where.join(', ')}`);
  }
}
for (const [name, sum] of Object.entries(sums)) console.log(`nDCG@10 of ${name}: ${(sum / judged.length).toFixed(3)}`);
// => Error E1402: words 1, vectors 2
// => nDCG@10 of words: 0.377
// => nDCG@10 of vectors: 0.801
// => nDCG@10 of fused: 0.825

await index.close();
await embedder.close();
