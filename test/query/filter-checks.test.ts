/** Filters are refused with the place of the fault; they have limits; and no prototype is ever looked at. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, parseFilter } from '#dist/query/filter/parse.js';
import { parsePath } from '#dist/query/filter/path.js';
import type { Json } from './generate.js';

const passes = (filter: Json, payload: Json) => compileFilter(parseFilter(filter))(1, payload);
const some = { key: 'a', match: { value: 1 } };
const none = { has_id: [] };

describe('filters are refused', () => {
  const refused = (filter: unknown, message: RegExp, code = 'BAD_ARGUMENT') =>
    assert.throws(() => parseFilter(filter), { name: 'FunnelError', code, message });

  test('naming the place', () => {
    const at = (condition: unknown) => ({ must: [some, some, condition] });
    refused(at({ key: 'a', match: { value: 1.5 } }), /filter\.must\[2\]\.match\.value .*1\.5/);
    refused(
      at({ key: 'a', match: { any: [1, 2, 'x'] } }),
      /all strings or all integers.*filter\.must\[2\]\.match\.any\[2\]/,
    );
    refused(at({ key: 'a', match: { any: [2 ** 53] } }), /2\^53.*filter\.must\[2\]\.match\.any\[0\]/);
    refused(at({ key: 'a', match: { text: 1 } }), /a string.*filter\.must\[2\]\.match\.text/);
    refused(at({ key: 'a', match: {} }), /exactly one of value, any, except, text.*filter\.must\[2\]\.match.*none/);
    refused(at({ key: 'a', match: { value: 1, any: [] } }), /exactly one.*value, any/);
    refused(at({ key: 'a', range: { gt: Number.NaN } }), /finite.*filter\.must\[2\]\.range\.gt.*NaN/);
    refused(at({ key: 'a', range: { gt: 'yesterday' } }), /a date.*filter\.must\[2\]\.range\.gt.*yesterday/);
    refused(at({ key: 'a', range: { gte: '1980' } }), /Expected a number, or a date such as .*range\.gte but received/);
    refused(at({ key: 'a', range: { gt: '2020-01-01', lt: 1 } }), /a date.*filter\.must\[2\]\.range\.lt/);
    refused(at({ key: 'a', values_count: { gt: -1 } }), /filter\.must\[2\]\.values_count\.gt/);
    refused(at({ key: 'a' }), /exactly one of match, range, values_count, .*filter\.must\[2\]/);
    refused(
      at({ key: 'a', match: { value: 1 }, range: {} }),
      /exactly one of match, range, values_count, .*match, range/,
    );
    refused(at({ key: 'a[0]', match: { value: 1 } }), /without positions.*filter\.must\[2\]\.key/);
    refused(at({ is_null: 'a' }), /an object.*filter\.must\[2\]\.is_null/);
    refused(at({ is_null: { key: 1 } }), /a path.*filter\.must\[2\]\.is_null\.key/);
    refused(at({ has_id: [1, 1.5] }), /filter\.must\[2\]\.has_id\[1\]/, 'BAD_ID');
    refused(at({ has_id: 1 }), /an array.*filter\.must\[2\]\.has_id/);
    refused(at({ nested: { key: 'a' } }), /a filter.*filter\.must\[2\]\.nested\.filter/);
    refused(at({ nested: { key: 'a', filter: { must: { key: 'b' } } } }), /filter\.must\[2\]\.nested\.filter\.must /);
    refused({ min_should: { conditions: {}, min_count: 1 } }, /an array.*filter\.min_should\.conditions/);
    refused({ min_should: { conditions: [], min_count: 0.5 } }, /filter\.min_should\.min_count/);
    refused(at('a > 1'), /an object.*filter\.must\[2\]/);
    refused([some], /an object.*filter/);
    assert.throws(() => parseFilter({ must: 1 }, 'requests[3].filter'), /requests\[3\]\.filter\.must/);
  });

  test('with keys that nobody knows, naming the right spelling', () => {
    refused({ mustNot: [] }, /must_not in filter but received key "mustNot"/);
    refused({ must: { isEmpty: { key: 'a' } } }, /is_empty in filter\.must but received key "isEmpty"/);
    refused({ must: { key: 'a', valuesCount: {} } }, /values_count/);
    refused({ min_should: { conditions: [], minCount: 1 } }, /min_count.*"minCount"/);
    refused({ musst: [] }, /one of must, should, must_not, min_should.*"musst"/);
    refused({ must: { key: 'a', range: { from: 1 } } }, /one of gt, gte, lt, lte.*"from"/);
    refused({ must: { has_id: [1], is_null: { key: 'a' } } }, /one condition.*has_id, is_null/);
    refused({ must: { key: 'a', match: { value: 1 }, must: [] } }, /one condition/);
    refused({ must: { has_vector: 'image' } }, /has_vector.*nativeFilter/, 'UNSUPPORTED');
    refused({ must: { key: 'a', match: { substring: 'x' } } }, /substring.*nativeFilter/, 'UNSUPPORTED');
    refused({ must: { key: 'a', match: { textAny: 'x' } } }, /text_any.*"textAny"/);
    refused({ must: { key: 'a', geoRadius: {} } }, /geo_radius.*"geoRadius"/);
  });

  test('with areas and slices that are none', () => {
    const area = (area: Json) => ({ must: [{ key: 'a', ...area }] });
    const at = { lon: 1, lat: 2 };
    const ring = (...lons: number[]) => ({ points: lons.map((lon) => ({ lon, lat: lon * lon })) });
    refused(
      area({ geo_radius: { center: at, radius: -1 } }),
      /metres, 0 or more, .*filter\.must\[0\]\.geo_radius\.radius/,
    );
    refused(area({ geo_radius: { center: at, radius: 1e39 } }), /metres.*1e\+39/);
    refused(area({ geo_radius: { center: [1, 2], radius: 1 } }), /an object.*geo_radius\.center/);
    refused(area({ geo_radius: { centre: at, radius: 1 } }), /one of center, radius.*"centre"/);
    refused(area({ geo_bounding_box: { top_left: at } }), /an object.*geo_bounding_box\.bottom_right/);
    refused(
      area({ geo_bounding_box: { top_left: at, bottom_right: { lon: 1n, lat: 0 } } }),
      /degrees.*bottom_right\.lon/,
    );
    refused(
      area({ geo_bounding_box: { top_left: { lon: 0, lat: 90.1 }, bottom_right: at } }),
      /−90 to 90.*top_left\.lat/,
    );
    refused(area({ geo_polygon: { exterior: ring(0, 1, 0) } }), /at least 4 points.*geo_polygon\.exterior/);
    refused(area({ geo_polygon: { exterior: ring(0, 1, 2, 3) } }), /the first one again/);
    refused(
      area({ geo_polygon: { exterior: ring(0, 1, 2, 0), interiors: [ring(0, 1, 2, 0), ring(1)] } }),
      /geo_polygon\.interiors\[1\]/,
    );
    refused(area({ geo_polygon: { exterior: { points: Array(1_000_001) } } }), /1000000 values/);
    refused(area({ geo_radius: { center: at, radius: 1 }, range: {} }), /exactly one of .*geo_radius/);
    const slice = (slice: Json) => ({ must: [{ slice }] });
    refused(slice({ total: 0, index: 0 }), /in 1\.\.4294967295.*filter\.must\[0\]\.slice\.total/);
    refused(slice({ total: 4, index: 4 }), /in 0\.\.3.*slice\.index/);
    refused(slice({ total: 2 ** 32, index: 0 }), /slice\.total/);
    refused(slice({ total: 4 }), /slice\.index/);
    refused({ must: [{ slice: { total: 4, index: 1 }, has_id: [1] }] }, /one condition/);
  });

  test('with text that is half a character', () => {
    refused({ must: { key: 'a', match: { value: 'x\ud800' } } }, /well-formed.*filter\.must\.match\.value/);
    refused({ must: { key: 'a', match: { text: '\udc00' } } }, /well-formed/);
    refused({ must: { key: '\udc00', match: { text: 'x' } } }, /well-formed/);
    refused({ must: { key: 'a', match: { prefix: '\ud83d' } } }, /well-formed.*match\.prefix/);
    refused({ must: { has_id: ['\ud800'] } }, /well-formed/);
  });
});

describe('filters have limits', () => {
  const deep = (levels: number) => {
    let filter: Json = { must: some };
    for (let i = 1; i < levels; i++) {
      filter = i % 2 ? { must: [filter] } : { must_not: { nested: { key: 'a', filter } } };
    }
    return filter;
  };

  test('of depth', () => {
    compileFilter(parseFilter(deep(MAX_DEPTH)))(1, { a: [] });
    for (const levels of [MAX_DEPTH + 1, 100_000]) {
      assert.throws(() => parseFilter(deep(levels)), { code: 'BAD_ARGUMENT', message: /64 deep/ });
    }
  });

  test('of conditions and of values', () => {
    const conditions = Array.from({ length: MAX_CONDITIONS }, () => some);
    assert.ok(compileFilter(parseFilter({ should: conditions }))(1, { a: 1 }));
    assert.throws(() => parseFilter({ should: conditions, must: some }), /65536 conditions/);
    const values = Array.from({ length: MAX_VALUES }, (_, i) => i);
    assert.ok(compileFilter(parseFilter({ must: { has_id: values } }))(MAX_VALUES - 1, {}));
    const more = { must: [{ has_id: values }, { key: 'a', match: { any: [1] } }] };
    assert.throws(() => parseFilter(more), /1000000 values.*filter\.must\[1\]\.match\.any/);
    assert.throws(() => parseFilter({ must: { has_id: Array(2 ** 32 - 1) } }), /1000000 values/);
  });

  test('of shape: circles and what grows without end come to an end', () => {
    const circle: Json = { must: [some] };
    circle.must.push(circle);
    assert.throws(() => parseFilter(circle), /64 deep/);
    let doubled: Json = { must: [some] };
    for (let i = 0; i < 40; i++) doubled = { must: [doubled, doubled] };
    assert.throws(() => parseFilter(doubled), /65536 conditions/);
    const path = Array(65).fill('a').join('.');
    assert.throws(() => parseFilter({ must: { is_null: { key: path } } }), /at most 64 steps/);
    assert.throws(() => parseFilter({ must: { is_null: { key: 'a'.repeat(5000) } } }), /4096 characters/);
  });
});

describe('prototypes', () => {
  test('are never looked at: not of payloads', () => {
    const plain = { a: 1 };
    for (const key of [
      '__proto__',
      'constructor',
      'toString',
      'constructor.name',
      '__proto__.toString',
      'hasOwnProperty',
    ]) {
      assert.ok(passes({ must: { is_empty: { key } } }, plain), key);
      assert.ok(!passes({ must: { key, match: { except: [] } } }, plain), key);
    }
    const own = JSON.parse('{"__proto__": {"x": 1}, "constructor": [2], "hasOwnProperty": 3}');
    assert.ok(passes({ must: { key: '__proto__.x', match: { value: 1 } } }, own));
    assert.ok(passes({ must: { key: 'constructor', match: { value: 2 } } }, own));
    assert.ok(passes({ must: { key: 'hasOwnProperty', match: { value: 3 } } }, own));
    assert.ok(!passes({ must: { key: 'a.length', match: { value: 1 } } }, { a: [0] }));
    assert.ok(!passes({ must: { key: 'a.0', match: { value: 1 } } }, { a: [1] }));
  });

  test('are never looked at: not of filters', () => {
    const refused = (text: string) =>
      assert.throws(() => parseFilter(JSON.parse(text)), {
        code: 'BAD_ARGUMENT',
        message: /"__proto__"|"constructor"/,
      });
    refused('{"__proto__": {"must": []}}');
    refused('{"must": {"key": "a", "match": {"__proto__": 1}}}');
    refused('{"must": {"key": "a", "range": {"constructor": 1}}}');
    const inherited = Object.create({ must: none });
    assert.ok(compileFilter(parseFilter(inherited))(1, {}));
    assert.equal(({} as Json).must, undefined);
    const { prototype } = Object as unknown as { prototype: Json };
    prototype.must = none;
    prototype.value = 2;
    try {
      assert.ok(compileFilter(parseFilter({ should: { key: 'a', match: { any: [1] } } }))(1, { a: 1 }));
    } finally {
      delete prototype.must;
      delete prototype.value;
    }
  });

  test('a filter is read once', () => {
    let reads = 0;
    const match = {
      get value() {
        return ++reads === 1 ? 'x' : { toString: () => '" or true or "' };
      },
    };
    const node = parseFilter({ must: { key: 'a', match } });
    assert.deepEqual(node, { op: 'match', path: parsePath('a', ''), values: ['x'] });
    assert.equal(reads, 1);
  });
});
