/** Groups over the embedded index: order, pages, keys of every kind, large numbers; and examples that are looked up. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch, type HitGroup } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { compareKeys } from '#dist/query/groups.js';
import { Random, SEED } from '../random.js';

const DIM = 16;

async function indexOf(payloads: readonly Record<string, unknown>[], metric: 'dot' | 'euclid' = 'dot') {
  const random = new Random(SEED);
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric });
  await index.upsert(payloads.map((payload, id) => ({ id, vector: random.vector(DIM), payload })));
  return index;
}

const many = (count: number, payloadOf: (i: number) => Record<string, unknown>) =>
  Array.from({ length: count }, (_, i) => payloadOf(i));

describe('groups over a source', () => {
  for (const metric of ['dot', 'euclid'] as const) {
    it(`of pools that approximate are ordered by their best hits on each page, and pages are of one list, under ${metric}`, async () => {
      const random = new Random(SEED + 1);
      const index = await indexOf(
        many(1500, (i) => ({ group: i % 3 === 0 ? `g${i % 300}` : i % 300 })),
        metric,
      );
      const search = new FunnelSearch({ source: embeddedSource(index, { head: 2 }) });
      const sign = metric === 'euclid' ? 1 : -1;
      let filled = 0;
      for (let round = 0; round < 4; round++) {
        const request = {
          vector: random.vector(DIM),
          mode: 'funnel',
          groupBy: 'group',
          groupSize: 4,
          maxDepth: 300,
        } as const;
        const pages: HitGroup[] = [];
        for (let offset = 0; offset < 40; offset += 10) {
          const { groups } = await search.queryGroups({ ...request, limit: 10, offset });
          pages.push(...groups);
        }
        pages.forEach(({ id, hits }, g) => {
          assert.equal(new Set(hits.map((hit) => hit.id)).size, hits.length);
          if (hits.length === 4) filled++;
          hits.forEach((hit, h) => void assert.ok(h === 0 || sign * (hit.score - hits[h - 1]!.score) >= 0));
          if (g % 10 === 0) return; // a page is in order; which groups it has, the pool says
          const before = pages[g - 1]!;
          const apart = sign * (hits[0]!.score - before.hits[0]!.score);
          assert.ok(apart > 0 || (apart === 0 && compareKeys(before.id, id) < 0), `round ${round}, group ${g}`);
        });
        const whole = await search.queryGroups({ ...request, limit: 40, offset: 0 });
        const sorted = (groups: readonly HitGroup[]) =>
          groups.map(({ id, hits }) => `${typeof id} ${id}: ${hits.map((hit) => hit.id)}`).sort();
        assert.deepEqual(sorted(pages), sorted(whole.groups));
        const more = new Set(sorted((await search.queryGroups({ ...request, limit: 80 })).groups));
        assert.ok(sorted(pages).every((group) => more.has(group)));
      }
      assert.ok(filled > 100, `${filled} groups were filled`);
      await index.close();
    });
  }

  it('pages are as deep as 1000 rows or maxDepth, whatever the limit', async () => {
    const index = await indexOf(many(40, (i) => ({ group: i })));
    const search = new FunnelSearch({ source: embeddedSource(index, { head: 2 }) });
    const request = { vector: new Random(1).vector(DIM), mode: 'funnel', groupBy: 'group' } as const;
    for (const limit of [1, 500, 1000]) {
      const { stats } = await search.queryGroups({ ...request, limit, offset: 0 });
      assert.equal(stats.groups.maxDepth, 1000);
    }
    await assert.rejects(search.queryGroups({ ...request, limit: 500, offset: 501 }), {
      code: 'TOO_DEEP',
      message: /maxDepth: 1001 or more, the same for every page/,
    });
    assert.deepEqual((await search.queryGroups({ ...request, limit: 500, offset: 501, maxDepth: 1001 })).groups, []);
    await index.close();
  });

  it('keys beyond what numbers hold leave the others exact; 5 and 5n are one group', async () => {
    const index = await indexOf(
      many(3000, (i) => ({ group: i % 10 === 0 ? 2n ** 60n : i % 10 === 1 ? 5n : i % 10 === 2 ? 5 : `${i % 400}` })),
    );
    const vector = new Random(3).vector(DIM);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const { groups, stats } = await search.queryGroups({ vector, groupBy: 'group', limit: 40, groupSize: 6 });
    const { hits } = await search.query({ vector, mode: 'exact', limit: 3000 });
    const keyOf = (id: number) => (id % 10 === 0 ? 2n ** 60n : id % 10 < 3 ? 5 : `${id % 400}`);
    const want = new Map<unknown, unknown[]>();
    for (const { id } of hits) want.set(keyOf(Number(id)), [...(want.get(keyOf(Number(id))) ?? []), id]);
    assert.deepEqual(
      groups.map(({ id }) => id),
      [...want.keys()].slice(0, 40),
    );
    assert.ok(groups.some(({ id }) => id === 2n ** 60n) && groups.some(({ id }) => id === 5));
    for (const { id, hits: some } of groups) {
      const all = want.get(id)!.slice(0, 6);
      const got = some.map((hit) => hit.id);
      if (id !== 2n ** 60n || stats.groups.complete) assert.deepEqual(got, all);
      else assert.deepEqual(got, all.slice(0, got.length));
    }
    await index.close();
  });

  it('thousands of small groups take few pools', async () => {
    const index = await indexOf(many(20_000, (i) => ({ group: i })));
    const vector = new Random(4).vector(DIM);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const { groups, stats } = await search.queryGroups({ vector, groupBy: 'group', limit: 10, offset: 4000 });
    const { hits } = await search.query({ vector, mode: 'exact', limit: 10, offset: 4000, maxDepth: 4010 });
    assert.deepEqual(
      groups.map(({ id }) => id),
      hits.map(({ id }) => id),
    );
    assert.ok(stats.groups.complete);
    assert.ok(stats.groups.pools <= 25, `${stats.groups.pools} pools`);
    await index.close();
  });

  it('the largest sizes, limits and depths are legal', async () => {
    const index = await indexOf(many(60, (i) => ({ group: i % 7 })));
    const vector = new Random(5).vector(DIM);
    for (const head of [undefined, 2]) {
      const search = new FunnelSearch({ source: embeddedSource(index, head === undefined ? {} : { head }) });
      const limit = 0xffff_ffff;
      for (const mode of ['funnel', 'exact'] as const) {
        for (const some of [{ groupSize: 2e9 }, { groupSize: limit, limit }, { maxDepth: limit }]) {
          const { groups } = await search.queryGroups({ vector, groupBy: 'group', groupSize: 60, mode, ...some });
          assert.equal(groups.length, 7);
          if ('groupSize' in some) assert.equal(groups.flatMap(({ hits }) => hits).length, 60);
        }
        assert.equal((await search.query({ vector, limit, mode })).hits.length, 60);
        assert.equal((await search.query({ vector, maxDepth: limit, mode })).hits.length, 10);
      }
      const { hits } = await search.recommend({ positive: [1], strategy: 'best_score', limit });
      assert.equal(hits.length, 59);
    }
    await index.close();
  });

  it('points that lookupFrom names are hits, of the collection that is searched too', async () => {
    const index = await indexOf(
      many(60, (i) => ({ group: i % 7 })),
      'euclid',
    );
    const source = embeddedSource(index);
    const search = new FunnelSearch({ source });
    for (const strategy of ['average_vector', 'best_score'] as const) {
      const ids = async (more: object) => {
        const request = { positive: [3], strategy, mode: 'exact', limit: 60, ...more } as const;
        return (await search.recommend(request)).hits.map(({ id }) => id);
      };
      assert.ok(!(await ids({})).includes(3));
      for (const lookupFrom of [source, { source }, embeddedSource(index)]) {
        assert.ok((await ids({ lookupFrom })).includes(3), strategy);
      }
    }
    await index.close();
  });
});
