/**
 * Vector fields of Milvus of every element type. Milvus Lite has not all of them: answers and requests are made with the SDK's own
 * descriptions of the messages, and none of these types was asked of a server here.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { FunnelSearch } from 'funnelvec';
import { type MilvusSourceOptions, milvusSource } from 'funnelvec/milvus';
import { random } from '#dist/conformance/data.js';
import { halfToFloat, toHalf } from '#dist/core/half.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { storedQuery, storedVector, toBfloat16, type VectorKind } from '#dist/sources/milvus/vector-types.js';
import { refused } from '../refused.js';

// The SDK's own descriptions and readers; nothing is connected.
// biome-ignore lint/suspicious/noExplicitAny: protobufjs and grpc-js, through the SDK
const sdk = new MilvusClient({ address: '127.0.0.1:1', __SKIP_CONNECT__: true } as never) as any;
const proto = (name: string) => sdk.milvusProto.lookupType(`milvus.proto.milvus.${name}`);

const KINDS = ['float32', 'float16', 'bfloat16', 'int8'] as const;
const TYPE = { float32: 101, float16: 102, bfloat16: 103, int8: 105 };
const KEY = { float32: 'floatVector', float16: 'float16Vector', bfloat16: 'bfloat16Vector', int8: 'int8Vector' };
const where = () => 'a row';

/** The values that bytes of a type stand for. */
function valuesOf(kind: VectorKind, stored: number[] | Buffer | Int8Array): number[] {
  if (kind === 'float32') return stored as number[];
  if (kind === 'int8') return Array.from(new Int8Array(Uint8Array.from(stored).buffer));
  const bits = new Uint16Array(Uint8Array.from(stored as Buffer).buffer);
  return Array.from(bits, kind === 'float16' ? halfToFloat : fromBfloat16);
}

function fromBfloat16(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
}

describe('numbers as the elements of a field', () => {
  test('are the nearest bfloat16, ties to even, of any float64', () => {
    const next = random(61);
    const numbers = [0, -0, 1, -1, 0.1, 1 / 3, 1e-40, -3e38, 1.00390625, 1.01171875, 1 + 2 ** -9 + 2 ** -40];
    for (let i = 0; i < 20_000; i++) numbers.push((next() - 0.5) * 2 ** Math.floor(next() * 200 - 100));
    for (const value of numbers) {
      const bits = toBfloat16(value);
      const near = Math.abs(fromBfloat16(bits) - value);
      for (const other of [bits - 1, bits + 1]) {
        if (other < 0 || (other & 0x7fff) === 0x7fff) continue;
        const far = Math.abs(fromBfloat16(other) - value);
        assert.ok(near < far || (near === far && (bits & 1) === 0) || Number.isNaN(far), `${value} as ${bits}`);
      }
      assert.equal(Object.is(Math.sign(fromBfloat16(bits)), Math.sign(value)) || fromBfloat16(bits) === 0, true);
    }
    assert.deepEqual([toBfloat16(1.00390625), toBfloat16(1.01171875)], [0x3f80, 0x3f82], 'ties go to even');
    // As the SDK cuts them off, the first of these would be 1, and 0.1 the smaller neighbour.
    assert.equal(fromBfloat16(toBfloat16(1 + 2 ** -8 + 2 ** -20)), 1 + 2 ** -7);
  });

  test('round to even in int8 and float16, and never wrap or overflow', () => {
    const rounded = storedVector([0.5, 1.5, 2.5, -0.5, -1.5, 127, -128, 127.49, -128.5], 'int8', where);
    assert.deepEqual(Array.from(rounded), [0, 2, 2, 0, -2, 127, -128, 127, -128]);
    for (const value of [128, 127.5, -129, 300]) {
      assert.throws(() => storedVector([1, value], 'int8', where), refused('BAD_ARGUMENT', /int8.*a row.*at 1/));
    }
    assert.throws(() => storedVector([0.2, -0.4], 'int8', where), refused('BAD_ARGUMENT', /all round to 0.*scale/));
    assert.deepEqual(Array.from(storedVector([0, 0], 'int8', where)), [0, 0]);
    assert.deepEqual(valuesOf('float16', storedVector([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_519], 'float16', where)), [
      1,
      1 + 2 ** -9,
      65_504,
    ]);
    for (const kind of ['float16', 'bfloat16'] as const) {
      const value = kind === 'float16' ? 65_520 : 3.4e38;
      assert.throws(() => storedVector([0, -value], kind, where), refused('BAD_ARGUMENT', /a row.*at 1/));
    }
  });

  test('are scaled to int8 in a query, where its length means nothing, and else refused', () => {
    const field = { kind: 'int8' as const, name: 'head', metric: 'COSINE' };
    const query = storedQuery(Float32Array.of(0.5, -0.25, 0.1), field, 'films');
    assert.deepEqual(valuesOf('int8', query.data), [127, -64, 25]);
    assert.deepEqual([query.factor, query.rounded], [254, true]);
    const whole = storedQuery(Float32Array.of(5, -127, 0), { ...field, metric: 'L2' }, 'films');
    assert.deepEqual([valuesOf('int8', whole.data), whole.factor, whole.rounded], [[5, -127, 0], 1, false]);
    const said = /integers from −127 to 127 .*films.*"head" is of int8.*0\.5.*at 0/;
    const l2 = () => storedQuery(Float32Array.of(0.5), { ...field, metric: 'L2' }, 'films');
    assert.throws(l2, refused('BAD_ARGUMENT', said));
  });
});

