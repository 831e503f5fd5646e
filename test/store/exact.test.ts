/** Mode 'exact' against a brute-force scan: ids, order and score bits, over hard sets, on every backend. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { METRICS, type Metric } from '#dist/kernels/kernels.js';
import { activeKernels, listKernels, useKernels } from '#dist/kernels/load.js';
import { Random, SEED } from '../random.js';
import { FAMILIES, queryFor } from './families.js';

const QUERIES = Number(process.env['FUNNELVEC_CASES'] ?? 100_000);

/** The answer of a brute-force scan, over the rows that live. */
class Oracle {
  readonly rows: Float32Array[] = [];
  readonly ids: number[] = [];

  constructor(
    readonly dim: number,
    readonly metric: Metric,
  ) {}

  upsert(id: number, row: Float32Array): void {
    this.delete(id);
    this.ids.push(id);
    this.rows.push(row);
  }

  delete(id: number): void {
    const at = this.ids.indexOf(id);
    if (at < 0) return;
    this.ids.splice(at, 1);
    this.rows.splice(at, 1);
  }

  search(vector: Float32Array, limit: number, threshold?: number, only?: Set<number>): { id: number; score: number }[] {
    const { dim, metric } = this;
    const places = this.ids.flatMap((id, i) => (only === undefined || only.has(id) ? [i] : []));
    const matrix = new Float32Array(places.length * dim);
    places.forEach((place, i) => {
      matrix.set(this.rows[place]!, i * dim);
    });
    const indices = new Uint32Array(Math.min(limit, places.length));
    const keys = new Float64Array(indices.length);
    activeKernels().scan({ metric, query: vector, rows: matrix, dim, to: dim, indices, keys });
    const hits = Array.from(indices, (index, i) => ({
      id: this.ids[places[index]!]!,
      score: metric === 'euclid' ? 0 - keys[i]! : keys[i]!,
    }));
    if (threshold === undefined) return hits;
    return hits.filter(({ score }) => (metric === 'euclid' ? score < threshold : score > threshold));
  }
}

async function make(random: Random, metric: Metric, dim: number, rows: Float32Array, codedShare: number) {
  const index = await FunnelIndex.create(':memory:', {
    dim,
    metric,
    autoOptimize: false,
    head: random.pick([8, 16, 24, 32].filter((head) => head <= dim).concat(dim > 8 ? [] : [dim])),
    rotation: random.pick(['pca', 'pca', 'none'] as const),
    lists: random.pick(['off', 'auto', 3, 17] as const),
  });
  const oracle = new Oracle(dim, metric);
  const count = rows.length / dim;
  const coded = Math.floor(count * codedShare);
  const write = (from: number, to: number) => {
    if (from === to) return;
    const ids = Array.from({ length: to - from }, (_, i) => from + i);
    index.upsertSync({ ids, vectors: rows.slice(from * dim, to * dim) });
    for (const id of ids) oracle.upsert(id, rows.slice(id * dim, (id + 1) * dim));
  };
  write(0, coded);
  if (coded > 0) index.optimizeSync();
  write(coded, count);
  // Some die, some are replaced: inside the codes and behind them.
  for (let i = 0; i < count / 20; i++) {
    const id = random.int(0, count - 1);
    if (random.chance(0.5)) {
      index.deleteSync(id);
      oracle.delete(id);
    } else {
      const row = rows.slice(random.int(0, count - 1) * dim).subarray(0, dim);
      index.upsertSync([{ id, vector: row }]);
      oracle.upsert(id, row);
    }
  }
  return { index, oracle };
}

function check(
  index: FunnelIndex,
  oracle: Oracle,
  query: IndexQuery,
  only: Set<number> | undefined,
  what: string,
): void {
  const expected = oracle.search(query.vector as Float32Array, query.limit ?? 10, query.scoreThreshold, only);
  const { hits, stats } = index.querySync(query);
  assert.equal(stats.certified, true, what);
  const got = hits.map(({ id, score }) => ({ id, score }));
  if (
    got.length === expected.length &&
    got.every((hit, i) => hit.id === expected[i]!.id && Object.is(hit.score, expected[i]!.score))
  ) {
    return;
  }
  assert.deepEqual(got, expected, what);
}

