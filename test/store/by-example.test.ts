/** Recommendations and groups of the embedded index, against plain versions over all rows. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FunnelSearch, type Metric } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { naiveAverage, naiveGroups, naiveScore, naiveStrategy } from '#dist/conformance/ranking-oracle.js';
import { Random, SEED } from '../random.js';

const DIM = 16;
const COUNT = 6000;

interface Stored {
  id: number;
  vector: Float32Array;
  payload: Record<string, unknown>;
}

function stored(metric: Metric): Stored[] {
  const random = new Random(SEED + metric.length);
  return Array.from({ length: COUNT }, (_, id) => {
    const common = random.chance(0.97);
    return {
      id,
      vector: random.vector(DIM),
      payload: {
        // One group has nearly all rows; a few rows cannot group; many groups have one row.
        rare: common ? 'common' : random.pick([`rare ${random.int(1, 9)}`, random.int(1, 9), 1.5, true, null]),
        tags: random.chance(0.1)
          ? []
          : Array.from({ length: random.int(1, 3) }, () => random.pick(['a', 'b', 'c', 7, 8, '7'])),
        own: id,
        part: id % 3,
      },
    };
  });
}

for (const metric of ['cosine', 'dot', 'euclid'] as Metric[]) {
  describe(`recommendations and groups of the index, under ${metric}`, () => {
    const all = stored(metric);
    const random = new Random(SEED);
    let index!: FunnelIndex;
    before(async () => {
      index = await FunnelIndex.create(':memory:', { dim: DIM, metric, autoOptimize: false });
      await index.upsert(all);
      await index.optimize();
    });
    after(() => index.close());

    const ranked = (query: ArrayLike<number>, keep: (row: Stored) => boolean = () => true) => {
      const sign = metric === 'euclid' ? 1 : -1;
      return all
        .filter(keep)
        .map(({ id, vector, payload }) => ({ id, payload, score: naiveScore(metric, query, vector) }))
        .sort((a, b) => sign * (a.score - b.score) || a.id - b.id);
    };

    it('groups are those of all rows, for keys that nearly all rows have, and for keys of one row', async () => {
      for (let round = 0; round < 25; round++) {
        const vector = random.vector(DIM);
        const groupBy = random.pick(['rare', 'tags', 'own', 'part']);
        const options = { limit: random.int(1, 12), groupSize: random.int(1, 6), offset: random.int(0, 4) };
        const { groups, stats } = await index.queryGroups({ vector, groupBy, ...options });
        const want = naiveGroups(ranked(vector), groupBy, options);
        assert.deepEqual(
          groups.map(({ id, hits }) => ({ id, hits: hits.map((hit) => hit.id) })),
          want,
          `${groupBy} ${JSON.stringify(options)}`,
        );
        assert.equal(stats.groups.complete, true);
        assert.equal(stats.exact, 'certified');
      }
    });

    it('a filter and a threshold hold for groups', async () => {
      const vector = random.vector(DIM);
      const scoreThreshold = ranked(vector)[400]!.score;
      const filter = { must: [{ key: 'part', match: { value: 1 } }] };
      const { groups } = await index.queryGroups({ vector, groupBy: 'rare', filter, scoreThreshold, groupSize: 500 });
      const better = (score: number) => (metric === 'euclid' ? score < scoreThreshold : score > scoreThreshold);
      const rows = ranked(vector, ({ payload }) => payload['part'] === 1).filter(({ score }) => better(score));
      assert.deepEqual(
        groups.map(({ id, hits }) => ({ id, hits: hits.map((hit) => hit.id) })),
        naiveGroups(rows, 'rare', { groupSize: 500 }),
      );
    });

    it('average_vector with a hundred examples is one query', async () => {
      const examples = all.slice(0, 100);
      let queries = 0;
      const { query } = index;
      index.query = (request) => {
        queries++;
        return query.call(index, request);
      };
      const positive = examples.slice(0, 70).map(({ id }) => id);
      const negative = examples.slice(70).map(({ id }) => id);
      const { hits, stats } = await index.recommend({ positive, negative, mode: 'exact', limit: 20 });
      index.query = query;
      assert.equal(queries, 1);
      const mean = naiveAverage(
        {
          positive: examples.slice(0, 70).map((row) => row.vector),
          negative: examples.slice(70).map((row) => row.vector),
        },
        metric,
      );
      const want = ranked(Float32Array.from(mean), ({ id }) => id >= 100).slice(0, 20);
      hits.forEach((hit, i) => {
        assert.ok(Math.abs(hit.score - want[i]!.score) < 1e-5, `${hit.score} for ${want[i]!.score}`);
      });
      assert.equal(stats.exact, 'certified');
    });

    it("mode 'exact' scores every row by the strategy; mode 'funnel' the pools of the examples", async () => {
      const positive = [5, 900, 4000];
      for (const negative of [[], [17, 2500]]) {
        for (const strategy of ['best_score', 'sum_scores'] as const) {
          const named = new Set([...positive, ...negative]);
          const examples = {
            positive: positive.map((id) => all[id]!.vector),
            negative: negative.map((id) => all[id]!.vector),
          };
          const want = all
            .filter(({ id }) => !named.has(id))
            .map(({ id, vector }) => ({ id, score: naiveStrategy(examples, strategy, metric, vector) }))
            .sort((a, b) => b.score - a.score);
          const request = { positive, negative, strategy, limit: 15 };
          const exact = await index.recommend({ ...request, mode: 'exact' });
          exact.hits.forEach((hit, i) => {
            assert.ok(Math.abs(hit.score - want[i]!.score) < 1e-9, `${hit.score} for ${want[i]!.score} at ${i}`);
          });
          const scores = new Map(want.map(({ id, score }) => [id, score]));
          const { hits } = await index.recommend(request);
          assert.equal(hits.length, 15);
          for (const [i, hit] of hits.entries()) {
            assert.ok(Math.abs(hit.score - scores.get(hit.id as number)!) < 1e-9);
            if (i > 0) assert.ok(hits[i - 1]!.score >= hit.score);
          }
        }
      }
    });
  });
}

it('groups whose best hits are equal stand in the order of their keys, wherever a pool ends', async () => {
  const random = new Random(SEED + 3);
  const points = Array.from({ length: 3000 }, (_, id) => ({
    id,
    vector: Float32Array.from({ length: 6 }, () => random.int(-1, 2)),
    payload: { key: random.chance(0.5) ? (id * 7919) % 3000 : `k${(id * 104_729) % 700}` },
  }));
  const index = await FunnelIndex.create(':memory:', { dim: 6, metric: 'dot', autoOptimize: false });
  await index.upsert(points);
  for (let round = 0; round < 30; round++) {
    const vector = Float32Array.from({ length: 6 }, () => random.int(-2, 3));
    if (vector.every((value) => value === 0)) continue;
    const ranked = points
      .map(({ id, vector: row, payload }) => ({ id, payload, score: naiveScore('dot', vector, row) }))
      .sort((a, b) => b.score - a.score || a.id - b.id);
    // To where the first pool ends, which is in the midst of equal scores.
    const options = {
      limit: random.int(1, 4),
      groupSize: random.int(1, 2),
      offset: random.int(70, 125),
      maxDepth: 3000,
    };
    const { groups } = await index.queryGroups({ vector, groupBy: 'key', ...options });
    assert.deepEqual(
      groups.map(({ id, hits }) => ({ id, hits: hits.map((hit) => hit.id) })),
      naiveGroups(ranked, 'key', options),
    );
  }
  await index.close();
});

describe('requests by example of the index', () => {
  let index!: FunnelIndex<{ author: number }>;
  let authors!: FunnelIndex<{ name: string }>;
  before(async () => {
    const random = new Random(1);
    index = await FunnelIndex.create(':memory:', { dim: 8 });
    authors = await FunnelIndex.create(':memory:', { dim: 8 });
    await index.upsert(
      Array.from({ length: 40 }, (_, id) => ({ id, vector: random.vector(8), payload: { author: id % 4 } })),
    );
    await authors.upsert([0, 1, 2].map((id) => ({ id, vector: random.vector(8), payload: { name: `author ${id}` } })));
  });
  after(async () => {
    await index.close();
    await authors.close();
  });
  const vector = new Random(2).vector(8);

  it('join another index, and look examples up in it', async () => {
    const { groups } = await index.queryGroups({ vector, groupBy: 'author', withLookup: authors, withPayload: true });
    assert.equal(groups.length, 4);
    for (const { id, lookup, hits } of groups) {
      if (id === 3) assert.ok(lookup === undefined);
      else assert.deepEqual(lookup, { id, payload: { name: `author ${id}` } });
      assert.ok(hits.every(({ payload }) => (payload as { author: number }).author === id));
    }
    const [author] = await authors.get([1]);
    const { hits } = await index.recommend({ positive: [1], lookupFrom: authors, mode: 'exact' });
    assert.deepEqual(
      hits,
      (await index.query({ vector: author!.vector, mode: 'exact' })).hits.map(({ id, score }, i) => ({
        id,
        score,
        index: i,
      })),
    );
    const grouped = await index.recommendGroups({
      positive: [2],
      groupBy: 'author',
      limit: 2,
      withLookup: { source: authors, withPayload: false, withVector: true },
    });
    for (const { id, lookup } of grouped.groups) {
      if (lookup) assert.deepEqual(lookup, { id, vector: (await authors.get([id as number]))[0]!.vector });
      assert.ok(grouped.groups.every((group) => group.hits.every((hit) => hit.id !== 2)));
    }
  });

  it('take rows by id and position for a filter, pages and batches', async () => {
    const ids = [3, 4, 5, 6, 7, 8];
    const { hits } = await index.recommend({ positive: [3], filter: { ids }, limit: 40 });
    assert.deepEqual(new Set(hits.map(({ id }) => id)), new Set(ids.slice(1)));
    const request = { positive: [3], negative: [9], withVector: true } as const;
    const pages = await index.recommendBatch([0, 10, 20, 30].map((offset) => ({ ...request, offset })));
    const whole = await index.recommend({ ...request, offset: 0, limit: 38 });
    assert.deepEqual(
      pages.flatMap((page) => page.hits),
      whole.hits,
    );
  });

  it('rank the vectors of a mirror as those of the hits', async () => {
    const source = embeddedSource(index, { head: 4 });
    const direct = new FunnelSearch({ source });
    const mirrored = new FunnelSearch({ source, mirror: index });
    const groups = { vector, groupBy: 'author', withPayload: true, withVector: true } as const;
    assert.deepEqual((await mirrored.queryGroups(groups)).groups, (await direct.queryGroups(groups)).groups);
    for (const strategy of ['average_vector', 'best_score', 'sum_scores'] as const) {
      const request = { positive: [1, 2], negative: [3], strategy, withVector: true, limit: 7 };
      const [one, other] = [await mirrored.recommend(request), await direct.recommend(request)];
      assert.deepEqual(one.hits, other.hits);
      assert.equal(one.stats.vectorsFrom, 'mirror');
    }
    const requests = [1, 2, 3].map((id) => ({ id, limit: 5, offset: 5 }));
    const batch = await mirrored.queryBatch(requests);
    assert.deepEqual(
      batch.map(({ hits }) => hits),
      (await direct.queryBatch(requests)).map(({ hits }) => hits),
    );
  });

  it('say what they lack', async () => {
    const refusals: [Promise<unknown>, string, RegExp][] = [
      [index.recommend({ positive: [99] }), 'NOT_FOUND', /99.*index in memory/],
      [index.recommend({ negative: [1] }), 'BAD_ARGUMENT', /positive/],
      [index.recommend({ positive: [vector.slice(1)] }), 'BAD_DIMS', /positive\[0\]/],
      [index.recommend({ positive: [1], params: { hnsw_ef: 3 } }), 'UNSUPPORTED', /hnsw_ef/],
      [index.recommendBatch([{ positive: [1] }, { positive: [77] }]), 'NOT_FOUND', /requests\[1\].*77/],
      [index.queryGroups({ vector, groupBy: 'a[0]' }), 'BAD_ARGUMENT', /groupBy/],
      [index.queryGroups({ vector, groupBy: 'author', explain: true }), 'UNSUPPORTED', /explain/],
      [index.queryGroups({ vector, groupBy: 'author', using: 'x' } as never), 'UNSUPPORTED', /one layout/],
      [index.queryGroups({ vector, groupBy: 'author', withLookup: 'authors' } as never), 'BAD_ARGUMENT', /withLookup/],
    ];
    for (const [promise, code, message] of refusals) {
      await assert.rejects(promise, { name: 'FunnelError', code, message });
    }
    const closed = await FunnelIndex.create(':memory:', { dim: 8 });
    await closed.close();
    await assert.rejects(closed.recommend({ positive: [1] }), { code: 'CLOSED' });
  });
});
