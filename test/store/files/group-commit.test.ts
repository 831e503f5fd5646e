/** Small writes that wait together share a commit: each by itself is as it would be alone. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Random, SEED } from '../../random.js';
import { FaultyDisk } from './faulty-disk.js';
import {
  appendRequest,
  applyAppend,
  applyDelete,
  CONFIG,
  DIM,
  difference,
  emptyModel,
  type Model,
  scratchFolder,
} from './model.js';

const scratch = scratchFolder();
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const rowsOf = (count: number) => Float32Array.from({ length: count * DIM }, (_, i) => i + 1);

for (const where of [':memory:', 'a folder']) {
  describe(`small writes that wait together in ${where}`, () => {
    const create = () => IndexFiles.create(where === ':memory:' ? where : fresh(), CONFIG);

    it('are one commit, of which each caller hears its own part', async () => {
      const index = await create();
      await index.append({ ids: ['a', 'b', 'c', 'd'], rows: rowsOf(4) });
      const { generation } = index;
      const answers = await Promise.all([
        index.append({ ids: ['x'], rows: rowsOf(1), payloads: ['one'] }),
        index.append({ ids: ['b', 'y', 'b'], rows: rowsOf(3), payloads: [1, 2, 3] }),
        index.delete(['d', 'nobody', 'a', 'd']),
        index.append({ ids: ['c'], rows: rowsOf(1) }),
        index.delete(['nowhere']),
      ]);
      assert.equal(index.generation, generation + 1);
      assert.deepEqual(answers, [
        { first: 4, count: 1, replaced: [] },
        { first: 5, count: 2, replaced: [1], kept: [1, 2] },
        [0, 3],
        { first: 7, count: 1, replaced: [2] },
        [],
      ]);
      assert.deepEqual(
        [index.rows, index.liveCount, index.ordinalOf('a'), index.ordinalOf('b'), index.ordinalOf('c')],
        [8, 4, undefined, 6, 7],
      );
      assert.deepEqual([index.payloadOf(4), index.payloadOf(6), index.payloadOf(7)], ['one', 3, undefined]);
      await index.close();
    });

    it('are as many commits as their sizes ask for', async () => {
      const index = await create();
      const writes = Array.from({ length: 1100 }, (_, i) => index.append({ ids: [i], rows: rowsOf(1) }));
      const firsts = (await Promise.all(writes)).map(({ first }) => first);
      assert.deepEqual(firsts, [...firsts.keys()]);
      assert.equal(index.generation, 2);
      const payload = 'x'.repeat(3 << 20);
      await Promise.all([0, 1].map((id) => index.append({ ids: [id], rows: rowsOf(1), payloads: [payload] })));
      assert.equal(index.generation, 4);
      await index.close();
    });

    it('end as the order of the calls says, where they are about the same row', async () => {
      const index = await create();
      const row = (version: number, id = 'a') => index.append(appendRequest([[id, version]]));
      const answers = await Promise.all([
        row(1),
        row(2),
        index.delete(['a']),
        index.delete(['a']),
        row(4),
        row(5, 'b'),
        index.changePayloads(
          () => ({ ids: ['b'] }),
          () => 'changed',
        ),
        index.delete(['a']),
        index.append(
          appendRequest([
            ['b', 7],
            ['c', 8],
          ]),
        ),
        index.deleteRows(async () => [index.ordinalOf('c')!]),
        row(10, 'd'),
      ]);
      const replaced = answers.map((one) => (Array.isArray(one) || typeof one === 'number' ? one : one.replaced));
      assert.deepEqual(replaced, [[], [0], [1], [], [], [], 1, [2], [3], [5], []]);
      const model = applyAppend({ ...emptyModel(), rows: 4 }, [
        ['b', 7],
        ['c', 8],
        ['d', 10],
      ]);
      assert.equal(difference(index, applyDelete(model, ['c'])), undefined);
      await index.close();
    });

    it('do not fail for one among them that is wrong, which changes nothing', async () => {
      const index = await create();
      await index.append({ ids: ['a'], rows: rowsOf(1) });
      const { generation } = index;
      const settled = await Promise.allSettled([
        index.append({ ids: ['b'], rows: rowsOf(1) }),
        index.append({ ids: [7], rows: rowsOf(1) }),
        index.append({ ids: ['c'], rows: rowsOf(2) }),
        index.append({ ids: ['d', 'e'], rows: rowsOf(2), payloads: [1, () => {}] }),
        index.append({ ids: ['f'], rows: rowsOf(1) }),
        index.delete(['a']),
      ]);
      const codes = settled.map((one) => (one.status === 'rejected' ? one.reason.code : ''));
      assert.deepEqual(codes, ['', 'BAD_ID', 'BAD_DIMS', 'BAD_ARGUMENT', '', '']);
      assert.equal(index.generation, generation + 1);
      assert.deepEqual([index.liveCount, index.ordinalOf('f'), index.ordinalOf('d')], [2, 2, undefined]);
      await index.close();
    });

    it('of an index without rows do not fail for one whose ids are of another kind than the first ones', async () => {
      const index = await create();
      const settled = await Promise.allSettled([
        index.append({ ids: [1], rows: rowsOf(1) }),
        index.append({ ids: ['one'], rows: rowsOf(1) }),
        index.append({ ids: [2], rows: rowsOf(1) }),
        index.delete([1]),
        index.delete(['two']),
      ]);
      const codes = settled.map((one) => (one.status === 'rejected' ? one.reason.code : ''));
      assert.deepEqual(codes, ['', 'BAD_ID', '', '', '']);
      assert.deepEqual([index.liveCount, index.ordinalOf(2)], [1, 1]);
      await index.close();
    });

    it('at random, any number under way, leave what they would one after the other', async () => {
      const random = new Random(SEED);
      const index = await create();
      let model = emptyModel();
      for (let round = 0; round < 60; round++) {
        const { generation } = index;
        const before: Promise<unknown>[] = [];
        const writes = random.int(1, 12);
        for (let i = 0; i < writes; i++) {
          const [done, next] = randomWrite(index, model, random, round * 100 + i);
          before.push(done);
          model = next;
          if (random.chance(0.2)) await new Promise(setImmediate);
          if (random.chance(0.1)) await done;
        }
        await Promise.all(before);
        assert.equal(difference(index, model), undefined, `round ${round}, seed ${SEED}`);
        assert.ok(index.generation <= generation + writes);
      }
      await index.close();
    });
  });
}

/** A write that checks its own answer, and the model behind it. */
function randomWrite(index: IndexFiles, model: Model, random: Random, version: number): [Promise<void>, Model] {
  const ids = Array.from(new Set(Array.from({ length: random.int(1, 3) }, () => `id-${random.int(0, 60)}`)));
  const had = ids.flatMap((id) => model.live.get(id)?.ordinal ?? []).sort((a, b) => a - b);
  const kind = random.next();
  if (kind < 0.6) {
    const entries = ids.map((id): [string, number] => [id, version]);
    const done = index.append(appendRequest(entries)).then((answer) => {
      assert.deepEqual(answer, { first: model.rows, count: ids.length, replaced: had });
    });
    return [done, applyAppend(model, entries)];
  }
  const next = applyDelete(model, ids);
  if (kind < 0.85) return [index.delete(ids).then((died) => assert.deepEqual(died, had)), next];
  if (kind < 0.9) return [index.deleteRows(async () => had).then((died) => assert.deepEqual(died, had)), next];
  return [assert.rejects(index.append({ ids, rows: rowsOf(9) }), { code: 'BAD_DIMS' }), model];
}