describe('mode exact', () => {
  const perSet = 250;
  const sets = Math.ceil(QUERIES / perSet);

  it(`equals a brute-force scan in ${sets * perSet} random queries: ids, order, score bits (seed ${SEED})`, async () => {
    const random = new Random(SEED);
    for (let s = 0; s < sets; s++) {
      const family = FAMILIES[s % FAMILIES.length]!;
      const metric = METRICS[Math.floor(s / FAMILIES.length) % 3]!;
      const dim = random.pick([1, 2, 7, 8, 9, 16, 24, 31, 48, 64, 65]);
      const count = s % 40 === 39 ? 5000 : random.int(1, 700);
      const rows = family.rows(random, count, dim);
      const { index, oracle } = await make(random, metric, dim, rows, random.pick([1, 1, 0.7, 0]));
      for (let i = 0; i < perSet; i++) {
        const vector = queryFor(random, rows, dim);
        const limit = random.pick([1, 3, 10, 10, 10, 50, count + 5]);
        const query: IndexQuery = { vector, limit, mode: 'exact' };
        let only: Set<number> | undefined;
        if (random.chance(0.1)) {
          const all = oracle.search(vector, 20);
          if (all.length > 0) query.scoreThreshold = random.pick(all).score;
        }
        if (random.chance(0.1)) {
          only = new Set(oracle.ids.filter(() => random.chance(0.5)));
          query.filter = { ids: only };
        }
        check(index, oracle, query, only, `${family.name}, ${metric}, ${count} × ${dim}, set ${s}, query ${i}`);
      }
      await index.close();
    }
  });

  for (const { name, supported } of listKernels()) {
    if (!supported) continue;
    it(`answers with the same bits and the same counts on ${name}`, async () => {
      const before = activeKernels().name;
      try {
        const answers: string[] = [];
        for (const kernels of [before, name]) {
          useKernels(kernels as never);
          const random = new Random(SEED);
          const lines: unknown[] = [];
          for (const metric of METRICS) {
            for (const family of FAMILIES) {
              const dim = random.pick([24, 40]);
              const rows = family.rows(random, 300, dim);
              const { index, oracle } = await make(random, metric, dim, rows, 0.9);
              for (let i = 0; i < 8; i++) {
                const vector = queryFor(random, rows, dim);
                check(index, oracle, { vector, mode: 'exact' }, undefined, `${name}: ${family.name}, ${metric}`);
                for (const query of [
                  { vector, mode: 'exact' as const },
                  { vector, params: { candidates: 20 } },
                  { vector, params: { eps: 0.5 } },
                ]) {
                  const { hits, stats } = index.querySync(query);
                  lines.push(hits, stats.stages, stats.rowsRead);
                }
              }
              await index.close();
            }
          }
          answers.push(JSON.stringify(lines));
        }
        assert.ok(answers[0] === answers[1], `${name} and ${before} differ`);
      } finally {
        useKernels(before as never);
      }
    });
  }

  it('answers alike on one thread, on two, in batches and one by one', async () => {
    const random = new Random(SEED);
    const dim = 64;
    const rows = FAMILIES[1]!.rows(random, 3000, dim);
    const ids = Array.from({ length: 3000 }, (_, i) => i);
    const queries = Array.from({ length: 40 }, (_, i) => ({
      vector: queryFor(random, rows, dim),
      mode: i % 2 ? ('exact' as const) : ('funnel' as const),
    }));
    const answers: string[] = [];
    for (const threads of [1, 2]) {
      const index = await FunnelIndex.create(':memory:', { dim, threads, lists: 8, autoOptimize: false });
      await index.upsert({ ids, vectors: rows });
      await index.optimize();
      answers.push(JSON.stringify((await index.queryBatch(queries)).map(({ hits }) => hits)));
      answers.push(JSON.stringify(index.queryBatchSync(queries).map(({ hits }) => hits)));
      answers.push(JSON.stringify(queries.map((query) => index.querySync(query).hits)));
      answers.push(
        JSON.stringify((await Promise.all(queries.map((query) => index.query(query)))).map(({ hits }) => hits)),
      );
      await index.close();
    }
    for (const answer of answers) assert.equal(answer, answers[0]);
  });
});
