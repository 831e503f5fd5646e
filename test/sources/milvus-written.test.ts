/** Milvus collections as other packages write them, searched as their owners would: without a word about vectors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch } from 'funnelvec';
import { type MilvusSourceOptions, milvusSource } from 'funnelvec/milvus';
import { FunnelIndex } from 'funnelvec/store';
import { rejects } from '#dist/conformance/failures.js';
import { succeeded } from './milvus-collection.js';
import { startMilvus } from './servers.js';

interface Call {
  method: 'createCollection' | 'createIndex' | 'insert' | 'flushSync';
  request: Record<string, unknown> & { collection_name: string; fields_data?: Record<string, unknown>[] };
}

const [recorded, ...lines] = readFileSync('test/sources/written/langchain-milvus.jsonl', 'utf8').trimEnd().split('\n');
const { package: name, version } = JSON.parse(recorded!) as { package: string; version: string };
const calls = lines.map((line) => JSON.parse(line) as Call);
const own = (collection: string) => `written_${collection}_${process.pid}`;
const vectorOf = (seed: number, dim: number) =>
  Array.from({ length: dim }, (_, i) => Math.sin(seed * 7 + i) / (1 + i / 4));

describe('Milvus collections of other packages', { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startMilvus>>;
  let client: MilvusClient;
  const made: string[] = [];
  before(async () => {
    server = await startMilvus();
    client = new MilvusClient({ address: server.address });
    await client.connectPromise;
  });
  after(async () => {
    for (const collection_name of made) await client.dropCollection({ collection_name });
    await client?.closeConnection();
    await server?.stop();
  });
  const open = (collection: string, options: Partial<MilvusSourceOptions> = {}) =>
    milvusSource(client, {
      collection: own(collection),
      consistency: ConsistencyLevelEnum.Strong,
      ...options,
    } as MilvusSourceOptions);
  const created = (collection: string) => {
    made.push(own(collection));
    return own(collection);
  };

  test(`LangChain's (${name} ${version}): its one vector is found, ranked, filtered, grouped and mirrored`, async () => {
    const collection = created('langchain');
    let rows: Record<string, unknown>[] = [];
    for (const { method, request } of calls) {
      const to = request.collection_name
        ? { ...request, collection_name: collection }
        : { collection_names: [collection] };
      const answer = await (client[method] as (request: unknown) => Promise<{ status?: object }>)(to);
      succeeded((answer.status ?? answer) as { error_code?: string; reason?: string });
      rows = request.fields_data ?? rows;
    }
    await client.loadCollectionSync({ collection_name: collection });
    const query = vectorOf(3, 16);
    const distance = (row: Record<string, unknown>) =>
      Math.hypot(...(row['langchain_vector'] as number[]).map((x, i) => x - query[i]!));
    const wanted = rows.toSorted((a, b) => distance(a) - distance(b));
    const source = open('langchain');
    assert.deepEqual(await source.info(), {
      headDim: 16,
      dim: 16,
      metric: 'euclid',
      idKind: 'string',
      mostCandidates: 16_384,
    });
    const search = new FunnelSearch({ source });
    for (const mode of ['funnel', 'exact'] as const) {
      const { hits } = await search.query({ vector: query, limit: 5, mode, withPayload: true });
      hits.forEach(({ id, score, payload }, i) => {
        const { langchain_vector, ...rest } = wanted[i]!;
        assert.deepEqual(payload, rest);
        assert.ok(Math.abs(score - distance(wanted[i]!)) < 1e-6);
        assert.match(String(id), /^\d+$/);
      });
    }
    const filter = {
      must: [
        { key: 'year', range: { gte: 1985 } },
        { key: 'source', match: { text: '.md' } },
      ],
    };
    const { hits } = await search.query({ vector: query, limit: 20, filter, withPayload: ['year'] });
    assert.deepEqual(
      hits.map(({ payload }) => (payload as { year: number }).year),
      wanted.map(({ year }) => year as number).filter((year) => year >= 1985),
    );
    const { groups } = await search.queryGroups({ vector: query, groupBy: 'source', limit: 20 });
    assert.equal(groups.length, rows.length);
    const index = await FunnelIndex.create(':memory:', { dim: 16, metric: 'euclid' });
    assert.equal((await index.syncFrom(source, { withPayload: true })).rows, rows.length);
    await index.close();
  });

  test('those of a quick set-up, and LlamaIndex’: their one vector, and keys in JSON', async () => {
    // Neither names type and metric of its index; what a server makes of that is written out here, as Milvus Lite wants it.
    const index = { index_type: 'AUTOINDEX', metric_type: 'COSINE' };
    // As createCollection() of the SDK and of pymilvus makes them, given a name and a dimension.
    const quick = created('quick');
    succeeded(
      await client.createCollection({
        collection_name: quick,
        enable_dynamic_field: true,
        fields: [
          { name: 'id', data_type: DataType.Int64, is_primary_key: true },
          { name: 'vector', data_type: DataType.FloatVector, dim: 8 },
        ],
      }),
    );
    succeeded(await client.createIndex({ collection_name: quick, field_name: 'vector', ...index }));
    // As MilvusVectorStore of @llamaindex/milvus 0.0.4 does, which always says 1536.
    const llamaindex = created('llamaindex');
    const fields = [
      { name: 'id', data_type: DataType.VarChar, is_primary_key: true, max_length: 200 },
      { name: 'embedding', data_type: DataType.FloatVector, dim: 1536 },
      { name: 'content', data_type: DataType.VarChar, max_length: 9000 },
      { name: 'metadata', data_type: DataType.JSON },
    ];
    succeeded(await client.createCollection({ collection_name: llamaindex, fields }));
    succeeded(await client.createIndex({ collection_name: llamaindex, field_name: 'embedding', ...index }));
    await client.loadCollectionSync({ collection_name: llamaindex });
    const data = Array.from({ length: 10 }, (_, i) => ({
      id: `node ${i}`,
      embedding: vectorOf(i, 1536),
      content: `text ${i}`,
      metadata: { year: 1990 + i },
    }));
    succeeded((await client.insert({ collection_name: llamaindex, data })).status);
    const search = new FunnelSearch({ source: open('llamaindex', { scalars: 'ask' }) });
    const filter = { must: { key: 'metadata.year', range: { gte: 1995 } } };
    const { hits } = await search.query({ vector: vectorOf(7, 1536), limit: 20, filter, withPayload: true });
    assert.equal(hits[0]!.id, 'node 7');
    assert.deepEqual(hits[0]!.payload, { content: 'text 7', metadata: { year: 1997 } });
    assert.equal(hits.length, 5);
    assert.deepEqual(await open('quick').info(), {
      headDim: 8,
      dim: 8,
      metric: 'cosine',
      idKind: 'string',
      mostCandidates: 16_384,
    });
    assert.equal((await open('quick', { metric: 'dot' }).info()).metric, 'dot');
  });

  test('errors name the vector fields, and the line to write', async () => {
    const two = created('two');
    const vector = (name: string, dim: number) => ({ name, data_type: DataType.FloatVector, dim });
    const id = { name: 'id', data_type: DataType.Int64, is_primary_key: true };
    succeeded(
      await client.createCollection({ collection_name: two, fields: [id, vector('long', 8), vector('short', 2)] }),
    );
    await rejects(
      open('two').info(),
      'BAD_ARGUMENT',
      /head and full.*"short" \(2 dims\), "long" \(8 dims\).*Write head: "short", full: "long"/,
    );
    await rejects(
      open('two', { head: 'head', full: 'full' }).info(),
      'NO_FIELD',
      /vector field "head".*"short" \(2 dims\), "long" \(8 dims\): write head: "short", full: "long"/,
    );
    await rejects(
      open('langchain', { head: 'head', full: 'full' }).info(),
      'NO_FIELD',
      /it has "langchain_vector" \(16 dims\): write head: "langchain_vector".*, or leave both out/,
    );
    for (const names of [{ full: 'a' }, { head: 3 }]) {
      assert.throws(() => open('two', names as never), { code: 'BAD_ARGUMENT' });
    }
  });
});
