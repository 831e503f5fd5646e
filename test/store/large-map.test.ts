/** Maps and sets of as many keys as there are rows, beside those of the language. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as mapInNode from '#dist/core/large-map.js';
import * as mapInPages from '#dist/core/large-map-web.js';
import * as setInNode from '#dist/store/payload/ordinal-set.js';
import * as setInPages from '#dist/store/payload/ordinal-set-web.js';
import { Random, SEED } from '../random.js';

type Key = string | number | bigint | boolean;

const KEYS: Record<string, (i: number, random: Random) => Key> = {
  ordinals: (i) => i,
  'whole numbers': (_, random) => random.int(-400_000, 400_000),
  fractions: (i) => i / 65_536,
  'times of days': (i) => 86_400_000 * i,
  'numbers beyond 32 bits': (i) => 2 ** 32 * i,
  'powers of 2': (i) => 2 ** (i % 1000) * (i % 2 === 0 ? 1 : -1),
  'odd numbers': (i) => [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, i][i % 6]!,
  strings: (i) => `row ${i}`,
  'strings that begin and end alike': (i) => `https://example.org/documents/${i}/index.html`,
  'strings of few characters': (i) => ['', 'a', '1', `${i % 50}`][i % 4]!,
  bigints: (i) => 2n ** 60n + BigInt(i),
  'all kinds': (i) => [i, `${i}`, BigInt(i), i % 2 === 0, i + 0.5][i % 5]!,
};

/** As many keys as are more than one Map's there. */
const MANY = 200_000;

for (const [where, { LargeMap }] of Object.entries({ 'Node.js': mapInNode, pages: mapInPages })) {
  describe(`a large map in ${where}`, () => {
    for (const [name, keyOf] of Object.entries(KEYS)) {
      it(`has what a Map has: ${name}`, () => {
        const random = new Random(SEED);
        const map = new LargeMap<Key, number>();
        const model = new Map<Key, number>();
        for (let i = 0; i < MANY; i++) {
          const key = keyOf(i, random);
          map.set(key, i);
          model.set(key, i);
          if (i % 3 !== 0) continue;
          const other = keyOf(random.int(0, i), random);
          assert.equal(map.get(other), model.get(other));
          assert.equal(map.delete(other), model.delete(other));
          assert.equal(map.has(other), false);
        }
        assert.equal(map.size, model.size);
        assert.deepEqual(new Map(map), model);
        assert.deepEqual(new Set(map.keys()), new Set(model.keys()));
        assert.deepEqual(new Set(map.values()), new Set(model.values()));
        for (const [key, value] of model) assert.equal(map.get(key), value);
      });
    }

    it('is gone through from beginning to end by who began while it had few keys', () => {
      const map = new LargeMap<number, string>();
      for (let i = 0; i < 60_000; i++) map.set(i, `${i}`);
      const seen = new Map<number, string>();
      for (const [key, value] of map) {
        seen.set(key, value);
        if (key === 100) for (let i = 0; i < MANY; i++) map.set(i, `${i}`);
      }
      for (let i = 0; i < 60_000; i++) assert.equal(seen.get(i), `${i}`);
      assert.equal(map.size, MANY);
    });
  });
}

const ROWS: Record<string, (random: Random) => number> = {
  few: (random) => random.int(0, 500),
  neighbours: (random) => random.int(100_000, 140_000),
  'all over the place': (random) => random.int(0, 50_000_000),
  'some near and some far': (random) => (random.next() < 0.8 ? random.int(65_000, 70_000) : random.int(0, 2 ** 32 - 2)),
};

for (const [where, { OrdinalSet }] of Object.entries({ 'Node.js': setInNode, pages: setInPages })) {
  describe(`a set of ordinals in ${where}`, () => {
    for (const [name, rowOf] of Object.entries(ROWS)) {
      it(`has what a Set has: ${name}`, () => {
        const random = new Random(SEED);
        const set = new OrdinalSet();
        const model = new Set<number>();
        for (let i = 0; i < 40_000; i++) {
          const row = rowOf(random);
          assert.equal(set.add(row), !model.has(row));
          model.add(row);
          assert.ok(set.has(row));
          const gone = i % 2 === 0 ? rowOf(random) : row;
          if (i % 3 !== 0) continue;
          set.delete(gone);
          model.delete(gone);
          assert.equal(set.has(gone), false);
        }
        assert.equal(set.size, model.size);
        assert.deepEqual(set.list(), Uint32Array.from(model).sort());
        assert.deepEqual(Uint32Array.from(set).sort(), set.list());
        for (const row of model) set.delete(row);
        assert.deepEqual([set.size, [...set], set.list().length], [0, [], 0]);
      });

      it(`may lose rows while one goes through it: ${name}`, () => {
        const random = new Random(SEED);
        const rows = [...new Set(Array.from({ length: 5000 }, () => rowOf(random)))].sort((a, b) => a - b);
        const set = new OrdinalSet();
        for (const row of rows) set.add(row);
        const seen = new Set<number>();
        for (const row of set) {
          assert.ok(!seen.has(row));
          seen.add(row);
          set.delete(row);
          const other = random.pick(rows);
          if (other % 2 === 1) set.delete(other);
        }
        assert.equal(set.size, 0);
        for (const row of rows) assert.ok(row % 2 === 1 || seen.has(row));
      });
    }
  });
}