/** The parts of requests that answers depend on. */
interface Asked {
  placeholder_group: Uint8Array;
  output_fields: string[];
}

interface Caller {
  makeUnaryRequest(...args: unknown[]): unknown;
}

const DIM = 4;
const ROWS = [
  [1, -2, 3, 4],
  [5, 6, -7, 8],
  [-100, 11, 12, 127],
];

interface Served {
  kind: VectorKind;
  /** Rows whose vector is null; the field is nullable then. */
  nulls?: readonly number[];
  struct?: boolean;
  metric?: string;
  decode?: 'fast' | 'client';
  missingVectors?: 'error' | 'skip';
}

/** A source over the real SDK, whose channel answers with messages of the SDK's own making. */
function served({ kind, nulls, struct, metric = 'COSINE', decode = 'fast', missingVectors }: Served) {
  const asked: { placeholder: Buffer; type: number }[] = [];
  const field = (name: string, dataType: number, more: object = {}) => ({ name, dataType, fieldID: 100, ...more });
  const dims = { typeParams: [{ key: 'dim', value: String(DIM) }] };
  const schema = {
    name: 'films',
    enableDynamicField: false,
    fields: [
      field('key', 5, { isPrimaryKey: true }),
      field('title', 21),
      field('full', TYPE[kind], { ...dims, nullable: nulls !== undefined }),
    ],
    structArrayFields: struct
      ? [
          {
            name: 'parts',
            fields: [field('word', 22, { elementType: 21 }), field('spots', 106, { elementType: 101, ...dims })],
          },
        ]
      : [],
  };
  const stored = ROWS.map((row) => storedVector(row, kind, where));
  const kept = stored.filter((_, i) => !nulls?.includes(i));
  const data =
    kind === 'float32' ? { data: kept.flat() } : Buffer.concat(kept.map((row) => Uint8Array.from(row as Buffer)));
  const valid = nulls && { validData: ROWS.map((_, i) => !nulls.includes(i)) };
  const parts = {
    type: 200,
    fieldName: 'parts',
    structArrays: {
      fields: [
        {
          type: 22,
          fieldName: 'word',
          scalars: { arrayData: { elementType: 21, data: ROWS.map((_, i) => ({ stringData: { data: [`w${i}`] } })) } },
        },
        {
          type: 106,
          fieldName: 'spots',
          vectors: {
            dim: DIM,
            vectorArray: {
              dim: DIM,
              elementType: 101,
              data: ROWS.map((row) => ({ dim: DIM, floatVector: { data: row } })),
            },
          },
        },
      ],
    },
  };
  const fieldsData = (names: readonly string[]) => [
    { type: 5, fieldName: 'key', scalars: { longData: { data: ['1', '2', '3'] } } },
    ...(names.includes('title')
      ? [{ type: 21, fieldName: 'title', scalars: { stringData: { data: ['a', 'b', 'c'] } } }]
      : []),
    ...(names.includes('full')
      ? [{ type: TYPE[kind], fieldName: 'full', vectors: { dim: DIM, [KEY[kind]]: data }, ...valid }]
      : []),
    ...(names.includes('parts') ? [parts] : []),
  ];
  const methods: Record<string, (request: Asked) => { type: string; value: object }> = {
    DescribeCollection: () => ({
      type: 'DescribeCollectionResponse',
      value: { status: {}, schema, collectionName: 'films', consistencyLevel: 2 },
    }),
    DescribeIndex: () => ({
      type: 'DescribeIndexResponse',
      value: {
        status: {},
        indexDescriptions: [
          {
            fieldName: 'full',
            indexName: 'i',
            params: [
              { key: 'metric_type', value: metric },
              { key: 'index_type', value: 'FLAT' },
            ],
          },
        ],
      },
    }),
    Search: (request) => {
      const group = sdk.milvusProto
        .lookupType('milvus.proto.common.PlaceholderGroup')
        .decode(request.placeholder_group);
      for (const { type, values } of group.placeholders)
        for (const one of values) asked.push({ type, placeholder: one });
      const results = {
        numQueries: 1,
        topK: 3,
        fieldsData: fieldsData(request.output_fields),
        scores: [3, 2, 1],
        ids: { intId: { data: ['1', '2', '3'] } },
        topks: [3],
        outputFields: request.output_fields,
      };
      return { type: 'SearchResults', value: { status: {}, results, collectionName: 'films' } };
    },
    Query: (request) => ({
      type: 'QueryResults',
      value: {
        status: {},
        fieldsData: fieldsData(request.output_fields),
        outputFields: request.output_fields,
        collectionName: 'films',
      },
    }),
  };
  const { service } = sdk._MilvusService;
  const channel: Record<string, unknown> = {
    makeUnaryRequest(
      path: string,
      serialize: (value: unknown) => Buffer,
      read: (bytes: Buffer) => unknown,
      value: unknown,
      ...rest: unknown[]
    ) {
      const name = path.split('/').at(-1)!;
      const callback = rest.at(-1) as (error: unknown, answer: unknown) => void;
      try {
        const request = service[name].requestDeserialize(serialize(value));
        const { type, value: answer } = methods[name]!(request);
        callback(null, read(Buffer.from(proto(type).encode(proto(type).fromObject(answer)).finish())));
      } catch (error) {
        callback(error, undefined);
      }
    },
  };
  for (const name of Object.keys(methods)) {
    const { path, requestSerialize, responseDeserialize } = service[name];
    const call = function (this: Caller, ...args: unknown[]) {
      return this.makeUnaryRequest(path, requestSerialize, responseDeserialize, ...args);
    };
    channel[name] = Object.assign(call, { path, requestSerialize, responseDeserialize });
  }
  const client = Object.create(sdk, {
    channelPool: { value: { acquire: async () => channel, release: async () => {} }, writable: true },
    connectPromise: { value: Promise.resolve() },
    connectStatus: { value: 1, writable: true },
  });
  const options = { collection: 'films', decode, ...(missingVectors && { missingVectors }) };
  return { asked, source: milvusSource(client, options as MilvusSourceOptions) };
}

