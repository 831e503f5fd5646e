/** evaluate() and the measures it is made of, against cases worked by hand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type EvaluateOptions, evaluate, evaluationTable, ndcgAt, recallAt, reciprocalRankAt } from 'funnelvec/train';
import { Random, SEED } from '../random.js';
import { glosses } from './data.js';

const log2 = Math.log2;
const close = (found: number, wanted: number, by = 1e-12) =>
  assert.ok(Math.abs(found - wanted) <= by, `${found} is not within ${by} of ${wanted}`);

describe('measures', () => {
  const grades = new Map([
    ['a', 3],
    ['b', 2],
    ['c', 3],
    ['d', 0],
    ['e', 1],
    ['f', 2],
  ]);
  const ranked = ['a', 'b', 'c', 'd', 'e', 'f'];

  it('nDCG is the textbook case of graded relevance, by both gains', () => {
    // Grades 3 2 3 0 1 2 in this order: the worked example of Wikipedia's article on discounted cumulative gain.
    const dcg = 3 + 2 / log2(3) + 3 / 2 + 0 + 1 / log2(6) + 2 / log2(7);
    const ideal = 3 + 3 / log2(3) + 2 / 2 + 2 / log2(5) + 1 / log2(6);
    close(dcg, 6.861126688593501, 1e-9);
    close(ndcgAt(ranked, grades, 6), dcg / ideal);
    const exponential = 7 + 3 / log2(3) + 7 / 2 + 0 + 1 / log2(6) + 3 / log2(7);
    const best = 7 + 7 / log2(3) + 3 / 2 + 3 / log2(5) + 1 / log2(6);
    close(ndcgAt(ranked, grades, 6, 'exponential'), exponential / best);
  });

  it('cuts both sides of nDCG at k', () => {
    close(ndcgAt(ranked, grades, 1), 1);
    close(ndcgAt(['d', ...ranked], grades, 2), 3 / log2(3) / (3 + 3 / log2(3)));
    close(ndcgAt(ranked, grades, 100), ndcgAt(ranked, grades, 6));
  });

  it('binary grades are one nDCG under both gains', () => {
    const some = new Map([
      ['x', 1],
      ['y', 1],
    ]);
    const list = ['p', 'x', 'q', 'y'];
    close(ndcgAt(list, some, 4), (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)));
    close(ndcgAt(list, some, 4), ndcgAt(list, some, 4, 'exponential'));
  });

  it('recall is of all that are relevant; the reciprocal rank is of the first', () => {
    close(recallAt(ranked, grades, 3), 3 / 5);
    close(recallAt(ranked, grades, 4), 3 / 5);
    close(recallAt(ranked, grades, 6), 1);
    assert.equal(reciprocalRankAt(['d', 'z', 'e'], grades, 10), 1 / 3);
    assert.equal(reciprocalRankAt(['d', 'z', 'e'], grades, 2), 0);
    assert.equal(reciprocalRankAt([], grades, 2), 0);
  });

  it('a row that comes twice counts once; nothing relevant is 0', () => {
    close(recallAt(['a', 'a', 'a', 'b'], grades, 4), 2 / 5);
    close(ndcgAt(['e', 'e'], new Map([['e', 1]]), 2), 1);
    const none = new Map([['d', 0]]);
    assert.deepEqual(
      [recallAt(ranked, none, 3), ndcgAt(ranked, none, 3), reciprocalRankAt(ranked, none, 3)],
      [0, 0, 0],
    );
  });
});

describe('evaluate', () => {
  // By the first dim alone the order is d c b a, by both a b c d.
  const documents = [
    { id: 'a', vector: [0.1, 1] },
    { id: 'b', vector: [0.2, 0.9] },
    { id: 'c', vector: [0.3, 0.8] },
    { id: 'd', vector: [0.4, 0.7] },
  ];
  const query = [[0.01, 1]];
  const dot: EvaluateOptions = { metric: 'dot', dims: [2, 1], k: 2, candidates: 3 };

  it('measures prefixes against what the full vectors find', async () => {
    const { rows, truth, documents: count, queries } = await evaluate(documents, query, dot);
    assert.deepEqual([truth, count, queries], ['full vectors', 4, 1]);
    assert.deepEqual(rows[0], { dim: 2, recall: 1, ndcg: 1, mrr: 1, shortlist: 1 });
    assert.deepEqual(rows[1], { dim: 1, recall: 0, ndcg: 0, mrr: 0, shortlist: 0.5 });
  });

  it('measures prefixes against relevance that was given, binary or graded', async () => {
    const binary = await evaluate(documents, query, { ...dot, relevant: [['c', 'elsewhere']] });
    assert.equal(binary.truth, 'relevant');
    assert.deepEqual(binary.rows[0], { dim: 2, recall: 0, ndcg: 0, mrr: 0, shortlist: 0.5 });
    const wanted = 1 / log2(3) / (1 + 1 / log2(3));
    close(binary.rows[1]!.ndcg, wanted);
    assert.deepEqual({ ...binary.rows[1], ndcg: 0 }, { dim: 1, recall: 0.5, ndcg: 0, mrr: 0.5, shortlist: 0.5 });
    const graded = await evaluate(documents, query, {
      ...dot,
      relevant: [
        new Map([
          ['a', 1],
          ['b', 3],
        ]),
      ],
    });
    close(graded.rows[0]!.ndcg, (1 + 3 / log2(3)) / (3 + 1 / log2(3)));
  });

  it('leaves the own document of a query out, as BEIR does, where queries are documents under their ids', async () => {
    // As in ArguAna and Quora: queries are rows, and what is relevant is another one.
    const documents = [0, 1, 3, 7].map((x, i) => ({ id: 'abcd'[i]!, vector: [x, 1] }));
    const asked = documents.map(({ id, vector }) => ({ id, vector }));
    const relevant = [['b'], ['c'], ['b'], ['c']];
    const full: EvaluateOptions = { metric: 'euclid', dims: [2], k: 3, candidates: 3, relevant };
    const found = await evaluate(documents, asked, full);
    // By distance a: b c d; b: a c d; c: b a d; d: c b a.
    assert.deepEqual([found.identical, found.queries, found.withoutRelevant], [4, 4, 0]);
    close(found.rows[0]!.mrr, (1 + 1 / 2 + 1 + 1) / 4, 1e-9);
    close(found.rows[0]!.recall, 1);
    const kept = await evaluate(documents, asked, { ...full, ignoreIdenticalIds: false });
    assert.equal(kept.identical, 0);
    close(kept.rows[0]!.mrr, (1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4, 1e-9);
    // Without ids, or with ids of other things, nothing is left out.
    for (const queries of [
      asked.map(({ vector }) => vector),
      asked.map(({ id, vector }) => ({ id: `q-${id}`, vector })),
    ]) {
      assert.deepEqual((await evaluate(documents, queries, full)).rows, kept.rows);
    }
    // A document that was said to be relevant stays so, found or not.
    const own = await evaluate(documents, asked, { ...full, relevant: [['a', 'b'], ['c'], ['b'], ['c']] });
    close(own.rows[0]!.recall, (0.5 + 1 + 1 + 1) / 4);
    // The truth by full vectors leaves out a query's own row, too; row numbers are ids, bigints and numbers the same.
    const numbered = { vectors: Float32Array.from(documents.flatMap(({ vector }) => vector)), dim: 2 };
    for (const ids of [
      [0, 1, 2, 3],
      [0n, 1n, 2n, 3n],
    ]) {
      const alone = await evaluate(
        numbered,
        { ...numbered, ids },
        { metric: 'euclid', dims: [2, 1], k: 1, candidates: 3 },
      );
      assert.deepEqual([alone.identical, alone.rows[0]], [4, { dim: 2, recall: 1, ndcg: 1, mrr: 1, shortlist: 1 }]);
    }
    await assert.rejects(evaluate([documents[0]!], [asked[0]!]), { code: 'BAD_ARGUMENT', message: /query 0/ });
  });

  it('counts queries without anything relevant as the caller says', async () => {
    // As pytrec_eval, ranx and BEIR have it: 0 by every measure, and part of the mean.
    const asked = [query[0]!, query[0]!, query[0]!];
    const relevant = [['a'], [], new Map([['b', 0]])];
    const one: EvaluateOptions = { ...dot, dims: [2], relevant };
    const zero = await evaluate(documents, asked, { ...one, withoutRelevant: 'zero' });
    assert.deepEqual([zero.queries, zero.withoutRelevant], [3, 2]);
    const third = 1 / 3;
    assert.deepEqual(zero.rows, [{ dim: 2, recall: third, ndcg: third, mrr: third, shortlist: third }]);
    const skip = await evaluate(documents, asked, { ...one, withoutRelevant: 'skip' });
    assert.deepEqual([skip.queries, skip.withoutRelevant], [1, 2]);
    assert.deepEqual(skip.rows, [{ dim: 2, recall: 1, ndcg: 1, mrr: 1, shortlist: 1 }]);
    const refused = { code: 'BAD_ARGUMENT', message: /query 1.*withoutRelevant: 'zero'.*'skip'/ };
    await assert.rejects(evaluate(documents, asked, one), refused);
    const nobody = { ...one, relevant: [[], [], []], withoutRelevant: 'skip' } as const;
    await assert.rejects(evaluate(documents, asked, nobody), { code: 'BAD_ARGUMENT', message: /none of 3/ });
  });

  it('takes a document of the same score for as good as what full vectors find', async () => {
    // Under dot products all but the last score 1 by both dims; by the first alone they are far apart.
    const tied = Array.from({ length: 40 }, (_, i) => [i / 64, 1 - i / 64]);
    const { rows } = await evaluate([...tied, [0, 0]], [[1, 1]], { ...dot, dims: [2, 1], k: 10, candidates: 20 });
    for (const row of rows) assert.deepEqual({ ...row, dim: 0 }, { dim: 0, recall: 1, ndcg: 1, mrr: 1, shortlist: 1 });
    const other = await evaluate([...tied, [9, 0]], [[1, 1]], { ...dot, dims: [2, 1], k: 10, candidates: 20 });
    assert.equal(other.rows[1]!.recall, 1);
    const worse = await evaluate([...tied.slice(0, 5), [0.9, 0], [0.8, 0]], [[1, 1]], {
      ...dot,
      dims: [1],
      k: 4,
      candidates: 4,
    });
    assert.equal(worse.rows[0]!.recall, 2 / 4);
  });

  it('ranks ties by position', async () => {
    const same = Array.from({ length: 5 }, () => [1, 0]);
    const { rows } = await evaluate(same, [[1, 0]], { dims: [2], k: 1, candidates: 2, relevant: [[1]] });
    assert.deepEqual(rows[0], { dim: 2, recall: 0, ndcg: 0, mrr: 0, shortlist: 1 });
  });

  it('agrees with a plain loop on random vectors, under every metric', async () => {
    const from = new Random(SEED);
    const [n, dim, k, candidates] = [200, 24, 5, 20];
    const rows = Array.from({ length: n }, () => from.vector(dim));
    const queries = Array.from({ length: 9 }, () => from.vector(dim));
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const best = (query: Float32Array, m: number, wanted: number) => {
        const score = (row: Float32Array) => {
          let [d, x, e] = [0, 0, 0];
          for (let i = 0; i < m; i++) {
            d += query[i]! * row[i]!;
            x += row[i]! ** 2;
            e += (query[i]! - row[i]!) ** 2;
          }
          return metric === 'cosine' ? d / Math.sqrt(x) : metric === 'dot' ? d : -e;
        };
        return Array.from(rows.keys())
          .sort((a, b) => score(rows[b]!) - score(rows[a]!))
          .slice(0, wanted);
      };
      const found = await evaluate(rows, queries, { dims: [6, 24, 13], k, candidates, metric });
      assert.deepEqual(
        found.rows.map(({ dim: m }) => m),
        [24, 13, 6],
      );
      for (const row of found.rows) {
        let [recall, shortlist] = [0, 0];
        for (const query of queries) {
          const truth = new Set(best(query, dim, k));
          recall += best(query, row.dim, k).filter((r) => truth.has(r)).length / k / queries.length;
          shortlist += best(query, row.dim, candidates).filter((r) => truth.has(r)).length / k / queries.length;
        }
        close(row.recall, recall);
        close(row.shortlist, shortlist);
      }
    }
  });

  it('says where a real Matryoshka model may be cut', async (t) => {
    const data = await glosses(3000);
    if (typeof data === 'string') return t.skip(data);
    const { rows, dim, queryRows } = data;
    const progress: number[] = [];
    const queries = { vectors: queryRows.subarray(0, 60 * dim), dim };
    const found = await evaluate({ vectors: rows, dim }, queries, {
      onProgress: ({ done, total }) => progress.push(done / total),
    });
    assert.deepEqual(
      found.rows.map((row) => row.dim),
      [256, 128, 64, 32, 16, 8],
    );
    for (const [i, row] of found.rows.entries()) {
      const next = found.rows[i + 1];
      if (next)
        assert.ok(row.shortlist >= next.shortlist && row.recall > next.recall, `${row.dim} against ${next.dim}`);
    }
    assert.ok(found.rows[1]!.shortlist > 0.95 && found.rows[5]!.shortlist < 0.5);
    assert.equal(progress.length, 60);
    assert.equal(progress.at(-1), 1);
    assert.match(evaluationTable(found), /^\| dims \| recall@10 \| nDCG@10 \| MRR@10 \| recall@100 \|\n/);
    assert.equal(evaluationTable(found).split('\n').length, 8);
  });

  it('refuses what it cannot measure, before any work', async () => {
    const bad = (code: string, ...args: Parameters<typeof evaluate>) =>
      assert.rejects(evaluate(...args), { name: 'FunnelError', code });
    await bad('BAD_ARGUMENT', [], query);
    await bad('BAD_ARGUMENT', documents, []);
    await bad('BAD_ARGUMENT', documents, null as never);
    await bad('BAD_DIMS', documents, [[1, 2, 3]]);
    await bad('ZERO_QUERY', documents, [[0, 0]]);
    await bad('NOT_FINITE', documents, [[Number.NaN, 0]]);
    await bad('NOT_FINITE', { vectors: Float32Array.of(1, Number.POSITIVE_INFINITY), dim: 2 }, query);
    await bad('BAD_DIMS', documents, query, { dims: [3] });
    await bad('BAD_PLAN', documents, query, { dims: [0] });
    await bad('BAD_ARGUMENT', documents, query, { k: 0 });
    await bad('BAD_ARGUMENT', documents, query, { candidates: Number.NaN });
    await bad('BAD_ARGUMENT', documents, query, { metric: 'manhattan' as never });
    await bad('BAD_ARGUMENT', documents, query, { gain: 'both' as never });
    await bad('BAD_ARGUMENT', documents, query, { top: 3 } as never);
    await bad('BAD_ARGUMENT', documents, query, { relevant: [] });
    await bad('BAD_ARGUMENT', documents, query, { relevant: [[]] });
    await bad('BAD_ARGUMENT', documents, query, { withoutRelevant: 'one' as never });
    await bad('BAD_ARGUMENT', documents, query, { ignoreIdenticalIds: 1 as never });
    await bad('BAD_ARGUMENT', documents, query, { relevant: ['a' as never] });
    await bad('BAD_ID', documents, query, { relevant: [[1]] });
    await bad('BAD_ARGUMENT', documents, query, { relevant: [new Map([['a', 0]])] });
    await bad('NOT_FINITE', documents, query, { relevant: [new Map([['a', Number.NaN]])] });
    await bad('BAD_ARGUMENT', documents, query, { signal: {} as never });
    await bad('ABORTED', documents, query, { signal: AbortSignal.abort() });
  });
});
