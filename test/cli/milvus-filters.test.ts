/** `search --filter` over a Milvus collection that `ingest` made, and the source that says what is in it, against the oracle. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { milvusSource } from 'funnelvec/milvus';
import { rejects } from '#dist/conformance/failures.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import type { Source } from '#dist/query/source/source.js';
import { type Json, randomFilter } from '../query/generate.js';
import { oracleMatches } from '../query/oracle.js';
import { Random, SEED } from '../random.js';
import { startMilvus } from '../sources/servers.js';
import { done, fails } from './command.js';
import { jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const env = { FUNNELVEC_STATE: path('state') };
const random = new Random(SEED);
const maybe = <T>(value: T): { value?: T | null } =>
  random.chance(0.2) ? (random.chance(0.5) ? { value: null } : {}) : { value };
const COUNT = 200;
const WORDS = ['red', 'green', 'Red', '', '[1]', 'a"b', '💡', '1990', 'line\nbreak'];
const payloads = Array.from({ length: COUNT }, (_, id) => {
  const payload: Json = {
    year: maybe(random.int(1900, 2020)).value,
    rating: maybe(random.int(15, 100) / 10).value,
    // Neither true nor 1 beside numbers: Milvus Lite takes one for the other.
    seen: maybe(random.chance(0.5)).value,
    word: maybe(random.pick(WORDS)).value,
    mixed: maybe(random.pick<Json>([...WORDS, 2, 3.5, -7, 2000])).value,
    info: { pages: maybe(random.pick([-5, 2, 17, 260, 500])).value, tags: random.pick<Json>([['x'], [], 'x', 5]) },
    tags: Array.from({ length: random.int(0, 3) }, () => random.pick(['a', 'b', 'c'])),
    place: random.chance(0.1) ? { city: 'Lodz' } : 'Rome',
  };
  return { id, payload: JSON.parse(JSON.stringify(payload)) as Json };
});
const ids = payloads.map(({ id }) => id);
const passing = (filter: Json) =>
  payloads.filter(({ id, payload }) => oracleMatches(filter, id, payload)).map(({ id }) => id);

describe('a collection that ingest made in Milvus', { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startMilvus>>;
  let client: MilvusClient;
  let place: string[];
  const collection = `filters_${process.pid}`;
  const searched = (filter: Json) => [
    ...['search', ...place, '--vector', '[1,2,3,4]', '--mode', 'exact', '--limit', '1000', '--json'],
    ...['--filter', JSON.stringify(filter)],
  ];
  const found = async (filter: Json) => {
    const { json } = await done(searched(filter), { env });
    return (json.hits as { id: string }[]).map(({ id }) => Number(id)).sort((a, b) => a - b);
  };
  const open = () =>
    milvusSource(client, {
      collection,
      head: 'head_embedding',
      full: 'embedding',
      scalars: 'ask',
      consistency: ConsistencyLevelEnum.Strong,
    });
  const heads = async (source: Source, filter: Json) => {
    const request = { vector: Float32Array.of(1, 2, 3, 4), candidates: 1000, vectors: false };
    const { candidates } = await source.head({ ...request, filter: parseFilter(filter) });
    return Array.from(candidates.ids!, Number).sort((a, b) => a - b);
  };
  before(async () => {
    server = await startMilvus();
    client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    place = ['--milvus', server.address, '--collection', collection];
    const rows = payloads.map(({ id, payload }) => ({ id, v: [1, id, 2, 3], ...payload }));
    const file = write('rows.jsonl', jsonl(rows));
    await done(['ingest', file, '--vector', 'v', '--id', 'id', '--head', '2', ...place], { env });
  });
  after(async () => {
    await client?.dropCollection({ collection_name: collection });
    await client?.closeConnection();
    await server?.stop();
  });

  it('is searched under every condition that its rows let Milvus express', async () => {
    const conditions: Json[] = [
      ...[{ gt: 1990 }, { gte: 1990 }, { lt: 1990 }, { lte: 1990 }, { gt: 1950, lte: 1960 }, {}, { gt: 1989.5 }].map(
        (range) => ({ key: 'year', range }),
      ),
      ...[{ gte: 5 }, { lt: 5.1 }, { gt: -1e300 }].map((range) => ({ key: 'rating', range })),
      { key: 'info.pages', range: { gte: 0, lt: 250 } },
      { key: 'mixed', range: { lt: 3 } },
      { key: 'missing', range: { gt: 0 } },
      { key: 'word', range: { gt: 0 } },
      ...[
        { value: 'red' },
        { any: ['red', '[1]'] },
        { except: ['red', ''] },
        { except: [] },
        { text: 'e' },
        { text: '' },
      ].map((match) => ({ key: 'word', match })),
      ...[{ value: 2000 }, { any: [2, -7] }, { except: [2, 3] }, { text: '1' }].map((match) => ({
        key: 'mixed',
        match,
      })),
      { key: 'seen', match: { value: true } },
      ...[{ value: 'a' }, { any: ['a', 'c'] }].map((match) => ({ key: 'tags', match })),
      { key: 'info.tags', match: { value: 'x' } },
      { is_empty: { key: 'year' } },
      { is_empty: { key: 'missing' } },
      { has_id: [1, 2, 150] },
    ];
    const source = open();
    for (const condition of conditions) {
      for (const filter of [{ must: condition }, { must_not: [condition] }]) {
        assert.deepEqual(await heads(source, filter), passing(filter), JSON.stringify(filter));
      }
    }
    // Each of these is a command of its own.
    for (const must of conditions.slice(0, 6)) assert.deepEqual(await found({ must }), passing({ must }));
    const all = {
      min_should: { conditions: conditions.slice(0, 5), min_count: 2 },
      should: conditions.slice(7, 12),
      must_not: conditions[14],
    };
    assert.deepEqual(await found(all), passing(all));
  });

  it('refuses what its rows do not let Milvus express, naming key and rows', async () => {
    const rows = (test: (payload: Json) => boolean) => payloads.filter(({ payload }) => test(payload)).length;
    const lists = rows(({ tags }) => Array.isArray(tags));
    const objects = rows(({ place }) => typeof place === 'object');
    for (const [condition, said] of [
      [{ key: 'tags', range: { gt: 1 } }, new RegExp(`"tags".*arrays and objects, and ${lists} of the ${COUNT} rows`)],
      [{ key: 'tags', match: { except: ['a'] } }, /"tags"/],
      [{ is_empty: { key: 'tags' } }, /"tags"/],
      [{ key: 'place', match: { text: 'o' } }, new RegExp(`"place".* ${objects} of the ${COUNT} rows`)],
      [{ key: 'info.tags', range: { gt: 1 } }, /"info\.tags"/],
      [{ key: 'year', values_count: { gt: 1 } }, /values_count.*"year"/],
      [{ is_null: { key: 'year' } }, /is_null.*"year"/],
      [{ key: 'word', range: { gt: '2020-01-01' } }, /dates.*"word"/],
    ] as const) {
      const { json } = await fails(1, /UNSUPPORTED/, searched({ must: condition }), { env });
      assert.match(json.error.message, said);
    }
  });

  it('lets the rows through that the oracle does, under random filters, in every kind of call', async () => {
    const source = open();
    const paths = ['year', 'rating', 'word', 'mixed', 'info.pages', 'missing'];
    let [said, refused, through] = [0, 0, 0];
    for (let tries = 0; said < 60; tries++) {
      assert.ok(tries < 5000, `${said} of ${tries} filters could be said`);
      const filter = randomFilter(random, { ids, paths, flat: true, words: WORDS }, 1);
      const node = parseFilter(filter);
      let count: number;
      try {
        count = await source.count!({ filter: node });
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'UNSUPPORTED', String(error));
        refused++;
        continue;
      }
      const wanted = passing(filter);
      assert.equal(count, wanted.length, JSON.stringify(filter));
      assert.deepEqual(await heads(source, filter), wanted, JSON.stringify(filter));
      said++;
      through += wanted.length / COUNT;
    }
    assert.ok(
      refused > 0 && through / said > 0.1 && through / said < 0.95,
      `${refused} refused, ${through / said} through`,
    );
  });

  it('is asked once for a key, and again when its rows may be others', async () => {
    const collection_name = `asked_${process.pid}`;
    const fields = ['head', 'full'].map((name) => ({ name, data_type: DataType.FloatVector, dim: 2 }));
    const key = { name: 'id', data_type: DataType.Int64, is_primary_key: true };
    await client.createCollection({ collection_name, fields: [key, ...fields], enable_dynamic_field: true });
    const counts: string[] = [];
    try {
      for (const { name } of fields) {
        await client.createIndex({ collection_name, field_name: name, index_type: 'FLAT', metric_type: 'L2' });
      }
      await client.insert({ collection_name, data: [{ id: 1, head: [1, 0], full: [1, 0], n: 5, own: true }] });
      await client.insert({ collection_name, data: [{ id: 2, head: [1, 0], full: [1, 0], n: [7], own: false }] });
      await client.loadCollectionSync({ collection_name });
      const spied = Object.create(client, {
        query: {
          value: (request: { filter: string }) => {
            counts.push(request.filter);
            return client.query(request as never);
          },
        },
      }) as MilvusClient;
      const open = (options: object) =>
        milvusSource(spied, {
          ...{ collection: collection_name, head: 'head', full: 'full', consistency: ConsistencyLevelEnum.Strong },
          ...options,
        });
      const ask = (options: object) => {
        const source = open(options);
        return async () => {
          const filter = parseFilter({ must: { key: 'n', range: { gt: 3 } } });
          const { candidates } = await source.head({ vector: Float32Array.of(1, 0), candidates: 9, filter });
          return Array.from(candidates.ids!);
        };
      };
      await rejects(ask({ scalars: 'ask' })(), 'UNSUPPORTED', /1 of the 2 rows with the key/);
      await rejects(ask({})(), 'UNSUPPORTED', /scalars: 'ask'/);
      // Rows that the source's own filter leaves out have no say.
      const own = ask({ scalars: 'ask', nativeFilter: 'own == true' });
      counts.length = 0;
      assert.deepEqual([await own(), await own()], [['1'], ['1']]);
      assert.equal(counts.length, 2);
      await client.delete({ collection_name, ids: [2] });
      assert.deepEqual(await ask({ scalars: 'ask' })(), ['1']);
      assert.throws(() => open({ scalars: 'yes' }), { code: 'BAD_ARGUMENT', message: /scalars.*"yes"/ });
    } finally {
      await client.dropCollection({ collection_name });
    }
  });
});
