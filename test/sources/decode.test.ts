/** fromQdrant, fromMilvus and the byte readers on recorded shapes, against JSON.parse and the SDK's own decoder. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { funnel } from 'funnelvec';
import { fromMilvus, milvusSource } from 'funnelvec/milvus';
import { fromQdrant, qdrantSource } from 'funnelvec/qdrant';
import { random, randomVector } from '#dist/conformance/data.js';
import { rejects } from '#dist/conformance/failures.js';
import { packRows } from '#dist/core/pack.js';
import { liftFields, statusOf } from '#dist/sources/milvus/lift.js';
import { type Lift, liftVectors } from '#dist/sources/qdrant/json-lift.js';
import { WireReader } from '#dist/sources/wire.js';

type Failure = Error & { code: string };

function throws(body: () => unknown, code: string, message: RegExp): void {
  assert.throws(body, (error: Failure) => {
    assert.equal(error.name, 'FunnelError', String(error.stack));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const point = (id: unknown, vector: unknown, payload?: object | null) => ({
  id,
  version: 3,
  score: 0.5,
  payload,
  vector,
});

describe('packRows', () => {
  test('rounds as Math.fround and leaves every row where it belongs, at lengths on each side of the unrolling', () => {
    const next = random(1);
    for (const dim of [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100]) {
      const rows = Array.from({ length: 5 }, () => Array.from({ length: dim }, () => (next() - 0.5) * 1e3));
      assert.deepEqual(packRows(rows, dim), Float32Array.from(rows.flat()));
      assert.deepEqual(
        packRows(
          rows.map((row) => Float64Array.from(row)),
          dim,
        ),
        Float32Array.from(rows.flat()),
      );
      assert.deepEqual(
        packRows(
          rows.map((row) => Float32Array.from(row)),
          dim,
        ),
        Float32Array.from(rows.flat()),
      );
      // Whole numbers, and arrays with holes filled, are stored differently by the engine.
      const whole = rows.map((row) => row.map(Math.round));
      assert.deepEqual(packRows(whole, dim), Float32Array.from(whole.flat()));
    }
  });

  test('fills a matrix that it is given, and nothing behind it', () => {
    const into = new Float32Array(10).fill(9);
    const packed = packRows(
      [
        [1, 2],
        [3, 4],
      ],
      2,
      { into },
    );
    assert.equal(packed.buffer, into.buffer);
    assert.deepEqual([...into], [1, 2, 3, 4, 9, 9, 9, 9, 9, 9]);
  });

  test('names the row and the dim of whatever is no number', () => {
    for (const [value, said] of [
      [null, /null/],
      ['0.5', /"0.5" of type string/],
      [undefined, /undefined/],
      [true, /true of type boolean/],
      [[1], /an array of length 1/],
      [1n, /1n of type bigint/],
    ] as const) {
      for (const at of [0, 5, 15, 16, 20, 39]) {
        const row: unknown[] = Array.from({ length: 40 }, (_, i) => i / 3);
        row[at] = value;
        const rows = [new Array(40).fill(0.5), row] as number[][];
        throws(() => packRows(rows, 40), 'NOT_FINITE', new RegExp(`dim ${at} of row 1`));
        throws(() => packRows(rows, 40, { name: (i) => `point ${i}` }), 'NOT_FINITE', said);
      }
    }
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    throws(() => packRows([[1, , 3] as number[]], 3), 'NOT_FINITE', /dim 1 of row 0.*undefined/);
    throws(() => packRows([[1, 2], [1]], 2), 'BAD_DIMS', /2 dims for row 1/);
    throws(() => packRows([[1, 2], null as never], 2), 'BAD_DIMS', /2 dims for row 1 but received null/);
    throws(() => packRows(['ab' as never], 2), 'BAD_DIMS', /row 0/);
    throws(() => packRows([new BigInt64Array(2) as never], 2), 'NOT_FINITE', /bigint/);
  });

  test('lets NaN and overflow through to the funnel, which reports them as it does for any row', () => {
    const query = new Float32Array([1, 0]);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
      const candidates = fromQdrant({ points: [point(4, [1, 1]), point(5, [0.5, value])] });
      assert.throws(
        () => funnel(candidates, query, { scales: [2], keep: 1 }),
        (error: Failure) => error.code === 'NOT_FINITE' && /\b1\b/.test(error.message),
      );
    }
  });

  test('goes by the true length of views, whatever they say and whatever happens to them on the way', () => {
    const said = (length: number) => Object.defineProperty(new Float32Array(length).fill(1), 'length', { value: 4 });
    for (const length of [0, 3, 5]) {
      const into = new Float32Array(8).fill(99);
      throws(() => packRows([new Float32Array(4), said(length)], 4, { into }), 'BAD_DIMS', /4 dims for row 1/);
    }
    throws(() => funnel([{ vector: said(4) }], new Float32Array(4).fill(1)), 'BAD_ARGUMENT', /length/);
    const vector = new Float32Array(4).fill(1);
    const row = {
      vector,
      get id() {
        structuredClone(vector.buffer, { transfer: [vector.buffer] });
        return 1;
      },
    };
    const rows = [{ vector: new Float32Array(4).fill(1), id: 0 }, row];
    throws(() => funnel(rows, new Float32Array(4).fill(1)), 'BAD_DIMS', /4 dims for row 1/);
  });
});

describe('fromQdrant', () => {
  test('refuses rows of too many dims before it takes memory for them', () => {
    const holes = Object.assign([1, 2], { length: 2 ** 32 - 1 });
    throws(() => fromQdrant([point(1, holes)]), 'BAD_DIMS', /1 to 65536 dims for row 0 .* 4294967295/);
    throws(() => fromMilvus([{ id: 1, v: holes }], { vectorField: 'v' }), 'BAD_DIMS', /row 0 .* 4294967295/);
  });

  test('takes every shape in which a client hands over points', () => {
    const points = [point(1, [1, 2], { a: 1 }), point(2, [3, 4], { a: 2 })];
    const body = { result: { points }, status: 'ok', time: 0.1 };
    for (const answer of [
      { points },
      points,
      body,
      { result: points },
      { hits: points, id: 'group' },
      { points, next_page_offset: 3 },
    ]) {
      const packed = fromQdrant(answer);
      assert.deepEqual(packed.vectors, Float32Array.of(1, 2, 3, 4));
      assert.equal(packed.dim, 2);
      assert.deepEqual(packed.ids, [1, 2]);
      assert.deepEqual(Array.from(packed.headScores!), [0.5, 0.5]);
      assert.equal(packed.rows![1], points[1]);
      assert.equal(packed.payloads![1], points[1]!.payload);
    }
  });

  test('takes the one vector there is, or the one that is named', () => {
    const named = [point(1, { head: [1], full: [1, 2] }), point(2, { head: [3], full: [3, 4] })];
    assert.deepEqual(fromQdrant(named, { vector: 'full' }).vectors, Float32Array.of(1, 2, 3, 4));
    assert.deepEqual(fromQdrant(named, { vector: 'head' }).vectors, Float32Array.of(1, 3));
    assert.deepEqual(fromQdrant([point(1, { full: [1, 2] })]).vectors, Float32Array.of(1, 2));
    assert.deepEqual(fromQdrant([point(1, [1, 2])], { vector: '' }).vectors, Float32Array.of(1, 2));
    throws(() => fromQdrant(named), 'BAD_RESPONSE', /"head", "full"/);
    throws(() => fromQdrant(named, { vector: 'tail' }), 'BAD_RESPONSE', /"tail".*point 1.*"head", "full"/);
    throws(() => fromQdrant([point(1, [1])], { vector: 'full' }), 'BAD_RESPONSE', /un-named/);
    throws(
      () => fromQdrant([point(1, { full: [1] }), point(2, {})]),
      'BAD_RESPONSE',
      /point 2.*with_vector: \["full"\]/,
    );
  });

  test('an answer without points is no candidates', () => {
    const empty = fromQdrant({ points: [] });
    assert.deepEqual([empty.vectors.length, empty.dim, empty.ids, empty.payloads], [0, 1, [], undefined]);
    assert.equal(fromQdrant({ result: [] }, { dim: 768 }).dim, 768);
  });

  test('keeps ids exact and of one kind, or refuses', () => {
    assert.deepEqual(fromQdrant([point('a-b', [1]), point('c', [2])]).ids, ['a-b', 'c']);
    assert.deepEqual(fromQdrant([point(2 ** 53 - 1, [1])]).ids, [2 ** 53 - 1]);
    throws(() => fromQdrant([point(2 ** 53, [1])]), 'BAD_ID', /gRPC|UUID/);
    throws(() => fromQdrant([point(1, [1]), point('a', [1])]), 'BAD_ID', /one kind/);
    throws(() => fromQdrant([point(undefined, [1])]), 'BAD_ID', /row 0/);
    // Node 22 reads large integers of JSON as bigints.
    assert.deepEqual(fromQdrant([point(1, [1]), point(2n ** 60n, [1])]).ids, [1n, 2n ** 60n]);
  });

  test('says which point lacks its vector, has another length, or is of another kind', () => {
    throws(() => fromQdrant([point(1, [1]), point(7, null)]), 'BAD_RESPONSE', /point 7.*with_vector/);
    throws(() => fromQdrant([point(1, undefined)]), 'BAD_RESPONSE', /point 1.*with_vector/);
    throws(() => fromQdrant([point(1, [1, 2]), point(7, [1])]), 'BAD_DIMS', /row 1 \(point 7\)/);
    throws(() => fromQdrant([point(7, [1, null])]), 'NOT_FINITE', /dim 1 of row 0 \(point 7\).*null/);
    throws(() => fromQdrant([point(7, { s: { indices: [1], values: [1] } })]), 'BAD_RESPONSE', /point 7.*sparse/);
    throws(
      () =>
        fromQdrant([
          point(7, [
            [1, 2],
            [3, 4],
          ]),
        ]),
      'BAD_RESPONSE',
      /point 7.*multivector/,
    );
    throws(() => fromQdrant([{ points: [] }, { points: [] }]), 'BAD_RESPONSE', /one by one/);
    throws(() => fromQdrant([{ result: [] }]), 'BAD_RESPONSE', /one by one/);
    throws(() => fromQdrant({ groups: [] }), 'BAD_RESPONSE', /hits of one group/);
    for (const nothing of [undefined, null, 5, 'x', {}]) throws(() => fromQdrant(nothing), 'BAD_RESPONSE', /points/);
  });

  test('reads gRPC points: tagged ids, both vector layouts, tagged payloads', () => {
    const value = (kind: string, value: unknown) => ({ $typeName: 'qdrant.Value', kind: { case: kind, value } });
    const grpc = (id: unknown, vectorsOptions: unknown, payload: object = {}) => ({
      $typeName: 'qdrant.ScoredPoint',
      id: { pointIdOptions: id },
      score: 0.25,
      payload,
      vectors: { vectorsOptions },
    });
    const dense = (data: number[]) => ({ data: [], vector: { case: 'dense', value: { data } } });
    const old = (data: number[]) => ({ data, vector: { case: undefined } });
    const payload = {
      i: value('integerValue', 5n),
      big: value('integerValue', 2n ** 60n),
      d: value('doubleValue', 1.5),
      s: value('stringValue', 'x'),
      b: value('boolValue', false),
      n: value('nullValue', 0),
      o: value('structValue', { fields: { deep: value('integerValue', -1n) } }),
      l: value('listValue', { values: [value('integerValue', 1n), value('stringValue', 'y')] }),
    };
    const num = { case: 'num', value: 2n ** 63n };
    const uuid = { case: 'uuid', value: 'u-1' };
    for (const one of [dense, old]) {
      const named = { case: 'vectors', value: { vectors: { head: one([9]), full: one([1, 2]) } } };
      const packed = fromQdrant({ result: [grpc(num, named, payload)], time: 0.1 }, { vector: 'full' });
      assert.deepEqual(packed.vectors, Float32Array.of(1, 2));
      assert.deepEqual(packed.ids, [2n ** 63n]);
      assert.deepEqual(packed.payloads, [
        { i: 5, big: 2n ** 60n, d: 1.5, s: 'x', b: false, n: null, o: { deep: -1 }, l: [1, 'y'] },
      ]);
      const single = fromQdrant({ result: [grpc(uuid, { case: 'vector', value: one([3, 4]) })] });
      assert.deepEqual([single.vectors, single.ids, single.payloads], [Float32Array.of(3, 4), ['u-1'], undefined]);
    }
    const sparse = { data: [1], indices: { data: [4] }, vector: { case: undefined } };
    throws(() => fromQdrant({ result: [grpc(num, { case: 'vector', value: sparse })] }), 'BAD_RESPONSE', /sparse/);
    throws(
      () => fromQdrant({ result: [grpc(num, { case: undefined })] }),
      'BAD_RESPONSE',
      /9223372036854775808.*withVectors/,
    );
    throws(
      () => fromQdrant({ result: [grpc({ case: undefined }, { case: 'vector', value: dense([1]) })] }),
      'BAD_ID',
      /row 0/,
    );
    throws(() => fromQdrant([{ $typeName: 'qdrant.BatchResult', result: [] }]), 'BAD_RESPONSE', /one by one/);
  });
});

describe('fromMilvus', () => {
  const ok = { error_code: 'Success', reason: '', code: 0 };
  const row = (id: unknown, full: unknown) => ({ score: 0.5, id, full, title: 't' });

  test('takes the flat rows of one query, with their ids as they are', () => {
    const results = [row('9007199254740993', [1, 2]), row('7', [3, 4])];
    for (const answer of [
      { status: ok, results },
      { status: { ...ok, error_code: 0 }, results },
      { status: ok, data: results },
      results,
    ]) {
      const packed = fromMilvus(answer, { vectorField: 'full' });
      assert.deepEqual(packed.vectors, Float32Array.of(1, 2, 3, 4));
      assert.deepEqual(packed.ids, ['9007199254740993', '7']);
      assert.deepEqual(Array.from(packed.headScores!), [0.5, 0.5]);
      assert.equal(packed.rows![0], results[0]);
    }
    const empty = fromMilvus({ status: ok, results: [] }, { vectorField: 'full' });
    assert.deepEqual([empty.vectors.length, empty.ids], [0, []]);
  });

  test('checks the status, always', () => {
    for (const status of [
      { error_code: 'UnexpectedError', reason: 'out of memory', code: 1 },
      { error_code: 6, reason: 'out of memory', code: 6 },
      { error_code: 'Success', reason: 'out of memory', code: 65535 },
    ]) {
      throws(() => fromMilvus({ status, results: [] }, { vectorField: 'full' }), 'REFUSED', /out of memory/);
    }
  });

  test('says what is missing and how to ask for it', () => {
    const answer = (...results: unknown[]) => ({ status: ok, results });
    throws(() => fromMilvus(answer({ score: 1, full: [1] }), { vectorField: 'full' }), 'BAD_ID', /"id".*output_fields/);
    throws(
      () => fromMilvus(answer({ score: 1, id: '1' }), { vectorField: 'full' }),
      'BAD_RESPONSE',
      /"full".*output_fields/,
    );
    throws(
      () => fromMilvus(answer(row('1', [1]), row('2', [1, 2])), { vectorField: 'full' }),
      'BAD_DIMS',
      /row 1 \(id 2\)/,
    );
    throws(() => fromMilvus(answer(row('1', [null])), { vectorField: 'full' }), 'NOT_FINITE', /row 0 \(id 1\)/);
    throws(() => fromMilvus(answer(row(2 ** 60, [1])), { vectorField: 'full' }), 'BAD_ID', /longs/);
    throws(() => fromMilvus(answer([row('1', [1])], []), { vectorField: 'full' }), 'BAD_RESPONSE', /one by one/);
    throws(() => fromMilvus({ status: ok }, { vectorField: 'full' }), 'BAD_RESPONSE', /results/);
    throws(() => fromMilvus(undefined, { vectorField: 'full' }), 'BAD_RESPONSE', /search\(\)/);
    throws(() => fromMilvus(answer(), {} as never), 'BAD_ARGUMENT', /vectorField/);
  });

  test('reads raw halves once it is told what they are', () => {
    // 1 and −2, as float16 and as bfloat16.
    const half = Buffer.from([0x00, 0x3c, 0x00, 0xc0]);
    const brain = Buffer.from([0x80, 0x3f, 0x00, 0xc0]);
    const answer = (bytes: Buffer) => ({ status: ok, results: [row('1', bytes)] });
    const float16 = fromMilvus(answer(half), { vectorField: 'full', bytes: 'float16' });
    assert.deepEqual([float16.vectors, float16.dim], [Uint16Array.of(0x3c00, 0xc000), 2]);
    const bfloat16 = fromMilvus(answer(brain), { vectorField: 'full', bytes: 'bfloat16' });
    assert.deepEqual([bfloat16.vectors, bfloat16.dim], [Float32Array.of(1, -2), 2]);
    throws(() => fromMilvus(answer(half), { vectorField: 'full' }), 'BAD_ARGUMENT', /bytes: 'float16'/);
  });
});

describe('reading vectors out of JSON', () => {
  const lifts = (dim: number, count: number, ...names: string[]): Lift[] =>
    names.map((name) => ({ name, dim, into: new Float32Array(dim * count), count: 0 }));
  const encode = (text: string) => new TextEncoder().encode(text);

  test('gives each number as Math.fround(JSON.parse(text)), to the bit', () => {
    const next = random(2);
    const special = [
      ...[
        '0',
        '-0',
        '0.0',
        '-0.0',
        '0e5',
        '1e-45',
        '-1e-45',
        '1.4e-45',
        '7e-46',
        '3.4028235e38',
        '3.4028236e38',
        '1e39',
        '1e400',
      ],
      ...[
        '5e-324',
        '2.2250738585072014e-308',
        '1e22',
        '1e23',
        '1E5',
        '1e+5',
        '123456789',
        '1234567890',
        '0.000000000000000000000001',
      ],
      ...[
        '9007199254740993',
        '123456789012345678901234567890',
        '0.1234567890123456789',
        '16777217',
        '0.50000002980232239',
        '1.00000005960464477539',
      ],
      ...[
        '100000000000000000000000.5',
        '0.00000000123456789',
        '4294967296',
        '2147483648',
        '999999999',
        '9999999999e-3',
      ],
    ];
    const random1 = () => {
      const kind = Math.floor(next() * 6);
      const x = (next() - 0.5) * 10 ** Math.floor(next() * 40 - 20);
      if (kind === 0) return String(Math.fround(x));
      if (kind === 1) return x.toPrecision(1 + Math.floor(next() * 20)).replace('e+', next() < 0.5 ? 'E+' : 'e');
      if (kind === 2) return String(Math.floor((next() - 0.5) * 2 ** 40));
      if (kind === 3) return x.toExponential(Math.floor(next() * 18));
      if (kind === 4) return (next() - 0.5).toFixed(1 + Math.floor(next() * 18));
      return special[Math.floor(next() * special.length)]!;
    };
    for (let round = 0; round < 60; round++) {
      const texts = round === 0 ? special : Array.from({ length: 500 }, random1);
      const space = () => [' ', '', '', '\n\t', '\r '][Math.floor(next() * 5)]!;
      const list = texts.map((text) => space() + text + space()).join(',');
      const [lift] = lifts(texts.length, 1, '');
      const parsed = liftVectors(encode(`{"result":{"points":[{"id":1,"vector":[${list}]}]}}`), [lift!]);
      assert.ok(parsed, `declined ${list}`);
      const truth = Float32Array.from(JSON.parse(`[${list}]`) as number[]);
      assert.deepEqual(new Uint32Array(lift!.into.buffer), new Uint32Array(truth.buffer));
    }
  });

  test('leaves ids, scores and payloads to JSON.parse, whatever they contain', () => {
    const next = random(3);
    const strings = [
      '"vector":[1,2',
      '\\"vector\\":[',
      '}]}',
      '\u0000\u001f',
      'ä€😀',
      '\\',
      '',
      '[{"points":[',
      '\u2028',
    ];
    const any = (depth: number): unknown => {
      const kind = Math.floor(next() * (depth > 3 ? 4 : 7));
      if (kind === 0) return strings[Math.floor(next() * strings.length)];
      if (kind === 1) return next() * 1e6;
      if (kind === 2) return [null, true, false][Math.floor(next() * 3)];
      if (kind === 3) return Math.floor(next() * 1e12);
      if (kind === 4) return Array.from({ length: Math.floor(next() * 4) }, () => any(depth + 1));
      return Object.fromEntries(
        Array.from({ length: Math.floor(next() * 4) }, () => [
          ['vector', 'points', 'result', 'full', ...strings][Math.floor(next() * 13)]!,
          any(depth + 1),
        ]),
      );
    };
    for (let round = 0; round < 300; round++) {
      const count = Math.floor(next() * 5);
      const dim = 1 + Math.floor(next() * 5);
      const vectors = (): number[] => Array.from(randomVector(dim, next));
      const points = Array.from({ length: count }, (_, id) => {
        const full = vectors();
        const tail = vectors();
        const vector = { other: { indices: [1], values: [0.5] }, tail, more: [[1, 2]], full };
        const parts: [string, unknown][] = [
          ['id', id],
          ['payload', any(0)],
          ['score', next()],
          ['vector', vector],
          ['shard_key', 'x'],
        ];
        return Object.fromEntries(next() < 0.5 ? parts : parts.reverse());
      });
      const answer = { usage: any(1), result: { points }, status: 'ok', time: 0.1 };
      const text = JSON.stringify(answer, null, next() < 0.3 ? 2 : undefined);
      const [full, tail] = lifts(dim, count, 'full', 'tail');
      const parsed = liftVectors(encode(text), [full!, tail!]) as typeof answer;
      assert.ok(parsed, `declined ${text}`);
      points.forEach((one, i) => {
        const { vector } = one as { vector: { full: number[]; tail: number[] } };
        assert.deepEqual(full!.into.subarray(i * dim, (i + 1) * dim), Float32Array.from(vector.full));
        assert.deepEqual(tail!.into.subarray(i * dim, (i + 1) * dim), Float32Array.from(vector.tail));
        Object.assign(vector, { full: 0, tail: 0 });
      });
      assert.deepEqual(parsed, JSON.parse(JSON.stringify(answer)));
    }
  });

  test('declines what is damaged, and never reads it otherwise than JSON.parse', () => {
    const next = random(4);
    const whole =
      '{"result":{"points":[{"id":1,"vector":[0.25,-1e-3,0]},{"id":2,"payload":{"a":"\\"x"},"vector":[1,2,3]}]},"status":"ok"}';
    let kept = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = encode(whole);
      const edits = 1 + Math.floor(next() * 2);
      for (let i = 0; i < edits; i++) {
        bytes[Math.floor(next() * bytes.length)] = ' -+.,:eE0159"[]{}\\\u0001x'.charCodeAt(Math.floor(next() * 21));
      }
      const cut = next() < 0.2 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes;
      const [lift] = lifts(3, 2, '');
      const parsed = liftVectors(cut, [lift!]) as { result: { points: unknown[] } } | undefined;
      if (parsed === undefined) continue;
      kept++;
      const truth = JSON.parse(new TextDecoder().decode(cut)) as { result?: { points?: { vector: number[] }[] } };
      if (lift!.count === 0 || lift!.count !== truth.result?.points?.length) continue;
      assert.deepEqual(
        lift!.into.subarray(0, lift!.count * 3),
        Float32Array.from(truth.result.points.flatMap(({ vector }) => vector)),
      );
    }
    assert.ok(kept > 1_000, `only ${kept} damaged texts were still JSON`);
    const declines = (points: string, dim = 2, count = 4) => {
      const [lift] = lifts(dim, count, 'full');
      assert.equal(liftVectors(encode(`{"result":{"points":[${points}]}}`), [lift!]), undefined, points);
    };
    declines('{"id":1,"vector":{"full":[1,null]}}');
    declines('{"id":1,"vector":{"full":[1]}}');
    declines('{"id":1,"vector":{"full":[1,2,3]}}');
    declines('{"id":1,"vector":{"full":[1,2]}},{"id":2,"vector":{}}');
    declines('{"id":1,"vector":{"full":[1,2]}},{"id":2}');
    declines('{"id":1,"vector":{"full":[01,2]}}');
    declines('{"id":1,"vector":{"full":[.5,2]}}');
    declines('{"id":1,"vector":{"full":[1.,2]}}');
    declines('{"id":1,"vector":{"full":[1,2,]}}');
    declines('{"id":1,"vector":{"full":[1,2],"full":[1,2]}}');
    declines('{"id":1,"vector":{"full":[1,2]}},'.repeat(5).slice(0, -1));
  });
});

describe('reading vectors out of Milvus answers', () => {
  // The SDK's own descriptions and reader; nothing is connected.
  const client = new MilvusClient({ address: '127.0.0.1:1', __SKIP_CONNECT__: true } as never);
  // biome-ignore lint/suspicious/noExplicitAny: protobufjs, through the SDK
  const type = (client as any).milvusProto.lookupType('milvus.proto.milvus.SearchResults');
  // biome-ignore lint/suspicious/noExplicitAny: a service definition of grpc-js
  const decode = (client as any)._MilvusService.service.Search.responseDeserialize as (bytes: Buffer) => any;
  const field = (fieldName: string, dim: number, data: Float32Array, more: object = {}) => ({
    type: 101,
    fieldName,
    vectors: { dim, floatVector: { data: Array.from(data) } },
    fieldId: 101,
    ...more,
  });
  const message = (fieldsData: object[], status: object = {}) =>
    Buffer.from(
      type
        .encode(
          type.fromObject({
            status,
            results: {
              numQueries: 1,
              topK: 3,
              fieldsData,
              scores: [3, 2, 1],
              ids: { intId: { data: [1, 2, 3] } },
              topks: [3],
              outputFields: ['id', 'title', 'full'],
            },
            collectionName: 'films',
          }),
        )
        .finish(),
    );
  const title = { type: 21, fieldName: 'title', scalars: { stringData: { data: ['a', '"full"', 'ü'] } } };

  test('cuts out exactly the vectors that were named; the SDK reads the rest as before', () => {
    const next = random(5);
    for (const dim of [1, 3, 40, 768]) {
      const full = randomVector(3 * dim, next);
      const tail = randomVector(3 * dim, next);
      const bytes = message([title, field('full', dim, full), field('other', dim, tail), field('tail', dim, tail)]);
      const lifted = liftFields(bytes, ['full', 'tail'])!;
      for (const [name, data] of [
        ['full', full],
        ['tail', tail],
      ] as const) {
        const found = lifted.fields.get(name)!;
        assert.deepEqual([found.dim, found.kind], [dim, 'float32']);
        assert.deepEqual(new Float32Array(Uint8Array.from(found.bytes).buffer), data);
      }
      const before = decode(bytes);
      const rest = decode(lifted.rest);
      assert.deepEqual(
        Array.from(Float32Array.from(before.results.fields_data[1].vectors.float_vector.data)),
        Array.from(full),
      );
      for (const index of [1, 3]) {
        assert.deepEqual(rest.results.fields_data[index].vectors.float_vector.data, []);
        rest.results.fields_data[index] = before.results.fields_data[index];
      }
      assert.deepEqual(rest, before);
      assert.ok(lifted.rest.length < bytes.length - 6 * dim * 4 + 20);
    }
  });

  test('cuts them out of what a query answers, too', () => {
    // biome-ignore lint/suspicious/noExplicitAny: protobufjs, through the SDK
    const results = (client as any).milvusProto.lookupType('milvus.proto.milvus.QueryResults');
    const full = randomVector(3 * 40, random(6));
    const keys = { type: 5, fieldName: 'id', scalars: { longData: { data: ['1', '2', '3'] } } };
    const fieldsData = [keys, field('full', 40, full), title];
    const bytes = Buffer.from(results.encode(results.fromObject({ status: {}, fieldsData })).finish());
    const lifted = liftFields(bytes, ['full'], 'Query')!;
    assert.deepEqual(new Float32Array(Uint8Array.from(lifted.fields.get('full')!.bytes).buffer), full);
    const rest = results.decode(lifted.rest).toJSON();
    assert.deepEqual(rest.fieldsData[1].vectors, { dim: '40', floatVector: {} });
    assert.deepEqual(
      [rest.fieldsData[0], rest.fieldsData[2]].map(({ fieldName }) => fieldName),
      ['id', 'title'],
    );
    // The two kinds of answers have their fields at different places.
    assert.equal(liftFields(bytes, ['full']), undefined);
  });

  test('takes half floats as bytes', () => {
    const bytes = Buffer.from([0x00, 0x3c, 0x00, 0xc0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const lifted = liftFields(
      message([
        { type: 102, fieldName: 'full', vectors: { dim: 2, float16Vector: bytes } },
        { type: 103, fieldName: 'tail', vectors: { dim: 2, bfloat16Vector: bytes } },
      ]),
      ['full', 'tail'],
    )!;
    assert.deepEqual(lifted.fields.get('full')!.kind, 'float16');
    assert.deepEqual(lifted.fields.get('tail')!.kind, 'bfloat16');
    assert.deepEqual(Buffer.from(lifted.fields.get('full')!.bytes), bytes);
  });

  test('declines the unusual: a field that is absent, twice there, nullable, sparse, ragged or cut short', () => {
    const full = field('full', 2, new Float32Array(6));
    assert.equal(liftFields(message([title]), ['full']), undefined);
    assert.equal(liftFields(message([full, full]), ['full']), undefined);
    assert.equal(liftFields(message([{ ...full, validData: [true, false, true] }]), ['full']), undefined);
    assert.equal(liftFields(message([field('full', 4, new Float32Array(6))]), ['full']), undefined);
    const sparse = {
      type: 104,
      fieldName: 'full',
      vectors: { dim: 2, sparseFloatVector: { contents: [Buffer.from([1])], dim: 2 } },
    };
    assert.equal(liftFields(message([sparse]), ['full']), undefined);
    const bytes = message([full]);
    for (let size = 1; size < bytes.length - 8; size++)
      assert.equal(liftFields(bytes.subarray(0, size), ['full']), undefined);
    const next = random(6);
    for (let round = 0; round < 5_000; round++) {
      const damaged = Buffer.from(bytes);
      damaged[Math.floor(next() * damaged.length)] = Math.floor(next() * 256);
      // It may lift or decline, but never throw or run on.
      liftFields(damaged, ['full']);
      statusOf(damaged);
    }
  });

  test('finds the status that the SDK hides when there are no results beside it', () => {
    const bytes = Buffer.from(type.encode(type.fromObject({ status: { code: 65535, reason: 'wrong dims' } })).finish());
    assert.deepEqual(statusOf(bytes), { code: 65535, reason: 'wrong dims' });
    assert.deepEqual(statusOf(message([title])), { code: 0, reason: '' });
  });
});

describe('reading gRPC answers as bytes', () => {
  // Protobuf by hand: a record is its tag, its length and its content.
  const record = (field: number, ...content: (number | Uint8Array)[]): Uint8Array => {
    const parts = content.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part));
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    return Buffer.concat([Uint8Array.from([...varint(field * 8 + 2), ...varint(size)]), ...parts]);
  };
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
  const one = (vectors: Uint8Array, ...more: Uint8Array[]) =>
    Buffer.concat([record(1, 8, 7), Uint8Array.of(29), floats(0.5), record(6, vectors), ...more]);
  const answer = (...points: Uint8Array[]) => ({
    $typeName: 'qdrant.HealthCheckRequest',
    $unknown: [
      ...points.map((bytes) => ({
        no: 1,
        wireType: 2,
        data: Buffer.concat([Uint8Array.from(varint(bytes.length)), bytes]),
      })),
      { no: 2, wireType: 1, data: new Uint8Array(8) },
    ],
  });
  const size = { size: 2n, distance: 3 };
  const vectorsConfig = { config: { case: 'paramsMap', value: { map: { head: size, full: size } } } };
  const head = (search: unknown, withPayload = false) =>
    qdrantSource(
      {
        api: () => ({
          get: async () => ({ result: { config: { params: { vectorsConfig } } } }),
          scroll: async () => ({ result: [] }),
          query: async () => search,
        }),
      },
      { collection: 'films', head: 'head', full: 'full' },
    ).head({ vector: Float32Array.of(1, 0), candidates: 3, withPayload });
  const named = (name: string, ...output: Uint8Array[]) =>
    record(2, record(1, record(1, Buffer.from(name)), record(2, ...output)));

  test('takes dense vectors in the new layout and the old one, packed, in pieces or one by one', async () => {
    const layouts = [
      record(101, record(1, floats(1.5, -2))),
      record(1, floats(1.5, -2)),
      Buffer.concat([record(1, floats(1.5)), record(1, floats(-2))]),
      Buffer.concat([Uint8Array.of(13), floats(1.5), Uint8Array.of(13), floats(-2)]),
    ];
    const unknown = Buffer.concat([Uint8Array.of(40, 200, 1), record(99, 1, 2, 3)]);
    const { candidates } = await head(answer(...layouts.slice(1).map((layout) => one(named('full', layout), unknown))));
    assert.deepEqual(candidates.vectors, Float32Array.of(1.5, -2, 1.5, -2, 1.5, -2));
    assert.deepEqual(
      [candidates.ids, Array.from(candidates.headScores!)],
      [
        [7n, 7n, 7n],
        [0.5, 0.5, 0.5],
      ],
    );
    const other = (await head(answer(one(named('full', layouts[0]!), record(2, record(1, Buffer.from('k'))))), true))
      .candidates;
    assert.deepEqual([other.vectors, other.payloads], [Float32Array.of(1.5, -2), [{ k: null }]]);
    assert.equal((await head(answer())).candidates.vectors.length, 0);
  });

  test('refuses what is sparse, absent, of another length or damaged, and never takes it for an empty answer', async () => {
    await rejects(head(answer(one(named('full', record(102, 1))))), 'BAD_RESPONSE', /point 7.*sparse/);
    await rejects(head(answer(one(named('full', record(103, 1))))), 'BAD_RESPONSE', /point 7.*multivector/);
    await rejects(head(answer(one(named('head', record(101))))), 'BAD_RESPONSE', /"full".*"head"/);
    await rejects(head(answer(one(record(1, record(101, record(1, floats(1, 2))))))), 'BAD_RESPONSE', /un-named/);
    await rejects(head(answer(record(1, 8, 7))), 'BAD_RESPONSE', /point 7/);
    await rejects(head(answer(one(named('full', record(101, record(1, floats(1))))))), 'BAD_DIMS', /point 7/);
    const whole = one(named('full', record(101, record(1, floats(1, 2)))));
    await rejects(head(answer(whole.subarray(0, -1))), 'BAD_RESPONSE', /points/);
    await rejects(head({ $typeName: 'qdrant.Else' }), 'BAD_RESPONSE', /points/);
    const next = random(8);
    for (let round = 0; round < 2_000; round++) {
      const bytes = Uint8Array.from(whole);
      bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      await head(answer(bytes)).then(
        ({ candidates }) => assert.equal(candidates.vectors.length, 2),
        (error: Failure) => assert.equal(error.name, 'FunnelError', error.stack),
      );
    }
  });
});

describe('what cannot be read as bytes', () => {
  test('is asked for again, for the client to decode, and never taken for no points', async () => {
    const usual = {
      result: [
        {
          $typeName: 'qdrant.ScoredPoint',
          id: { pointIdOptions: { case: 'num', value: 7n } },
          score: 0.5,
          payload: {},
          vectors: { vectorsOptions: { case: 'vectors', value: { vectors: { full: { data: [1, 2] } } } } },
        },
      ],
    };
    const time = { no: 2, wireType: 1, data: new Uint8Array(8) };
    const $typeName = 'qdrant.HealthCheckRequest';
    for (const raw of [
      // Unknown fields not kept; no evidence that they were; a damaged point.
      { $typeName },
      { $typeName, $unknown: [] },
      { $typeName, $unknown: [{ no: 1, wireType: 2, data: Uint8Array.of(9, 1) }, time] },
    ]) {
      const answers: unknown[] = [raw, usual, usual];
      const size = { size: 2n, distance: 3 };
      const vectorsConfig = { config: { case: 'paramsMap', value: { map: { head: size, full: size } } } };
      const client = {
        api: () => ({
          get: async () => ({ result: { config: { params: { vectorsConfig } } } }),
          scroll: async () => ({ result: [] }),
          query: async () => answers.shift(),
        }),
      };
      const source = qdrantSource(client, { collection: 'films', head: 'head', full: 'full' });
      for (const left of [1, 0]) {
        const { candidates } = await source.head({ vector: Float32Array.of(1, 0), candidates: 3 });
        assert.deepEqual([candidates.ids, candidates.vectors], [[7n], Float32Array.of(1, 2)]);
        assert.equal(answers.length, left);
      }
    }
  });

  test('includes lengths beyond 32 bits', () => {
    assert.equal(new WireReader(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f)).size(), 2 ** 32 - 1);
    // 2^32 + 5, and 2^35 + 5.
    assert.throws(() => new WireReader(Uint8Array.of(0x85, 0x80, 0x80, 0x80, 0x10)).size(), RangeError);
    assert.throws(() => new WireReader(Uint8Array.of(0x85, 0x80, 0x80, 0x80, 0x80, 0x01)).size(), RangeError);
  });
});

describe('a source whose client answers oddly', () => {
  const vectors = { head: { size: 2, distance: 'Cosine' }, full: { size: 4, distance: 'Cosine' } };
  const vector = new Float32Array([1, 0, 0, 0]);
  /** A REST client whose searches answer this; without `api`, as a later version might be. */
  const rest = (points: unknown, params: object = { vectors }, api = false) => {
    const result = { config: { params } };
    const answer = { data: { result: { points } } };
    return {
      getCollection: async () => result,
      scroll: async () => ({ points: [] }),
      query: async () => ({ points }),
      ...(api
        ? { api: () => ({ getCollection: async () => ({ data: { result } }), queryPoints: async () => answer }) }
        : {}),
    };
  };
  const source = (points: unknown, params?: object, api = false) =>
    qdrantSource(rest(points, params, api), { collection: 'films', head: 'head', full: 'full' });
  const full = [1, 2, 3, 4];

  test('works through the plain query() where there is no typed API, and where the API does not fetch', async () => {
    for (const api of [false, true]) {
      const { candidates } = await source([point(1, { full })], undefined, api).head({ vector, candidates: 2 });
      assert.deepEqual(candidates.vectors, Float32Array.from(full));
    }
  });

  test('never takes a part for the whole', async () => {
    const head = (points: unknown) => source(points).head({ vector, candidates: 2 });
    await rejects(head([point(1, { full }), point(2, null)]), 'BAD_RESPONSE', /point 2/);
    await rejects(head([point(1, { full }), point(2, { head: [1, 2] })]), 'BAD_RESPONSE', /point 2.*"head"/);
    await rejects(head([1, 2, 3].map((id) => point(id, { full }))), 'BAD_RESPONSE', /at most 2.*3/);
    await rejects(head([point(1, { full: [1, 2, 3] })]), 'BAD_DIMS', /point 1/);
    await rejects(head([point(1, { full: [1, 2, 3, null] })]), 'NOT_FINITE', /point 1/);
    await rejects(head(undefined), 'BAD_RESPONSE', /points/);
  });

  test('refuses a tail that Qdrant has normalised, distances it does not know, and multivectors', async () => {
    const tail = (distance: string) => ({
      vectors: { head: { size: 2, distance: 'Cosine' }, tail: { size: 2, distance } },
    });
    const open = (params: object) =>
      qdrantSource(rest([], params), {
        collection: 'films',
        head: 'head',
        full: { tail: 'tail', headNorm: 'norm' },
      }).info();
    await rejects(open(tail('Cosine')), 'BAD_ARGUMENT', /"tail".*normalises/);
    await rejects(open(tail('Manhattan')), 'BAD_ARGUMENT', /Manhattan/);
    assert.equal((await open(tail('Dot'))).dim, 4);
    const multi = {
      vectors: { ...vectors, full: { size: 4, distance: 'Dot', multivector_config: { comparator: 'max_sim' } } },
    };
    await rejects(source([], multi).info(), 'BAD_ARGUMENT', /multivector/);
    await rejects(source([], { vectors: { size: 4, distance: 'Dot' } }).info(), 'NO_FIELD', /un-named/);
    const short = { vectors: { head: { size: 9, distance: 'Dot' }, full: { size: 4, distance: 'Dot' } } };
    await rejects(source([], short).info(), 'BAD_DIMS', /at most 4/);
  });

  test('joins head and tail only where the head has length 1, and ranks by cosine under every distance', async () => {
    const open = (points: unknown, distance = 'Dot') =>
      qdrantSource(rest(points, { vectors: { head: { size: 2, distance }, tail: { size: 2, distance: 'Dot' } } }), {
        collection: 'films',
        head: 'head',
        full: { tail: 'tail', headNorm: 'norm' },
      });
    const head = (...points: unknown[]) => open(points).head({ vector, candidates: 3 });
    const stored = (id: number, head: number[], norm: number) => point(id, { head, tail: [5, 6] }, { norm });
    for (const distance of ['Cosine', 'Dot', 'Euclid'])
      assert.equal((await open([], distance).info()).metric, 'cosine');
    const { candidates } = await head(stored(1, [0.6, 0.8], 10), stored(2, [0, 0], 0), stored(3, [1.001, 0], 2));
    assert.deepEqual(candidates.vectors, Float32Array.of(6, 8, 5, 6, 0, 0, 5, 6, 2.002, 0, 5, 6));
    await rejects(
      head(stored(1, [0.6, 0.8], 10), stored(2, [6, 8], 10)),
      'BAD_RESPONSE',
      /length 1 in row 1 \(point 2\).*10/,
    );
    await rejects(head(stored(1, [0, 0], 1)), 'BAD_RESPONSE', /length 1 in row 0/);
  });

  test('a Milvus column named "score" is never taken for the scores', async () => {
    const fields = [
      { name: 'id', dataType: 5, is_primary_key: true },
      { name: 'score', dataType: 11 },
      ...['head', 'full'].map((name) => ({ name, dataType: 101, dim: 2 })),
    ];
    const results = [{ score: 99, id: '1', full: [1, 2] }];
    const source = milvusSource(
      {
        describeCollection: async () => ({ schema: { fields } }),
        describeIndex: async () => ({}),
        search: async () => ({ results }),
      },
      { collection: 'films', head: 'head', full: 'full', metric: 'dot' },
    );
    const head = async (withPayload: boolean | string[]) =>
      (await source.head({ vector: Float32Array.of(1, 0), candidates: 3, withPayload })).candidates;
    assert.deepEqual((await head(false)).headScores, Float64Array.of(99));
    for (const withPayload of [true, ['score']]) {
      const { headScores, payloads } = await head(withPayload);
      assert.deepEqual([headScores, payloads], [undefined, [{ score: 99 }]]);
    }
  });

  test('an un-named vector is head and full at once', async () => {
    const one = qdrantSource(rest([point(1, full)], { vectors: { size: 4, distance: 'Euclid' } }), {
      collection: 'films',
      head: '',
      full: '',
    });
    assert.deepEqual(await one.info(), { headDim: 4, dim: 4, metric: 'euclid', idKind: 'number' });
    assert.deepEqual((await one.head({ vector, candidates: 1 })).candidates.vectors, Float32Array.from(full));
  });

  test('options are checked when the source is made', () => {
    const client = rest([]);
    const make = (options: object, one: unknown = client) => qdrantSource(one as never, options as never);
    throws(() => make({ collection: '', head: 'h', full: 'f' }), 'BAD_ARGUMENT', /collection/);
    throws(() => make({ collection: 'c', full: 'f' }), 'BAD_ARGUMENT', /head/);
    throws(() => make({ collection: 'c', head: 'h', full: { tail: 't' } }), 'BAD_ARGUMENT', /headNorm/);
    throws(() => make({ collection: 'c', head: 'h', full: 'f', metric: 'l2' }), 'BAD_ARGUMENT', /metric.*"l2"/);
    throws(() => make({ collection: 'c', head: 'h', full: 'f' }, {}), 'BAD_ARGUMENT', /QdrantClient/);
    throws(() => milvusSource({} as never, { collection: 'c', head: 'h', full: 'f' }), 'BAD_ARGUMENT', /MilvusClient/);
  });
});
