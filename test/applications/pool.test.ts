/** Queries beside builds, and many indexes in one process, with default options. */
// Runs alone: it measures how long queries wait.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FunnelIndex } from 'funnelvec/store';
import { again } from '../patient.js';
import { Random, SEED } from '../random.js';

const DIM = 128;
const ROWS = 50_000;

function rowsOf(random: Random, count: number, dim: number): Float32Array {
  return Float32Array.from({ length: count * dim }, () => random.next() - 0.5);
}

const VECTORS = rowsOf(new Random(SEED), ROWS, DIM);

async function filled(options: { threads?: number; lists?: number } = {}, rows = ROWS): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false, ...options });
  for (let from = 0; from < rows; from += 10_000) {
    const ids = Array.from({ length: 10_000 }, (_, i) => from + i);
    await index.upsert({ ids, vectors: VECTORS.subarray(from * DIM, (from + 10_000) * DIM) });
  }
  return index;
}

/** Milliseconds of each query, `flight` of them at once, while `goOn`; ascending. */
async function latencies(index: FunnelIndex, random: Random, flight: number, goOn: (done: number) => boolean) {
  const times: number[] = [];
  const one = async () => {
    while (goOn(times.length)) {
      const began = performance.now();
      await index.query({ vector: random.vector(DIM), mode: 'funnel' });
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: flight }, one));
  return times.sort((a, b) => a - b);
}

describe('queries beside a build', () => {
  for (const threads of [undefined, 1]) {
    it(`wait for slices of it, not for its phases, with threads: ${threads}`, { timeout: 120_000 }, async () => {
      const random = new Random(SEED);
      const index = await filled(threads === undefined ? {} : { threads });
      await index.optimize();
      await latencies(index, random, 8, (done) => done < 50);
      await again(async () => {
        let building = true;
        const began = performance.now();
        const build = index.optimize().finally(() => {
          building = false;
        });
        const times = await latencies(index, random, 8, () => building);
        await build;
        const took = performance.now() - began;
        // Where queries wait for a phase, all that are in flight do; one or two may meet a stall of a busy machine.
        const slow = times.filter((ms) => ms > took / 4).length;
        assert.ok(times.length >= 50, `${times.length} queries were answered in a build of ${took} ms`);
        assert.ok(slow < 4, `${slow} of ${times.length} queries waited for a quarter of a build of ${took} ms`);
      });
      await index.close();
    });
  }

  it('does not depend on them: the same codes come of it', async () => {
    const random = new Random(SEED);
    const [busy, idle] = [
      await filled({ threads: 2, lists: 50 }, 20_000),
      await filled({ threads: 1, lists: 50 }, 20_000),
    ];
    let building = true;
    const build = busy.optimize().finally(() => {
      building = false;
    });
    await Promise.all([latencies(busy, random, 4, () => building), build]);
    idle.optimizeSync();
    for (let i = 0; i < 20; i++) {
      const vector = random.vector(DIM);
      const query = { vector, mode: 'funnel' as const, limit: 50 };
      const [a, b] = [await busy.query(query), await idle.query(query)];
      assert.deepEqual(a.hits, b.hits);
      assert.deepEqual(a.stats.stages, b.stats.stages);
    }
    await Promise.all([busy.close(), idle.close()]);
  });

  it('ends with CLOSED when the index is closed, soon', async () => {
    const index = await filled();
    const build = assert.rejects(index.optimize(), { code: 'CLOSED' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const asked = index.query({ vector: new Float32Array(DIM).fill(1) }).catch((error) => error.code);
    await index.close();
    await build;
    assert.equal(await asked, 'CLOSED');
  });
});

describe('many small indexes in one process', () => {
  const threads = () => readdirSync('/proc/self/task').length;
  const resident = () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
  const skip = process.platform === 'linux' ? false : 'counts threads in /proc';

  it('answer their first queries at once, without a thread of their own', { skip, timeout: 60_000 }, async () => {
    const random = new Random(SEED);
    const count = 1000;
    const before = threads();
    const vectors = rowsOf(random, 100, 96);
    const ids = Array.from({ length: 100 }, (_, i) => i);
    globalThis.gc?.();
    const bytes = resident();
    const indexes: FunnelIndex[] = [];
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const index = await FunnelIndex.create(':memory:', { dim: 96 });
      await index.upsert({ ids, vectors });
      indexes.push(index);
    }
    for (const index of indexes) {
      const began = performance.now();
      const { hits } = await index.query({ vector: vectors.slice(0, 96) });
      times.push(performance.now() - began);
      assert.equal(hits[0]!.id, 0);
    }
    times.sort((a, b) => a - b);
    const median = times[times.length >> 1]!;
    assert.ok(median < 2, `half of the first queries took more than ${median} ms`);
    assert.ok(threads() <= before + 2, `${threads() - before} threads came`);
    globalThis.gc?.();
    const beside = resident() - bytes - count * 4 * vectors.length;
    assert.ok(beside < 100e6, `${Math.round(beside / 1e6)} MB beside the rows`);
    await Promise.all(indexes.map((index) => index.close()));
  });

  it('share threads where they need some, which end when the last one is closed', {
    skip,
    timeout: 60_000,
  }, async () => {
    const random = new Random(SEED);
    const before = threads();
    const vectors = rowsOf(random, 3000, 96);
    const ids = Array.from({ length: 3000 }, (_, i) => i);
    const indexes = await Promise.all(Array.from({ length: 12 }, () => FunnelIndex.create(':memory:', { dim: 96 })));
    const most = indexes[0]!.stats().threads;
    for (const index of indexes) await index.upsert({ ids, vectors });
    const answers = await Promise.all(indexes.map((index) => index.query({ vector: vectors.slice(0, 96) })));
    for (const { hits } of answers) assert.equal(hits[0]!.id, 0);
    assert.ok(threads() <= before + most, `${threads() - before} threads came`);
    await Promise.all(indexes.slice(1).map((index) => index.close()));
    assert.equal((await indexes[0]!.query({ vector: vectors.slice(96, 192) })).hits[0]!.id, 1);
    await indexes[0]!.close();
    // One that gives memory back to the system may be at work for a moment.
    const until = performance.now() + 5000;
    while (threads() > before && performance.now() < until) await sleep(10);
    assert.ok(threads() <= before, `${threads() - before} threads stayed`);
  });
});
