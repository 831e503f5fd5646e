// The AI SDK in both directions: a model of a provider as the embedder of an index, and an embedder of ours as a model for
// embed() and embedMany(). The two "models" are stand-ins that count words, so that the example runs without a key: put
// openai.embeddingModel('text-embedding-3-small') and await Embedder.load({ preset: 'wordllama' }) there.
// `ai` 7 asks for Node.js 22. For Node.js 20 there is version 6: embeddingModel(local, { version: 'v3' }) is what it takes.
import { cosineSimilarity, customProvider, embed, embedMany } from 'ai';
import { embedderOf, embeddingModel } from 'funnelvec/ai-sdk';
import { FunnelIndex } from 'funnelvec/store';

/** A place for each word, by its letters. */
function count(text, dim) {
  const vector = new Array(dim).fill(0);
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    let place = 7;
    for (const letter of word) place = (place * 31 + letter.charCodeAt(0)) % dim;
    vector[place]++;
  }
  return vector;
}

// In: any EmbeddingModel. Calls with more texts than it takes at a time are made in parts, what fails by chance is tried again, and
// each answer is checked: as many vectors as texts, all of `dim` finite numbers.
/** @type {import('@ai-sdk/provider').EmbeddingModelV4} */
const providers = {
  specificationVersion: 'v4',
  provider: 'example',
  modelId: 'words',
  maxEmbeddingsPerCall: 2,
  supportsParallelCalls: true,
  doEmbed: async ({ values, dimensions = 1024 }) => {
    console.log(`the provider is asked for ${values.length} × ${dimensions}`);
    return { embeddings: values.map((text) => count(text, dimensions)), warnings: [] };
  },
};
const embedder = await embedderOf(providers, { dim: 256 });
const texts = ['The hotel is closed in winter.', 'A caretaker lives there alone.', 'Two pupils skip a day of school.'];
const index = await FunnelIndex.create(':memory:', { dim: embedder.dim });
await index.upsert({ ids: texts, vectors: await embedder.embed(texts) });
// => the provider is asked for 2 × 256
// => the provider is asked for 1 × 256
const vector = await embedder.embed(['Who lives there in winter?'], { role: 'query' });
// => the provider is asked for 1 × 256
for (const { id, score } of (await index.query({ vector, limit: 2 })).hits) console.log(score.toFixed(2), id);
// => 0.40 A caretaker lives there alone.
// => 0.37 The hotel is closed in winter.

// Out: an Embedder, or any function of texts, as a model under a name of your own, with dimensions that it may be cut to.
const local = await embedderOf(async (some) => some.map((text) => count(text, 256)), {
  ...{ name: 'local', dim: 256, matryoshkaDims: [64], normalise: true },
});
const provider = customProvider({ embeddingModels: { films: embeddingModel(local) } });
const model = provider.embeddingModel('films');
const { embeddings } = await embedMany({ model, values: texts });
const { embedding } = await embed({
  ...{ model, value: 'a day at school' },
  providerOptions: { funnelvec: { role: 'query' } }, // documents otherwise; models with prefixes tell them apart
});
console.log(embeddings.map((one) => cosineSimilarity(one, embedding).toFixed(2)).join(' '));
// => 0.00 0.22 0.57
const { embedding: short } = await embed({ model: embeddingModel(local), value: 'a day at school', dimensions: 64 });
console.log(short.length);
// => 64

await index.close();
