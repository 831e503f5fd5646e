// Milvus's contenders: the tutorial's collection, a head field and a full field under FLAT indexes with COSINE.
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { mirrorOf } from './mirror.mjs';
import { tightFunnel } from './tight-loop.mjs';

const CHUNK = 1_000;

export async function milvusContenders(server, data) {
  const { levels, candidates, plan, limit } = data;
  const name = `funnelvec_bench_${data.name}_${process.pid}`;
  const client = new MilvusClient({ address: server.address });
  await client.connectPromise;
  await fill(client, name, data);

  const source = milvusSource(client, { collection: name, head: 'head', full: 'full' });
  const search = new FunnelSearch({ source, plan: { ...plan, candidates } });
  const index = await mirrorOf(data);
  const mirrored = new FunnelSearch({ source, mirror: index, plan: { ...plan, candidates } });
  const found = async (anns_field, query, most, output_fields) => {
    const request = { collection_name: name, anns_field, data: Array.from(query), limit: most, output_fields };
    const { results, status } = await client.search(request);
    checked(status);
    return results;
  };
  const byHead = (query, fields) => found('head', query.subarray(0, levels[0]), candidates, fields);
  const ids = async (query) => (await byHead(query, ['id'])).slice(0, limit);
  const usual = async (query) => {
    const rows = (await byHead(query, ['id', 'full'])).map((row) => ({ id: row.id, vector: row.full }));
    return tightFunnel(rows, query, plan).slice(0, limit);
  };
  const exact = (query) => found('full', query, limit, ['id']);

  return {
    contenders: [
      { key: 'usual', label: 'the usual way, SDK: vectors with the hits, tight JS loop', run: usual },
      {
        key: 'ours',
        label: 'funnelvec',
        run: async (query) => (await search.query({ vector: query, limit })).hits,
        ours: true,
        funnel: true,
      },
      {
        key: 'ours-mirror',
        label: 'funnelvec with a mirror',
        run: async (query) => (await mirrored.query({ vector: query, limit })).hits,
        ours: true,
        funnel: true,
      },
      { key: 'ids', label: 'the ids of the candidates alone', run: ids, partial: true },
      { key: 'exact', label: 'full-vector search on the server (FLAT: exact)', run: exact },
    ],
    exact,
    async close() {
      await index.close();
      await client.dropCollection({ collection_name: name });
      await client.closeConnection();
    },
  };
}

async function fill(client, name, { dim, levels, rows }) {
  const vector = (field, size) => ({ name: field, data_type: DataType.FloatVector, dim: size });
  const fields = [
    { name: 'id', data_type: DataType.Int64, is_primary_key: true, autoID: false },
    vector('head', levels[0]),
    vector('full', dim),
  ];
  checked(await client.createCollection({ collection_name: name, fields, consistency_level: 'Strong' }));
  for (const field_name of ['head', 'full']) {
    checked(await client.createIndex({ collection_name: name, field_name, index_type: 'FLAT', metric_type: 'COSINE' }));
  }
  for (let from = 0; from * dim < rows.length; from += CHUNK) {
    const count = Math.min(CHUNK, rows.length / dim - from);
    const batch = Array.from({ length: count }, (_, i) => {
      const full = Array.from(rows.subarray((from + i) * dim, (from + i + 1) * dim));
      return { id: String(from + i), head: full.slice(0, levels[0]), full };
    });
    checked((await client.insert({ collection_name: name, data: batch })).status);
  }
  // Unflushed rows are searched many times more slowly.
  await client.flushSync({ collection_names: [name] });
  checked(await client.releaseCollection({ collection_name: name }));
  checked(await client.loadCollectionSync({ collection_name: name }));
}

/** The SDK resolves with the error inside. */
function checked(status) {
  const { error_code, reason } = status ?? {};
  if (error_code !== undefined && error_code !== 'Success' && error_code !== 0) throw new Error(`Milvus: ${reason}`);
}
