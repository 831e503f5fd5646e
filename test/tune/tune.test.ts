/** tune() over an index and over searches with several heads: what it promises, what it refuses, that replays are true. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FunnelSearch, type Plan } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { type TuneOptions, type TuneResult, tune } from 'funnelvec/tune';
import type { TunedHead } from '#dist/tune/heads.js';
import { askExact, prepared } from '#dist/tune/tune.js';
import { Random, SEED } from '../random.js';

const DIM = 64;
const ROWS = 3000;
const QUERIES = 1000;
const K = 10;
const random = new Random(SEED);

/** Directions that matter less and less, as in a Matryoshka model; a few rows are there twice. */
const weights = Float32Array.from({ length: DIM }, (_, i) => 1 / (1 + i / 6));
const made = (centre?: Float32Array) => random.vector(DIM).map((x, i) => x * weights[i]! + 0.8 * (centre?.[i] ?? 0));
const centres = Array.from({ length: 60 }, () => made());
const rows = new Float32Array(ROWS * DIM);
for (let r = 0; r < ROWS; r++) {
  const copy = r > 100 && random.chance(0.01) ? random.int(0, 99) : -1;
  rows.set(copy === -1 ? made(random.pick(centres)) : rows.slice(copy * DIM, (copy + 1) * DIM), r * DIM);
}
const queries = Array.from({ length: QUERIES }, () => made(random.pick(centres)));
const unseen = Array.from({ length: 400 }, () => made(random.pick(centres)));

let index: FunnelIndex;
let heads: FunnelSearch[];

before(async () => {
  index = await FunnelIndex.create(':memory:', { dim: DIM, head: 16, autoOptimize: false });
  await index.upsert({ ids: Array.from({ length: ROWS }, (_, i) => `row ${i}`), vectors: rows });
  await index.optimize();
  heads = [8, 24].map((head) => new FunnelSearch({ source: embeddedSource(index, { head }) }));
});

after(() => index.close());

/** Mean recall of a request over queries that nobody has seen. */
async function recallOf(search: FunnelIndex | FunnelSearch, { request }: TuneResult): Promise<number> {
  let found = 0;
  for (const vector of unseen) {
    const { hits: exact } = await index.query({ vector, limit: K, mode: 'exact' });
    const { hits } = await search.query({ vector, ...request } as never);
    found += hits.filter(({ score }) => score >= exact.at(-1)!.score).length;
  }
  return found / (K * unseen.length);
}

