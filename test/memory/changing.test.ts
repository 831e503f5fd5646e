/**
 * Rows in memory that changes while a call runs: written by another thread, grown, shrunk. An answer about the rows as they
 * were, or an error; never an answer that was not written.
 */
// Runs alone: threads must meet in its searches.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { FunnelError, funnel, funnelAsync, funnelBatchAsync, listKernels, type Plan, useKernels } from 'funnelvec';
import { getKernels } from 'funnelvec/kernels';
import { FunnelIndex, importMatrix } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 64;
const COUNT = 48;
const PLAN: Plan = { scales: [16, 32], keep: 0.5, limit: 5 }; // dims 32 to 63 are looked at, but by no stage
const active = listKernels().find((kernels) => kernels.active)!.name;
const names = listKernels()
  .filter(({ supported }) => supported)
  .map(({ name }) => name);

after(() => {
  useKernels(active);
});

interface Resizable extends ArrayBuffer {
  resize(bytes: number): void;
}
interface Growable extends SharedArrayBuffer {
  grow(bytes: number): void;
}
const resizable = (bytes: number, most: number) =>
  new (ArrayBuffer as unknown as new (bytes: number, options: object) => Resizable)(bytes, { maxByteLength: most });
const growable = (bytes: number, most: number) =>
  new (SharedArrayBuffer as unknown as new (bytes: number, options: object) => Growable)(bytes, {
    maxByteLength: most,
  });

describe('a NaN that another thread writes and takes away again', { timeout: 120_000 }, () => {
  const random = new Random(SEED);
  const rows = new Float32Array(new SharedArrayBuffer(4 * COUNT * DIM));
  rows.set(random.vector(COUNT * DIM));
  const query = random.vector(DIM);
  const best = funnel({ vectors: rows.slice(), dim: DIM }, query, PLAN);
  // One place that the first stage reads, one that the last does, one that none does.
  const places = [7 * DIM + 3, best[0]!.index * DIM + 20, 30 * DIM + 50];
  const stop = new Int32Array(new SharedArrayBuffer(4));
  let worker: Worker;

  before(async () => {
    worker = new Worker(new URL('./flicker-worker.js', import.meta.url), { workerData: { rows, places, stop } });
    await new Promise((resolve) => worker.once('online', resolve));
  });
  after(async () => {
    Atomics.store(stop, 0, 1);
    await new Promise((resolve) => worker.once('exit', resolve));
  });

  for (const name of names) {
    it(`is NOT_FINITE, or the answer without it, on ${name}`, async () => {
      useKernels(name);
      const seen = { answers: 0, refusals: 0 };
      const look = async (run: () => unknown) => {
        try {
          assert.deepEqual(await run(), best);
          seen.answers++;
        } catch (error) {
          assert.ok(error instanceof FunnelError, String(error));
          assert.equal(error.code, 'NOT_FINITE');
          seen.refusals++;
        }
      };
      const deadline = performance.now() + 60_000;
      const enough = () => seen.answers > 200 && seen.refusals > 200;
      for (let i = 0; i < 2000 || (!enough() && performance.now() < deadline); i++) {
        await look(() => funnel({ vectors: rows, dim: DIM }, query, PLAN));
      }
      for (let i = 0; i < 50; i++) await look(() => funnelAsync({ vectors: rows, dim: DIM }, query, PLAN));
      assert.ok(enough(), JSON.stringify(seen));
    });

    it(`never makes an output that was not written look like one, in any kernel of ${name}`, () => {
      const kernels = getKernels(name);
      const scores = new Float64Array(COUNT);
      const indices = new Uint32Array(5);
      const keys = new Float64Array(5);
      const untouched = -7;
      let bad = 0;
      for (let i = 0; i < 1500; i++) {
        scores.fill(untouched);
        keys.fill(untouched);
        const task = { metric: 'dot', query, rows, dim: DIM } as const;
        if (kernels.scores({ ...task, from: 0, to: DIM, keys: scores }) !== -1) bad++;
        else assert.ok(scores.every(Number.isFinite));
        if (kernels.norms({ rows, dim: DIM, from: 0, to: DIM, norms: scores }) !== -1) bad++;
        else assert.ok(scores.every(Number.isFinite));
        if (kernels.scan({ ...task, to: DIM, indices, keys }) !== -1) bad++;
        else assert.ok(keys.every((key) => Number.isFinite(key) && key !== untouched));
        const scales = Uint32Array.of(16, 32);
        const keep = Uint32Array.of(24, 5);
        keys.fill(untouched);
        if (kernels.funnel({ ...task, scales, keep, indices, keys }) !== -1) bad++;
        else assert.ok(keys.every((key) => Number.isFinite(key) && key !== untouched));
      }
      assert.ok(bad > 0);
    });
  }
});

