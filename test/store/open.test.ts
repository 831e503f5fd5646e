/** Opening a large index: the event loop turns, searches need not wait for the rows, and nothing else is different. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 128;
const COUNT = 50_000;
const ROW_BYTES = 4 * DIM + 4;

describe('open() of an index with many rows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-open-'));
  const path = join(folder, 'index');
  const random = new Random(SEED);
  const queries = Array.from({ length: 5 }, () => Float32Array.from({ length: DIM }, () => random.next() - 0.5));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  before(async () => {
    const index = await FunnelIndex.create(path, { dim: DIM, autoOptimize: false, durability: 'relaxed' });
    const vectors = Float32Array.from({ length: COUNT * DIM }, () => random.next() - 0.5);
    await index.upsert({ ids: Array.from({ length: COUNT }, (_, i) => i), vectors });
    await index.optimize();
    await index.close();
  });

  const ask = async (index: FunnelIndex) => {
    const answers: unknown[] = [];
    for (const vector of queries) {
      for (const mode of ['funnel', 'exact'] as const) {
        const { hits, stats } = await index.query({ vector, mode, limit: 20, withVector: true });
        answers.push(hits, stats.rowsRead, stats.certified);
      }
    }
    return answers;
  };
  const untilWarm = async (index: FunnelIndex) => {
    const end = performance.now() + 60_000;
    while (index.stats().resident.rows < index.count * ROW_BYTES) {
      assert.ok(performance.now() < end, `${index.stats().resident.rows} bytes of rows are in memory`);
      await nextTurn();
    }
  };

  for (const readOnly of [false, true]) {
    it(`turns the loop, and answers the same before and after rows are in memory${readOnly ? ', readOnly' : ''}`, async () => {
      let turns = 0;
      let isOpening = true;
      const turn = () => {
        turns++;
        if (isOpening) setImmediate(turn);
      };
      setImmediate(turn);
      const index = await FunnelIndex.open(path, { readOnly });
      isOpening = false;
      assert.equal(index.stats().resident.rows, 0);
      const cold = queries.map((vector) => index.querySync({ vector, limit: 20 }).hits);
      assert.equal(index.stats().resident.rows, 0);
      assert.ok(turns >= 3, `the loop turned ${turns} times`);
      const early = await ask(index);
      await untilWarm(index);
      assert.deepEqual(await ask(index), early);
      assert.deepEqual(
        queries.map((vector) => index.querySync({ vector, limit: 20 }).hits),
        cold,
      );
      await index.close();
      const now = FunnelIndex.openSync(path, { readOnly });
      assert.ok(now.stats().resident.rows >= COUNT * ROW_BYTES);
      assert.deepEqual(await ask(now), early);
      await now.close();
    });
  }

  it('brings rows into memory also where synchronous calls never let the loop turn', async () => {
    const index = await FunnelIndex.open(path, { readOnly: true });
    const found = () => queries.map((vector) => index.querySync({ vector, limit: 20, mode: 'exact' }).hits);
    const first = found();
    assert.equal(index.stats().resident.rows, 0);
    for (let i = 0; i < 20; i++) assert.deepEqual(found(), first);
    assert.ok(index.stats().resident.rows >= COUNT * ROW_BYTES);
    await nextTurn(); // what was being read beside that comes to its end
    assert.deepEqual(found(), first);
    await index.close();
  });

  it('takes rows that are written and deleted meanwhile', async () => {
    let index: FunnelIndex;
    for (let attempt = 1; ; attempt++) {
      index = await FunnelIndex.open(path, { autoOptimize: false, durability: 'relaxed' });
      await index.upsert([{ id: COUNT, vector: queries[0]! }]);
      await index.delete([3, 4]);
      if (index.stats().resident.rows < COUNT * ROW_BYTES) break;
      // Where the disk took long, all rows were in memory before: another attempt.
      assert.ok(attempt < 5, 'nothing came meanwhile');
      await index.close();
    }
    await untilWarm(index);
    assert.equal(index.querySync({ vector: queries[0]!, mode: 'exact' }).hits[0]!.id, COUNT);
    assert.deepEqual(await index.get([3, 4]), [undefined, undefined]);
    await index.delete([COUNT]);
    await index.close();
  });

  it('may be closed at once, and lets go of its files', { skip: process.platform !== 'linux' }, async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    await (await FunnelIndex.open(path)).close(); // what a process opens once is open now
    const started = open();
    for (let i = 0; i < 5; i++) {
      const index = await FunnelIndex.open(path);
      if (i % 2 === 0) await index.close();
      else index.closeSync();
    }
    for (let i = 0; i < 2000 && open() > started; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(open(), started);
  });

  it('keeps to the limit of memory', async () => {
    const index = await FunnelIndex.open(path, { memory: 0 });
    for (let i = 0; i < 20; i++) await nextTurn();
    assert.equal(index.stats().resident.rows, 0);
    await index.close();
  });

  it('leaves a record that was damaged to the answer that needs it', async () => {
    const file = join(path, readdirSync(path).find((name) => name.startsWith('rows-'))!);
    const fd = openSync(file, 'r+');
    writeSync(fd, Buffer.from([1, 2, 3]), 0, 3, 4096 + 7 * ROW_BYTES);
    closeSync(fd);
    assert.throws(() => FunnelIndex.openSync(path), { code: 'CORRUPT', message: /row 7/ });
    const index = await FunnelIndex.open(path);
    for (let i = 0; i < 2; i++) {
      await assert.rejects(index.get([7], { withVector: true }), { code: 'CORRUPT', message: /row 7/ });
      assert.equal((await index.query({ vector: queries[1]! })).hits.length, 10);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await index.close();
    const other = await FunnelIndex.open(path);
    for (let i = 0; i < 50; i++) assert.equal(other.querySync({ vector: queries[1]! }).hits.length, 10);
    assert.equal(other.stats().resident.rows, 0);
    assert.throws(() => other.getSync([7], { withVector: true }), { code: 'CORRUPT', message: /row 7/ });
    await other.close();
  });

  it('follows writes beside a record that was damaged, without reading its file at each', async () => {
    const index = await FunnelIndex.open(path, { autoOptimize: false });
    const reader = await FunnelIndex.open(path, { readOnly: true });
    await new Promise((resolve) => setTimeout(resolve, 1000)); // rows would be in memory
    const vector = queries[2]!.map((value) => 3 * value);
    await index.upsert([{ id: COUNT + 1, vector }]);
    for (const one of [index, reader]) {
      assert.equal((await one.get([COUNT + 1]))[0]!.id, COUNT + 1);
      assert.equal((await one.query({ vector })).hits[0]!.id, COUNT + 1);
      await assert.rejects(one.get([7], { withVector: true }), { code: 'CORRUPT', message: /row 7/ });
    }
    await reader.close();
    await index.close();
  });

  it('says at every call, not at the first alone, that a reader cannot follow', async () => {
    const own = join(folder, 'behind');
    const index = await FunnelIndex.create(own, { dim: DIM, autoOptimize: false });
    await index.upsert([{ id: 1, vector: queries[0]! }]);
    const reader = FunnelIndex.openSync(own, { readOnly: true });
    await index.upsert([{ id: 2, vector: queries[1]! }]);
    const fd = openSync(join(own, readdirSync(own).find((name) => name.startsWith('rows-'))!), 'r+');
    writeSync(fd, Buffer.from([1, 2, 3]), 0, 3, 4096 + ROW_BYTES);
    closeSync(fd);
    for (let i = 0; i < 3; i++) {
      await assert.rejects(reader.query({ vector: queries[1]! }), { code: 'CORRUPT', message: /row 1 / });
      assert.throws(() => reader.count, { code: 'CORRUPT', message: /row 1 / });
    }
    await reader.close();
    await index.close();
  });
});
