/** Ranked lists as one: sums against a plain version, ties, the trace, and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { type FuseOptions, fuse, type RankedList } from 'funnelvec/fuse';
import { FunnelIndex } from 'funnelvec/store';
import MiniSearch from 'minisearch';
import { Random, SEED } from '../random.js';

const ids = (hits: readonly { id: unknown }[]) => hits.map(({ id }) => id);
const refuses = (lists: unknown, options: unknown, code: string, text: RegExp) =>
  assert.throws(
    () => fuse(lists as RankedList[], options as FuseOptions),
    (error) => {
      assert.ok(error instanceof FunnelError);
      assert.equal(error.code, code);
      assert.match(error.message, text);
      return true;
    },
  );

describe('fuse() by reciprocal ranks', () => {
  it('adds weight / (60 + rank), ranks from 1', () => {
    const hits = fuse([
      ['a', 'b', 'c'],
      ['c', 'a'],
    ]);
    assert.deepEqual(
      hits.map(({ id, score }) => [id, score]),
      [
        ['a', 1 / 62 + 1 / 61],
        ['c', 1 / 63 + 1 / 61],
        ['b', 1 / 62],
      ],
    );
  });

  it('agrees with a plain version on random lists, whatever the order of the lists', () => {
    const random = new Random(SEED);
    for (let round = 0; round < 100; round++) {
      const lists = Array.from({ length: random.int(1, 5) }, () => [
        ...new Set(Array.from({ length: random.int(1, 30) }, () => random.int(0, 40))),
      ]);
      const weights = lists.map(() => random.int(1, 3));
      const k = random.int(0, 80);
      const plain = new Map<number, number>();
      for (const [l, list] of lists.entries())
        for (const [i, id] of list.entries()) plain.set(id, (plain.get(id) ?? 0) + weights[l]! / (k + i + 1));
      const hits = fuse(lists, { k, weights });
      assert.equal(hits.length, plain.size);
      for (const [i, { id, score }] of hits.entries()) {
        assert.ok(Math.abs(score - plain.get(id as number)!) < 1e-12);
        if (i > 0) assert.ok(score <= hits[i - 1]!.score);
      }
      const turned = fuse([...lists].reverse(), { k, weights: [...weights].reverse() });
      const scores = new Map(hits.map(({ id, score }) => [id, score]));
      for (const { id, score } of turned) assert.equal(score, scores.get(id), 'the same bits');
    }
  });

  it('orders hits of equal score by their best rank, then by the list that has it', () => {
    assert.deepEqual(
      ids(
        fuse([
          ['a', 'b'],
          ['b', 'a'],
        ]),
      ),
      ['a', 'b'],
    );
    assert.deepEqual(
      ids(
        fuse([
          ['b', 'a'],
          ['a', 'b'],
        ]),
      ),
      ['b', 'a'],
    );
    assert.deepEqual(ids(fuse([['x'], ['y'], ['z']])), ['x', 'y', 'z']);
  });

  it('says which lists have a hit, at which rank, what that added, and hands the hit back', () => {
    const first = { id: 7, score: 0.5, title: 'seven' };
    const [hit, other] = fuse([[first, { id: 8, score: 0.4 }], [], ['7']], { weights: [1, 1, 3] });
    assert.equal(hit!.id, 7);
    assert.deepEqual(hit!.from, [
      { list: 0, rank: 1, share: 1 / 61, hit: first },
      { list: 2, rank: 1, share: 3 / 61, hit: '7' },
    ]);
    assert.equal(hit!.from[0]!.hit, first);
    assert.deepEqual(ids([other!]), [8]);
  });

  it('takes 7, 7n and "7" for one id, and "07" for another', () => {
    assert.deepEqual(ids(fuse([[7], [7n], ['7'], ['07']])), [7, '07']);
    const big = 9_007_199_254_740_993n;
    assert.deepEqual(ids(fuse([[big], [String(big)]])), [big]);
  });

  it('leaves a list of weight 0 without influence on the scores, and cuts to the limit', () => {
    assert.deepEqual(ids(fuse([['a', 'b'], ['b']], { weights: [1, 0] })), ['a', 'b']);
    assert.deepEqual(ids(fuse([['a', 'b', 'c']], { limit: 2 })), ['a', 'b']);
    assert.deepEqual(fuse([[], []]), []);
  });

  it('does not change what it was given', () => {
    const lists = [Object.freeze(['a', 'b']), Object.freeze([Object.freeze({ id: 'b', score: 1 })])];
    fuse(Object.freeze(lists) as RankedList[]);
  });
});

describe('fuse() by weighted scores', () => {
  it('brings each list to 0..1, in whichever direction its scores are better', () => {
    const similarities = [
      { id: 'a', score: 0.9 },
      { id: 'b', score: 0.7 },
      { id: 'c', score: 0.5 },
    ];
    const distances = [
      { id: 'c', score: 1 },
      { id: 'a', score: 2 },
      { id: 'd', score: 5 },
    ];
    const hits = fuse([similarities, distances], { method: 'weighted', weights: [2, 1] });
    const round = (value: number) => Math.round(value * 1e9) / 1e9;
    assert.deepEqual(
      hits.map(({ id, score }) => [id, round(score)]),
      [
        ['a', 2.75],
        ['c', 1],
        ['b', 1],
        ['d', 0],
      ],
    );
  });

  it('gives each of a list of equal scores 1, and stays finite at the ends of float64', () => {
    const same = ['a', 'b'].map((id) => ({ id, score: -3 }));
    assert.deepEqual(
      fuse([same], { method: 'weighted' }).map(({ score }) => score),
      [1, 1],
    );
    const wide = [Number.MAX_VALUE, 0, -Number.MAX_VALUE].map((score, id) => ({ id, score }));
    assert.deepEqual(
      fuse([wide], { method: 'weighted' }).map(({ score }) => score),
      [1, 0.5, 0],
    );
  });
});

describe('fuse() refuses', () => {
  it('lists that are none', () => {
    refuses(
      undefined,
      {},
      'BAD_ARGUMENT',
      /Expected an array of 1 to 1000 ranked lists for lists but received undefined/,
    );
    refuses([], {}, 'BAD_ARGUMENT', /received an array of length 0/);
    refuses([['a'], { hits: [] }], {}, 'BAD_ARGUMENT', /Expected an array of hits, best first, for lists\[1\]/);
    refuses(['ab'], {}, 'BAD_ARGUMENT', /lists\[0\] but received "ab"/);
  });

  it('hits without an id, or with one that names no point', () => {
    refuses([[{ score: 1 }]], {}, 'BAD_ID', /lists\[0\]\[0\]\.id but received undefined/);
    refuses([['a', null]], {}, 'BAD_ID', /lists\[0\]\[1\] but received null/);
    refuses([new Array(2)], {}, 'BAD_ID', /lists\[0\]\[0\] but received undefined/);
    for (const id of [1.5, Number.NaN, 2 ** 53]) refuses([[id]], {}, 'BAD_ID', /lists\[0\]\[0\]/);
  });

  it('an id that stands twice in one list', () => {
    refuses([['a'], [1, 2, '1']], {}, 'BAD_ID', /each id once in lists\[1\] but received 1 at 0 and 2/);
  });

  it('options that do not exist, or have no use', () => {
    refuses([['a']], { top: 3 }, 'BAD_ARGUMENT', /Expected one of method, k, weights, limit/);
    refuses([['a']], { method: 'sum' }, 'BAD_ARGUMENT', /Expected 'rrf' or 'weighted' for method/);
    refuses([['a']], { method: 'weighted', k: 60 }, 'BAD_ARGUMENT', /Expected no k for method 'weighted'/);
    for (const k of [-1, Number.NaN, Number.POSITIVE_INFINITY, '60']) refuses([['a']], { k }, 'BAD_ARGUMENT', /for k /);
    for (const limit of [0, 1.5, '3']) refuses([['a']], { limit }, 'BAD_ARGUMENT', /for limit /);
    refuses([['a']], null, 'BAD_ARGUMENT', /the options of fuse/);
  });

  it('weights that do not fit', () => {
    refuses([['a'], ['b']], { weights: [1] }, 'BAD_ARGUMENT', /an array of 2 numbers, one for each list, for weights/);
    refuses([['a']], { weights: [-1] }, 'BAD_ARGUMENT', /weights\[0\] but received -1/);
    refuses([['a']], { weights: [Number.NaN] }, 'BAD_ARGUMENT', /weights\[0\]/);
    refuses([['a'], ['b']], { weights: [0, 0] }, 'BAD_ARGUMENT', /a weight above 0/);
  });

  it('scores that cannot be added', () => {
    const weighted = { method: 'weighted' };
    refuses([['a']], weighted, 'BAD_ARGUMENT', /lists\[0\]\[0\]\.score but received undefined/);
    refuses([[{ id: 1, score: Number.NaN }]], weighted, 'NOT_FINITE', /lists\[0\]\[0\]\.score/);
    const unsorted = [3, 1, 2].map((score, id) => ({ id, score }));
    refuses([unsorted], weighted, 'BAD_ARGUMENT', /best first but received the score 2 behind 1 \(at 2\): sort it/);
  });
});

it('fuse() takes what MiniSearch answers beside the hits of an index', async () => {
  const texts = ['a hotel in winter', 'summer at the lake', 'winter lake'];
  const words = new MiniSearch({ fields: ['text'] });
  words.addAll(texts.map((text, id) => ({ id, text })));
  const index = await FunnelIndex.create(':memory:', { dim: 3 });
  await index.upsert(texts.map((_, id) => ({ id, vector: [0, 1, 2].map((d) => (d === id ? 1 : 0.1)) })));
  const found = words.search('winter');
  const { hits } = await index.query({ vector: [0.1, 0.2, 1], limit: 3 });
  const fused = fuse([found, hits], { limit: 3 });
  assert.equal(fused[0]!.id, 2);
  assert.deepEqual(
    fused[0]!.from.map(({ list }) => list),
    [0, 1],
  );
  await index.close();
});
