// Runs alone: it measures how long the event loop stands still.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  doublingPlan,
  funnel,
  funnelAsync,
  funnelBatch,
  funnelBatchAsync,
  funnelPlan,
  type Hit,
  listKernels,
  type Plan,
  tutorialPlan,
  useKernels,
} from 'funnelvec';
import { assertAgrees, oracleFunnel } from '#dist/conformance/funnel-oracle.js';
import { Random, SEED } from '../random.js';

const backends = listKernels().filter((kernels) => kernels.supported);

interface Movie {
  id: number;
  vector: number[];
  title: string;
}

function movies(count: number, dim: number, seed = SEED): Movie[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => ({
    id: 1000 + i,
    vector: Array.from(random.vector(dim)),
    title: `movie ${i}`,
  }));
}

const queryOf = (dim: number, seed = 7) => new Random(seed).vector(dim);

for (const { name } of backends) {
  describe(`funnel on ${name}`, () => {
    it('reproduces the tutorial: 128 → 64 → 32 → 16', () => {
      useKernels(name);
      for (let seed = 0; seed < 20; seed++) {
        const rows = movies(128, 768, seed);
        const query = queryOf(768, 1000 + seed);
        const hits = funnel(rows, query, tutorialPlan);
        assert.equal(hits.length, 16);
        assertAgrees(
          hits,
          oracleFunnel(
            rows.map((row) => row.vector),
            query,
            tutorialPlan,
          ),
        );
      }
    });

    it('agrees with the plain-double oracle for plans of every shape', () => {
      useKernels(name);
      const random = new Random(SEED);
      for (let i = 0; i < 300; i++) {
        const dim = random.int(1, 80);
        const rows = movies(random.int(1, 90), dim, i);
        const scales = [...new Set(Array.from({ length: random.int(1, 5) }, () => random.int(1, dim)))].sort(
          (a, b) => a - b,
        );
        const plan: Plan = {
          scales,
          keep: scales.map(() => (random.chance(0.5) ? random.int(1, 100) / 100 : { count: random.int(1, 60) })),
          metric: random.pick(['cosine', 'dot', 'euclid']),
          limit: random.chance(0.5) ? random.int(1, 20) : undefined,
        };
        const query = queryOf(dim, i);
        assertAgrees(
          funnel(rows, query, plan),
          oracleFunnel(
            rows.map((row) => row.vector),
            query,
            plan,
          ),
        );
      }
    });
  });
}

