// Texts into vectors with a model on this machine, then search. Nothing is downloaded: the two files of WordLlama's table,
// out of the PyPI package wordllama, belong into models/wordllama, or into the folder that FUNNELVEC_MODELS names.
import { Embedder } from 'funnelvec/embed';
import { FunnelIndex } from 'funnelvec/store';

const embedder = await Embedder.load({ preset: 'wordllama' });
console.log(embedder.dim, embedder.matryoshkaDims);
// => 256 [ 256, 128, 64 ]

const texts = ['a hotel that is closed in winter', 'a teenager who skips school', 'a digger after relics'];
const index = await FunnelIndex.create(':memory:', { dim: embedder.dim });
await index.upsert({ ids: texts, vectors: await embedder.embed(texts) });

for (const text of ['a pupil plays truant from class', 'an archaeologist in the desert']) {
  const vector = await embedder.embed([text], { role: 'query' });
  const { hits } = await index.query({ vector, limit: 1 });
  console.log(`${text}: ${hits[0].id}`);
}
// => a pupil plays truant from class: a teenager who skips school
// => an archaeologist in the desert: a digger after relics

await index.close();
await embedder.close();
