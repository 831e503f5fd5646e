import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ChunkRule, textChunks } from '#dist/embed/chunks.js';

const rule: ChunkRule = { size: 100, work: 1000, workOf: ({ length }) => Math.min(length, 300) + 8, byLength: true };
const sizes = (texts: string[], more: Partial<ChunkRule> = {}) =>
  Array.from(textChunks(texts, { ...rule, ...more }), (chunk) => chunk.texts.length);
const texts = (count: number, length: number) => Array.from({ length: count }, () => 'x'.repeat(length));

describe('textChunks', () => {
  it('ends a chunk at so much work, or so many texts', () => {
    assert.deepEqual(sizes(texts(12, 192)), [5, 5, 2]);
    assert.deepEqual(sizes(texts(250, 0)), [100, 100, 50]);
    assert.deepEqual(sizes(texts(250, 2)), [100, 100, 50]);
    assert.deepEqual(sizes(texts(7, 500), { work: Number.POSITIVE_INFINITY, size: 3 }), [3, 3, 1]);
    assert.deepEqual(sizes([]), []);
  });

  it('counts of a long text what is read of it', () => {
    assert.deepEqual(sizes([...texts(1, 1e6), ...texts(6, 192)]), [5, 2]);
    assert.deepEqual(sizes(texts(2, 1e6), { work: 1 }), [1, 1]);
  });

  it('has every text once, the longest first, or in their order', () => {
    const some = ['b', '', 'ccc', 'a', 'dd'];
    const [sorted] = textChunks(some, rule);
    assert.deepEqual(sorted!.texts, ['ccc', 'dd', 'b', 'a', '']);
    assert.deepEqual([...sorted!.places], [2, 4, 0, 3, 1]);
    assert.deepEqual(sizes(texts(10, 192), { byLength: false, size: 3 }), [3, 3, 3, 1]);
    const [plain] = textChunks(some, { ...rule, byLength: false });
    assert.deepEqual(plain!.texts, some);
  });
});
