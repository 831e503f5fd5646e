/**
 * Calls beside a writer that never pauses: they look at all rows, see one moment all the same, and keep neither the event loop
 * nor the writer waiting for long.
 */
// Runs alone: it measures how long the event loop stands still.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { FULL, newPath, range } from './model.js';
import { longestStretch } from './stretch.js';

const DIM = 8;
const ROWS = FULL ? 300_000 : 40_000;
const PARTS = 5;

async function indexOf(path: string, rows: number, random: Random): Promise<FunnelIndex> {
  const index: FunnelIndex = await FunnelIndex.create(path, { dim: DIM, durability: 'relaxed' });
  for (let from = 0; from < rows; from += 20_000) {
    const ids = range(from, Math.min(rows, from + 20_000));
    const payloads = ids.map((id) => ({ part: id % PARTS, turn: 0 }));
    await index.upsert({ ids, vectors: random.vector(ids.length * DIM), payloads });
  }
  await index.optimize();
  return index;
}

/** Writes again and again until it is told to end; tells how often it did. */
function writer(write: (i: number) => Promise<unknown>): () => Promise<number> {
  let running = true;
  const writing = (async () => {
    let i = 0;
    while (running) await write(++i);
    return i;
  })();
  return () => {
    running = false;
    return writing;
  };
}

const part = (value: number) => ({ must: [{ key: 'part', match: { value } }] });

describe('an event loop beside a writer that never pauses', () => {
  const random = new Random(SEED);
  const vector = random.vector(DIM);
  const calls: Record<string, (index: FunnelIndex, i: number) => Promise<unknown>> = {
    query: (index, i) => index.query({ vector, filter: part(i % PARTS) }),
    queryBatch: (index) => index.queryBatch(range(0, 4).map((i) => ({ vector, filter: part(i) }))),
    recommend: (index) => index.recommend({ positive: [1, 2], filter: part(3) }),
    queryGroups: (index) => index.queryGroups({ vector, groupBy: 'turn', filter: part(3), limit: 2 }),
    countMatching: (index) => index.countMatching({ filter: part(3) }),
    facet: (index) => index.facet({ key: 'part' }),
    scroll: (index) => index.scroll({ filter: part(3), limit: 5000 }),
    get: (index) => index.get(range(0, 10_000)),
  };
  for (const where of FULL ? ['in memory', 'on disk'] : ['in memory']) {
    it(`turns within 20 ms of work, ${where}`, { timeout: FULL ? 1_800_000 : 240_000 }, async () => {
      const index = await indexOf(where === 'in memory' ? ':memory:' : newPath(), ROWS, random);
      for (const [name, call] of Object.entries(calls)) {
        const stretches: number[] = [];
        for (let round = 0; round < 4 && Math.min(...stretches) > 20; round++) {
          const end = writer((i) => index.setPayload([(i * 37) % ROWS], { turn: i }));
          try {
            stretches.push(await longestStretch(() => call(index, round)));
          } finally {
            assert.ok((await end()) > 1, `${name}: nothing was written`);
          }
        }
        assert.ok(Math.min(...stretches) <= 20, `${name}: ${stretches.map((ms) => ms.toFixed(1)).join(', ')} ms`);
      }
      await index.close();
    });
  }
});

/** Milliseconds from which on a write is too long for those beside it. */
const MOST = 20;
/** Rows that one call writes. */
const MANY = FULL ? 100_000 : 20_000;

