/** Rows by id, page by page, and head searches without vectors. */

import assert from 'node:assert/strict';
import type { PackedCandidates } from '../core/types.js';
import type { PackedRows } from '../query/source/source.js';
import { COUNT, DIM, rows } from './data.js';
import { rejects } from './failures.js';
import { rowOf, sameRows, scanned } from './scan-oracle.js';
import type { SuiteTools } from './suite-tools.js';

export function rowTests(tools: SuiteTools): void {
  const { backend, it, withBigIds, layouts, supported, shared, make, again, open, head, query, supports, filters } =
    tools;
  it('a head search without vectors gives the same candidates, without them', async () => {
    for (const layout of layouts) {
      const spec = await shared(layout === 'tail' ? 'tail' : 'cosine', { layout });
      const source = open(spec);
      for (const withPayload of [false, true, ['title']]) {
        const request = { vector: query(), candidates: 20, withPayload };
        const { vectors, ...rest } = await head(source, request);
        assert.equal(vectors.length, 20 * DIM);
        const bare = await head(source, { ...request, vectors: false });
        assert.equal(bare.vectors.length, 0);
        assert.deepEqual({ ...bare, vectors: undefined }, { ...rest, vectors: undefined });
      }
    }
  });

  it('fetch() gives rows by id, in the order asked, and leaves out those that are gone', async () => {
    for (const [key, part] of supported([
      ['cosine', {}],
      ['strings', { ids: 'string' }],
      ['tail', { layout: 'tail' }],
    ])) {
      const spec = await shared(key, part);
      const source = open(spec);
      const pool = await head(source, { vector: query(), candidates: 12, withPayload: true });
      const gone = backend.idOf(rows(COUNT + 5, 2, spec.ids, 1).at(-1)!);
      const order = [7, 2, 11, 0].map((i) => pool.ids[i]!);
      for (const decode of ['fast', 'client'] as const) {
        const { rows: found, ms } = await open(spec, { decode }).fetch({
          ids: [...order.slice(0, 2), gone, ...order.slice(2)],
          withPayload: true,
        });
        assert.deepEqual(found.ids, order);
        assert.deepEqual(
          found.payloads,
          [7, 2, 11, 0].map((i) => pool.payloads![i]),
        );
        sameRows(found, (i) => pool.vectors.subarray([7, 2, 11, 0][i]! * DIM, ([7, 2, 11, 0][i]! + 1) * DIM));
        assert.ok(ms >= 0);
      }
      const none = await source.fetch({ ids: [gone] });
      assert.deepEqual([none.rows.ids, none.rows.vectors.length, none.rows.payloads], [[], 0, undefined]);
      assert.deepEqual((await source.fetch({ ids: [] })).rows.ids, []);
    }
  });

  it('scan() gives every row once, page by page, as the source’s filter lets it through', async () => {
    for (const [key, part] of supported([
      // Not in the order of insertion.
      ['backwards', { rows: rows(COUNT, DIM, 'number', 7).reverse() }],
      ['strings', { ids: 'string' }],
      ['tail', { layout: 'tail' }],
    ])) {
      const spec = await shared(key, part);
      const source = open(spec);
      const pool = await head(source, { vector: query(), candidates: COUNT, withPayload: true });
      const place = new Map(pool.ids.map((id, i) => [id, i]));
      const pages = await scanned(source, { limit: 7, withPayload: true });
      assert.ok(pages.length >= 9, `${pages.length} pages`);
      const seen = pages.flatMap(({ ids }) => ids);
      assert.deepEqual(new Set(seen), new Set(pool.ids));
      assert.equal(seen.length, COUNT);
      for (const page of pages) {
        sameRows(page, (i) => {
          const at = place.get(page.ids[i]!)!;
          assert.deepEqual(page.payloads![i], pool.payloads![at]);
          return pool.vectors.subarray(at * DIM, (at + 1) * DIM);
        });
      }
      // The second leaves one row to the last page, which is easily lost.
      const bare: PackedRows[] = [];
      for (const limit of [25, COUNT - 1]) {
        const pages = await scanned(source, { limit, vectors: false });
        assert.deepEqual(
          pages.flatMap(({ ids }) => ids),
          seen,
        );
        bare.push(...pages);
      }
      assert.ok(bare.every((page) => page.vectors.length === 0 && page.payloads === undefined && page.dim === DIM));
    }
    if (filters === undefined) return;
    const spec = await shared('cosine');
    const small = await scanned(open(spec, { nativeFilter: filters.small }), { limit: 4 });
    assert.deepEqual(
      small.flatMap(({ ids }) => ids.map((id) => rowOf(spec, id, backend).n)).sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    const none = await scanned(open(spec, { nativeFilter: filters.nothing }), { limit: 4 });
    assert.deepEqual(
      none.flatMap(({ ids }) => ids),
      [],
    );
  });

  it('scan() gives each row once though rows of the page before are deleted', async () => {
    const spec = await make('scan_deleted');
    const source = open(spec);
    const first = await source.scan({ limit: 7, vectors: false });
    const { ids } = first.rows;
    // The first row and the last, behind which the next page begins.
    const gone = new Set([ids[0]!, ids.at(-1)!]);
    await again({ ...spec, rows: spec.rows.filter((row) => !gone.has(backend.idOf(row))) });
    const pages = await scanned(source, { limit: 7, vectors: false }, first.next);
    const seen = [first.rows, ...pages].flatMap((page) => page.ids);
    assert.deepEqual(new Set(seen), new Set(spec.rows.map((row) => backend.idOf(row))));
    assert.equal(seen.length, COUNT);
  });

  it('rows are given away: what is written into an answer does not show in the next', async () => {
    const spec = await shared('cosine');
    const source = open(spec);
    const { ids } = (await source.head({ vector: query(), candidates: 3 })).candidates;
    const asked: [string, () => Promise<PackedRows | PackedCandidates>][] = [1, 3].flatMap((count) => [
      ['head()', async () => (await source.head({ vector: query(), candidates: count })).candidates],
      ['fetch()', async () => (await source.fetch({ ids: Array.from(ids!).slice(0, count) })).rows],
      ['scan()', async () => (await source.scan({ limit: count })).rows],
    ]);
    if (supports.refuses?.["mode 'exact'"] === undefined) {
      const exact = { vector: query(), candidates: 1, mode: 'exact' as const };
      asked.push(["head() in mode 'exact'", async () => (await source.head(exact)).candidates]);
    }
    for (const [name, ask] of asked) {
      const vectors = (await ask()).vectors as Float32Array;
      const was = vectors.slice();
      assert.ok(was.length >= DIM);
      vectors.fill(9);
      assert.deepEqual((await ask()).vectors, was, name);
    }
  });

  withBigIds('ids beyond 2^53 are scanned and fetched exactly', async () => {
    const spec = await shared('big', { ids: 'big' });
    const source = open(spec);
    const ids = (await scanned(source, { limit: 9 })).flatMap((page) => page.ids);
    assert.deepEqual(new Set(ids), new Set(spec.rows.map((row) => backend.idOf(row))));
    assert.equal(ids.length, COUNT);
    assert.deepEqual((await source.fetch({ ids: ids.slice(3, 6) })).rows.ids, ids.slice(3, 6));
  });

  it('a senseless page or id never leaves the process', async () => {
    const source = open(await shared('cosine'));
    for (const limit of [0, -1, 1.5, Number.NaN]) await rejects(source.scan({ limit }), 'BAD_ARGUMENT', /limit/);
    await rejects(source.fetch({ ids: [1, 'a'] }), 'BAD_ID', /ids\[1\]/);
    await rejects(source.fetch({ ids: [1], withPayload: 3 as never }), 'BAD_ARGUMENT', /withPayload/);
  });
}