describe('tune()', () => {
  it('over an index: settings that keep their promise on other queries, in a form to spread into requests', async () => {
    const phases = new Set<string>();
    const result = await tune({
      search: index,
      queries,
      target: { recall: 0.97, k: K },
      exact: false,
      onProgress: ({ phase, done, total }) => {
        phases.add(phase);
        assert.ok(done >= 0 && done <= total);
      },
    });
    assert.equal(result.refused, undefined);
    assert.equal(result.bound.recall, 0.97);
    assert.equal(result.bound.n, QUERIES / 2);
    assert.ok(result.bound.alone >= 0.97);
    assert.deepEqual(result.request, { limit: K, params: result.params });
    assert.ok((await recallOf(index, result)) >= 0.965);
    assert.deepEqual([...phases].sort(), ['ask', 'choose', 'exact', 'measure']);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result, 'it is plain data');
    assert.ok(result.latency.plan.p50 > 0 && result.latency.plan.p95 >= result.latency.plan.p50);
    assert.ok(result.curve.some(({ recall }) => recall < 0.97) && result.curve.some(({ frontier }) => frontier));
    assert.equal(result.fingerprint.rows, ROWS);
    assert.match(result.fingerprint.hash, /^[0-9a-f]{64}$/);
  });

  it('over a search: a plan that keeps its promise on other queries', async () => {
    const result = await tune({ search: heads[1]!, queries, target: { recall: 0.97, k: K }, exact: false });
    assert.equal(result.refused, undefined);
    assert.equal(result.by, 'replay');
    assert.equal(result.truth, 'certified');
    const plan = result.plan as Plan;
    assert.deepEqual([plan.head, plan.limit, plan.scales.at(-1)], [24, K, DIM]);
    assert.ok((await recallOf(heads[1]!, result)) >= 0.965);
    assert.equal(result.ranks.length, K * QUERIES);
    const lost = result.stages.reduce((sum, stage) => sum + stage.lost, 0);
    const mean = (result.recall.choosing + result.recall.certifying) / 2;
    assert.ok(Math.abs(1 - lost - mean) < 1e-9, 'the stages lose what the recall lacks');
    for (const { neighbours, recall } of result.traces) {
      const returned = neighbours.filter(({ lostAt }) => lostAt === -1).length;
      // A copy of a neighbour is as good as the neighbour itself.
      assert.ok(returned / K <= recall + 1e-9);
      for (const { headRank, lostAt } of neighbours) {
        if (headRank === -1 || headRank >= plan.candidates!) assert.equal(lostAt, 0);
      }
    }
  });

  it('chooses among heads, and says which', async () => {
    const result = await tune({
      search: heads,
      queries,
      target: { recall: 0.97, k: K },
      exact: false,
      budget: { candidates: 600 },
    });
    assert.equal(result.refused, undefined);
    assert.equal(result.plan!.head, [8, 24][result.search]);
    assert.ok(result.curve.some(({ label }) => label.startsWith('head 8,')));
    assert.ok(result.curve.some(({ label }) => label.startsWith('head 24,')));
    assert.ok((await recallOf(heads[result.search]!, result)) >= 0.965);
  });

  it('replays are what the searches return, for every plan that was looked at', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const own = await FunnelIndex.create(':memory:', { dim: DIM, metric, autoOptimize: false });
      await own.upsert({ ids: Int32Array.from({ length: 1000 }, (_, i) => i), vectors: rows.slice(0, 1000 * DIM) });
      const search = new FunnelSearch({ source: embeddedSource(own, { head: 8 }) });
      const some = queries.slice(0, 24);
      const { subject, session } = await prepared({ search, queries: some, budget: { candidates: 300 } });
      await askExact(subject, session);
      await subject.choices();
      // The plans of every shape, also of those that save too little here to be chosen among.
      const [head] = (subject as unknown as { heads: TunedHead[] }).heads;
      const plans = head!.shapes.flatMap((shape) => head!.sizes.map((size) => head!.plan(size, shape)));
      assert.ok(plans.length > 100, `${plans.length} plans`);
      for (const [p, plan] of plans.entries()) {
        if (p % 3 !== 0) continue;
        const losses = head!.losses(plan, session.order);
        for (const [i, q] of session.order.entries()) {
          if (i % 4 !== p % 4) continue;
          const { hits } = await search.query({ vector: some[q]!, plan });
          const last = session.truth[q]!.scores.at(-1)!;
          const found = hits.filter(({ score }) => (metric === 'euclid' ? score <= last : score >= last)).length;
          assert.equal(losses[i], (K - found) / K, `${metric}, ${JSON.stringify(plan)}, query ${q}`);
        }
      }
      await own.close();
    }
  });

  it('asks for every size where short lists are no beginnings of long ones', async () => {
    // The index orders by its own codes: more candidates find other rows.
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const result = await tune({ search, queries: queries.slice(0, 400), target: { recall: 0.9, k: 5 }, exact: false });
    assert.equal(result.by, 'ask');
    assert.equal(result.refused, undefined);
    const sizes = new Set(result.curve.map(({ request }) => request.plan!.candidates));
    assert.ok(sizes.size >= 4);
  });

  it('prefers the exact search where that is no slower', async () => {
    const result = await tune({
      search: heads[0]!,
      queries: queries.slice(0, 700),
      target: { recall: 0.98, k: K },
      budget: { candidates: 300 },
    });
    // The head search of 3000 rows one by one cannot be faster than the codes of the index.
    assert.deepEqual(result.request, { limit: K, mode: 'exact' });
    assert.deepEqual([result.bound.recall, result.bound.method, result.plan], [1, 'exact', undefined]);
    assert.equal(await recallOf(heads[0]!, result), 1);
  });

  it('refuses to promise what so few queries cannot show, and says how many more it takes', async () => {
    const options: TuneOptions = { search: heads[1]!, queries: queries.slice(0, 200), exact: false };
    const result = await tune({ ...options, target: { recall: 0.99, k: K } });
    assert.match(result.refused!.reason, /100 queries could not promise it.*299/);
    assert.ok(result.refused!.moreQueries! >= 398 && result.refused!.moreQueries! < 20_000);
    assert.ok(result.bound.recall < 0.99 && result.bound.recall > 0.5);
    assert.ok(result.plan, 'the best plan comes all the same');
    const enough = await tune({ ...options, queries, target: { recall: 0.9, k: K } });
    assert.equal(enough.refused, undefined);
  });

  it('says how many queries it takes at least, where a few do not tell how many would do', async () => {
    const result = await tune({
      search: heads[1]!,
      queries: queries.slice(0, 4),
      exact: false,
      target: { recall: 0.99, k: K },
    });
    const { reason, moreQueries } = result.refused!;
    assert.match(reason, /it takes 299 beside those that choose.*at least 594 more queries like these/);
    assert.equal(moreQueries, 2 * 299 - 4);
  });

  it('refuses what no pool within the budget reaches, without a number of queries', async () => {
    const result = await tune({
      search: heads[0]!,
      queries: queries.slice(0, 800),
      budget: { candidates: 20 },
      target: { recall: 0.99, k: K },
      exact: false,
    });
    assert.match(result.refused!.reason, /up to 20 candidates.*longer head/);
    assert.equal(result.refused!.moreQueries, undefined);
  });

  for (const promise of ['complete', 'expected'] as const) {
    it(`makes promise '${promise}'`, async () => {
      const result = await tune({
        search: index,
        queries: queries.slice(0, 800),
        target: { recall: 0.9, k: K, promise },
        exact: false,
      });
      assert.equal(result.refused, undefined);
      assert.equal(result.bound.method, promise === 'complete' ? 'clopper-pearson' : 'conformal');
      assert.equal(result.bound.confidence, promise === 'complete' ? 0.95 : undefined);
    });
  }

  it('the same seed splits alike, another otherwise; queries may be one matrix', async () => {
    const some = queries.slice(0, 60);
    const matrix = new Float32Array(60 * DIM);
    some.forEach((query, q) => void matrix.set(query, q * DIM));
    const order = async (all: TuneOptions['queries'], seed: number) =>
      (await prepared({ search: index, queries: all, seed })).session.order;
    assert.deepEqual(await order(some, 7), await order(matrix, 7));
    assert.notDeepEqual(await order(some, 7), await order(some, 8));
    assert.deepEqual(
      (await order(some, 7)).toSorted((a, b) => a - b),
      [...some.keys()],
    );
  });

  it('holds for searches under a filter', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `row ${3 * i}`);
    const result = await tune({
      search: new FunnelSearch({ source: embeddedSource(index, { head: 24 }) }),
      queries: queries.slice(0, 400),
      request: { filter: { must: [{ has_id: ids }] } },
      target: { recall: 0.95, k: K },
    });
    const traced = result.traces.flatMap(({ neighbours }) => neighbours.map(({ id }) => id));
    assert.ok(traced.every((id) => ids.includes(id)));
  });

  it('uses fewer queries when the time is over', async () => {
    const result = await tune({ search: heads[1]!, queries, budget: { ms: 150 }, target: { recall: 0.9, k: K } });
    assert.ok(result.fingerprint.queries < QUERIES && result.fingerprint.queries >= 2);
  });

  it('stops when the signal says so', async () => {
    const controller = new AbortController();
    const run = tune({
      search: index,
      queries,
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === 'ask') controller.abort();
      },
    });
    await assert.rejects(run, { code: 'ABORTED' });
  });

  const bad: [string, object, string, RegExp][] = [
    ['no search', { search: undefined }, 'BAD_ARGUMENT', /a FunnelIndex, a FunnelSearch/],
    ['a list of none', { search: [] }, 'BAD_ARGUMENT', /a FunnelSearch/],
    ['no queries', { queries: undefined }, 'BAD_ARGUMENT', /array of vectors for queries/],
    ['one query', { queries: [queries[0]] }, 'BAD_ARGUMENT', /at least 2 queries/],
    ['a query of other dims', { queries: [queries[0], [1, 2]] }, 'BAD_DIMS', /64 dims for queries\[1\]/],
    ['a matrix of other dims', { queries: new Float32Array(DIM + 1) }, 'BAD_DIMS', /multiple of 64/],
    ['NaN', { queries: [queries[0], queries[1]!.map(() => Number.NaN)] }, 'NOT_FINITE', /dim 0 of queries\[1\]/],
    ['zeros', { queries: new Float32Array(2 * DIM) }, 'ZERO_QUERY', /queries\[0\]/],
    ['recall 1', { target: { recall: 1 } }, 'BAD_ARGUMENT', /below 1 for target.recall/],
    ['a confidence of percent', { target: { confidence: 95 } }, 'BAD_ARGUMENT', /target.confidence/],
    [
      'a confidence of a promise that has none',
      { target: { promise: 'expected', confidence: 0.9 } },
      'BAD_ARGUMENT',
      /'expected'.*target\.confidence/,
    ],
    ['k of 0', { target: { k: 0 } }, 'BAD_ARGUMENT', /target.k/],
    ['another promise', { target: { promise: 'most' } }, 'BAD_ARGUMENT', /mean, complete, expected/],
    ['an unknown option', { goal: 1 }, 'BAD_ARGUMENT', /received goal/],
    ['a budget below k', { budget: { candidates: 5 } }, 'BAD_ARGUMENT', /budget.candidates/],
    ['no time', { budget: { ms: 0 } }, 'BAD_ARGUMENT', /budget.ms/],
    ['scales of an index', { scales: [32, 64] }, 'BAD_ARGUMENT', /no scales for an index/],
    ['a request that is none', { request: { limit: 3 } }, 'BAD_ARGUMENT', /received limit/],
    ['a signal that is none', { signal: {} }, 'BAD_ARGUMENT', /AbortSignal/],
    ['a seed below 0', { seed: -1 }, 'BAD_ARGUMENT', /seed/],
  ];
  for (const [name, more, code, message] of bad) {
    it(`refuses ${name} before any work`, async () => {
      const options = { search: index, queries: queries.slice(0, 4), ...more } as TuneOptions;
      const work = { onProgress: () => assert.fail('it began') };
      await assert.rejects(tune({ ...work, ...options }), { name: 'FunnelError', code, message });
    });
  }
});
