/** Answers are as long as asked: mode 'funnel' has `limit` hits wherever so many rows pass. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex, type FunnelIndexOptions, type Head, type IndexAnswer, type IndexQuery } from 'funnelvec/store';
import { METRICS } from '#dist/kernels/kernels.js';
import { Random, SEED } from '../random.js';
import { FAMILIES, queryFor } from './families.js';

interface Case {
  query: IndexQuery;
  /** Rows that pass. */
  passing: number;
  text: string;
}

/** An index of anything, some rows dead, some without codes; and the ids that live. */
async function anyIndex(
  random: Random,
): Promise<{ index: FunnelIndex; alive: number[]; rows: Float32Array; text: string }> {
  const dim = random.int(8, 40);
  const count = random.int(40, 1500);
  const family = random.pick(FAMILIES);
  const head = random.pick<Head | undefined>([undefined, 8, 'int8', 'binary', { prefix: random.int(1, dim) }]);
  const options: FunnelIndexOptions = {
    dim,
    metric: random.pick(METRICS),
    rotation: random.pick(['pca', 'none'] as const),
    lists: random.pick(['off' as const, 2, random.int(3, 40), 100, 190]),
    autoOptimize: false,
    fullScanThreshold: random.pick([0, 256]),
    threads: 2,
    ...(head !== undefined && { head }),
  };
  const rows = family.rows(random, count, dim);
  const index = await FunnelIndex.create(':memory:', options);
  const ids = Array.from({ length: count }, (_, i) => i);
  const coded = random.pick([0, count, random.int(0, count)]);
  const add = (from: number, to: number) =>
    to > from && index.upsertSync({ ids: ids.slice(from, to), vectors: rows.slice(from * dim, to * dim) });
  add(0, coded);
  index.optimizeSync();
  add(coded, count);
  const share = random.pick([0, 0.05, 0.5, 0.97]);
  const dead = new Set(ids.filter(() => random.chance(share)));
  index.deleteSync([...dead]);
  const text = `${family.name}, ${count} rows, ${coded} coded, ${dead.size} dead, ${JSON.stringify(options)}`;
  return { index, alive: ids.filter((id) => !dead.has(id)), rows, text };
}

function anyQuery(random: Random, alive: readonly number[], rows: Float32Array, dim: number): Case {
  const vector = queryFor(random, rows, dim);
  const query: IndexQuery = { vector };
  const count = rows.length / dim;
  if (random.chance(0.8)) query.limit = random.pick([1, 10, random.int(1, count), count + 5]);
  const { limit = 10 } = query;
  if (random.chance(0.4)) {
    query.offset = random.int(0, count);
    query.maxDepth = query.offset + limit + random.int(0, 50);
  }
  let passing = alive.length;
  if (random.chance(0.6)) {
    const share = random.pick([0.01, 0.2, 0.9]);
    const ids = Array.from({ length: count }, (_, i) => i).filter(() => random.chance(share));
    if (random.chance(0.5)) query.filter = { ids };
    else {
      const bits = new Uint8Array((count >> 3) + 1);
      for (const id of ids) bits[id >> 3]! |= 1 << (id & 7);
      query.filter = { rows: bits };
    }
    const some = new Set(ids);
    passing = alive.filter((id) => some.has(id)).length;
  }
  const depth = Math.max(limit, query.maxDepth ?? 0);
  const params = random.pick([undefined, undefined, { candidates: depth + random.int(0, 40) }, { eps: random.next() }]);
  if (params !== undefined) query.params = params;
  const { filter, ...plain } = query;
  const how = filter === undefined ? '' : 'ids' in filter ? ' by ids' : ' by rows';
  return { query, passing, text: `${JSON.stringify({ ...plain, vector: undefined })}${how}, ${passing} pass` };
}

/** Hits that a page has at most. */
function most({ limit = 10, offset = 0 }: IndexQuery, passing: number): number {
  return Math.min(limit, Math.max(0, passing - offset));
}

function check({ hits, stats }: IndexAnswer, { query, passing, text }: Case, where: string): void {
  const message = `${text}; ${where}; seed ${SEED}`;
  assert.equal(hits.length, most(query, passing), message);
  assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length, message);
  assert.equal(stats.missing, undefined, message);
}

describe('answers of mode funnel', () => {
  it('have limit hits wherever so many rows pass: any rows, heads, lists, deaths, filters and pages', async () => {
    const random = new Random(SEED + 17);
    for (let round = 0; round < 60; round++) {
      const { index, alive, rows, text } = await anyIndex(random);
      const cases = Array.from({ length: 12 }, () => anyQuery(random, alive, rows, index.dim));
      for (const one of cases) check(index.querySync(one.query), one, text);
      const batch = index.queryBatchSync(cases.map(({ query }) => query));
      for (const [i, one] of cases.entries()) check(batch[i]!, one, text);
      if (round % 20 === 0) {
        const apart = await Promise.all(cases.map(({ query }) => index.query(query)));
        const together = await index.queryBatch(cases.map(({ query }) => query));
        for (const [i, one] of cases.entries()) {
          check(apart[i]!, one, text);
          check(together[i]!, one, text);
        }
      }
      await index.close();
    }
  });

  it('are shorter only where params.probes says so, and tell by how much', async () => {
    const random = new Random(SEED + 18);
    let short = 0;
    for (let round = 0; round < 30; round++) {
      const { index, alive, rows, text } = await anyIndex(random);
      for (let q = 0; q < 12; q++) {
        const { query, passing, text: asked } = anyQuery(random, alive, rows, index.dim);
        query.params = { probes: random.int(1, 9) };
        const { hits, stats } = index.querySync(query);
        const message = `${asked}; ${JSON.stringify(query.params)}; ${text}; seed ${SEED}`;
        assert.equal(hits.length + (stats.missing ?? 0), most(query, passing), message);
        assert.notEqual(stats.missing, 0, message);
        const lists = stats.stages.find(({ name }) => name === 'lists');
        if (lists !== undefined && query.filter === undefined) assert.equal(lists.out, query.params.probes, message);
        if (stats.missing !== undefined) short++;
      }
      await index.close();
    }
    assert.ok(short > 5, `${short} answers were short`);
  });
});
