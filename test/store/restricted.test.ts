/** Mode 'funnel' under filters that few rows pass, many anywhere, or whole neighbourhoods that are not the query's. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Filter, FunnelIndex, type IndexAnswer } from 'funnelvec/store';
import { activeKernels, listKernels, useKernels } from '#dist/kernels/load.js';
import { extend } from '#dist/store/builds.js';
import type { OpenIndex } from '#dist/store/open-index.js';
import { partsOf } from '#dist/store/parts.js';
import { Random, SEED } from '../random.js';

const DIM = 32;
const COUNT = 6000;
const LISTS = 120;
const CENTRES = 40;
const random = new Random(SEED + 28);
const centreOf = Array.from({ length: COUNT }, () => random.int(0, CENTRES - 1));
const rows = rowsAround(random.vector(CENTRES * DIM));
const queries = Array.from({ length: 40 }, () => near(random.int(0, COUNT - 1)));
const spread = Array.from({ length: COUNT }, () => random.int(0, 999));

function rowsAround(centres: Float32Array): Float32Array {
  return new Float32Array(COUNT * DIM).map(
    (_, i) => centres[centreOf[Math.floor(i / DIM)]! * DIM + (i % DIM)]! + 0.6 * random.gaussian(),
  );
}

function near(row: number): Float32Array {
  return Float32Array.from({ length: DIM }, (_, j) => rows[row * DIM + j]! + 0.4 * random.gaussian());
}

/** Rows of so many thousandths, anywhere. */
const anywhere = (thousandths: number): Filter => ({ must: { key: 'spread', range: { lt: thousandths } } });

/** Rows of a third of the centres, from `first` on. */
const around = (first: number): Filter => ({
  must: { key: 'centre', match: { any: Array.from({ length: 13 }, (_, i) => (first + 3 * i) % CENTRES) } },
});

async function indexOf(options: object = {}): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', {
    dim: DIM,
    head: 32,
    lists: LISTS,
    autoOptimize: false,
    ...options,
  });
  const payloads = Array.from(centreOf, (centre, row) => ({ centre, spread: spread[row]! }));
  index.upsertSync({ ids: Array.from({ length: COUNT }, (_, i) => i), vectors: rows, payloads });
  index.createPayloadIndexSync('centre', 'integer');
  index.createPayloadIndexSync('spread', 'integer');
  index.optimizeSync();
  return index;
}

const stagesOf = ({ stats }: IndexAnswer) => stats.stages.map(({ name }) => name);

function recall(index: FunnelIndex, filterOf: (q: number) => Filter, limit = 10): number {
  let found = 0;
  for (const [q, vector] of queries.entries()) {
    const filter = filterOf(q);
    const truth = index.querySync({ vector, filter, limit, mode: 'exact' }).hits.map(({ id }) => id);
    const { hits } = index.querySync({ vector, filter, limit });
    assert.equal(hits.length, truth.length);
    found += hits.filter(({ id }) => truth.includes(id)).length / truth.length / queries.length;
  }
  return found;
}