describe('funnel', () => {
  const dim = 96;
  const rows = movies(100, dim);
  const query = queryOf(dim);
  const plan: Plan = { scales: [24, 48, 96], keep: 0.5, limit: 7 };
  const packed = Float32Array.from(rows.flatMap((row) => row.vector));
  const ids = rows.map((row) => row.id);
  const wanted = funnel(rows, query, plan).map(({ id, score, index }) => ({ id, score, index }));
  const bare = (hits: Hit[]) => hits.map(({ id, score, index }) => ({ id, score, index }));

  it('gives the same answer for every form of input', () => {
    const float32 = rows.map(({ id, vector }) => ({ id, vector: Float32Array.from(vector) }));
    const shared = new Float32Array(new SharedArrayBuffer(packed.byteLength));
    shared.set(packed);
    const shifted = new Float32Array(packed.length + 3).subarray(3);
    shifted.set(packed);
    const forms = {
      'float32 rows': float32,
      'float64 rows': rows.map(({ id, vector }) => ({ id, vector: Float64Array.from(vector) as never })),
      matrix: { vectors: packed, dim, ids },
      'matrix as a plain array': { vectors: Array.from(packed), dim, ids },
      'shared matrix': { vectors: shared, dim, ids },
      'matrix at an odd offset': { vectors: shifted, dim, ids },
    };
    for (const [form, candidates] of Object.entries(forms)) {
      assert.deepEqual(bare(funnel(candidates, query, plan)), wanted, form);
      assert.deepEqual(bare(funnel(candidates, Array.from(query), plan)), wanted, form);
    }
  });

  it('refers back to the caller’s rows and payloads, and never copies them', () => {
    const hit = funnel(rows, query, plan)[0]!;
    assert.equal(hit.row, rows[hit.index]);
    const payloads = rows.map(({ title }) => ({ title }));
    const other = funnel({ vectors: packed, dim, ids, payloads, rows }, query, plan)[0]!;
    assert.equal(other.payload, payloads[other.index]);
    assert.equal(other.row, rows[other.index]);
  });

  it('uses the index as id where there are no ids', () => {
    const hits = funnel({ vectors: packed, dim }, query, plan);
    assert.deepEqual(
      hits.map((hit) => hit.id),
      hits.map((hit) => hit.index),
    );
  });

  it('ranks equal vectors by position', () => {
    const same = Array.from({ length: 30 }, (_, i) => ({ id: `copy ${i}`, vector: rows[0]!.vector }));
    const hits = funnel(same, query, plan);
    assert.deepEqual(
      hits.map((hit) => hit.index),
      [0, 1, 2, 3, 4, 5, 6],
    );
  });

  it('returns true distances for euclid, smallest first', () => {
    const hits = funnel(rows, rows[4]!.vector, { ...plan, metric: 'euclid' });
    assert.equal(hits[0]!.id, 1004);
    assert.ok(Object.is(hits[0]!.score, 0));
    for (let i = 1; i < hits.length; i++) assert.ok(hits[i]!.score >= hits[i - 1]!.score);
  });

  it('with all dims and everything kept equals brute force', () => {
    const hits = funnel(rows, query, { scales: [dim], keep: 1 });
    assert.equal(hits.length, 100);
    assertAgrees(
      hits,
      oracleFunnel(
        rows.map((row) => row.vector),
        query,
        { scales: [dim], keep: 1 },
      ),
    );
  });

  it('without a plan takes funnelPlan(dim)', () => {
    assert.deepEqual(bare(funnel(rows, query)), bare(funnel(rows, query, funnelPlan(dim))));
    assert.equal(funnel(rows, query).length, 10);
  });

  it('runs batches as it runs single calls, also off the main thread', async () => {
    const requests = Array.from({ length: 60 }, (_, i) => ({
      candidates: movies(128, 768, i),
      query: queryOf(768, i),
    }));
    const singly = requests.map((request) => bare(funnel(request.candidates, request.query, tutorialPlan)));
    assert.deepEqual(funnelBatch(requests, tutorialPlan).map(bare), singly);
    assert.deepEqual((await funnelBatchAsync(requests, tutorialPlan)).map(bare), singly);
    assert.deepEqual(funnelBatch([], tutorialPlan), []);
    const each = [{ candidates: { vectors: new Float32Array([1, 0]), dim: 2 }, query: [1, 0], limit: 1 }];
    const ignored = { code: 'BAD_ARGUMENT', message: /^requests\[0\].*candidates, query in the request.*limit/ };
    assert.throws(() => funnelBatch(each), ignored);
    // Many queries may share one matrix, which is then copied once.
    const shared = { vectors: new Random(SEED).vector(4000 * 768), dim: 768 };
    const ranked = requests.slice(0, 5).map(({ query: q }) => ({ candidates: shared, query: q }));
    assert.deepEqual(
      (await funnelBatchAsync(ranked, tutorialPlan)).map(bare),
      funnelBatch(ranked, tutorialPlan).map(bare),
    );
    for (const [i, { candidates, query: q }] of requests.entries()) {
      if (i < 3) assert.deepEqual(bare(await funnelAsync(candidates, q, tutorialPlan)), singly[i]);
    }
  });

  it('leaves the event loop free during a large asynchronous call, on every backend', async () => {
    const random = new Random(SEED);
    const vectors = random.vector(20_000 * 256);
    const q = random.vector(256);
    const big: Plan = { scales: [128, 256], keep: 0.5, limit: 10 };
    const here = bare(funnel({ vectors, dim: 256 }, q, big));
    for (const { name } of backends) {
      useKernels(name);
      let running = true;
      let longest = 0;
      let turns = 0;
      const turn = (since: number) => {
        const now = performance.now();
        longest = Math.max(longest, now - since);
        turns++;
        if (running) setImmediate(turn, now);
      };
      setImmediate(turn, performance.now());
      const start = performance.now();
      const hits = await funnelAsync({ vectors, dim: 256 }, q, big);
      const whole = performance.now() - start;
      running = false;
      assert.deepEqual(bare(hits), here, name);
      // 20 MB are copied in five turns; a call that blocked would leave one.
      assert.ok(turns > 4, `${name}: ${turns} turns in ${whole} ms, the longest ${longest} ms`);
    }
    useKernels(backends[0]!.name);
  });

  it('reads the query at once, and a matrix that is shared in place', async () => {
    const random = new Random(SEED);
    const vectors = new Float32Array(new SharedArrayBuffer(20_000 * 256 * 4));
    vectors.set(random.vector(20_000 * 256));
    const q = random.vector(256);
    const big: Plan = { scales: [128, 256], keep: 0.5, limit: 10 };
    const want = bare(funnel({ vectors, dim: 256 }, q, big));
    for (const { name } of backends) {
      useKernels(name);
      const mine = q.slice();
      const pending = funnelAsync({ vectors, dim: 256 }, mine, big);
      mine.fill(0);
      assert.deepEqual(bare(await pending), want, name);
    }
    useKernels(backends[0]!.name);
  });
});

