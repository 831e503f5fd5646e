/** tune() over Qdrant and Milvus: the plan is what the server can do, and keeps its promise there. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch, type Source } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { FunnelIndex } from 'funnelvec/store';
import { type TuneOptions, type TuneResult, tune } from 'funnelvec/tune';
import { Random, SEED } from '../random.js';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';

const DIM = 32;
const ROWS = 1500;
const K = 5;
const random = new Random(SEED);
const vector = () => random.vector(DIM).map((x, i) => x / (1 + i / 4));
const rows = Array.from({ length: ROWS }, vector);
const queries = Array.from({ length: 160 }, vector);
const unseen = Array.from({ length: 60 }, vector);
const target = { recall: 0.9, k: K };
const COLLECTION = 'tuned';

interface Started {
  source: Source;
  options: Partial<TuneOptions>;
  stop(): Promise<void>;
}

async function qdrant(): Promise<Started> {
  const server = await startQdrant();
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  await client.createCollection(COLLECTION, {
    vectors: {
      short: { size: 4, distance: 'Cosine' },
      long: { size: 12, distance: 'Cosine' },
      full: { size: DIM, distance: 'Cosine' },
    },
  });
  const points = rows.map((row, id) => ({
    id,
    vector: { short: Array.from(row.slice(0, 4)), long: Array.from(row.slice(0, 12)), full: Array.from(row) },
  }));
  await client.upsert(COLLECTION, { wait: true, points });
  const vectors = { short: { head: 'short', full: 'full' }, long: { head: 'long', full: 'full' } };
  return {
    source: qdrantSource(client, { collection: COLLECTION, vectors }),
    options: { request: { using: ['short', 'long'] } },
    async stop() {
      await client.deleteCollection(COLLECTION);
      await server.stop();
    },
  };
}

async function milvus(): Promise<Started> {
  const server = await startMilvus();
  const client = new MilvusClient({ address: server.address });
  await client.connectPromise;
  const succeeded = ({ error_code, reason }: { error_code?: string | number; reason?: string }) => {
    if (error_code !== 'Success') throw new Error(reason);
  };
  const field = (name: string, dim: number) => ({ name, data_type: DataType.FloatVector, dim });
  succeeded(
    await client.createCollection({
      collection_name: COLLECTION,
      fields: [{ name: 'key', data_type: DataType.Int64, is_primary_key: true }, field('head', 12), field('full', DIM)],
    }),
  );
  for (const field_name of ['head', 'full']) {
    const index = { collection_name: COLLECTION, field_name, index_type: 'FLAT', metric_type: 'COSINE' };
    succeeded(await client.createIndex(index));
  }
  const data = rows.map((row, key) => ({
    key: String(key),
    head: Array.from(row.slice(0, 12)),
    full: Array.from(row),
  }));
  succeeded((await client.insert({ collection_name: COLLECTION, data })).status);
  await client.flushSync({ collection_names: [COLLECTION] });
  succeeded(await client.loadCollectionSync({ collection_name: COLLECTION }));
  return {
    source: milvusSource(client, {
      collection: COLLECTION,
      head: 'head',
      full: 'full',
      consistency: ConsistencyLevelEnum.Strong,
    }),
    options: {},
    async stop() {
      await client.dropCollection({ collection_name: COLLECTION });
      await client.closeConnection();
      await server.stop();
    },
  };
}

for (const [name, start] of [
  [`Qdrant${qdrantMark}`, qdrant],
  ['Milvus', milvus],
] as const) {
  let server: Started;
  let why: unknown;
  try {
    server = await start();
  } catch (error) {
    if (process.env['CI']) throw error;
    why = error;
  }

  describe(`tune() over ${name}`, { skip: why ? `cannot start it: ${why}` : false }, () => {
    let mirror: FunnelIndex;

    before(async () => {
      mirror = await FunnelIndex.create(':memory:', { dim: DIM });
      await mirror.upsert({
        ids: name === 'Milvus' ? rows.map((_, i) => String(i)) : [...rows.keys()],
        vectors: packed(),
      });
    });
    after(async () => {
      await mirror.close();
      await server.stop();
    });

    async function check(search: FunnelSearch, result: TuneResult): Promise<void> {
      assert.equal(result.refused, undefined);
      assert.equal(result.fingerprint.rows, ROWS);
      assert.equal(result.truth, 'server');
      const using = result.request.using ?? (result.curve[0]!.request.using as string | undefined);
      let found = 0;
      for (const query of unseen) {
        const exact = await search.query({ vector: query, limit: K, mode: 'exact', ...(using && { using }) });
        const { hits } = await search.query({ vector: query, ...result.request });
        const ids = new Set(exact.hits.map(({ id }) => id));
        found += hits.filter(({ id }) => ids.has(id)).length;
      }
      assert.ok(found / (K * unseen.length) >= 0.88, `${found} of ${K * unseen.length}`);
    }

    /** Where the database can run stages, that is measured beside this process, and the request says which it is. */
    async function checkWays(search: FunnelSearch, result: TuneResult, here: 'client' | 'mirror'): Promise<void> {
      const { request, curve } = result;
      const ways = new Set(curve.map((point) => point.request.stages));
      assert.deepEqual(ways, new Set(name === 'Milvus' ? [undefined] : [here, 'server']));
      for (const { label, request: own } of curve) {
        assert.equal(label.includes('stages: server'), own.stages === 'server');
        // A plan of several scales needs vectors of each in the database.
        if (own.stages === 'server') assert.deepEqual(own.plan!.scales, [DIM]);
      }
      const { stats } = await search.query({ vector: unseen[0]!, ...request });
      if (request.stages === 'server') assert.ok(['server', 'client'].includes(stats.ran.on));
      else assert.equal(stats.ran.on, here);
    }

    it('finds a plan of a head that it has, which holds for other queries', async () => {
      const search = new FunnelSearch({ source: server.source });
      const result = await tune({
        search,
        queries,
        target,
        exact: false,
        budget: { candidates: 256 },
        ...server.options,
      });
      assert.equal(result.by, 'replay', 'a full scan of so few rows gives lists that agree');
      assert.equal(result.plan!.head, { short: 4, long: 12 }[result.request.using!] ?? 12);
      await check(search, result);
      await checkWays(search, result, 'client');
    });

    it('the same with a mirror, whose vectors do not travel', async () => {
      const source = server.source.layouts?.get('long') ?? server.source;
      const search = new FunnelSearch({ source, mirror });
      const result = await tune({ search, queries, target, exact: false, budget: { candidates: 256 } });
      assert.equal(result.plan!.head, 12);
      await check(search, result);
      await checkWays(search, result, 'mirror');
    });

    it('what is wrong with a name is said before any work', async () => {
      const search = new FunnelSearch({ source: server.source });
      const work = tune({ search, queries, request: { using: 'none' }, onProgress: () => assert.fail('it began') });
      await assert.rejects(work, { name: 'FunnelError', message: /none/ });
    });
  });
}

function packed(): Float32Array {
  const all = new Float32Array(ROWS * DIM);
  rows.forEach((row, i) => void all.set(row, i * DIM));
  return all;
}
