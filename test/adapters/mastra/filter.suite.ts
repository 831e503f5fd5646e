/** Mastra's filters find what Mongo says that they mean, which mingo judges; what cannot be said is refused by name. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Query } from 'mingo';
import { Random } from '../../random.js';
import { BACKENDS, idsOf, mastra, type Store } from './suite.js';

type Document = Record<string, unknown>;

/** Each is found, or not, by some filter below for a reason of its own. */
const DOCUMENTS: Document[] = [
  { n: 1, t: 'x', tags: ['x', 'y'], loc: { page: 3 }, on: true },
  { n: 2, t: 'y', tags: ['y'], loc: { page: 7, kind: 'pdf' }, on: false },
  { n: 1.5, t: 'xy', tags: [], loc: [{ page: 3 }, { page: 9 }] },
  { n: null, t: null, tags: null, loc: null, on: null },
  {},
  { n: [1, 5], t: ['x', 'z'], tags: 'x', loc: { page: [3, 4] } },
  { n: '1', t: 1, tags: [1, 'x', null], loc: 'page', on: 'true' },
  { n: -3, t: '', tags: ['xx'], loc: { page: null, kind: '' } },
  { n: 2 ** 53, t: 'ü 😀', tags: [{ name: 'x' }], loc: {}, 'a b': 1, 'c"d': 'x', 'e[0]': true },
  { n: 0, t: '2024-05-31T10:00:00Z', tags: ['2024-05-31T10:00:00.000Z'], loc: [], on: [true, false] },
  { n: 7, thread_id: 't1', resource_id: 'r1', message_id: 'm1', observed_at: '2026-01-01T00:00:00.000Z' },
  { n: 8, thread_id: 't1', resource_id: 'r2', message_id: 'm2', observed_at: '2026-02-01T00:00:00.000Z' },
  { n: 9, thread_id: 't2', resource_id: 'r1', message_id: 'm3', observed_at: '2026-03-01T00:00:00.000Z' },
];

const FILTERS: object[] = [
  // Values.
  ...[1, 2, 1.5, -3, '1', 'x', true, 2 ** 53, 0].flatMap((value) => [{ n: value }, { t: value }, { tags: value }]),
  ...[{ on: true }, { on: false }, { 'a b': 1 }, { 'c"d': 'x' }, { 'e[0]': true }, { t: 'ü 😀' }, { t: '' }],
  // None of it, which a missing key is, too.
  ...['n', 't', 'tags', 'loc', 'loc.page', 'on'].flatMap((key) => [
    { [key]: null },
    { [key]: { $ne: null } },
    { [key]: { $exists: true } },
    { [key]: { $exists: false } },
    { [key]: { $in: [null, 'x', 3] } },
    { [key]: { $nin: [null, 'x', 3] } },
  ]),
  // Operators, their contrary, and missing keys.
  ...[{ $eq: 1 }, { $ne: 1 }, { $gt: 1 }, { $gte: 1.5 }, { $lt: 2 }, { $lte: -3 }, { $gt: 1, $lt: 5 }].flatMap(
    (value) => [{ n: value }, { n: { $not: value } }, { 'loc.page': value }],
  ),
  ...[{ $in: [] }, { $nin: [] }, { $in: [1, 1.5] }, { $in: ['1', true] }, { $nin: [1, 2] }].map((n) => ({
    n,
  })),
  ...[{ $in: ['x', 'y'] }, { $nin: ['x', 'y'] }, { $ne: 'x' }].map((tags) => ({
    tags,
  })),
  ...[{ $size: 0 }, { $size: 1 }, { $size: 2 }, { $not: { $size: 1 } }].map((tags) => ({ tags })),
  ...[{ $regex: 'x' }, { $not: { $regex: 'x' } }, /x/, { $not: /x/ }].map((t) => ({ t })),
  // Keys through arrays.
  ...[
    { 'loc.page': 3 },
    { 'loc.page': { $ne: 3 } },
    { 'loc.page': 9 },
    { 'loc.page': 4 },
    { 'loc.kind': { $exists: false } },
  ],
  ...[
    { 'tags.name': 'x' },
    { loc: { $elemMatch: { page: 9 } } },
    { loc: { $elemMatch: { page: { $gt: 3, $lt: 9 } } } },
  ],
  // Each branch is an AND of its keys; keys beside it count.
  {
    $or: [
      { n: 1, t: 'y' },
      { n: 2, t: 'y' },
    ],
  },
  { $or: [{ n: 1 }, { n: 2 }], t: 'x' },
  { $or: [] },
  { $nor: [{ n: 1 }, { t: 'y' }] },
  { $nor: [{ n: 1, t: 'x' }] },
  { $and: [{ n: { $gte: 0 } }, { $or: [{ t: 'x' }, { $nor: [{ n: { $lt: 5 } }] }] }] },
  // As Mastra's Memory asks.
  { thread_id: 't1' },
  { resource_id: 'r1' },
  { $and: [{ thread_id: 't1' }, { resource_id: 'r2', n: { $gt: 1 } }] },
  { message_id: { $in: Array.from({ length: 100 }, (_, i) => `m${2 * i}`) } },
  { resource_id: 'r1', observed_at: { $gt: '2026-01-15T00:00:00.000Z', $lt: '2026-04-01T00:00:00.000Z' } },
];

