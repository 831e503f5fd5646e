/** Filters on a FunnelIndex, held against the oracle that reads the raw JSON: with indexes, without, and half-way. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { FunnelIndex, type FunnelIndexOptions, type IndexAnswer, type IndexQuery } from 'funnelvec/store';
import { activeKernels } from '#dist/kernels/load.js';
import { type Json, randomFilter, randomPayload } from '../query/generate.js';
import { oracleMatches, oracleValues } from '../query/oracle.js';
import { Random, SEED } from '../random.js';

const DIM = 8;
const ROUNDS = 60;
/** Filters of each round; ROUNDS × FILTERS is at least 10,000. */
const FILTERS = 170;
const TYPES = ['keyword', 'integer', 'float', 'bool', 'datetime'] as const;
const METRICS = ['cosine', 'dot', 'euclid'] as const;
const PATHS = [
  ...['n', 'tag', 'flag', 'when', 'list', 'deep', 'rows', 'missing', '"a.b"', '"ü ß"', '__proto__', 'constructor'],
  ...['deep.n', 'deep.tag', 'deep.list', 'deep.rows[].n', 'rows[].n', 'rows[].tag', 'rows[].list', 'rows[].list[]'],
  ...['list[]', 'toString', '__proto__.n', 'list.length', 'rows[].rows[].n', 'constructor.name'],
];

type Row = { id: number; payload: Json; vector: Float32Array };

/** The rows of an index in the order of insertion, and the same in the index. */
class Model {
  rows: Row[] = [];

  constructor(
    readonly index: FunnelIndex<unknown>,
    readonly random: Random,
  ) {}

  async put(ids: readonly number[]): Promise<void> {
    const news = ids.map((id) => ({
      id,
      payload: this.random.chance(0.05) ? undefined : randomPayload(this.random),
      // Few different vectors, so that scores tie.
      vector: new Random(this.random.int(0, 40)).vector(DIM),
    }));
    const gone = new Set(ids);
    this.rows = [...this.rows.filter(({ id }) => !gone.has(id)), ...news];
    await this.index.upsert(news);
  }

  async delete(ids: readonly number[]): Promise<void> {
    const gone = new Set(ids);
    this.rows = this.rows.filter(({ id }) => !gone.has(id));
    await this.index.delete(ids);
  }

  passing(filter: Json): Row[] {
    return this.rows.filter(({ id, payload }) => oracleMatches(filter, id, payload));
  }
}

/** Some keys indexed before the rows, some after the first of them, some packed, some replaced and deleted since. */
async function randomModel(random: Random, options: Partial<FunnelIndexOptions> = {}): Promise<Model> {
  const metric = random.pick(METRICS);
  const index = await FunnelIndex.create(':memory:', {
    dim: DIM,
    metric,
    head: 8,
    threads: 1,
    autoOptimize: false,
    ...options,
  });
  const model = new Model(index, random);
  const some = async () => {
    for (const path of PATHS) {
      if (random.chance(0.25)) await index.createPayloadIndex(path, random.pick(TYPES)).catch(isTakenOtherwise);
    }
  };
  const ids = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);
  await some();
  await model.put(ids(50));
  if (random.chance(0.5)) await index.optimize();
  await some();
  await model.put(ids(40, 50));
  await model.delete(ids(20, random.int(0, 70)));
  if (random.chance(0.5)) await index.optimize();
  await model.put(ids(30, random.int(0, 80)));
  return model;
}

function isTakenOtherwise(error: FunnelError): void {
  assert.equal(error.code, 'BAD_ARGUMENT');
}

