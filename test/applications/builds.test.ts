/** Codes under an application that writes: what optimize() promises, and what an index does by itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { FunnelIndex, type OptimizeProgress } from 'funnelvec/store';
import { FULL, Model, newPath, range, turn, until } from './model.js';

const DIM = 64;

describe('an application that writes and builds', () => {
  for (const where of [':memory:', 'disk']) {
    const path = () => (where === 'disk' ? newPath() : where);

    it(`has codes for every row that was written before optimize(), automatic builds or not (${where})`, async () => {
      const index = await FunnelIndex.create(path(), { dim: DIM });
      const model = new Model(index);
      const [calls, rows] = FULL ? [50, 20_000] : [6, 5000];
      for (let call = 0; call < calls; call++) {
        await model.write(range(call * rows, (call + 1) * rows));
        await turn(); // as a server between two requests
      }
      await index.optimize();
      assert.equal(index.stats().coded, calls * rows);
      assert.deepEqual(index.stats().uncoded, { rows: 0, bytesPerQuery: 0 });
      await model.check();
      await index.close();
    });

    it(`waits in optimize() for one build more at most, which all callers share (${where})`, async () => {
      const index = await FunnelIndex.create(path(), { dim: DIM, autoOptimize: false });
      const model = new Model(index);
      await model.write(range(0, 12_000));
      const heard: OptimizeProgress[][] = [[], [], [], [], []];
      const told = (at: number) => ({ onProgress: (progress: OptimizeProgress) => void heard[at]!.push(progress) });
      const first = index.optimize(told(0));
      const same = index.optimize(told(1)); // nothing was written between
      await model.write(range(12_000, 12_100));
      const second = index.optimize(told(2));
      await model.write(range(12_100, 12_200));
      const joined = index.optimize(told(3));
      const last = index.optimize(told(4));
      await Promise.all([first, same]);
      const coded: number[] = [index.stats().coded];
      await second;
      coded.push(index.stats().coded);
      await Promise.all([joined, last]);
      assert.deepEqual(coded, [12_000, 12_200]);
      for (const [i, progress] of heard.entries()) {
        assert.deepEqual(progress.at(-1), { phase: 'write', done: 1, total: 1 }, `caller ${i}`);
        assert.equal(progress.filter(({ phase }) => phase === 'plan').length, 1, `caller ${i} hears of one build`);
        assert.equal(progress[0]!.total, i < 2 ? 12_000 : 12_200, `caller ${i}`);
      }
      await index.close();
    });
  }

  it('lets one caller’s onProgress fail for that caller alone', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: DIM, autoOptimize: false });
    await new Model(index).write(range(0, 5000));
    const bad = index.optimize({
      onProgress: () => {
        throw new Error('the bar is broken');
      },
    });
    const good = index.optimize();
    await assert.rejects(bad, /the bar is broken/);
    await good;
    assert.equal(index.stats().coded, 5000);
    await index.close();
  });

  it('says of a build that close() cut off that it was', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: DIM, autoOptimize: false });
    const model = new Model(index);
    await model.write(range(0, 12_000));
    const running = index.optimize();
    await model.write(range(12_000, 12_100));
    const next = index.optimize();
    const ended = Promise.allSettled([running, next]);
    await index.close();
    for (const one of await ended) {
      assert.ok(one.status === 'rejected' && one.reason.code === 'CLOSED', String((one as { reason: Error }).reason));
    }
  });

  it('makes a payload index known to every caller’s onProgress', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: DIM });
    await new Model(index).write(range(0, 2000));
    const heard: number[] = [];
    const make = (at: number) => index.createPayloadIndex('n', 'integer', { onProgress: () => heard.push(at) });
    await Promise.all([make(0), make(1)]);
    await make(2);
    assert.deepEqual([...new Set(heard)], [0, 1, 2]);
    await index.close();
  });

  it('gives codes to new rows when it is left alone, unless told not to', async () => {
    const rows = FULL ? 200_000 : 10_000;
    for (const autoOptimize of [true, false]) {
      const index = await FunnelIndex.create(newPath(), { dim: DIM, ...(autoOptimize ? {} : { autoOptimize }) });
      const model = new Model(index);
      await model.write(range(0, rows));
      await index.optimize();
      await model.write(range(rows, 1.3 * rows));
      assert.deepEqual(index.stats().uncoded, { rows: 0.3 * rows, bytesPerQuery: 0.3 * rows * 4 * DIM });
      if (autoOptimize) await until('codes for all rows', () => index.stats().uncoded.rows === 0);
      else await turn(600);
      assert.equal(index.stats().coded, autoOptimize ? 1.3 * rows : rows);
      await model.check();
      await index.close();
    }
  });

  it('gives codes to new rows that searches have read for as long as a build takes', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: DIM });
    const model = new Model(index);
    await model.write(range(0, 20_000));
    await index.optimize();
    await model.write(range(20_000, 21_200)); // few: nothing happens by itself
    await turn(500);
    assert.equal(index.stats().uncoded.rows, 1200);
    const { vector } = model.rows.get(3)!;
    await until('codes for all rows', () => {
      for (let i = 0; i < 40; i++) index.querySync({ vector });
      return index.stats().uncoded.rows === 0;
    });
    await index.close();
  });

  it('keeps no script from ending', () => {
    const script = `
      import { FunnelIndex } from 'funnelvec/store';
      const index = await FunnelIndex.create(':memory:', { dim: 8 });
      const write = (from, count) => index.upsert({
        ids: Array.from({ length: count }, (_, i) => from + i),
        vectors: Float32Array.from({ length: 8 * count }, Math.random),
      });
      await write(0, 5000);
      await index.optimize();
      await write(5000, 2000);
      process.on('exit', () => console.log(index.stats().uncoded.rows));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    assert.equal(stdout, '2000\n', stderr); // it did not wait for the build that would have begun
  });
});

describe('an application that writes synchronously', () => {
  it('is never told to await what the index does by itself', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: DIM });
    await index.createPayloadIndex('n', 'integer');
    const vectors = new Float32Array(1500 * DIM).map((_, i) => Math.sin(i));
    let generation = 0;
    for (let call = 0; call < (FULL ? 400 : 30); call++) {
      // New rows, and some of old ids: builds and compactions both come.
      const from = call % 2 === 0 ? 1500 * (generation++ % 6) : 0;
      index.upsertSync({
        ids: range(from, from + 1500),
        vectors,
        payloads: range(0, 1500).map((n) => ({ n })),
      });
      for (let i = 0; i < 8; i++) {
        await turn(1);
        index.deleteSync([from + i]);
      }
    }
    await until('a build', () => index.stats().coded > 0);
    await until('a compaction', () => index.stats().dead.rows < 25_000);
    await index.close();
  });
});
