/** Pools under a filter over a graph that knows nothing of the payload: searched exactly, or told with the remedy. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { type Filter, FunnelSearch } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';
import { random } from '#dist/conformance/data.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { qdrantMark, startQdrant } from './servers.js';

/** A client whose graph finds `found` of 30 points that pass, and whose scan finds all of them. */
function graphOf(
  found: number,
  { graph = 4000, indexed = [] as string[], strict = false, limits = (_limit: number) => found } = {},
) {
  const asked: boolean[] = [];
  const points = Array.from({ length: 30 }, (_, i) => ({ id: i + 1, score: 1 - i / 100, vector: { full: [1, i] } }));
  const size = { size: 2, distance: 'Dot' };
  // biome-ignore lint/suspicious/noExplicitAny: the client's own request
  const answer = ({ params, limit }: any) => {
    asked.push(params?.exact === true);
    if (params?.exact && strict) throw Object.assign(new Error('Forbidden'), { status: 403, data: {} });
    return { points: params?.exact ? points.slice(0, limit) : points.slice(30 - Math.min(limits(limit), limit)) };
  };
  const client = {
    getCollection: async () => ({
      config: { params: { vectors: { head: size, full: size } } },
      indexed_vectors_count: graph,
      payload_schema: Object.fromEntries(indexed.map((key) => [key, { data_type: 'keyword' }])),
    }),
    scroll: async () => ({ points: [{ id: 1 }] }),
    query: async (_collection: string, request: object) => answer(request),
    queryBatch: async (_collection: string, { searches }: { searches: object[] }) => searches.map(answer),
  };
  const source = qdrantSource(client, { collection: 'films', head: 'head', full: 'full' });
  return { asked, source, search: new FunnelSearch({ source, plan: { scales: [2], keep: 1, candidates: 20 } }) };
}

describe('a pool under a filter', () => {
  const filter: Filter = { must: [{ key: 'kind', match: { value: 'a' } }] };
  const vector = [1, 0];

  test('that the graph leaves short is searched exactly, and told with the remedy', async () => {
    const { asked, search } = graphOf(3);
    const { hits, stats } = await search.query({ vector, filter });
    assert.deepEqual(asked, [false, true]);
    assert.equal(hits.length, 10);
    assert.deepEqual(
      { by: stats.filteredPool!.by, unindexed: stats.filteredPool!.unindexed },
      { by: 'exact', unindexed: ['kind'] },
    );
    assert.match(stats.filteredPool!.advice!, /createPayloadIndex of "kind" before the graph.*exact: true.*acorn/);
    // Known for the filter by then: no search of the graph comes before it.
    const again = await search.query({ vector, filter });
    assert.deepEqual([asked.length, again.hits.length, again.stats.filteredPool!.by], [3, 10, 'exact']);
    // Each of a batch, too.
    for (const one of await search.queryBatch([
      { vector, filter },
      { vector, filter },
    ]))
      assert.equal(one.hits.length, 10);
  });

  test('of a batch that the graph leaves short is searched exactly', async () => {
    const { search } = graphOf(3);
    const answers = await search.queryBatch([{ vector, filter }, { vector }]);
    assert.deepEqual(
      answers.map(({ hits }) => hits.length),
      [10, 3],
    );
    assert.deepEqual(
      answers.map(({ stats }) => stats.filteredPool?.by),
      ['exact', undefined],
    );
  });

  test('that is short because no more points pass is asked for once more, and not again', async () => {
    const { asked, search } = graphOf(30, { indexed: ['kind'] });
    const request = { vector, filter, plan: { scales: [2], keep: 1, candidates: 40 } };
    for (let i = 0; i < 3; i++) {
      const { stats } = await search.query(request);
      assert.deepEqual(stats.filteredPool, { by: 'graph', unindexed: [] });
    }
    assert.deepEqual(asked, [false, true, false, false]);
  });

  test('that was whole at a large limit is looked into where it is short at a smaller one', async () => {
    const { asked, source } = graphOf(30, { limits: (limit) => (limit < 40 ? 10 : 30) });
    const of = async (candidates: number, more: object = {}) => {
      const request = { vector: Float32Array.of(1, 0), candidates, filter: parseFilter(filter), ...more };
      return (await source.head(request)).candidates.ids!.length;
    };
    assert.equal(await of(40), 30);
    assert.equal(await of(20), 20);
    assert.deepEqual(asked, [false, true, false, true]);
    // One of another shard is another pool.
    assert.equal(await of(20, { params: { shardKey: 'b' } }), 20);
    assert.deepEqual(asked.slice(4), [false, true]);
  });

  test('of a batch is looked into once for each filter', async () => {
    const { asked, source } = graphOf(30, { indexed: ['kind'] });
    const one = { vector: Float32Array.of(1, 0), candidates: 40, filter: parseFilter(filter) };
    const answers = await source.headBatch!([one, one, one, one]);
    assert.deepEqual(
      answers.map(({ candidates, filteredPool }) => [candidates.ids!.length, filteredPool!.by]),
      Array.from({ length: 4 }, () => [30, 'graph']),
    );
    assert.deepEqual(asked, [false, false, false, false, true]);
  });

  test('that is full says which keys the graph does not know', async () => {
    const { asked, search } = graphOf(30, { indexed: ['year'] });
    const must = [{ key: 'year', range: { gt: 1 } }, { nested: { key: 'cast', filter } }, { has_id: [1] }];
    const { stats } = await search.query({ vector, filter: { must } });
    assert.deepEqual(stats.filteredPool!.unindexed, ['cast[].kind']);
    assert.match(stats.filteredPool!.advice!, /createPayloadIndex of "cast\[\]\.kind"/);
    assert.deepEqual(asked, [false]);
    const known = await search.query({ vector, filter: { must: must[0]! } });
    assert.deepEqual(known.stats.filteredPool, { by: 'graph', unindexed: [] });
  });

  test('is left alone without a graph, without a filter, in exact searches, and where a partial one was asked for', async () => {
    const none = graphOf(3, { graph: 0 });
    assert.equal((await none.search.query({ vector, filter })).stats.filteredPool, undefined);
    const { asked, search } = graphOf(3);
    assert.equal((await search.query({ vector })).stats.filteredPool, undefined);
    assert.equal((await search.query({ vector, filter, mode: 'exact' })).stats.filteredPool, undefined);
    const partial = await search.query({ vector, filter, params: { indexed_only: true } });
    assert.equal(partial.stats.filteredPool, undefined);
    assert.deepEqual(asked, [false, true, false]);
  });

  test('is the graph’s where the server allows no exact search, and other failures are failures', async () => {
    const { asked, source } = graphOf(3, { strict: true });
    const request = { vector: Float32Array.of(1, 0), candidates: 20, filter: parseFilter(filter) };
    const { candidates, filteredPool } = await source.head(request);
    assert.deepEqual([candidates.ids!.length, filteredPool!.by], [3, 'graph']);
    assert.match(filteredPool!.advice!, /createPayloadIndex/);
    await source.head(request);
    assert.deepEqual(asked, [false, true, false]);
  });
});

