/** Vectors of candidates that are read by the ids of a search's hits: on which servers, and that the answers are the same. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DataType } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch } from 'funnelvec';
import { type MilvusSourceOptions, milvusSource } from 'funnelvec/milvus';
import { random, randomVector } from '#dist/conformance/data.js';
import { refused } from '../refused.js';
import { type Collections, startCollections } from './milvus-collection.js';

const DIM = 4;
const ROWS = [
  { key: '1', title: 'a', tags: ['x'], full: [1, 0, 0, 0] },
  { key: '2', title: 'b', tags: ['y'], full: [0.8, 0.6, 0, 0] },
  { key: '3', title: 'c', tags: ['z'], full: [0.6, 0.8, 0, 0] },
  { key: '4', title: 'd', tags: [], full: [0, 1, 0, 0] },
];
type Row = Omit<(typeof ROWS)[number], 'full'> & { full: number[] | null };

interface Server {
  version?: string | (() => never);
  /** The rows that are left when they are asked for by id. @default all */
  left?: readonly Row[];
}

/** A client whose server has four rows, and what it was asked for. */
function served({ version, left = ROWS }: Server, options: Partial<MilvusSourceOptions> = {}) {
  const asked: { call: string; outputs: string[]; ids?: string[] }[] = [];
  const status = { error_code: 'Success' };
  const parts = (row: Row, outputs: string[]) =>
    structuredClone(Object.fromEntries(outputs.map((name) => [name, row[name as keyof Row]])));
  const client = {
    describeCollection: async () => ({
      status,
      schema: {
        enable_dynamic_field: false,
        fields: [
          { name: 'key', dataType: 5, data_type: 'Int64', is_primary_key: true },
          { name: 'title', dataType: 21, data_type: 'VarChar' },
          { name: 'tags', dataType: 22, data_type: 'Array', element_type: 'VarChar' },
          { name: 'full', dataType: 101, data_type: 'FloatVector', dim: DIM },
        ],
      },
    }),
    describeIndex: async () => {
      const params = [{ key: 'metric_type', value: 'COSINE' }];
      return { status, index_descriptions: [{ field_name: 'full', params }] };
    },
    search: async ({ limit, output_fields, data }: { limit: number; output_fields: string[]; data: number[][] }) => {
      asked.push({ call: 'search', outputs: output_fields });
      const found = ROWS.slice(0, limit).map((row, i) => ({ ...parts(row, output_fields), score: 1 - i / 10 }));
      return { status, results: Array.isArray(data[0]) ? data.map(() => structuredClone(found)) : found };
    },
    query: async ({ filter, output_fields }: { filter: string; output_fields: string[] }) => {
      const ids = /^key in \[(.*)\]$/.exec(filter)![1]!.split(',');
      asked.push({ call: 'query', outputs: output_fields, ids });
      // In an order of its own, as servers answer.
      const rows = left.filter(({ key }) => ids.includes(key)).reverse();
      return { status, data: rows.map((row) => parts(row, output_fields)) };
    },
    getVersion: async () => (typeof version === 'function' ? version() : { status, version }),
  };
  return { asked, source: milvusSource(client, { collection: 'films', ...options } as MilvusSourceOptions) };
}

const vector = Float32Array.of(1, 0.4, 0, 0);

