/** Groups by payload values: what groups, what does not, and in which order. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { naiveGroups } from '#dist/conformance/ranking-oracle.js';
import { valuesAt } from '#dist/query/filter/evaluate.js';
import { compareKeys, groupHits, groupKeys } from '#dist/query/groups.js';
import { Random, SEED } from '../random.js';

const path = (...keys: string[]) => ({
  text: keys.join('.'),
  steps: keys.map((key) => ({ key: key.replace('[]', ''), each: key.endsWith('[]') })),
});

describe('groups', () => {
  it('strings and integers group, 123 and "123" apart; an array puts a point into each of its groups, once', () => {
    assert.deepEqual(groupKeys([123, '123']), [123, '123']);
    assert.deepEqual(groupKeys(['a', 'a', 'b']), ['a', 'b']);
    assert.deepEqual(groupKeys([-0, 0]), [0]);
    assert.deepEqual(groupKeys([2n ** 60n, 5n, 5, 2n ** 53n - 1n, -(2n ** 53n)]), [
      2n ** 60n,
      5,
      2 ** 53 - 1,
      -(2n ** 53n),
    ]);
  });

  it('one float, boolean, null or object drops the whole point', () => {
    for (const bad of [1.5, true, null, {}, [1], 2 ** 60, Number.NaN]) assert.deepEqual(groupKeys(['a', bad, 1]), []);
  });

  it('a path leads into objects, with [] into arrays, and to nothing that is inherited', () => {
    assert.deepEqual(valuesAt({ a: { b: 'x' } }, path('a', 'b')), ['x']);
    assert.deepEqual(valuesAt({ a: [{ b: 1 }, { b: [2, 3] }] }, path('a[]', 'b')), [1, 2, 3]);
    assert.deepEqual(valuesAt({ a: [{ b: 1 }] }, path('a', 'b')), []);
    assert.deepEqual(valuesAt({ a: [] }, path('a')), []);
    assert.deepEqual(valuesAt({}, path('constructor')), []);
    assert.deepEqual(valuesAt(JSON.parse('{"__proto__": "x"}'), path('__proto__')), ['x']);
    assert.deepEqual(valuesAt(undefined, path('a')), []);
  });

  it('groups are ordered by best hit, then integers before strings, each ascending', () => {
    const hits = [
      { score: 3, keys: ['z'] },
      { score: 2, keys: ['b', 10, 'a', 9, '1'] },
      { score: 1, keys: ['z', 9] },
    ];
    const groups = groupHits(hits, ({ keys }) => keys, 1);
    assert.deepEqual(
      groups.map(({ key, size }) => [key, size]),
      [
        ['z', 2],
        [9, 2],
        [10, 1],
        ['1', 1],
        ['a', 1],
        ['b', 1],
      ],
    );
    assert.deepEqual(groups[0]!.hits, [hits[0]]);
    assert.ok(compareKeys(5n, 7) < 0 && compareKeys(8n, 7) > 0 && compareKeys('5', 7) > 0 && compareKeys(7, '5') < 0);
  });

  it('agrees with a naive grouping of random payloads', () => {
    const random = new Random(SEED);
    const pick = <T>(list: readonly T[]) => random.pick(list);
    const values = [1, 2, 3, '1', '2', 'x', 'y', 1.5, true, null];
    for (let round = 0; round < 2000; round++) {
      const hits = Array.from({ length: Math.floor(random.next() * 30) }, (_, id) => ({
        id,
        score: -Math.floor(id / (1 + (round % 3))),
        payload: pick([
          {},
          { k: [] },
          { k: pick(values) },
          { k: Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => pick(values.slice(0, pick([7, 10])))) },
        ]) as Record<string, unknown>,
      }));
      const [limit, groupSize, offset] = [1 + (round % 6), 1 + (round % 4), round % 3];
      const got = groupHits(hits, ({ payload }) => groupKeys(valuesAt(payload, path('k'))), groupSize)
        .slice(offset, offset + limit)
        .map(({ key, hits: some }) => ({ id: key, hits: some.map(({ id }) => id) }));
      assert.deepEqual(got, naiveGroups(hits, 'k', { limit, groupSize, offset }));
    }
  });
});