describe(`a graph without payload indexes${qdrantMark}`, { timeout: 120_000 }, () => {
  const collection = `pools_${process.pid}`;
  const dim = 16;
  const next = random(9);
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  before(async () => {
    server = await startQdrant();
    rest = new QdrantClient({ url: server.url, checkCompatibility: false });
    await rest.createCollection(collection, {
      vectors: { size: dim, distance: 'Cosine' },
      hnsw_config: { m: 8, ef_construct: 32, full_scan_threshold: 10 },
      optimizers_config: { indexing_threshold: 10 },
    });
    // Clusters whose points pass or fail together, so that those that pass lie far from one another in the graph.
    const points = Array.from({ length: 4000 }, (_, id) => {
      const c = id % 50;
      const at = (d: number) => (d === c % dim ? 2 : 0) * (c > 25 ? -1 : 1) + next() - 0.5;
      return { id, vector: Array.from({ length: dim }, (_, d) => at(d)), payload: { c, d: c } };
    });
    for (let from = 0; from < points.length; from += 1000) {
      await rest.upsert(collection, { wait: true, points: points.slice(from, from + 1000) });
    }
    await rest.updateCollection(collection, {});
    // A real server builds by itself.
    for (let i = 0; i < 200 && !(await rest.getCollection(collection)).indexed_vectors_count; i++) await sleep(100);
    await rest.createPayloadIndex(collection, { field_name: 'd', field_schema: 'integer', wait: true });
  });
  after(async () => {
    await rest.deleteCollection(collection);
    await server.stop();
  });

  test('is told of, over either client, with the keys that it lacks', async () => {
    const host = server.grpcHost;
    const grpc = new GrpcClient({ host, port: server.grpcPort, checkCompatibility: false, compression: false });
    const vector = Float32Array.from({ length: dim }, (_, d) => (d === 0 ? 1 : 0.01 * d));
    for (const client of [rest, grpc]) {
      const search = new FunnelSearch({ source: qdrantSource(client, { collection }) });
      const ask = async (key: string) =>
        (await search.query({ vector, filter: { must: { key, range: { gte: 40, lt: 48 } } } })).stats.filteredPool;
      const { unindexed, advice } = (await ask('c'))!;
      assert.deepEqual(unindexed, ['c']);
      assert.match(advice!, /createPayloadIndex of "c"/);
      assert.deepEqual((await ask('d'))!.unindexed, []);
    }
  });
});
