/** Filters mean what they mean to Qdrant's own engine; both of its interfaces get them whole. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { selectPayload } from '#dist/query/payload.js';
import { toQdrantFilter, toQdrantGrpcFilter } from '#dist/sources/qdrant/filter.js';
import { checkParts } from '#dist/sources/qdrant/grpc-check.js';
import { KnownConditions } from '#dist/sources/qdrant/since.js';
import { Random, SEED } from '../random.js';
import { isAtLeast, startQdrant } from '../sources/servers.js';
import { filterCount, type Json, randomFilter, randomPayload } from './generate.js';
import { isLater, readsOtherwise } from './versions.js';

const POINTS = 300;
const FILTERS = filterCount(2000);
const collection = `filtered_${process.pid}`;

/** Filters at the edges of what the random ones reach. */
const EDGES: Json[] = [
  {},
  { should: [] },
  { must: [{}] },
  { must_not: [{}] },
  { must_not: [{ should: [] }] },
  { must_not: [{ has_id: [] }] },
  { must: [{ has_id: [] }] },
  { min_should: { conditions: [], min_count: 3 } },
  { min_should: { conditions: [{ has_id: [1] }], min_count: 0 } },
  { min_should: { conditions: [{ has_id: [1] }], min_count: 2 } },
  { must: { key: 'tag', match: { any: [] } } },
  { must_not: { key: 'tag', match: { any: [] } } },
  { must: { key: 'tag', match: { except: [] } } },
  { must: { key: 'n', range: {} } },
  { must: { key: 'n', range: { gt: null, gte: 1.5 } } },
  { must: { key: 'list', values_count: {} } },
  { must: { key: 'missing', values_count: { lt: 1 } } },
  { must: { nested: { key: 'rows', filter: {} } } },
  { must: { nested: { key: 'rows', filter: { min_should: { conditions: [], min_count: 0 } } } } },
  { must: { nested: { key: 'rows', filter: { min_should: { conditions: [], min_count: 1 } } } } },
  { must: { nested: { key: 'rows', filter: { must: { min_should: { conditions: [], min_count: 1 } } } } } },
  ...[{ should: [] }, { must: { should: [] } }, { must: [{ should: [{ should: [] }] }] }, { must: [] }].map(
    (filter) => ({
      must: { nested: { key: 'rows', filter } },
    }),
  ),
  { must_not: { should: [{ min_should: { conditions: [], min_count: 1 } }] } },
  { must: { nested: { key: 'rows', filter: { must: { has_id: [1, 2, 3] } } } } },
  { must: { nested: { key: 'rows', filter: { must_not: { has_id: [1, 2, 3] } } } } },
  {
    should: [{ should: [{ has_id: [1] }, { has_id: [2] }] }, { should: [{ has_id: [3] }] }],
    must_not: { has_id: [2] },
  },
  { must: [{ should: { has_id: [1, 2] } }, { should: { has_id: [2, 3] } }], should: { has_id: [2, 9] } },
  { must: { nested: { key: 'rows', filter: { must: { slice: { total: 1, index: 0 } } } } } },
  { must: { nested: { key: 'rows', filter: { must_not: { slice: { total: 2, index: 0 } } } } } },
];

