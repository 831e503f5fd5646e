/** Integers beyond 2^53 in payloads of databases: as they are stored, or a group key is refused; never another integer. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { type FunnelError, FunnelSearch } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { parseExact } from '#dist/core/exact-json.js';
import { Random, SEED } from '../random.js';
import { qdrantMark, startMilvus, startQdrant } from './servers.js';

const big = 2n ** 60n;
const collection = `integers_${process.pid}`;
/** As JSON has them. */
const KEYS = [
  `${big - 1n}`,
  `${big}`,
  `${big + 1n}`,
  '3',
  '[9007199254740993, "x"]',
  '1.5',
  '1e300',
  `"${big}"`,
  '3.0',
];
const ROWS = KEYS.map((k, id) => ({ id, k, vector: [1, (KEYS.length - id) / 10] }));
/** Three hits for a group, in the order of their scores. */
const GROUPS = [big - 1n, big, big + 1n, 3, 2n ** 53n + 1n, 'x', String(big)];
const request = { vector: [1, 1], groupBy: 'k', mode: 'exact', groupSize: 2 } as const;
const layout = { collection, head: 'head', full: 'full' };

describe('JSON with integers beyond 2^53', () => {
  it('is read as it is written, whatever stands around the integers', () => {
    const random = new Random(SEED);
    let large = 0;
    /** A value, and its text: what JSON.stringify would write, but for blanks, escapes and bigints. */
    const value = (depth: number): [unknown, string] => {
      switch (random.int(0, depth > 3 ? 6 : 9)) {
        case 0: {
          const n = (random.chance(0.5) ? 1n : -1n) * BigInt(random.int(1, 2 ** 32)) ** BigInt(random.int(1, 4));
          const isLarge = n > 2n ** 53n - 1n || n < -(2n ** 53n) + 1n;
          if (isLarge) large++;
          return [isLarge ? n : Number(n), `${n}`];
        }
        case 1: {
          const n = (random.next() - 0.5) * 10 ** random.int(-20, 30);
          const text = random.chance(0.5) ? String(n) : n.toExponential();
          const isWhole = /^-?\d+$/.test(text) && !Number.isSafeInteger(n);
          return [isWhole ? BigInt(text) : n, text];
        }
        case 2: {
          const n = 2 ** random.int(53, 70);
          return [n, `${BigInt(n)}${random.pick(['.0', 'e0', 'E+0', '.000e0'])}`];
        }
        case 3:
          return random.pick([
            [null, 'null'],
            [true, 'true'],
            [-0, '-0'],
          ]);
        case 4:
        case 5:
        case 6: {
          const parts = ['"', '\\', ': 12345678901234567890', ', [-12345678901234567', '\n', 'ü', '12345678901234567'];
          const text = Array.from({ length: random.int(0, 4) }, () => random.pick(parts)).join('');
          return [text, random.chance(0.5) ? JSON.stringify(text) : JSON.stringify(text).replaceAll('1', '\\u0031')];
        }
        case 7: {
          const list = Array.from({ length: random.int(0, 4) }, () => value(depth + 1));
          const comma = random.pick([',', ' , ', ',\n\t']);
          return [list.map(([v]) => v), `[${list.map(([, text]) => text).join(comma)}]`];
        }
        default: {
          const keys = ['a', '12345678901234567890', '__proto__', 'x"y\\', ''].filter(() => random.chance(0.5));
          const fields = keys.map((key) => [key, ...value(depth + 1)] as const);
          const object = {};
          for (const [key, v] of fields) {
            Object.defineProperty(object, key, { value: v, enumerable: true, writable: true, configurable: true });
          }
          const colon = random.pick([':', ' : ', ':\r\n']);
          return [object, `{${fields.map(([key, , text]) => `${JSON.stringify(key)}${colon}${text}`).join(',')}}`];
        }
      }
    };
    for (let i = 0; i < 10_000; i++) {
      const [wanted, text] = value(0);
      assert.deepEqual(parseExact(text), wanted, text);
    }
    assert.ok(large > 1000, `${large} large integers`);
    assert.deepEqual(parseExact('{"a":12345678901234567890,"a":1,"b":1,"b":12345678901234567890}'), {
      a: 1,
      b: 12345678901234567890n,
    });
    for (const bad of [
      '{12345678901234567890:1}',
      '012345678901234567',
      '[12345678901234567 1]',
      '+12345678901234567',
    ]) {
      assert.throws(() => parseExact(bad), SyntaxError, bad);
    }
  });
});

