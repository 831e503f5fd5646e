/** Reads that no write comes between, and the writes before and behind them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instant, type Steps, take } from '#dist/store/files/step.js';
import { WriteQueue } from '#dist/store/files/write-queue.js';

/** A write that is under way until it is told to end. */
async function underWay(queue: WriteQueue): Promise<{ write: Promise<string>; end: () => void }> {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  function* steps(): Steps<string> {
    yield* take({ now: () => {}, later: () => ended });
    return yield* take(instant(() => 'written'));
  }
  const write = queue.later(steps);
  await new Promise(setImmediate);
  return { write, end };
}

describe('a read between two writes', () => {
  it('that fails at once, behind a write, fails neither that write nor the reads and writes after it', async () => {
    const queue = new WriteQueue(() => {});
    const { write, end } = await underWay(queue);
    const reads = [
      queue.readBetween(() => {
        throw new Error('closed meanwhile');
      }),
      queue.readBetween(async () => 'read'),
    ];
    const next = underWay(queue);
    end();
    assert.equal(await write, 'written');
    const [bad, good] = await Promise.allSettled(reads);
    assert.equal(bad?.status === 'rejected' && bad.reason.message, 'closed meanwhile');
    assert.deepEqual(good, { status: 'fulfilled', value: 'read' });
    const last = await next;
    last.end();
    assert.equal(await last.write, 'written');
    assert.equal(queue.isStill, true);
  });

  it('begins when the write under way has ended, and holds back the next', async () => {
    const queue = new WriteQueue(() => {});
    const { write, end } = await underWay(queue);
    const order: string[] = [];
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const read = queue.readBetween(async () => {
      order.push('read begins');
      await held;
      order.push('read ends');
    });
    const next = queue.later(() => take(instant(() => void order.push('next write'))));
    end();
    await write;
    await new Promise(setImmediate);
    assert.deepEqual(order, ['read begins']);
    release();
    await Promise.all([read, next]);
    assert.deepEqual(order, ['read begins', 'read ends', 'next write']);
  });
});
