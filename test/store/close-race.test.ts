/** Calls that are under way when close() comes: writes are done, all others too or refused with CLOSED. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

interface Fields {
  part: number;
  name: string;
}

const DIM = 16;
const ROWS = 2500;
const random = new Random(SEED);
const rows = {
  ids: Array.from({ length: ROWS }, (_, i) => i),
  vectors: random.vector(ROWS * DIM),
  payloads: Array.from({ length: ROWS }, (_, i) => ({ part: i % 7, name: `row ${i}` })),
};
const vector = random.vector(DIM);
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-close-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const part = (value: number) => ({ must: [{ key: 'part' as const, match: { value } }] });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const writes: Record<string, (index: FunnelIndex<Fields>) => Promise<unknown>> = {
  'upsert of a row': (index) => index.upsert([{ id: 1, vector, payload: { part: 1, name: 'again' } }]),
  'upsert of all': (index) => index.upsert(rows),
  'delete by ids': (index) => index.delete([1, 2, 3]),
  'delete by a filter': (index) => index.delete({ filter: part(3) }),
  'setPayload by ids': (index) => index.setPayload([4, 5], { name: 'other' }),
  'setPayload by a filter': (index) => index.setPayload({ filter: part(3) }, { name: 'other' }),
  'overwritePayload by a filter': (index) => index.overwritePayload({ filter: part(3) }, { part: 3, name: 'other' }),
  'deletePayloadKeys by a filter': (index) => index.deletePayloadKeys({ filter: part(3) }, ['name']),
};

/** An index that others are made like. */
const other = await FunnelIndex.create<Fields>(':memory:', { dim: DIM });
await other.upsert(rows);
after(() => other.close());

const others: Record<string, (index: FunnelIndex<Fields>, copy: string) => Promise<unknown>> = {
  query: (index) => index.query({ vector, limit: 10 }),
  'query by a filter': (index) => index.query({ vector, filter: part(2), limit: 1000, withPayload: true }),
  'query, exactly': (index) => index.query({ vector, mode: 'exact', limit: 10 }),
  queryBatch: (index) => index.queryBatch(Array.from({ length: 20 }, () => ({ vector, limit: 10 }))),
  recommend: (index) => index.recommend({ positive: [1, 2], negative: [3], strategy: 'best_score' }),
  queryGroups: (index) => index.queryGroups({ vector, groupBy: 'part', limit: 7 }),
  get: (index) => index.get(rows.ids),
  scroll: (index) => index.scroll({ filter: part(2), limit: 1000 }),
  facet: (index) => index.facet({ key: 'name', limit: 1000 }),
  countMatching: (index) => index.countMatching({ filter: part(2) }),
  createPayloadIndex: (index) => index.createPayloadIndex('name', 'keyword'),
  deletePayloadIndex: (index) => index.deletePayloadIndex('part'),
  verify: (index) => index.verify(),
  backup: (index, copy) => index.backup(copy),
  toBytes: (index) => index.toBytes(),
  syncFrom: (index) => index.syncFrom(embeddedSource(other)),
};

for (const where of ['in memory', 'on disk']) {
  describe(`calls that race with close(), ${where}`, () => {
    let made = 0;
    const create = async () => {
      const path = where === 'in memory' ? ':memory:' : join(folder, `index-${made++}`);
      const index: FunnelIndex<Fields> = await FunnelIndex.create(path, { dim: DIM, durability: 'relaxed' });
      await index.upsert(rows);
      await index.createPayloadIndex('part', 'integer');
      return { index, path };
    };

    it('are done when they write: by ids, by filters, alone and behind others', async () => {
      for (const later of [0, 2]) {
        const { index, path } = await create();
        const calls = Object.entries(writes).map(([name, write]) => ({ name, done: write(index) }));
        for (let i = 0; i < later; i++) await turn();
        const closing = index.close();
        for (const write of Object.values(writes)) await assert.rejects(write(index), { code: 'CLOSED' });
        for (const { name, done } of calls) await assert.doesNotReject(done, `${name}, ${later} turns later`);
        await closing;
        if (where === 'in memory') continue;
        const again = await FunnelIndex.open<Fields>(path);
        assert.equal(again.count, ROWS - 3 - rows.ids.filter((id) => id % 7 === 3 && id !== 3).length);
        await again.close();
      }
    });

    it('are done or refused with CLOSED when they do not', async () => {
      const outcomes = new Map<string, Set<string>>();
      const { index: first, path } = await create();
      await first.close();
      for (const later of [0, 1, 4, 12]) {
        const index = where === 'in memory' ? (await create()).index : await FunnelIndex.open<Fields>(path);
        const copy = (name: string) => join(folder, `copy-${where.at(-1)}-${later}-${name}`);
        const able = Object.entries(others).filter(([name]) => where === 'on disk' || name !== 'backup');
        const calls = able.map(([name, call]) => {
          const done = call(index, copy(name)).then(
            () => 'done',
            (error: { name: string; code?: string; message: string }) =>
              error.code ?? `${error.name}: ${error.message}`,
          );
          return { name, done };
        });
        for (let i = 0; i < later; i++) await turn();
        const closing = index.close();
        for (const { name, done } of calls) {
          const outcome = await done;
          assert.ok(outcome === 'done' || outcome === 'CLOSED', `${name}, ${later} turns later: ${outcome}`);
          outcomes.set(name, (outcomes.get(name) ?? new Set()).add(outcome));
        }
        await closing;
      }
      assert.ok([...outcomes.values()].some((seen) => seen.has('CLOSED')));
      assert.ok([...outcomes.values()].some((seen) => seen.has('done')));
    });
  });
}

describe('two indexes that are closed at once', () => {
  it('end before the process does, where the last answer for one comes while the other ends the threads', () => {
    const program = `
      import { FunnelIndex } from 'funnelvec/store';
      const [dim, count] = [64, 20_000];
      const ids = Array.from({ length: count }, (_, i) => i);
      const vectors = Float32Array.from({ length: count * dim }, (_, i) => Math.sin(i * i));
      const make = async () => {
        const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false, threads: 1 });
        await index.upsert({ ids, vectors });
        return index;
      };
      const [asked, idle] = [await make(), await make()];
      const query = (i) => ({ vector: vectors.slice(i * dim, (i + 1) * dim), mode: 'exact', limit: 10 });
      const ask = (index) => index.queryBatch(Array.from({ length: 40 }, (_, i) => query(i)));
      for (let i = 0; i < 3; i++) await Promise.all([ask(asked), ask(idle)]);
      const answered = ask(asked).catch((error) => error.code);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      // The thread has the answer by now, and this one has not looked.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
      await Promise.all([asked.close(), idle.close()]);
      console.log('closed', await answered);`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    assert.deepEqual([status, stdout, stderr], [0, 'closed CLOSED\n', '']);
  });
});
