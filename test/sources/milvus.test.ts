import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { type OpenOptions, type Row, sourceConformance, splitTail } from 'funnelvec/source/conformance';
import { SEED } from '../random.js';
import { olderMilvus, refusalsOf } from './feature-table.js';
import { funnelsOverGlosses } from './glosses.js';
import { startMilvus } from './servers.js';

await sourceConformance(
  'Milvus',
  async () => {
    const server = await startMilvus();
    const client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    const others: MilvusClient[] = [];
    let decoded: boolean[] = [];
    let searches = 0;
    const { search } = MilvusClient.prototype;
    // biome-ignore lint/suspicious/noExplicitAny: two overloads
    (client as any).search = async function (this: MilvusClient, request: any) {
      searches++;
      const answer = await search.call(this, request);
      const row = [answer.results[0]].flat()[0] as unknown as Record<string, unknown> | undefined;
      decoded.push(row?.['full'] !== undefined || row?.['tail'] !== undefined);
      return answer;
    };
    const { version } = await client.getVersion();
    const older = olderMilvus(version);
    const oneVector = older === 'Milvus 2.3.5'; // more fields of vectors came with 2.4
    const open = (
      one: MilvusClient,
      { head = oneVector ? 'full' : 'head', full = 'full', vectors, nativeFilter, ...options }: OpenOptions,
    ) =>
      milvusSource(one, {
        ...(vectors ? { vectors } : { head, full }),
        nativeFilter: nativeFilter as string | undefined,
        consistency: ConsistencyLevelEnum.Strong,
        scalars: true,
        ...(options.decode && { vectorsFrom: 'hits' as const }), // whether the SDK decoded is seen in what searches answer
        ...options,
      });
    const succeeded = ({ error_code, reason }: { error_code?: string | number; reason?: string }) => {
      if (error_code !== 'Success') throw new Error(reason);
    };
    const payloadOf = ({ title, n, even, extra }: Row) => ({ title, n, even, ...extra });
    const METRIC = { cosine: 'COSINE', dot: 'IP', euclid: 'L2' };

    return {
      ...(version && { version }),
      supports: {
        idKinds: { number: 'string', string: 'string', big: 'string' },
        exact: 'server',
        collections: true,
        oneVector,
        tails: !oneVector,
        decoders: true,
        loading: older !== 'milvus-lite 2.5.1', // which searches what was released

        limit: true,
        server: true,
        refuses: refusalsOf('Milvus', [], older),
      },
      searches: () => searches,
      payloadOf,
      async create({ collection, metric, headDim, dim, layout, ids, rows }) {
        const vector = (name: string, dim: number) => ({ name, data_type: DataType.FloatVector, dim });
        const vectors = oneVector
          ? [vector('full', dim)]
          : layout === 'full'
            ? [vector('head', headDim), vector('full', dim)]
            : [vector('head', headDim), vector('tail', dim - headDim)];
        succeeded(
          await client.createCollection({
            collection_name: collection,
            fields: [
              ids === 'string'
                ? { name: 'key', data_type: DataType.VarChar, max_length: 64, is_primary_key: true }
                : { name: 'key', data_type: DataType.Int64, is_primary_key: true },
              { name: 'title', data_type: DataType.VarChar, max_length: 200 },
              { name: 'n', data_type: DataType.Int32 },
              { name: 'even', data_type: DataType.Bool },
              ...(rows[0]?.extra
                ? [
                    { name: 'kind', data_type: DataType.VarChar, max_length: 64 },
                    { name: 'bucket', data_type: DataType.Int32 },
                    {
                      name: 'tags',
                      data_type: DataType.Array,
                      element_type: DataType.VarChar,
                      max_capacity: 8,
                      max_length: 64,
                    },
                    { name: 'meta', data_type: DataType.JSON },
                    { name: 'ref', data_type: DataType.VarChar, max_length: 64 },
                  ]
                : []),
              ...(layout === 'tail' ? [{ name: 'norm', data_type: DataType.Double }] : []),
              ...vectors,
            ],
          }),
        );
        for (const { name } of vectors) {
          const metric_type = layout === 'tail' && name === 'tail' ? 'IP' : METRIC[metric];
          succeeded(
            await client.createIndex({
              collection_name: collection,
              field_name: name,
              index_type: 'FLAT',
              metric_type,
            }),
          );
        }
        const { status } = await client.insert({
          collection_name: collection,
          data: rows.map((row) => {
            const { head, norm, tail } = splitTail(row.vector, headDim);
            return {
              key: String(row.id),
              ...payloadOf(row),
              ...(layout === 'full'
                ? {
                    ...(!oneVector && { head: Array.from(row.vector.subarray(0, headDim)) }),
                    full: Array.from(row.vector),
                  }
                : { head, tail, norm }),
            };
          }),
        });
        succeeded(status);
        await client.flushSync({ collection_names: [collection] });
        succeeded(await client.loadCollectionSync({ collection_name: collection }));
      },
      async drop(collection) {
        succeeded(await client.dropCollection({ collection_name: collection }));
      },
      async unload(collection) {
        succeeded(await client.releaseCollection({ collection_name: collection }));
      },
      source: (options) => open(client, options),
      elsewhere(port, options) {
        const other = new MilvusClient({ address: `127.0.0.1:${port}` });
        other.connectPromise.catch(() => {});
        others.push(other);
        return open(other, options);
      },
      clientDecoded() {
        const was = decoded;
        decoded = [];
        return was;
      },
      idOf: (row) => String(row.id),
      filters: { even: 'even == true', small: 'n < 10', nothing: 'title == "none"', bad: 'even ===' },
      async stop() {
        for (const one of [client, ...others]) await one.closeConnection();
        await server.stop();
      },
    };
  },
  { seed: SEED, funnels: [funnelsOverGlosses] },
);