/** Filters of which mingo (7.2.7) finds other rows than Mongo says: one document, and whether it is found. */
const DOCUMENTED: [Document, object, boolean][] = [
  [{ a: [3, 4] }, { a: { $all: [3, 4] } }, true],
  [{ a: [3, 4] }, { a: { $all: [3, 5] } }, false],
  [{ a: 3 }, { a: { $all: [3] } }, true],
  [{ a: 3 }, { a: { $all: [] } }, false],
  [{ a: [1] }, { a: { $all: [] } }, false],
  [{ c: [{ p: [2, 1] }, { p: 0 }] }, { 'c.p': { $gt: 1.5 } }, true],
  [{ c: [{ p: [2, 1] }, { p: 0 }] }, { 'c.p': { $gt: 2 } }, false],
  [{ c: [{ p: [2, 1] }, { p: 0 }] }, { 'c.p': { $in: [2] } }, true],
];

/** The like that Milvus cannot say. */
const DOCUMENTED_OF_INDEXES: typeof DOCUMENTED = [
  [{}, { a: { $all: [null] } }, true],
  [{ c: [{ q: 1 }, { p: 2 }] }, { 'c.p': null }, true],
  [{ c: [1, { q: 1 }] }, { 'c.p': null }, true],
  [{ c: [1, { p: 1 }] }, { 'c.p': null }, false],
  [{ c: [{ p: 1 }, { p: 2 }] }, { 'c.p': { $size: 2 } }, false],
  [{ c: [{ p: [1] }, { p: 2 }] }, { 'c.p': { $size: 1 } }, true],
  [{ c: [{ p: [1, 2] }] }, { 'c.p': { $size: 2 } }, true],
  [{ c: [{ p: null }, { p: [] }] }, { 'c.p': { $size: 0 } }, true],
  [{ c: [{ p: null }, {}] }, { 'c.p': { $size: 0 } }, false],
  [{ c: [{ p: 5 }, { p: [1, 2] }] }, { 'c.p': { $size: 1 } }, false],
  [{ c: [] }, { 'c.p': { $size: 0 } }, false],
  [{ a: ['2019-01-01', '2021-01-01'] }, { a: new Date('2020-01-01') }, false],
  [{ a: ['2019-01-01', '2021-01-01'] }, { a: { $ne: new Date('2020-01-01') } }, true],
  [{ a: ['2019-01-01', '2020-01-01'] }, { a: { $in: [new Date('2020-01-01')] } }, true],
];

