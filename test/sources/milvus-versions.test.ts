/** Servers of Milvus differ by version: what they refuse, and how they page; and the SDK in what it passes on. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConsistencyLevelEnum, DataType, type MilvusClient } from '@zilliz/milvus2-sdk-node';
import { type MilvusSourceOptions, milvusSource } from 'funnelvec/milvus';
import { parseFilter } from '#dist/query/filter/parse.js';
import { WireReader } from '#dist/sources/wire.js';
import type { Json } from '../query/generate.js';
import { refused } from '../refused.js';
import { type Collections, startCollections } from './milvus-collection.js';

const vector = Float32Array.of(1, 0);
const VECTORS = ['head', 'full'].map((name) => ({ name, data_type: DataType.FloatVector, dim: 2 }));
const SCHEMA = [
  { name: 'id', data_type: 'Int64', dataType: 5, is_primary_key: true },
  { name: 'tag', data_type: 'VarChar', dataType: 21 },
  { name: 'many', data_type: 'Array', element_type: 'Int64', dataType: 22 },
  { name: 'doc', data_type: 'JSON', dataType: 23 },
  ...['head', 'full'].map((name) => ({ name, data_type: 'FloatVector', dataType: 101, dim: 2 })),
];

/** A client whose server refuses expressions in the words of 2.3.5, and counts what it is asked. */
function oldServer(
  refuses: (expression: string) => string | undefined,
  version: unknown = { version: 'v2.3.5' },
  scalars: true | 'ask' = true,
) {
  const asked: string[] = [];
  const answer = (filter: string, data: object) => {
    asked.push(filter);
    const reason = refuses(filter);
    if (reason === undefined) return { status: { error_code: 'Success', code: 0, reason: '' }, ...data };
    return { status: { error_code: 'UnexpectedError', code: 65535, reason }, results: [], data: [] };
  };
  const client = {
    describeCollection: async () => ({ schema: { fields: SCHEMA, enable_dynamic_field: true } }),
    describeIndex: async () => ({}),
    search: async ({ filter }: { filter: string }) => answer(filter, { results: [] }),
    query: async ({ filter, output_fields }: { filter: string; output_fields: string[] }) =>
      answer(filter, { data: output_fields.includes('count(*)') ? [{ 'count(*)': '0' }] : [] }),
    getVersion: async () => version,
  };
  const options = { collection: 'films', head: 'head', full: 'full', metric: 'dot', scalars } as const;
  return { asked, source: milvusSource(client, options as MilvusSourceOptions) };
}

