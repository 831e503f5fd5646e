/** Collections that have heads alone, or full vectors alone, beside a mirror. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { DataType, MetricType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch, type FunnelSearchOptions } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import type { Source } from 'funnelvec/source';
import { FunnelIndex } from 'funnelvec/store';
import { DIM, HEAD, random, randomVector, rows } from '#dist/conformance/data.js';
import { rejects } from '#dist/conformance/failures.js';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';

const COUNT = 60;
const LIMIT = 7;
const points = rows(COUNT, DIM, 'number', 5);
const vector = randomVector(DIM, random(6));
const plan = { scales: [DIM], keep: 1, candidates: COUNT };
const request = { vector, limit: LIMIT, plan, withPayload: ['n'] };
const name = (kind: string) => `heads_only_${kind}_${process.pid}`;

async function mirror(some = points): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'cosine' });
  await index.upsert(some.map(({ id, vector }) => ({ id: id as number, vector })));
  return index;
}

/** Both ways of a search: heads in the database, or all of it on the mirror. */
function suite(source: () => Source): void {
  const over = (index: FunnelIndex, more: Partial<FunnelSearchOptions> = {}) =>
    new FunnelSearch({ source: source(), mirror: index, ...more });
  const shown = (hits: readonly { id: unknown; score: number; payload?: unknown }[]) =>
    hits.map(({ id, score, payload }) => ({ id: Number(id), score, payload: JSON.stringify(payload) }));

  test('is searched by its heads and ranked on the mirror, or searched there', async () => {
    const index = await mirror();
    const exact = await index.query({ vector, limit: LIMIT, mode: 'exact' });
    const want = exact.hits.map(({ id, score }) => ({
      id: Number(id),
      score,
      payload: JSON.stringify({ n: Number(id) - 1 }),
    }));
    for (const way of [{}, { search: 'mirror' }] as const) {
      const search = over(index, way);
      assert.deepEqual(shown((await search.query(request)).hits), want);
      const [first, second] = await search.queryBatch([request, { ...request, limit: 2 }]);
      assert.deepEqual(shown(first!.hits), want);
      assert.deepEqual(shown(second!.hits), want.slice(0, 2));
      const near = await search.query({ id: want[0]!.id, limit: 3, plan });
      assert.equal(near.hits.length, 3);
      assert.ok(near.hits.every(({ id }) => Number(id) !== want[0]!.id));
    }
    await index.close();
  });

  test('leaves out points that the mirror lacks, and says so', async () => {
    const index = await mirror(points.slice(10));
    const { hits, stats } = await over(index).query({ ...request, limit: COUNT });
    assert.deepEqual(new Set(hits.map(({ id }) => Number(id))), new Set(points.slice(10).map(({ id }) => Number(id))));
    assert.equal(stats.mirror!.found, COUNT - 10);
    assert.equal(stats.missingVectors, 10);
    await index.close();
  });
}

function refusals(source: () => Source): void {
  test('refuses by name everything that needs the full vectors of the collection', async () => {
    assert.throws(() => new FunnelSearch({ source: source() }), {
      code: 'BAD_ARGUMENT',
      message: /a mirror that has the full vectors/,
    });
    const index = await mirror();
    const search = new FunnelSearch({ source: source(), mirror: index });
    await rejects(search.query({ vector, mode: 'exact' }), 'UNSUPPORTED', /heads alone.*mode 'exact'/);
    await rejects(search.query({ ...request, stages: 'client' }), 'UNSUPPORTED', /heads alone.*stages/);
    await rejects(search.query({ ...request, stages: 'server' }), 'UNSUPPORTED', /stages/);
    const stale = new FunnelSearch({ source: source(), mirror: index, search: 'mirror', maxAge: 1 });
    await rejects(stale.query(request), 'UNSUPPORTED', /heads alone/);
    const short = await FunnelIndex.create(':memory:', { dim: HEAD - 1, metric: 'cosine' });
    await rejects(
      new FunnelSearch({ source: source(), mirror: short }).query({ vector: vector.slice(1, HEAD) }),
      'BAD_DIMS',
      /at least 8 dims/,
    );
    await short.close();
    await index.close();
  });
}

describe(`over Qdrant${qdrantMark}, a collection`, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let client: QdrantClient;
  before(async () => {
    server = await startQdrant();
    client = new QdrantClient({ url: server.url, checkCompatibility: false });
    for (const [kind, dim] of [
      ['head', HEAD],
      ['full', DIM],
    ] as const) {
      await client.createCollection(name(kind), { vectors: { [kind]: { size: dim, distance: 'Cosine' } } });
      await client.upsert(name(kind), {
        wait: true,
        points: points.map(({ id, vector, n }) => ({
          id: id as number,
          vector: { [kind]: Array.from(vector.subarray(0, dim)) },
          payload: { n },
        })),
      });
    }
  });
  after(async () => {
    for (const kind of ['head', 'full']) await client.deleteCollection(name(kind));
    await server.stop();
  });

  describe('of heads alone', () => {
    const source = () => qdrantSource(client, { collection: name('head'), head: 'head' });
    suite(source);
    refusals(source);
  });

  describe('of full vectors alone', () => {
    test('is searched and ranked on the mirror', async () => {
      const index = await mirror();
      const exact = await index.query({ vector, limit: LIMIT, mode: 'exact' });
      const source = qdrantSource(client, { collection: name('full') });
      for (const way of [{}, { search: 'mirror' }] as const) {
        const { hits } = await new FunnelSearch({ source, mirror: index, ...way }).query(request);
        assert.deepEqual(
          hits.map(({ id, score, payload }) => ({ id, score, payload })),
          exact.hits.map(({ id, score }) => ({ id, score, payload: { n: Number(id) - 1 } })),
        );
      }
      await index.close();
    });
  });
});

describe('over Milvus, a collection of heads alone', () => {
  let server: Awaited<ReturnType<typeof startMilvus>>;
  let client: MilvusClient;
  before(async () => {
    server = await startMilvus();
    client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    const collection_name = name('milvus');
    await client.createCollection({
      collection_name,
      fields: [
        { name: 'id', data_type: DataType.Int64, is_primary_key: true },
        { name: 'n', data_type: DataType.Int64 },
        { name: 'head', data_type: DataType.FloatVector, dim: HEAD },
      ],
    });
    await client.insert({
      collection_name,
      data: points.map(({ id, vector, n }) => ({ id: Number(id), n, head: Array.from(vector.subarray(0, HEAD)) })),
    });
    await client.createIndex({
      collection_name,
      field_name: 'head',
      index_type: 'FLAT',
      metric_type: MetricType.COSINE,
    });
    await client.loadCollectionSync({ collection_name });
  });
  after(async () => {
    await client.dropCollection({ collection_name: name('milvus') });
    await client.closeConnection();
    await server.stop();
  });

  const source = () => milvusSource(client, { collection: name('milvus'), head: 'head', consistency: 'Strong' });
  suite(source);
  refusals(source);
});
