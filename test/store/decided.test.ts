/** Searches over an index that its own scores decide: the same answers as by vectors that are read and scored again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FunnelError, FunnelSearch, type Metric, type SearchRequest } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 32;
const ROWS = 3000;

/** The same source, which does not take `decide`. */
function undecided(source: ReturnType<typeof embeddedSource>) {
  return Object.create(source, { decides: { value: false } }) as typeof source;
}

describe('a search over an index by its own head', () => {
  for (const metric of ['cosine', 'dot', 'euclid'] as const satisfies readonly Metric[]) {
    for (const precision of ['float32', 'float16'] as const) {
      it(`gives the ids, scores and payloads of vectors that are scored again (${metric}, ${precision})`, async () => {
        const random = new Random(SEED);
        const index = await FunnelIndex.create(':memory:', { dim: DIM, metric, precision, autoOptimize: false });
        const vectors = random.vector(ROWS * DIM);
        vectors.copyWithin(DIM, 0, 4 * DIM); // equal rows
        const payloads = Array.from({ length: ROWS }, (_, i) => ({ part: i % 7, name: `row ${i}` }));
        const ids = Array.from({ length: ROWS }, (_, i) => i);
        await index.upsert({
          ids: ids.slice(0, 2500),
          vectors: vectors.slice(0, 2500 * DIM),
          payloads: payloads.slice(0, 2500),
        });
        await index.optimize();
        await index.upsert({
          ids: ids.slice(2500),
          vectors: vectors.slice(2500 * DIM),
          payloads: payloads.slice(2500),
        });
        await index.delete(ids.filter((id) => id % 50 === 49));
        const source = embeddedSource(index);
        const decided = new FunnelSearch({ source });
        const scored = new FunnelSearch({ source: undecided(source) });
        const options: Omit<SearchRequest, 'vector' | 'id'>[] = [
          {},
          { limit: 1 },
          { limit: 25, withPayload: true },
          { limit: 5, withPayload: ['part'], filter: { must: [{ key: 'part', match: { value: 3 } }] } },
          { limit: 5, nativeFilter: { ids: ids.slice(100, 140) } },
          { limit: 5, offset: 5, maxDepth: 20 },
          { limit: 8, mode: 'exact' },
          { limit: 8, scoreThreshold: metric === 'euclid' ? 4 : 0.1 },
          { limit: 8, plan: { candidates: 300, scales: [DIM], keep: { count: 8 } } },
          { limit: 8, withVector: true },
          { limit: 8, explain: true },
          { limit: 8, plan: { candidates: 300, scales: [8, DIM], keep: 0.5 } },
        ];
        for (let i = 0; i < 10; i++) {
          const vector = i === 0 ? vectors.slice(0, DIM) : random.vector(DIM);
          const requests = options.map((one) => ({ vector, ...one }));
          const batch = await decided.queryBatch(requests);
          for (const [r, request] of requests.entries()) {
            const { hits } = await scored.query(request);
            assert.ok(hits.length > 0 || request.scoreThreshold !== undefined);
            assert.deepEqual((await decided.query(request)).hits, hits, JSON.stringify(options[r]));
            assert.deepEqual(batch[r]!.hits, hits);
          }
          const groups = { vector, groupBy: 'part', limit: 4, groupSize: 3 };
          const told = async (search: FunnelSearch) =>
            (await search.queryGroups(groups)).groups.map(({ id, hits }) => [
              id,
              hits.map((hit) => [hit.id, hit.score]),
            ]);
          assert.deepEqual(await told(decided), await told(scored));
        }
        await index.close();
      });
    }
  }

  it('finds in an index with lists what a pool of all its candidates holds', async () => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim: DIM, lists: 64, autoOptimize: false });
    const payloads = Array.from({ length: 2 * ROWS }, (_, i) => ({ part: i % 3 }));
    await index.upsert({ ids: payloads.map((_, i) => i), vectors: random.vector(2 * ROWS * DIM), payloads });
    await index.optimize();
    const source = embeddedSource(index);
    const decided = new FunnelSearch({ source });
    const scored = new FunnelSearch({ source: undecided(source) });
    for (let i = 0; i < 20; i++) {
      const vector = random.vector(DIM);
      for (const filter of [undefined, { must: { key: 'part', match: { value: 1 } } }]) {
        const idsBy = async (search: FunnelSearch) => (await search.query({ vector, filter })).hits.map(({ id }) => id);
        assert.deepEqual(await idsBy(decided), await idsBy(scored));
      }
    }
    await index.close();
  });

  it('names the request of a batch that a failure belongs to, as longer ways do', async () => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert({ ids: [1, 2, 3], vectors: random.vector(3 * DIM) });
    const search = new FunnelSearch({ source: embeddedSource(index), stages: 'server' });
    const plan = { scales: [DIM], keep: 1 };
    const own = { vector: random.vector(DIM), plan };
    for (const requests of [[own], [{ ...own, stages: 'client' as const }, own]]) {
      await assert.rejects(search.queryBatch(requests), ({ code, message }: FunnelError) => {
        assert.equal(code, 'UNSUPPORTED');
        assert.ok(message.startsWith(`requests[${requests.length - 1}]: `), message);
        return true;
      });
    }
    await index.close();
  });

  it('copies no vectors, and asks for them where head scores are other ones', async () => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert({ ids: [1, 2, 3], vectors: random.vector(3 * DIM) });
    const request = { vector: random.vector(DIM), candidates: 3, decide: 2, withPayload: true };
    const answer = await embeddedSource(index).head(request);
    assert.equal(answer.decided, true);
    assert.equal(answer.found, 3);
    assert.equal(answer.candidates.ids!.length, 2);
    assert.equal(answer.candidates.payloads!.length, 2);
    assert.equal(answer.candidates.vectors.length, 0);
    const byPrefix = await embeddedSource(index, { head: 8 }).head(request);
    assert.equal(byPrefix.decided, undefined);
    assert.equal(byPrefix.candidates.vectors.length, 3 * DIM);
    const exact = await embeddedSource(index, { head: 8 }).head({ ...request, mode: 'exact' });
    assert.equal(exact.decided, true);
    await assert.rejects(embeddedSource(index).head({ ...request, decide: 0 }), { code: 'BAD_ARGUMENT' });
    await index.close();
  });
});
