/** Which part of a payload a selection takes; that it is the engine's is shown in filter-qdrant.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkPayloadSelection, payloadSelection, selectPayload } from '#dist/query/payload.js';

const payload = {
  title: 'x',
  n: { x: 1, y: 2 },
  rows: [{ a: 1, b: 2 }, { b: 3 }, 4],
  list: [1, 2],
  none: null,
};

describe('payload selection', () => {
  test('true, false and undefined', () => {
    assert.equal(selectPayload(payload, true), payload);
    assert.equal(selectPayload(payload, false), undefined);
    assert.equal(selectPayload(payload, undefined), undefined);
  });

  test('a list includes, as { include } does; dotted keys and arr[].key work', () => {
    const included = [
      [['title', 'none'], { title: 'x', none: null }],
      [['n.x'], { n: { x: 1 } }],
      [['rows[].a'], { rows: [{ a: 1 }, {}, 4] }],
      [['rows.a', 'list.a'], { rows: [], list: [] }],
      [['n', 'n.x'], { n: { x: 1, y: 2 } }],
      [['title.x'], { title: 'x' }],
      [['missing', '"n.x"'], {}],
      [[], {}],
    ] as const;
    for (const [paths, part] of included) {
      assert.deepEqual(selectPayload(payload, paths), part);
      assert.deepEqual(selectPayload(payload, { include: paths }), part);
    }
  });

  test('{ exclude } leaves what is around: without n.y, n stays', () => {
    assert.deepEqual(selectPayload({ n: { y: 1 } }, { exclude: ['n.y'] }), { n: {} });
    assert.deepEqual(selectPayload(payload, { exclude: ['rows[].b', 'n.x', 'list[]', 'none'] }), {
      title: 'x',
      n: { y: 2 },
      rows: [{ a: 1 }, {}, 4],
      list: [],
    });
    assert.deepEqual(selectPayload(payload, { exclude: [] }), payload);
    assert.deepEqual(selectPayload(payload, { exclude: ['rows.b', 'title.x'] }), payload);
  });

  test('the payload stays as it is', () => {
    const before = structuredClone(payload);
    const take = payloadSelection({ exclude: ['n.x', 'rows[].a'] });
    const part = take(payload) as { n: object };
    assert.deepEqual(Object.assign(part.n, { z: 1 }), { y: 2, z: 1 });
    assert.deepEqual(payload, before);
  });

  test('"__proto__" and "constructor" are keys like any other', () => {
    const odd = JSON.parse('{"__proto__": {"a": 1, "b": 2}, "constructor": {"prototype": 3}, "x": 1}');
    for (const selector of [['__proto__.a', 'constructor'], { exclude: ['__proto__.b', 'x'] }]) {
      const part = selectPayload(odd, selector) as object;
      assert.equal(JSON.stringify(part), '{"__proto__":{"a":1},"constructor":{"prototype":3}}');
      assert.equal(Object.getPrototypeOf(part), Object.prototype);
    }
    assert.deepEqual(selectPayload({}, ['toString', '__proto__', 'constructor']), {});
    assert.equal(({} as { a?: unknown }).a, undefined);
  });

  test('dates and bytes of embedded payloads come whole', () => {
    const made = { at: new Date(5), bytes: Uint8Array.of(1, 2) };
    assert.deepEqual(selectPayload(made, ['at.x', 'bytes.0']), made);
    assert.deepEqual(selectPayload(made, { exclude: ['at.x', 'bytes.0'] }), made);
  });

  test('anything else is refused, naming the place', () => {
    const bad: [unknown, RegExp][] = [
      [null, /withPayload.*null/],
      ['title', /withPayload.*"title"/],
      [1, /withPayload/],
      [{}, /include or exclude in withPayload but received none/],
      [{ include: [], exclude: [] }, /include, exclude/],
      [{ includes: [] }, /includes/],
      [{ include: 'x' }, /an array of paths for withPayload\.include/],
      [['a', 1], /withPayload\[1\]/],
      [{ exclude: ['a', 'b[0]'] }, /withPayload\.exclude\[1\]/],
      [['a..b'], /withPayload\[0\]/],
    ];
    for (const [selector, message] of bad) {
      assert.throws(() => checkPayloadSelection(selector), { code: 'BAD_ARGUMENT', message });
    }
    assert.throws(() => checkPayloadSelection(1, 'withLookup.withPayload'), /withLookup\.withPayload/);
  });
});
