/** Features of filters. */
import assert from 'node:assert/strict';
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