describe('Milvus: the least and the largest key', () => {
  it('are fetched, scanned behind and found as any other', async (t) => {
    const server = await startMilvus().catch((error: Error) => {
      if (process.env['CI'] === 'true') throw error;
      return t.skip(`the server did not start: ${error.message}`);
    });
    if (server === undefined) return;
    const client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    const isOld = olderMilvus((await client.getVersion()).version) === 'Milvus 2.3.5';
    const fields = isOld ? ['full'] : ['head', 'full'];
    const collection = `edges_${process.pid}`;
    // A row with the last key of 64 bits is in no answer of 2.3.5.
    const keys = [-(2n ** 63n), -(2n ** 63n) + 1n, 0n, 2n ** 63n - (isOld ? 2n : 1n)].map(String);
    try {
      await client.createCollection({
        collection_name: collection,
        fields: [
          { name: 'key', data_type: DataType.Int64, is_primary_key: true },
          ...fields.map((name) => ({ name, data_type: DataType.FloatVector, dim: name === 'head' ? 2 : 4 })),
        ],
      });
      for (const field_name of fields) {
        await client.createIndex({
          collection_name: collection,
          field_name,
          index_type: 'FLAT',
          metric_type: 'COSINE',
        });
      }
      const data = keys.map((key, i) => ({
        key,
        ...(fields.length > 1 && { head: [1, i] }),
        full: [1, i, 2, 3],
      }));
      await client.insert({ collection_name: collection, data });
      await client.loadCollectionSync({ collection_name: collection });
      const source = milvusSource(client, {
        collection,
        head: fields[0]!,
        full: 'full',
        consistency: ConsistencyLevelEnum.Strong,
      });
      for (const ids of [keys, keys.slice(0, 1), [keys[3]!, keys[0]!]]) {
        assert.deepEqual((await source.fetch({ ids })).rows.ids, ids);
      }
      const seen: unknown[] = [];
      for (let after: string | undefined; ; ) {
        const { rows, next } = await source.scan({ limit: 1, after });
        seen.push(...rows.ids);
        if (next === undefined) break;
        after = next as string;
      }
      assert.deepEqual(seen, keys);
      const search = new FunnelSearch({ source });
      const filter = { must: { has_id: [keys[0]!, keys[3]!] } };
      const { hits } = await search.query({ vector: [1, 0, 2, 3], limit: 4, filter });
      assert.deepEqual(hits.map(({ id }) => id).sort(), [keys[0], keys[3]].sort());
    } finally {
      await client.dropCollection({ collection_name: collection });
      await client.closeConnection();
      await server.stop();
    }
  });
});