describe('plans', () => {
  const counts = (plan: Plan, n: number, limit?: number) => {
    const rows = movies(n, 64);
    return funnel(rows, queryOf(64), plan, { limit, explain: true }).stages.map(({ scale, in: from, out, prunes }) => ({
      scale,
      in: from,
      out,
      prunes,
    }));
  };

  it('floors fractions, down to nothing where no limit says otherwise', () => {
    const plan = { scales: [16, 32, 64], keep: 0.5 };
    const outs = (n: number) => counts(plan, n).map((stage) => stage.out);
    assert.deepEqual(outs(256), [128, 64, 32]);
    assert.deepEqual(outs(100), [50, 25, 12]);
    assert.deepEqual(outs(10), [5, 2, 1]);
    assert.deepEqual(outs(7), [3, 1, 0]);
  });

  it('stops pruning at limit survivors, and says so', () => {
    assert.deepEqual(counts({ scales: [8, 16, 32, 64], keep: 0.5 }, 40, 15), [
      { scale: 8, in: 40, out: 20, prunes: true },
      { scale: 16, in: 20, out: 15, prunes: true },
      { scale: 32, in: 15, out: 15, prunes: false },
      { scale: 64, in: 15, out: 15, prunes: false },
    ]);
  });

  it('takes counts and rules per scale, and the request’s limit before the plan’s', () => {
    const plan = { scales: [16, 64], keep: [{ count: 30 }, 1], limit: 5 };
    assert.deepEqual(
      counts(plan, 40).map((stage) => stage.out),
      [30, 5],
    );
    assert.deepEqual(
      counts(plan, 40, 9).map((stage) => stage.out),
      [30, 9],
    );
    assert.deepEqual(
      counts(plan, 3, 9).map((stage) => stage.out),
      [3, 3],
    );
  });

  it('doubles from 1/32 to 1', () => {
    assert.deepEqual(doublingPlan(1024), {
      head: 32,
      scales: [64, 128, 256, 512, 1024],
      keep: 0.5,
      limit: 10,
      candidates: 128,
    });
    assert.deepEqual(doublingPlan(768).scales, [48, 96, 192, 384, 768]);
    assert.deepEqual(doublingPlan(100, { from: 1 / 8 }).scales, [25, 50, 100]);
    for (let dim = 1; dim <= 300; dim++) {
      const { head, scales } = doublingPlan(dim);
      assert.equal(scales.at(-1), dim);
      assert.ok(head! <= scales[0]!);
      for (let s = 1; s < scales.length; s++) assert.ok(scales[s]! > scales[s - 1]!);
    }
  });

  it('has a default that fits any dims', () => {
    assert.deepEqual(funnelPlan(768), { head: 128, candidates: 128, scales: [256, 512, 768], keep: 0.5, limit: 10 });
    assert.deepEqual(funnelPlan(256).scales, [256]);
    assert.deepEqual(funnelPlan(1536, { limit: 50 }), {
      head: 256,
      candidates: 200,
      scales: [512, 1024, 1536],
      keep: 0.5,
      limit: 50,
    });
    for (let dim = 1; dim <= 300; dim++) assert.equal(funnelPlan(dim).scales.at(-1), dim);
  });
});

describe('explain', () => {
  const rows = movies(60, 64);
  const query = queryOf(64);
  const plan: Plan = { scales: [8, 32, 64], keep: 0.5, limit: 6 };

  it('has the hits of the plain call, bit for bit, on every metric', () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const explained = funnel(rows, query, { ...plan, metric }, { explain: true });
      assert.deepEqual(explained.hits, funnel(rows, query, { ...plan, metric }));
    }
  });

  it('accounts for every candidate at every stage', () => {
    const { stages, hits, find } = funnel(rows, query, plan, { explain: true });
    for (const stage of stages) {
      assert.equal(stage.dropped.length, stage.in - stage.out);
      for (const lost of stage.dropped) {
        assert.ok(lost.score <= stage.cutoff!);
        assert.ok(lost.rank >= stage.out);
      }
    }
    const outcomes = rows.map((row) => find(row.id).outcome);
    assert.equal(outcomes.filter((outcome) => outcome === 'hit').length, hits.length);
    assert.equal(outcomes.filter((outcome) => outcome === 'dropped').length, rows.length - hits.length);
    assert.deepEqual(find(hits[2]!.id), { outcome: 'hit', rank: 2, score: hits[2]!.score });
    const lost = stages[1]!.dropped[0]!;
    const { rank, score } = lost;
    assert.deepEqual(find(lost.id), {
      outcome: 'dropped',
      stage: 1,
      scale: 32,
      rank,
      score,
      cutoff: stages[1]!.cutoff,
    });
    assert.deepEqual(find(4711), { outcome: 'not a candidate' });
    assert.throws(() => find(String(hits[0]!.id)), { code: 'BAD_ID' });
    assert.throws(() => find(BigInt(hits[0]!.id)), { code: 'BAD_ID' });
  });
});
