/** Sets of rows against sets of plain JavaScript. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { atOnce } from '#dist/core/slices.js';
import { nativeFiles } from '#dist/store/files/native.js';
import { Packed } from '#dist/store/payload/postings.js';
import {
  Bitmap,
  bitmapOf,
  difference,
  gathered,
  intersection,
  listOf,
  type RowSet,
  sizeOf,
  union,
} from '#dist/store/payload/row-set.js';
import { StretchedList, stretchByOne } from '#dist/store/payload/stretch.js';
import { Random, SEED } from '../random.js';

function shuffled(random: Random, count: number): Uint32Array {
  const list = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.int(0, i);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

const ascending = (set: Iterable<number>) => Uint32Array.from(set).sort();

describe('stretches of a list', () => {
  for (const twice of [false, true]) {
    it(`are the bitmaps of their ordinals, ${twice ? 'some of which come twice' : 'each of which comes once'}`, () => {
      const random = new Random(SEED);
      for (let round = 0; round < 40; round++) {
        const count = random.int(1, 9000);
        const ordinals = shuffled(random, count);
        if (twice) ordinals[random.int(0, count - 1)] = ordinals[0]!;
        const rows = count + random.int(0, 70);
        const list = new StretchedList(ordinals);
        for (let i = 0; i < 60; i++) {
          const from = random.pick([0, count, random.int(0, count)]);
          const to = random.pick([from, count, random.int(from, count), Math.min(count, from + random.int(0, 20))]);
          const stretch = list.stretch(from, to);
          const { words, size } = stretch.bitmap((rows + 31) >>> 5);
          const bits = new Bitmap(words);
          if (!twice) assert.equal(size, to - from);
          if (size !== undefined) assert.equal(bits.size, size);
          // Some rows that came since are in the list and not in the words.
          const few = stretch.bitmap((count >>> 5) >> 1);
          if (count >= 64) assert.equal(few.size, undefined);
          assert.deepEqual(few.words, words.slice(0, few.words.length));
          assert.deepEqual(
            bits.list(),
            ascending(new Set(ordinals.subarray(from, to))),
            `${from} to ${to} of ${count}`,
          );
          assert.equal(stretch.length, to - from);
        }
      }
    });
  }

  const { stretchBits } = nativeFiles();
  it('are the same from the binary', { skip: stretchBits === undefined }, () => {
    const random = new Random(SEED + 5);
    for (let round = 0; round < 200; round++) {
      const count = random.int(1, 600);
      const rows = shuffled(random, count);
      const beginning = (n: number) => {
        const bits = Bitmap.empty(count);
        bits.add(rows.subarray(0, n));
        return bits.words;
      };
      const [begin, end] = [random.int(0, count), random.int(0, count)].sort((a, b) => a - b) as [number, number];
      const [from, to] = [random.int(0, count), random.int(0, count)].sort((a, b) => a - b) as [number, number];
      const size = random.int(0, 24);
      const made = [stretchBits!, stretchByOne].map((make) => {
        const words = new Uint32Array(size);
        make(words, beginning(end), beginning(begin), rows, begin, from, end, to);
        return words;
      });
      assert.deepEqual(made[0], made[1]);
    }
  });

  it('are those of a list of few rows, too', () => {
    const random = new Random(SEED + 6);
    const ordinals = shuffled(random, 40_000).subarray(0, 5000);
    const list = new StretchedList(ordinals);
    for (let i = 0; i < 50; i++) {
      const from = random.int(0, 5000);
      const to = random.int(from, 5000);
      const bits = new Bitmap(list.stretch(from, to).bitmap(1250).words);
      assert.deepEqual(bits.list(), ascending(ordinals.subarray(from, to)));
    }
  });
});

describe('sets of rows', () => {
  it('are joined, cut and taken from each other as sets are, whatever holds them', () => {
    const random = new Random(SEED + 1);
    for (let round = 0; round < 300; round++) {
      const rows = random.int(1, 3000);
      const list = new StretchedList(shuffled(random, rows));
      const draw = (): { set: RowSet; want: Set<number> } => {
        const from = random.int(0, rows);
        const to = random.pick([rows, random.int(from, rows), Math.min(rows, from + 5)]);
        const more = Array.from({ length: random.int(0, 9) }, () => random.int(0, rows - 1));
        const parts = random.pick([[list.stretch(from, to), more], [more], [list.stretch(from, to)], []]);
        const want = new Set(parts.flatMap((part) => Array.from('list' in part ? part.list() : part)));
        const set = gathered(parts, rows);
        return { set: random.chance(0.3) ? bitmapOf(set, rows) : set, want };
      };
      const [a, b] = [draw(), draw()];
      const same = (set: RowSet, want: Iterable<number>) => {
        assert.deepEqual(Uint32Array.from(listOf(set)), ascending(want), `round ${round}`);
        assert.equal(sizeOf(set), [...want].length);
      };
      same(a.set, a.want);
      same(intersection(a.set, b.set), new Set([...a.want].filter((row) => b.want.has(row))));
      same(difference(a.set, b.set), new Set([...a.want].filter((row) => !b.want.has(row))));
      same(union(a.set, b.set, rows), new Set([...a.want, ...b.want]));
    }
  });

  it('answer ranges of packed values', () => {
    const random = new Random(SEED + 2);
    const count = 12_000;
    const ordinals = shuffled(random, count);
    const values = Float64Array.from({ length: 100 }, (_, i) => i);
    const offsets = Uint32Array.from({ length: 101 }, (_, i) => Math.floor((i * count) / 100));
    const packed = new Packed(values, offsets, ordinals);
    for (let i = 0; i < 300; i++) {
      const [gte, lt] = [random.int(-3, 103), random.int(-3, 103)];
      const [from, to] = [gte, lt].map((value) => offsets[Math.min(100, Math.max(0, value))]!);
      const want = ascending(ordinals.subarray(from, Math.max(from!, to!)));
      assert.deepEqual(
        Uint32Array.from(listOf(gathered(atOnce(packed.within({ gte, lt })), count))),
        want,
        `${gte} to ${lt}`,
      );
    }
  });
});

describe('filters that pass many rows', () => {
  for (const many of [false, true]) {
    it(`find the nearest of them${many ? ', where rows have several values' : ''}`, async () => {
      const random = new Random(SEED + 3);
      const [count, dim] = [8000, 16];
      const vectors = random.vector(count * dim);
      const levels = Array.from({ length: count }, () =>
        many && random.chance(0.1) ? [random.int(0, 999), random.int(0, 999)] : random.int(0, 999),
      );
      for (const lists of [0, 20]) {
        const index = await FunnelIndex.create<{ level: number | number[] }>(':memory:', {
          dim,
          head: 16,
          lists: lists === 0 ? 'off' : lists,
          fullScanThreshold: 20,
          autoOptimize: false,
        });
        const ids = Array.from({ length: count }, (_, i) => i);
        await index.upsert({ ids, vectors, payloads: levels.map((level) => ({ level })) });
        await index.optimize();
        await index.createPayloadIndex('level', 'integer');
        const dead = new Set<number>();
        for (let i = 0; i < 60; i++) {
          if (i === 30) {
            for (let d = 0; d < 500; d++) dead.add(random.int(0, count - 1));
            await index.delete([...dead]);
          }
          const gte = random.int(0, 999);
          const lt = gte + random.pick([1, 5, 30, 100, 400, 1000]);
          const passes = (id: number) =>
            !dead.has(id) && [levels[id]!].flat().some((level) => level >= gte && level < lt);
          const vector = random.vector(dim);
          const { hits, stats } = await index.query({
            vector,
            mode: 'exact',
            limit: 10,
            filter: { must: { key: 'level', range: { gte, lt } } },
          });
          const wanted = ids.filter(passes);
          assert.equal(stats.filter!.matched, wanted.length, `${gte} to ${lt}`);
          assert.equal(stats.filter!.indexed, true);
          const among = await index.query({ vector, mode: 'exact', limit: 10, filter: { ids: wanted } });
          assert.deepEqual(hits, among.hits);
          assert.ok(hits.every(({ id }) => passes(Number(id))));
          assert.equal(hits.length, Math.min(10, wanted.length));
        }
        await index.close();
      }
    });
  }
});
