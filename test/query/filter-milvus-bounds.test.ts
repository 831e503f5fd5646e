/** Filters that would make Milvus expressions without end: refused at once. */
// Runs alone: it measures how soon a filter is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseFilter } from '#dist/query/filter/parse.js';
import type { MilvusFields } from '#dist/sources/milvus/fields.js';
import { toMilvusFilter } from '#dist/sources/milvus/filter.js';
import { least, processorMs } from '../patient.js';
import type { Json } from './generate.js';

const fields: MilvusFields = {
  primaryKey: { name: 'id', text: false },
  fields: new Map([
    ['id', { type: 'Int64', nullable: false }],
    ['n', { type: 'Int64', nullable: true }],
    ['tiny', { type: 'Int8', nullable: false }],
  ]),
  dynamic: true,
};
const scalars = { ...fields, scalars: true };
const compile = (filter: Json, of: MilvusFields = fields) => toMilvusFilter(parseFilter(filter), of);
const field = (key: string, test: object) => ({ must: { key, ...test } });

describe('Milvus expressions', () => {
  test('that would grow without bounds are refused before they are written', async () => {
    const plain = Array.from({ length: 8 }, (_, i) => field('n', { match: { value: i } }));
    const within = (min_count: number, conditions: Json[]) => ({ min_should: { min_count, conditions } });
    const around = (min_count: number, one: Json, count: number) => within(min_count, Array(count).fill(one));
    compile(within(4, plain));
    const nested = around(2, around(4, within(4, plain), 8), 4);
    const deeper = around(4, around(4, nested, 8), 8);
    const refuse = () => {
      for (const filter of [nested, deeper]) {
        assert.throws(() => compile(filter), { code: 'UNSUPPORTED', message: /4000000 characters.*min_should/ });
      }
    };
    assert.ok((await least(1000, () => processorMs(refuse))) < 1000);
    const all = Array.from({ length: 10_000 }, (_, i) => ({ key: 'tiny', range: { gt: i % 100 } }));
    assert.equal(compile({ must: all }).split(' and ').length, 10_000);
    // Each one a comparison of its own.
    const words = Array.from({ length: 100_000 }, (_, i) => i);
    assert.ok(compile(field('new', { match: { any: words } }), scalars).length > 1e6);
  });
});
