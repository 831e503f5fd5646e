/** Features of requests: params, thresholds, pages, payloads, vectors, batches. */
import assert from 'node:assert/strict';
import type { Hit } from '../core/types.js';
import { FunnelSearch, type SearchRequest } from '../index.js';
import type { Extra } from './backend.js';
import { COUNT, DIM, HEAD, random, randomVector } from './data.js';
import { rejects } from './failures.js';
import { type FeatureTools, PLAN } from './feature-tools.js';
import { naiveScore } from './ranking-oracle.js';

export function requestFeatures(tools: FeatureTools) {
  const { backend, open, rich, searchOver, vector, id, ranked, agree } = tools;
  return {
    'params: exact': async () => {
      const spec = await rich();
      agree((await searchOver(spec).query({ vector, params: { exact: true } })).hits, ranked(spec).slice(0, 10));
    },
    'params: hnsw_ef': async () => {
      const spec = await rich();
      agree((await searchOver(spec).query({ vector, params: { hnsw_ef: 64 } })).hits, ranked(spec).slice(0, 10));
    },
    'params: indexed_only': async () => {
      const spec = await rich();
      // Nothing is indexed: how many come is the server's business, but they are right.
      const { hits } = await searchOver(spec).query({ vector, params: { indexed_only: true } });
      const scores = new Map(ranked(spec).map(({ row, score }) => [id(row), score]));
      for (const hit of hits) assert.ok(Math.abs(scores.get(hit.id)! - hit.score) < 2e-5);
    },
    'params: ef, nprobe': async () => {
      const spec = await rich();
      for (const params of [{ ef: 200 }, { nprobe: 16 }]) {
        agree((await searchOver(spec).query({ vector, params })).hits, ranked(spec).slice(0, 10));
      }
    },
    "mode 'exact'": async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const { hits, stats } = await searchOver(spec).query({ vector, mode: 'exact', limit: 7 });
        agree(hits, ranked(spec).slice(0, 7));
        assert.equal(stats.exact, backend.supports.exact);
        assert.equal(stats.metric, metric);
      }
      const spec = await rich();
      await rejects(searchOver(spec).query({ vector, mode: 'exact', plan: PLAN }), 'BAD_ARGUMENT', /plan/);
      await rejects(searchOver(spec).query({ vector, mode: 'exat' as never }), 'BAD_ARGUMENT', /mode/);
    },
    'scoreThreshold is strict, in the metric’s direction, on the final score': async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const search = searchOver(spec);
        const { hits } = await search.query({ vector, limit: COUNT });
        const scoreThreshold = hits[9]!.score;
        const some = await search.query({ vector, limit: COUNT, scoreThreshold });
        assert.deepEqual(some.hits, hits.slice(0, 9));
        assert.deepEqual((await search.query({ vector, limit: 4, scoreThreshold })).hits, hits.slice(0, 4));
      }
    },
    'limit is 10 where nobody says; 0 and top are refused': async () => {
      const search = searchOver(await rich());
      assert.equal((await search.query({ vector })).hits.length, 10);
      await rejects(search.query({ vector, limit: 0 }), 'BAD_ARGUMENT', /limit/);
      await rejects(search.query({ vector, top: 5 } as never), 'BAD_ARGUMENT', /limit/);
    },
    'offset: pages are cut from one list, deeper is an error that says how': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const all = ranked(spec);
      const pages = await Promise.all(
        [0, 10, 20, 30, 40, 50].map(async (offset) => (await search.query({ vector, offset })).hits),
      );
      agree(pages.flat(), all);
      agree((await search.query({ vector, offset: 55, limit: 10 })).hits, all.slice(55));
      assert.deepEqual((await search.query({ vector, offset: 80 })).hits, []);
      await rejects(search.query({ vector, offset: 95 }), 'TOO_DEEP', /maxDepth: 105/);
      assert.deepEqual((await search.query({ vector, offset: 95, maxDepth: 110 })).hits, []);
      await rejects(search.query({ vector, offset: 95, maxDepth: 200 }), 'BAD_PLAN', /maxDepth/);
      await rejects(search.query({ vector, offset: -1 }), 'BAD_ARGUMENT', /offset/);
      // By another plan, too, the pool is that of maxDepth, whatever the page.
      const pruned = new FunnelSearch({ source: open(spec), rescore: true });
      const parts = await Promise.all(
        [0, 15, 30, 45].map(async (offset) => (await pruned.query({ vector, offset, limit: 15 })).hits),
      );
      assert.deepEqual(parts.flat(), (await pruned.query({ vector, offset: 0, limit: COUNT })).hits);
    },
    'withPayload: all, a list, include, exclude, keys within objects': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const payloads = async (withPayload: SearchRequest['withPayload']) =>
        (await search.query({ vector, limit: 3, ...(withPayload !== undefined && { withPayload }) })).hits.map(
          (hit) => hit.payload,
        );
      const best = ranked(spec)
        .slice(0, 3)
        .map(({ row }) => row);
      assert.deepEqual(await payloads(undefined), [undefined, undefined, undefined]);
      assert.deepEqual(
        await payloads(true),
        best.map((row) => backend.payloadOf(row)),
      );
      for (const selection of [['kind', 'n'], { include: ['kind', 'n'] }]) {
        assert.deepEqual(
          await payloads(selection),
          best.map((row) => ({ kind: row.extra!.kind, n: row.n })),
        );
      }
      assert.deepEqual(
        await payloads(['meta.place.city']),
        best.map(({ extra }) => ({ meta: { place: { city: extra!.meta.place.city } } })),
      );
      assert.deepEqual(
        await payloads({ exclude: ['tags', 'meta.place', 'title'] }),
        best.map((row) => {
          const { title, tags, ...rest } = backend.payloadOf(row) as unknown as Extra & { title: string };
          const { place, ...meta } = rest.meta;
          return { ...rest, meta };
        }),
      );
      await rejects(
        search.query({ vector, withPayload: { include: ['n'], exclude: [] } as never }),
        'BAD_ARGUMENT',
        /include/,
      );
    },
    'withVector: true': async () => {
      const spec = await rich('dot');
      const { hits } = await searchOver(spec).query({ vector, limit: 5, withVector: true });
      for (const hit of hits) assert.deepEqual(hit.vector, spec.rows.find((row) => id(row) === hit.id)!.vector);
    },
    'using: several layouts of vectors; withVector: names': async () => {
      const spec = await rich('dot');
      const source = open(spec, {
        vectors: { whole: { head: 'head', full: 'full' }, short: { head: 'head', full: 'head' } },
      });
      const search = new FunnelSearch({ source, rescore: true });
      const names = ['whole', 'short'] as const;
      for (const using of names) {
        const dims = using === 'whole' ? DIM : HEAD;
        const query = vector.slice(0, dims);
        const { hits } = await search.query({ vector: query, using, limit: 4, withVector: ['short'] });
        const rowOf = (hit: Hit) => spec.rows.find((row) => id(row) === hit.id)!;
        for (const hit of hits) {
          assert.deepEqual(Object.keys(hit.vectors!), ['short']);
          assert.deepEqual(hit.vectors!['short'], rowOf(hit).vector.slice(0, HEAD));
          assert.ok(Math.abs(hit.score - naiveScore('dot', query, rowOf(hit).vector.slice(0, dims))) < 1e-5);
        }
        const all = await search.query({ vector: query, using, limit: 1, withVector: true });
        assert.deepEqual(Object.keys(all.hits[0]!.vectors!), ['whole', 'short']);
      }
      const [whole, short] = await search.queryBatch([
        { vector, using: 'whole', limit: 3 },
        { vector: vector.slice(0, HEAD), using: 'short', limit: 3 },
      ]);
      assert.deepEqual(whole!.hits, (await search.query({ vector, using: 'whole', limit: 3 })).hits);
      assert.deepEqual(
        short!.hits,
        (await search.query({ vector: vector.slice(0, HEAD), using: 'short', limit: 3 })).hits,
      );
      await rejects(search.query({ vector }), 'BAD_ARGUMENT', /"whole", "short".*using/);
      await rejects(search.query({ vector, using: 'hole' }), 'BAD_ARGUMENT', /"hole"/);
      await rejects(search.query({ vector, using: 'whole', withVector: ['x'] }), 'BAD_ARGUMENT', /whole, short/);
    },
    'using is refused where there is one layout': async () => {
      const search = searchOver(await rich());
      await rejects(search.query({ vector, using: 'full' }), 'UNSUPPORTED', /one layout.*"full"/);
      await rejects(search.query({ vector, withVector: ['full'] }), 'UNSUPPORTED', /one layout/);
    },
    'queryBatch: one round trip': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      await search.queryBatch([{ vector }, { vector }]);
      const before = backend.searches!();
      const filter = { must: [{ key: 'n', range: { lt: 50 } }] };
      const requests = Array.from({ length: 9 }, (_, i) => ({
        vector: randomVector(DIM, random(500 + i)),
        filter: { ...filter },
        withPayload: ['n'],
      }));
      const answers = await search.queryBatch(requests);
      assert.equal(backend.searches!() - before, 1);
      for (const [i, { hits }] of answers.entries()) {
        agree(hits, ranked(spec, (row) => row.n < 50, requests[i]!.vector).slice(0, 10));
        for (const hit of hits) assert.deepEqual(Object.keys(hit.payload as object), ['n']);
      }
    },
    'queryBatch: answers as single queries; the request that fails is named': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const requests: SearchRequest[] = Array.from({ length: 7 }, (_, i) => ({
        vector: randomVector(DIM, random(600 + i)),
        limit: 1 + i,
        withPayload: i % 2 === 0,
        ...(i % 3 === 0 && { filter: { must: [{ key: 'even', match: { value: i % 2 === 0 } }] } }),
        ...(i === 5 && { mode: 'exact' as const }),
      }));
      const batch = await search.queryBatch(requests);
      for (const [i, request] of requests.entries())
        assert.deepEqual(batch[i]!.hits, (await search.query(request)).hits);
      assert.deepEqual(await search.queryBatch([]), []);
      const [first, second] = requests as [SearchRequest, SearchRequest];
      await rejects(search.queryBatch([first, { ...second, vector: vector.slice(1) }]), 'BAD_DIMS', /^requests\[1\]/);
      await rejects(search.queryBatch([first, second, { ...first, limit: 0 }]), 'BAD_ARGUMENT', /^requests\[2\]/);
      if (backend.filters?.bad !== undefined) {
        await assert.rejects(search.queryBatch([first, second, { ...first, nativeFilter: backend.filters.bad }]), {
          name: 'FunnelError',
          message: /^requests\[2\]/,
        });
      }
    },
  };
}