/** Not to be said over any store, each with the words that name it. */
const REFUSED: [object, string, RegExp][] = [
  [{ n: { $near: 1 } }, 'UNSUPPORTED', /\$near \(filter\.n\.\$near\)/],
  [{ n: { $contains: 'x' } }, 'UNSUPPORTED', /\$contains.*\$regex/],
  [{ $where: 'true' }, 'UNSUPPORTED', /\$where/],
  [{ $text: { $search: 'x' } }, 'UNSUPPORTED', /\$text/],
  [{ t: { $regex: '^x' } }, 'UNSUPPORTED', /filter\.t\.\$regex.*\^x/],
  [{ t: /x/i }, 'UNSUPPORTED', /\/x\/i/],
  [{ t: { $regex: 'x', $options: 'i' } }, 'UNSUPPORTED', /\/x\/i/],
  [{ t: { $options: 'i' } }, 'BAD_ARGUMENT', /\$regex/],
  [{ tags: ['x', 'y'] }, 'BAD_ARGUMENT', /\$in or \$all.*filter\.tags/],
  [{ tags: { $in: 'x' } }, 'BAD_ARGUMENT', /an array.*filter\.tags\.\$in/],
  [{ tags: { $size: -1 } }, 'BAD_ARGUMENT', /\$size/],
  [{ tags: { $elemMatch: { $gt: 1 } } }, 'UNSUPPORTED', /\$elemMatch|\$gt/],
  [{ 'tags.0': 'x' }, 'UNSUPPORTED', /position 0/],
  [{ t: { $gt: 'm' } }, 'BAD_ARGUMENT', /date.*filter\.t\.\$gt/],
  [{ n: { $gt: null } }, 'BAD_ARGUMENT', /filter\.n\.\$gt/],
  [{ n: Number.NaN }, 'BAD_ARGUMENT', /filter\.n/],
  [{ n: undefined }, 'BAD_ARGUMENT', /filter\.n/],
  [{ n: () => 1 }, 'BAD_ARGUMENT', /filter\.n/],
  [{ n: {} }, 'BAD_ARGUMENT', /filter\.n/],
  [{ n: { $gt: 1, page: 2 } }, 'BAD_ARGUMENT', /mixture.*filter\.n/],
  [{ n: { $not: 1 } }, 'BAD_ARGUMENT', /\$not/],
  [{ n: { $exists: 1 } }, 'BAD_ARGUMENT', /boolean.*\$exists/],
  [{ $or: { n: 1 } }, 'BAD_ARGUMENT', /filter\.\$or/],
  [{ $and: [null] }, 'BAD_ARGUMENT', /filter\.\$and\[0\]/],
  [{ $not: {} }, 'BAD_ARGUMENT', /\$not/],
  [{ 'a..b': 1 }, 'BAD_ARGUMENT', /a\.\.b/],
  [{ n: '\ud800' }, 'BAD_ARGUMENT', /well-formed/],
  [{ 'a.b.c.d.e.f.g.h.i': 1 }, 'BAD_ARGUMENT', /8 keys/],
];

