// Qdrant: two named vectors a point, the head (a prefix) and the full one. The server searches the heads, the funnel ranks
// what it finds. QDRANT_URL names a server; what is made there goes again.
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';

const client = new QdrantClient({ url: process.env.QDRANT_URL ?? 'http://127.0.0.1:6333', checkCompatibility: false });
const collection = `funnelvec_example_${process.pid}`;
const dim = 32;
const head = 8;

/** Made up, as a Matryoshka model's are: the first dims say most. */
const vectorOf = (row) => Array.from({ length: dim }, (_, d) => Math.sin(row * (d + 1) + d) / (1 + d / 4));

await client.createCollection(collection, {
  vectors: { head: { size: head, distance: 'Cosine' }, full: { size: dim, distance: 'Cosine' } },
});
try {
  const points = Array.from({ length: 300 }, (_, id) => {
    const full = vectorOf(id);
    return {
      id,
      vector: { head: full.slice(0, head), full },
      payload: { title: `film ${id}`, year: 1950 + (id % 70) },
    };
  });
  await client.upsert(collection, { wait: true, points });

  const source = qdrantSource(client, { collection, head: 'head', full: 'full' });
  const plan = { head, candidates: 64, scales: [16, dim], keep: 0.5 };
  const search = new FunnelSearch({ source, plan });

  const vector = vectorOf(42);
  const { hits, stats } = await search.query({ vector, limit: 3, withPayload: ['title'] });
  console.log(hits[0].id, hits[0].payload);
  for (const { name, in: before, out: after } of stats.stages) console.log(`${name}: ${before} -> ${after}`);
  // => 42 { title: 'film 42' }
  // => head: 64 -> 64
  // => decode: 64 -> 64
  // => scale 16: 64 -> 32
  // => scale 32: 32 -> 3
  // => funnel: 64 -> 3

  const filter = { must: [{ key: 'year', range: { gte: 2000 } }] };
  const recent = await search.query({ vector, limit: 2, filter, withPayload: ['year'] });
  console.log(recent.hits.map(({ payload }) => payload));
  // => [ { year: 2010 }, { year: 2009 } ]
} finally {
  await client.deleteCollection(collection);
}
