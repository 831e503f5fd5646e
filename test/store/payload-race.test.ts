/** Payload indexes that are made and dropped while filters run: answers are those of payloads, whatever is being built. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';

const ROWS = 40_000;
const DIM = 8;
const KEY = 'items[].x';

async function indexOf() {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
  await index.upsert({
    ids: Array.from({ length: ROWS }, (_, i) => i),
    vectors: Float32Array.from({ length: ROWS * DIM }, (_, i) => ((i * 7919) % 1013) - 500.5),
    payloads: Array.from({ length: ROWS }, (_, i) => ({ a: i % 2, items: [{ x: i % 10 }], w: i % 7 })),
  });
  await index.createPayloadIndex('a', 'integer');
  return index;
}

/** a = 1 or w = 3, and some x is 9: the first part reads payloads, the second asks for the index that is being built. */
const filter = {
  must: [
    {
      should: [
        { key: 'a', match: { value: 1 } },
        { key: 'w', match: { value: 3 } },
      ],
    },
    {
      should: [
        { key: 'w', match: { value: 99 } },
        {
          must: [{ key: 'a', range: { gte: 0 } }],
          must_not: { key: KEY, match: { any: [0, 1, 2, 3, 4, 5, 6, 7, 8] } },
        },
      ],
    },
  ],
};
const passes = (i: number) => (i % 2 === 1 || i % 7 === 3) && i % 10 === 9;
const wanted = Array.from({ length: ROWS }, (_, i) => i).filter(passes).length;

describe('a payload index that is being built', () => {
  it('is not asked by searches, counts and facets that began before', async () => {
    const index = await indexOf();
    const values = index.facetSync({ key: 'items[].x', limit: 3 });
    for (let round = 0; round < 4; round++) {
      const vector = Float32Array.from({ length: DIM }, (_, i) => i + round + 1);
      const count = index.countMatching({ filter });
      const answer = index.query({ vector, filter, mode: 'exact' });
      const facet = index.facet({ key: KEY, filter: { must: { key: 'w', range: { gte: 0 } } }, limit: 3 });
      const building = index.createPayloadIndex(KEY, 'integer');
      assert.equal(await count, wanted);
      const { hits, stats } = await answer;
      assert.ok(hits.length === 10 && hits.every(({ id }) => passes(Number(id))));
      assert.equal(stats.filter!.matched, wanted);
      assert.deepEqual(await facet, values);
      await building;
      assert.equal(await index.countMatching({ filter }), wanted);
      const dropping = index.deletePayloadIndex(KEY);
      assert.equal(await index.countMatching({ filter }), wanted);
      await dropping;
    }
    await index.close();
  });

  it('makes no deletion take more', async () => {
    const index = await indexOf();
    const deleting = index.delete({ filter });
    const building = index.createPayloadIndex(KEY, 'integer');
    assert.equal((await deleting).count, wanted);
    await building;
    assert.equal(index.count, ROWS - wanted);
    await index.close();
  });

  it('of no conditions deletes nothing', async () => {
    const index = await indexOf();
    for (const none of [{}, { must: [] }, { ids: undefined }, { rows: undefined }]) {
      await assert.rejects(index.delete({ filter: none as never }), { code: 'BAD_ARGUMENT' });
    }
    assert.equal(index.count, ROWS);
    await index.close();
  });
});

describe('rows that are replaced meanwhile', () => {
  const COUNT = 6000;
  const payloadOf = (i: number) => ({ all: 1, text: `row ${i}`, n: i });
  const replace = (index: FunnelIndex, i: number) =>
    index.upsertSync([
      { id: i, vector: Float32Array.from({ length: DIM }, (_, j) => i + j + 1), payload: payloadOf(i) },
    ]);

  for (const indexed of [false, true]) {
    it(`are counted and listed once (${indexed ? 'with' : 'without'} a payload index)`, async () => {
      const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
      await index.upsert(
        Array.from({ length: COUNT }, (_, i) => ({
          id: i,
          vector: Float32Array.from({ length: DIM }, (_, j) => i + j + 1),
          payload: payloadOf(i),
        })),
      );
      if (indexed) await index.createPayloadIndex('all', 'integer');
      const filter = { must: [{ key: 'all', match: { value: 1 } }], must_not: { key: 'n', range: { lt: 0 } } };
      const reads: [string, () => Promise<number>][] = [
        ['count', () => index.countMatching({ filter })],
        ['facet', async () => (await index.facet({ key: 'all', filter }))[0]!.count],
        ['facet of all', async () => (await index.facet({ key: 'all' }))[0]!.count],
        ['page', async () => new Set((await index.scroll({ limit: COUNT, filter })).points.map(({ id }) => id)).size],
        ['page of all', async () => (await index.scroll({ limit: COUNT })).points.length],
      ];
      for (const [name, read] of reads) {
        let ended = false;
        const reading = read().finally(() => {
          ended = true;
        });
        // Rows that the read has not come to yet.
        for (let i = COUNT - 1; !ended; i = i > COUNT / 2 ? i - 1 : COUNT - 1) {
          replace(index, i);
          await new Promise(setImmediate);
        }
        assert.equal(await reading, COUNT, name);
      }
      await index.close();
    });
  }
});
