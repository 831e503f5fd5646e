/** Rows in the place of others, in one commit: what adapters build replacing by filter on. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { replaceRows } from '#dist/store/replace.js';
import { refused } from '../refused.js';

const points = (source: string, ...ids: string[]) =>
  ids.map((id, i) => ({ id, vector: [1, i], payload: { source, page: i } }));
const of = (source: string) => ({ must: [{ key: 'source', match: { value: source } }] });

async function rowsOf(index: FunnelIndex): Promise<Record<string, string>> {
  const { points: all } = await index.scroll({ limit: 100 });
  return Object.fromEntries(all.map(({ id, payload }) => [String(id), (payload as { source: string }).source]));
}

describe('replaceRows', () => {
  for (const indexed of [false, true]) {
    it(`writes rows and lets others die, ${indexed ? 'with' : 'without'} a payload index, also when it is opened again`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'funnelvec-replace-'));
      try {
        const path = join(folder, 'index');
        const index = await FunnelIndex.create(path, { dim: 2 });
        if (indexed) await index.createPayloadIndex('source', 'keyword');
        await index.upsert([...points('a', 'a0', 'a1', 'a2'), ...points('b', 'b0', 'b1')]);
        // One of them is written again, one of another source is taken over, one is new.
        const done = await replaceRows(index, of('a'), points('a', 'a1', 'b1', 'a9'));
        assert.deepEqual(done, { count: 3, replaced: 4 });
        const wanted = { b0: 'b', a1: 'a', b1: 'a', a9: 'a' };
        assert.deepEqual(await rowsOf(index), wanted);
        assert.equal(index.count, 4);
        assert.equal(await index.countMatching({ filter: of('a') }), 3);
        // Those that died may come again.
        await index.upsert(points('c', 'a0'));
        await index.close();
        const again = await FunnelIndex.open(path);
        assert.deepEqual(await rowsOf(again), { ...wanted, a0: 'c' });
        const { hits } = await again.query({ vector: [1, 0], limit: 10, mode: 'exact' });
        assert.deepEqual(hits.map(({ id }) => String(id)).sort(), ['a0', 'a1', 'a9', 'b0', 'b1']);
        await again.verify();
        await again.close();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }

  it('evaluates the filter when it is its turn: calls at once leave the rows of the last', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    const calls = Array.from({ length: 10 }, (_, round) =>
      replaceRows(index, of('a'), points('a', `r${round}`, `s${round}`)),
    );
    await Promise.all(calls);
    assert.deepEqual(await rowsOf(index), { r9: 'a', s9: 'a' });
    await index.close();
  });

  it('does nothing where a row is bad, the filter is, or the index is none', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    await index.upsert(points('a', 'a0'));
    const bad = [...points('a', 'a1'), { id: 'a2', vector: [1, Number.NaN] }];
    await assert.rejects(replaceRows(index, of('a'), bad), refused('NOT_FINITE', /points\[1\]/));
    await assert.rejects(replaceRows(index, {}, points('a', 'a1')), refused('BAD_ARGUMENT', /every row/));
    await assert.rejects(replaceRows({}, of('a'), points('a', 'a1')), refused('BAD_ARGUMENT', /FunnelIndex/));
    assert.deepEqual(await rowsOf(index), { a0: 'a' });
    await index.close();
    await assert.rejects(replaceRows(index, of('a'), points('a', 'a1')), refused('CLOSED', /closed/));
  });
});
