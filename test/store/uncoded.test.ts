/** Lists of rows without codes, against plain arrays. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSharedMemory } from '#dist/core/shared.js';
import { withNews, withoutDead } from '#dist/store/live-memory.js';
import { Random, SEED } from '../random.js';

describe('a list of rows without codes', () => {
  it('is as it was for who has it, whatever comes and dies', () => {
    const random = new Random(SEED);
    let list: Uint32Array = new Uint32Array(0);
    let model: number[] = [];
    let next = 0;
    const seen: [Uint32Array, number[]][] = [];
    for (let i = 0; i < 400; i++) {
      if (i % 5 === 4) {
        const dead = Array.from({ length: next }, (_, at) => at).filter(() => random.chance(0.02));
        list = withoutDead(list, dead);
        model = model.filter((ordinal) => !dead.includes(ordinal));
      } else {
        const news = Array.from({ length: i % 3 }, () => next++);
        list = withNews(list, news);
        model = [...model, ...news];
      }
      seen.push([list, model]);
    }
    for (const [had, expected] of seen) assert.deepEqual([...had], expected);
    assert.ok(model.length > 100);
  });

  it('is copied seldom while rows come one by one, and is memory that threads share', () => {
    let list: Uint32Array = new Uint32Array(0);
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 10_000; i++) {
      list = withNews(list, [i]);
      buffers.add(list.buffer);
    }
    assert.ok(buffers.size < 40, `${buffers.size} copies`);
    assert.ok(isSharedMemory(list.buffer));
  });

  it('is the same list where none of its rows died', () => {
    const list = withNews(new Uint32Array(0), [3, 5, 9]);
    assert.equal(withoutDead(list, []), list);
    assert.equal(withoutDead(list, [0, 4, 10]), list);
    assert.deepEqual([...withoutDead(list, [3, 4, 9])], [5]);
    assert.equal(withoutDead(list, [3, 5, 9]).length, 0);
  });
});
