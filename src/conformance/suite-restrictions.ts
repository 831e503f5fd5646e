/** Filters restrict every call that takes them, and mode 'exact' is what the source promises. */

import assert from 'node:assert/strict';
import { parseFilter } from '../query/filter/parse.js';
import type { Restriction, Source } from '../query/source/source.js';
import type { Row } from './backend.js';
import { COUNT } from './data.js';
import type { FeatureName } from './feature-names.js';
import { rowOf } from './scan-oracle.js';
import type { SuiteTools } from './suite-tools.js';

/** Filters of a request, each behind the feature that a source may refuse. */
const CONDITIONS: [FeatureName, object, (row: Row) => boolean][] = [
  ['filter: range of numbers', { must: [{ key: 'n', range: { gte: 3, lt: 41 } }] }, ({ n }) => n >= 3 && n < 41],
  [
    'filter: match value, any and except of strings, integers and booleans',
    { must: [{ key: 'even', match: { value: false } }] },
    ({ even }) => !even,
  ],
];

/** A call under a restriction: the numbers of its rows, or how many they are. */
type Call = (source: Source, restriction: Restriction) => Promise<number[] | number>;

export function restrictionTests(tools: SuiteTools): void {
  const { backend, it, where, withFilters, shared, open, query, supports, filters } = tools;
  const { refuses = {} } = supports;
  const condition = CONDITIONS.find(([name]) => refuses[name] === undefined);
  const exactRefused = refuses["mode 'exact'"] !== undefined;
  const numbers = async (ids: ArrayLike<string | number | bigint>) => {
    const spec = await shared('cosine');
    return Array.from(ids, (id) => rowOf(spec, id, backend).n).sort((a, b) => a - b);
  };
  const found = async (source: Source, restriction: Restriction, mode?: 'exact') => {
    const request = { vector: query(), candidates: COUNT, vectors: false, ...restriction };
    const { candidates } = await source.head(mode ? { ...request, mode } : request);
    return numbers(candidates.ids!);
  };
  const calls: [string, Call][] = [
    ['head()', (source, restriction) => found(source, restriction)],
    ...(exactRefused ? [] : [["head() in mode 'exact'", (...args) => found(...args, 'exact')] as [string, Call]]),
    [
      'full()',
      async (source, restriction) =>
        numbers((await source.full({ vector: query(), limit: COUNT, ...restriction })).ids),
    ],
    ['count()', async (source, restriction) => (source.count ? source.count(restriction) : Number.NaN)],
  ];

  /** The call's rows are those of the collection that pass. */
  const restricts = async (
    call: Call,
    name: string,
    restriction: Restriction,
    keep: (row: Row) => boolean,
    standing?: unknown,
  ) => {
    const spec = await shared('cosine');
    const source = open(spec, standing === undefined ? {} : { nativeFilter: standing });
    if (name === 'count()' && !source.count) return;
    const ns = spec.rows.filter(keep).map(({ n }) => n);
    assert.ok(ns.length > 0 && ns.length < COUNT, `${ns.length} rows pass: the case proves nothing`);
    assert.deepEqual(await call(source, restriction), name === 'count()' ? ns.length : ns);
  };

  for (const [name, call] of calls) {
    where(condition, 'filter of a request that it takes')(`${name} obeys the filter of the request`, async () => {
      const [, json, keep] = condition!;
      await restricts(call, name, { filter: parseFilter(json) }, keep);
    });

    withFilters(`${name} obeys native filters, of the request and of the source, beside each other`, async () => {
      const { even, small } = filters!;
      await restricts(call, name, { nativeFilter: even }, (row) => row.even);
      await restricts(call, name, {}, ({ n }) => n < 10, small);
      await restricts(call, name, { nativeFilter: even }, (row) => row.even && row.n < 10, small);
      if (!condition) return;
      const [, json, keep] = condition;
      await restricts(
        call,
        name,
        { filter: parseFilter(json), nativeFilter: even },
        (row) => keep(row) && row.n < 10 && row.even,
        small,
      );
    });
  }

  withFilters('a native filter of a type that is none is refused by a FunnelError', async () => {
    const spec = await shared('cosine');
    const source = open(spec);
    const taken = new Set(Object.values(filters!).map((filter) => typeof filter));
    const wrong = [42, true, 'no filter {'].filter((value) => !taken.has(typeof value));
    for (const nativeFilter of wrong) {
      for (const [name, call] of calls) {
        if (name === 'count()' && !source.count) continue;
        await assert.rejects(
          async () => call(source, { nativeFilter }),
          { name: 'FunnelError' },
          `${name}, ${nativeFilter}`,
        );
      }
    }
  });

  it("certifies says whether mode 'exact' is certified", async () => {
    const { certifies = false } = open(await shared('cosine'));
    assert.equal(certifies, supports.exact === 'certified');
  });
}
