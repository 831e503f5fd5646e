/** Which searches stay on the calling thread. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { overdue } from '#dist/core/turns.js';
import { InlineSearches } from '#dist/store/inline.js';
import type { CheckedQuery } from '#dist/store/request.js';

const query = (request: object = {}) =>
  ({ request: { mode: 'funnel', k: 10, ...request }, filter: undefined }) as unknown as CheckedQuery;

describe('a search that is predicted to be short', () => {
  it('is one like those that were measured', () => {
    const inline = new InlineSearches();
    assert.equal(inline.isShort([query()], 0), false, 'nothing is known yet');
    inline.measured([query()], 0.1, 0);
    assert.equal(inline.isShort([query()], 0), true);
    assert.equal(inline.isShort([query({ mode: 'exact' })], 0), false);
    assert.equal(inline.isShort([query({ k: 10_000 })], 0), false);
    assert.equal(inline.isShort([query({ candidates: 50_000 })], 0), false);
    assert.equal(inline.isShort([{ ...query(), filter: {} } as unknown as CheckedQuery], 0), false);
  });

  it('takes no longer than the whole call may', () => {
    const inline = new InlineSearches();
    inline.measured([query()], 0.1, 0);
    assert.equal(inline.isShort([query(), query()], 0), true);
    assert.equal(inline.isShort(Array(6).fill(query()), 0), false);
    inline.measured([query({ mode: 'exact' })], 5, 0);
    assert.equal(inline.isShort([query({ mode: 'exact' })], 0), false);
  });

  it('is not one that has many more rows without codes to read', () => {
    const inline = new InlineSearches();
    inline.measured([query()], 0.1, 1000);
    assert.equal(inline.isShort([query()], 100_000), true);
    assert.equal(inline.isShort([query()], 10_000_000), false);
    inline.measured([query()], 0.2, 10_000_000);
    assert.equal(inline.isShort([query()], 10_000_000), true);
  });

  it('stays one after a single measurement that was interrupted, and not after many', () => {
    const inline = new InlineSearches();
    inline.measured([query()], 0.1, 0);
    inline.measured([query()], 50, 0);
    assert.equal(inline.isShort([query()], 0), true);
    for (let i = 0; i < 8; i++) inline.measured([query()], 50, 0);
    assert.equal(inline.isShort([query()], 0), false);
    for (let i = 0; i < 12; i++) inline.measured([query()], 0.1, 0);
    assert.equal(inline.isShort([query()], 0), true);
  });

  it('may run here while the turn is young, one later in the next turn, others in threads', async () => {
    const inline = new InlineSearches();
    await inline.mayRun();
    const until = performance.now() + 2;
    while (performance.now() < until);
    assert.equal(overdue(1), true);
    let turned = false;
    const turn = nextTurn().then(() => {
      turned = true;
    });
    const first = inline.mayRun();
    assert.equal(await inline.mayRun(), false);
    assert.equal(turned, false);
    assert.equal(await first, true);
    await turn;
  });
});
