// Mastra over embedded indexes: a store in a Mastra app, documents that are replaced as a whole, filters, and scores.
// Mastra asks for Node.js 22.13. The embeddings are a stand-in that counts words, so that the example runs without a model: put those
// of your provider there, or `embeddingModel(await Embedder.load({ preset }), { version: 'v3' })` of funnelvec/ai-sdk.
import { Mastra } from '@mastra/core/mastra';
import { FunnelVector } from 'funnelvec/mastra';

const DIM = 256;
/** A place for each word, by its letters. */
function embed(text) {
  const vector = new Array(DIM).fill(0);
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    let place = 7;
    for (const letter of word) place = (place * 31 + letter.charCodeAt(0)) % DIM;
    vector[place]++;
  }
  return vector;
}

// Here in memory; a folder keeps the indexes on disk, with the package lmdb. Over Milvus: new MilvusVector({ id, client }).
const films = new FunnelVector({ id: 'films', path: ':memory:' });
const mastra = new Mastra({ vectors: { films }, logger: false });
const store = mastra.getVector('films');

const indexName = 'scenes';
await store.createIndex({ indexName, dimension: DIM });
/** The chunks of a document, in place of those that there are of it: in one commit. */
async function replace(source, texts) {
  const metadata = texts.map((text, page) => ({ source, page, text }));
  const ids = texts.map((_, page) => `${source}#${page}`);
  await store.upsert({ indexName, vectors: texts.map(embed), metadata, ids, deleteFilter: { source } });
}
await replace('hotel.md', ['The hotel is closed in winter.', 'A caretaker lives there alone.']);
await replace('school.md', ['The school has eighty pupils.', 'Two pupils skip a day.', 'They visit the city.']);
await replace('school.md', ['The school has eighty pupils.', 'Two pupils sail to the hotel.']);
console.log(await store.describeIndex({ indexName }));
// => { dimension: 256, count: 4, metric: 'cosine' }

const queryVector = embed('who goes to the hotel?');
for (const { score, metadata } of await store.query({ indexName, queryVector, topK: 2 })) {
  console.log(score.toFixed(2), metadata.source, metadata.text);
}
// => 0.55 school.md Two pupils sail to the hotel.
// => 0.37 hotel.md The hotel is closed in winter.

// Filters are Mongo's; without a vector they find by metadata alone.
const filter = { $or: [{ page: { $gte: 1 } }, { text: { $regex: 'winter' } }], source: { $ne: 'school.md' } };
for (const { metadata } of await store.query({ indexName, filter })) console.log(metadata.page);
// => 0
// => 1
await store.deleteVectors({ indexName, filter: { source: 'hotel.md' } });
console.log((await store.describeIndex({ indexName })).count);
// => 2
await films.close();