for (const backend of BACKENDS) {
  describe(`filters, ${backend.name}`, () => {
    let store: Store;
    let end: () => Promise<void>;
    const indexName = 'filtered';
    before(async () => {
      ({ store, end } = await backend.open());
      await store.createIndex({ indexName, dimension: 2, metadataIndexes: ['thread_id', 'resource_id'] });
    });
    after(() => end());

    const idOf = (i: number) => `d${String(i).padStart(3, '0')}`;
    async function fill(documents: Document[]): Promise<void> {
      const { count } = await store.describeIndex({ indexName });
      if (count > 0) await store.deleteVectors({ indexName, filter: { 'no such key': { $ne: 1 } } });
      const ids = documents.map((_, i) => idOf(i));
      await store.upsert({ indexName, vectors: documents.map((_, i) => [1, i]), ids, metadata: documents });
    }
    const judged = (documents: Document[], filter: object) => {
      const query = new Query(filter);
      return documents.flatMap((document, i) => (query.test(document) ? [idOf(i)] : []));
    };
    /** Undefined where this store cannot say it, which it says by name. */
    async function found(filter: object): Promise<string[] | undefined> {
      if (!backend.full && /true|false/.test(JSON.stringify(filter)) && !Object.hasOwn(filter, 'on')) return undefined;
      try {
        return idsOf(await store.query({ indexName, filter, topK: 1000 }));
      } catch (error) {
        if (!backend.full && /_QUERY_UNSUPPORTED$/.test((error as { id?: string }).id ?? '')) {
          assert.match((error as Error).message, /Milvus/);
          return undefined;
        }
        throw new Error(`${JSON.stringify(filter)}: ${(error as Error).message}`);
      }
    }

    it('find what Mongo finds', async () => {
      const documents = backend.full ? DOCUMENTS : DOCUMENTS.map(withoutObjectsInArrays);
      await fill(documents);
      let said = 0;
      for (const filter of FILTERS) {
        const wanted = judged(documents, filter);
        // Everything passes it by its form alone: a vector has to be there.
        if (JSON.stringify(filter) === '{"n":{"$nin":[]}}') continue;
        const ids = await found(filter);
        if (ids === undefined) continue;
        said++;
        assert.deepEqual(ids, wanted, JSON.stringify(filter));
        const near = await store.query({ indexName, queryVector: [1, 0], filter, topK: 1000 });
        assert.deepEqual(idsOf(near).sort(), wanted, `${JSON.stringify(filter)} with a vector`);
      }
      assert.ok(said > (backend.full ? FILTERS.length - 2 : 50), `${said}`);
    });

    it('find what Mongo finds, made up at random', async () => {
      const random = new Random(23);
      const documents = Array.from({ length: 60 }, () => {
        if (backend.full) return made(random);
        const text = JSON.stringify(withoutObjectsInArrays(made(random)));
        return JSON.parse(text.replace(/\b(true|false)\b/g, '"$1"')) as Document;
      });
      await fill(documents);
      let said = 0;
      let some = 0;
      for (let i = 0; i < 250; i++) {
        const filter = asked(random, 3);
        const wanted = judged(documents, filter);
        const ids = await found(filter).catch((error) => {
          if (/vector, or a filter with conditions/i.test(error.message)) return undefined;
          throw error;
        });
        if (ids === undefined) continue;
        said++;
        if (wanted.length > 0 && wanted.length < documents.length) some++;
        assert.deepEqual(ids, wanted, JSON.stringify(filter));
      }
      assert.ok(said > (backend.full ? 240 : 40) && some > (backend.full ? 120 : 20), `${said} and ${some}`);
    });

    it('find what Mongo finds, where mingo does not', async () => {
      for (const [document, filter, wanted] of [...DOCUMENTED, ...(backend.full ? DOCUMENTED_OF_INDEXES : [])]) {
        const way = Object.keys(filter)[0]!.includes('.') && !backend.full;
        if (way) continue;
        await store.upsert({
          indexName,
          vectors: [[1, 1]],
          ids: ['one'],
          metadata: [document],
          deleteFilter: { z: { $ne: 1 } },
        });
        assert.deepEqual(await found(filter), wanted ? ['one'] : [], JSON.stringify([document, filter]));
      }
    });

    it('that cannot be said are refused by name', async () => {
      for (const [filter, code, message] of REFUSED) {
        await assert.rejects(store.query({ indexName, queryVector: [1, 0], filter }), mastra(`QUERY_${code}`, message));
        await assert.rejects(store.deleteVectors({ indexName, filter }), mastra(code, message));
      }
      for (const filter of ['n = 1', 7, [], [{ n: 1 }], new Map()]) {
        await assert.rejects(
          store.query({ indexName, queryVector: [1, 0], filter }),
          mastra('QUERY_BAD_ARGUMENT', /filter/),
        );
      }
      assert.ok((await store.describeIndex({ indexName })).count > 0);
    });

    if (!backend.full) return;
    it('take dates as Date and as text', async () => {
      const days = ['2024-01-01', '2024-06-01T12:00:00Z', '2024-12-31T23:59:59.999Z', 'no date'];
      await fill([...days.map((when) => ({ when })), { when: new Date('2024-06-01T12:00:00Z') }]);
      assert.deepEqual(await found({ when: { $gt: new Date('2024-03-01') } }), [idOf(1), idOf(2), idOf(4)]);
      assert.deepEqual(await found({ when: { $lte: '2024-06-01T12:00:00Z' } }), [idOf(0), idOf(1), idOf(4)]);
      assert.deepEqual(await found({ when: new Date('2024-06-01T12:00:00Z') }), [idOf(1), idOf(4)]);
    });
  });
}

