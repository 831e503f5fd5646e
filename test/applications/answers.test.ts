/** Answers of an index as applications ask for them: default options, deep limits and pages, filters, recommendations. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FunnelSearch, type Metric, type Source } from 'funnelvec';
import { embeddedSource, FunnelIndex, type FunnelIndexOptions, type IndexRecommend } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

/** Rows around topics, early dims larger. */
function textLike(random: Random, count: number, dim: number, topics: number): Float32Array {
  const centres = Array.from({ length: topics }, () => random.vector(dim));
  const rows = new Float32Array(count * dim);
  for (let r = 0; r < count; r++) {
    const [a, b] = [random.pick(centres), random.pick(centres)];
    for (let j = 0; j < dim; j++) {
      rows[r * dim + j] = (a[j]! + 0.5 * b[j]! + 0.8 * random.gaussian()) * Math.exp((-2 * j) / dim);
    }
  }
  return rows;
}

async function filled(rows: Float32Array, options: FunnelIndexOptions): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', options);
  const { dim } = options;
  const count = rows.length / dim;
  for (let from = 0; from < count; from += 25_000) {
    const to = Math.min(count, from + 25_000);
    const ids = Array.from({ length: to - from }, (_, i) => from + i);
    await index.upsert({ ids, vectors: rows.subarray(from * dim, to * dim) });
  }
  await index.optimize();
  return index;
}

describe('an index of 200,001 rows, which has lists', () => {
  const dim = 16;
  const count = 200_001;
  const random = new Random(SEED);
  let index!: FunnelIndex;
  before(async () => {
    index = await filled(textLike(random, count, dim, 300), { dim });
    while (index.stats().coded < count) await index.optimize();
    assert.ok(index.stats().lists > 0);
  });
  after(() => index.close());

  it('answers as many hits as were asked for: 60,000, or those behind 50,000 others', async () => {
    const vector = random.vector(dim);
    const { hits } = await index.query({ vector, limit: 60_000 });
    assert.equal(hits.length, 60_000);
    const page = await index.query({ vector, offset: 50_000, limit: 10, maxDepth: 50_010 });
    assert.equal(page.hits.length, 10);
  });

  it('answers all rows that pass a filter, where so many were asked for', async () => {
    const ids = Array.from({ length: 9900 }, (_, i) => i * 20);
    const { hits, stats } = await index.query({ vector: random.vector(dim), limit: 10_000, filter: { ids } });
    assert.equal(hits.length, 9900);
    assert.equal(stats.missing, undefined);
  });

  it('answers what is left after most rows were deleted', async () => {
    const left = new Set(Array.from({ length: 500 }, (_, i) => i * 400));
    await index.delete(Array.from({ length: count }, (_, id) => id).filter((id) => !left.has(id)));
    const { hits } = await index.query({ vector: random.vector(dim), limit: 1000 });
    assert.equal(hits.length, 500);
  });
});

describe('an index with lists', () => {
  const dim = 32;
  const random = new Random(SEED + 1);
  const rows = textLike(random, 40_000, dim, 400);
  let index!: FunnelIndex;
  before(async () => {
    index = await filled(rows, { dim, lists: 400 });
  });
  after(() => index.close());

  /** The share of the k best that is found, or others as good; the mean over queries. */
  const recallAt = (limit: number, ids?: number[]) => {
    let sum = 0;
    const queries = 20;
    const queryRandom = new Random(SEED + 2);
    for (let q = 0; q < queries; q++) {
      const at = queryRandom.int(0, 39_999) * dim;
      const vector = rows.slice(at, at + dim).map((value) => value + 0.3 * queryRandom.gaussian());
      const filter = ids && { ids };
      const truth = index.querySync({ vector, limit, filter, mode: 'exact' }).hits;
      const { hits } = index.querySync({ vector, limit, filter });
      assert.equal(hits.length, truth.length);
      const last = truth.at(-1)!.score - 1e-9;
      sum += hits.filter(({ score }) => score >= last).length / truth.length;
    }
    return sum / queries;
  };

  it('finds as many of the 100 and of the 1,000 nearest as of the ten', () => {
    const ten = recallAt(10);
    assert.ok(ten >= 0.95, `recall at 10: ${ten}`);
    for (const limit of [100, 1000]) {
      const found = recallAt(limit);
      assert.ok(found >= ten - 0.01, `recall at ${limit}: ${found}; at 10: ${ten}`);
    }
  });

  it('finds as many under a filter, too', () => {
    const ids = Array.from({ length: 8000 }, (_, i) => 5 * i);
    const ten = recallAt(10, ids);
    const found = recallAt(500, ids);
    assert.ok(found >= Math.min(ten, 0.99) - 0.01, `recall at 500: ${found}; at 10: ${ten}`);
  });

  it('obeys params.probes, and tells what an answer lacks for it', async () => {
    const vector = random.vector(dim);
    const { hits, stats } = await index.query({ vector, limit: 20_000, params: { probes: 40 } });
    assert.equal(hits.length + stats.missing!, 20_000);
    assert.ok(stats.missing! > 10_000);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const plan = { candidates: 20_000, scales: [dim], keep: [1] };
    const pool = await search.query({ vector, limit: 10, plan, params: { probes: 40 } });
    assert.equal(pool.stats.missing, stats.missing);
    assert.equal((await search.query({ vector, limit: 10, plan })).stats.missing, undefined);
  });
});