/** The answer of a scan over the rows that pass. */
function bruteForce(rows: readonly Row[], vector: Float32Array, metric: (typeof METRICS)[number], k: number) {
  const matrix = new Float32Array(rows.length * DIM);
  rows.forEach((row, i) => {
    matrix.set(row.vector, i * DIM);
  });
  const indices = new Uint32Array(Math.min(k, rows.length));
  const keys = new Float64Array(indices.length);
  if (rows.length > 0) {
    activeKernels().scan({ metric, query: vector, rows: matrix, dim: DIM, to: DIM, indices, keys });
  }
  return Array.from(indices, (at, i) => ({ id: rows[at]!.id, score: metric === 'euclid' ? 0 - keys[i]! : keys[i]! }));
}

const said = (answer: IndexAnswer) => answer.hits.map(({ id, score }) => ({ id, score }));
const idsOf = (rows: readonly { id: unknown }[]) => rows.map(({ id }) => id);

describe('a filter of a FunnelIndex', () => {
  it(`agrees with the oracle over ${ROUNDS * FILTERS} random filters, whatever is indexed, and in every order of pages`, async () => {
    let matched = 0;
    let byIndex = 0;
    let byPayload = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const random = new Random(SEED + round);
      const model = await randomModel(random, { fullScanThreshold: random.pick([0, 5, 1024]) });
      const { index } = model;
      const { metric } = index;
      const choice = { ids: [...Array.from({ length: 120 }, (_, i) => i), 9999, '3'] };
      for (let f = 0; f < FILTERS; f++) {
        const filter = randomFilter(random, choice);
        const why = `seed ${SEED + round}: ${JSON.stringify(filter)}`;
        const passing = model.passing(filter);
        const wanted = idsOf(passing);
        matched += passing.length;
        assert.deepEqual(idsOf(index.scrollSync({ filter, limit: 1000, withPayload: false }).points), wanted, why);
        assert.equal(index.countMatchingSync({ filter }), wanted.length, why);
        if (f % 2 !== 0) continue;
        // Pages of a scroll, of any size.
        const limit = random.int(1, 40);
        const seen: unknown[] = [];
        for (let after: number | undefined; ; ) {
          const { points, next } = index.scrollSync({ filter, limit, after, withPayload: false });
          seen.push(...idsOf(points));
          if (next === undefined) break;
          after = next;
        }
        assert.deepEqual(seen, wanted, why);
        if (f % 4 !== 0) continue;
        const vector = random.vector(DIM);
        const all = bruteForce(passing, vector, metric, 1000);
        const offset = random.int(0, 30);
        const query: IndexQuery = { vector, mode: 'exact', limit, offset, filter };
        const answer = index.querySync(query);
        assert.deepEqual(said(answer), all.slice(offset, offset + limit), why);
        const { filter: stats } = answer.stats;
        if (stats === undefined) continue;
        assert.equal(stats.matched, wanted.length, why);
        assert.equal(stats.indexed, stats.unindexed.length === 0, why);
        if (stats.indexed) assert.equal(stats.payloadsRead, 0, why);
        if (stats.indexed) byIndex++;
        else byPayload++;
      }
      await index.close();
    }
    assert.ok(matched > ROUNDS * FILTERS, 'filters that match nothing show nothing');
    assert.ok(byIndex > 100 && byPayload > 100, `${byIndex} by index, ${byPayload} by payload`);
  });

  it('counts values as the oracle does, with an index and without', async () => {
    for (let round = 0; round < 25; round++) {
      const random = new Random(SEED + 1000 + round);
      const model = await randomModel(random);
      for (const key of PATHS) {
        const filter = random.chance(0.3) ? undefined : randomFilter(random, { ids: [1, 2, 3, 40, 50, 60] });
        const counts = new Map<Json, number>();
        for (const { payload } of model.passing(filter)) {
          const values = oracleValues(payload, key).flatMap((v) => (Array.isArray(v) ? v : [v]));
          const known = values.filter((v) => ['string', 'boolean'].includes(typeof v) || Number.isSafeInteger(v));
          for (const value of new Set(known)) counts.set(value, (counts.get(value) ?? 0) + 1);
        }
        const rank = (value: Json) => ['boolean', 'number', 'string'].indexOf(typeof value);
        const wanted = [...counts]
          .map(([value, count]) => ({ value, count }))
          .sort(
            (a, b) =>
              b.count - a.count ||
              rank(a.value) - rank(b.value) ||
              (a.value < b.value ? -1 : a.value > b.value ? 1 : 0),
          );
        const limit = random.int(1, 12);
        const why = `seed ${SEED + 1000 + round}: ${key} ${JSON.stringify(filter)}`;
        assert.deepEqual(model.index.facetSync({ key, filter, limit }), wanted.slice(0, limit), why);
        assert.deepEqual(await model.index.facet({ key, filter, limit: 1000 }), wanted, why);
      }
      await model.index.close();
    }
  });

  it('deletes what passes, and nothing else', async () => {
    for (let round = 0; round < 20; round++) {
      const random = new Random(SEED + 2000 + round);
      const model = await randomModel(random);
      const filter = {
        must_not: [randomFilter(random, { ids: [1, 2, 3] })],
        should: [{ is_empty: { key: 'tag' } }, { key: 'n', range: {} }],
      };
      const gone = new Set(idsOf(model.passing(filter)));
      const left = idsOf(model.rows).filter((id) => !gone.has(id as number));
      const { count } = round % 2 ? await model.index.delete({ filter }) : model.index.deleteSync({ filter });
      assert.equal(count, gone.size);
      assert.deepEqual(idsOf(model.index.scrollSync({ limit: 1000 }).points), left);
      assert.equal(model.index.countMatchingSync({ filter }), 0);
      await model.index.close();
    }
  });
});