describe('a buffer that grows during a call', () => {
  const random = new Random(SEED);
  const old = random.vector(COUNT * DIM);
  const query = random.vector(DIM);
  const better = Float32Array.from({ length: COUNT * DIM }, (_, i) => query[i % DIM]!); // each the best there can be
  const grow = (buffer: Growable) => {
    buffer.grow(8 * COUNT * DIM);
    new Float32Array(buffer).set(better, COUNT * DIM);
  };
  const tracking = () => {
    const buffer = growable(4 * COUNT * DIM, 8 * COUNT * DIM);
    const vectors = new Float32Array(buffer);
    vectors.set(old);
    return { buffer, vectors };
  };
  const best = funnel({ vectors: old, dim: DIM }, query, PLAN);

  for (const name of ['js', 'wasm', active] as const) {
    it(`brings no rows into it that came later, on ${name}`, async () => {
      useKernels(name);
      // Beside a matrix that is large enough to be copied in parts, so that the loop turns before the kernels start.
      const large = random.vector(30_000 * DIM);
      const { buffer, vectors } = tracking();
      const plan: Plan = { ...PLAN, limit: 5 };
      const ranked = funnelBatchAsync(
        [
          { candidates: { vectors: large, dim: DIM }, query },
          { candidates: { vectors, dim: DIM }, query },
        ],
        plan,
      );
      await new Promise((resolve) => setImmediate(resolve));
      grow(buffer);
      assert.deepEqual((await ranked)[1], best);
    });

    it(`nor into a kernel's call, on ${name}`, async () => {
      const { buffer, vectors } = tracking();
      const task = () => ({
        metric: 'dot' as const,
        query,
        dim: DIM,
        scales: Uint32Array.of(16, 32),
        keep: Uint32Array.of(24, 5),
        indices: new Uint32Array(5),
        keys: new Float64Array(5),
      });
      const want = task();
      getKernels('js').funnel({ ...want, rows: old });
      const got = task();
      const asked = getKernels(name).funnelBatchAsync([{ ...got, rows: vectors }]);
      grow(buffer);
      assert.deepEqual(await asked, [-1]);
      assert.deepEqual(got, want);
    });
  }

  it('brings none into an index', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const { buffer, vectors } = tracking();
    const written = index.upsert({ ids: Array.from({ length: COUNT }, (_, i) => i), vectors });
    grow(buffer);
    await written;
    const again = tracking();
    const imported = importMatrix(index, again.vectors, { ids: (row) => 1000 + row, batch: 8 });
    grow(again.buffer);
    await imported;
    assert.equal(index.count, 2 * COUNT);
    await index.close();
  });
});

describe('a buffer that shrinks and grows back during a call', () => {
  for (const name of ['js', 'wasm', active] as const) {
    it(`is ranked as it was, on ${name}`, async () => {
      useKernels(name);
      const random = new Random(SEED);
      const count = 30_000;
      const buffer = resizable(4 * count * DIM, 4 * count * DIM);
      const vectors = new Float32Array(buffer);
      vectors.set(random.vector(count * DIM));
      const query = random.vector(DIM);
      vectors.set(query, (count - 1) * DIM); // the best of all stands last
      const best = funnel({ vectors: vectors.slice(), dim: DIM }, query, PLAN);
      assert.equal(best[0]!.index, count - 1);
      const other = random.vector(count * DIM);
      const ranked = funnelBatchAsync(
        [
          { candidates: { vectors: other, dim: DIM }, query },
          { candidates: { vectors, dim: DIM }, query },
        ],
        PLAN,
      );
      await new Promise((resolve) => setImmediate(resolve));
      buffer.resize(0);
      buffer.resize(4 * count * DIM);
      assert.deepEqual((await ranked)[1], best);
    });
  }
});
