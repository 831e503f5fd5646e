/** Features of filters. */
import assert from 'node:assert/strict';
import type { Extra, Row } from './backend.js';
import { COUNT, richRows } from './data.js';
import type { FeatureTools } from './feature-tools.js';

export function filterFeatures(tools: FeatureTools) {
  const { backend, rich, searchOver, vector, id, ranked, agree, filtered } = tools;
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
    'filter: match phrase and text_any, case-sensitive': async () => {
      await filtered({ must: { key: 'kind', match: { phrase: 'm no' } } }, (_, { kind }) => kind === 'film noir');
      await filtered({ must: { key: 'kind', match: { text_any: 'noir Com' } } }, (_, { kind }) => kind !== 'drama');
      await filtered({ must: { key: 'kind', match: { text_any: 'Noir com dra' } } }, (_, { kind }) => kind === 'drama');
    },
    'filter: match prefix': async () => {
      await filtered({ must: { key: 'kind', match: { prefix: 'film' } } }, (_, { kind }) => kind === 'film noir');
      const spec = await rich();
      for (const prefix of ['ilm', 'Film']) {
        const none = { must: [{ key: 'kind', match: { prefix } }] };
        assert.deepEqual((await searchOver(spec).query({ vector, filter: none })).hits, []);
      }
    },
    'filter: geo_radius, geo_bounding_box, geo_polygon': async () => {
      const corner = (lon: number, lat: number) => ({ lon, lat });
      const inLodz = (_: Row, { meta }: Extra) => meta.place.city === 'Lodz';
      const near = { center: corner(19.5, 51.8), radius: 30_000 };
      await filtered({ must: { key: 'meta.place', geo_radius: near } }, inLodz);
      const box = { top_left: corner(19, 52), bottom_right: corner(20, 51) };
      await filtered({ must: { key: 'meta.place', geo_bounding_box: box } }, inLodz);
      const ring = [corner(12, 41), corner(13, 41), corner(12.5, 43), corner(12, 41)];
      await filtered({ must_not: { key: 'meta.place', geo_polygon: { exterior: { points: ring } } } }, inLodz);
    },
    'filter: slice': async () => {
      const spec = await rich();
      const found = [];
      for (const index of [0, 1, 2]) {
        const filter = { must: [{ slice: { total: 3, index } }] };
        const { hits } = await searchOver(spec).query({ vector, filter, limit: COUNT });
        assert.ok(hits.length > 0, `slice ${index} is empty`);
        found.push(...hits.map((hit) => String(hit.id)));
      }
      assert.deepEqual(found.sort(), spec.rows.map((row) => String(id(row))).sort());
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
  };
}
