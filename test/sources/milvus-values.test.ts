/** Values of Milvus payloads are what the database has: integers are integers, exact ones, wherever an answer has them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DataType } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch, funnel } from 'funnelvec';
import { fromMilvus, milvusSource } from 'funnelvec/milvus';
import { FunnelIndex } from 'funnelvec/store';
import { rejects } from '#dist/conformance/failures.js';
import { parseExact } from '#dist/core/exact-json.js';
import type { HeadRequest, Source } from '#dist/query/source/source.js';
import { hasLongNumber } from '#dist/sources/milvus/integers.js';
import { Random, SEED } from '../random.js';
import { type Collections, INTEGER, startCollections } from './milvus-collection.js';

const SAFE = 2n ** 53n - 1n;
/** Integers on each side of what a number holds. */
const INTEGERS = [10n, 0n, -3n, SAFE, SAFE + 1n, SAFE + 2n, 2n ** 60n, 2n ** 60n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
const exact = (value: bigint): number | bigint => (value <= SAFE && value >= -SAFE ? Number(value) : value);

const VECTORS = ['head', 'full'].map((name) => ({ name, data_type: DataType.FloatVector, dim: 2 }));
const vectors = (i: number) => ({ head: [1, i / 100], full: [1, i / 100] });
const vector = Float32Array.of(1, 0);

describe('JSON', () => {
  test('is parsed as JSON.parse does it, but for integers beyond 2^53 − 1', () => {
    const cases: [string, unknown][] = [
      ['{"a":9007199254740993}', { a: 9007199254740993n }],
      [
        '[-9007199254740993,9007199254740991,-9007199254740992]',
        [-9007199254740993n, 9007199254740991, -9007199254740992n],
      ],
      ['"9007199254740993"', '9007199254740993'],
      ['{"9007199254740993":"a\\"9007199254740993,"}', { '9007199254740993': 'a"9007199254740993,' }],
      [
        '[9007199254740993.0,9007199254740993e0,1e20,0.12345678901234568]',
        [2 ** 53, 2 ** 53, 1e20, 0.12345678901234568],
      ],
      ['9007199254740993', 9007199254740993n],
      [' [ 123456789012345678901234567890 ] ', [123456789012345678901234567890n]],
      ['{"__proto__":9007199254740993}', JSON.parse('{"__proto__":1}')],
      ['[null,true,"\\\\",9007199254740993]', [null, true, '\\', 9007199254740993n]],
    ];
    for (const [text, value] of cases.filter(([text]) => !text.includes('proto'))) {
      assert.deepEqual(parseExact(text), value, text);
    }
    const odd = parseExact(cases[7]![0]) as object;
    assert.deepEqual(Object.entries(odd), [['__proto__', 9007199254740993n]]);
    for (const text of ['[01234567890123456789]', '[1234567890123456789,]', '{1234567890123456789:1}']) {
      assert.throws(() => parseExact(text), SyntaxError);
    }
  });

  test('of any numbers comes back as it was written', () => {
    const random = new Random(SEED);
    for (let round = 0; round < 2000; round++) {
      const digits = Array.from({ length: random.int(1, 30) }, () => random.int(0, 9))
        .join('')
        .replace(/^0+(?=.)/, '');
      const value = BigInt(digits) * (random.chance(0.5) ? 1n : -1n);
      const text = `{"t":${JSON.stringify(digits)},"n":[${value},${value}.5]}`;
      assert.deepEqual(parseExact(text), { t: digits, n: [exact(value), Number(`${value}.5`)] }, text);
      if (digits.length >= 16) assert.ok(hasLongNumber(Buffer.from(' '.repeat(random.int(0, 40)) + text)));
    }
    for (const text of ['', '123456789012345', '{"a":123456789012345.12}', 'x'.repeat(100)]) {
      assert.equal(hasLongNumber(Buffer.from(text)), false, text);
    }
  });
});

describe('Milvus: integers of payloads', () => {
  let milvus: Collections;
  const collection = `values_${process.pid}`;
  before(async () => {
    milvus = await startCollections();
    const int64 = { name: 'key', data_type: DataType.Int64, is_primary_key: true };
    await milvus.make(collection, {
      fields: [
        int64,
        { name: 'n', data_type: DataType.Int64, nullable: true },
        { name: 'small', data_type: DataType.Int8 },
        { name: 'wide', data_type: DataType.Double },
        { name: 'share', data_type: DataType.Float },
        { name: 'many', data_type: DataType.Array, element_type: DataType.Int64, max_capacity: 4, nullable: true },
        { name: 'words', data_type: DataType.Array, element_type: DataType.VarChar, max_capacity: 4, max_length: 30 },
        { name: 'doc', data_type: DataType.JSON, nullable: true },
        ...VECTORS,
      ],
      dynamic: true,
      data: INTEGERS.map((value, i) => ({
        key: String(i),
        n: i === 1 ? null : String(value),
        small: i,
        wide: Number(value),
        share: Number(value),
        many: i === 2 ? null : [String(value), '7'],
        words: [String(value)],
        // Without one beside it, so that nulls have a place to shift others from.
        doc: i === 3 ? null : { deep: [{ n: `${INTEGER}${value}` }], word: `"${value}"`, half: 0.5 },
        x: `${INTEGER}${value}`,
        text: String(value),
        ...vectors(i),
      })),
    });
    await milvus.make(`by_number_${process.pid}`, {
      fields: [int64, { name: 'title', data_type: DataType.VarChar, max_length: 20 }, ...VECTORS],
      data: INTEGERS.map((value, i) => ({ key: String(value), title: `row ${i}`, ...vectors(i) })),
    });
    await milvus.make(`by_text_${process.pid}`, {
      fields: [{ name: 'key', data_type: DataType.VarChar, max_length: 30, is_primary_key: true }, ...VECTORS],
      data: INTEGERS.map((value, i) => ({ key: String(value), ...vectors(i) })),
    });
  });
  after(() => milvus?.stop());

  const wanted = (i: number) => {
    const value = exact(INTEGERS[i]!);
    const text = String(INTEGERS[i]);
    return {
      n: i === 1 ? null : value,
      small: i,
      wide: Number(INTEGERS[i]),
      share: Math.fround(Number(INTEGERS[i])),
      many: i === 2 ? null : [value, 7],
      words: [text],
      doc: i === 3 ? null : { deep: [{ n: value }], word: `"${text}"`, half: 0.5 },
      x: value,
      text,
    };
  };
  const all = Object.fromEntries(INTEGERS.map((_, i) => [String(i), wanted(i)]));
  const some = Object.fromEntries(
    INTEGERS.map((_, i) => [
      String(i),
      { key: i, n: wanted(i).n, x: wanted(i).x, ...(i !== 3 && { doc: { deep: [{ n: wanted(i).x }] } }) },
    ]),
  );
  const included = ['key', 'n', 'x', 'doc.deep[].n'];

  for (const decode of ['fast', 'client'] as const) {
    test(`are integers, exact ones, in every kind of answer (decode: ${decode})`, async () => {
      const source = milvus.open(collection, { decode });
      const ask = async (withPayload: HeadRequest['withPayload'], more: Partial<HeadRequest> = {}) => {
        const request = { vector, candidates: 20, withPayload, ...more } as HeadRequest;
        const { ids, payloads } = (await source.head(request)).candidates;
        return Object.fromEntries(Array.from(ids!, (id, i) => [id, payloads![i]]));
      };
      for (const more of [{}, { vectors: false }, { mode: 'exact' } as const]) {
        assert.deepEqual(await ask(true, more), all);
        const found = await ask(included, more);
        assert.deepEqual(found['0'], some['0']);
        assert.deepEqual(
          { ...found, 3: { ...(found['3'] as object), doc: undefined } },
          { ...some, 3: { ...some['3'], doc: undefined } },
        );
      }
      const batch = await source.headBatch!(
        [vector, Float32Array.of(0, 1), vector].map((one) => ({ vector: one, candidates: 20, withPayload: true })),
      );
      for (const { candidates } of batch) {
        assert.deepEqual(candidates.ids!.length, INTEGERS.length);
        Array.from(candidates.ids!, (id, i) => assert.deepEqual(candidates.payloads![i], all[String(id)]));
      }
      const ids = Object.keys(all).reverse();
      const { rows } = await source.fetch({ ids, withPayload: true });
      assert.deepEqual(
        rows.payloads,
        ids.map((id) => all[id]),
      );
      const page = (await source.scan({ limit: 100, withPayload: included, vectors: false })).rows;
      assert.deepEqual((page.payloads as object[])[4], some['4']);
      assert.deepEqual(
        (page.payloads as { x: unknown }[]).map(({ x }) => x),
        INTEGERS.map(exact),
      );
    });
  }

  test('group as what they are, in fields, arrays, JSON and dynamic keys', async () => {
    const search = new FunnelSearch({ source: milvus.open(collection) });
    const keysBy = async (groupBy: string) => {
      const { groups } = await search.queryGroups({ vector, groupBy, limit: 20, groupSize: 1 });
      return new Set(groups.map(({ id }) => id));
    };
    const keys = INTEGERS.map(exact);
    assert.deepEqual(await keysBy('n'), new Set(keys.filter((_, i) => i !== 1)));
    assert.deepEqual(await keysBy('many'), new Set([...keys.filter((_, i) => i !== 2), 7]));
    assert.deepEqual(await keysBy('x'), new Set(keys));
    assert.deepEqual(await keysBy('doc.deep[].n'), new Set(keys.filter((_, i) => i !== 3)));
    assert.deepEqual(await keysBy('text'), new Set(INTEGERS.map(String)));
    assert.deepEqual(await keysBy('key'), new Set(INTEGERS.keys()));
  });

  test('join groups with the point of that id, of the same type', async () => {
    const search = new FunnelSearch({ source: milvus.open(collection) });
    const joined = async (groupBy: string, withLookup: Source) => {
      const { groups } = await search.queryGroups({ vector, groupBy, limit: 20, groupSize: 1, withLookup });
      return new Map(groups.map(({ id, lookup }) => [id, lookup]));
    };
    for (const groupBy of ['n', 'x']) {
      const byNumber = await joined(groupBy, milvus.open(`by_number_${process.pid}`));
      const fetched = INTEGERS.map(
        (value, i) => [exact(value), { id: String(value), payload: { title: `row ${i}` } }] as const,
      );
      assert.deepEqual(byNumber, new Map(fetched.filter(([key]) => byNumber.has(key))));
      assert.ok(byNumber.size >= INTEGERS.length - 1);
      const byText = await joined(groupBy, milvus.open(`by_text_${process.pid}`));
      assert.deepEqual([...byText.values()].filter(Boolean), []);
    }
    const text = await joined('text', milvus.open(`by_text_${process.pid}`));
    assert.deepEqual(
      [...text.values()].map((row) => row?.id),
      [...text.keys()],
    );
    const none = await joined('text', milvus.open(`by_number_${process.pid}`));
    assert.deepEqual([...none.values()].filter(Boolean), []);
  });

  test('come into a mirror, and out of an explained search', async () => {
    const source = milvus.open(collection);
    const index = await FunnelIndex.create(':memory:', { dim: 2, metric: 'cosine' });
    try {
      await index.syncFrom(source, { withPayload: true });
      for (const [id, payload] of Object.entries(all)) assert.deepEqual((await index.get([id]))[0]!.payload, payload);
      const again = await index.syncFrom(source, { withPayload: true });
      assert.equal(again.written, 0);
    } finally {
      await index.close();
    }
    const { hits } = await new FunnelSearch({ source }).query({ vector, limit: 20, explain: true, withPayload: true });
    for (const { id, payload } of hits) assert.deepEqual(payload, all[String(id)]);
  });

  test('of fromMilvus() are integers where the caller says which fields are', async () => {
    const answer = await milvus.client.search({
      collection_name: collection,
      data: Array.from(vector),
      anns_field: 'head',
      limit: 20,
      output_fields: ['key', 'full', 'n', 'many', 'small'],
    });
    const plain = fromMilvus<{ key: string; n: unknown }>(answer, { vectorField: 'full', idField: 'key' });
    assert.equal(plain.rows![0], answer.results[0]);
    assert.equal(Array.from(plain.rows!).find(({ key }) => key === '0')!.n, '10');
    const packed = fromMilvus(answer, { vectorField: 'full', idField: 'key', integers: ['n', 'many', 'small'] });
    const hits = funnel(packed, vector, { scales: [2], keep: 1 });
    for (const { id, row } of hits) {
      const { n, many, small } = wanted(Number(id));
      const { full, score, ...rest } = row as Record<string, unknown>;
      assert.deepEqual(rest, { key: id, n, many, small });
    }
    // The SDK's own rows are left as they were.
    assert.ok(answer.results.every(({ n }) => n === null || typeof n === 'string'));
    assert.throws(() => fromMilvus(answer, { vectorField: 'full', idField: 'key', integers: ['title'] }), {
      code: 'BAD_ARGUMENT',
      message: /integers.*"title"/,
    });
  });
});

describe('Milvus: integers that a client has rounded', () => {
  const fields = [
    { name: 'id', data_type: 'Int64', dataType: 5, is_primary_key: true },
    { name: 'n', data_type: 'Int64', dataType: 5 },
    { name: 'doc', data_type: 'JSON', dataType: 23 },
    { name: 'v', data_type: 'FloatVector', dataType: 101, dim: 2 },
  ];
  const answering = (row: object) => {
    const rows = [{ score: 1, id: '1', v: [1, 0], ...row }];
    return milvusSource(
      {
        describeCollection: async () => ({ schema: { fields, enable_dynamic_field: true } }),
        describeIndex: async () => ({}),
        search: async () => ({ results: rows }),
        query: async () => ({ data: rows }),
      },
      { collection: 'films', head: 'v', full: 'v', metric: 'dot' },
    );
  };
  const asked = async (row: object) => {
    const source = answering(row);
    const { payloads } = (await source.head({ vector, candidates: 3, withPayload: true })).candidates;
    return payloads![0];
  };

  test('are refused with the remedy, and others are read', async () => {
    for (const [row, said] of [
      [{ n: 2 ** 60 }, /"n" of row 0 \(id 1\).*longs/],
      [{ doc: { a: [2 ** 53] } }, /"doc" of row 0.*Int64 field/],
      [{ $meta: { x: -(2 ** 60) } }, /"\$meta" of row 0/],
    ] as const) {
      await rejects(asked(row), 'BAD_RESPONSE', said);
      await rejects(answering(row).fetch({ ids: ['1'], withPayload: true }), 'BAD_RESPONSE', said);
      // Nobody asked for it.
      await answering(row).head({ vector, candidates: 3 });
    }
    const long = { toString: () => '1152921504606846977' };
    assert.deepEqual(await asked({ n: long, doc: { a: 2 ** 53 - 1, b: 0.5, c: 1e300, d: null } }), {
      n: 1152921504606846977n,
      doc: { a: 2 ** 53 - 1, b: 0.5, c: 1e300, d: null },
    });
    assert.deepEqual(await asked({ n: 5n, $meta: { x: 1 } }), { n: 5, x: 1 });
    assert.deepEqual(await asked({ n: 5 }), { n: 5 });
  });
});