describe('vectors of candidates over Milvus', () => {
  test('are read by id where the server is 2.3, in one call after that for the ids alone', async () => {
    const byIds = served({ version: 'v2.3.5' });
    const withHits = served({ version: 'v2.4.1' });
    const request = { vector, candidates: 3, withPayload: ['title'] };
    const got = await byIds.source.head(request);
    const want = await withHits.source.head(request);
    assert.deepEqual(byIds.asked, [
      { call: 'search', outputs: ['key'] },
      { call: 'query', outputs: ['key', 'full', 'title'], ids: ['1', '2', '3'] },
    ]);
    assert.deepEqual(withHits.asked, [{ call: 'search', outputs: ['key', 'full', 'title'] }]);
    const plain = ({ candidates: { vectors, ids, payloads, headScores } }: typeof got) =>
      structuredClone([vectors, ids, payloads, headScores]);
    assert.deepEqual(plain(got), plain(want));
    assert.deepEqual([got.byIds?.gone, want.byIds, got.lacking, want.lacking], [[], undefined, undefined, undefined]);
  });

  test('come with the hits where no server says that it is 2.3, or the source wants it so', async () => {
    const lost = () => {
      throw new TypeError('no such call');
    };
    for (const version of ['v2.4.0', '2.30.1', 'milvus_lite-3.2.2', 'v12.3.5', '', undefined, lost]) {
      const { asked, source } = served({ version });
      const { stats } = await new FunnelSearch({ source }).query({ vector });
      assert.deepEqual([asked.map(({ call }) => call), stats.vectorsFrom], [['search'], 'hits'], String(version));
    }
    const { asked, source } = served({ version: 'v2.3.5' }, { vectorsFrom: 'hits' });
    await source.head({ vector, candidates: 3 });
    assert.deepEqual(
      asked.map(({ call }) => call),
      ['search'],
    );
    // Nobody wants vectors: there is nothing to read.
    const ids = served({ version: 'v2.3.5' });
    await ids.source.head({ vector, candidates: 3, vectors: false });
    assert.deepEqual(
      ids.asked.map(({ call }) => call),
      ['search'],
    );
  });

  test('tell their way in stats', async () => {
    const { source } = served({}, { vectorsFrom: 'ids' });
    const { hits, stats } = await new FunnelSearch({ source }).query({ vector, withPayload: true });
    assert.deepEqual(
      hits.map(({ id, payload }) => [id, (payload as Row).title]),
      [
        ['2', 'b'],
        ['1', 'a'],
        ['3', 'c'],
        ['4', 'd'],
      ],
    );
    assert.equal(stats.vectorsFrom, 'ids');
    assert.deepEqual(
      stats.stages.slice(0, 3).map(({ name, in: read, out }) => [name, read, out]),
      [
        ['head', 128, 4],
        ['fetch', 4, 4],
        ['decode', 4, 4],
      ],
    );
  });

  test('of rows that were deleted meanwhile are left out, and counted', async () => {
    const { source } = served({ left: ROWS.filter(({ key }) => key !== '2') }, { vectorsFrom: 'ids' });
    const { candidates, byIds } = await source.head({ vector, candidates: 3 });
    assert.deepEqual([candidates.ids, Array.from(candidates.headScores!), byIds?.gone], [['1', '3'], [1, 0.8], ['2']]);
    const { hits, stats } = await new FunnelSearch({ source }).query({ vector });
    assert.deepEqual(
      hits.map(({ id }) => id),
      ['1', '3', '4'],
    );
    assert.deepEqual(
      stats.stages.slice(0, 3).map(({ in: read, out }) => [read, out]),
      [
        [128, 4],
        [4, 3],
        [3, 3],
      ],
    );
  });

  test('of rows that one of several searches for one request lacks are counted once', async () => {
    // Each search of a strategy has its own answer, the second of these more rows.
    const { source } = served({ left: ROWS.filter(({ key }) => key !== '2' && key !== '3') }, { vectorsFrom: 'ids' });
    const searched = source.head.bind(source);
    let candidates = 2;
    const head: typeof source.head = (request) => searched({ ...request, candidates: candidates++ });
    const one = Object.assign(source, { head, headBatch: undefined });
    const strategy = 'best_score' as const;
    const positive = [vector, Float32Array.of(0, 1, 0.2, 0)];
    const { stats } = await new FunnelSearch({ source: one as typeof source }).recommend({ positive, strategy });
    const counts = stats.stages.slice(0, 3).map(({ name, in: read, out }) => [name, read, out]);
    assert.deepEqual(counts, [
      ['head', 128, 3],
      ['fetch', 3, 1],
      ['decode', 1, 1],
    ]);
  });

  test('of rows without one are named, or skipped and counted', async () => {
    const left = ROWS.map((row) => (row.key === '2' ? { ...row, full: null } : row));
    const strict = served({ left }, { vectorsFrom: 'ids' }).source;
    await assert.rejects(strict.head({ vector, candidates: 3 }), refused('BAD_RESPONSE', /id 2.*is null/));
    const skipping = served({ left }, { vectorsFrom: 'ids', missingVectors: 'skip' }).source;
    const { candidates, lacking, byIds } = await skipping.head({ vector, candidates: 3 });
    assert.deepEqual([candidates.ids, lacking, byIds?.gone], [['1', '3'], ['2'], []]);
    assert.deepEqual(Array.from(candidates.headScores!), [1, 0.8]);
    assert.equal((await new FunnelSearch({ source: skipping }).query({ vector })).stats.missingVectors, 1);
  });

  test('of a batch are read at once, and no two answers share a row', async () => {
    const { asked, source } = served({}, { vectorsFrom: 'ids' });
    const requests = [0, 1].map(() => ({ vector, candidates: 3, withPayload: true }));
    const [first, second] = await source.headBatch!(requests);
    assert.deepEqual(
      asked.map(({ call, ids }) => [call, ids]),
      [
        ['search', undefined],
        ['query', ['1', '2', '3']],
      ],
    );
    (first!.candidates.vectors as Float32Array).fill(7);
    (first!.candidates.payloads![0] as Row).tags.push('mine');
    assert.deepEqual(
      Array.from(second!.candidates.vectors as Float32Array).slice(0, 4),
      ROWS[0]!.full.map(Math.fround),
    );
    assert.deepEqual((second!.candidates.payloads![0] as Row).tags, ['x']);
  });

  test('the option is checked', () => {
    for (const vectorsFrom of ['id', true, null]) {
      const make = () => served({}, { vectorsFrom: vectorsFrom as never });
      assert.throws(make, refused('BAD_ARGUMENT', /'auto', 'hits' or 'ids' for vectorsFrom/));
    }
  });
});

