/** The meaning of filters, line by line, beside an oracle of their own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { compileFilter, valuesAt } from '#dist/query/filter/evaluate.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { parsePath } from '#dist/query/filter/path.js';
import { Random, SEED } from '../random.js';
import { type Json, randomFilter, randomPayload } from './generate.js';
import { oracleMatches, oracleValues } from './oracle.js';

const passes = (filter: Json, payload: Json, id: string | number | bigint = 1) => {
  const found = compileFilter(parseFilter(filter))(id, payload);
  // Whoever writes the expectations below wrote the oracle, too, but from another text.
  assert.equal(oracleMatches(filter, id, payload), found, `oracle of ${inspect(filter, { depth: null })}`);
  return found;
};

/** Which of the values of `a` pass; undefined: no key. */
function which(condition: object, values: readonly Json[]): Json[] {
  return values.filter((a) => passes({ must: { key: 'a', ...condition } }, a === undefined ? {} : { a }));
}

const all = [undefined, null, [], [null], 0, 1, 1.5, '', '1', 'x', true, false, [1, 'x'], [[1]], {}, { b: 1 }];
const some = { key: 'a', match: { value: 1 } };
const none = { has_id: [] };

describe('filters', () => {
  test('the result is must and should and min_should and must_not', () => {
    const yes = { has_id: [1] };
    for (const a of [yes, none]) {
      for (const b of [yes, none]) {
        for (const c of [yes, none]) {
          for (const d of [yes, none]) {
            const filter = { must: a, should: [b, none], min_should: { conditions: [c], min_count: 1 }, must_not: [d] };
            assert.equal(passes(filter, {}), a === yes && b === yes && c === yes && d === none);
          }
        }
      }
    }
  });

  test('a clause is one condition or an array; filters nest', () => {
    assert.ok(passes({ must: some }, { a: 1 }));
    assert.ok(passes({ must: [some] }, { a: 1 }));
    assert.ok(passes({ must: { should: [{ must_not: some }, { must: [some] }] } }, { a: 1 }));
    assert.ok(!passes({ must_not: { should: [{ must: some }] } }, { a: 1 }));
  });

  test('an absent or empty clause is true', () => {
    const empty: Json[] = [{}, { must: [] }, { should: [] }, { must_not: [] }, { must: null }, { should: undefined }];
    empty.push({ min_should: { conditions: [], min_count: 0 } }, { must: [{}] }, { should: [{ should: [] }] });
    for (const filter of [undefined, null, ...empty]) assert.ok(passes(filter, {}));
    for (const filter of empty) assert.ok(!passes({ must_not: [filter] }, {}));
  });

  test('match.value compares strings, booleans and integers by type and value', () => {
    assert.deepEqual(which({ match: { value: 1 } }, all), [1, [1, 'x']]);
    assert.deepEqual(which({ match: { value: '1' } }, all), ['1']);
    assert.deepEqual(which({ match: { value: '' } }, all), ['']);
    assert.deepEqual(which({ match: { value: true } }, all), [true]);
    assert.deepEqual(which({ match: { value: 0 } }, all), [0]);
    assert.deepEqual(which({ match: { value: 0 } }, [-0, false, '', null]), [-0]);
    assert.throws(() => parseFilter({ must: { key: 'a', match: { value: 1.5 } } }), { code: 'BAD_ARGUMENT' });
  });

  test('stored 1.0 is 1 and matches it, 1.5 matches nothing', () => {
    assert.deepEqual(which({ match: { any: [1, 2] } }, [JSON.parse('1.0'), 1.5]), [1]);
  });

  test('match.any is all strings or all integers; [] matches nothing', () => {
    assert.deepEqual(which({ match: { any: ['x', '1'] } }, all), ['1', 'x', [1, 'x']]);
    assert.deepEqual(which({ match: { any: [0, 1] } }, all), [0, 1, [1, 'x']]);
    assert.deepEqual(which({ match: { any: [] } }, all), []);
    for (const any of [[1, 'x'], ['x', 1], [1.5], [true], [null], 'x', { 0: 1, length: 1 }]) {
      assert.throws(() => parseFilter({ must: { key: 'a', match: { any } } }), { code: 'BAD_ARGUMENT' });
    }
  });

  test('match.except: some element is not null and not listed, whatever its type', () => {
    const anything = all.filter(
      (a) => a !== undefined && a !== null && !(Array.isArray(a) && !a.some((e) => e !== null)),
    );
    assert.deepEqual(which({ match: { except: [] } }, all), anything);
    assert.deepEqual(
      which({ match: { except: [1] } }, all),
      anything.filter((a) => a !== 1),
    );
    assert.deepEqual(
      which({ match: { except: ['x'] } }, all),
      anything.filter((a) => a !== 'x'),
    );
    assert.deepEqual(which({ match: { except: ['x', '1'] } }, [['x'], ['x', '1'], ['x', 2]]), [['x', 2]]);
  });

  test('match.text is a substring, case and all', () => {
    const texts = ['xyz', 'XYZ', ['a', 'bxyc'], 'y', '', '\u00e9', 'e\u0301', 1, null];
    assert.deepEqual(which({ match: { text: 'xy' } }, texts), ['xyz', ['a', 'bxyc']]);
    assert.deepEqual(which({ match: { text: '\u00e9' } }, texts), ['\u00e9']);
    assert.deepEqual(which({ match: { text: '' } }, texts), [
      'xyz',
      'XYZ',
      ['a', 'bxyc'],
      'y',
      '',
      '\u00e9',
      'e\u0301',
    ]);
  });

  test('phrase is a substring, text_any one of the words, prefix the beginning, case and all', () => {
    const texts = ['Hello World', 'hello world', ['x', 'say hello'], 'wor', '', 'w\u00a0x', 5, null, {}];
    assert.deepEqual(which({ match: { phrase: 'lo wo' } }, texts), ['hello world']);
    assert.deepEqual(which({ match: { phrase: 'world hello' } }, texts), []);
    assert.deepEqual(which({ match: { text_any: 'World hello' } }, texts), [
      'Hello World',
      'hello world',
      ['x', 'say hello'],
    ]);
    // White space of Unicode: \u0085 and \u00a0 are, \ufeff is not.
    assert.deepEqual(which({ match: { text_any: 'q\u0085wor\u00a0' } }, texts), ['hello world', 'wor']);
    assert.deepEqual(which({ match: { text_any: 'q\ufeffwor' } }, texts), []);
    for (const empty of ['', ' ', '\n\t']) assert.deepEqual(which({ match: { text_any: empty } }, texts), []);
    assert.deepEqual(which({ match: { prefix: 'hello' } }, texts), ['hello world']);
    assert.deepEqual(which({ match: { prefix: 'say' } }, texts), [['x', 'say hello']]);
    assert.deepEqual(which({ match: { prefix: '' } }, texts), texts.slice(0, 6));
  });

  test('places pass inside an area, not on its edge; what is no place never does', () => {
    const at = (lon: number, lat: number) => ({ lon, lat });
    const odd = [null, [], {}, at(1, 2).lon, [1, 1], { lon: '1', lat: 1 }, { lat: 1 }, [[at(1, 1)]], 'x'];
    const box = (west: number, north: number, east: number, south: number) => ({
      geo_bounding_box: { top_left: at(west, north), bottom_right: at(east, south) },
    });
    const [inside, edge, corner, off] = [at(1, 1), at(2, 1), at(2, 0), at(-1, 1)];
    const several = [[off, inside], { ...inside, name: 'x' }];
    const points = [inside, edge, corner, off, ...several, ...odd];
    const square = [at(0, 0), at(0, 2), at(2, 2), at(2, 0), at(0, 0)];
    const polygon = (...rings: { lon: number; lat: number }[][]) => ({
      geo_polygon: { exterior: { points: rings[0] }, interiors: rings.slice(1).map((ring) => ({ points: ring })) },
    });
    assert.deepEqual(which(box(0, 2, 2, 0), points), [inside, ...several]);
    assert.deepEqual(which(box(0, 0, 2, 2), points), []);
    assert.deepEqual(which(polygon(square), points), [inside, ...several]);
    // A hole, and one whose edge it is on.
    const hole = square.map(({ lon, lat }) => at(lon / 2, lat / 2));
    assert.deepEqual(which(polygon(square, hole), points), []);
    assert.deepEqual(
      which(
        polygon(
          square,
          hole.map(({ lon, lat }) => at(lon + 1, lat)),
        ),
        [inside, at(0.5, 1)],
      ),
      [at(0.5, 1)],
    );
    // Lines that cross: what is wound around twice is inside, too.
    const star = [0, 2, 4, 1, 3, 0].map((i) => at(10 * Math.cos(i * 1.2566), 10 * Math.sin(i * 1.2566)));
    assert.deepEqual(which(polygon(star), [at(0, 0), at(9.9, 0), at(-9, 0)]), [at(0, 0), at(9.9, 0)]);
    // On a line that doubles cannot say exactly, and beside it.
    const thin = [at(0, 0), at(0.3, 0.1), at(90, 30), at(0, 0)];
    assert.deepEqual(which(polygon(thin), [at(0.3, 0.1), at(45, 15), at(30, 10)]), []);
    // Over the 180th meridian.
    assert.deepEqual(which(box(170, 10, -170, -10), [at(175, 0), at(-175, 0), at(180, 0), at(170, 0), off]), [
      at(175, 0),
      at(-175, 0),
      at(180, 0),
    ]);
    const circle = (lon: number, lat: number, radius: number) => ({ geo_radius: { center: at(lon, lat), radius } });
    assert.deepEqual(which(circle(0, 0, 555_975), [at(5, 0), at(4.99, 0), at(0, -4.99)]), [at(4.99, 0), at(0, -4.99)]);
    assert.deepEqual(which(circle(0, 0, 555_976), [at(5, 0), at(-5, 0), at(0, 5), at(5, 5)]), [
      at(5, 0),
      at(-5, 0),
      at(0, 5),
    ]);
    assert.deepEqual(which(circle(180, 0, 1000), [at(-180, 0), at(180, 0), at(0, 0)]), [at(-180, 0), at(180, 0)]);
    assert.deepEqual(which(circle(1, 1, 0), [inside]), []);
    assert.deepEqual(which(circle(0, 90, 1.1e6), [at(77, 81), at(0, 80)]), [at(77, 81)]);
  });

  test('numbers without an end, and NaN, are no degrees of a place', () => {
    const [endless, nan, huge] = [Number.POSITIVE_INFINITY, Number.NaN, 10n ** 400n];
    const points = [
      ...[endless, -endless, nan, huge, -huge].flatMap((odd) => [
        { lon: odd, lat: 1 },
        { lon: 1, lat: odd },
        { lon: odd, lat: odd },
      ]),
      ...[Number.MAX_VALUE, -Number.MAX_VALUE].map((lon) => ({ lon, lat: 1 })),
    ];
    const ring = [
      [0, 0],
      [0, 2],
      [2, 2],
      [2, 0],
      [0, 0],
    ].map(([lon, lat]) => ({ lon: lon!, lat: lat! }));
    const box = { top_left: { lon: 170, lat: 10 }, bottom_right: { lon: -170, lat: -10 } };
    for (const area of [
      { geo_polygon: { exterior: { points: ring } } },
      { geo_radius: { center: { lon: 0, lat: 0 }, radius: 3e7 } },
      { geo_bounding_box: box },
    ]) {
      const test = compileFilter(parseFilter({ must: { key: 'a', ...area } }));
      const found = points.filter((a) => test(1, { a }));
      assert.ok(
        found.every(({ lon, lat }) => Number.isFinite(lon) && Number.isFinite(lat)),
        inspect([area, found]),
      );
    }
  });

  test('slices share out all ids, as Qdrant does', () => {
    const ids = [
      ...Array(20).keys(),
      2n ** 53n + 1n,
      2n ** 64n - 1n,
      '12345678-1234-4678-9234-567812345678',
      'film',
      '',
      '🎬',
    ];
    const inSlice = (total: number, index: number) =>
      ids.filter((id) => passes({ must: { slice: { total, index } } }, {}, id));
    // As Qdrant's engine (qdrant-edge 0.8.0) answered.
    const first = [1, 3, 4, 5, 7, 9, 10, 12, 14, 19, 2n ** 64n - 1n, '12345678-1234-4678-9234-567812345678'];
    assert.deepEqual(
      inSlice(2, 0).filter((id) => typeof id !== 'string' || id.length > 30),
      first,
    );
    assert.deepEqual(
      inSlice(3, 0).filter((id) => typeof id === 'number'),
      [5, 8, 9, 11],
    );
    for (const total of [1, 2, 3, 7]) {
      const slices = Array.from({ length: total }, (_, index) => inSlice(total, index));
      assert.deepEqual(new Set(slices.flat()), new Set(ids));
      assert.equal(slices.flat().length, ids.length);
    }
    assert.deepEqual(
      inSlice(4, 2),
      inSlice(2, 0).filter((id) => inSlice(4, 2).includes(id)),
    );
    // In any spelling of the same id.
    const test = compileFilter(parseFilter({ must: { slice: { total: 1000, index: 8 } } }));
    const same = (...spellings: (string | number | bigint)[]) =>
      new Set(spellings.map((id) => test(id, {}))).size === 1;
    assert.ok(same('12345678-1234-4678-9234-567812345678', '12345678123446789234567812345678'));
    for (let id = 0; id < 5000; id++) assert.ok(same(id, BigInt(id), String(id)), String(id));
    assert.ok(Array.from({ length: 5000 }, (_, id) => id).some((id) => test(id, {})));
    // No point is inside nested.
    const nested = (filter: object) => ({ must: { nested: { key: 'a', filter } } });
    assert.ok(!passes(nested({ must: { slice: { total: 1, index: 0 } } }), { a: [{}] }));
    assert.ok(passes(nested({ must_not: { slice: { total: 1, index: 0 } } }), { a: [{}] }));
  });

  test('of an array one element suffices, for except and range too; [] and [null] match neither match nor range', () => {
    const arrays = [[], [null], [1, 5], [null, 5], ['x']];
    assert.deepEqual(which({ match: { value: 5 } }, arrays), [
      [1, 5],
      [null, 5],
    ]);
    assert.deepEqual(which({ match: { except: [5] } }, arrays), [[1, 5], ['x']]);
    assert.deepEqual(which({ range: { gt: 4 } }, arrays), [
      [1, 5],
      [null, 5],
    ]);
    // An interval is of one element: no two may share it.
    assert.deepEqual(which({ range: { gt: 2, lt: 4 } }, [[1, 5], [3]]), [[3]]);
  });

  test('range is for numbers only; {} takes any number', () => {
    const numbers = [0, 1, 1.5, [1, 'x']];
    assert.deepEqual(which({ range: {} }, all), numbers);
    assert.deepEqual(which({ range: { gt: null } }, all), numbers);
    assert.deepEqual(which({ range: { gte: 1, lt: 1.5 } }, all), [1, [1, 'x']]);
    assert.deepEqual(which({ range: { gt: 0, lte: 1.5 } }, all), [1, 1.5, [1, 'x']]);
  });

  test('string bounds are dates compared in UTC, with offsets and without a time', () => {
    const same = ['2020-01-01', '2020-01-01T00:00:00Z', '2020-01-01 00:00:00', '2019-12-31T19:00:00-05:00'];
    const other = ['2019-12-31T23:59:59.999999Z', '2020-01-01T00:00:00.000001Z', '2020-02-30', 'x', 1577836800];
    for (const bound of same) {
      assert.deepEqual(which({ range: { gte: bound, lte: bound } }, [...same, ...other]), same);
      assert.deepEqual(which({ range: { gt: bound } }, [...same, ...other]), [other[1]]);
      assert.deepEqual(which({ range: { lt: bound } }, [...same, ...other]), [other[0]]);
    }
  });

  test('of a missing key match and range are false, is_empty true, is_null false; must_not keeps such points', () => {
    const tests = [{ match: { value: 1 } }, { match: { except: [] } }, { match: { text: '' } }, { range: {} }];
    for (const one of [...tests, { values_count: { gt: 0 } }, { values_count: { gte: 1, lt: 3 } }]) {
      assert.ok(!passes({ must: { key: 'a', ...one } }, {}));
      assert.ok(passes({ must_not: { key: 'a', ...one } }, {}));
    }
    assert.ok(passes({ must: { is_empty: { key: 'a' } } }, {}));
    assert.ok(!passes({ must: { is_null: { key: 'a' } } }, {}));
    for (const payload of [undefined, null, 'x', [1]]) assert.ok(!passes({ must: some }, payload));
  });

  test('values_count of a missing key is 0', () => {
    for (const values_count of [{ lt: 1 }, {}, { lte: 0 }, { gte: 0, lt: 5 }, { gt: null }]) {
      for (const payload of [{}, undefined, { a: [{}] }]) {
        const key = payload?.a ? 'a[].x' : 'a';
        assert.ok(passes({ must: { key, values_count } }, payload));
        assert.ok(!passes({ must_not: { key, values_count } }, payload));
      }
    }
    // Where one element has the key, that one counts.
    assert.ok(!passes({ must: { key: 'a[].x', values_count: { lt: 1 } } }, { a: [{}, { x: [1, 2] }] }));
    for (const values_count of [{ lt: 0 }, { gt: 0 }, { gte: 1 }]) {
      assert.ok(!passes({ must: { key: 'a', values_count } }, {}));
    }
  });

  test('values_count: null and [] count 0, [null] and any scalar 1', () => {
    assert.deepEqual(which({ values_count: { lt: 1 } }, all), [undefined, null, []]);
    assert.deepEqual(which({ values_count: { gt: 0, lte: 1 } }, [[null], 1, '', false, {}, [1, 2]]), [
      [null],
      1,
      '',
      false,
      {},
    ]);
    assert.deepEqual(which({ values_count: { gte: 2 } }, all), [[1, 'x']]);
  });

  test('is_empty: missing, null and []; not [null]', () => {
    assert.deepEqual(
      all.filter((a) => passes({ must: { is_empty: { key: 'a' } } }, a === undefined ? {} : { a })),
      [undefined, null, []],
    );
  });

  test('is_null: exactly null; not [null]', () => {
    assert.deepEqual(
      all.filter((a) => passes({ must: { is_null: { key: 'a' } } }, a === undefined ? {} : { a })),
      [null],
    );
  });

  test('a[].x flattens, a.x does not enter an array', () => {
    const rows = { a: [{ x: 1 }, { x: [2, 3] }, 4, null], b: { x: 5 } };
    for (const x of [1, 2, 3]) assert.ok(passes({ must: { key: 'a[].x', match: { value: x } } }, rows));
    assert.ok(!passes({ must: { key: 'a.x', match: { value: 1 } } }, rows));
    assert.ok(passes({ must: { key: 'b.x', match: { value: 5 } } }, rows));
    assert.ok(!passes({ must: { key: 'b[].x', match: { value: 5 } } }, rows));
    // Each value counts for itself.
    assert.ok(!passes({ must: { key: 'a[].x', values_count: { gt: 2 } } }, rows));
    assert.ok(passes({ must: { key: '"p.q"."r s"', match: { value: 1 } } }, { 'p.q': { 'r s': 1 } }));
  });

  test('nested demands that one element satisfies everything', () => {
    const filter = {
      must: [
        { key: 'x', match: { value: 1 } },
        { key: 'y', match: { value: 2 } },
      ],
    };
    const split = { a: [{ x: 1 }, { y: 2 }] };
    const whole = { a: [{}, { x: 1, y: 2 }] };
    for (const key of ['a', 'a[]']) {
      assert.ok(!passes({ must: { nested: { key, filter } } }, split));
      assert.ok(passes({ must: { nested: { key, filter } } }, whole));
      assert.ok(!passes({ must: { nested: { key, filter } } }, { a: { x: 1, y: 2 } }));
    }
    assert.ok(passes({ must: { nested: { key: 'a', filter: { must_not: filter } } } }, whole));
    assert.ok(!passes({ must: { nested: { key: 'a', filter: {} } } }, { a: [1, null, []] }));
    const inner = { nested: { key: 'rows', filter } };
    assert.ok(passes({ must: { nested: { key: 'a', filter: { must: inner } } } }, { a: [{ rows: whole.a }] }));
  });

  test('has_id knows no point inside nested', () => {
    const nested = (filter: object) => ({ must: { nested: { key: 'a', filter } } });
    assert.ok(!passes(nested({ must: { has_id: [1] } }), { a: [{}] }));
    assert.ok(passes(nested({ must_not: { has_id: [1] } }), { a: [{}] }));
  });

  test('has_id ignores unknown ids, and compares by kind', () => {
    const filter = { must: { has_id: [1, '2', 3n, 2n ** 64n, '00000000-0000-4000-8000-000000000000'] } };
    for (const id of [1, 1n, '2', 3, 3n, 2n ** 64n, '00000000-0000-4000-8000-000000000000']) {
      assert.ok(passes(filter, {}, id), String(id));
    }
    for (const id of ['1', 2, 2n, '3', 4]) assert.ok(!passes(filter, {}, id), String(id));
  });

  test('min_should demands min_count of its conditions; 0 is true', () => {
    const conditions = ['a', 'b', 'c'].map((key) => ({ is_null: { key } }));
    for (const payload of [{}, { a: null }, { a: null, c: null }, { a: null, b: null, c: null }]) {
      for (const count of [0, 1, 2, 3, 4]) {
        const found = passes({ min_should: { conditions, min_count: count } }, payload);
        assert.equal(found, Object.keys(payload).length >= count);
      }
    }
  });

  test('min_should of no conditions passes nothing, but for a count of 0', () => {
    for (const [min_count, pass] of [
      [0, true],
      [1, false],
      [3, false],
    ] as const) {
      const filter = { min_should: { conditions: [], min_count } };
      assert.equal(passes(filter, {}), pass);
      assert.equal(passes({ must_not: [filter] }, {}), !pass);
    }
  });

  test('empty clauses are true, but inside nested one that holds is looked for', () => {
    const none = (count: number) => ({ min_should: { conditions: [], min_count: count } });
    const cases: [Json, boolean][] = [
      [{ must: [] }, true],
      [{ must_not: [] }, true],
      [{ should: null }, true],
      [{ should: [] }, false],
      [none(0), true],
    ];
    for (const [filter, inside] of cases) {
      assert.ok(passes(filter, {}));
      assert.ok(passes({ must: [{ should: filter }] }, {}));
      assert.equal(passes({ must: { nested: { key: 'a', filter } } }, { a: [{}] }), inside);
      assert.equal(passes({ must: { nested: { key: 'a', filter: { must: [filter] } } } }, { a: [{}] }), inside);
    }
  });

  test('bigints are integers, Dates are dates, as embedded payloads have them', () => {
    const test = (filter: Json, a: unknown) => compileFilter(parseFilter({ must: { key: 'a', ...filter } }))(1, { a });
    assert.ok(test({ match: { value: 5 } }, 5n) && test({ match: { any: [4, 5] } }, [5n]));
    assert.ok(test({ match: { value: 5n } }, 5) && test({ range: { gt: 4, lt: 6 } }, 5n));
    assert.ok(!test({ match: { value: 2 ** 53 - 1 } }, 2n ** 53n) && test({ match: { except: [5] } }, 2n ** 60n));
    assert.ok(test({ range: { gte: '2020-01-01', lt: '2020-01-02' } }, new Date('2020-01-01T12:00:00Z')));
    assert.ok(!test({ range: { gte: '2020-01-01' } }, new Date(Number.NaN)));
  });

  test('values at a path are those that conditions see', () => {
    const random = new Random(SEED);
    for (let i = 0; i < 300; i++) {
      const payload = randomPayload(random);
      for (const path of ['n', 'list', 'rows[].n', 'deep.rows[].list', 'list[]', '__proto__', '"a.b"']) {
        const leaves = oracleValues(payload, path).flat();
        assert.deepEqual(valuesAt(payload, parsePath(path, 'path')), leaves);
      }
    }
  });

  test('20,000 random filters over random payloads agree with the oracle', () => {
    const random = new Random(SEED);
    const payloads = Array.from({ length: 200 }, () => randomPayload(random));
    const ids = payloads.map((_, i) => (i % 3 === 0 ? String(i) : i));
    let passed = 0;
    for (let i = 0; i < 20_000; i++) {
      const filter = randomFilter(random, { ids });
      const test = compileFilter(parseFilter(filter));
      for (let j = 0; j < 2; j++) {
        const at = random.int(0, payloads.length - 1);
        const found = test(ids[at]!, payloads[at]);
        passed += Number(found);
        assert.equal(found, oracleMatches(filter, ids[at]!, payloads[at]), `${JSON.stringify(filter)} of ${at}`);
      }
    }
    assert.ok(passed > 8_000 && passed < 32_000, `${passed} passed, which tests little`);
  });
});