const isError = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FunnelError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};

describe('a filtered query of a FunnelIndex', () => {
  const random = new Random(SEED);
  const COUNT = 6000;
  const TAIL = 300;

  for (const metric of METRICS) {
    it(`exact is the scan of the rows that pass, few and many, coded and not, dead ones never (${metric})`, async () => {
      const index = await FunnelIndex.create<{ n: number; tag: string }>(':memory:', {
        dim: DIM,
        metric,
        autoOptimize: false,
      });
      await index.createPayloadIndex('n', 'integer');
      const rows: Row[] = [];
      const put = async (from: number, count: number) => {
        const news = Array.from({ length: count }, (_, i) => ({
          id: from + i,
          vector: new Random(random.int(0, 2000)).vector(DIM), // ties
          payload: { n: (from + i) % 1000, tag: `t${(from + i) % 7}` },
        }));
        const ids = new Set(news.map(({ id }) => id));
        rows.splice(0, rows.length, ...rows.filter(({ id }) => !ids.has(id)), ...news);
        await index.upsert(news);
      };
      await put(0, COUNT);
      await index.optimize();
      await put(COUNT - 100, TAIL);
      const dead = Array.from({ length: 500 }, (_, i) => 7 * i);
      await index.delete(dead);
      const gone = new Set(dead);
      const live = rows.filter(({ id }) => !gone.has(id));
      for (const [below, plan] of [
        [1, 'rows'],
        [40, 'rows'],
        [100, 'mask'],
        [400, 'mask'],
        [900, 'mask'],
      ] as const) {
        const filter = {
          must: [{ key: 'n', range: { lt: below } }],
          must_not: [{ key: 'tag', match: { value: 't3' } }],
        } as const;
        const passing = live.filter(({ payload }) => payload.n < below && payload.tag !== 't3');
        for (let q = 0; q < 5; q++) {
          const vector = random.vector(DIM);
          const wanted = bruteForce(passing, vector, metric, 20);
          let answered = 0;
          for (const answer of [
            index.querySync({ vector, mode: 'exact', limit: 20, filter }),
            await index.query({ vector, mode: 'exact', limit: 20, filter }),
          ]) {
            assert.deepEqual(said(answer), wanted);
            assert.ok(answer.stats.certified);
            const stats = answer.stats.filter!;
            assert.deepEqual(
              [stats.matched, stats.plan, stats.indexed, stats.unindexed],
              [passing.length, plan, false, ['tag']],
            );
            // Payloads only of rows that the index has left; for one filter once.
            assert.equal(stats.cached, q > 0 || answered > 0);
            answered++;
            assert.equal(stats.payloadsRead, live.filter(({ payload }) => payload.n < below).length);
          }
          const funnel = await index.query({ vector, limit: 20, filter, params: { candidates: 200, probes: 1000 } });
          const known = new Set(idsOf(passing));
          assert.ok(
            funnel.hits.length === Math.min(20, passing.length) &&
              funnel.hits.every(({ id }) => known.has(id as number)),
          );
        }
      }
      await index.close();
    });
  }

  it('reads payloads for a nested condition only where an index has an element that could meet it', async () => {
    const index = await FunnelIndex.create<Json>(':memory:', { dim: DIM, autoOptimize: false });
    await index.createPayloadIndex('cast[].name', 'keyword');
    const payload = (i: number) => ({
      cast: [
        { name: `n${i % 50}`, born: i },
        { name: 'x', born: 7 },
      ],
    });
    await index.upsert(
      Array.from({ length: 500 }, (_, id) => ({ id, vector: random.vector(DIM), payload: payload(id) })),
    );
    const nested = (must: Json) => ({ must: { nested: { key: 'cast', filter: { must } } } });
    const named = { key: 'name', match: { value: 'n7' } };
    for (const [must, wanted, read] of [
      [[named, { key: 'born', range: { lt: 100 } }], [7, 57], 10],
      [[named, { key: 'born', match: { value: 7 } }], [7], 10],
      [[{ key: 'name', match: { value: 'nobody' } }], [], 0],
      [[{ key: 'born', match: { value: 8 } }], [8], 500],
      [
        [
          { key: 'name', match: { except: ['x'] } },
          { key: 'born', range: { gte: 498 } },
        ],
        [498, 499],
        500,
      ],
    ] as const) {
      const { hits, stats } = index.querySync({ vector: random.vector(DIM), mode: 'exact', filter: nested(must) });
      assert.deepEqual(
        hits.map(({ id }) => id as number).sort((a, b) => a - b),
        wanted,
      );
      assert.equal(stats.filter!.payloadsRead, read, JSON.stringify(must));
    }
    await index.close();
  });

  it('does not depend on fullScanThreshold, which decides the plan', async () => {
    const vector = random.vector(DIM);
    const vectors = random.vector(3000 * DIM);
    const answers: unknown[] = [];
    for (const [fullScanThreshold, plan] of [
      [0, 'mask'],
      [499, 'mask'],
      [500, 'rows'],
    ] as const) {
      const index = await FunnelIndex.create(':memory:', { dim: DIM, fullScanThreshold });
      await index.upsert({
        ids: Array.from({ length: 3000 }, (_, i) => i),
        vectors,
        payloads: Array.from({ length: 3000 }, (_, i) => ({ n: i % 6 })),
      });
      await index.optimize();
      const answer = index.querySync({ vector, mode: 'exact', filter: { must: { key: 'n', match: { value: 2 } } } });
      assert.deepEqual([answer.stats.filter?.matched, answer.stats.filter?.plan], [500, plan]);
      answers.push(said(answer));
      await index.close();
    }
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual(answers[0], answers[2]);
    await assert.rejects(
      FunnelIndex.create(':memory:', { dim: DIM, fullScanThreshold: -1 }),
      isError('BAD_ARGUMENT', /fullScanThreshold/),
    );
  });

  it('is evaluated once for all queries of a batch that share it, as object or as JSON', async () => {
    const index = await FunnelIndex.create<{ n: number }>(':memory:', { dim: DIM, autoOptimize: false });
    await index.upsert(
      Array.from({ length: 200 }, (_, id) => ({ id, vector: random.vector(DIM), payload: { n: id } })),
    );
    const filter = () => ({ must: [{ key: 'n', range: { gte: 50 } }] }) as const;
    const one = filter();
    const batch = [one, one, filter(), { must: [{ key: 'n', range: { gte: 51 } }] } as const, { ids: [3, 70] }];
    const queries = batch.map((f) => ({ vector: random.vector(DIM), filter: f, mode: 'exact' as const }));
    for (const sync of [false, true]) {
      await index.delete([9999 + Number(sync)]);
      const answers = sync ? index.queryBatchSync(queries) : await index.queryBatch(queries);
      const stats = answers.map((answer) => answer.stats.filter!);
      assert.ok(stats[0] === stats[1] && stats[0] === stats[2]);
      assert.equal(stats[0]!.cached, sync);
      assert.deepEqual(
        stats.map(({ matched, payloadsRead }) => [matched, payloadsRead]),
        [...Array.from({ length: 3 }, () => [150, 200]), [149, 200], [2, 0]],
      );
      for (const [i, query] of queries.entries()) assert.deepEqual(answers[i]!.hits, index.querySync(query).hits);
    }
    await index.close();
  });

  it('of ids is read wherever the object has them, from its class, say', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    await index.upsert({ ids: [1, 2, 3], vectors: new Float32Array(6).fill(1) });
    class Mine {
      get ids() {
        return [2];
      }
    }
    const { hits } = index.querySync({ vector: [1, 1], filter: new Mine() });
    assert.deepEqual(
      hits.map(({ id }) => id),
      [2],
    );
    await index.close();
  });

  it('with a bigint is none with its digits, even where somebody taught bigints to be JSON', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    await index.upsert({ ids: [2n ** 60n, 7n], vectors: new Float32Array(4).fill(1) });
    const found = (id: bigint | string) =>
      index.querySync({ vector: [1, 1], filter: { must: { has_id: [id] } } }).hits.map((hit) => hit.id);
    const bigints = BigInt.prototype as { toJSON?: () => string };
    bigints.toJSON = function () {
      return String(this);
    };
    try {
      for (let i = 0; i < 2; i++) {
        assert.deepEqual(found(2n ** 60n), [2n ** 60n]);
        assert.deepEqual(found(String(2n ** 60n)), []);
      }
    } finally {
      delete bigints.toJSON;
    }
    await index.close();
  });

  it('is kept for later queries until something is written, here or elsewhere', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'funnelvec-filter-'));
    const path = join(folder, 'index');
    const index = await FunnelIndex.create<{ n: number }>(path, {
      dim: DIM,
      autoOptimize: false,
      fullScanThreshold: 10,
    });
    const reader = await FunnelIndex.open<{ n: number }>(path, { readOnly: true, fullScanThreshold: 10 });
    const put = (from: number, count: number, n: number) =>
      index.upsert(
        Array.from({ length: count }, (_, i) => ({ id: from + i, vector: random.vector(DIM), payload: { n } })),
      );
    await put(0, 300, 1);
    await put(300, 300, 2);
    const filter = (value: number) => ({ must: [{ key: 'n', match: { value } }] }) as const;
    const matched = async (one: FunnelIndex<{ n: number }>, value = 1) => {
      const answer = await one.query({ vector: random.vector(DIM), limit: 1000, mode: 'exact', filter: filter(value) });
      const { cached, matched } = answer.stats.filter!;
      assert.equal(answer.hits.length, matched);
      return [matched, cached];
    };
    const changes: [number, () => Promise<unknown>][] = [
      [300, async () => {}],
      [350, () => put(1000, 50, 1)],
      [340, () => index.delete(Array.from({ length: 10 }, (_, i) => i))],
      [340, () => index.optimize()],
      [330, () => put(10, 10, 3)],
      [330, () => index.createPayloadIndex('n', 'integer')],
      [0, () => index.delete({ filter: filter(1) })],
      [20, () => put(5, 20, 1)],
    ];
    for (const [wanted, change] of changes) {
      await change();
      for (const one of [index, reader]) {
        assert.deepEqual(await matched(one), [wanted, false]);
        assert.deepEqual(await matched(one), [wanted, true]);
      }
    }
    // As many as are kept, and no more; and rows that come while a query is under way are not lost to the next.
    for (let value = 2; value < 40; value++) await matched(index, value);
    assert.deepEqual(await matched(index), [20, false]);
    const [, [answer]] = await Promise.all([put(2000, 500, 7), Promise.all([matched(index, 7), matched(index, 7)])]);
    assert.ok(answer![0] === 0 || answer![0] === 500);
    assert.equal((await matched(index, 7))[0], 500);
    await reader.close();
    await index.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it('takes no notice of rows that come and go while payloads are read, nor of those that it cannot know', async () => {
    const index = await FunnelIndex.create<{ n: number }>(':memory:', { dim: DIM, autoOptimize: false });
    const points = (from: number, n: number) =>
      Array.from({ length: 3000 }, (_, i) => ({ id: from + i, vector: random.vector(DIM), payload: { n } }));
    await index.upsert(points(0, 1));
    const vector = random.vector(DIM);
    const answer = index.query({ vector, limit: 5, filter: { must: { key: 'n', match: { value: 1 } } } });
    index.upsertSync(points(0, 2)); // all of them are replaced meanwhile: an awaited call would take turns with the query
    const { hits } = await answer;
    assert.deepEqual(hits, []);
    await index.close();
  });
});

