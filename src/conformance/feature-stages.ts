/** Features of where stages run: in the database with the hits of this process, or here, with the reason. */
import assert from 'node:assert/strict';
import type { Hit } from '../core/types.js';
import { FunnelSearch, type SearchRequest } from '../index.js';
import { COUNT, DIM, HEAD, random, randomVector } from './data.js';
import { rejects } from './failures.js';
import { type FeatureTools, PLAN } from './feature-tools.js';

/** Hits without their places in a list that only one side sees. */
function placeless(hits: readonly Hit[]): Omit<Hit, 'index'>[] {
  return hits.map(({ index: _, ...hit }) => hit);
}

export function stageFeatures({ backend, open, rich, searchOver, vector, id, ranked, agree }: FeatureTools) {
  const queries = Array.from({ length: 6 }, (_, i) => randomVector(DIM, random(700 + i)));
  return {
    "stages: 'server' and rescore: true, with the hits and score bits of stages: 'client'": async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const search = searchOver(spec);
        const same = async (request: SearchRequest) => {
          const [here, there] = [
            await search.query({ ...request, stages: 'client' }),
            await search.query({ ...request, stages: 'server' }),
          ];
          assert.deepEqual(placeless(there.hits), placeless(here.hits));
          assert.deepEqual([here.stats.ran.on, there.stats.ran.on], ['client', 'server']);
          assert.equal(there.stats.scores, undefined);
          assert.equal(there.stats.metric, metric);
          return there;
        };
        for (const query of queries) {
          const { hits } = await same({ vector: query });
          agree(hits, ranked(spec, () => true, query).slice(0, 10));
          await same({ vector: query, limit: 3, withPayload: ['n', 'kind'], withVector: true });
          await same({ vector: query, plan: { ...PLAN, candidates: 14 } });
          await same({ vector: query, plan: { ...PLAN, candidates: 14 }, limit: 14 });
          await same({ vector: query, filter: { must: [{ key: 'even', match: { value: true } }] }, withPayload: true });
          await same({ vector: query, limit: COUNT, scoreThreshold: hits[6]!.score });
          for (const offset of [0, 7, 20]) await same({ vector: query, offset, limit: 6, maxDepth: 26 });
        }
        if (backend.filters) {
          const { even, nothing } = backend.filters;
          await same({ vector, nativeFilter: even });
          await same({ vector, nativeFilter: nothing });
          await same({ vector, nativeFilter: even, filter: { must: [{ key: 'n', range: { lt: 30 } }] } });
        }
        await same({ id: id(spec.rows[11]!) });
      }
    },
    "stages: 'server' in batches, with params, by layouts": async () => {
      const spec = await rich('dot');
      const search = searchOver(spec);
      const requests: SearchRequest[] = queries.map((query, i) => ({
        vector: query,
        limit: 1 + i,
        withPayload: i % 2 === 0 && ['n'],
        stages: i === 3 ? 'client' : 'server',
        params: i === 4 ? { exact: true } : {},
        rescore: i !== 5,
      }));
      requests[3] = { ...requests[3]!, rescore: true };
      const batch = await search.queryBatch(requests);
      for (const [i, request] of requests.entries()) {
        const one = await search.query(request);
        assert.deepEqual(batch[i]!.hits, one.hits);
        assert.deepEqual(batch[i]!.stats.ran, one.stats.ran);
      }
      await rejects(
        search.queryBatch([requests[0]!, { ...requests[1]!, explain: true }]),
        'UNSUPPORTED',
        /^requests\[1\]/,
      );
      const layouts = { whole: { head: 'head', full: 'full' }, short: { head: 'head', full: 'head' } };
      const both = searchOver(spec, { vectors: layouts });
      const whole = await both.query({ vector, using: 'whole', stages: 'server', withVector: ['whole', 'short'] });
      assert.deepEqual(
        whole.hits.map((hit) => [hit.id, hit.score]),
        (await search.query({ vector, stages: 'client' })).hits.map((hit) => [hit.id, hit.score]),
      );
      const rowOf = (hit: Hit) => spec.rows.find((row) => id(row) === hit.id)!;
      for (const hit of whole.hits) {
        assert.deepEqual(hit.vectors!['whole'], rowOf(hit).vector);
        assert.deepEqual(hit.vectors!['short'], rowOf(hit).vector.slice(0, HEAD));
      }
    },
    'rescore: false gives the database’s scores, and says so': async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const search = searchOver(spec);
        const { hits, stats } = await search.query({ vector, stages: 'server', rescore: false });
        agree(hits, ranked(spec).slice(0, 10));
        assert.equal(stats.scores, 'server');
        const usual = await new FunnelSearch({ source: open(spec), plan: PLAN }).query({ vector, stages: 'server' });
        assert.deepEqual([usual.hits, usual.stats.scores], [hits, 'server']);
        const page = await search.query({ vector, stages: 'server', rescore: false, offset: 4, limit: 3 });
        assert.deepEqual(
          page.hits.map((hit) => hit.id),
          hits.slice(4, 7).map((hit) => hit.id),
        );
        const withVector = await search.query({ vector, stages: 'server', rescore: false, limit: 2, withVector: true });
        assert.equal(withVector.hits[0]!.vector!.length, DIM);
        assert.equal(withVector.hits[0]!.score, hits[0]!.score);
      }
      const search = searchOver(await rich());
      await rejects(search.query({ vector, stages: 'client', rescore: false }), 'BAD_ARGUMENT', /rescore/);
    },
    "stages: 'auto' tells where stages ran, and why": async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const ran = async (request: Partial<SearchRequest>) => (await search.query({ vector, ...request })).stats.ran;
      const can = open(spec).funnel !== undefined;
      assert.equal((await ran({})).on, can ? 'server' : 'client');
      const reasons: [Partial<SearchRequest>, RegExp][] = [
        [{ stages: 'client' }, /asked/],
        [{ mode: 'exact' }, /mode 'exact'/],
        ...(can
          ? ([
              [{ explain: true }, /explain/],
              [{ plan: { scales: [HEAD + 1, DIM], keep: 0.5 } }, new RegExp(`first ${HEAD + 1} dims`)],
              [{ plan: { scales: [HEAD], keep: 1 } }, new RegExp(`${HEAD} of ${DIM} dims`)],
              [{ plan: { ...PLAN, metric: 'dot' } }, /by dot/],
              [{ plan: { ...PLAN, candidates: 10 } }, /all 10/],
            ] as [Partial<SearchRequest>, RegExp][])
          : []),
      ];
      for (const [request, why] of reasons) {
        const told = await ran(request);
        assert.equal(told.on, 'client', JSON.stringify(request));
        assert.match(told.why, why);
      }
      const groups = await search.queryGroups({ vector, groupBy: 'kind' });
      assert.equal(groups.stats.ran.on, 'client');
      const positive = [id(spec.rows[3]!), id(spec.rows[9]!)];
      const liked = await search.recommend({ positive, strategy: 'best_score' });
      assert.equal(liked.stats.ran.on, 'client');
      if (can) {
        assert.match(groups.stats.ran.why, /groups/);
        assert.match(liked.stats.ran.why, /best_score/);
        assert.equal((await search.recommend({ positive })).stats.ran.on, 'server');
      }
      await rejects(search.query({ vector, stages: 'mirror' }), 'BAD_ARGUMENT', /mirror/);
      await rejects(search.query({ vector, stages: 'here' as never }), 'BAD_ARGUMENT', /stages/);
      await rejects(search.query({ vector, stages: 'server', mode: 'exact' }), 'BAD_ARGUMENT', /stages/);
    },
  };
}
