/** The embedded index as a source: the suite of the servers, on a native head; then its own head. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { FunnelSearch, tutorialPlan } from 'funnelvec';
import { type Row, sourceConformance } from 'funnelvec/source/conformance';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { random, randomVector, rows } from '#dist/conformance/data.js';
import { rejects } from '#dist/conformance/failures.js';
import { SEED } from '../random.js';
import { refusalsOf } from './feature-table.js';
import { funnelsOverGlosses } from './glosses.js';

await sourceConformance(
  'The embedded index',
  async () => {
    const open = new Map<string, { index: FunnelIndex; headDim: number }>();
    const ids = (keep: (n: number) => boolean) => ({
      ids: rows(60, 1, 'number', 1)
        .filter(({ n }) => keep(n))
        .map(({ id }) => id),
    });
    return {
      supports: {
        idKinds: { number: 'number', string: 'string', big: 'bigint' },
        exact: 'certified',
        refuses: refusalsOf('embedded'),
      },
      async create({ collection, metric, dim, headDim, rows }) {
        const index = await FunnelIndex.create(':memory:', { dim, metric });
        await index.upsert(rows.map((row) => ({ id: row.id, vector: row.vector, payload: payloadOf(row) })));
        open.set(collection, { index, headDim });
      },
      async drop(collection) {
        await open.get(collection)!.index.close();
        open.delete(collection);
      },
      async replace({ collection, rows }) {
        const { index } = open.get(collection)!;
        const kept = new Set(rows.map(({ id }) => id));
        await index.delete(index.someIds(index.count).filter((id) => !kept.has(id as never)));
        const there = await index.get(rows.map(({ id }) => id));
        const isThere = (row: Row, i: number) =>
          there[i] !== undefined &&
          Buffer.compare(bytes(there[i].vector), bytes(row.vector)) === 0 &&
          isDeepStrictEqual(there[i].payload, payloadOf(row));
        const other = rows.filter((row, i) => !isThere(row, i));
        await index.upsert(other.map((row) => ({ id: row.id, vector: row.vector, payload: payloadOf(row) })));
      },
      source({ collection, nativeFilter, timeout, vectors }) {
        const { index, headDim } = open.get(collection)!;
        // An index has no others to name: the request that does is refused.
        if (vectors) return embeddedSource(index);
        return embeddedSource(index, { head: headDim, nativeFilter: nativeFilter as never, timeout });
      },
      idOf: (row) => row.id,
      payloadOf,
      filters: { even: ids((n) => n % 2 === 0), small: ids((n) => n < 10), nothing: ids(() => false) },
      async stop() {
        for (const { index } of open.values()) await index.close();
      },
    };
  },
  { seed: SEED, funnels: [funnelsOverGlosses] },
);

const bytes = (vector: ArrayLike<number>) => Buffer.from(Float32Array.from(vector).buffer);

function payloadOf({ title, n, even, extra }: Row) {
  return { title, n, even, ...extra };
}

describe('embeddedSource()', () => {
  const DIM = 96;
  const make = async (count = 3000) => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    const all = rows(count, DIM, 'number', 5);
    await index.upsert(all.map(({ id, vector, n }) => ({ id, vector, payload: { n } })));
    return { index, all };
  };
  const vector = randomVector(DIM, random(6));

  it('finds by the index’s own head where none is named, coded or not', async () => {
    const { index } = await make();
    const source = embeddedSource(index);
    assert.deepEqual(await source.info(), { headDim: DIM, dim: DIM, metric: 'cosine', idKind: 'number' });
    for (const coded of [false, true]) {
      if (coded) await index.optimize();
      const search = new FunnelSearch({ source });
      const { hits, stats } = await search.query({ vector, limit: 10, withPayload: true });
      const exact = await index.query({ vector, limit: 10, mode: 'exact' });
      const found = new Set(exact.hits.map(({ id }) => id));
      assert.ok(hits.filter(({ id }) => found.has(id)).length >= 8, 'far from the exact answer');
      for (const hit of hits) {
        assert.deepEqual(hit.payload, { n: (hit.id as number) - 1 });
        assert.equal(exact.hits.find(({ id }) => id === hit.id)?.score ?? hit.score, hit.score);
      }
      assert.equal(stats.vectorsFrom, 'hits');
      const { ids, scores } = await source.full({ vector, limit: 10 });
      assert.deepEqual(
        ids,
        exact.hits.map(({ id }) => id),
      );
      assert.deepEqual(
        scores,
        exact.hits.map(({ score }) => score),
      );
    }
    await index.close();
  });

  it('takes the tutorial’s plan where its head is that of the source', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 768 });
    await index.upsert(rows(200, 768, 'number', 9).map(({ id, vector }) => ({ id, vector })));
    const search = new FunnelSearch({ source: embeddedSource(index, { head: 128 }), plan: tutorialPlan });
    const { stats } = await search.query({ vector: randomVector(768, random(1)) });
    assert.deepEqual(
      stats.stages.map(({ name, out }) => [name, out]),
      [
        ['head', 128],
        ['decode', 128],
        ['scale 256', 64],
        ['scale 512', 32],
        ['scale 768', 10],
        ['funnel', 10],
      ],
    );
    await index.close();
  });

  it('leaves the event loop free while it scans, and ends when it is told to', async () => {
    const { index } = await make(40_000);
    const source = embeddedSource(index, { head: 8 });
    const controller = new AbortController();
    const scan = source.head({ vector, candidates: 5, signal: controller.signal });
    setImmediate(() => controller.abort());
    await rejects(scan, 'ABORTED', /index in memory/);
    await rejects(source.head({ vector, candidates: 5, signal: AbortSignal.abort() }), 'ABORTED', /index in memory/);
    await index.close();
    await rejects(source.head({ vector, candidates: 5 }), 'CLOSED', /open index/);
  });

  it('answers what was asked, whatever becomes of the request meanwhile', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 4 });
    await index.upsert({ ids: Array.from({ length: 50 }, (_, i) => i), vectors: new Float32Array(200).fill(1) });
    const source = embeddedSource(index);
    const requests = [3, 4].map((candidates) => ({ vector: new Float32Array(4).fill(1), candidates }));
    const alone = source.head(requests[0]!);
    const together = source.headBatch!(requests);
    for (const request of requests) request.candidates = Number.NaN;
    assert.equal((await alone).candidates.ids!.length, 3);
    assert.deepEqual(
      (await together).map(({ candidates }) => candidates.ids!.length),
      [3, 4],
    );
    await index.close();
  });

  it('fetches, lists and counts every row while rows are replaced all the time', async () => {
    const count = 12_000;
    const index = await FunnelIndex.create(':memory:', { dim: 64, autoOptimize: false });
    const points = Array.from({ length: count }, (_, i) => {
      return { id: i, vector: new Float32Array(64).fill(1 + i / count), payload: { kind: 'row' } };
    });
    await index.upsert(points);
    const ids = points.map(({ id }) => id);
    const conditions = { must: [{ key: 'kind', match: { value: 'row' } }] };
    const source = embeddedSource(index);
    const lists = [
      source,
      embeddedSource(index, { nativeFilter: conditions }),
      embeddedSource(index, { nativeFilter: { ids } }),
    ];
    let isOver = false;
    const replacing = (async () => {
      for (let turn = 0; !isOver; turn++) {
        await index.upsert(points.filter(({ id }) => id % 200 === turn % 200));
        await new Promise(setImmediate);
      }
    })();
    try {
      for (let round = 0; round < 3; round++) {
        assert.equal((await source.fetch({ ids, withPayload: true })).rows.ids.length, count);
        assert.equal(await lists[1]!.count!({}), count);
        const { vector } = points[round]!;
        for (const list of lists) {
          const { candidates } = await list.head({ vector, candidates: count });
          assert.equal(new Set(candidates.ids as number[]).size, count);
        }
        const [batched] = await source.headBatch!([{ vector, candidates: count }]);
        assert.equal(batched!.candidates.ids!.length, count);
        for (const list of lists) {
          const { rows, next } = await list.scan({ limit: count + 1, withPayload: true });
          assert.equal(new Set(rows.ids as number[]).size, count);
          assert.equal(next, undefined);
        }
      }
    } finally {
      isOver = true;
      await replacing;
      await index.close();
    }
  });
  it('does not show rows that are deleted, whichever head finds them', async () => {
    const { index } = await make(500);
    await index.optimize();
    const first = (await index.query({ vector, limit: 20 })).hits.map(({ id }) => id);
    await index.delete(first);
    for (const source of [embeddedSource(index), embeddedSource(index, { head: 16 })]) {
      const { candidates } = await source.head({ vector, candidates: 480 });
      assert.equal(candidates.ids!.length, 480);
      assert.ok(Array.from(candidates.ids!).every((id) => !first.includes(id)));
    }
    await index.close();
  });

  it('obeys filters on payloads, on ids and on positions, of its own and of the request, all at once', async () => {
    const { index } = await make(300);
    await index.createPayloadIndex('n', 'integer');
    // Each is the rows whose n is so; ids are n + 1, positions n.
    const forms = (keep: (n: number) => boolean, conditions: object) => {
      const ns = Array.from({ length: 300 }, (_, n) => n).filter(keep);
      const rows = new Uint8Array(38);
      for (const n of ns) rows[n >> 3]! |= 1 << (n & 7);
      return [conditions, { ids: ns.map((n) => n + 1) }, { rows }];
    };
    const own = forms((n) => n < 200, { must: { key: 'n', range: { lt: 200 } } });
    const requested = forms((n) => n % 2 === 1, { must: { key: 'n', match: { any: oddBelow(300) } } });
    const wanted = oddBelow(200).map((n) => n + 1);
    for (const nativeFilter of [...own, undefined]) {
      for (const head of [undefined, 8]) {
        const source = embeddedSource(index, { nativeFilter, head });
        const { rows: scanned } = await source.scan({ limit: 1000 });
        assert.equal(scanned.ids.length, nativeFilter === undefined ? 300 : 200);
        for (const one of requested) {
          const request = { vector, nativeFilter: one };
          const both = nativeFilter === undefined ? oddBelow(300).map((n) => n + 1) : wanted;
          const { candidates } = await source.head({ ...request, candidates: 300 });
          assert.deepEqual(sortedNumbers(candidates.ids!), both);
          assert.deepEqual(sortedNumbers((await source.full({ ...request, limit: 300 })).ids), both);
        }
      }
    }
    await index.close();
  });

  it('refuses what makes no sense before any work', async () => {
    const { index } = await make(10);
    assert.throws(() => embeddedSource({} as never), { code: 'BAD_ARGUMENT', message: /FunnelIndex/ });
    assert.throws(() => embeddedSource(index, { head: 97 }), { code: 'BAD_DIMS', message: /1 to 96 dims/ });
    assert.throws(() => embeddedSource(index, { haed: 9 } as never), { code: 'BAD_ARGUMENT', message: /haed/ });
    assert.throws(() => embeddedSource(index, { nativeFilter: { musts: [] } as never }), { message: /must/ });
    const source = embeddedSource(index);
    await rejects(source.head({ vector, candidates: 5, nativeFilter: { musts: [] } }), 'BAD_ARGUMENT', /must/);
    await rejects(source.scan({ limit: 5, after: 'x' }), 'BAD_ARGUMENT', /after/);
    await index.close();
  });
});

function oddBelow(count: number): number[] {
  return Array.from({ length: count / 2 }, (_, i) => 2 * i + 1);
}

function sortedNumbers(ids: ArrayLike<unknown>): unknown[] {
  return Array.from(ids).sort((a, b) => Number(a) - Number(b));
}