describe('pages of a query of a FunnelIndex', () => {
  const random = new Random(SEED + 1);

  it('are cut from one pool, so that no hit comes twice or never', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 64, head: 8 });
    await index.upsert({ ids: Array.from({ length: 5000 }, (_, i) => i), vectors: random.vector(5000 * 64) });
    await index.optimize();
    for (const mode of ['funnel', 'exact'] as const) {
      for (const maxDepth of [undefined, 40, 100]) {
        const vector = random.vector(64);
        const depth = maxDepth ?? 100;
        const whole = index.querySync({ vector, mode, offset: 0, limit: depth, maxDepth }).hits;
        assert.equal(whole.length, depth);
        for (const limit of [7, 10, 25]) {
          for (let offset = 0; offset + limit <= depth; offset += limit) {
            const { hits } = await index.query({ vector, mode, limit, offset, maxDepth });
            assert.deepEqual(hits, whole.slice(offset, offset + limit));
          }
        }
      }
    }
    await index.close();
  });

  it('end where the rows end, and beyond maxDepth are an error that says how to ask deeper', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert({ ids: Array.from({ length: 30 }, (_, i) => i), vectors: random.vector(30 * DIM) });
    const vector = random.vector(DIM);
    assert.equal(index.querySync({ vector, offset: 25 }).hits.length, 5);
    assert.deepEqual(index.querySync({ vector, offset: 30 }).hits, []);
    assert.equal(index.querySync({ vector, limit: 1000 }).hits.length, 30);
    assert.throws(() => index.querySync({ vector, offset: 91 }), isError('TOO_DEEP', /maxDepth: 101/));
    assert.throws(() => index.querySync({ vector, limit: 11, maxDepth: 10 }), isError('TOO_DEEP', /maxDepth: 11/));
    assert.equal(index.querySync({ vector, offset: 20, limit: 100, maxDepth: 120 }).hits.length, 10);
    await assert.rejects(index.query({ vector, offset: -1 }), isError('BAD_ARGUMENT', /offset/));
    await index.close();
  });
});

