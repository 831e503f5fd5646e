/** Sets of rows in the binary, beside plain JavaScript. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nativeFiles } from '#dist/store/files/native.js';
import { Random, SEED } from '../random.js';

const { countBits, listBits, commonBits, placesAt } = nativeFiles();
const skip = countBits === undefined && 'no binary';
const NOWHERE = 0xffff_ffff;

test('the binary counts, lists and intersects sets of rows as JavaScript does', { skip }, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 300; round++) {
    const size = random.int(0, 40);
    const draw = (words: number) =>
      Uint32Array.from({ length: words }, () => random.pick([0, NOWHERE, random.int(0, NOWHERE)]));
    const listed = (words: Uint32Array) => {
      const rows: number[] = [];
      for (let row = 0; row < 32 * words.length; row++) if ((words[row >> 5]! >>> (row & 31)) & 1) rows.push(row);
      return rows;
    };
    const a = draw(size);
    const b = draw(size + random.int(0, 3));
    assert.equal(countBits!(a), listed(a).length);
    const rows = new Uint32Array(random.int(0, 32 * size + 1));
    listBits!(a, rows);
    const all = listed(a);
    assert.deepEqual([...rows.subarray(0, all.length)], all.slice(0, rows.length));
    const words = new Uint32Array(size);
    const count = commonBits!(a, b, words);
    assert.deepEqual(
      [...words],
      Array.from(a, (word, w) => (word & b[w]!) >>> 0),
    );
    assert.equal(count, listed(words).length);
  }
});

test('the binary tells which ordinals have a place, and which have none', { skip }, () => {
  const random = new Random(SEED + 1);
  for (let round = 0; round < 200; round++) {
    const first = random.int(0, 50);
    const places = Uint32Array.from({ length: random.int(0, 60) }, () => random.pick([NOWHERE, random.int(0, 1000)]));
    const ordinals = Uint32Array.from({ length: random.int(0, 80) }, () => random.int(0, 140));
    const placed = new Uint32Array(ordinals.length);
    const left = new Uint32Array(ordinals.length);
    const n = placesAt!(places, first, NOWHERE, ordinals, placed, left);
    const placeOf = (ordinal: number) => places[ordinal - first] ?? NOWHERE;
    const there = [...ordinals].filter((ordinal) => placeOf(ordinal) !== NOWHERE);
    assert.deepEqual([...placed.subarray(0, n)], there.map(placeOf));
    assert.deepEqual(
      [...left.subarray(0, ordinals.length - n)],
      [...ordinals].filter((ordinal) => placeOf(ordinal) === NOWHERE),
    );
  }
});