describe('small writes that wait together on disk', () => {
  it('all fail with their commit, which leaves the state of before, and those behind them do not', async () => {
    const path = fresh();
    mkdirSync(path);
    const disk = new FaultyDisk(path, new Random(SEED));
    const index = await IndexFiles.create(path, CONFIG, { disk });
    const before = applyAppend(emptyModel(), [
      ['a', 1],
      ['b', 2],
    ]);
    await index.append(
      appendRequest([
        ['a', 1],
        ['b', 2],
      ]),
    );
    let isFull = true;
    disk.before = (operation) => {
      if (isFull && operation === 'write') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    const { generation } = index;
    const failing = await Promise.allSettled([
      index.append(appendRequest([['a', 3]])),
      index.delete(['b']),
      index.append(appendRequest([['c', 4]])),
    ]);
    const codes = failing.map((one) => (one.status === 'rejected' ? one.reason.code : ''));
    assert.deepEqual(codes, ['DISK', 'DISK', 'DISK']);
    assert.equal(index.generation, generation);
    assert.equal(difference(index, before), undefined);
    isFull = false;
    await index.append(appendRequest([['d', 7]]));
    await index.close();
    const again = await IndexFiles.open(path);
    assert.ok(again.ordinalOf('d') !== undefined && again.ordinalOf('b') !== undefined);
    await again.close();
  });

  it('are waited for by close(), and found when it is opened again', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG);
    const writes = ['a', 'b', 'c', 'a'].map((id, i) => index.append(appendRequest([[id, i]])));
    const closing = index.close();
    await assert.rejects(index.append(appendRequest([['d', 9]])), { code: 'CLOSED' });
    let settled = 0;
    for (const write of writes) void write.then(() => settled++);
    await closing;
    await Promise.resolve();
    assert.equal(settled, 4);
    const again = await IndexFiles.open(path);
    assert.equal(
      difference(
        again,
        applyAppend(emptyModel(), [
          ['a', 0],
          ['b', 1],
          ['c', 2],
          ['a', 3],
        ]),
      ),
      undefined,
    );
    await again.close();
  });

  it('may be followed by a synchronous write as soon as one of them has settled', async () => {
    const index = await IndexFiles.create(fresh(), CONFIG);
    const first = index.append(appendRequest([['a', 0]]));
    const second = index.append(appendRequest([['b', 1]]));
    assert.throws(() => index.appendSync(appendRequest([['c', 2]])), { code: 'NOT_WRITABLE' });
    await first;
    index.appendSync(appendRequest([['c', 2]]));
    await second;
    assert.equal(index.liveCount, 3);
    await index.close();
  });
});