describe(`groups by large integers on Qdrant${qdrantMark}`, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  let grpc: GrpcClient;
  before(async () => {
    server = await startQdrant();
    rest = new QdrantClient({ url: server.url, checkCompatibility: false });
    grpc = new GrpcClient({ host: server.grpcHost, port: server.grpcPort, checkCompatibility: false });
    const vectors = { head: { size: 2, distance: 'Dot' }, full: { size: 2, distance: 'Dot' } } as const;
    await rest.createCollection(collection, { vectors });
    const points = ROWS.map(({ id, k, vector }) => {
      const text = JSON.stringify({ head: vector, full: vector });
      return `{"id":${id},"vector":${text},"payload":{"k":${k}}}`;
    });
    const answer = await fetch(`${server.url}/collections/${collection}/points?wait=true`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: `{"points":[${points}]}`,
    });
    assert.equal(answer.status, 200, await answer.text());
  });
  after(async () => {
    await rest.deleteCollection(collection);
    await server.stop();
  });

  it('are of the stored integers, which hits have too, over REST and gRPC, in one request and in a batch', async () => {
    for (const client of [rest, grpc]) {
      const search = new FunnelSearch({ source: qdrantSource(client, layout) });
      const { groups, stats } = await search.queryGroups({ ...request, withPayload: true });
      assert.deepEqual(
        groups.map(({ id }) => id),
        GROUPS,
      );
      assert.ok(stats.groups.complete);
      const [found] = await search.queryBatch([{ vector: [1, 1], withPayload: true }, { vector: [1, 2] }]);
      const payloads = new Map(found!.hits.map(({ id, payload }) => [Number(id), (payload as { k: unknown }).k]));
      const stored = [big - 1n, big, big + 1n, 3, [2n ** 53n + 1n, 'x'], 1.5, 1e300, String(big), 3];
      assert.deepEqual(
        [...payloads].sort(([a], [b]) => a - b).map(([, k]) => k),
        stored,
      );
    }
  });

  it('are refused where the client rounded them, naming point, value and remedy', async () => {
    const source = qdrantSource(rest, { ...layout, decode: 'client' });
    const search = new FunnelSearch({ source });
    if ('rawJSON' in JSON) {
      // From Node 22 on the client itself reads integers as they are.
      assert.deepEqual(
        (await search.queryGroups(request)).groups.map(({ id }) => id),
        GROUPS,
      );
      return;
    }
    await assert.rejects(search.queryGroups(request), {
      name: 'FunnelError',
      code: 'BAD_RESPONSE',
      message: /groupBy "k" but received 1152921504606847000 in point [012] of Qdrant.*strings.*gRPC.*decode: 'fast'/,
    });
  });

  it('have 3.0 in the group of 3, though the engine matches it as an integer only by an index of integers', async () => {
    const search = new FunnelSearch({ source: qdrantSource(rest, layout) });
    const found = async (test: object) =>
      (await search.query({ vector: [1, 1], filter: { must: { key: 'k', ...test } } as never })).hits.map(
        ({ id }) => id,
      );
    const { groups } = await search.queryGroups(request);
    assert.deepEqual(
      groups.find(({ id }) => id === 3)!.hits.map(({ id }) => Number(id)),
      [3, 8],
    );
    assert.deepEqual(await found({ match: { value: 3 } }), [3]);
    assert.deepEqual(await found({ range: { gte: 3, lte: 3 } }), [3, 8]);
    await rest.createPayloadIndex(collection, { field_name: 'k', field_schema: 'integer', wait: true });
    assert.deepEqual(await found({ match: { value: 3 } }), [3, 8]);
    await rest.deletePayloadIndex(collection, 'k', { wait: true });
  });

  it('are found by their keys: over gRPC; REST says what to do instead', async () => {
    const filter = { must: { key: 'k', match: { any: [big + 1n, 2n ** 53n + 1n] } } };
    const search = new FunnelSearch({ source: qdrantSource(grpc, layout) });
    const { hits } = await search.query({ vector: [1, 1], filter });
    assert.deepEqual(
      hits.map(({ id }) => Number(id)),
      [2, 4],
    );
    const overRest = new FunnelSearch({ source: qdrantSource(rest, layout) });
    await assert.rejects(overRest.query({ vector: [1, 1], filter }), { code: 'UNSUPPORTED', message: /gRPC/ });
  });
});

describe('groups by large integers on Milvus', () => {
  it('are refused under JSON keys where the SDK rounds them, and are groups in a field of text', async () => {
    const server = await startMilvus();
    const client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    const vector = (name: string) => ({ name, data_type: DataType.FloatVector, dim: 2 });
    await client.createCollection({
      collection_name: collection,
      enable_dynamic_field: true,
      fields: [
        { name: 'id', data_type: DataType.Int64, is_primary_key: true },
        { name: 'text', data_type: DataType.VarChar, max_length: 64 },
        vector('head'),
        vector('full'),
      ],
    });
    try {
      for (const field_name of ['head', 'full']) {
        await client.createIndex({ collection_name: collection, field_name, index_type: 'FLAT', metric_type: 'IP' });
      }
      await client.loadCollectionSync({ collection_name: collection });
      const data = [2 ** 60, 3, 1e300].map((k, i) => ({
        id: String(i),
        text: `${k}`,
        head: [1, i],
        full: [1, i],
        k,
        ...(k < 2 ** 53 || k > 2 ** 64 ? { small: k } : {}),
      }));
      await client.insert({ collection_name: collection, data });
      const source = milvusSource(client, { ...layout, scalars: true, consistency: 0 });
      const search = new FunnelSearch({ source });
      const ask = async (groupBy: string) =>
        (await search.queryGroups({ ...request, groupBy })).groups.map(({ id }) => id);
      // The SDK wrote this integer as JSON; the double that JSON.parse makes of it is another.
      const wanted = [3, 1152921504606847000n];
      const groups = await ask('k').catch((error: FunnelError) => {
        assert.equal(error.code, 'BAD_RESPONSE', String(error));
        assert.match(
          error.message,
          /groupBy "k" but received 1152921504606847000 in point 0 of Milvus.*an Int64 field/,
        );
        return wanted;
      });
      assert.deepEqual(groups, wanted);
      assert.deepEqual(await ask('small'), [3]);
      assert.deepEqual(await ask('text'), ['1e+300', '3', '1152921504606847000']);
    } finally {
      await client.dropCollection({ collection_name: collection });
      await client.closeConnection();
      await server.stop();
    }
  });
});
