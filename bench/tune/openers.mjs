// A set as something to search: the embedded index, or Qdrant with a mirror, so that ids alone travel.
import { startQdrant } from '../../test/servers/servers.mjs';

export const openers = { index: openIndex, qdrant: openQdrant };

async function openIndex({ dim, rows }) {
  const { FunnelIndex } = await import('../../dist/esm/store/index.js');
  const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
  await index.upsert({ ids: idsOf(rows, dim), vectors: rows });
  await index.optimize();
  return { search: index, what: 'embedded index', close: () => index.close() };
}

async function openQdrant({ dim, head, rows }) {
  const { FunnelSearch } = await import('../../dist/esm/index.js');
  const { qdrantSource } = await import('../../dist/esm/sources/qdrant/index.js');
  const { FunnelIndex } = await import('../../dist/esm/store/index.js');
  const { QdrantClient } = await import('@qdrant/js-client-rest');
  const server = await startQdrant();
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  const collection = 'tune';
  await client.createCollection(collection, {
    vectors: { head: { size: head, distance: 'Cosine' }, full: { size: dim, distance: 'Cosine' } },
  });
  const row = (id, length) => Array.from(rows.subarray(id * dim, id * dim + length));
  const ids = idsOf(rows, dim);
  for (let from = 0; from < ids.length; from += 500) {
    const points = Array.from(ids.subarray(from, from + 500), (id) => ({
      id,
      vector: { head: row(id, head), full: row(id, dim) },
    }));
    await client.upsert(collection, { wait: true, points });
  }
  const mirror = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
  const source = qdrantSource(client, { collection, head: 'head', full: 'full' });
  await mirror.syncFrom(source);
  return {
    search: new FunnelSearch({ source, mirror }),
    what: `Qdrant over REST${server.real ? '' : ' [front]'}, head of ${head} dims, mirror`,
    async close() {
      await client.deleteCollection(collection);
      await mirror.close();
      await server.stop();
    },
  };
}

function idsOf(rows, dim) {
  return Int32Array.from({ length: rows.length / dim }, (_, id) => id);
}
