/** Rows that are written again and again, expire and are deleted: what they took is given back, without a call. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { boundOf, FLOOR, FULL, filed, Model, newPath, quiet, range, settled, turn, until } from './model.js';

const DIM = 128;

async function open(where: string) {
  const index = await FunnelIndex.create(where === 'disk' ? newPath() : where, { dim: DIM });
  return new Model(index);
}

function checkBytes(model: Model, when: string): void {
  const { resident, dead } = model.index.stats();
  const bound = boundOf(model);
  assert.ok(filed(model) <= bound, `${when}: ${filed(model)} bytes in files, not ${bound}; ${JSON.stringify(dead)}`);
  assert.ok(resident.rows <= bound, `${when}: ${resident.rows} bytes of rows, not ${bound}`);
  assert.ok(resident.codes <= bound, `${when}: ${resident.codes} bytes of codes, not ${bound}`);
}

for (const where of ['disk', ':memory:']) {
  describe(`an application that writes rows again (${where})`, () => {
    it('every night', async () => {
      const model = await open(where);
      const ids = range(0, 3000);
      for (let night = 0; night < (FULL ? 60 : 9); night++) {
        await model.write(ids);
        await quiet(model.index, 30);
        await model.check(1);
      }
      await settled(model);
      checkBytes(model, 'in the end');
      await model.check();
      await model.index.close();
    });

    it('a few of many', async () => {
      const model = await open(where);
      const [rows, rounds] = FULL ? [20_000, 200] : [6000, 40];
      await model.write(range(0, rows));
      for (let round = 0; round < rounds; round++) {
        const from = model.random.int(0, rows - rows / 10);
        await model.write(range(from, from + rows / 20));
        if (round % 10 === 0) await model.check(1);
        await turn(2);
      }
      await settled(model);
      checkBytes(model, 'in the end');
      await model.check();
      await model.index.close();
    });

    it('all of them, again and again without a pause: writes rest while dead rows go', async () => {
      const model = await open(where);
      const rows = FULL ? 20_000 : 3000;
      for (let round = 0; round < 40; round++) {
        await model.write(range(0, rows));
        const most = 10 * model.livingBytes + FLOOR;
        assert.ok(filed(model) <= most, `${filed(model)} bytes in files in round ${round}, not ${most}`);
      }
      await settled(model);
      checkBytes(model, 'in the end');
      await model.check();
      await model.index.close();
    });

    it('as a cache does, with new ids and an end for each', async () => {
      const model = await open(where);
      const rows = FULL ? 20_000 : 4000;
      for (let round = 0; round < 12; round++) {
        await model.write(range(round * rows, (round + 1) * rows));
        if (round > 0) await model.delete(range((round - 1) * rows, round * rows));
        await turn(2);
      }
      await settled(model);
      checkBytes(model, 'in the end');
      await model.check();
      await model.index.close();
    });

    it('and deletes most of them, then all', async () => {
      const model = await open(where);
      const { index } = model;
      const rows = FULL ? 100_000 : 24_000;
      await index.createPayloadIndex('n', 'integer');
      await model.write(range(0, rows));
      await index.optimize();
      assert.ok(index.stats().resident.codes > FLOOR / 4);
      await model.delete(range(0, 0.9 * rows));
      await until('an end of dead rows', () => {
        const { dead } = index.stats();
        return dead.rows + dead.coded === 0;
      });
      checkBytes(model, 'after most were deleted');
      await model.check();
      await model.delete(range(0.9 * rows, rows));
      await index.optimize();
      const { resident, coded, files, payloadIndexes } = index.stats();
      assert.deepEqual({ ...resident, coded, rows: files.rows }, { codes: 0, rows: 0, coded: 0 });
      assert.equal(payloadIndexes[0]!.values, 0);
      assert.deepEqual((await index.query({ vector: new Float32Array(DIM).fill(1) })).hits, []);
      await model.write(range(0, 100)); // and begins again
      await model.check();
      await index.close();
    });

    it('and calls optimizeSync() or optimize(), which leave no dead row anywhere', async () => {
      for (const sync of [true, false]) {
        const index = await FunnelIndex.create(where === 'disk' ? newPath() : where, {
          dim: DIM,
          autoOptimize: false,
        });
        const model = new Model(index);
        await index.createPayloadIndex('n', 'integer');
        for (let round = 0; round < 5; round++) await model.write(range(0, 3000));
        assert.equal(index.stats().dead.rows, 12_000);
        const before = filed(model);
        if (sync) index.optimizeSync();
        else await index.optimize();
        assert.deepEqual(index.stats().dead, { rows: 0, coded: 0 });
        assert.equal(index.stats().payloadIndexes[0]!.values, 3000);
        checkBytes(model, sync ? 'after optimizeSync()' : 'after optimize()');
        if (where === ':memory:') assert.ok(filed(model) < before / 2);
        await model.check();
        await index.close();
      }
    });

    it('and keeps payload indexes of the living alone, though it never builds', async () => {
      const model = await open(where);
      const { index } = model;
      await index.createPayloadIndex('n', 'integer');
      const ids = range(0, 3000);
      for (let night = 0; night < 12; night++) {
        await model.write(ids);
        await quiet(index, 40);
      }
      await quiet(index);
      const { values } = index.stats().payloadIndexes[0]!;
      assert.ok(values <= 3 * 3000 + 16_384, `${values} values of 3000 rows`);
      const n = model.rows.get(7)!.payload.n;
      const expected = [...model.rows.values()].filter(({ payload }) => payload.n === n).length;
      assert.equal(
        await index.countMatching({ filter: { must: [{ key: 'n', match: { value: n } }] } } as never),
        expected,
      );
      await index.close();
    });
  });
}

describe('an application that fills a mirror', () => {
  it('hears how many rows the collection has, after an interrupted sync too', async () => {
    const collection = await FunnelIndex.create(':memory:', { dim: DIM });
    await new Model(collection).write(range(0, 1000));
    const source = embeddedSource(collection);
    const index = await FunnelIndex.create(newPath(), { dim: DIM });
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => done >= 800 && controller.abort();
    const cut = index.syncFrom(source, { batch: 100, onProgress, signal: controller.signal });
    await assert.rejects(cut, { code: 'ABORTED' });
    await collection.delete(range(0, 400));
    const { rows, deleted, resumed } = await index.syncFrom(source, { batch: 100 });
    assert.deepEqual({ rows, deleted, resumed }, { rows: 600, deleted: 400, resumed: true });
    assert.equal(index.count, 600);
    await index.close();
    await collection.close();
  });
});

describe('an application that is backed up', () => {
  it('while it writes, and again later, as docs/index.md says', async () => {
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: DIM });
    const model = new Model(index);
    await model.write(range(0, 3000));
    const reader = await FunnelIndex.open(path, { readOnly: true });
    const copy = await FunnelIndex.create(newPath(), { dim: DIM });
    const copied = new Model(copy);
    const [first] = await Promise.all([
      copy.syncFrom(embeddedSource(reader), { withPayload: true }),
      model.write(range(3000, 3500)),
    ]);
    assert.ok(first.rows === 3000 || first.rows === 3500);
    await model.delete(range(0, 10));
    const second = await copy.syncFrom(embeddedSource(reader), { withPayload: true });
    assert.deepEqual([second.rows, second.deleted], [3490, 10]);
    assert.ok(second.written <= 500);
    for (const [id, row] of model.rows) copied.rows.set(id, row);
    await copied.check();
    for (const one of [reader, index, copy]) await one.close();
  });
});

describe('an application with long ids', () => {
  it('gives back the memory of those that are gone', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: 8 });
    const name = (n: number) => `${String(n).padStart(8, '0')}${'-'.repeat(1500)}`;
    const [rounds, rows] = FULL ? [60, 4000] : [14, 3000];
    global.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < rounds; round++) {
      const ids = range(round * rows, (round + 1) * rows);
      await index.upsert({ ids: ids.map(name), vectors: new Float32Array(8 * rows).fill(1) });
      if (round > 0) await index.delete(ids.map((n) => name(n - rows)));
      await turn(2);
    }
    await quiet(index);
    // Buffers go some turns of the loop after the collection that finds them.
    const more = () => process.memoryUsage().arrayBuffers - before;
    for (let i = 0; i < 50 && more() >= 3 * rows * 1500 + FLOOR; i++) {
      global.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const grown = more();
    assert.ok(grown < 3 * rows * 1500 + FLOOR, `${grown} bytes more for ${rows} rows`);
    assert.equal(index.count, rows);
    for (const n of [(rounds - 1) * rows, rounds * rows - 1]) assert.ok(index.has(name(n)));
    for (const n of [0, rows - 1, (rounds - 1) * rows - 1]) assert.ok(!index.has(name(n)));
    await index.upsert([{ id: name(5), vector: new Float32Array(8).fill(2) }]); // an old id, as a new row
    assert.ok(index.has(name(5)));
    await index.close();
  });
});

describe('payloads of rows that have gone here and there', () => {
  it('leave room for those to come: the store does not grow by them', async () => {
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: 8, durability: 'relaxed', autoOptimize: false });
    const write = async (ids: number[]) => {
      const vectors = Float32Array.from({ length: 8 * ids.length }, (_, i) => Math.sin(i));
      await index.upsert({ ids, vectors, payloads: ids.map((id) => ({ id, text: 'some words '.repeat(18) })) });
    };
    for (let from = 0; from < 24_000; from += 2000) await write(range(from, from + 2000));
    const before = index.stats().files.store;
    await index.delete(range(0, 24_000).filter((id) => id % 2 === 1));
    await index.optimize();
    for (let from = 24_000; from < 36_000; from += 2000) await write(range(from, from + 2000));
    const { store } = index.stats().files;
    assert.ok(store <= 1.4 * before, `${store} bytes, where ${before} held as many rows`);
    const points = await index.get(range(0, 36_000), { withVector: false });
    for (const [id, point] of points.entries()) {
      const isThere = id >= 24_000 || id % 2 === 0;
      assert.equal((point?.payload as { id: number } | undefined)?.id, isThere ? id : undefined);
    }
    await index.close();
  });
});
