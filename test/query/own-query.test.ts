/** Plain searches over an index are answered by its own query, and tell what the steps of all other searches tell. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch } from 'funnelvec';
import type { Source } from 'funnelvec/source';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';

const DIM = 16;
const ROWS = 400;
const FILTER = { must: [{ key: 'n', range: { gte: 100 } }] };

/** Rows that differ; some without a payload. */
async function made(metric: 'cosine' | 'dot' | 'euclid', optimized: boolean): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric });
  await index.upsert(
    Array.from({ length: ROWS }, (_, i) => ({
      id: i,
      vector: vectorOf(i),
      ...(i % 3 !== 0 && { payload: { n: i, deep: { odd: i % 2 } } }),
    })),
  );
  if (optimized) await index.optimize();
  await index.delete([5, 6, 7]);
  return index;
}

function vectorOf(seed: number): Float32Array {
  return Float32Array.from({ length: DIM }, (_, d) => Math.sin(seed * 1.7 + d * (1 + (seed % 7))));
}

/** The same source with a head search that somebody has put around its own. */
function wrapped(source: Source): { source: Source; asked: () => number } {
  let asked = 0;
  const own = Object.create(source) as Source & { head: Source['head'] };
  own.head = (request) => {
    asked++;
    return source.head(request);
  };
  for (const name of ['info', 'fetch', 'full', 'scan', 'idOf', 'count', 'headBatch'] as const) {
    const member = source[name] as ((...args: unknown[]) => unknown) | undefined;
    if (member) Object.defineProperty(own, name, { value: member.bind(source) });
  }
  return { source: own, asked: () => asked };
}

/** Whether a filter's work was known depends on who asked first. */
const withoutTimes = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (key, one) => (key === 'ms' || key === 'cached' ? undefined : one))) as unknown;

describe('the plan of a search', () => {
  it('is a copy that nobody can change, since it was checked once', async () => {
    const index = await made('cosine', false);
    const plan = { scales: [8, DIM], keep: [0.5, { count: 20 }], candidates: 64 };
    const search = new FunnelSearch({ source: embeddedSource(index), plan });
    const before = await search.query({ vector: vectorOf(1) });
    const own = search.plan as typeof plan;
    assert.throws(() => own.scales.push(99), TypeError);
    assert.throws(() => void (own.candidates = 1), TypeError);
    assert.throws(() => void (own.keep[0] = 1), TypeError);
    assert.throws(() => void ((own.keep[1] as { count: number }).count = 1), TypeError);
    plan.scales.push(99);
    (plan.keep[1] as { count: number }).count = 1;
    assert.deepEqual((await search.query({ vector: vectorOf(1) })).hits, before.hits);
    assert.deepEqual((await search.query({ vector: vectorOf(1), plan: search.plan! })).hits, before.hits);
    await index.close();
  });
});

