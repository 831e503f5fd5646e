/** Features of searches by example, and of explain(). */
import assert from 'node:assert/strict';
import type { Id } from '../core/types.js';
import { FunnelSearch, type RecommendRequest } from '../index.js';
import type { Row } from './backend.js';
import { COUNT, DIM, extraOf, HEAD, richRows, rows } from './data.js';
import { rejects } from './failures.js';
import type { FeatureTools } from './feature-tools.js';
import { naiveAverage } from './ranking-oracle.js';

export function exampleFeatures(tools: FeatureTools) {
  const { backend, open, shared, rich, searchOver, vector, id, written, ranked, byStrategy, agree } = tools;
  return {
    'query by id leaves that point out': async () => {
      for (const metric of ['cosine', 'euclid'] as const) {
        const spec = await rich(metric);
        const row = spec.rows[17]!;
        const want = ranked(spec, (one) => one !== row, row.vector).slice(0, 6);
        agree((await searchOver(spec).query({ id: id(row), limit: 6 })).hits, want);
        agree((await searchOver(spec).query({ id: written(row), limit: 6 })).hits, want);
      }
      const spec = await rich();
      const search = searchOver(spec);
      const unknown = written({ ...spec.rows[0]!, id: 4711 });
      await rejects(search.query({ id: unknown }), 'NOT_FOUND', new RegExp(String(unknown)));
      await rejects(search.query({ id: 1, vector }), 'BAD_ARGUMENT', /vector or id/);
    },
    'recommend: average_vector': async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const [a, b, c] = [3, 20, 41].map((n) => spec.rows[n]!) as [Row, Row, Row];
        const search = searchOver(spec);
        const left = new Set([a, b, c]);
        for (const [positive, negative] of [
          [[a], []],
          [[a, b], [c]],
        ] as [Row[], Row[]][]) {
          const query = naiveAverage(
            { positive: positive.map((row) => row.vector), negative: negative.map((row) => row.vector) },
            metric,
          );
          const used = new Set([...positive, ...negative]);
          const { hits } = await search.recommend({ positive: positive.map(id), negative: negative.map(id), limit: 8 });
          agree(hits, ranked(spec, (row) => !used.has(row), query).slice(0, 8));
        }
        // Raw vectors are no points, so nothing is left out for them.
        const raw = await search.recommend({ positive: [a.vector, id(b)], negative: [Array.from(c.vector)], limit: 8 });
        const query = naiveAverage({ positive: [a.vector, b.vector], negative: [c.vector] }, metric);
        agree(raw.hits, ranked(spec, (row) => row !== b, query).slice(0, 8));
        assert.equal(left.size, 3);
      }
      const search = searchOver(await rich());
      await rejects(search.recommend({ negative: [1] }), 'BAD_ARGUMENT', /positive/);
      await rejects(search.recommend({}), 'BAD_ARGUMENT', /none/);
    },
    'recommend: best_score and sum_scores': async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const search = searchOver(spec);
        const positive = [2, 19].map((n) => spec.rows[n]!);
        const negative = [30, 44, 51].map((n) => spec.rows[n]!);
        for (const strategy of ['best_score', 'sum_scores'] as const) {
          const request = { positive: positive.map(id), negative: negative.map(id), strategy, limit: 9 };
          const want = byStrategy(spec, { positive, negative }, strategy);
          const { hits, stats } = await search.recommend(request);
          agree(hits, want.slice(0, 9));
          assert.equal(stats.strategy, strategy);
          // Larger is better under every metric, for the threshold too.
          const scoreThreshold = hits[3]!.score;
          assert.deepEqual((await search.recommend({ ...request, scoreThreshold })).hits, hits.slice(0, 3));
        }
      }
    },
    'recommend: heads are searched by the strategy': async () => {
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const spec = await rich(metric);
        const short = { ...spec, rows: spec.rows.map((row) => ({ ...row, vector: row.vector.slice(0, HEAD) })) };
        const [positive, negative] = [
          [2, 19],
          [30, 44, 51],
        ].map((places) => places.map((n) => short.rows[n]!)) as [Row[], Row[]];
        const full = (some: Row[]) => some.map(({ n }) => spec.rows[n]!.vector);
        const examples = { positive: full(positive), negative: full(negative) };
        for (const strategy of ['best_score', 'sum_scores'] as const) {
          const { candidates } = await open(spec).head({ vector, candidates: 20, recommend: { strategy, examples } });
          const want = byStrategy(short, { positive, negative }, strategy);
          const named = new Set([...positive, ...negative].map(id));
          const ids = Array.from(candidates.ids!).filter((one) => !named.has(one));
          // As far as float32 tells rows apart.
          const scores = new Map(want.map(({ row, score }) => [id(row), score]));
          ids.forEach((one, i) => {
            assert.ok(Math.abs(scores.get(one)! - want[i]!.score) < 1e-5, `${one} at ${i}`);
          });
          assert.ok(ids.length >= 15);
        }
      }
    },
    'recommend: negatives alone': async () => {
      const spec = await rich();
      const negative = [30, 44].map((n) => spec.rows[n]!);
      for (const strategy of ['best_score', 'sum_scores'] as const) {
        const { hits } = await searchOver(spec).recommend({ negative: negative.map(id), strategy, limit: 9 });
        agree(hits, byStrategy(spec, { positive: [], negative }, strategy).slice(0, 9));
      }
    },
    "recommend: best_score in mode 'exact'": async () => {
      const spec = await rich('euclid');
      const positive = [2, 19].map((n) => spec.rows[n]!);
      const request = { positive: positive.map(id), strategy: 'best_score', mode: 'exact', limit: 9 } as const;
      const { hits, stats } = await searchOver(spec).recommend(request);
      agree(hits, byStrategy(spec, { positive, negative: [] }, 'best_score').slice(0, 9));
      assert.equal(stats.exact, backend.supports.exact);
    },
    'recommend: examples are no hits, an unknown id is an error': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const examples = spec.rows.slice(0, 25);
      for (const strategy of ['average_vector', 'sum_scores'] as const) {
        const { hits } = await search.recommend({ positive: examples.map(id), strategy, limit: COUNT });
        assert.deepEqual(new Set(hits.map((hit) => hit.id)), new Set(spec.rows.slice(25).map(id)));
      }
      const unknown = written(richRows(COUNT + 3).at(-1)!);
      await rejects(
        search.recommend({ positive: [written(examples[0]!), unknown] }),
        'NOT_FOUND',
        new RegExp(String(unknown)),
      );
      await rejects(search.recommend({ positive: 5 as never }), 'BAD_ARGUMENT', /positive/);
      await rejects(search.recommend({ positive: [vector.slice(1)] }), 'BAD_DIMS', /positive\[0\]/);
    },
    'recommend: lookupFrom another collection': async () => {
      const spec = await rich();
      const other = await shared('other', {
        rows: rows(20, DIM, 'number', 90).map((row) => ({ ...row, extra: extraOf(row.n) })),
      });
      const [a, b] = [other.rows[4]!, other.rows[9]!];
      const request = { positive: [id(a)], negative: [id(b)], lookupFrom: open(other), limit: 8 };
      const query = naiveAverage({ positive: [a.vector], negative: [b.vector] }, 'cosine');
      // Points of this collection with those ids are not left out.
      agree((await searchOver(spec).recommend(request)).hits, ranked(spec, () => true, query).slice(0, 8));
      agree(
        (await searchOver(spec).recommend({ ...request, lookupFrom: { source: open(other) } })).hits,
        ranked(spec, () => true, query).slice(0, 8),
      );
      const elsewhere = written(spec.rows[29]!);
      await rejects(
        searchOver(spec).recommend({ ...request, positive: [elsewhere] }),
        'NOT_FOUND',
        new RegExp(String(elsewhere)),
      );
      await rejects(
        searchOver(spec).recommend({ ...request, lookupFrom: 'other' as never }),
        'BAD_ARGUMENT',
        /lookupFrom/,
      );
    },
    'recommendBatch: answers as single requests': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const [one, two, three, four, five, six, seven] = spec.rows.map(written) as [Id, Id, Id, Id, Id, Id, Id];
      const unknown = written({ ...spec.rows[0]!, id: 999_999 });
      const requests: RecommendRequest[] = [
        { positive: [one, two], negative: [three] },
        { positive: [four], limit: 3, withPayload: ['n'] },
        { positive: [five, six], negative: [seven], strategy: 'best_score' },
        { positive: [vector], filter: { must: [{ key: 'even', match: { value: true } }] } },
      ];
      const batch = await search.recommendBatch(requests);
      for (const [i, request] of requests.entries())
        assert.deepEqual(batch[i]!.hits, (await search.recommend(request)).hits);
      await rejects(
        search.recommendBatch([requests[0]!, { positive: [unknown] }]),
        'NOT_FOUND',
        new RegExp(`^requests\\[1\\].*${unknown}`),
      );
      await rejects(search.recommendBatch([requests[0]!, {}]), 'BAD_ARGUMENT', /^requests\[1\]/);
    },
    'explain: where an id was lost': async () => {
      const spec = await rich();
      const search = new FunnelSearch({
        source: open(spec),
        plan: { candidates: 30, scales: [12, DIM], keep: 0.5, limit: 5 },
      });
      const filter = { must: [{ key: 'n', range: { lt: 50 } }] };
      const { hits, explanation } = await search.query({ vector, filter, explain: true, withPayload: ['n'] });
      assert.deepEqual(
        explanation!.hits.map((hit) => hit.id),
        hits.map((hit) => hit.id),
      );
      const fates = new Map(
        await Promise.all(spec.rows.map(async (row) => [row, (await explanation!.trace(id(row))).outcome] as const)),
      );
      // Only a source that counts tells what its filter left out.
      const counts = open(spec).count !== undefined;
      for (const [row, outcome] of fates) {
        assert.equal(outcome === 'filtered out', counts && row.n >= 50, `${row.n}: ${outcome}`);
      }
      const count = (name: string) => [...fates.values()].filter((outcome) => outcome === name).length;
      assert.deepEqual(
        ['hit', 'dropped', 'not a candidate', 'filtered out'].map(count),
        counts ? [5, 25, 20, 10] : [5, 25, 30, 0],
      );
      assert.equal((await explanation!.trace(id(richRows(COUNT + 1).at(-1)!))).outcome, 'no such point');
      const passing = counts ? { rows: COUNT, passed: 50 } : { rows: Number.NaN, passed: Number.NaN };
      assert.deepEqual(await explanation!.filtered(), passing);
    },
  };
}
