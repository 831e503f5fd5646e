// Milvus: two vector fields a row, the head (a prefix) and the full one. The server searches the heads, the funnel ranks
// what it finds. MILVUS_ADDRESS names a server; what is made there goes again.
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';

const client = new MilvusClient({ address: process.env.MILVUS_ADDRESS ?? '127.0.0.1:19530' });
await client.connectPromise;
const collection_name = `funnelvec_example_${process.pid}`;
const dim = 32;
const head = 8;

/** Made up, as a Matryoshka model's are: the first dims say most. */
const vectorOf = (row) => Array.from({ length: dim }, (_, d) => Math.sin(row * (d + 1) + d) / (1 + d / 4));

await client.createCollection({
  collection_name,
  fields: [
    { name: 'id', data_type: DataType.Int64, is_primary_key: true },
    { name: 'title', data_type: DataType.VarChar, max_length: 64 },
    { name: 'year', data_type: DataType.Int64 },
    { name: 'head_embedding', data_type: DataType.FloatVector, dim: head },
    { name: 'embedding', data_type: DataType.FloatVector, dim },
  ],
});
try {
  for (const field_name of ['head_embedding', 'embedding']) {
    await client.createIndex({ collection_name, field_name, index_type: 'FLAT', metric_type: 'COSINE' });
  }
  const data = Array.from({ length: 300 }, (_, id) => {
    const embedding = vectorOf(id);
    return { id, title: `film ${id}`, year: 1950 + (id % 70), head_embedding: embedding.slice(0, head), embedding };
  });
  // The client answers most refusals as a status instead of throwing.
  const { status } = await client.insert({ collection_name, data });
  if (status.error_code !== 'Success') throw new Error(status.reason);
  await client.flushSync({ collection_names: [collection_name] });
  await client.loadCollectionSync({ collection_name });

  const source = milvusSource(client, { collection: collection_name, head: 'head_embedding', full: 'embedding' });
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
  await client.dropCollection({ collection_name });
  await client.closeConnection();
}