describe('a plain search over an index', () => {
  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    for (const optimized of [true, false]) {
      it(`tells the same by the index's own query, ${metric}, ${optimized ? 'with' : 'without'} codes`, async () => {
        const index = await made(metric, optimized);
        try {
          const source = embeddedSource(index);
          const other = wrapped(source);
          const requests = [
            {},
            { limit: 3 },
            { limit: 1000 },
            { limit: 4, withPayload: true },
            { limit: 4, nativeFilter: { ids: [1, 2, 3] } },
            { limit: 4, scoreThreshold: 0.5 },
            { limit: 4, filter: FILTER, withPayload: true },
            { limit: 4, filter: { must: [{ key: 'n', match: { value: -1 } }] } },
            { limit: 4, filter: { must_not: [{ has_id: [1, 2, 3] }] }, scoreThreshold: 0.1 },
            { limit: 4, timeout: 60_000, signal: new AbortController().signal },
            { limit: 3, offset: 2 },
            { limit: 3, offset: 2, maxDepth: 6, filter: FILTER, scoreThreshold: 0.1, withPayload: true },
            { limit: 4, withPayload: ['deep.odd'] },
            { limit: 5, plan: { scales: [DIM], keep: 1, candidates: 40 } },
            { limit: 5, plan: { scales: [4, DIM], keep: 0.5, candidates: 40 } },
            { limit: 5, mode: 'exact' as const },
            { limit: 5, offset: 2, mode: 'exact' as const, filter: FILTER, withPayload: true, withVector: true },
            { limit: 5, params: { exact: true } },
            { limit: 5, params: { exact: true }, withPayload: true, withVector: true },
            { limit: 5, params: { probes: 3 } },
            { limit: 5, params: {} },
            { limit: 5, offset: 4, params: { probes: 3 } },
            { limit: 5, offset: 40, maxDepth: 45, mode: 'exact' as const },
            { limit: 5, offset: 1, params: { exact: true }, scoreThreshold: 0.3 },
            { limit: 500, mode: 'exact' as const },
            { limit: 3, offset: 5, mode: 'exact' as const, filter: { must: [{ has_id: [1, 2, 3, 4, 5] }] } },
            { limit: 3, offset: 3, filter: { must: [{ has_id: [1, 2, 3, 4, 5] }] }, withPayload: true },
            { limit: 3, offset: 50, filter: { must: [{ has_id: [1, 2, 3, 4] }] }, mode: 'exact' as const },
            { limit: 5, withVector: true },
            { limit: 5, withVector: true, offset: 3, scoreThreshold: 0.1, filter: FILTER, withPayload: ['n'] },
            { limit: 5, explain: true },
          ];
          for (const [i, request] of requests.entries()) {
            const asked = { vector: vectorOf(1000 + i), ...request };
            const mine = await new FunnelSearch({ source }).query(asked);
            const theirs = await new FunnelSearch({ source: other.source }).query(asked);
            assert.deepEqual(withoutTimes(mine), withoutTimes(theirs), JSON.stringify(request));
            assert.deepEqual(mine.hits, theirs.hits);
            const [batch] = await new FunnelSearch({ source }).queryBatch([asked]);
            assert.deepEqual(withoutTimes(batch), withoutTimes(theirs), `batch ${JSON.stringify(request)}`);
            assert.deepEqual(batch!.hits, theirs.hits);
          }
          assert.equal(other.asked(), requests.length, 'a wrapped head search is asked');
          const byExample = [
            { positive: [1, 2], negative: [3], limit: 5 },
            { positive: [1], filter: FILTER, limit: 5, withPayload: true },
            { positive: [1, 2], strategy: 'best_score' as const, limit: 5 },
          ];
          for (const request of byExample) {
            const mine = await new FunnelSearch({ source }).recommend(request);
            const theirs = await new FunnelSearch({ source: other.source }).recommend(request);
            assert.deepEqual(withoutTimes(mine), withoutTimes(theirs), JSON.stringify(request));
          }
          const some = requests.slice(0, 4).map((request, i) => ({ vector: vectorOf(i), ...request }));
          const together = await new FunnelSearch({ source }).queryBatch(some);
          for (const [i, request] of some.entries()) {
            const alone = await new FunnelSearch({ source: other.source }).query(request);
            assert.deepEqual(withoutTimes(together[i]), withoutTimes(alone), `of ${some.length}: ${i}`);
          }
        } finally {
          await index.close();
        }
      });
    }
  }

  it('asks for no head search, whatever the filter, the limits of the call, the threshold or the page', async () => {
    const index = await made('cosine', true);
    const source = embeddedSource(index);
    const type = Object.getPrototypeOf(source) as Source;
    const { head } = type;
    let asked = 0;
    type.head = function (this: Source, request) {
      asked++;
      return head.call(this, request);
    };
    try {
      const search = new FunnelSearch({ source });
      const { signal } = new AbortController();
      for (const request of [
        { filter: FILTER },
        { timeout: 60_000 },
        { signal },
        { scoreThreshold: 0.1 },
        { offset: 2 },
        { mode: 'exact' as const },
        { withVector: true },
        { params: { probes: 2 } },
      ]) {
        assert.ok((await search.query({ vector: vectorOf(1), limit: 3, ...request })).hits.length > 0);
      }
      await search.recommend({ positive: [1, 2], limit: 3 });
      await search.query({ id: 1 });
      assert.equal(asked, 0);
      await search.query({ vector: vectorOf(1), plan: { scales: [4, DIM], keep: 0.5 } });
      assert.equal(asked, 1);
    } finally {
      type.head = head;
      await index.close();
    }
  });

  it('tells the hits that were found, whatever happens to their rows before they are told', async () => {
    for (const request of [
      { mode: 'exact' as const },
      { mode: 'exact' as const, offset: 3, maxDepth: 50 },
      { mode: 'exact' as const, offset: 3, scoreThreshold: -2 },
      { params: { exact: true } },
      {},
      { params: { probes: 2 } },
    ]) {
      const index = await made('cosine', true);
      const search = new FunnelSearch({ source: embeddedSource(index) });
      const asked = { vector: vectorOf(1), limit: 20, ...request };
      const before = await search.query(asked);
      assert.equal(before.hits.length, 20);
      const own = index.query.bind(index);
      index.query = async (query) => {
        const answer = await own(query);
        index.deleteSync(Array.from({ length: ROWS - 8 }, (_, i) => i + 8));
        return answer;
      };
      try {
        const during = await search.query(asked);
        assert.deepEqual(during.hits, before.hits);
        assert.deepEqual(withoutTimes(during.stats), withoutTimes(before.stats));
      } finally {
        await index.close();
      }
    }
  });

  it('counts no rows as hits that went while it searched', async () => {
    for (const request of [
      {},
      { mode: 'exact' as const },
      { params: { probes: 2 } },
      { scoreThreshold: -2 },
      { offset: 2, maxDepth: 50 },
      { offset: 2, maxDepth: 50, mode: 'exact' as const },
    ]) {
      const index = await made('cosine', true);
      const search = new FunnelSearch({ source: embeddedSource(index) });
      const own = index.query.bind(index);
      index.query = async (query) => {
        const { hits, stats } = await own(query);
        return { hits: hits.slice(0, 4), stats };
      };
      const { hits, stats } = await search.query({ vector: vectorOf(1), limit: 20, ...request });
      const first = 'offset' in request ? request.offset! : 0;
      assert.equal(hits.length, 4);
      assert.equal(stats.stages.find(({ name }) => name === 'funnel')!.out, first + 4, JSON.stringify(request));
      for (const { name, in: from } of stats.stages.slice(-1))
        if (name !== 'funnel') assert.equal(from, first + 4, name);
      await index.close();
    }
  });

  it('ranks, and puts together, no more rows than are told', async () => {
    const index = await made('cosine', true);
    const asked: [ranks: number, from: number, to: number][] = [];
    const own = index.query.bind(index);
    index.query = (query) => {
      const { request, offset, end } = query as unknown as { request: { k: number }; offset: number; end: number };
      asked.push([request.k, offset, end]);
      return own(query);
    };
    try {
      const search = new FunnelSearch({ source: embeddedSource(index) });
      for (const request of [
        {},
        { mode: 'exact' as const },
        { params: { exact: true } },
        { params: { probes: 2 } },
        { offset: 20, maxDepth: 50 },
        { offset: 20, maxDepth: 50, mode: 'exact' as const },
        { offset: 20, maxDepth: 50, scoreThreshold: 0 },
      ]) {
        await search.query({ vector: vectorOf(1), limit: 10, ...request });
      }
      const best = [10, 0, 10];
      const page = [50, 20, 30];
      assert.deepEqual(
        asked,
        [best, best, best, best, page, page, [50, 0, 50]],
        'a threshold looks at the pages before',
      );
    } finally {
      await index.close();
    }
  });

  it('obeys the limits of the call', async () => {
    const index = await made('cosine', true);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const vector = vectorOf(1);
    const signal = AbortSignal.abort();
    await assert.rejects(search.query({ vector, signal }), { code: 'ABORTED', message: /the index in memory/ });
    for (const timeout of [0, -1, Number.NaN, null as never]) {
      await assert.rejects(search.query({ vector, timeout }), { code: 'BAD_ARGUMENT', message: /timeout/ });
    }
    const controller = new AbortController();
    const asked = search.query({ vector, signal: controller.signal });
    controller.abort();
    await assert.rejects(asked, { code: 'ABORTED' });
    await index.close();
  });

  it('refuses what the others refuse, as they do', async () => {
    const index = await made('cosine', true);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    await assert.rejects(search.query({ vector: new Float32Array(DIM) }), { code: 'ZERO_QUERY' });
    await assert.rejects(search.query({ vector: new Float32Array(3).fill(1) }), { code: 'BAD_DIMS' });
    const page = { vector: vectorOf(1), offset: 99 };
    const limits = [{ timeout: -1 }, { timeout: Number.POSITIVE_INFINITY }, { signal: AbortSignal.abort() }];
    // Limits first, as where a collection has to be asked; then the page.
    for (const [i, limit] of limits.entries()) {
      await assert.rejects(search.query({ ...page, ...limit }), { code: i < 2 ? 'BAD_ARGUMENT' : 'ABORTED' });
    }
    await assert.rejects(search.query({ ...page, timeout: 60_000 }), { code: 'TOO_DEEP' });
    for (const [params, code] of [
      [{ hnsw_ef: 10 }, 'UNSUPPORTED'],
      [{ nothing: 1 }, 'BAD_ARGUMENT'],
      [{ probes: 0 }, 'BAD_ARGUMENT'],
      [{ exact: 1 }, 'BAD_ARGUMENT'],
    ] as const) {
      const vector = vectorOf(1);
      await assert.rejects(search.query({ vector, params: params as never }), { code, message: /params/ });
      const batch = search.queryBatch([{ vector }, { vector, params: params as never }]);
      await assert.rejects(batch, { code, message: /requests\[1\].*params|params.*requests\[1\]/ });
    }
    await index.close();
    await assert.rejects(search.query({ vector: vectorOf(1) }), { code: 'CLOSED' });
  });
});