describe('a request to a FunnelIndex', () => {
  it('with the keys of another source is refused, naming what to use instead', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert([{ id: 1, vector: new Random(1).vector(DIM) }]);
    const vector = new Random(2).vector(DIM);
    const cases: [object, RegExp][] = [
      [{ top: 5 }, /Expected limit .* top/],
      [{ using: 'image' }, /using/],
      [{ score_threshold: 0.5 }, /scoreThreshold .* score_threshold/],
      [{ with_payload: true }, /withPayload/],
      [{ with_vectors: true }, /withVector /],
      [{ params: { hnsw_ef: 64 } }, /candidates.* hnsw_ef/],
      [{ params: { indexed_only: true } }, /nothing.* indexed_only/],
      [{ params: { exact: true } }, /mode: 'exact'/],
      [{ params: { nprobe: 8 } }, /probes.* nprobe/],
      [{ filter: { mustNot: [] } }, /must_not/],
      [{ filter: { ids: [1], must: [] } }, /must/],
    ];
    for (const [extra, pattern] of cases) {
      await assert.rejects(index.query({ vector, ...extra }), isError('BAD_ARGUMENT', pattern));
    }
    await index.close();
  });

  it('selects from payloads, whatever their keys are called', async () => {
    const index = await FunnelIndex.create<Json>(':memory:', { dim: DIM });
    const payload = JSON.parse('{"a":{"b":1,"c":[{"d":2,"e":3}]},"__proto__":{"x":1},"constructor":"c","k.k":5}');
    const vector = new Random(1).vector(DIM);
    await index.upsert([{ id: 1, vector, payload }]);
    const select = (withPayload: Json) => [
      index.querySync({ vector, withPayload }).hits[0]!.payload,
      index.getSync([1], { withPayload })[0]!.payload,
      index.scrollSync({ withPayload }).points[0]!.payload,
    ];
    const all = (value: Json) => [value, value, value];
    assert.deepEqual(select(true), all(payload));
    assert.deepEqual(select(false), all(undefined));
    assert.deepEqual(select(['a.b', '"k.k"']), all({ a: { b: 1 }, 'k.k': 5 }));
    assert.deepEqual(select({ include: ['__proto__'] }), all(JSON.parse('{"__proto__":{"x":1}}')));
    assert.deepEqual(
      select({ exclude: ['a.c[].e', '__proto__', 'constructor'] }),
      all({ a: { b: 1, c: [{ d: 2 }] }, 'k.k': 5 }),
    );
    assert.equal(({} as Json).x, undefined);
    assert.deepEqual(index.getSync([1])[0]!.payload, payload);
    assert.throws(
      () => index.scrollSync({ withPayload: { only: [] } as Json }),
      isError('BAD_ARGUMENT', /withPayload/),
    );
    await index.close();
  });

  it('is named when it is the one of a batch that is wrong', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert([{ id: 1, vector: new Random(1).vector(DIM) }]);
    const vector = new Random(2).vector(DIM);
    const batch = [{ vector }, { vector, limit: 0 }, { vector }];
    await assert.rejects(index.queryBatch(batch), isError('BAD_ARGUMENT', /limit .*queries\[1\]/));
    assert.throws(() => index.querySync({ vector, limit: 0 }), isError('BAD_ARGUMENT', /limit[^[]*$/));
    await index.close();
  });

  it('for a page, a count or values of rows is checked before any work', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert([{ id: 1, vector: new Random(1).vector(DIM), payload: { n: 1 } }]);
    const bad: [() => unknown, RegExp][] = [
      [() => index.scroll({ limit: 0 }), /limit/],
      [() => index.scroll({ after: -1 }), /after/],
      [() => index.scroll({ filter: { must: [{ key: 'n' }] } as Json }), /must\[0\]/],
      [() => index.countMatching({ filters: {} } as Json), /filters/],
      [() => index.facet({ key: '' }), /key/],
      [() => index.facet({} as Json), /key/],
      [() => index.delete({ filter: {} }), /every row/],
      [() => index.delete({ filter: { must: [] } }), /every row/],
      [() => index.delete({ ids: [1] } as Json), /ids/],
    ];
    for (const [run, pattern] of bad) await assert.rejects(async () => run(), isError('BAD_ARGUMENT', pattern));
    assert.equal(index.count, 1);
    await index.close();
    await assert.rejects(index.scroll(), isError('CLOSED', /open/));
  });
});
