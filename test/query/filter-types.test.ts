/** The compiler accepts and refuses filters: compiling this file is the test, running it checks the accepted ones. */
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
  place?: { lon: number; lat: number; name: string } | null;
  places: { lon: number; lat: number }[];
}

interface Loose {
  // biome-ignore lint/suspicious/noExplicitAny: what is tested
  any: any;
  unknown: unknown;
  object?: object | null;
  record: Record<string, unknown>;
  list: unknown[];
  either: string | { deep: number } | string[];
  year: number;
}

type Event = { kind: 'click'; x: number; at: { page: string } } | { kind: 'key'; code: string; at: { field: boolean } };

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
      { key: 'gross', match: { value: 2n ** 60n } },
      { key: 'gross', match: { any: [3, 2n ** 60n] } },
      { key: 'gross', range: { gte: 2n ** 60n, lt: 1e19 } },
      { key: 'year', range: { gte: 1990n } },
      { key: 'director.born', range: { gt: new Date(0), lt: '1950-01-01' } },
      { is_empty: { key: 'director' } },
      { has_id: [1, 'a', 1n] },
      { nested: { key: 'cast', filter: { must: { key: 'name', match: { value: 'x' } } } } },
      { should: [] },
      { key: 'tags', match: { prefix: 'x' } },
      { key: 'cast[].name', match: { phrase: 'x y' } },
      { key: 'cast[].name', match: { text_any: 'x y' } },
      { key: 'place', geo_radius: { center: { lon: 1, lat: 2 }, radius: 1000 } },
      { key: 'places', geo_bounding_box: { top_left: { lon: 1, lat: 2 }, bottom_right: { lon: 2, lat: 1 } } },
      { slice: { total: 4, index: 0 } },
    ],
    min_should: { conditions: [{ is_null: { key: 'year' } }], min_count: 1 },
  };
  const ring = [0, 1, 2, 0].map((lon) => ({ lon, lat: lon ** 2 }));
  const untyped: Filter = {
    must: [
      { key: 'a.b[].c', match: { value: 1 } },
      { key: 'n', match: { except: [1n] } },
      { key: 'when', range: { gte: new Date(0) } },
      { key: 'when', range: { gt: '2020-01-01' } },
      { key: 'where', geo_polygon: { exterior: { points: ring }, interiors: [{ points: ring }] } },
      { nested: { key: 'rows', filter: { must: { key: 'n', range: { gt: 1 } } } } },
    ],
  };
  // biome-ignore lint/suspicious/noExplicitAny: what is tested
  const any: Filter<any> = untyped;
  const record: Filter<Record<string, number>> = { must: { key: 'x', range: { gt: 1 } } };
  const tree: Filter<Tree> = { must: { key: 'children[].children[].value', match: { value: 1 } } };
  const loose: Filter<Loose> = {
    must: [
      { key: 'any', match: { value: 1 } },
      { key: 'any.z', match: { text: 'x' } },
      { key: 'any[].z[]', range: { gt: 1 } },
      { key: 'unknown.z.y', match: { any: ['x'] } },
      { key: 'unknown[]', match: { value: true } },
      { key: 'object.z', range: { gt: '2020-01-01' } },
      { key: 'object', values_count: { gt: 1 } },
      { key: 'record.z.y', match: { value: 'x' } },
      { key: 'record.z[].y', match: { except: [1] } },
      { key: 'list[].z', match: { value: 'x' } },
      { key: 'either.deep', range: { gt: 1 } },
      { key: 'either[]', match: { value: 'x' } },
      { is_empty: { key: 'record.z' } },
      { nested: { key: 'list', filter: { must: { key: 'n', range: { gt: 1 } } } } },
      { nested: { key: 'any.z', filter: { must: { key: 'n', range: { gt: 1 } } } } },
    ],
  };
  const union: Filter<Event> = {
    must: [
      { key: 'kind', match: { any: ['click', 'key'] } },
      { key: 'x', range: { gt: 1 } },
      { key: 'code', match: { value: 'Enter' } },
      { key: 'at.page', match: { text: 'x' } },
      { key: 'at.field', match: { value: true } },
    ],
  };
  const events: Filter<{ events: Event[] }> = {
    must: [
      { key: 'events[].code', match: { value: 'x' } },
      { nested: { key: 'events', filter: { must: { key: 'x', range: { gt: 1 } } } } },
    ],
  };
  for (const filter of [typed, untyped, any, record, tree, loose, union, events]) parseFilter(filter);
});

// @ts-expect-error: no such key
export const misspelled: Filter<Film> = { must: { key: 'yaer', range: { gte: 1 } } };
// @ts-expect-error: another type
export const mistyped: Filter<Film> = { must: { key: 'year', match: { value: 'x' } } };
// @ts-expect-error: not one of the values
export const unknownValue: Filter<Film> = { must: { key: 'genre', match: { value: 'comedy' } } };
// @ts-expect-error: another type
export const mistypedBound: Filter<Film> = { must: { key: 'year', range: { gt: new Date() } } };
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
// @ts-expect-error: closed beside what is open
export const closed: Filter<Loose> = { must: { key: 'year.z', match: { value: 1 } } };
// @ts-expect-error: no member has it
export const noMember: Filter<Event> = { must: { key: 'y', range: { gt: 1 } } };
// @ts-expect-error: of another member's type
export const otherMember: Filter<Event> = { must: { key: 'code', match: { value: 1 } } };
const here = { center: { lon: 1, lat: 2 }, radius: 1 };
// @ts-expect-error: no place
export const noPlace: Filter<Film> = { must: { key: 'director', geo_radius: here } };
// @ts-expect-error: text is no place
export const textPlace: Filter<Film> = { must: { key: 'genre', geo_radius: here } };
// @ts-expect-error: numbers have no prefix
export const noPrefix: Filter<Film> = { must: { key: 'year', match: { prefix: '19' } } };
// @ts-expect-error: one of the two
export const twoAreas: Filter<Film> = { must: { key: 'place', geo_radius: here, range: {} } };
// @ts-expect-error: one of the two
export const twoTests: Filter<Film> = { must: { key: 'year', match: { value: 1 }, range: { gt: 1 } } };
// @ts-expect-error: one of the two
export const twoConditions: Filter<Film> = { must: { is_empty: { key: 'year' }, is_null: { key: 'year' } } };
// @ts-expect-error: one of the two
export const clauseBeside: Filter<Film> = { must: { has_id: [1], must: [] } };
// @ts-expect-error: one of the two
export const keyBeside: Filter = { must: { key: 'year', match: { value: 1 }, is_null: { key: 'year' } } };
// @ts-expect-error: one of the two
export const twoMatches: Filter<Film> = { must: { key: 'year', match: { value: 1, any: [1] } } };