/** Milvus enters no arrays of objects. (Milvus Lite takes 1 for true and 0 for false, too: booleans are left out there.) */
function withoutObjectsInArrays(document: Document): Document {
  return Object.fromEntries(
    Object.entries(document).map(([key, value]) => {
      const inArray = Array.isArray(value) && value.find((one) => typeof one === 'object' && one !== null);
      return [key, inArray ? inArray : value];
    }),
  );
}

const VALUES = [0, 1, 2, 3, -1, 1.5, 'x', 'y', 'xy', '', true, false];

function made(random: Random): Document {
  const one = () => random.pick(VALUES);
  const value = () =>
    random.pick<() => unknown>([one, one, one, () => null, () => [], () => [one(), one()], () => [one(), null]])();
  const inner = () => ({ ...(random.chance(0.8) && { p: value() }), ...(random.chance(0.5) && { q: value() }) });
  // Here mingo is no judge of arrays within arrays, nor of keys that some elements lack: DOCUMENTED has those.
  const flat = () => ({ p: one(), q: one() });
  return {
    ...(random.chance(0.8) && { a: value() }),
    ...(random.chance(0.8) && { b: value() }),
    ...(random.chance(0.8) && {
      c: random.pick<() => unknown>([inner, inner, () => [flat(), flat()], value, () => []])(),
    }),
  };
}

function asked(random: Random, depth: number): Document {
  if (depth > 0 && random.chance(0.4)) {
    const branches = Array.from({ length: random.int(1, 3) }, () => asked(random, depth - 1));
    return { [random.pick(['$and', '$or', '$nor'])]: branches, ...(random.chance(0.2) && leaf(random)) };
  }
  return { ...leaf(random), ...(random.chance(0.2) && leaf(random)) };
}

function leaf(random: Random): Document {
  const key = random.pick(['a', 'b', 'c', 'c.p', 'c.q', 'd']);
  const one = () => random.pick(VALUES);
  const number = () => random.pick([0, 1, 2, 1.5]);
  const some = () => Array.from({ length: random.int(0, 3) }, () => (random.chance(0.15) ? null : one()));
  const operators: (() => Document)[] = [
    ...[() => ({ $eq: one() }), () => ({ $ne: one() }), () => ({ $gt: number() }), () => ({ $lte: number() })],
    ...[() => ({ $gte: number(), $lt: number() }), () => ({ $in: some() }), () => ({ $nin: some() })],
    ...[() => ({ $exists: random.chance(0.5) }), () => ({ $size: random.int(0, 2) })],
    ...[() => ({ $regex: random.pick(['x', 'y']) }), () => ({ $eq: null }), () => ({ $ne: null })],
  ];
  const operator = random.pick(operators.filter((one) => !key.startsWith('c') || !Object.hasOwn(one(), '$size')))();
  return { [key]: random.pick<() => unknown>([one, () => operator, () => operator, () => ({ $not: operator })])() };
}