describe('filters for Qdrant', () => {
  const ids = (...has_id: Json[]) => parseFilter({ must: { has_id } });

  test('have ids that Qdrant has, exactly', () => {
    const uuid = '00000000-0000-4000-8000-000000000000';
    assert.deepEqual(toQdrantFilter(ids(0, 5n, uuid)), { must: [{ has_id: [0, 5, uuid] }] });
    const big = 2n ** 64n - 1n;
    assert.throws(() => toQdrantFilter(ids(big)), { code: 'BAD_ID', message: /gRPC/ });
    assert.match(inspect(toQdrantGrpcFilter(ids(big)), { depth: null }), /case: 'num', value: 18446744073709551615n/);
    for (const id of [-1, -1n, 2n ** 64n, '5', 'film', '']) {
      assert.throws(() => toQdrantFilter(ids(id)), { code: 'BAD_ID', message: /unsigned integer or a UUID/ });
      assert.throws(() => toQdrantGrpcFilter(ids(id)), { code: 'BAD_ID' });
    }
  });

  test('have no min_should of 0, which 1.19 refuses, nor one of nothing, which is true to 1.18', () => {
    const some = { is_null: { key: 'a' } };
    const minimum = (min_count: number, ...conditions: Json[]) => ({ min_should: { conditions, min_count } });
    assert.deepEqual(toQdrantFilter(parseFilter(minimum(0, some))), {});
    assert.deepEqual(toQdrantFilter(parseFilter({ must_not: minimum(0) })), { must_not: [{}] });
    for (const filter of [minimum(1), { must: minimum(2) }, { should: [minimum(1)] }]) {
      assert.deepEqual(toQdrantFilter(parseFilter(filter)), { must: [{ has_id: [] }] });
      assert.deepEqual(toQdrantGrpcFilter(parseFilter(filter)), {
        must: [{ conditionOneOf: { case: 'hasId', value: { hasId: [] } } }],
      });
    }
  });

  test('say of values_count that a missing key has none, to servers of either kind', () => {
    const count = { key: 'a', values_count: { lt: 2 } };
    assert.deepEqual(toQdrantFilter(parseFilter({ must: count })), { should: [count, { is_empty: { key: 'a' } }] });
    const more = { must: [{ key: 'a', values_count: { gte: 1 } }] };
    assert.deepEqual(toQdrantFilter(parseFilter(more)), more);
  });

  test('are as deep as the caller wrote them', () => {
    const filter = {
      must: [{ is_null: { key: '"ü.x".a-b' } }],
      should: [{ is_empty: { key: 'rows[].n' } }, { must: [{ is_null: { key: 'a' } }, { is_null: { key: 'b' } }] }],
      must_not: [{ nested: { key: 'rows', filter: { must: [{ is_null: { key: 'c' } }] } } }],
      min_should: { conditions: [{ is_null: { key: 'd' } }], min_count: 1 },
    };
    assert.deepEqual(toQdrantFilter(parseFilter(filter)), filter);
  });
});

