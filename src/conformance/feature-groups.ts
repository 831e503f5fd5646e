/** Features of groups and of what is looked up for them. */
import assert from 'node:assert/strict';
import type { Row } from './backend.js';
import { DIM, richRows } from './data.js';
import { rejects } from './failures.js';
import type { FeatureTools } from './feature-tools.js';
import { naiveAverage, naiveGroups } from './ranking-oracle.js';

export function groupFeatures(tools: FeatureTools) {
  const { backend, open, shared, rich, searchOver, vector, id, written, ranked, groupOracle, groupsOf } = tools;
  return {
    'queryGroups: integers, strings, arrays; by best hit': async () => {
      const spec = await rich();
      const search = searchOver(spec);
      for (const groupBy of ['bucket', 'kind', 'tags'] as const) {
        for (const options of [{}, { limit: 2, groupSize: 1 }, { limit: 4, groupSize: 50 }]) {
          const answer = await search.queryGroups({ vector, groupBy, ...options });
          assert.deepEqual(groupsOf(answer), groupOracle(spec, groupBy, options));
          // A source that cannot count does not know that these are all.
          if (open(spec).count) assert.equal(answer.stats.groups.complete, true);
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
      // A source that says which point a number names finds it by the number, in whatever kind it hands out ids.
      const keyOf = (row: Row) => (open(authors).idOf === undefined ? written(row) : row.id);
      const plain = await search.queryGroups({ vector, groupBy: 'bucket', limit: 8, withLookup: open(authors) });
      assert.equal(plain.groups.length, 8);
      for (const { id: key, lookup } of plain.groups) {
        const row = authors.rows.find((one) => keyOf(one) === key);
        if (!row) assert.equal(lookup, undefined);
        else assert.deepEqual(lookup, { id: id(row), payload: backend.payloadOf(row) });
      }
      assert.ok(!('lookup' in plain.groups.find(({ id: key }) => key === 8)!));
      const withLookup = { source: open(authors), withPayload: ['kind'], withVector: true };
      const { groups } = await search.queryGroups({ vector, groupBy: 'bucket', limit: 8, withLookup });
      for (const { id: key, lookup } of groups) {
        const row = authors.rows.find((one) => keyOf(one) === key);
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
  };
}