describe('a condition that the server refuses', () => {
  const prefix = (expression: string) =>
    /like "%[^"]/.test(expression) ? `cannot parse expression: ${expression}, error: unsupported pattern` : undefined;
  const text: Json = { key: 'tag', match: { text: 'x' } };
  const number: Json = { key: 'doc.n', range: { gt: 1 } };

  test('is named, with the version, what was sent and the words of the server, in every call', async () => {
    const { source } = oldServer(prefix);
    const filter = parseFilter({ must: [number, text, { has_id: [1] }] });
    const said =
      /"films" cannot express match\.text of "tag": Milvus 2\.3\.5 refused tag like "%x%"\. .*nativeFilter.*later version.*unsupported pattern/;
    await assert.rejects(source.head({ vector, candidates: 3, filter }), refused('UNSUPPORTED', said));
    await assert.rejects(source.full({ vector, limit: 3, filter }), refused('UNSUPPORTED', said));
    await assert.rejects(source.count!({ filter }), refused('UNSUPPORTED', said));
    await assert.rejects(
      source.headBatch!([1, 2].map(() => ({ vector, candidates: 3, filter }))),
      refused('UNSUPPORTED', said),
    );
  });

  test('is a negation, where it is the negation that the server has not', async () => {
    const { source } = oldServer((expression) => (/\bnot\b/.test(expression) ? 'unsupported expr' : undefined), {});
    const filter = parseFilter({ must: [{ must_not: [{ key: 'doc.a', match: { value: 'a' } }] }, { has_id: [1] }] });
    await assert.rejects(
      source.head({ vector, candidates: 3, filter }),
      refused(
        'UNSUPPORTED',
        /must_not of match of "doc.a": a Milvus that does not tell its version refused not \(\(exists doc\["a"\]\) and doc\["a"\] == "a"\)/,
      ),
    );
  });

  test('is no negation of ids, or of a field that is never null: these are said without one', async () => {
    const { source, asked } = oldServer(
      (expression) => (/\bnot \(/.test(expression) ? 'unsupported expr' : undefined),
      {},
    );
    const filter = parseFilter({ must_not: [{ key: 'tag', match: { value: 'a' } }, { has_id: [1, 2] }] });
    await source.head({ vector, candidates: 3, filter });
    assert.deepEqual(asked, ['tag != "a" and id not in [1, 2]']);
  });

  test('is named where the source asks whether keys hold scalars alone', async () => {
    const { source } = oldServer((expression) => (/exists/.test(expression) ? 'Invalid expr' : undefined), {}, 'ask');
    const said =
      /cannot express range of "doc\.n": a Milvus that does not tell its version refused .*exists doc\["n"\]/;
    await assert.rejects(
      source.head({ vector, candidates: 3, filter: parseFilter({ must: [number] }) }),
      refused('UNSUPPORTED', said),
    );
  });

  test('is what the server said where it refuses no condition alone, and is asked for a bounded number of times', async () => {
    const { source, asked } = oldServer((expression) => (expression.length > 80 ? 'too long' : undefined));
    const should = Array.from({ length: 200 }, (_, i) => ({ key: `doc.k${i}`, match: { value: i } }));
    const head = source.head({ vector, candidates: 3, filter: parseFilter({ should }) });
    await assert.rejects(head, refused('REFUSED', /too long/));
    assert.ok(asked.length <= 18, `${asked.length} requests`);
    for (const reason of ['permission deny to this user', 'quota of collection exceeded']) {
      const { source: closed, asked: few } = oldServer(() => reason);
      const filter = parseFilter({ must: [number] });
      await assert.rejects(closed.head({ vector, candidates: 3, filter }), refused('REFUSED', new RegExp(reason)));
      assert.ok(few.length <= 2, `${few.length} requests`);
    }
    const { source: native } = oldServer(() => 'no such thing');
    const refusedNative = native.head({ vector, candidates: 3, nativeFilter: 'x y' });
    await assert.rejects(refusedNative, refused('REFUSED', /no such thing/));
  });
});

test('a server that hangs until the SDK gives up: the error tells its limit, and what to set', async () => {
  const { source } = oldServer(() => {
    throw Object.assign(new Error('4 DEADLINE_EXCEEDED: Deadline Exceeded'), { code: 4 });
  });
  const said =
    /no answer within \d+ ms, the SDK's own limit \(its timeout is 15000 ms .*set timeout, of the source or of the request/;
  await assert.rejects(source.head({ vector, candidates: 3 }), refused('TIMEOUT', said));
  await assert.rejects(source.count!({}), refused('TIMEOUT', said));
});

describe('a page of a scan', () => {
  /** Answers up to `limit` rows of each of 6 partitions, in the order of their keys, as 2.3.5 does. */
  const rows = Array.from({ length: 400 }, (_, i) => ({ id: String(i), partition: (i * 7) % 6, full: [1, i] }));
  const client = {
    describeCollection: async () => ({ schema: { fields: SCHEMA } }),
    describeIndex: async () => ({}),
    search: async () => ({ results: [] }),
    async query({ filter, params }: { filter: string; params: { limit: number } }) {
      const behind = Number(/id > (\d+)/.exec(filter)?.[1] ?? -1);
      const some = rows.filter(({ id }) => Number(id) > behind);
      const data = [0, 1, 2, 3, 4, 5]
        .flatMap((part) => some.filter(({ partition }) => partition === part).slice(0, params.limit))
        .sort((a, b) => Number(a.id) - Number(b.id));
      return { status: { error_code: 'Success' }, data };
    },
  };

  test('has at most limit rows though the server answers so many of each partition, and the next one goes on behind them', async () => {
    const source = milvusSource(client, { collection: 'films', head: 'head', full: 'full', metric: 'dot' });
    const seen: unknown[] = [];
    for (let after: string | undefined, pages = 0; pages < 100; pages++) {
      const { rows: page, next } = await source.scan({ limit: 70, after });
      assert.ok(page.ids.length <= 70, `${page.ids.length} rows`);
      assert.equal(page.vectors.length, page.ids.length * 2);
      seen.push(...page.ids);
      if (next === undefined) break;
      assert.equal(next, String(page.ids.at(-1)));
      after = next;
    }
    assert.deepEqual(
      seen,
      rows.map(({ id }) => id),
    );
  });
});

