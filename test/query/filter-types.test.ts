/** What the compiler accepts and refuses of a filter; compiling this file is the test, running it checks the accepted ones. */
import { test } from 'node:test';
import { parseFilter } from '#dist/query/filter/parse.js';
import type { Filter } from '#dist/query/filter/types.js';

interface Film {
  year: number;
  genre: 'crime' | 'war';
  tags: string[];
  cast: { name: string; roles?: { title: string; scenes: number | null }[] }[];
  director?: { name: string; born: Date };
  'a.b': boolean;
  gross: bigint;
}

interface Tree {
  value: number;
  children: Tree[];
}

test('typed filters are filters', () => {
  const typed: Filter<Film> = {
    must: [
      { key: 'year', range: { gte: 1990, lt: null } },
      { key: 'genre', match: { value: 'crime' } },
      { key: 'tags', match: { any: ['x'] } },
      { key: 'tags', values_count: { gt: 1 } },
      { key: 'cast[].name', match: { text: 'x' } },
      { key: 'cast[].roles[].scenes', range: {} },
      { key: 'director.name', match: { except: ['x'] } },
      { key: 'director.born', range: { gt: '1950-01-01' } },
      { key: '"a.b"', match: { value: true } },
      { key: 'gross', match: { value: 3 } },
      { is_empty: { key: 'director' } },
      { has_id: [1, 'a', 1n] },
      { nested: { key: 'cast', filter: { must: { key: 'name', match: { value: 'x' } } } } },
      { should: [] },
    ],
    min_should: { conditions: [{ is_null: { key: 'year' } }], min_count: 1 },
  };
  const untyped: Filter = {
    must: [
      { key: 'a.b[].c', match: { value: 1 } },
      { key: 'when', range: { gt: '2020-01-01' } },
      { nested: { key: 'rows', filter: { must: { key: 'n', range: { gt: 1 } } } } },
    ],
  };
  // biome-ignore lint/suspicious/noExplicitAny: what is tested
  const any: Filter<any> = untyped;
  const record: Filter<Record<string, number>> = { must: { key: 'x', range: { gt: 1 } } };
  const tree: Filter<Tree> = { must: { key: 'children[].children[].value', match: { value: 1 } } };
  for (const filter of [typed, untyped, any, record, tree]) parseFilter(filter);
});

// @ts-expect-error: no such key
export const misspelled: Filter<Film> = { must: { key: 'yaer', range: { gte: 1 } } };
// @ts-expect-error: another type
export const mistyped: Filter<Film> = { must: { key: 'year', match: { value: 'x' } } };
// @ts-expect-error: not one of the values
export const unknownValue: Filter<Film> = { must: { key: 'genre', match: { value: 'comedy' } } };
// @ts-expect-error: must_not
export const camelCase: Filter<Film> = { mustNot: [] };
// @ts-expect-error: a.b does not enter an array
export const noArray: Filter<Film> = { must: { key: 'cast.name', match: { value: 'x' } } };
const noKey = { must: { is_null: { key: 'x' as const } } };
// @ts-expect-error: paths in there start at the element
export const nestedKey: Filter<Film> = { must: { nested: { key: 'cast', filter: noKey } } };
// @ts-expect-error: not an array
export const nestedScalar: Filter<Film> = { must: { nested: { key: 'year', filter: {} } } };
// @ts-expect-error: elements are strings
export const elements: Filter<Film> = { must: { key: 'tags', match: { any: [1] } } };
