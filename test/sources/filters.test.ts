/** Filters and parameters never lose a part on their way to the server, and standing ones cannot be left. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { rejects } from '#dist/conformance/failures.js';
import { builtIn, checkParts } from '#dist/sources/qdrant/grpc-check.js';

describe('filters over gRPC', () => {
  const field = { key: 'n', range: { lt: 10 } };
  const condition = { conditionOneOf: { case: 'field', value: field } };
  const within = (filter: object) => ({ must: [{ conditionOneOf: { case: 'filter', value: filter } }] });
  const bad: [object, RegExp][] = [
    [{ must_not: [condition] }, /"mustNot" for nativeFilter but.*"must_not"/],
    [{ musts: [condition] }, /"must", "mustNot".*"musts"|"mustNot".*"musts"/],
    [{ must: condition }, /array for nativeFilter\.must/],
    [{ must: [field] }, /conditionOneOf.*nativeFilter\.must\[0\].*"key"/],
    [{ must: [{}] }, /conditionOneOf.*nativeFilter\.must\[0\]/],
    [{ must: [{ conditionOneOf: {} }] }, /conditionOneOf.*must\[0\]/],
    [{ must: [{ conditionOneOf: { case: 'is_empty', value: { key: 'n' } } }] }, /"isEmpty".*"is_empty"/],
    [within({ min_should: {} }), /"minShould".*must\[0\]\.conditionOneOf\.value.*"min_should"/],
    [{ minShould: { conditions: [field], minCount: 1n } }, /minShould\.conditions\[0\]/],
    [{ minShould: { conditions: [condition], min_count: 1n } }, /"minCount"/],
  ];
  const good = [
    {},
    { must: [condition], should: [], mustNot: [condition], minShould: { conditions: [condition], minCount: 1n } },
    within({ must: [condition] }),
    // As the library makes it.
    { $typeName: 'qdrant.Filter', must: [{ $typeName: 'qdrant.Condition', ...condition }], should: [], mustNot: [] },
  ];

  test('are refused where the client would drop a part of them, and otherwise let through', async () => {
    for (const shapes of [undefined, builtIn()]) {
      for (const [filter, said] of bad) await rejects(checkParts(filter, undefined, shapes), 'BAD_ARGUMENT', said);
      for (const filter of good) await checkParts(filter, undefined, shapes);
      await rejects(checkParts(undefined, { hnsw_ef: 256 }, shapes), 'BAD_ARGUMENT', /"hnswEf" for params.*"hnsw_ef"/);
      await checkParts(undefined, { hnswEf: 256n, exact: true, indexedOnly: false }, shapes);
      await rejects(checkParts('n < 10', undefined, shapes), 'BAD_ARGUMENT', /an object/);
    }
    // Further down only the client's own descriptors know.
    const match = { must: [{ conditionOneOf: { case: 'field', value: { key: 'n', match: { value: 1 } } } }] };
    await rejects(checkParts(match, undefined), 'BAD_ARGUMENT', /matchValue.*"value"/);
  });

  test('are checked before any request, the one of the source too', async () => {
    let calls = 0;
    const call = async () => {
      calls++;
      return {};
    };
    const client = { api: () => ({ get: call, scroll: call, query: call }) };
    const names = { collection: 'films', head: 'head', full: 'full' };
    const vector = Float32Array.of(1, 0);
    const nativeFilter = { must_not: [condition] };
    const source = qdrantSource(client, names);
    await rejects(source.head({ vector, candidates: 3, nativeFilter }), 'BAD_ARGUMENT', /must_not/);
    await rejects(source.full({ vector, limit: 3, nativeFilter }), 'BAD_ARGUMENT', /must_not/);
    for (const more of [{ nativeFilter }, { params: { hnsw_ef: 1 } }]) {
      const standing = qdrantSource(client, { ...names, ...more });
      await rejects(standing.head({ vector, candidates: 3 }), 'BAD_ARGUMENT', /must_not|hnsw_ef/);
    }
    assert.equal(calls, 0);
  });
});

describe('Milvus expressions', () => {
  const fields = [
    { name: 'id', dataType: 5, is_primary_key: true },
    ...['head', 'full'].map((name) => ({ name, dataType: 101, dim: 2 })),
  ];
  const sent: unknown[] = [];
  const client = {
    describeCollection: async () => ({ schema: { fields } }),
    describeIndex: async () => ({}),
    async search({ filter }: { filter: unknown }) {
      sent.push(filter);
      return { results: [] };
    },
  };
  const open = (nativeFilter?: unknown) =>
    milvusSource(client, {
      collection: 'films',
      head: 'head',
      full: 'full',
      metric: 'dot',
      nativeFilter: nativeFilter as string,
    });
  const search = (nativeFilter: unknown) =>
    open('tenant == 1').head({ vector: Float32Array.of(1, 0), candidates: 3, nativeFilter });

  test('cannot leave the parentheses around them', async () => {
    const bad = [
      'true) or (tenant == 2',
      '(n < 1',
      'n in [1, 2',
      'n in [1)',
      'j["a] == 1',
      "t == 'x",
      't == "x\\"',
      't == "\\\\" ) or (t == "',
      't == "a\nb") or (true',
      ')',
      5,
    ];
    for (const expression of bad) {
      await rejects(search(expression), 'BAD_ARGUMENT', /nativeFilter/);
      assert.throws(() => open(expression), { code: 'BAD_ARGUMENT' });
    }
    assert.deepEqual(sent, []);
    const good = [
      'n < 1',
      '(a or b) and n in [1, 2]',
      't == ")"',
      "t == 'it\\'s (' or j[\"(\"] == 1",
      't == "\\\\"',
      't like "\'%"',
    ];
    for (const expression of good) await search(expression);
    assert.deepEqual(
      sent,
      good.map((one) => `(tenant == 1) and (${one})`),
    );
  });
});
