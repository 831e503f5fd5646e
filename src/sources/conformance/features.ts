/** Every feature of a request, on every source: right, or refused as the source says. The oracle is a scan in doubles. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { FunnelSearch, type GroupsResult, type RecommendRequest, type SearchRequest } from '../../index.js';
import type { Hit, Metric } from '../../types.js';
import type { Source } from '../source.js';
import type { Backend, CollectionSpec, Extra, OpenOptions, Row } from './backend.js';
import { COUNT, DIM, extraOf, HEAD, random, randomVector, richRows, rows } from './data.js';
import { rejects } from './failures.js';
import { naiveAverage, naiveGroups, naiveScore, naiveStrategy } from './ranking-oracle.js';

/** Pools hold every row, and nothing is pruned: answers are those of a scan. */
const PLAN = { scales: [DIM], keep: 1, candidates: 128 };

/** The features that the suite tests, each by one test of this name. */
export const FEATURES = [
  'filter: match value, any and except of strings, integers and booleans',
  'filter: an element of an array matches',
  'filter: range of numbers',
  'filter: range of dates',
  'filter: match text, case-sensitive',
  'filter: has_id',
  'filter: is_empty',
  'filter: should, must_not, min_should, filters in filters',
  'filter: values_count of an array',
  'filter: keys of objects',
  'filter: nested',
  'filter and native filter restrict together',
  'params: exact',
  'params: hnsw_ef',
  'params: indexed_only',
  'params: ef, nprobe',
  "mode 'exact'",
  'scoreThreshold is strict, in the metric’s direction, on the final score',
  'limit is 10 where nobody says; 0 and top are refused',
  'offset: pages are cut from one list, deeper is an error that says how',
  'withPayload: all, a list, include, exclude, keys within objects',
  'withVector: true',
  'using: several layouts of vectors; withVector: names',
  'using is refused where there is one layout',
  'queryBatch: one round trip',
  'queryBatch: answers as single queries; the request that fails is named',
  'query by id leaves that point out',
  'recommend: average_vector',
  'recommend: best_score and sum_scores',
  'recommend: heads are searched by the strategy',
  'recommend: negatives alone',
  "recommend: best_score in mode 'exact'",
  'recommend: examples are no hits, an unknown id is an error',
  'recommend: lookupFrom another collection',
  'recommendBatch: answers as single requests',
  'queryGroups: integers, strings, arrays; by best hit',
  'queryGroups: offset over groups',
  'queryGroups: complete, or best effort with a bound',
  'recommendGroups',
  'withLookup: payload and vectors of the point of the group’s id',
  'withLookup: an unknown collection is an error',
  'explain: where an id was lost',
] as const;

export type FeatureName = (typeof FEATURES)[number];

type Make = (key: string, part?: Partial<CollectionSpec>) => Promise<CollectionSpec>;
type Open = (spec: CollectionSpec, options?: Partial<OpenOptions>) => Source;
type It = (name: string, body: () => Promise<void>, skip?: string | false) => void;

/** To be called inside the suite of a backend, while it runs. */
export function featureConformance(it: It, backend: Backend, make: Make, open: Open): void {
  const { refuses = {} } = backend.supports;
  for (const name of Object.keys(refuses)) {
    assert.ok(
      (FEATURES as readonly string[]).includes(name),
      `Expected one of FEATURES in refuses but found "${name}"`,
    );
  }
  const bodies = featureBodies(backend, make, open);
  describe('features', () => {
    for (const name of FEATURES) {
      const refusal = refuses[name];
      const body = bodies[name];
      if (refusal === undefined) it(name, body, lacking(name, backend));
      else if (typeof refusal === 'string') it(`${name} (${refusal})`, body, refusal);
      else {
        const { code, message, why } = refusal;
        it(`${name}: refused${why === undefined ? '' : `, ${why}`}`, () => rejects(body(), code, message));
      }
    }
  });
}

/** The reason to skip a test, where the backend lacks something that it needs. */
function lacking(name: FeatureName, { filters, searches }: Backend): string | false {
  if (name === 'filter and native filter restrict together' && filters === undefined) return 'no native filters';
  if (name === 'queryBatch: one round trip' && searches === undefined) return 'nobody counts searches';
  return false;
}

