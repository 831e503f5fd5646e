/** What an application's event loop sees of an index with default options: timers, other requests, the next phase of a loop. */
// Runs alone: it measures how long the event loop stands still.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 64;

function batch(random: Random, from: number, count: number) {
  const vectors = Float32Array.from({ length: count * DIM }, () => random.next() - 0.5);
  const payloads = Array.from({ length: count }, (_, i) => ({ part: i % 7, name: `row ${from + i}` }));
  return { ids: Array.from({ length: count }, (_, i) => from + i), vectors, payloads };
}

/** Times the loop turned while `run` was under way, and how many calls it made. */
async function turnsDuring(run: () => Promise<void>): Promise<number> {
  let turns = 0;
  let running = true;
  const turn = () => {
    turns++;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await run();
  running = false;
  return turns;
}

/** Awaits a call again and again for some milliseconds of work. */
async function loopOf(call: (i: number) => Promise<unknown>, ms = 60): Promise<void> {
  const began = process.cpuUsage();
  const worked = () => {
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
  for (let i = 0; worked() < ms; i++) await call(i);
}

describe('an event loop beside an index in memory', () => {
  it('turns in a loop of awaited writes, in which queries are answered and codes are made', async () => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const batches = Array.from({ length: 40 }, (_, i) => batch(random, 500 * i, 500));
    await index.upsert(batches[0]!);
    let answeredAt = 0;
    let at = 0;
    const turns = await turnsDuring(async () => {
      const vector = batches[0]!.vectors.slice(0, DIM);
      const asked = index.query({ vector }).then(() => {
        answeredAt = at;
      });
      for (at = 1; at < 40; at++) await index.upsert(batches[at]!);
      at = 40;
      await asked;
    });
    assert.ok(turns >= 5, `the loop turned ${turns} times`);
    assert.ok(answeredAt < 40, 'the query was answered when all was written');
    assert.equal(index.count, 20_000);
    await index.close();
  });

  it('turns in a loop of any awaited call', async () => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const rows = batch(random, 0, 1500);
    await index.upsert(rows);
    await index.createPayloadIndex('part', 'integer');
    const vector = rows.vectors.slice(0, DIM);
    const filter = { must: [{ key: 'part', match: { value: 3 } }] };
    const calls: Record<string, (i: number) => Promise<unknown>> = {
      upsert: (i) => index.upsert([{ id: i % 1500, vector, payload: { part: i % 7 } }]),
      'upsert of nothing': () => index.upsert([]),
      delete: (i) => index.delete(10_000 + i),
      'delete by filter': () => index.delete({ filter: { must: [{ key: 'part', match: { value: 99 } }] } }),
      get: (i) => index.get([i % 1500]),
      scroll: () => index.scroll({ limit: 5 }),
      facet: () => index.facet({ key: 'part' }),
      countMatching: () => index.countMatching({ filter }),
      'countMatching of all': () => index.countMatching(),
      query: () => index.query({ vector, filter }),
      queryBatch: () => index.queryBatch([{ vector }, { vector }]),
      'queryBatch of nothing': () => index.queryBatch([]),
      recommend: (i) => index.recommend({ positive: [i % 1500] }),
      queryGroups: () => index.queryGroups({ vector, groupBy: 'part', limit: 2 }),
      createPayloadIndex: () => index.createPayloadIndex('part', 'integer'),
      deletePayloadIndex: () => index.deletePayloadIndex('other'),
    };
    for (const [name, call] of Object.entries(calls)) {
      const turns = await turnsDuring(() => loopOf(call));
      assert.ok(turns >= 3, `${name}: in 60 ms of work the loop turned ${turns} times`);
    }
    await index.close();
  });
});
