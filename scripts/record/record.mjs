/**
 * Records what other packages write to Qdrant, for test/sources/written. Copy it into a folder where @langchain/core,
 * @langchain/qdrant, @mastra/core, @mastra/qdrant, @llamaindex/core and @llamaindex/qdrant are installed (Node 22.13 or newer),
 * and run `node record.mjs <url of a Qdrant>` there. It writes one .jsonl file a package beside itself: what recorded it,
 * then each request that changed something.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { vectorOf } from './vector-of.mjs';

const { host, href: url } = new URL(process.argv[2]);
const TEXTS = ['a hotel in winter', 'robots at war', 'a shark near the beach', 'a girl in Montmartre'].concat(
  ['toys come alive', 'a ship meets an iceberg', 'dinosaurs on an island', 'a boxer from Philadelphia'],
  ['a lion becomes king', 'a dream within a dream', 'an alien phones home', 'a hacker and a machine'],
);
const metadata = TEXTS.map((text, i) => ({ text, year: 1980 + i }));
const vectors = TEXTS.map(vectorOf);

let requests = [];
const real = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const { pathname, search, host: to } = new URL(request.url);
  if (request.method !== 'GET' && to === host) {
    const body = JSON.parse(await request.clone().text());
    requests.push({ method: request.method, path: pathname + search, body });
  }
  return real(request);
};

function save(file, name) {
  const version = (one) => JSON.parse(readFileSync(`node_modules/${one}/package.json`, 'utf8')).version;
  const client = `@qdrant/js-client-rest ${version('@qdrant/js-client-rest')}`;
  const lines = [{ package: name, version: version(name), client }, ...requests];
  writeFileSync(new URL(file, import.meta.url), `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  requests = [];
}

const langchain = await import('@langchain/qdrant');
const embeddings = { embedQuery: async (text) => vectorOf(text), embedDocuments: async (some) => some.map(vectorOf) };
await langchain.QdrantVectorStore.fromTexts(TEXTS, metadata, embeddings, { url, collectionName: 'langchain' });
save('langchain.jsonl', '@langchain/qdrant');

const { QdrantVector } = await import('@mastra/qdrant');
const store = new QdrantVector({ id: 'store', url });
for (const metric of ['cosine', 'euclidean']) {
  await store.createIndex({ indexName: `mastra_${metric}`, dimension: 16, metric });
  await store.upsert({ indexName: `mastra_${metric}`, vectors, metadata });
}
const text = { size: 16, distance: 'cosine' };
await store.createIndex({ indexName: 'mastra_one', namedVectors: { text } });
await store.upsert({ indexName: 'mastra_one', vectors, metadata, vectorName: 'text' });
// Its points have one of the vectors each.
await store.createIndex({ indexName: 'mastra_two', namedVectors: { text, title: text } });
await store.upsert({ indexName: 'mastra_two', vectors, metadata, vectorName: 'text' });
await store.upsert({
  indexName: 'mastra_two',
  vectors: vectors.slice(0, 3),
  metadata: metadata.slice(0, 3),
  vectorName: 'title',
});
save('mastra.jsonl', '@mastra/qdrant');

const llamaindex = await import('@llamaindex/qdrant');
const { TextNode } = await import('@llamaindex/core/schema');
const nodes = TEXTS.map((one, i) => new TextNode({ text: one, metadata: metadata[i], embedding: vectors[i] }));
await new llamaindex.QdrantVectorStore({ url, collectionName: 'llamaindex', embedModel: {} }).add(nodes);
save('llamaindex.jsonl', '@llamaindex/qdrant');
