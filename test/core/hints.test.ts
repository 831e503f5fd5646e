/** People who come from other libraries write as they do there: each refusal says how it is said here. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FunnelError, FunnelSearch, funnel, funnelPlan } from 'funnelvec';
import { embedderOf } from 'funnelvec/ai-sdk';
import { Embedder, embedEndpoint } from 'funnelvec/embed';
import { fuse } from 'funnelvec/fuse';
import { qdrantSource } from 'funnelvec/qdrant';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { tune } from 'funnelvec/tune';
import { truncate } from 'funnelvec/vectors';

type Call = () => unknown;

const ROW = [1, 2, 3, 4];
const PLAN = funnelPlan(4);

describe('what other libraries say otherwise', () => {
  let index: FunnelIndex;
  before(async () => {
    index = await FunnelIndex.create(':memory:', { dim: 4 });
    await index.upsert([{ id: 1, vector: ROW, payload: { genre: 'drama', year: 1980 } }]);
  });
  after(() => index.close());

  async function ends(cases: readonly (readonly [string, Call, string])[]): Promise<void> {
    for (const [name, call, end] of cases) {
      const error = await Promise.resolve()
        .then(call)
        .then(
          () => assert.fail(`${name} passed`),
          (one: unknown) => one,
        );
      assert.ok(error instanceof FunnelError, `${name}: ${error}`);
      assert.ok(error.message.endsWith(end), `${name}: ${error.message}`);
    }
  }
  const named = (name: string) => `: its name here is ${name}`;
  // biome-ignore lint/suspicious/noExplicitAny: what is wrong has no type
  const any = (value: unknown) => value as any;

  it('names of keys, whatever their case, dashes and dollars', async () => {
    const create = (key: string, value: unknown = 4) => [
      key,
      () => FunnelIndex.create(':memory:', any({ [key]: value })),
    ];
    const query = (key: string, value: unknown = 3) => [key, () => index.query(any({ vector: ROW, [key]: value }))];
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const request = (key: string) => [key, () => search.query(any({ vector: ROW, [key]: 3 }))];
    const point = (key: string) => [key, () => index.upsert(any([{ id: 1, [key]: ROW }]))];
    const batch = (key: string) => [key, () => index.upsert(any({ ids: [1], [key]: [ROW] }))];
    const client = any(
      Object.fromEntries(['getCollection', 'queryBatch', 'query', 'scroll', 'retrieve'].map((one) => [one, () => {}])),
    );
    const cases = [
      ...['dims', 'dimension', 'dimensions', 'size', 'numDimensions', 'vector_size'].map((key) => [
        ...create(key),
        'dim',
      ]),
      ...['distance', 'space', 'metric_type'].map((key) => [...create(key), 'metric']),
      ...['n', 'n_results', 'nResults', 'size', 'count', 'take', 'Limit'].flatMap((key) => [
        [...query(key), 'limit'],
        [...request(key), 'limit'],
      ]),
      ...['includeMetadata', 'withMetadata', 'include', 'outputFields'].map((key) => [...query(key), 'withPayload']),
      ...['includeValues', 'includeVectors'].map((key) => [...query(key), 'withVector']),
      ...['minScore', 'threshold', 'radius'].map((key) => [...query(key), 'scoreThreshold']),
      ...['filters', 'filter_expression'].map((key) => [...query(key, {}), 'filter']),
      ...['embedding', 'values', 'vectors'].map((key) => [...point(key), 'vector']),
      ...['metadata', 'attributes', 'document'].map((key) => [...point(key), 'payload']),
      ...['embeddings', 'values'].map((key) => [...batch(key), 'vectors']),
      ...['metadata', 'metadatas'].map((key) => [...batch(key), 'payloads']),
      ['plan n', () => funnel([{ id: 1, vector: ROW }], ROW, any({ ...PLAN, n: 3 })), 'limit'],
      ['plan dims', () => funnel([{ id: 1, vector: ROW }], ROW, any({ ...PLAN, dims: [2] })), 'scales'],
      ['source', () => new FunnelSearch(any({ index })), 'source'],
      ['collectionName', () => qdrantSource(client, any({ collectionName: 'films' })), 'collection'],
      ['fuse topK', () => fuse([['a']], any({ topK: 3 })), 'limit'],
      ['fuse rrf_k', () => fuse([['a']], any({ rrf_k: 3 })), 'k'],
      ['truncate dims', () => truncate(new Float32Array(4), any({ dims: 2, from: 4 })), 'dim'],
      [
        'truncate normalize',
        () => truncate(new Float32Array(4), any({ dim: 2, from: 4, normalize: true })),
        'normalise',
      ],
      ['embedderOf', () => embedderOf(async () => [ROW], any({ dimensions: 4 })), 'dim'],
      ['tune', () => tune(any({ index })), 'search'],
    ] as [string, Call, string][];
    await ends(cases.map(([name, call, here]) => [name, call, named(here)]));
    await ends([['title', point('title')[1] as Call, ': keys of your own belong in payload']]);
    // A word that nobody says of anything has no hint, nor has one that objects have by birth.
    await ends(['shoeSize', 'constructor', '__proto__x'].map((key) => [key, query(key)[1] as Call, `received ${key}`]));
  });

  it('names of metrics', async () => {
    for (const [here, names] of [
      ['euclid', ['l2', 'L2', 'euclidean', 'Euclid']],
      ['dot', ['ip', 'IP', 'dotproduct', 'inner_product']],
      ['cosine', ['Cosine', 'COSINE', 'cos', 'angular']],
    ] as const) {
      for (const metric of names) {
        await ends([
          [metric, () => FunnelIndex.create(':memory:', { dim: 4, metric: any(metric) }), named(here)],
          [metric, () => funnel([{ id: 1, vector: ROW }], ROW, { ...PLAN, metric: any(metric) }), named(here)],
        ]);
      }
    }
    const hamming = () => FunnelIndex.create(':memory:', { dim: 4, metric: any('hamming') });
    await ends([['hamming', hamming, 'received "hamming" of type string']]);
  });

  it('vectors as arrays of arrays', async () => {
    const flat = ': pass Float32Array.from(vectors.flat())';
    const one = ': it holds arrays, pass one of them';
    const alone = ': vectors alone go in as one Float32Array, beside their ids or their dim';
    await ends([
      ['a batch', () => index.upsert(any({ ids: [1, 2], vectors: [ROW, ROW] })), flat],
      [
        'a batch of views',
        () => index.upsert(any({ ids: [1], vectors: [new Float32Array(4)] })),
        ': pass one Float32Array that has them one after the other',
      ],
      [
        'a batch in one array',
        () => index.upsert(any({ ids: [1], vectors: ROW })),
        ': pass Float32Array.from(vectors)',
      ],
      ['rows without ids', () => index.upsert(any([ROW, ROW])), alone],
      ['candidates', () => funnel(any([ROW, ROW]), ROW), alone],
      ['a matrix', () => funnel(any({ vectors: [ROW, ROW, ROW], dim: 4 }), ROW), flat],
      ['the query of a funnel', () => funnel([{ id: 1, vector: ROW }], any([ROW])), one],
      ['the query of an index', () => index.query({ vector: any([ROW]) }), one],
      [
        'an embedding',
        () => funnel(any([{ id: 1, embedding: ROW }]), ROW),
        ': the vector under embedding belongs under vector',
      ],
      // Only a vector belongs there, and only where there is none.
      ['a text', () => funnel(any([{ id: 1, data: 'text' }]), ROW), 'for the vector of row 0 but received undefined'],
      ['another', () => funnel(any([{ id: 1, vector: 'x', data: ROW }]), ROW), 'received "x" of type string'],
    ]);
  });

  it('filters of Mongo, LangChain and others', async () => {
    const filter = (given: unknown): [string, Call] => [
      JSON.stringify(given),
      () => index.query({ vector: ROW, filter: any(given) }),
    ];
    const must = (given: object) => filter({ must: [given] });
    const key = 'genre';
    await ends([
      [
        ...filter({ genre: 'drama' }),
        ': a field is asked for by { must: [{ key: "genre", match: { value: "drama" } }] }',
      ],
      [...filter({ year: { $gt: 1980 } }), ': a field is asked for by { must: [{ key: "year", range: { gt } }] }'],
      [
        ...filter({ year: 1.5 }),
        ': a field is asked for by { must: [{ key: "year", range: { gte: 1.5, lte: 1.5 } }] }',
      ],
      [
        ...filter({ genre: ['a', 'b'] }),
        ': a field is asked for by { must: [{ key: "genre", match: { any: [...] } }] }',
      ],
      [...must({ genre: 'drama' }), ': a field is asked for by { key: "genre", match: { value: "drama" } }'],
      [...filter({ $and: [] }), named('must')],
      [...filter({ $or: [] }), named('should')],
      [...filter({ not: {} }), named('must_not')],
      [...filter({ $expr: {} }), ': conditions are written as in Qdrant, { must: [{ key, range: { gt: 1 } }] }'],
      [...filter({ key, match: { value: 'x' } }), ': write { must: [{ ... }] } around the condition'],
      [...filter([{ key, match: { value: 'x' } }]), ': write { must: [...] } around the conditions'],
      [...filter('genre == "x"'), '; in the words of a database they go into nativeFilter'],
      [...must({ key, match: 'x' }), ': write { value: "x" }'],
      [...must({ key, match: ['x', 'y'] }), ': write { any: [...] }'],
      [...must({ key, match: { $eq: 'x' } }), named('value')],
      [...must({ key, match: { $in: ['x'] } }), named('any')],
      [...must({ key, match: { keyword: 'x' } }), named('value')],
      [...must({ key, value: 'x' }), ': write match: { value }'],
      [...must({ key, $in: ['x'] }), ': write match: { any: [...] }'],
      [...must({ key, gte: 1 }), ': write range: { gte }'],
      [...must({ field: key, match: { value: 'x' } }), named('key')],
      [...must({ key, range: 1980 }), ': write bounds, { gte: 1, lt: 2 }'],
      [...must({ key, range: { $gte: 1980 } }), named('gte')],
      [...must({ key, range: { min: 1980 } }), named('gte')],
      [...must({ key, range: { to: 1980 } }), named('lte')],
      [...must({ is_empty: 'genre' }), ': write { key: "genre" }'],
    ]);
    // A hint writes no condition that is refused, and none that asks for something else.
    const asked = ': a field is asked for by ';
    await ends([
      [...must({ constructor: 'x' }), `${asked}{ key: "constructor", match: { value: "x" } }`],
      [...must(JSON.parse('{ "__proto__": "x" }')), `${asked}{ key: "__proto__", match: { value: "x" } }`],
      [...filter({ a: { toString: 1 } }), `${asked}{ must: [{ key: "a.toString", match: { value } }] }`],
      [...filter({ author: { name: 'x' } }), `${asked}{ must: [{ key: "author.name", match: { value } }] }`],
      [...filter({ year: { $ne: 1980 } }), `${asked}{ must: [{ key: "year", match: { except: [...] } }] }`],
      [...filter({ year: { $eq: 1.5 } }), `${asked}{ must: [{ key: "year", range: { gte: 1.5, lte: 1.5 } }] }`],
      [
        ...filter({ year: { $exists: true } }),
        ': conditions are written as in Qdrant, { must: [{ key, range: { gt: 1 } }] }',
      ],
      [...filter({ genre: null }), `${asked}{ must: [{ is_null: { key: "genre" } }] }`],
      ...[undefined, Number.NaN, 2 ** 60, Symbol('x'), () => 1].map((value): [string, Call, string] => [
        ...filter({ genre: value }),
        `${asked}{ must: [{ key: "genre", match: { value } }] }`,
      ]),
      [...filter({ when: new Date(0) }), `${asked}{ must: [{ key: "when", range: { gte: date, lte: date } }] }`],
      [...filter({ all: true }), `${asked}{ must: [{ key: "all", match: { value: true } }] }`],
      [
        ...filter({ [key.repeat(9_000)]: 'v'.repeat(9_000) }),
        `${asked}{ must: [{ key: ..., match: { value: ... } }] }`,
      ],
      [...filter({ 'a[b': 1 }), `${asked}{ must: [{ key: ..., match: { value: 1 } }] }`],
      ...[
        { slice: { total: 2, index: 0 } },
        { geo_radius: {}, key },
        { values_count: { gt: 1 }, key },
        { hasId: [1] },
      ].map((given): [string, Call, string] => [...filter(given), ': write { must: [{ ... }] } around the condition']),
      [...must({ key, match: 1.5 }), ': write range: { gte: 1.5, lte: 1.5 } in its place'],
      [...must({ key, match: Number.NaN }), ': write { value }'],
      ...[true, ['genre'], [Symbol('x')], [Object.create(null)]].map((given): [string, Call, string] => [
        'is_empty',
        () => index.query({ vector: ROW, filter: { must: [any({ is_empty: given })] } }),
        ': write { key }',
      ]),
      [...filter('genre == "x"'), ', all that an index takes; in the words of a database they go into nativeFilter'],
    ]);
    // Getters and proxies that throw keep nobody from hearing what was wrong.
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const throwing = {
      get shoes() {
        throw new Error('read');
      },
    };
    await ends([
      ['a getter', () => index.query({ vector: ROW, filter: any(throwing) }), 'received key "shoes" of type string'],
      [
        'a proxy',
        () => index.query({ vector: ROW, filter: any({ shoes: proxy }) }),
        'received key "shoes" of type string',
      ],
    ]);
    // Filters that hints write out are taken.
    for (const taken of [
      { key, match: { value: 'drama' } },
      { key: 'year', range: { gt: 1979 } },
      { key, match: { any: ['drama'] } },
      { key: 'year', match: { except: [1981] } },
      { must_not: [{ is_null: { key } }] },
    ]) {
      assert.equal((await index.query({ vector: ROW, filter: { must: [taken] } })).hits.length, 1);
    }
  });

  it('what is made by new, or by options without a path', async () => {
    const made = /^Expected FunnelIndex\.create\(path, \{ dim \}\) or FunnelIndex\.open\(path\)/;
    for (const given of ['films', { dim: 4 }, undefined, index]) {
      assert.throws(() => new (any(FunnelIndex))(given), { code: 'BAD_ARGUMENT', message: made });
    }
    for (const given of [['films'], ['films', {}, null]]) {
      assert.throws(() => new (any(Embedder))(...given), { code: 'BAD_ARGUMENT', message: /^Expected Embedder\.load/ });
    }
    await ends([
      [
        'no path',
        () => FunnelIndex.create(any({ dim: 4 }), any(undefined)),
        ': the path comes first, options behind it',
      ],
      ['a URL', () => FunnelIndex.open(any(new URL('file:///films'))), ': pass fileURLToPath(url) of node:url'],
      // No first argument, and no path.
      ['the path of a model', () => Embedder.load({ path: any({}) }), 'received an object of type Object'],
      ['an endpoint', () => embedEndpoint(any({ url: 'http://a', model: 'm', path: 'v1' })), 'received path'],
    ]);
  });
});