describe('a Milvus Lite server, asked both ways', { timeout: 300_000 }, () => {
  let milvus: Collections;
  const collection = `by_ids_${process.pid}`;
  const next = random(83);
  before(async () => {
    milvus = await startCollections();
    const field = (name: string, dim: number) => ({ name, data_type: DataType.FloatVector, dim });
    const fields = [
      { name: 'key', data_type: DataType.Int64, is_primary_key: true },
      { name: 'n', data_type: DataType.Int32 },
    ];
    const data = Array.from({ length: 300 }, (_, n) => {
      const full = Array.from(randomVector(24, next));
      return { key: String(n), n, head: full.slice(0, 8), full };
    });
    await milvus.make(collection, { fields: [...fields, field('head', 8), field('full', 24)], data });
  });
  after(() => milvus?.stop());

  for (const decode of ['fast', 'client'] as const) {
    test(`answers the same bits, single and in batches (decode: ${decode})`, async () => {
      const by = (vectorsFrom: 'hits' | 'ids') =>
        new FunnelSearch({ source: milvus.open(collection, { vectorsFrom, decode }) });
      const queries = Array.from({ length: 6 }, () => randomVector(24, next));
      const filter = { must: [{ key: 'n', range: { lt: 200 } }] };
      for (const more of [
        {},
        { filter, withPayload: true },
        { mode: 'exact' as const, params: { consistency: 'Strong' as const } },
      ]) {
        const requests = queries.map((vector) => ({ vector, withVector: true, ...more }));
        const want = await by('hits').queryBatch(requests);
        const got = await by('ids').queryBatch(requests);
        assert.deepEqual(
          got.map(({ hits }) => hits),
          want.map(({ hits }) => hits),
        );
        assert.deepEqual((await by('ids').query(requests[0]!)).hits, want[0]!.hits);
        assert.deepEqual([got[0]!.stats.vectorsFrom, want[0]!.stats.vectorsFrom], ['ids', 'hits']);
      }
    });
  }
});
