/** FunnelSearch over a source in memory: what it asks, what it answers, what it refuses. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  FunnelError,
  FunnelSearch,
  funnel,
  type HeadRequest,
  type Source,
  type SourceInfo,
  tutorialPlan,
} from 'funnelvec';
import { FunnelSearch as WasmFunnelSearch } from 'funnelvec/wasm';
import { Random, SEED } from '../random.js';

const DIM = 768;
const HEAD = 128;

function memorySource(
  count: number,
  info: Partial<SourceInfo> = {},
  fail?: (request: HeadRequest) => Error | undefined,
) {
  const vectors = new Random(SEED).vector(count * DIM);
  const asked: HeadRequest[] = [];
  let running = 0;
  const source: Source & { asked: HeadRequest[]; most: number; infos: number } = {
    name: 'memory',
    asked,
    most: 0,
    infos: 0,
    async info() {
      source.infos++;
      return { headDim: HEAD, dim: DIM, metric: 'cosine', idKind: 'string', ...info };
    },
    async head(request) {
      asked.push(request);
      source.most = Math.max(source.most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      const error = fail?.(request);
      if (error) throw error;
      const n = Math.min(request.candidates, count);
      return {
        candidates: {
          vectors: vectors.slice(0, n * DIM),
          dim: DIM,
          ids: Array.from({ length: n }, (_, i) => `id ${i}`),
          payloads: Array.from({ length: n }, (_, i) => ({ i })),
        },
        headMs: 1,
        decodeMs: 0.5,
      };
    },
    full: async () => ({ ids: [], scores: [], ms: 0 }),
    fetch: async () => assert.fail('nothing to fetch'),
    scan: async () => assert.fail('nothing to scan'),
  };
  return source;
}

const vector = new Random(1).vector(DIM);

describe('FunnelSearch', () => {
  it('ranks the pool as funnel() does, and says what each stage saw', async () => {
    const source = memorySource(500);
    const search = new FunnelSearch({ source, plan: tutorialPlan });
    const { hits, stats } = await search.query({ vector, withPayload: true, nativeFilter: { must: [] }, timeout: 50 });
    const { candidates } = await source.head({ vector, candidates: 128 });
    assert.deepEqual(hits, funnel(candidates, vector, tutorialPlan, { limit: 10 }));
    assert.deepEqual(
      stats.stages.map(({ name, in: from, out }) => [name, from, out]),
      [
        ['head', 128, 128],
        ['decode', 128, 128],
        ['scale 256', 128, 64],
        ['scale 512', 64, 32],
        ['scale 768', 32, 10],
        ['funnel', 128, 10],
      ],
    );
    assert.equal(stats.vectorsFrom, 'hits');
    assert.equal(stats.metric, 'cosine');
    for (const name of ['head', 'decode', 'funnel']) {
      assert.equal(typeof stats.stages.find((stage) => stage.name === name)!.ms, 'number');
    }
    const { nativeFilter, withPayload, timeout, candidates: pool } = source.asked[0]!;
    assert.deepEqual(
      { nativeFilter, withPayload, timeout, pool },
      { nativeFilter: { must: [] }, withPayload: true, timeout: 50, pool: 128 },
    );
  });

  it('returns vectors on demand, and each hit’s own', async () => {
    const source = memorySource(200);
    const { hits } = await new FunnelSearch({ source }).query({ vector, withVector: true });
    const { candidates } = await source.head({ vector, candidates: 128 });
    for (const hit of hits) {
      assert.deepEqual(hit.vector, (candidates.vectors as Float32Array).slice(hit.index * DIM, (hit.index + 1) * DIM));
    }
  });

  it('returns float16 vectors as floats', async () => {
    const source = memorySource(20);
    const { head } = source;
    source.head = async (request) => {
      const answer = await head(request);
      const vectors = new Uint16Array(20 * DIM).fill(0x3800); // 0.5
      return { ...answer, candidates: { ...answer.candidates, vectors } };
    };
    const { hits } = await new FunnelSearch({ source }).query({ vector, withVector: true, limit: 3 });
    for (const hit of hits) assert.deepEqual(hit.vector, new Float32Array(DIM).fill(0.5));
  });

  it('reads the vector before it waits, so that the caller may use it again', async () => {
    const search = new FunnelSearch({ source: memorySource(300) });
    const vectors = [1, 2, 3].map((seed) => new Random(seed).vector(DIM));
    const want = await Promise.all(vectors.map((one) => search.query({ vector: one })));
    const buffer = new Float32Array(DIM);
    const pending = vectors.map((one) => {
      buffer.set(one);
      return search.query({ vector: buffer });
    });
    buffer.fill(0);
    for (const [i, one] of pending.entries()) assert.deepEqual((await one).hits, want[i]!.hits);
  });

  it('fetches a larger pool for a larger limit, where nobody named a pool', async () => {
    const source = memorySource(2000);
    const search = new FunnelSearch({ source });
    for (const [limit, pool] of [
      [10, 128],
      [50, 200],
      [200, 800],
    ] as const) {
      const { hits } = await search.query({ vector, limit });
      assert.equal(hits.length, limit);
      assert.equal(source.asked.at(-1)!.candidates, pool);
    }
  });

  it('takes metric and head from the source, the plan from the request before its own', async () => {
    const source = memorySource(50, { metric: 'euclid' });
    const search = new FunnelSearch({ source, plan: { scales: [256], keep: 1 } });
    const { stats, hits } = await search.query({
      vector,
      plan: { scales: [300, 700], keep: 0.9, candidates: 20 },
      limit: 4,
    });
    assert.equal(stats.metric, 'euclid');
    assert.equal(hits.length, 4);
    assert.equal(source.asked[0]!.candidates, 20);
    assert.ok(stats.stages.some((stage) => stage.name === 'scale 700'));
  });

  it('says when the limit stopped the pruning', async () => {
    const { stats } = await new FunnelSearch({ source: memorySource(12) }).query({ vector, limit: 12 });
    const names = stats.stages.map((stage) => stage.name);
    assert.ok(names.includes('scale 256 (re-orders only)'), names.join());
  });

  it('explains a miss', async () => {
    const search = new FunnelSearch({ source: memorySource(500), plan: tutorialPlan });
    const { hits, explanation } = await search.query({ vector, explain: true });
    assert.deepEqual(explanation!.hits, hits);
    assert.equal(explanation!.find('id 499').outcome, 'not a candidate');
    assert.equal(explanation!.find('id 3').outcome === 'not a candidate', false);
  });

  it('answers a batch as single queries, with a bounded number of head searches at once', async () => {
    const source = memorySource(300);
    const search = new FunnelSearch({ source });
    const requests = Array.from({ length: 30 }, (_, i) => ({ vector: new Random(i).vector(DIM), limit: 1 + (i % 7) }));
    const batch = await search.queryBatch(requests);
    assert.ok(source.most <= 8, `${source.most} at once`);
    for (const [i, request] of requests.entries()) {
      assert.deepEqual(batch[i]!.hits, (await search.query(request)).hits);
    }
    assert.deepEqual(await search.queryBatch([]), []);
  });

  it('names the request of a batch that failed', async () => {
    const source = memorySource(300, {}, ({ nativeFilter }) =>
      nativeFilter === 'bad' ? new FunnelError('REFUSED', 'no such field') : undefined,
    );
    const search = new FunnelSearch({ source });
    const requests = [{ vector }, { vector, nativeFilter: 'bad' }, { vector }];
    await assert.rejects(search.queryBatch(requests), { code: 'REFUSED', message: /^requests\[1\]: no such field/ });
    await assert.rejects(search.queryBatch([{ vector }, { vector: vector.slice(1) }]), {
      code: 'BAD_DIMS',
      message: /^requests\[1\]/,
    });
  });

  it('refuses bad requests before it asks the database', async () => {
    const source = memorySource(10);
    const search = new FunnelSearch({ source });
    const nan = vector.slice();
    nan[700] = Number.NaN;
    const refusals: [object, string, RegExp][] = [
      [{}, 'BAD_ARGUMENT', /vector/],
      [{ vector: vector.slice(0, 128) }, 'BAD_DIMS', /768 dims/],
      [{ vector: nan }, 'NOT_FINITE', /dim 700/],
      [{ vector: new Float32Array(DIM) }, 'ZERO_QUERY', /direction/],
      [{ vector, limit: 0 }, 'BAD_ARGUMENT', /limit/],
      [{ vector, top: 3 }, 'BAD_ARGUMENT', /limit/],
      [{ vector, plan: { scales: [900], keep: 1 } }, 'BAD_PLAN', /1\.\.768/],
      [{ vector, plan: { head: 64, scales: [768], keep: 1 } }, 'BAD_PLAN', /128, the dims of the head/],
      [{ vector, limit: 200, plan: tutorialPlan }, 'BAD_PLAN', /at least limit \(200\)/],
    ];
    for (const [request, code, message] of refusals) {
      await assert.rejects(search.query(request as never), { name: 'FunnelError', code, message });
    }
    assert.equal(source.asked.length, 0);
    source.infos = 0;
    for (const bad of [
      null,
      undefined,
      3,
      { vector, top: 3 },
      { vector: nan },
      { vector, limit: 0 },
      { vector, plan: 3 },
      { vector, withPayload: { includes: ['a'] } },
      { vector, explain: 1 },
    ]) {
      await assert.rejects(search.query(bad as never), { name: 'FunnelError' });
      await assert.rejects(search.queryBatch([bad] as never), { name: 'FunnelError', message: /^requests\[0\]/ });
    }
    assert.equal(source.infos, 0, 'asked about the collection before the request was looked at');
    assert.throws(() => new FunnelSearch({ source, plan: { scales: [2, 1], keep: 1 } }), { code: 'BAD_PLAN' });
    assert.throws(() => new FunnelSearch({} as never), { code: 'BAD_ARGUMENT', message: /qdrantSource/ });
    const without = (given: object) => () => new FunnelSearch({ source: given } as never);
    assert.throws(without({ name: 'x' }), { code: 'BAD_ARGUMENT', message: /without info\(\), head\(\), fetch\(\)$/ });
    assert.throws(without({ ...source, fetch: undefined }), { message: /without fetch\(\)$/ });
    assert.throws(() => new FunnelSearch({ source, mirrr: 1 } as never), { code: 'BAD_ARGUMENT', message: /mirrr/ });
  });

  it('gives the same bits from funnelvec/wasm', async () => {
    const source = memorySource(200);
    const native = await new FunnelSearch({ source }).query({ vector });
    const wasm = await new WasmFunnelSearch({ source }).query({ vector });
    assert.deepEqual(wasm.hits, native.hits);
    assert.equal(wasm.stats.kernels, 'wasm');
  });
});