describe('mode funnel under a filter', () => {
  let index: FunnelIndex;
  before(async () => {
    index = await indexOf();
  });
  after(() => index.close());

  it('reads the codes of few rows one by one, in no list', () => {
    const answer = index.querySync({ vector: queries[0]!, filter: anywhere(55) });
    assert.equal(answer.stats.filter?.plan, 'mask');
    assert.ok(!stagesOf(answer).includes('lists'));
    const [head] = answer.stats.stages;
    assert.deepEqual([head?.name, head?.in], ['head', answer.stats.filter?.matched]);
    const share = recall(index, () => anywhere(55));
    assert.ok(share > 0.98, `${share}`);
    // By list or by bits the rows are the same.
    const ids = spread.flatMap((value, id) => (value < 55 ? [id] : []));
    assert.deepEqual(index.querySync({ vector: queries[0]!, filter: { ids } }).hits, answer.hits);
  });

  for (const thousandths of [500, 125]) {
    it(`walks over all rows where ${thousandths / 10} % pass, anywhere`, () => {
      const answer = index.querySync({ vector: queries[0]!, filter: anywhere(thousandths) });
      assert.ok(stagesOf(answer).includes('walk'));
      const share = recall(index, () => anywhere(thousandths));
      assert.ok(share > 0.96, `${share}`);
    });
  }

  it('reads the codes of all rows that pass, where rows near the query do not', () => {
    const { id } = index.querySync({ vector: queries[0]!, limit: 1, mode: 'exact' }).hits[0]!;
    const elsewhere = around(centreOf[Number(id)]! + 1);
    const answer = index.querySync({ vector: queries[0]!, filter: elsewhere });
    assert.ok(!stagesOf(answer).includes('lists') && !stagesOf(answer).includes('walk'));
    assert.equal(answer.stats.stages.find(({ name }) => name === 'head')?.in, answer.stats.filter?.matched);
    const share = recall(index, (q) => around(q));
    assert.ok(share > 0.96, `${share}`);
    const deep = recall(index, (q) => around(q), 300);
    assert.ok(deep > 0.96, `${deep}`);
  });

  it('finds nearly all, where whatever is near the query does not pass', () => {
    for (const share of [0.08, 0.3, 0.6, 0.9]) {
      let found = 0;
      for (const vector of queries) {
        const sums = new Float64Array(CENTRES);
        for (let row = 0; row < COUNT; row++) {
          for (let i = 0; i < DIM; i++) sums[centreOf[row]!]! += vector[i]! * rows[row * DIM + i]!;
        }
        const centres = Array.from(sums.keys()).sort((x, y) => sums[x]! - sums[y]!);
        const far = new Set(centres.slice(0, Math.ceil(share * CENTRES)));
        const bits = new Uint8Array(COUNT / 8);
        for (let row = 0; row < COUNT; row++) if (far.has(centreOf[row]!)) bits[row >> 3]! |= 1 << (row & 7);
        const filter = { rows: bits };
        const truth = index.querySync({ vector, filter, mode: 'exact' }).hits.map(({ id }) => id);
        const { hits } = index.querySync({ vector, filter });
        found += hits.filter(({ id }) => truth.includes(id)).length / truth.length / queries.length;
      }
      assert.ok(found > 0.97, `${found} of ${100 * share} %`);
    }
  });

  it('finds no dead row, and all that pass, however deep', async () => {
    const some = await indexOf();
    some.deleteSync(Array.from({ length: COUNT / 3 }, (_, i) => 3 * i));
    for (const filter of [anywhere(60), anywhere(300), around(1)]) {
      for (const limit of [10, 200, COUNT]) {
        const { hits, stats } = some.querySync({ vector: queries[1]!, filter, limit });
        assert.equal(hits.length, Math.min(limit, stats.filter!.matched));
        assert.ok(hits.every(({ id }) => Number(id) % 3 !== 0));
        assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length);
      }
    }
    await some.close();
  });

  it('reads no more rows of a build than pass there, where most that pass are in its extension', async () => {
    const some = await indexOf();
    const ids = Array.from({ length: COUNT / 2 }, (_, i) => COUNT + i);
    const payloads = ids.map(() => ({ centre: 0, spread: 1000 }));
    some.upsertSync({ ids, vectors: rows.subarray(0, ids.length * DIM), payloads });
    await extend(partsOf(some) as OpenIndex, () => {});
    const filter: Filter = { must: { key: 'spread', range: { gte: 990 } } };
    const early = spread.filter((value) => value >= 990).length;
    const { stats, hits } = some.querySync({ vector: queries[0]!, filter });
    assert.equal(stats.filter?.matched, early + ids.length);
    assert.equal(hits.length, 10);
    assert.equal(stats.stages.find(({ name }) => name === 'head')?.in, early);
    await some.close();
  });

  it('has all rows that pass, where as many are asked for as a small index has', async () => {
    // Heaps apart, so that no walk goes from one to another.
    const heaps = random.vector(12 * DIM);
    const apart = Float32Array.from(
      { length: 1000 * DIM },
      (_, i) => 9 * heaps[(Math.floor(i / DIM) % 12) * DIM + (i % DIM)]! + random.gaussian(),
    );
    for (const [count, lists] of [
      [400, 10],
      [700, 10],
      [1000, 40],
    ] as const) {
      const small = await FunnelIndex.create(':memory:', { dim: DIM, head: 32, lists, autoOptimize: false });
      const payloads = Array.from({ length: count }, (_, i) => ({ tenth: i % 10 }));
      small.upsertSync({ ids: [...payloads.keys()], vectors: apart.subarray(0, count * DIM), payloads });
      small.optimizeSync();
      for (const lt of [8, 9, 10]) {
        const filter: Filter = { must: { key: 'tenth', range: { lt } } };
        for (const row of [0, 1, 2, 3, 4]) {
          const vector = apart.slice(row * DIM, (row + 1) * DIM);
          for (const limit of [(count * lt) / 20, (count * lt) / 10, count]) {
            const { hits } = small.querySync({ vector, filter, limit });
            assert.equal(hits.length, Math.min(limit, (count * lt) / 10), `limit ${limit} of ${count} rows`);
          }
        }
      }
      await small.close();
    }
  });

  for (const metric of ['cosine', 'euclid'] as const) {
    it(`has the same answers on every backend: ${metric}`, async () => {
      const active = activeKernels().name;
      const answers: [string, unknown][] = [];
      try {
        for (const { name, supported } of listKernels()) {
          if (!supported || name === 'js') continue; // takes too long
          useKernels(name);
          const one = await indexOf({ metric });
          const filters = [anywhere(55), anywhere(125), anywhere(500), around(0), around(1)];
          const hits = queries
            .slice(0, 10)
            .map((vector) => filters.map((filter) => one.querySync({ vector, filter }).hits));
          answers.push([name, hits]);
          await one.close();
        }
      } finally {
        useKernels(active as never);
      }
      for (const [name, hits] of answers) assert.deepEqual(hits, answers[0]![1], name);
    });
  }
});