describe('a field of vectors', () => {
  for (const kind of KINDS) {
    for (const decode of ['fast', 'client'] as const) {
      test(`of ${kind} is searched, fetched and scanned exactly (decode: ${decode})`, async () => {
        const { source, asked } = served({ kind, decode });
        const query = Float32Array.of(0.5, -0.25, 1 / 3, 0.1);
        const { candidates } = await source.head({ vector: query, candidates: 3, withPayload: ['title'] });
        const floats = (vectors: Float32Array | Uint16Array) =>
          Array.from(vectors, (value) => (vectors instanceof Uint16Array ? halfToFloat(value) : value));
        assert.deepEqual(floats(candidates.vectors as Float32Array), ROWS.flat());
        assert.deepEqual(candidates.payloads, [{ title: 'a' }, { title: 'b' }, { title: 'c' }]);
        assert.deepEqual(
          floats((await source.fetch({ ids: ['1', '2', '3'] })).rows.vectors as Float32Array),
          ROWS.flat(),
        );
        assert.deepEqual(floats((await source.scan({ limit: 9 })).rows.vectors as Float32Array), ROWS.flat());
        // More rows than were asked for, as a collection with a partition key answers: the page is cut, and goes on where it ends.
        const { rows, next } = await source.scan({ limit: 2 });
        assert.deepEqual(
          [rows.ids, floats(rows.vectors as Float32Array), next],
          [['1', '2'], ROWS.slice(0, 2).flat(), '2'],
        );
        const sent = asked[0]!.placeholder;
        if (kind === 'float32') assert.deepEqual(new Float32Array(Uint8Array.from(sent).buffer), query);
        else {
          const want = {
            float16: Array.from(query, (value) => halfToFloat(toHalf(value))),
            bfloat16: Array.from(query, (value) => fromBfloat16(toBfloat16(value))),
            int8: [127, -64, 85, 25],
          };
          assert.deepEqual(valuesOf(kind, sent), want[kind]);
        }
        const { hits, stats } = await new FunnelSearch({ source }).query({ vector: query, mode: 'exact', limit: 2 });
        assert.equal(hits.length, 2);
        assert.equal(stats.exact, kind === 'int8' ? 'index' : 'server', 'a rounded query is another one');
      });
    }
  }

  test('of int8 has its scores under IP as the query that was asked has them', async () => {
    const { source } = served({ kind: 'int8', metric: 'IP' });
    const { candidates } = await source.head({ vector: Float32Array.of(0.5, 0, 0, 0), candidates: 3 });
    assert.deepEqual(
      Array.from(candidates.headScores!),
      [3, 2, 1].map((score) => score / 254),
    );
  });

  test('that is nullable names the row without one, or skips and counts it', async () => {
    for (const kind of KINDS) {
      const said = /"full" of row 1 \(id 2\) .*is null.*missingVectors: 'skip'.*full is not null/;
      const vector = Float32Array.of(1, 2, 3, 4);
      const { source } = served({ kind, nulls: [1] });
      await assert.rejects(source.head({ vector, candidates: 3 }), refused('BAD_RESPONSE', said));
      await assert.rejects(source.fetch({ ids: ['1', '2', '3'] }), refused('BAD_RESPONSE', said));
      const skipping = served({ kind, nulls: [1], missingVectors: 'skip' }).source;
      const { candidates, lacking } = await skipping.head({ vector, candidates: 3 });
      assert.deepEqual([candidates.ids, lacking], [['1', '3'], ['2']]);
      assert.deepEqual(Array.from(candidates.headScores!), [3, 1]);
      const page = await skipping.scan({ limit: 3 });
      assert.deepEqual([page.rows.ids, page.lacking, page.next], [['1', '3'], ['2'], '3']);
      assert.equal((await new FunnelSearch({ source: skipping }).query({ vector })).stats.missingVectors, 1);
    }
  });
});

describe('a field of arrays of structs', () => {
  test('is a payload like any other, and its vectors are no vectors of the row', async () => {
    const { source } = served({ kind: 'float32', struct: true });
    const { candidates } = await source.head({ vector: Float32Array.of(1, 2, 3, 4), candidates: 3, withPayload: true });
    assert.deepEqual(Array.from(candidates.vectors as Float32Array), ROWS.flat());
    const [first] = candidates.payloads as { title: string; parts: { word: string }[] }[];
    assert.deepEqual([first!.title, first!.parts.map(({ word }) => word)], ['a', ['w0']]);
    assert.equal((await source.info()).dim, DIM);
    const filter = parseFilter({ must: { key: 'parts', match: { value: 'w0' } } });
    const asked = source.head({ vector: Float32Array.of(1, 2, 3, 4), candidates: 3, filter });
    await assert.rejects(asked, refused('UNSUPPORTED', /parts/));
  });
});

test('the numbers of types are those of the SDK', () => {
  assert.deepEqual(TYPE, {
    float32: DataType.FloatVector,
    float16: DataType.Float16Vector,
    bfloat16: DataType.BFloat16Vector,
    int8: DataType.Int8Vector,
  });
});
