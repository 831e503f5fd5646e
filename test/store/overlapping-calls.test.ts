/** States that only meet when calls overlap. Each was wrong once. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import { activeKernels, useKernels } from '#dist/kernels/load.js';
import { Random, SEED } from '../random.js';

const DIM = 32;
const random = new Random(SEED);
const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

async function onDisk(run: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-overlap-'));
  try {
    await run(join(folder, 'index'));
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

describe('FunnelIndex, calls that overlap', () => {
  it('shows new rows to every part of it in one turn', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    await index.upsert({ ids: [0], vectors: random.vector(DIM) });
    for (let round = 0; round < 30; round++) {
      const id = round + 1;
      const vector = random.vector(DIM);
      let done = false;
      const writing = index.upsert([{ id, vector }]).then(() => {
        done = true;
      });
      for (let look = 1; !done; look++) {
        // Between microtasks, and between turns of the event loop, which a write may wait for.
        await (look % 50 === 0 ? new Promise((resolve) => setImmediate(resolve)) : null);
        const [point] = index.getSync([id]);
        if (point === undefined) continue;
        assert.deepEqual(point.vector, vector);
        const { hits } = index.querySync({ vector, filter: { ids: [id] } });
        assert.ok(hits.length === 1 && Math.abs(hits[0]!.score - 1) < 1e-9);
      }
      await writing;
    }
    await index.close();
  });

  it('answers as one moment of the set has it, whatever dies meanwhile', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false, threads: 2 });
    const vectors = random.vector(20_000 * DIM);
    await index.upsert({ ids: ids(0, 20_000), vectors });
    await index.optimize();
    for (let round = 0; round < 10; round++) {
      const vector = random.vector(DIM);
      const before = index.querySync({ vector, mode: 'exact' }).hits.map(({ id }) => id as number);
      const answer = index.query({ vector, mode: 'exact' });
      // The same rows again: what the answer is does not change.
      for (const id of before.slice(0, 4)) {
        index.upsertSync([{ id, vector: vectors.slice(id * DIM, (id + 1) * DIM) }]);
      }
      assert.deepEqual(
        (await answer).hits.map(({ id }) => id),
        before,
      );
    }
    await index.close();
  });

  it('reads rows from disk while files are compacted under it', async () => {
    await onDisk(async (path) => {
      const index = await FunnelIndex.create(path, { dim: DIM, autoOptimize: false, memory: 1, threads: 2 });
      await index.upsert({ ids: ids(0, 3000), vectors: random.vector(3000 * DIM) });
      let ends = false;
      const failures: unknown[] = [];
      const lanes = ids(0, 4).map(async () => {
        while (!ends) {
          await index.query({ vector: random.vector(DIM), mode: 'exact' }).catch((error) => failures.push(error));
        }
      });
      for (let round = 0; round < 6; round++) {
        await index.delete(ids(round * 300, 280));
        await index.upsert({ ids: ids(10_000 + round * 300, 300), vectors: random.vector(300 * DIM) });
        await index.optimize();
      }
      ends = true;
      await Promise.all(lanes);
      assert.deepEqual(failures, []);
      await index.close();
    });
  });

  it('reads a filter before anything else, whatever its iterator does', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    const vectors = random.vector(3000 * DIM);
    await index.upsert({ ids: ids(0, 3000), vectors });
    await index.optimize();
    const vector = random.vector(DIM);
    function* meddling() {
      index.upsertSync({ ids: ids(5000, 2000), vectors: random.vector(2000 * DIM) });
      index.optimizeSync();
      yield* ids(0, 2000);
    }
    const plain = index.querySync({ vector, mode: 'exact', filter: { ids: ids(0, 2000) } }).hits;
    assert.deepEqual(index.querySync({ vector, mode: 'exact', filter: { ids: meddling() } }).hits, plain);
    const failing = {
      *[Symbol.iterator]() {
        yield 1;
        throw new Error('mine');
      },
    };
    await assert.rejects(index.query({ vector, filter: { ids: failing } }), /mine/);
    await index.close();
  });

  it('lets a script without a single await write, optimise and close', () => {
    const index = FunnelIndex.createSync(':memory:', { dim: DIM });
    index.upsertSync({ ids: ids(0, 6000), vectors: random.vector(6000 * DIM) });
    index.upsertSync({ ids: ids(0, 3000), vectors: random.vector(3000 * DIM) });
    index.optimizeSync();
    index.upsertSync({ ids: ids(0, 10), vectors: random.vector(10 * DIM) });
    assert.equal(index.stats().coded, 5990);
    index.closeSync();
  });

  it('stays open when it cannot close yet', async () => {
    await onDisk(async (path) => {
      const index = await FunnelIndex.create(path, { dim: DIM });
      const writing = index.upsert({ ids: ids(0, 100), vectors: random.vector(100 * DIM) });
      assert.throws(
        () => index.closeSync(),
        (error) => error instanceof FunnelError && error.code === 'NOT_WRITABLE',
      );
      await writing;
      assert.equal(index.querySync({ vector: random.vector(DIM), limit: 200 }).hits.length, 100);
      index.closeSync();
      (await FunnelIndex.open(path)).closeSync();
    });
  });

  it('gives memory of old codes back on WASM, and nothing that is in use', async () => {
    const before = activeKernels().name;
    try {
      useKernels('wasm');
    } catch {
      return; // no SIMD here
    }
    try {
      await onDisk(async (path) => {
        const index = await FunnelIndex.create(path, { dim: DIM, autoOptimize: false, memory: 400 * DIM, head: 16 });
        await index.upsert({ ids: ids(0, 1000), vectors: random.vector(1000 * DIM) });
        const reader = await FunnelIndex.open(path, { readOnly: true, threads: 2 });
        for (let round = 0; round < 6; round++) {
          const vectors = Array.from({ length: 12 }, () => random.vector(DIM));
          await index.optimize();
          const exact = vectors.map((vector) => ({ vector, mode: 'exact' as const }));
          const wanted = exact.map((query) => index.querySync({ ...query, filter: { ids: ids(0, 1000) } }).hits);
          const asked = reader.queryBatch(exact);
          await index.upsert({ ids: [5000 + round], vectors: random.vector(DIM).fill(0) });
          reader.querySync(exact[0]!);
          assert.deepEqual(
            (await asked).map(({ hits }) => hits),
            wanted,
          );
          exact.forEach((query, i) => {
            assert.deepEqual(index.querySync(query).hits, wanted[i]);
          });
        }
        await reader.close();
        await index.close();
      });
    } finally {
      useKernels(before as never);
    }
  });
});