function featureBodies(backend: Backend, make: Make, open: Open): Record<FeatureName, () => Promise<void>> {
  const made = new Map<string, Promise<CollectionSpec>>();
  const shared = (key: string, part: Partial<CollectionSpec> = {}): Promise<CollectionSpec> => {
    if (!made.has(key)) made.set(key, make(`features_${key}`, { rows: richRows(COUNT), ...part }));
    return made.get(key)!;
  };
  const rich = (metric: Metric = 'cosine') => shared(`rich_${metric}`, { metric });
  const searchOver = (spec: CollectionSpec, options?: Partial<OpenOptions>) =>
    new FunnelSearch({ source: open(spec, options), plan: PLAN });
  const vector = randomVector(DIM, random(77));
  const id = (row: Row) => backend.idOf(row);

  /** Best first. */
  const ranked = (
    spec: CollectionSpec,
    keep: (row: Row) => boolean = () => true,
    query: ArrayLike<number> = vector,
  ) => {
    const sign = spec.metric === 'euclid' ? 1 : -1;
    return spec.rows
      .filter(keep)
      .map((row) => ({ row, score: naiveScore(spec.metric, query, row.vector) }))
      .sort((a, b) => sign * (a.score - b.score));
  };
  const byStrategy = (
    spec: CollectionSpec,
    examples: { positive: Row[]; negative: Row[] },
    strategy: 'best_score' | 'sum_scores',
  ) => {
    const named = new Set([...examples.positive, ...examples.negative]);
    const vectors = {
      positive: examples.positive.map((row) => row.vector),
      negative: examples.negative.map((row) => row.vector),
    };
    return spec.rows
      .filter((row) => !named.has(row))
      .map((row) => ({ row, score: naiveStrategy(vectors, strategy, spec.metric, row.vector) }))
      .sort((a, b) => b.score - a.score);
  };
  /** The same rows in the same order, with their scores, as far as float32 storage allows. */
  const agree = (hits: readonly Hit[], want: readonly { row: Row; score: number }[]) => {
    assert.equal(hits.length, want.length);
    const scores = new Map(want.map(({ row, score }) => [id(row), score]));
    hits.forEach((hit, i) => {
      const near = (score: number | undefined) => score !== undefined && Math.abs(score - hit.score) < 2e-5;
      assert.ok(near(want[i]!.score), `score ${hit.score} for ${want[i]!.score} at ${i}`);
      assert.ok(hit.id === id(want[i]!.row) || near(scores.get(hit.id)), `id ${hit.id} at ${i}`);
    });
  };
  const filtered = async (
    filter: object,
    keep: (row: Row, extra: Extra) => boolean,
    more: Partial<SearchRequest> = {},
  ) => {
    const spec = await rich();
    const want = ranked(spec, (row) => keep(row, row.extra!));
    assert.ok(want.length > 0 && want.length < COUNT, `${want.length} rows pass: the case proves nothing`);
    agree((await searchOver(spec).query({ vector, filter, limit: COUNT, ...more })).hits, want);
  };
  const groupOracle = (spec: CollectionSpec, key: string, options: object, query: ArrayLike<number> = vector) =>
    naiveGroups(
      ranked(spec, () => true, query).map(({ row, score }) => ({ id: id(row), score, payload: { ...row.extra } })),
      key,
      options,
    );
  const groupsOf = ({ groups }: GroupsResult) =>
    groups.map(({ id: key, hits }) => ({ id: key, hits: hits.map((hit) => hit.id) }));

  return {
    'filter: match value, any and except of strings, integers and booleans': async () => {
      await filtered({ must: [{ key: 'kind', match: { value: 'Comedy' } }] }, (_, { kind }) => kind === 'Comedy');
      await filtered({ must: { key: 'even', match: { value: true } } }, ({ even }) => even);
      await filtered(
        { must: [{ key: 'bucket', match: { any: [2, 3] } }] },
        (_, { bucket }) => bucket === 2 || bucket === 3,
      );
      await filtered(
        { must: [{ key: 'kind', match: { except: ['Comedy', 'x"y'] } }] },
        (_, { kind }) => kind !== 'Comedy',
      );
      await filtered({ must_not: [{ key: 'n', match: { value: 7 } }] }, ({ n }) => n !== 7);
    },
    'filter: an element of an array matches': async () => {
      await filtered({ must: [{ key: 'tags', match: { value: 'extra' } }] }, (_, { tags }) => tags.includes('extra'));
      await filtered({ must: [{ key: 'tags', match: { any: ['t1', 't2'] } }] }, (_, { tags }) =>
        tags.some((tag) => tag === 't1' || tag === 't2'),
      );
    },
    'filter: range of numbers': async () => {
      await filtered({ must: [{ key: 'n', range: { gte: 10, lt: 20 } }] }, ({ n }) => n >= 10 && n < 20);
    },
    'filter: range of dates': async () => {
      await filtered(
        { must: [{ key: 'meta.since', range: { gte: '2012-01-01', lt: '2015-01-01T00:00:00Z' } }] },
        (_, { meta }) => ['2012', '2013', '2014'].includes(meta.since.slice(0, 4)),
      );
    },
    'filter: match text, case-sensitive': async () => {
      await filtered({ must: [{ key: 'kind', match: { text: 'om' } }] }, (_, { kind }) => kind === 'Comedy');
      const spec = await rich();
      const none = { must: [{ key: 'kind', match: { text: 'OM' } }] };
      assert.deepEqual((await searchOver(spec).query({ vector, filter: none })).hits, []);
    },
    'filter: has_id': async () => {
      const spec = await rich();
      const some = spec.rows.slice(4, 9);
      const unknown = id(richRows(COUNT + 1).at(-1)!);
      await filtered({ must: [{ has_id: [...some.map(id), unknown] }] }, (row) => row.n >= 4 && row.n < 9);
    },
    'filter: is_empty': async () => {
      const spec = await rich();
      const filter = { must_not: [{ is_empty: { key: 'kind' } }] };
      agree((await searchOver(spec).query({ vector, filter, limit: COUNT })).hits, ranked(spec));
    },
    'filter: should, must_not, min_should, filters in filters': async () => {
      const small = { key: 'n', range: { lt: 20 } };
      const even = { key: 'even', match: { value: true } };
      const comedy = { key: 'kind', match: { value: 'Comedy' } };
      await filtered(
        { should: [small, comedy], must_not: [even] },
        (row, { kind }) => (row.n < 20 || kind === 'Comedy') && !row.even,
      );
      await filtered(
        { min_should: { conditions: [small, even, comedy], min_count: 2 } },
        (row, { kind }) => Number(row.n < 20) + Number(row.even) + Number(kind === 'Comedy') >= 2,
      );
      await filtered(
        { must: [small, { should: [even, { must_not: [comedy] }] }] },
        (row, { kind }) => row.n < 20 && (row.even || kind !== 'Comedy'),
      );
    },
    'filter: values_count of an array': async () => {
      await filtered({ must: [{ key: 'tags', values_count: { gt: 1 } }] }, (_, { tags }) => tags.length > 1);
    },
    'filter: keys of objects': async () => {
      await filtered(
        { must: [{ key: 'meta.place.city', match: { value: 'Rome' } }] },
        (_, { meta }) => meta.place.city === 'Rome',
      );
    },
    'filter: nested': async () => {
      const one = [
        { key: 'name', match: { value: 'Bob' } },
        { key: 'lead', match: { value: true } },
      ];
      const nested = { nested: { key: 'meta.cast', filter: { must: one } } };
      await filtered({ must: [nested] }, (_, { meta }) => meta.cast.some(({ name, lead }) => name === 'Bob' && lead));
      // Without it, two elements may satisfy the two.
      const apart = one.map((condition) => ({ ...condition, key: `meta.cast[].${condition.key}` }));
      await filtered({ must: apart }, (_, { meta }) => meta.cast.some(({ lead }) => lead));
    },
    'filter and native filter restrict together': async () => {
      await filtered({ must: [{ key: 'n', range: { lt: 30 } }] }, ({ n, even }) => n < 30 && even, {
        nativeFilter: backend.filters!.even,
      });
    },
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
      const pruned = new FunnelSearch({ source: open(spec) });
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
      const search = new FunnelSearch({ source });
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
    'query by id leaves that point out': async () => {
      for (const metric of ['cosine', 'euclid'] as const) {
        const spec = await rich(metric);
        const row = spec.rows[17]!;
        const want = ranked(spec, (one) => one !== row, row.vector).slice(0, 6);
        agree((await searchOver(spec).query({ id: id(row), limit: 6 })).hits, want);
        agree((await searchOver(spec).query({ id: row.id, limit: 6 })).hits, want);
      }
      const search = searchOver(await rich());
      await rejects(search.query({ id: 4711 }), 'NOT_FOUND', /4711/);
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
      const unknown = richRows(COUNT + 3).at(-1)!.id;
      await rejects(search.recommend({ positive: [1, unknown] }), 'NOT_FOUND', new RegExp(String(unknown)));
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
      await rejects(searchOver(spec).recommend({ ...request, positive: [30] }), 'NOT_FOUND', /30.*features_other|30/);
      await rejects(
        searchOver(spec).recommend({ ...request, lookupFrom: 'other' as never }),
        'BAD_ARGUMENT',
        /lookupFrom/,
      );
    },
    'recommendBatch: answers as single requests': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const requests: RecommendRequest[] = [
        { positive: [1, 2], negative: [3] },
        { positive: [4], limit: 3, withPayload: ['n'] },
        { positive: [5, 6], negative: [7], strategy: 'best_score' },
        { positive: [vector], filter: { must: [{ key: 'even', match: { value: true } }] } },
      ];
      const batch = await search.recommendBatch(requests);
      for (const [i, request] of requests.entries())
        assert.deepEqual(batch[i]!.hits, (await search.recommend(request)).hits);
      await rejects(
        search.recommendBatch([requests[0]!, { positive: [999_999] }]),
        'NOT_FOUND',
        /^requests\[1\].*999999/,
      );
      await rejects(search.recommendBatch([requests[0]!, {}]), 'BAD_ARGUMENT', /^requests\[1\]/);
    },
    'queryGroups: integers, strings, arrays; by best hit': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      for (const groupBy of ['bucket', 'kind', 'tags'] as const) {
        for (const options of [{}, { limit: 2, groupSize: 1 }, { limit: 4, groupSize: 50 }]) {
          const answer = await search.queryGroups({ vector, groupBy, ...options });
          assert.deepEqual(groupsOf(answer), groupOracle(spec, groupBy, options));
          assert.equal(answer.stats.groups.complete, true);
        }
      }
      const { groups } = await search.queryGroups({
        vector,
        groupBy: 'meta.place.city',
        groupSize: 2,
        withPayload: ['n'],
        withVector: true,
      });
      assert.deepEqual(new Set(groups.map((group) => group.id)), new Set(['Lodz', 'Rome']));
      for (const hit of groups.flatMap(({ hits }) => hits)) {
        assert.deepEqual(hit.payload, { n: spec.rows.find((row) => id(row) === hit.id)!.n });
        assert.equal(hit.vector!.length, DIM);
      }
      const bare = await search.queryGroups({ vector, groupBy: 'kind', limit: 1 });
      assert.equal(bare.groups[0]!.hits[0]!.payload, undefined);
      await rejects(search.queryGroups({ vector, groupBy: 'kind', groupSize: 0 }), 'BAD_ARGUMENT', /groupSize/);
      await rejects(search.queryGroups({ vector } as never), 'BAD_ARGUMENT', /groupBy/);
      await rejects(search.queryGroups({ vector, group_by: 'kind' } as never), 'BAD_ARGUMENT', /groupBy/);
    },
    'queryGroups: offset over groups': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      const all = groupOracle(spec, 'bucket', { limit: 8 });
      const pages = await Promise.all(
        [0, 3, 6].map(async (offset) =>
          groupsOf(await search.queryGroups({ vector, groupBy: 'bucket', limit: 3, offset })),
        ),
      );
      assert.deepEqual(pages.flat(), all);
      await rejects(
        search.queryGroups({ vector, groupBy: 'bucket', offset: 98, maxDepth: 100 }),
        'TOO_DEEP',
        /maxDepth: 108/,
      );
    },
    'queryGroups: complete, or best effort with a bound': async () => {
      const spec = await rich();
      const options = { limit: 8, groupSize: 7 };
      const answer = await searchOver(spec).queryGroups({ vector, groupBy: 'bucket', ...options, maxDepth: 16 });
      const { complete, maxDepth, rows: seen } = answer.stats.groups;
      assert.equal(maxDepth, 16);
      assert.ok(seen >= 16);
      const want = groupOracle(spec, 'bucket', options);
      // The index goes on, pool after pool, until it is certain; a database's answer says that it may lack something.
      assert.equal(complete, open(spec).certifies === true);
      if (complete) assert.deepEqual(groupsOf(answer), want);
      const all = new Map(want.map((group) => [group.id, group.hits]));
      for (const group of groupsOf(answer)) {
        assert.ok(group.hits.every((one) => all.get(group.id)!.includes(one)));
      }
    },
    recommendGroups: async () => {
      const spec = await rich();
      const [a, b] = [spec.rows[3]!, spec.rows[20]!];
      const query = naiveAverage({ positive: [a.vector, b.vector], negative: [] }, 'cosine');
      const hits = ranked(spec, (row) => row !== a && row !== b, query);
      const answer = await searchOver(spec).recommendGroups({
        positive: [id(a), id(b)],
        groupBy: 'kind',
        limit: 3,
        groupSize: 4,
      });
      const payloads = hits.map(({ row, score }) => ({ id: id(row), score, payload: { ...row.extra } }));
      assert.deepEqual(groupsOf(answer), naiveGroups(payloads, 'kind', { limit: 3, groupSize: 4 }));
    },
    'withLookup: payload and vectors of the point of the group’s id': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      // Ids 1 to 5; buckets 1 to 8.
      const authors = await shared('authors', { metric: 'dot', rows: richRows(5) });
      const plain = await search.queryGroups({ vector, groupBy: 'bucket', limit: 8, withLookup: open(authors) });
      assert.equal(plain.groups.length, 8);
      for (const { id: key, lookup } of plain.groups) {
        const row = authors.rows.find((one) => one.id === key);
        if (!row) assert.equal(lookup, undefined);
        else assert.deepEqual(lookup, { id: id(row), payload: backend.payloadOf(row) });
      }
      assert.ok(!('lookup' in plain.groups.find(({ id: key }) => key === 8)!));
      const withLookup = { source: open(authors), withPayload: ['kind'], withVector: true };
      const { groups } = await search.queryGroups({ vector, groupBy: 'bucket', limit: 8, withLookup });
      for (const { id: key, lookup } of groups) {
        const row = authors.rows.find((one) => one.id === key);
        if (row) assert.deepEqual(lookup, { id: id(row), payload: { kind: row.extra!.kind }, vector: row.vector });
      }
      // Types must agree.
      if (backend.supports.idKinds.string === undefined) return;
      const strings = await shared('uuids', { ids: 'string', rows: richRows(4, 'string') });
      const none = await search.queryGroups({ vector, groupBy: 'bucket', limit: 8, withLookup: open(strings) });
      assert.ok(none.groups.every(({ lookup }) => lookup === undefined));
      const byRef = await search.queryGroups({ vector, groupBy: 'ref', limit: 6, withLookup: open(strings) });
      assert.deepEqual(
        byRef.groups
          .filter(({ lookup }) => lookup !== undefined)
          .map(({ id: key, lookup }) => [key, lookup!.id])
          .sort(),
        strings.rows.map((row) => [row.id, id(row)]),
      );
    },
    'withLookup: an unknown collection is an error': async () => {
      const spec = await rich();
      const nowhere = backend.source({ collection: 'nowhere_at_all' });
      await rejects(
        searchOver(spec).queryGroups({ vector, groupBy: 'bucket', withLookup: nowhere }),
        'NO_COLLECTION',
        /nowhere/,
      );
      await rejects(
        searchOver(spec).queryGroups({ vector, groupBy: 'bucket', withLookup: 'authors' as never }),
        'BAD_ARGUMENT',
        /withLookup/,
      );
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
      for (const [row, outcome] of fates) assert.equal(outcome === 'filtered out', row.n >= 50, `${row.n}: ${outcome}`);
      const count = (name: string) => [...fates.values()].filter((outcome) => outcome === name).length;
      assert.deepEqual(['hit', 'dropped', 'not a candidate', 'filtered out'].map(count), [5, 25, 20, 10]);
      assert.equal((await explanation!.trace(id(richRows(COUNT + 1).at(-1)!))).outcome, 'no such point');
      assert.deepEqual(await explanation!.filtered(), { rows: COUNT, passed: 50 });
    },
  };
}
