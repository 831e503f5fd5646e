/** Integers beyond 2^53 and Dates in filters: what is sent to databases for them is exact, or refused by name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { nodeText } from '#dist/query/filter/conditions.js';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import type { MilvusFields } from '#dist/sources/milvus/fields.js';
import { toMilvusFilter } from '#dist/sources/milvus/filter.js';
import { toQdrantFilter, toQdrantGrpcFilter } from '#dist/sources/qdrant/filter.js';
import type { Json } from './generate.js';

const big = 2n ** 60n;
const field = (key: string, test: object) => ({ must: { key, ...test } });
const n = (test: object) => parseFilter(field('n', test));
const unsupported = (message: RegExp) => ({ name: 'FunnelError', code: 'UNSUPPORTED', message });

describe('a filter with integers beyond 2^53', () => {
  test('takes bigints wherever it takes numbers, and says of a number that it may be rounded', () => {
    for (const match of [{ value: 3n }, { any: [3n, big] }, { any: [big, 3] }, { except: [3, big] }]) n({ match });
    assert.deepEqual(n({ match: { any: [3n, 3] } }), n({ match: { any: [3, 3] } }));
    assert.deepEqual(n({ range: { gte: 3n, lt: big } }), n({ range: { gte: 3, lt: big } }));
    for (const value of [2 ** 53, 2 ** 60, -(2 ** 53), 1e300]) {
      const where = {
        code: 'BAD_ARGUMENT',
        message: /2\^53 − 1\), or a bigint where it is larger.* filter\.must\.match/,
      };
      assert.throws(() => n({ match: { value } }), where);
      assert.throws(() => n({ match: { any: [1, value] } }), where);
      n({ range: { gt: value } });
    }
    assert.throws(() => n({ match: { any: [1n, 'x'] } }), { code: 'BAD_ARGUMENT', message: /all strings or all int/ });
    assert.throws(() => n({ match: { any: ['x', 1n] } }), { code: 'BAD_ARGUMENT', message: /all strings or all int/ });
    for (const range of [{ gt: 1n, lt: '2020-01-01' }, { gt: true }]) {
      assert.throws(() => n({ range }), { code: 'BAD_ARGUMENT' });
    }
  });

  test('is another one for each of them, even where somebody taught bigints to be JSON', () => {
    const bigints = BigInt.prototype as { toJSON?: () => string };
    const filters = [
      ...[big, big + 1n, 2n ** 64n].flatMap((value) => [
        field('n', { match: { value } }),
        field('n', { match: { value: String(value) } }),
        field('n', { range: { gt: value } }),
        { must: { has_id: [value] } },
        { must: { has_id: [String(value)] } },
        { must_not: { nested: { key: 'a', filter: field('n', { match: { any: [1, value] } }) } } },
      ]),
      field('n', { range: { gt: 2 ** 60 } }),
    ];
    bigints.toJSON = function () {
      return String(this);
    };
    try {
      assert.equal(new Set(filters.map((filter) => nodeText(parseFilter(filter)))).size, filters.length);
    } finally {
      delete bigints.toJSON;
    }
  });

  test('goes to Qdrant as it is: to match over gRPC; over REST, and as a bound, it is refused', () => {
    assert.match(
      inspect(toQdrantGrpcFilter(n({ match: { value: big + 1n } })), { depth: null }),
      /1152921504606846977n/,
    );
    const any = inspect(toQdrantGrpcFilter(n({ match: { any: [3, big + 1n, -(2n ** 63n)] } })), { depth: null });
    assert.match(any, /integers: \[ 3n, 1152921504606846977n, -9223372036854775808n \]/);
    assert.match(inspect(toQdrantGrpcFilter(n({ match: { except: [big] } })), { depth: null }), /exceptIntegers/);
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n]) {
      for (const compile of [toQdrantGrpcFilter, toQdrantFilter]) {
        const message = new RegExp(`64 bits.* a filter on n but received ${value}n`);
        assert.throws(() => compile(n({ match: { value } })), unsupported(message));
      }
    }
    const rest = unsupported(
      /2\^53 − 1\) over REST \(use the gRPC client.* a filter on n but received 1152921504606846976n/,
    );
    for (const match of [{ value: big }, { any: [1, big] }, { except: [big, 1] }]) {
      assert.throws(() => toQdrantFilter(n({ match })), rest);
    }
    for (const compile of [toQdrantFilter, toQdrantGrpcFilter]) {
      for (const bound of ['gt', 'gte', 'lt', 'lte']) {
        const message = /bounds within ±\(2\^53 − 1\).*float64.* a filter on n but received 1152921504606846976n/;
        assert.throws(() => compile(n({ range: { [bound]: big } })), unsupported(message));
      }
    }
    // Integers that numbers hold are sent as before.
    assert.deepEqual(toQdrantFilter(n({ match: { value: 3n } })), { must: [{ key: 'n', match: { value: 3 } }] });
    assert.deepEqual(toQdrantFilter(n({ range: { gt: -3n, lt: 2 ** 60 } })), {
      must: [{ key: 'n', range: { gt: -3, lt: 2 ** 60 } }],
    });
  });

  test('is written out for Milvus, by the type of the field', () => {
    const fields: MilvusFields = {
      primaryKey: { name: 'id', text: false },
      fields: new Map([
        ['n', { type: 'Int64' }],
        ['tiny', { type: 'Int8' }],
        ['wide', { type: 'Double' }],
        ['share', { type: 'Float' }],
        ['counts', { type: 'Array', element: 'Int64' }],
        ['doc', { type: 'JSON' }],
      ]),
      dynamic: true,
      scalars: true,
    };
    const least = -(2n ** 63n);
    const number = '(exists doc["n"]) and not (doc["n"] like "%")';
    const said: [Json, string][] = [
      [field('n', { match: { value: big + 1n } }), 'n == 1152921504606846977'],
      [field('n', { match: { any: [1, big] } }), 'n in [1, 1152921504606846976]'],
      [field('n', { match: { value: 2n ** 63n } }), 'id in []'],
      [field('n', { match: { value: least } }), 'n < -9223372036854775807'],
      [field('n', { match: { any: [1, least] } }), 'n == 1 or n < -9223372036854775807'],
      [field('n', { range: { gte: big - 1n, lt: 2n ** 63n } }), 'n >= 1152921504606846975'],
      [field('n', { range: { gt: 2n ** 64n } }), 'id in []'],
      [field('n', { range: { gt: 2 ** 60 } }), 'n > 1152921504606846976'],
      [field('tiny', { range: { gt: -big } }), 'id not in []'],
      [field('tiny', { match: { value: big } }), 'id in []'],
      [field('wide', { match: { value: big } }), 'wide == 1152921504606846976.0'],
      [field('wide', { match: { value: big + 1n } }), 'id in []'],
      // The nearest double is below, or above.
      [field('wide', { range: { gt: big + 1n } }), 'wide > 1152921504606847000.0'],
      [field('wide', { range: { gte: big + 1n } }), 'wide > 1152921504606847000.0'],
      [field('wide', { range: { lt: big + 255n } }), 'wide < 1152921504606847200.0'],
      [field('wide', { range: { gte: big + 255n } }), 'wide >= 1152921504606847200.0'],
      [field('wide', { range: { gt: 2n ** 1100n } }), 'id in []'],
      [field('share', { range: { lte: 2n ** 53n + 1n } }), 'share <= 9007199254740992.0'],
      [field('counts', { match: { any: [big + 1n] } }), 'array_contains_any(counts, [1152921504606846977])'],
      [field('doc.n', { match: { value: big + 1n } }), '(exists doc["n"]) and doc["n"] == 1152921504606846977'],
      [field('doc.n', { range: { lt: 2 ** 60 } }), `${number} and doc["n"] < 1152921504606846976`],
      [field('doc.n', { range: { lt: 2 ** 63 } }), `${number} and doc["n"] < 9223372036854776000.0`],
      // Integers are compared exactly, doubles with the nearest double.
      [field('doc.n', { range: { gt: big + 1n } }), `${number} and doc["n"] > 1152921504606846977`],
      [field('doc.n', { range: { gte: big + 1n } }), `${number} and doc["n"] > 1152921504606846976`],
      [field('doc.n', { range: { lt: big + 1n } }), `${number} and doc["n"] <= 1152921504606846976`],
      [field('doc.n', { range: { lte: big + 1n } }), `${number} and doc["n"] <= 1152921504606846977`],
      [field('doc.n', { range: { gt: big + 255n } }), `${number} and doc["n"] >= 1152921504606847232`],
      [field('doc.n', { range: { lte: big + 255n } }), `${number} and doc["n"] < 1152921504606847232`],
      [field('doc.n', { range: { gt: 2n ** 63n - 1n } }), `${number} and doc["n"] > 9223372036854775807`],
      [field('doc.n', { range: { gte: least + 1n } }), `${number} and doc["n"] >= -9223372036854775807`],
    ];
    for (const [filter, expression] of said) {
      assert.equal(toMilvusFilter(parseFilter(filter), fields), expression, inspect(filter, { depth: null }));
    }
    for (const [filter, message] of [
      [
        field('doc.n', { match: { value: 2n ** 63n } }),
        /match of 9223372036854775808, which is beyond 64 bits,.* \("doc\.n"\)/,
      ],
      [field('doc.n', { match: { except: [least] } }), /match\.except of -9223372036854775808/],
      [field('doc.n', { range: { lt: 2n ** 64n } }), /a range that ends at 18446744073709551616/],
      [field('counts', { match: { any: [least] } }), /match of -9223372036854775808 in an array/],
    ] as [Json, RegExp][]) {
      assert.throws(() => toMilvusFilter(parseFilter(filter), fields), unsupported(message));
    }
  });
});

describe('a Date as a bound', () => {
  const from = new Date('2020-01-01T00:00:00.500Z');

  test('is the point in time that it is', () => {
    const passes = compileFilter(n({ range: { gte: from, lt: new Date('2021-01-01') } }));
    for (const time of [
      '2020-01-01T00:00:00.500Z',
      '2020-12-31T23:59:59.999999Z',
      '2020-01-01T02:00:00.5+02:00',
      from,
    ]) {
      assert.ok(passes(1, { n: time }), String(time));
    }
    for (const time of ['2020-01-01T00:00:00.499Z', '2021-01-01', new Date('2021-01-01'), 0, from.getTime(), 'x']) {
      assert.ok(!passes(1, { n: time }), String(time));
    }
    assert.deepEqual(
      n({ range: { gt: from, lt: '2021-01-01' } }),
      n({ range: { gt: from.toISOString(), lt: '2021-01-01' } }),
    );
    const far = [new Date(8.64e15), new Date(-8.64e15), new Date(Date.UTC(0, 0)), new Date('-000001-01-01T00:00:00Z')];
    for (const date of far) assert.ok(compileFilter(n({ range: { gte: date, lte: date } }))(1, { n: date }));
  });

  test('goes to Qdrant as its text, and is refused for Milvus as any date is', () => {
    const node = n({ range: { gte: from } });
    assert.deepEqual(toQdrantFilter(node), { must: [{ key: 'n', range: { gte: '2020-01-01T00:00:00.500Z' } }] });
    assert.match(
      inspect(toQdrantGrpcFilter(node), { depth: null }),
      /datetimeRange.*seconds: 1577836800n, nanos: 500000000/s,
    );
    const fields = { primaryKey: { name: 'id', text: false }, fields: new Map(), dynamic: true };
    assert.throws(() => toMilvusFilter(node, fields), unsupported(/a range of dates \("n"\)/));
  });

  test('that is none, or stands beside a number, is refused by name', () => {
    const refused = (range: object, message: RegExp) =>
      assert.throws(() => n({ range }), { name: 'FunnelError', code: 'BAD_ARGUMENT', message });
    refused({ gte: new Date(Number.NaN) }, /a valid Date for filter\.must\.range\.gte/);
    refused({ gte: from, lt: 5 }, /a date, since another bound is one, for filter\.must\.range\.lt but received 5/);
    refused({ gte: from, lt: 5n }, /a date, since another bound is one, for filter\.must\.range\.lt/);
    refused({ gt: new Proxy(from, {}) }, /a valid Date for filter\.must\.range\.gt/);
    refused({ gt: 1, lt: {} }, /a finite number or bigint, or dates .*filter\.must\.range\.lt/);
  });
});
