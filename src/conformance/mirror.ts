/** Every source must serve a mirror: fill it, follow the collection, and be searched through it with the same hits. */
import assert from 'node:assert/strict';
import type { IdKind } from '../core/types.js';
import { FunnelSearch } from '../index.js';
import type { Source } from '../query/source/source.js';
import { FunnelIndex } from '../store/funnel-index.js';
import type { SyncResult } from '../store/sync-types.js';
import type { CollectionSpec } from './backend.js';
import { COUNT, random, randomVector, rows } from './data.js';
import type { SuiteTools } from './suite-tools.js';

export function mirrorConformance({ it, supported, make, again, open }: SuiteTools): void {
  const queries = (dim: number) => Array.from({ length: 5 }, (_, i) => randomVector(dim, random(500 + i)));
  const mirrored = async (
    spec: CollectionSpec,
    source: Source,
    options: { idKind?: IdKind } = {},
  ): Promise<{ index: FunnelIndex; result: SyncResult }> => {
    const index = await FunnelIndex.create(':memory:', {
      dim: spec.dim,
      metric: spec.layout === 'tail' ? 'cosine' : spec.metric,
    });
    return { index, result: await index.syncFrom(source, { batch: 16, ...options }) };
  };

  it('a mirror that was filled from the collection gives the hits of the search without it, bit for bit', async () => {
    for (const [key, part] of supported([
      ['mirror_cosine', {}],
      ['mirror_euclid', { metric: 'euclid' }],
      ['mirror_strings', { ids: 'string', metric: 'dot' }],
      ['mirror_tail', { layout: 'tail' }],
    ])) {
      const spec = await make(key, part);
      const source = open(spec);
      const { index, result } = await mirrored(spec, source);
      assert.deepEqual(result, { rows: COUNT, written: COUNT, deleted: 0, resumed: false });
      const plain = new FunnelSearch({ source, rescore: true });
      const through = new FunnelSearch({ source, mirror: index });
      for (const vector of queries(spec.dim)) {
        const request = {
          vector,
          withPayload: ['title'],
          withVector: true,
          plan: { scales: [16, 24], keep: 0.5, candidates: 30 },
        };
        const want = await plain.query(request);
        const { hits, stats } = await through.query(request);
        assert.deepEqual(hits, want.hits);
        assert.equal(stats.vectorsFrom, 'mirror');
        assert.deepEqual(stats.mirror, { found: 30, fetched: 0, gone: 0 });
      }
      await index.close();
    }
  });

  it('ids match by the kind that the mirror keeps, and rows that it lacks are fetched', async () => {
    const spec = await make('mirror_kinds');
    const source = open(spec);
    const [vector] = queries(spec.dim);
    const request = { vector: vector!, withPayload: true, limit: 10, plan: { scales: [24], keep: 1, candidates: 40 } };
    const want = await new FunnelSearch({ source, stages: 'client' }).query(request);
    for (const idKind of ['string', 'number', 'bigint'] as const) {
      const { index } = await mirrored(spec, source, { idKind });
      assert.equal(index.idKind, idKind);
      const search = new FunnelSearch({ source, mirror: index });
      assert.deepEqual((await search.query(request)).hits, want.hits);
      const ids = index.someIds(COUNT);
      assert.equal(ids.length, COUNT);
      await index.delete(ids.filter((_, i) => i % 3 === 0));
      const { hits, stats } = await search.query(request);
      assert.deepEqual(hits, want.hits);
      assert.equal(stats.mirror!.found + stats.mirror!.fetched, 40);
      assert.ok(stats.mirror!.fetched > 0 && stats.mirror!.found > 0, JSON.stringify(stats.mirror));
      await index.delete(index.someIds(COUNT));
      assert.deepEqual((await search.query(request)).stats.mirror, { found: 0, fetched: 40, gone: 0 });
      await index.close();
    }
  });

  it('a mirror that searches gives the exact hits of the collection, and takes payloads and what it lacks from there', async () => {
    for (const [key, part] of supported([
      ['searched_cosine', {}],
      ['searched_strings', { ids: 'string', metric: 'dot' }],
    ])) {
      const spec = await make(key, part);
      const source = open(spec);
      const { index } = await mirrored(spec, source);
      const search = new FunnelSearch({ source, mirror: index, search: 'mirror' });
      const plain = new FunnelSearch({ source, rescore: true });
      for (const vector of queries(spec.dim)) {
        const request = {
          vector,
          withPayload: ['title'],
          limit: 8,
          plan: { scales: [24], keep: 1, candidates: COUNT },
        };
        const want = (await plain.query(request)).hits.map(({ id, score, payload }) => ({ id, score, payload }));
        const { hits, stats } = await search.query(request);
        assert.deepEqual(
          hits.map(({ id, score, payload }) => ({ id, score, payload })),
          want,
        );
        assert.equal(stats.mirror!.searched, 'mirror');
        assert.equal(stats.mirror!.mark!.rows, COUNT);
        const near = { id: want[0]!.id, limit: 3, plan: request.plan };
        const ids = (await search.query(near)).hits.map(({ id }) => id);
        assert.deepEqual(
          ids,
          (await plain.query(near)).hits.map(({ id }) => id),
        );
      }
      await index.close();
    }
  });

  it('a mirror that follows finds rows by a number that grows, and those that are gone', async () => {
    const spec = await make('follow');
    const source = open(spec);
    if (source.filtersScans !== true) return;
    const index = await FunnelIndex.create(':memory:', { dim: spec.dim, metric: spec.metric });
    const follower = index.follow(source, { every: 1e9, since: 'n', overlap: 0, batch: 16 });
    try {
      assert.equal((await follower.update()).written, COUNT);
      await follower.update(); // from here on all stamps are known to have been read
      const next = random(79);
      const changed = spec.rows.map((row) =>
        row.n % 10 === 3 ? { ...row, n: row.n + 1000, vector: randomVector(spec.dim, next) } : row,
      );
      await again({ ...spec, rows: changed });
      const round = await follower.update();
      assert.deepEqual([round.kind, round.written, round.deleted], ['changes', 6, 0]);
      assert.ok(round.read <= 14, `${round.read} rows were read`);
      await again({ ...spec, rows: changed.filter((row) => row.n % 10 !== 5) });
      const { kind, written, deleted } = await follower.update();
      assert.deepEqual([kind, written, deleted], ['ids', 0, 6]);
    } finally {
      await follower.stop(); // one that goes on keeps the process, and the file, running
    }
    assert.equal(index.count, COUNT - 6);
    assert.equal((await index.syncFrom(source, { withPayload: ['n'] })).written, 0);
    await index.close();
  });

  it('a mirror that follows without a key finds other vectors, new rows and those that are gone', async () => {
    const spec = await make('follow_all');
    const source = open(spec);
    const index = await FunnelIndex.create(':memory:', { dim: spec.dim, metric: spec.metric });
    const follower = index.follow(source, { every: 1e9, batch: 16, withPayload: ['n'] });
    try {
      assert.equal((await follower.update()).written, COUNT);
      const quiet = await follower.update();
      assert.deepEqual([quiet.written, quiet.deleted], [0, 0]);
      // A source that cannot search all dims among ids has all its rows read.
      if (quiet.kind === 'checksums') assert.equal(quiet.read, COUNT);
      const next = random(80);
      const changed = spec.rows.map((row) =>
        row.n % 10 === 3 ? { ...row, vector: randomVector(spec.dim, next) } : row.n === 4 ? { ...row, n: 1004 } : row,
      );
      const more = rows(COUNT + 4, spec.dim, 'number', 8).slice(COUNT);
      await again({ ...spec, rows: [...changed.filter((row) => row.n % 10 !== 5), ...more] });
      const { kind, read, written, deleted } = await follower.update();
      assert.deepEqual([kind, written, deleted], [quiet.kind, 11, 6]);
      if (kind === 'checksums') assert.equal(read, COUNT - 2 + 11);
    } finally {
      await follower.stop(); // one that goes on keeps the process, and the file, running
    }
    assert.equal((await index.syncFrom(source, { withPayload: ['n'] })).written, 0);
    await index.close();
  });

  it('a second sync writes what has changed, and drops what is gone', async () => {
    const spec = await make('sync_again');
    const source = open(spec);
    const { index } = await mirrored(spec, source);
    assert.deepEqual(await index.syncFrom(source, { batch: 7 }), {
      rows: COUNT,
      written: 0,
      deleted: 0,
      resumed: false,
    });
    const next = random(77);
    const changed = spec.rows.map((row) => (row.n % 10 === 3 ? { ...row, vector: randomVector(spec.dim, next) } : row));
    const more = rows(COUNT + 4, spec.dim, 'number', 8).slice(COUNT);
    await again({ ...spec, rows: [...changed.filter((row) => row.n % 10 !== 5), ...more] });
    assert.deepEqual(await index.syncFrom(source, { batch: 7, prune: false }), {
      rows: COUNT - 2,
      written: 10,
      deleted: 0,
      resumed: false,
    });
    assert.equal(index.count, COUNT + 4);
    assert.deepEqual(await index.syncFrom(source), { rows: COUNT - 2, written: 0, deleted: 6, resumed: false });
    assert.equal(index.count, COUNT - 2);
    const kept = await index.syncFrom(source, { withPayload: ['n'] });
    assert.equal(kept.written, COUNT - 2);
    assert.equal((await index.syncFrom(source, { withPayload: ['n'] })).written, 0);
    const [point] = await index.get(index.someIds(1));
    assert.deepEqual(Object.keys(point!.payload as object), ['n']);
    await index.close();
  });

  it('a sync that was cut off goes on where it was, and still finds what is gone', async () => {
    const spec = await make('sync_cut');
    const source = open(spec);
    const { index } = await mirrored(spec, source);
    // Everything is other now, one early row is gone, and one that the cut-off sync saw goes later.
    const next = random(78);
    const changed = spec.rows.map((row) => (row.n % 2 ? row : { ...row, vector: randomVector(spec.dim, next) }));
    await again({ ...spec, rows: changed.filter((row) => row.n !== 2) });
    const controller = new AbortController();
    let pages = 0;
    const progress: number[] = [];
    const cut = index.syncFrom(source, {
      batch: 10,
      signal: controller.signal,
      onProgress: ({ done }) => {
        progress.push(done);
        if (++pages === 3) controller.abort(new Error('enough'));
      },
    });
    await assert.rejects(cut, { name: 'FunnelError', code: 'ABORTED' });
    assert.deepEqual(progress, [10, 20, 30]);
    await again({ ...spec, rows: changed.filter((row) => row.n !== 2 && row.n !== 4) });
    const more: number[] = [];
    const result = await index.syncFrom(source, { batch: 10, onProgress: ({ done }) => more.push(done) });
    assert.deepEqual({ resumed: result.resumed, deleted: result.deleted }, { resumed: true, deleted: 2 });
    assert.equal(more[0], 40);
    assert.equal(index.count, COUNT - 2);
    const [vector] = queries(spec.dim);
    const request = { vector: vector!, plan: { scales: [24], keep: 1, candidates: 58 } };
    const { hits, stats } = await new FunnelSearch({ source, mirror: index }).query(request);
    assert.deepEqual(stats.mirror, { found: COUNT - 2, fetched: 0, gone: 0 });
    assert.deepEqual(hits, (await new FunnelSearch({ source, stages: 'client' }).query(request)).hits);
    assert.equal((await index.syncFrom(source)).resumed, false);
    await index.close();
  });
}
