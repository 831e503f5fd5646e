/** A mirror on disk, filled from a source, cut off at any point, opened again: the servers are in test/sources. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Id, Source } from 'funnelvec';
import { embeddedSource, FunnelIndex, type SyncOptions } from 'funnelvec/store';
import { Random } from '../random.js';

const DIM = 6;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-sync-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const random = new Random(21);

async function collection(count = 100, dim = DIM) {
  const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
  await index.upsert(Array.from({ length: count }, (_, n) => ({ id: n, vector: random.vector(dim), payload: { n } })));
  return index;
}

async function same(mirror: FunnelIndex, original: FunnelIndex, idOf: (id: Id) => Id = (id) => id): Promise<void> {
  const ids = original.someIds(original.count);
  assert.equal(mirror.count, ids.length);
  const there = await original.get(ids);
  for (const [i, point] of (await mirror.get(ids.map(idOf))).entries()) {
    assert.deepEqual(point?.vector, there[i]!.vector, `id ${ids[i]}`);
  }
}

/** Fails after some pages. */
function failing(source: Source, pages: number): Source & { asked: (string | undefined)[] } {
  const asked: (string | undefined)[] = [];
  return {
    ...source,
    name: source.name,
    asked,
    info: (options) => source.info(options),
    head: (request) => source.head(request),
    full: (request) => source.full(request),
    fetch: (request) => source.fetch(request),
    async scan(request) {
      if (request.vectors !== false) asked.push(request.after);
      if (asked.length > pages) throw new Error('the line is dead');
      return source.scan(request);
    },
  };
}

