/** Bitmaps against a set of numbers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atOnce } from '#dist/core/slices.js';
import { Bits } from '#dist/store/files/bits.js';
import { Random, SEED } from '../../random.js';

const LENGTH = 200_000;

function assertEqual(bits: Bits, model: ReadonlySet<number>): void {
  assert.equal(bits.count, model.size);
  for (let at = 0; at < LENGTH; at++) assert.equal(bits.get(at), model.has(at), `bit ${at}`);
}

describe('a bitmap over ordinals', () => {
  it('has the bits that were set, by ranges of any bounds and one by one, and counts them', () => {
    const random = new Random(SEED);
    const bits = new Bits();
    const model = new Set<number>();
    for (let i = 0; i < 60; i++) {
      const from = random.int(0, 300);
      const to = from + random.int(0, 40);
      const value = random.next() < 0.6;
      bits.setRange(from, to, value);
      for (let at = from; at < to; at++) value ? model.add(at) : model.delete(at);
      assertEqual(bits, model);
    }
  });

  for (const count of [7, 150_000]) {
    it(`is cleared of ${count} bits at once as of what was got ready before`, () => {
      const random = new Random(SEED);
      const [plain, prepared] = [new Bits(), new Bits()];
      for (const bits of [plain, prepared]) bits.setRange(3, LENGTH - 5, true);
      const model = new Set(Array.from({ length: LENGTH - 8 }, (_, i) => i + 3));
      const gone = [...model].filter(() => random.next() < count / model.size);
      const left = atOnce(prepared.without(gone));
      assert.equal(left === undefined, count < 1000, 'few are cleared as they are');
      prepared.clear(gone, left);
      plain.clear(gone);
      for (const at of gone) model.delete(at);
      assertEqual(plain, model);
      assertEqual(prepared, model);
    });
  }
});
