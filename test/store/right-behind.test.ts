/** Synchronous calls right behind what was awaited: nothing of it may still be under way then, not for a turn of a promise either. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';

const DIM = 4;
const root = mkdtempSync(join(tmpdir(), 'funnelvec-right-behind-'));
after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));

const vector = Float32Array.of(1, 2, 3, 4);
const points = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, vector, payload: { a: i, b: `t${i % 5}` } }));
const filter = { must: [{ key: 'b', match: { value: 't3' } }] };

type Call = (index: FunnelIndex, path: string) => unknown;

const FIRST: Record<string, Call> = {
  upsert: (index) => index.upsert(points(30, 40)),
  delete: (index) => index.delete([1, 2]),
  'delete by filter': (index) => index.delete({ filter }),
  setPayload: (index) => index.setPayload({ filter }, { a: 10 }),
  createPayloadIndex: (index) => index.createPayloadIndex('a', 'integer'),
  deletePayloadIndex: (index) => index.deletePayloadIndex('a'),
  optimize: (index) => index.optimize(),
  backup: (index, path) => index.backup(`${path}-backup`),
  verify: (index) => index.verify(),
  toBytes: (index) => index.toBytes(),
  countMatching: (index) => index.countMatching({ filter }),
  queryGroups: (index) => index.queryGroups({ vector, groupBy: 'b' }),
  'a query in threads': (index) => index.queryBatch(Array.from({ length: 40 }, () => ({ vector, mode: 'exact' }))),
  'several at once': (index) => Promise.all([index.upsert(points(90, 3)), index.delete([7]), index.query({ vector })]),
};

const THEN: Record<string, (index: FunnelIndex) => void> = {
  upsertSync: (index) => index.upsertSync(points(200, 2)),
  deleteSync: (index) => index.deleteSync([3]),
  setPayloadSync: (index) => index.setPayloadSync({ filter }, { c: 1 }),
  createPayloadIndexSync: (index) => index.createPayloadIndexSync('b', 'keyword'),
  optimizeSync: (index) => index.optimizeSync(),
  closeSync: (index) => index.closeSync(),
};

describe('a synchronous call right behind an asynchronous one', () => {
  for (const [first, call] of Object.entries(FIRST)) {
    it(`finds nothing under way: ${first}`, { timeout: 120_000 }, async () => {
      for (const [then, next] of Object.entries(THEN)) {
        const path = join(root, `${first} ${then}`);
        const index: FunnelIndex = await FunnelIndex.create(path, { dim: DIM, durability: 'relaxed' });
        index.upsertSync(points(0, 50));
        await call(index, path);
        assert.doesNotThrow(() => next(index), `${then} behind ${first}`);
        // Another writer, and a new index in its place, in the turn in which it was closed.
        const count = then === 'closeSync' ? undefined : index.count;
        index.closeSync();
        const again = FunnelIndex.openSync(path);
        assert.equal(again.count, count ?? again.count);
        again.closeSync();
        rmSync(path, { recursive: true });
        const anew = FunnelIndex.createSync(path, { dim: DIM });
        assert.equal(anew.count, 0);
        anew.closeSync();
      }
    });
  }
});

describe('whoever opens right behind what was closed', () => {
  const OPEN = {
    openSync: async (path: string, readOnly: boolean) => FunnelIndex.openSync(path, { readOnly }),
    open: (path: string, readOnly: boolean) => FunnelIndex.open(path, { readOnly }),
  };
  const CLOSE = {
    closeSync: async (index: FunnelIndex) => index.closeSync(),
    close: (index: FunnelIndex) => index.close(),
  };
  for (const [how, open] of Object.entries(OPEN)) {
    for (const [end, close] of Object.entries(CLOSE)) {
      it(`gets it, reader or writer, in any order: ${end}(), ${how}()`, { timeout: 120_000 }, async () => {
        const path = join(root, `${how} ${end}`);
        await close(await FunnelIndex.create(path, { dim: DIM, durability: 'relaxed' }));
        for (let order = 0; order < 64; order++) {
          const isReader = (order & 1) === 1;
          const index = await open(path, isReader);
          // Beside it a reader, which goes before it or after it.
          const beside = (order & 2) === 2 ? await open(path, true) : undefined;
          const last = (order & 4) === 4 ? index : beside;
          if (!isReader) index.upsertSync(points(order, 1));
          for (const one of [index, beside]) if (one !== undefined && one !== last) await close(one);
          if (last !== undefined) await close(last);
        }
        const written = FunnelIndex.openSync(path, { readOnly: true });
        assert.equal(written.count, 32);
        written.closeSync();
      });
    }
  }
});