describe('index.syncFrom()', () => {
  it('goes on after the process has ended, wherever that was, and ends with the collection', async () => {
    for (const precision of ['float32', 'float16'] as const) {
      const original = await collection();
      const source = embeddedSource(original);
      for (let pages = 0; pages <= 4; pages++) {
        const path = join(folder, `${precision}-${pages}`);
        let index = await FunnelIndex.create(path, { dim: DIM, precision });
        await index.upsert([{ id: 1000, vector: random.vector(DIM) }]); // no row of the collection
        await assert.rejects(index.syncFrom(failing(source, pages), { batch: 20 }), /line is dead/);
        assert.equal(index.count, 1 + 20 * pages);
        await index.close();
        index = await FunnelIndex.open(path);
        const watched = failing(source, 9);
        const result = await index.syncFrom(watched, { batch: 20 });
        const resumed = pages > 0;
        assert.deepEqual(result, { rows: 100, written: 100 - 20 * pages, deleted: 1, resumed });
        assert.equal(watched.asked[0], resumed ? String(20 * pages) : undefined);
        if (precision === 'float32') await same(index, original);
        assert.deepEqual(await index.syncFrom(source), { rows: 100, written: 0, deleted: 0, resumed: false });
        await index.close();
      }
      await original.close();
    }
  });

  it('finds, when it goes on, what came and went in the part that was done already', async () => {
    const original = await collection();
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const source = embeddedSource(original);
    await assert.rejects(index.syncFrom(failing(source, 3), { batch: 20 }), /line is dead/);
    await original.delete([5, 15, 95]);
    await index.delete([7]); // somebody else's doing
    const result = await index.syncFrom(source, { batch: 20 });
    assert.deepEqual(result, { rows: 97, written: 40, deleted: 2, resumed: true });
    await same(index, original);
    assert.equal((await index.syncFrom(source, { resume: false })).rows, 97);
    await index.close();
    await original.close();
  });

  it('starts anew for another source, and when told to', async () => {
    const original = await collection();
    const source = embeddedSource(original);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await assert.rejects(index.syncFrom(failing(source, 2), { batch: 20 }), /line is dead/);
    const watched = failing(source, 9);
    assert.equal((await index.syncFrom(watched, { batch: 50, resume: false })).resumed, false);
    assert.equal(watched.asked[0], undefined);
    await assert.rejects(index.syncFrom(failing(source, 1), { batch: 20 }), /line is dead/);
    const other = failing(source, 9);
    assert.equal((await index.syncFrom({ ...other, name: 'another' }, { batch: 50 })).resumed, false);
    await same(index, original);
    await index.close();
    await original.close();
  });

  it('leaves alone what others write meanwhile, and keeps ids in the kind asked for', async () => {
    const original = await collection(60);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const source = embeddedSource(original);
    let wrote = false;
    const onProgress = () => {
      if (!wrote) void index.upsert([{ id: 5000n, vector: random.vector(DIM) }]);
      wrote = true;
    };
    const result = await index.syncFrom(source, { batch: 10, idKind: 'bigint', onProgress });
    assert.equal(result.deleted, 0);
    assert.equal(index.idKind, 'bigint');
    assert.equal(index.count, 61);
    await index.delete([5000n]);
    await same(index, original, (id) => BigInt(id));
    await index.close();
    await original.close();
  });

  it('follows the source’s own filter: rows outside it leave', async () => {
    const original = await collection(30);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.syncFrom(embeddedSource(original));
    const some = embeddedSource(original, { nativeFilter: { ids: [1, 2, 3, 99] } });
    assert.deepEqual(await index.syncFrom(some, { batch: 2 }), { rows: 3, written: 0, deleted: 27, resumed: false });
    await index.close();
    await original.close();
  });

  it('refuses what makes no sense before any work', async () => {
    const original = await collection(10);
    const wide = await collection(10, DIM + 1);
    const source = embeddedSource(original);
    const index = await FunnelIndex.create(join(folder, 'refusals'), { dim: DIM });
    const refused = async (one: unknown, options: SyncOptions, code: string, message: RegExp) =>
      assert.rejects(index.syncFrom(one as Source, options), { name: 'FunnelError', code, message });
    await refused({}, {}, 'BAD_ARGUMENT', /scan\(\)/);
    await refused(null, {}, 'BAD_ARGUMENT', /source/);
    await refused(embeddedSource(wide), {}, 'BAD_DIMS', /7 dims.*for the index but received 6/);
    await refused(source, { batch: 0 }, 'BAD_ARGUMENT', /batch/);
    await refused(source, { prune: 1 as never }, 'BAD_ARGUMENT', /prune/);
    await refused(source, { idKind: 'uuid' as never }, 'BAD_ARGUMENT', /idKind/);
    await refused(source, { onProgress: 3 as never }, 'BAD_ARGUMENT', /onProgress/);
    await refused(source, { withPayload: 3 as never }, 'BAD_ARGUMENT', /withPayload/);
    await refused(source, { pruned: true } as never, 'BAD_ARGUMENT', /pruned/);
    await refused(source, { signal: AbortSignal.abort() }, 'ABORTED', /abort/);
    const both = [index.syncFrom(source), index.syncFrom(source)];
    const settled = await Promise.allSettled(both);
    assert.deepEqual(settled.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    await refused(source, { idKind: 'string' }, 'BAD_ARGUMENT', /'number', the kind/);
    const texts = await FunnelIndex.create(':memory:', { dim: DIM });
    await texts.upsert([{ id: 'a', vector: random.vector(DIM) }]);
    await refused(embeddedSource(texts), {}, 'BAD_ID', /a number in the index but the index in memory has "a"/);
    assert.equal(index.count, 10);
    await index.close();
    const reader = await FunnelIndex.open(join(folder, 'refusals'), { readOnly: true });
    await assert.rejects(reader.syncFrom(source), { code: 'NOT_WRITABLE' });
    await reader.close();
    for (const one of [original, wide, texts]) await one.close();
  });

  it('names the row whose vector is broken, and keeps the pages before it', async () => {
    const original = await collection(30);
    const source = embeddedSource(original);
    const broken: Source = {
      ...failing(source, 99),
      async scan(request) {
        const answer = await source.scan(request);
        const at = answer.rows.ids.indexOf(17);
        if (at >= 0) (answer.rows.vectors as Float32Array)[at * DIM + 2] = Number.NaN;
        return answer;
      },
    };
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await assert.rejects(index.syncFrom(broken, { batch: 5 }), { code: 'NOT_FINITE', message: /dim 2 of id 17 of/ });
    assert.equal(index.count, 15);
    await index.close();
    await original.close();
  });
});