interface Channel {
  Search: { path: string; requestSerialize(value: unknown): Buffer; responseDeserialize: unknown };
  Query: Channel['Search'];
  makeUnaryRequest(path: string, serialize: (value: unknown) => Buffer, ...rest: unknown[]): unknown;
}

describe('consistency levels, as the SDK puts them on the wire', () => {
  let milvus: Collections;
  const levels = `levels_${process.pid}`;
  const sent: { method: 'Search' | 'Query'; level: number; fallback: boolean }[] = [];
  /** Field numbers of milvus.proto: consistency_level, use_default_consistency. */
  const FIELDS = { Search: [14, 15], Query: [11, 12] } as const;
  before(async () => {
    milvus = await startCollections();
    await milvus.make(levels, {
      fields: [{ name: 'key', data_type: DataType.Int64, is_primary_key: true }, ...VECTORS],
      data: [{ key: '1', head: [1, 0], full: [1, 0] }],
    });
  });
  after(() => milvus?.stop());

  const read = (method: 'Search' | 'Query', bytes: Uint8Array) => {
    const reader = new WireReader(bytes);
    let [level, fallback] = [0, false];
    while (reader.next()) {
      if (reader.field === FIELDS[method][0]) level = Number(reader.varint());
      else if (reader.field === FIELDS[method][1]) fallback = Number(reader.varint()) !== 0;
      else reader.skip();
    }
    sent.push({ method, level, fallback });
  };
  const recorded = (client: MilvusClient): MilvusClient => {
    const { channelPool: pool } = client as unknown as {
      channelPool: { acquire(): Promise<Channel>; release(channel: Channel): Promise<void> };
    };
    const originals = new Map<Channel, Channel>();
    const acquire = async () => {
      const channel = await pool.acquire();
      const own = (method: 'Search' | 'Query') => {
        const { path, requestSerialize, responseDeserialize } = channel[method];
        const serialize = (value: unknown) => {
          const bytes = requestSerialize(value);
          read(method, bytes);
          return bytes;
        };
        const call = (...rest: unknown[]) => channel.makeUnaryRequest(path, serialize, responseDeserialize, ...rest);
        return { value: Object.assign(call, { path, requestSerialize: serialize, responseDeserialize }) };
      };
      const derived = Object.create(channel, { Search: own('Search'), Query: own('Query') }) as Channel;
      originals.set(derived, channel);
      return derived;
    };
    const release = (channel: Channel) => {
      let original = channel;
      while (!originals.has(original) && Object.getPrototypeOf(original) !== Object.prototype) {
        if (originals.has(Object.getPrototypeOf(original))) original = Object.getPrototypeOf(original);
        else break;
      }
      return pool.release(originals.get(original) ?? channel);
    };
    const derivedPool = Object.create(pool, { acquire: { value: acquire }, release: { value: release } });
    return Object.create(client, { channelPool: { value: derivedPool, writable: true } });
  };

  test('every level is sent with searches and queries, by number and by name; Strong, too, which is 0', async () => {
    const client = recorded(milvus.client);
    for (const [name, number] of Object.entries(ConsistencyLevelEnum)) {
      if (typeof number !== 'number' || name === 'Customized') continue;
      for (const consistency of [number, name as 'Strong']) {
        sent.length = 0;
        const source = milvusSource(client, { collection: levels, head: 'head', full: 'full', consistency });
        await source.head({ vector, candidates: 1 });
        await source.full({ vector, limit: 1 });
        await source.fetch({ ids: ['1'] });
        await source.scan({ limit: 1 });
        await source.count!({});
        const methods: string[] = sent.map(({ method }) => method);
        assert.deepEqual(methods, ['Search', 'Search', 'Query', 'Query', 'Query']);
        for (const { level, fallback } of sent)
          assert.deepEqual({ level, fallback }, { level: number, fallback: false }, name);
      }
    }
  });

  test('another level is refused before any request', () => {
    for (const consistency of [ConsistencyLevelEnum.Customized, 'strong', -1, null]) {
      const options = { collection: 'levels', head: 'head', full: 'full', consistency } as MilvusSourceOptions;
      assert.throws(
        () => milvusSource(milvus.client, options),
        refused('BAD_ARGUMENT', /Strong, Session.*consistency/),
      );
    }
  });
});