describe('filters and the engine of Qdrant', () => {
  const random = new Random(SEED);
  const payloads = Array.from({ length: POINTS }, () => randomPayload(random));
  const ids = payloads.map((_, i) => (i < POINTS - 5 ? i : `00000000-0000-4000-8000-00000000000${i % 10}`));
  /** Those that the server knows. */
  let filters: Json[];

  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  let grpc: GrpcClient;
  before(async () => {
    server = await startQdrant();
    const older = !isAtLeast(server.version, 1, 19);
    filters = EDGES.filter((filter) => !older || !isLater(filter));
    while (filters.length < FILTERS) filters.push(randomFilter(random, { ids: [...ids, 999], older }));
    rest = new QdrantClient({
      url: server.url,
      checkCompatibility: false,
      headers: { 'accept-encoding': 'identity' },
    });
    grpc = new GrpcClient({
      host: server.grpcHost,
      port: server.grpcPort,
      checkCompatibility: false,
      compression: false,
    });
    await rest.createCollection(collection, { vectors: { size: 1, distance: 'Dot' } });
    const points = ids.map((id, i) => ({ id, vector: [1], payload: payloads[i] }));
    await rest.upsert(collection, { wait: true, points });
  });
  after(async () => {
    await rest.deleteCollection(collection);
    await server.stop();
  });

  const ours = (filter: Json) => {
    const passes = compileFilter(parseFilter(filter));
    return ids.filter((id, i) => passes(id, payloads[i])).sort();
  };
  const overRest = async (filter: Json) => {
    const { points } = await rest.scroll(collection, { filter, limit: POINTS, with_payload: false });
    return points.map(({ id }) => id as string | number).sort();
  };
  const overGrpc = async (filter: Json) => {
    await checkParts(filter, undefined);
    const withPayload = { selectorOptions: { case: 'enable' as const, value: false } };
    const limit = POINTS;
    const { result } = await grpc.api('points').scroll({ collectionName: collection, filter, limit, withPayload });
    return result.map(({ id }) => {
      const { value } = id!.pointIdOptions;
      return typeof value === 'bigint' ? Number(value) : value!;
    });
  };

  test('agree on filters as the user wrote them', async () => {
    let passed = 0;
    let otherwise = 0;
    for (const filter of filters) {
      const found = ours(filter);
      passed += found.length;
      const other = readsOtherwise(filter, server.version);
      if (other) otherwise++;
      const asked = other ? toQdrantFilter(parseFilter(filter)) : filter;
      assert.deepEqual(found, await overRest(asked), JSON.stringify(filter));
    }
    assert.ok(otherwise < filters.length / 3, `${otherwise} of ${filters.length} filters mean something else here`);
    const share = passed / filters.length / POINTS;
    assert.ok(share > 0.2 && share < 0.8, `the filters pass ${share} of the points, which tests little`);
  });

  test('agree on what is made of them for REST and for gRPC', async () => {
    for (const filter of filters.slice(0, FILTERS / 4)) {
      const node = parseFilter(filter);
      const found = ours(filter);
      assert.deepEqual(await overRest(toQdrantFilter(node)), found, JSON.stringify(filter));
      const conditions = new KnownConditions({ check: checkParts, version: async () => server.version }, 'Qdrant');
      try {
        await conditions.check(node, toQdrantGrpcFilter, AbortSignal.timeout(60_000));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'UNSUPPORTED');
        assert.ok(isLater(filter), JSON.stringify(filter));
        continue;
      }
      assert.deepEqual((await overGrpc(toQdrantGrpcFilter(node))).sort(), found, JSON.stringify(filter));
    }
  });

  test('refuse the same', async () => {
    const bad: Json[] = [
      ...[1.5, null, [1], {}].map((value) => ({ must: { key: 'n', match: { value } } })),
      ...[[1, 'a'], [1.5], [true], 'red'].map((any) => ({ must: { key: 'n', match: { any } } })),
      ...[[1, 'a'], [null]].map((except) => ({ must: { key: 'n', match: { except } } })),
      { must: { key: 'n', range: { gt: 1, lt: '2020-01-01' } } },
      { must: { key: 'n', range: { gt: '2020' } } },
      { must: { key: 'n', range: { gt: true } } },
      { must: { key: 'n', values_count: { gt: -1 } } },
      { must: { key: 'n', values_count: { gt: 1.5 } } },
      { must: { key: 'n' } },
      { must: { key: 'n', match: {} } },
      ...['', 'a.', '.a', 'a[', 'a]', '[]', 'a[]b', 'a..b', '"a'].map((key) => ({ must: { is_empty: { key } } })),
      { mustNot: [] },
      { must: [{ mustNot: [] }] },
      { must: ['red'] },
      { min_should: { conditions: [] } },
      ...[5, null, ['x']]
        .flatMap((text) => [{ text_any: text }, { phrase: text }])
        .map((match) => ({ must: { key: 'n', match } })),
      ...[
        { geo_radius: { center: { lon: 181, lat: 0 }, radius: 1 } },
        { geo_radius: { center: { lon: 0, lat: 0 } } },
        { geo_radius: { center: { lon: 0, lat: 0 }, radius: 'x' } },
        { geo_bounding_box: { top_left: { lon: 0, lat: -90.5 }, bottom_right: { lon: 0, lat: 0 } } },
        { geo_bounding_box: { top_left: { lon: 0 }, bottom_right: { lon: 0, lat: 0 } } },
        { geo_polygon: { exterior: ring(0, 1, 2) } },
        { geo_polygon: { exterior: ring(0, 1, 2, 3) } },
        { geo_polygon: { exterior: ring(0, 1, 2, 0), interiors: [ring(0, 1, 0)] } },
        { geo_polygon: { interiors: [] } },
      ].map((area) => ({ must: { key: 'where', ...area } })),
      ...[
        { total: 0, index: 0 },
        { total: 2, index: 2 },
        { total: 2, index: -1 },
        { total: 2 },
        { total: 2 ** 32, index: 0 },
      ].map((slice) => ({ must: [{ slice }] })),
    ];
    for (const filter of bad) {
      assert.throws(() => parseFilter(filter), { code: 'BAD_ARGUMENT' }, JSON.stringify(filter));
      await assert.rejects(rest.scroll(collection, { filter }), JSON.stringify(filter));
    }
  });

  test('dates in all forms that the engine reads', async () => {
    const forms = [
      ...['2020-01-01', ' 2020-1-1', '2020-01-01T00:00', '2020-01-01 00:00:00', '2020-01-01t00:00:00z'],
      ...['2020-01-01 00:00:00 UTC', '2020-01-01T02:00:00+02:00', '2020-01-01T02:00:00+0200', '2020-01-01T02:00:00+02'],
      ...['2019-12-31T19:00:00.000-05:00', '2020-01-01 00:00:00.000000 Z', '2020-01-01T00:00:00.000000999Z'],
      ...['2020-02-30', '2020-13-01', '2020-01-01 ', '2020-01-01T24:00:00Z', '2020-01-01T00:00Z', '20200101', '2020'],
      ...['2020-01-01T00:00:00.', '2020-01-01T00', '2020/01/01', '2020-01-01T00:00:00+24:00', 'today', '02020-01-01'],
    ];
    const first = 10_000;
    await rest.upsert(collection, {
      wait: true,
      points: forms.map((when, i) => ({ id: first + i, vector: [1], payload: { when } })),
    });
    try {
      const range = { gte: '2020-01-01', lt: '2020-01-01T00:00:00.000001Z' };
      const mine = { must: [{ key: 'when', range }, { has_id: forms.map((_, i) => first + i) }] };
      const passes = compileFilter(parseFilter(mine));
      const found = forms.filter((when, i) => passes(first + i, { when }));
      assert.deepEqual(found, forms.slice(0, 12));
      assert.deepEqual(
        await overRest(mine),
        found.map((_, i) => first + i),
      );
    } finally {
      await rest.delete(collection, { wait: true, points: forms.map((_, i) => first + i) });
    }
  });

  test('the same part of a payload is selected', async () => {
    const lists = [
      ...[['n'], ['deep.n'], ['deep.rows[].n'], ['rows[].tag', 'rows[].list[]'], ['rows.n'], ['rows[]'], ['list[]']],
      ...[[], ['missing'], ['deep', 'deep.n'], ['"a.b"', '"ü ß"'], ['__proto__', 'constructor.name'], ['n[]', 'rows']],
    ];
    const selectors = [true, false, ...lists, ...lists.flatMap((list) => [{ include: list }, { exclude: list }])];
    for (const selector of selectors) {
      const { points } = await rest.scroll(collection, { limit: POINTS, with_payload: selector as string[] });
      for (const { id, payload } of points) {
        const whole = payloads[ids.indexOf(id as number)];
        const before = JSON.stringify(whole);
        const part = selectPayload(whole, selector);
        // The client decodes with JSON.parse, too: "__proto__" is a key like any other.
        assert.equal(sorted(part), sorted(payload ?? undefined), `${JSON.stringify(selector)} of ${before}`);
        assert.equal(JSON.stringify(whole), before);
      }
    }
  });
});

/** Through some of four places. */
function ring(...at: number[]): Json {
  const places = [
    { lon: 0, lat: 0 },
    { lon: 0, lat: 5 },
    { lon: 5, lat: 5 },
    { lon: 5, lat: 0 },
  ];
  return { points: at.map((i) => places[i]) };
}

/** The engine answers with keys in its own order. */
function sorted(value: Json): string {
  return JSON.stringify(value, (_key, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))
      : part,
  );
}