describe('an event loop while one call writes half of the rows', () => {
  const random = new Random(SEED);
  const odd = range(0, ROWS / 2).map((i) => 2 * i + 1);
  const even = range(0, ROWS / 2).map((i) => 2 * i);
  const isOdd = { filter: { must: [{ key: 'odd', match: { value: true } }] } };
  const batch = (from: number, to: number) => {
    const ids = range(from, to);
    const payloads = ids.map((id) => ({ odd: id % 2 === 1, turn: 0 }));
    return { ids, vectors: random.vector(ids.length * DIM), payloads };
  };
  const calls: [name: string, call: (index: FunnelIndex, round: number) => () => Promise<unknown>, rounds: number][] = [
    ['setPayload() by filter', (index, round) => () => index.setPayload(isOdd, { turn: round }), 4],
    ['setPayload() by ids', (index, round) => () => index.setPayload(odd, { turn: 100 + round }), 4],
    [
      'overwritePayload() by filter',
      (index, round) => () => index.overwritePayload(isOdd, { odd: true, a: round, b: 0 }),
      4,
    ],
    ['deletePayloadKeys() by ids', (index, round) => () => index.deletePayloadKeys(odd, [['a', 'b'][round]!]), 2],
    [
      'upsert()',
      (index, round) => {
        const points = batch(ROWS + round * MANY, ROWS + (round + 1) * MANY);
        return () => index.upsert(points);
      },
      2,
    ],
    ['delete() by ids', (index, round) => () => index.delete(even.filter((id) => id % 4 === 2 * round)), 2],
    ['delete() by filter', (index) => () => index.delete(isOdd), 1],
    ['optimize()', (index) => () => index.optimize(), 1],
  ];
  for (const where of FULL ? ['in memory', 'on disk'] : ['in memory']) {
    it(`turns within ${MOST} ms of work, ${where}`, { timeout: FULL ? 1_800_000 : 240_000 }, async () => {
      const index: FunnelIndex = await FunnelIndex.create(where === 'in memory' ? ':memory:' : newPath(), { dim: DIM });
      for (let from = 0; from < ROWS; from += 20_000) await index.upsert(batch(from, from + 20_000));
      await index.optimize();
      for (const [name, call, rounds] of calls) {
        const stretches: number[] = [];
        for (let round = 0; round < rounds && (round === 0 || Math.min(...stretches) > MOST); round++) {
          const write = call(index, round);
          globalThis.gc?.();
          stretches.push(await longestStretch(write));
        }
        assert.ok(Math.min(...stretches) <= MOST, `${name}: ${stretches.map((ms) => ms.toFixed(1)).join(', ')} ms`);
      }
      await index.close();
    });
  }

  it(`turns within ${MOST} ms of work: countMatching() behind a change of all payloads`, {
    timeout: 600_000,
  }, async () => {
    const index: FunnelIndex = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.createPayloadIndex('turn', 'integer');
    for (let from = 0; from < ROWS; from += 20_000) await index.upsert(batch(from, from + 20_000));
    const stretches: number[] = [];
    for (let round = 1; round <= 4 && Math.min(...stretches) > MOST; round++) {
      await index.setPayload(range(0, ROWS), { turn: round });
      const filter = { must: [{ key: 'turn', match: { value: round } }] };
      globalThis.gc?.();
      let count = 0;
      stretches.push(
        await longestStretch(async () => {
          count = await index.countMatching({ filter });
        }),
      );
      assert.equal(count, ROWS);
    }
    assert.ok(Math.min(...stretches) <= MOST, `${stretches.map((ms) => ms.toFixed(1)).join(', ')} ms`);
    await index.close();
  });
});

describe('reads in memory while a write changes the payloads of all rows', () => {
  it('find all of them as they were, or all as they are then', { timeout: 120_000 }, async () => {
    const rows = 20_000;
    const index = await indexOf(':memory:', rows, new Random(SEED));
    for (let turn = 1; turn <= 3; turn++) {
      let writing = true;
      let turns = 0;
      const wrote = index.setPayload(range(0, rows), { turn }).finally(() => {
        writing = false;
      });
      while (writing) {
        // In one go each, at whatever moment of the write.
        const seen = new Set(
          index.getSync(range(0, rows / 100).map((i) => 100 * i)).map((row) => turnOf(row?.payload)),
        );
        assert.equal(seen.size, 1, `payloads of turns ${[...seen].join(', ')}`);
        turns++;
        await new Promise(setImmediate);
      }
      await wrote;
      assert.ok(turns > 3, `${turns} looks`);
      assert.equal(turnOf(index.getSync([rows - 1])[0]?.payload), turn);
    }
    await index.close();
  });
});

function turnOf(payload: unknown): number {
  return (payload as { turn: number }).turn;
}

describe('calls that read all rows beside a writer that changes all of them', () => {
  it('see one moment, and so do those within writes; each writer and each reader comes to its end', {
    timeout: 240_000,
  }, async () => {
    const rows = 2000;
    const index = await indexOf(':memory:', rows, new Random(SEED));
    const all = { must: [{ key: 'turn', range: { gte: 0 } }] };
    const end = writer((i) => index.setPayload({ filter: all }, { turn: i }));
    const sometimes = writer(async (i) => {
      await new Promise((resolve) => setTimeout(resolve, 7));
      // Refused while an asynchronous write is under way; else it spoils what is being read.
      try {
        index.setPayloadSync({ filter: all }, { turn: 1000 + i });
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'NOT_WRITABLE');
      }
    });
    const vector = new Float32Array(DIM).fill(0.5);
    let written = 0;
    try {
      for (let round = 0; round < 4; round++) {
        const lanes = range(0, 4).map(async (lane) => {
          const facets = await index.facet({ key: 'turn' });
          assert.equal(facets.length, 1);
          assert.equal(facets[0]!.count, rows);
          const { value } = facets[0]!;
          const filter = { must: [{ key: 'turn', match: { value } }] };
          const count = await index.countMatching({ filter });
          assert.ok(count === 0 || count === rows, `${count} rows are of one turn`);
          const { hits } = await index.query({
            vector,
            filter: all,
            limit: 1 + lane,
            mode: 'exact',
            withPayload: true,
          });
          assert.equal(new Set(hits.map(({ payload }) => (payload as { turn: number }).turn)).size, 1);
        });
        await Promise.all(lanes);
      }
    } finally {
      written = await end();
      await sometimes();
    }
    assert.ok(written > 1, `${written} writes`);
    const gone = await Promise.all([index.countMatching({ filter: all }), index.delete({ filter: all })]);
    assert.deepEqual([gone[1], index.count], [{ count: rows }, 0]);
    await index.close();
  });
});