for (const metric of ['cosine', 'dot', 'euclid'] as Metric[]) {
  describe(`recommendations where examples lie apart, under ${metric}`, () => {
    const dim = 24;
    const count = 20_000;
    const random = new Random(SEED + 3);
    let rows!: Float32Array;
    let index!: FunnelIndex;
    before(async () => {
      rows = textLike(random, count, dim, 60);
      index = await filled(rows, { dim, metric });
    });
    after(() => index.close());

    /** The share of mode 'exact' in mode 'funnel': of its ten, those found, or others as good. */
    const compare = async (request: IndexRecommend) => {
      const { hits: truth } = await index.recommend({ ...request, mode: 'exact' });
      const { hits, stats } = await index.recommend(request);
      assert.equal(hits.length, truth.length);
      const last = truth.at(-1)!.score - 1e-9;
      return { recall: hits.filter(({ score }) => score >= last).length / truth.length, stats };
    };
    const some = (n: number) => Array.from({ length: n }, () => random.int(0, count - 1));

    it('are found by the heads of another index, and over a source that knows no strategies, too', async () => {
      const source = embeddedSource(index);
      const heads = await filled(rows, { dim, metric });
      // As Milvus: searched by one vector.
      const plain = { ...source, name: 'a source', head: source.head.bind(source), recommends: false };
      const bound = Object.assign(Object.create(source) as Source, plain);
      for (const one of [embeddedSource(index, { heads }), bound]) {
        const search = new FunnelSearch({ source: one });
        for (const strategy of ['best_score', 'sum_scores'] as const) {
          let recall = 0;
          const rounds = 6;
          for (let round = 0; round < rounds; round++) {
            const request = { positive: some(3), negative: strategy === 'sum_scores' ? some(1) : [], strategy };
            const { hits: truth } = await index.recommend({ ...request, mode: 'exact' });
            const { hits, stats } = await search.recommend(request);
            const last = truth.at(-1)!.score - 1e-9;
            recall += hits.filter(({ score }) => score >= last).length / truth.length / rounds;
            if (strategy === 'best_score') assert.equal(stats.pools!.searches, 3);
          }
          assert.ok(recall >= 0.95, `recall ${recall} by ${strategy} over ${one.name}`);
        }
      }
      await heads.close();
    });

    for (const strategy of ['best_score', 'sum_scores'] as const) {
      it(`by ${strategy} are those of mode 'exact'`, async () => {
        let recall = 0;
        const rounds = 12;
        for (let round = 0; round < rounds; round++) {
          const positive = some(random.int(2, 4));
          const negative = some(round % 3);
          const found = await compare({ positive, negative, strategy });
          recall += found.recall / rounds;
          const { searches, rows } = found.stats.pools!;
          if (negative.length === 0) {
            assert.equal(searches, strategy === 'best_score' ? positive.length : 1);
            assert.ok(rows <= 128 * searches);
          }
        }
        assert.ok(recall >= 0.95, `recall ${recall}`);
      });

      it(`by ${strategy} are right where negatives lie beside positives, and where there are negatives alone`, async () => {
        const [one, other] = some(2) as [number, number];
        const [near] = await index.get([one]);
        const beside = near!.vector.map((value) => value + 0.05 * random.gaussian());
        const requests: IndexRecommend[] = [
          { positive: [one, other], negative: [beside] },
          { positive: [one], negative: [beside, ...some(30)] },
          { negative: some(2) },
        ];
        let recall = 0;
        for (const request of requests) recall += (await compare({ ...request, strategy })).recall / requests.length;
        assert.ok(recall >= 0.95, `recall ${recall}`);
      });
    }
  });
}
