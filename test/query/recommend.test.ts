/** The scoring of recommendations against a naive version of its formulas, in doubles. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { activeKernels, type KernelsName, listKernels, useKernels } from 'funnelvec';
import { naiveAverage, naiveStrategy } from '#dist/conformance/ranking-oracle.js';
import type { Metric } from '#dist/core/types.js';
import { averageVector, checkStrategy, type Examples, scoreAll, strategyScore } from '#dist/query/recommend.js';
import { Random, SEED } from '../random.js';

const DIM = 19;

function examples(random: Random, positives: number, negatives: number): Examples {
  const draw = (count: number) => Array.from({ length: count }, () => random.vector(DIM));
  return { positive: draw(positives), negative: draw(negatives) };
}

describe('recommend', () => {
  it('average_vector is mean(pos) + (mean(pos) − mean(neg)), of directions under cosine', () => {
    const random = new Random(SEED);
    for (const metric of ['cosine', 'dot', 'euclid'] as Metric[]) {
      for (const [p, n] of [
        [1, 0],
        [3, 0],
        [1, 1],
        [4, 7],
      ] as const) {
        const given = examples(random, p, n);
        // A direction has any length.
        const alone = metric === 'cosine' && p === 1 && n === 0;
        const want = alone ? Array.from(given.positive[0]!) : naiveAverage(given, metric);
        const got = averageVector(given, metric);
        assert.ok(got instanceof Float32Array);
        want.forEach((value, i) => {
          assert.ok(Math.abs(value - got[i]!) <= 1e-6 * Math.max(1, Math.abs(value)), `${metric} dim ${i}`);
        });
      }
    }
  });

  it('one positive alone is searched by itself', () => {
    const vector = new Random(3).vector(DIM);
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      assert.deepEqual(averageVector({ positive: [vector], negative: [] }, metric), vector);
    }
  });

  it('best_score and sum_scores are what their formulas say, under every metric and on every backend', () => {
    const random = new Random(SEED + 1);
    const was = activeKernels().name as KernelsName;
    try {
      for (const { name, supported } of listKernels()) {
        if (!supported) continue;
        const kernels = useKernels(name);
        for (const metric of ['cosine', 'dot', 'euclid'] as Metric[]) {
          for (const [p, n] of [
            [1, 0],
            [0, 2],
            [3, 4],
          ] as const) {
            const given = examples(random, p, n);
            const rows = random.vector(40 * DIM);
            for (const strategy of ['best_score', 'sum_scores'] as const) {
              const got = scoreAll(given, strategy, metric, 40, (query, keys) => {
                kernels.scores({ metric, query, rows, dim: DIM, from: 0, to: DIM, keys });
              });
              got.forEach((score, row) => {
                const want = naiveStrategy(given, strategy, metric, rows.subarray(row * DIM, (row + 1) * DIM));
                assert.ok(
                  Math.abs(score - want) < 1e-9 * Math.max(1, Math.abs(want)),
                  `${metric} ${strategy} ${score} for ${want}`,
                );
              });
            }
          }
        }
      }
    } finally {
      useKernels(was);
    }
  });

  it('best_score puts what is nearest to a positive above 0 and what is nearest to a negative below', () => {
    assert.equal(strategyScore('best_score', [1], [0.5]), 0.5 * (1 + 0.5));
    assert.equal(strategyScore('best_score', [0.5], [1]), -0.5 * (1 + 0.5));
    // A draw goes to the negative, as in the formula.
    assert.equal(strategyScore('best_score', [1], [1]), -0.75);
    assert.equal(strategyScore('best_score', [-4, -9], []), 0.5 * (1 - 4 / 5));
    assert.equal(strategyScore('best_score', [], [3]), -0.5 * (1 + 3 / 4));
    assert.equal(strategyScore('sum_scores', [1, 2], [0.25]), 2.75);
  });

  it('strategies that lack the examples they need are refused by name', () => {
    assert.equal(checkStrategy(undefined, 1, 0), 'average_vector');
    assert.equal(checkStrategy('best_score', 0, 1), 'best_score');
    assert.throws(() => checkStrategy('average_vector', 0, 1), {
      code: 'BAD_ARGUMENT',
      message: /positive.*best_score/,
    });
    assert.throws(() => checkStrategy('sum_scores', 0, 0), { code: 'BAD_ARGUMENT', message: /none/ });
    assert.throws(() => checkStrategy('averageVector', 1, 0), { code: 'BAD_ARGUMENT', message: /average_vector/ });
  });
});
