/** Mastra's contract, point by point, on every backend. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { BACKENDS, idsOf, mastra, type Store } from './suite.js';

const NUMBERS = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

for (const backend of BACKENDS) {
  describe(`the contract, ${backend.name}`, () => {
    let store: Store;
    let end: () => Promise<void>;
    /** A new name for each test: servers are slow to make and to forget. */
    let indexName: string;
    before(async () => {
      ({ store, end } = await backend.open());
    });
    after(() => end());
    beforeEach(() => {
      indexName = `films_${randomUUID().slice(0, 8)}`;
    });

    const create = (more: object = {}) => store.createIndex({ indexName, dimension: 3, ...more });
    const VECTORS = [
      [1, 0, 0],
      [0, 1, 0],
      [1, 1, 0],
    ];
    const METADATA = [
      { title: 'Alien', year: 1979 },
      { title: 'Amélie', year: 2001, tags: ['paris', 'love'] },
      { title: 'Brazil', year: 1985 },
    ];
    const fill = async () => {
      await create();
      return store.upsert({ indexName, vectors: VECTORS, metadata: METADATA, ids: ['a', 'b', 'c'] });
    };
    const all = async () => {
      const filter = { title: { $ne: 'no such title' } };
      const rows = await store.query({ indexName, filter, topK: 1000, includeVector: true });
      return rows as { id: string; score: number; metadata: Record<string, unknown>; vector: number[] }[];
    };

    it('says dims, rows and metric by Mastra’s names, lists an index, and forgets one that was deleted', async () => {
      for (const [i, metric] of (['cosine', 'euclidean', 'dotproduct'] as const).entries()) {
        const name = `${indexName}-${i}`;
        await store.createIndex({ indexName: name, dimension: 3, metric });
        assert.deepEqual(await store.describeIndex({ indexName: name }), { dimension: 3, count: 0, metric });
        await store.upsert({ indexName: name, vectors: VECTORS });
        assert.equal((await store.describeIndex({ indexName: name })).count, 3);
        assert.ok((await store.listIndexes()).includes(name));
        await store.deleteIndex({ indexName: name });
        assert.ok(!(await store.listIndexes()).includes(name));
        await assert.rejects(
          store.describeIndex({ indexName: name }),
          mastra('DESCRIBE_INDEX_NO_INDEX', /createIndex/),
        );
        await store.deleteIndex({ indexName: name });
      }
    });

    it('is made again and again without harm, with cosine as default; other dims are refused', async () => {
      await create({ metadataIndexes: ['thread_id', 'resource_id'] });
      await fill();
      await create({ metadataIndexes: ['thread_id', 'resource_id'] });
      await create({ metric: 'dotproduct' });
      assert.deepEqual(await store.describeIndex({ indexName }), { dimension: 3, count: 3, metric: 'cosine' });
      await assert.rejects(create({ dimension: 4 }), mastra('CREATE_INDEX_DIMENSION_MISMATCH', /3 dims.*received 4/));
      await Promise.all([create(), create(), create()]);
    });

    it('keeps names of every kind apart, and lists them as they were given', async () => {
      const names = [
        'memory_messages_384',
        'memory_messages',
        'Films',
        'films',
        'a-b',
        'a b',
        'ä_x2d_é',
        '1st',
        '../x',
      ];
      const own = names.map((name) => `${name}${indexName}`);
      await Promise.all(own.map((name, i) => store.createIndex({ indexName: name, dimension: i + 1 })));
      const listed: string[] = await store.listIndexes();
      assert.deepEqual(listed.filter((name) => own.includes(name)).sort(), own.toSorted());
      for (const [i, name] of own.entries()) {
        assert.equal((await store.describeIndex({ indexName: name })).dimension, i + 1);
        await store.deleteIndex({ indexName: name });
      }
    });

    it('makes ids where none are given, takes any text, and gives them back', async () => {
      await create();
      const made: string[] = await store.upsert({ indexName, vectors: VECTORS });
      assert.equal(new Set(made).size, 3);
      for (const id of made) assert.match(id, NUMBERS);
      const own = ['17', 'a b', '"; drop'];
      assert.deepEqual(await store.upsert({ indexName, vectors: VECTORS, ids: own, metadata: [] }), own);
      const rows = await all();
      assert.deepEqual(idsOf(rows), [...made, ...own].sort());
      assert.deepEqual(rows[0]!.metadata, {});
      await store.deleteVector({ indexName, id: '17' });
      assert.equal((await store.describeIndex({ indexName })).count, 5);
    });

    it('replaces vector and metadata of an id that is there; of one that comes twice the last stays', async () => {
      await fill();
      const vectors = [
        [0, 0, 1],
        [0, 0, 2],
      ];
      await store.upsert({ indexName, vectors, ids: ['a', 'a'], metadata: [{ title: 'x' }, { other: 1 }] });
      const [a] = await all();
      assert.deepEqual(a, { id: 'a', score: 0, metadata: { other: 1 }, vector: [0, 0, 2] });
      assert.equal((await store.describeIndex({ indexName })).count, 3);
    });

    it('gives metadata back as it was', async () => {
      await create();
      const metadata = [
        { 'a.b': 1, 'c"d': [1, 'x', null, { e: [] }], f: { g: { h: true } }, i: 0.1, j: -1e300, k: 2 ** 60, l: '' },
        { id: 'own', vector: [1], head: 2, metadata: { metadata: 1 }, title: 'ü😀\u0000', __proto: {}, n: null, o: {} },
        { when: new Date(5), missing: undefined, big: Number.MAX_SAFE_INTEGER },
      ];
      await store.upsert({ indexName, vectors: VECTORS, metadata, ids: ['a', 'b', 'c'] });
      const found = (await all()).map((row) => row.metadata);
      assert.deepEqual(found, [
        metadata[0],
        metadata[1],
        { when: '1970-01-01T00:00:00.005Z', big: Number.MAX_SAFE_INTEGER },
      ]);
    });

    it('answers topK rows, 10 by default, best first, with metadata, and with vectors when asked', async () => {
      await create();
      const vectors = Array.from({ length: 15 }, (_, i) => [1, i, 0]);
      await store.upsert({
        indexName,
        vectors,
        ids: vectors.map((_, i) => `r${i}`),
        metadata: vectors.map((_, i) => ({ i })),
      });
      const found = await store.query({ indexName, queryVector: [1, 0, 0] });
      assert.deepEqual(
        idsOf(found),
        Array.from({ length: 10 }, (_, i) => `r${i}`),
      );
      assert.deepEqual(found[3].metadata, { i: 3 });
      assert.ok(!Object.hasOwn(found[0], 'vector'));
      const [one] = await store.query({
        indexName,
        queryVector: new Float32Array([1, 2, 0]),
        topK: 1,
        includeVector: true,
      });
      assert.deepEqual(one.vector, [1, 2, 0]);
      assert.ok(Array.isArray(one.vector));
      assert.equal((await store.query({ indexName, queryVector: [1, 0, 0], topK: 1000 })).length, 15);
      for (const topK of [0, -1, 1.5, Number.NaN, '3', null]) {
        await assert.rejects(
          store.query({ indexName, queryVector: [1, 0, 0], topK }),
          mastra('QUERY_INVALID_TOP_K', /topK/),
        );
      }
    });

    it('has larger scores for nearer rows, whatever the metric, and keeps those of at least minScore', async () => {
      const vectors = [
        [1, 0, 0],
        [0, 2, 0],
        [-3, 0, 0],
      ];
      const scores = { cosine: [1, 0, -1], euclidean: [1, 1 / (1 + 5 ** 0.5), 1 / 5], dotproduct: [1, 0, -3] };
      for (const [metric, wanted] of Object.entries(scores)) {
        const name = `${indexName}_${metric}`;
        await store.createIndex({ indexName: name, dimension: 3, metric });
        await store.upsert({ indexName: name, vectors, ids: ['near', 'far', 'opposite'] });
        const found: { id: string; score: number }[] = await store.query({ indexName: name, queryVector: [1, 0, 0] });
        assert.deepEqual(idsOf(found), ['near', 'far', 'opposite']);
        for (const [i, { score }] of found.entries())
          assert.ok(Math.abs(score - wanted[i]!) < 1e-6, `${metric} ${score}`);
        const exactly = found[1]!.score;
        const some = await store.query({ indexName: name, queryVector: [1, 0, 0], minScore: exactly });
        assert.deepEqual(idsOf(some), ['near', 'far']);
      }
    });

    it('finds nothing near a vector without a direction, but by distance', async () => {
      await fill();
      assert.deepEqual(await store.query({ indexName, queryVector: [0, 0, 0] }), []);
      const name = `${indexName}_2`;
      await store.createIndex({ indexName: name, dimension: 3, metric: 'euclidean' });
      await store.upsert({ indexName: name, vectors: [[0, 0, 0], ...VECTORS], ids: ['o', 'a', 'b', 'c'] });
      assert.deepEqual((await store.query({ indexName: name, queryVector: [0, 0, 0], topK: 1 }))[0].score, 1);
    });

    it('takes no filter for none, however that is said, and finds by metadata alone, by id, with scores of 0', async () => {
      await fill();
      for (const filter of [undefined, null, {}, { $and: [] }]) {
        assert.equal((await store.query({ indexName, queryVector: [1, 0, 0], filter })).length, 3);
        await assert.rejects(store.query({ indexName, filter }), mastra('QUERY_MISSING_VECTOR'));
      }
      const filter = { year: { $lt: 2000 } };
      assert.deepEqual(await store.query({ indexName, filter }), [
        { id: 'a', score: 0, metadata: METADATA[0] },
        { id: 'c', score: 0, metadata: METADATA[2] },
      ]);
      assert.deepEqual(idsOf(await store.query({ indexName, filter, topK: 1 })), ['a']);
      assert.deepEqual(idsOf(await store.query({ indexName, filter, queryVector: [1, 1, 0] })), ['c', 'a']);
    });

    it('replaces by deleteFilter what passes it, and nothing else', async () => {
      await fill();
      const asked = { indexName, vectors: [[0, 0, 1]], metadata: [{ title: 'new', year: 1990 }], ids: ['d'] };
      await store.upsert({ ...asked, deleteFilter: { year: { $lt: 2000 } } });
      assert.deepEqual(idsOf(await all()), ['b', 'd']);
      // A row that is written stays, though it passes; an id that is there is replaced once.
      await store.upsert({ ...asked, ids: ['b'], deleteFilter: { title: { $in: ['new', 'Amélie'] } } });
      assert.deepEqual(
        (await all()).map(({ id, metadata }) => [id, metadata['title']]),
        [['b', 'new']],
      );
      await store.upsert({ ...asked, deleteFilter: null });
      await store.upsert({ ...asked, ids: ['e'], deleteFilter: { title: 'nobody' } });
      assert.deepEqual(idsOf(await all()), ['b', 'd', 'e']);
    });

    it('deletes nothing by deleteFilter where a vector is bad, or the filter is', async () => {
      await fill();
      const asked = { indexName, vectors: VECTORS, deleteFilter: { year: { $gt: 0 } } };
      for (const bad of [[1, 2], [1, 2, Number.NaN], [1, 2, 'x'], null, '1,2,3']) {
        await assert.rejects(
          store.upsert({ ...asked, vectors: [VECTORS[0], bad] }),
          mastra('(BAD_DIMS|NOT_FINITE|BAD_ARGUMENT)', /vectors\[1\]/),
        );
      }
      await assert.rejects(
        store.upsert({ ...asked, metadata: [{}, { f: () => 1 }, {}] }),
        mastra('BAD_ARGUMENT', /metadata\[1\]\.f/),
      );
      await assert.rejects(store.upsert({ ...asked, deleteFilter: {} }), mastra('UPSERT_EMPTY_FILTER', /deleteFilter/));
      await assert.rejects(store.upsert({ ...asked, deleteFilter: { $or: [{}] } }), mastra('UPSERT_EMPTY_FILTER'));
      await assert.rejects(
        store.upsert({ ...asked, deleteFilter: { a: { $near: 1 } } }),
        mastra('UPSERT_UNSUPPORTED', /\$near/),
      );
      assert.deepEqual(idsOf(await all()), ['a', 'b', 'c']);
    });

    it('refuses an upsert of nothing, and lists of other lengths', async () => {
      await fill();
      for (const vectors of [[], null, undefined, 'x']) {
        await assert.rejects(store.upsert({ indexName, vectors }), mastra('UPSERT_EMPTY_VECTORS'));
      }
      await assert.rejects(
        store.upsert({ indexName, vectors: VECTORS, ids: [] }),
        mastra('UPSERT_IDS_LENGTH_MISMATCH', /3/),
      );
      await assert.rejects(
        store.upsert({ indexName, vectors: VECTORS, metadata: [{}] }),
        mastra('METADATA_LENGTH_MISMATCH'),
      );
      for (const ids of [
        ['', 'b', 'c'],
        [1, 2, 3],
        [undefined, 'b', 'c'],
      ]) {
        await assert.rejects(store.upsert({ indexName, vectors: VECTORS, ids }), mastra('UPSERT_BAD_ID', /ids\[0\]/));
      }
      for (const odd of [[1], 'x', new Map()]) {
        await assert.rejects(
          store.upsert({ indexName, vectors: [[1, 0, 0]], metadata: [odd] }),
          mastra('BAD_ARGUMENT', /metadata\[0\]/),
        );
      }
      const sparseVectors = [{ indices: [1], values: [1] }];
      await assert.rejects(
        store.upsert({ indexName, vectors: VECTORS, sparseVectors }),
        mastra('UNSUPPORTED', /sparseVectors/),
      );
      assert.equal((await all()).length, 3);
    });

    it('updates a vector, metadata or both, by id or filter; what is not given stays, metadata is replaced', async () => {
      await fill();
      await store.updateVector({ indexName, id: 'a', update: { metadata: { title: 'Alien 2' } } });
      await store.updateVector({ indexName, id: 'b', update: { vector: [0, 0, 5] } });
      await store.updateVector({
        indexName,
        filter: { year: { $gte: 1985 } },
        update: { metadata: { title: 'old', done: true } },
      });
      assert.deepEqual(
        (await all()).map(({ id, metadata, vector }) => [id, metadata, vector]),
        [
          ['a', { title: 'Alien 2' }, [1, 0, 0]],
          ['b', { title: 'old', done: true }, [0, 0, 5]],
          ['c', { title: 'old', done: true }, [1, 1, 0]],
        ],
      );
      await store.updateVector({ indexName, filter: { done: true }, update: { vector: [0, 7, 0] } });
      assert.deepEqual(
        (await all()).map(({ vector }) => vector),
        [
          [1, 0, 0],
          [0, 7, 0],
          [0, 7, 0],
        ],
      );
      await store.updateVector({ indexName, id: 'nobody', update: { vector: [1, 1, 1] } });
      await store.updateVector({ indexName, filter: { title: 'nobody' }, update: { metadata: {} } });
      assert.equal((await all()).length, 3);
    });

    it('refuses an update of nothing, by nothing, by both, or of everything', async () => {
      await fill();
      const update = { metadata: { x: 1 } };
      const cases: [object, string][] = [
        [{ update }, 'UPDATE_VECTOR_NO_TARGET'],
        [{ id: 'a', filter: { year: 1979 }, update }, 'UPDATE_VECTOR_MUTUALLY_EXCLUSIVE'],
        [{ filter: {}, update }, 'UPDATE_VECTOR_EMPTY_FILTER'],
        [{ filter: { $nor: [] }, update }, 'UPDATE_VECTOR_EMPTY_FILTER'],
        [{ id: 'a', update: {} }, 'UPDATE_VECTOR_NO_PAYLOAD'],
        [{ id: 'a' }, 'UPDATE_VECTOR_BAD_ARGUMENT'],
        [{ id: '', update }, 'UPDATE_VECTOR_BAD_ID'],
        [{ id: 'a', update: { vector: [1] } }, 'UPDATE_VECTOR_BAD_DIMS'],
        [{ id: 'a', update: { metadata: [1] } }, 'UPDATE_VECTOR_BAD_ARGUMENT'],
        [{ id: 'a', update: { metdata: {} } }, 'UPDATE_VECTOR_BAD_ARGUMENT'],
      ];
      for (const [asked, id] of cases) await assert.rejects(store.updateVector({ indexName, ...asked }), mastra(id));
      assert.deepEqual(
        (await all()).map((row) => row.metadata),
        METADATA,
      );
    });

    it('deletes by id, ids and filter; ids that no row has are ignored', async () => {
      await fill();
      await store.deleteVector({ indexName, id: 'nobody' });
      await store.deleteVectors({ indexName, ids: ['a', 'nobody'] });
      assert.deepEqual(idsOf(await all()), ['b', 'c']);
      await store.deleteVectors({ indexName, filter: { $or: [] } });
      assert.deepEqual(idsOf(await all()), ['b', 'c']);
      await store.deleteVectors({ indexName, filter: { tags: 'love' } });
      assert.deepEqual(idsOf(await all()), ['c']);
      // Deleted, it may come again.
      await store.upsert({ indexName, vectors: [[1, 0, 0]], ids: ['a'], metadata: [{}] });
      assert.deepEqual(idsOf(await all()), ['a', 'c']);
    });

    it('refuses a delete of nothing, by nothing, by both, or of everything', async () => {
      await fill();
      const cases: [object, string][] = [
        [{}, 'NO_TARGET'],
        [{ ids: ['a'], filter: { year: 1979 } }, 'MUTUALLY_EXCLUSIVE'],
        [{ ids: [] }, 'EMPTY_IDS'],
        [{ ids: 'a' }, 'BAD_ARGUMENT'],
        [{ ids: [7] }, 'BAD_ID'],
        [{ filter: {} }, 'EMPTY_FILTER'],
        [{ filter: { $and: [{}] } }, 'EMPTY_FILTER'],
        [{ filter: { title: { $nin: [] } } }, 'EMPTY_FILTER'],
        [{ filter: { user: undefined } }, 'BAD_ARGUMENT'],
      ];
      for (const [asked, id] of cases) {
        await assert.rejects(store.deleteVectors({ indexName, ...asked }), mastra(`DELETE_VECTORS_${id}`));
      }
      await assert.rejects(store.deleteVector({ indexName }), mastra('DELETE_VECTOR_BAD_ID'));
      assert.equal((await all()).length, 3);
    });

    it('refuses indexes that are not there, names that are none, and params that nobody knows', async () => {
      const asked = { vectors: VECTORS, queryVector: [1, 0, 0], ids: ['a'], id: 'a', update: { vector: [1, 0, 0] } };
      const only = (...keys: (keyof typeof asked)[]) => Object.fromEntries(keys.map((key) => [key, asked[key]]));
      const calls: [keyof Store & string, object][] = [
        ['query', only('queryVector')],
        ['query', { filter: { a: 1 } }],
        ['upsert', only('vectors')],
        ['describeIndex', {}],
        ['updateVector', only('id', 'update')],
        ['deleteVector', only('id')],
        ['deleteVectors', only('ids')],
      ];
      for (const [method, more] of calls) {
        await assert.rejects(store[method]!({ indexName, ...more }), mastra('NO_INDEX', /createIndex/));
        for (const odd of [undefined, null, '', 7, '\ud800', 'x'.repeat(300)]) {
          await assert.rejects(store[method]!({ ...more, indexName: odd }), mastra('BAD_ARGUMENT', /indexName/));
        }
        await assert.rejects(store[method]!(), mastra('BAD_ARGUMENT'));
      }
      await fill();
      await assert.rejects(store.query({ indexName, queryVector: [1, 0, 0], topk: 3 }), mastra('BAD_ARGUMENT', /topk/));
      await assert.rejects(store.query({ indexName, queryVector: [1, 0] }), mastra('BAD_DIMS'));
      await assert.rejects(store.query({ indexName, queryVector: [1, 0, 'x'] }), mastra('(BAD_ARGUMENT|NOT_FINITE)'));
      await assert.rejects(
        store.query({ indexName, queryVector: [1, 0, 0], minScore: 'x' }),
        mastra('BAD_ARGUMENT', /minScore/),
      );
      await assert.rejects(
        store.query({ indexName, queryVector: [1, 0, 0], includeVector: 1 }),
        mastra('BAD_ARGUMENT', /includeVector/),
      );
      await assert.rejects(
        store.query({ indexName, queryVector: [1, 0, 0], mode: 'best' }),
        mastra('BAD_ARGUMENT', /mode/),
      );
      const sparseVector = { indices: [1], values: [1] };
      await assert.rejects(
        store.query({ indexName, queryVector: [1, 0, 0], sparseVector }),
        mastra('UNSUPPORTED', /sparseVector/),
      );
      for (const dimension of [0, -1, 1.5, '3', undefined, 70_000]) {
        await assert.rejects(store.createIndex({ indexName: 'bad', dimension }), mastra('CREATE_INDEX_BAD_DIMS'));
      }
      await assert.rejects(
        store.createIndex({ indexName: 'bad', dimension: 3, metric: 'dot' }),
        mastra('BAD_ARGUMENT', /metric/),
      );
      assert.ok(!(await store.listIndexes()).includes('bad'));
    });

    it('takes calls at once: updates of one row are all there, none is lost between reading and writing', async () => {
      await fill();
      await Promise.all([
        store.updateVector({ indexName, id: 'a', update: { metadata: { n: 1 } } }),
        store.updateVector({ indexName, id: 'a', update: { vector: [0, 0, 9] } }),
        store.upsert({ indexName, vectors: [[0, 1, 1]], ids: ['d'], metadata: [{ n: 2 }] }),
        store.updateVector({ indexName, id: 'd', update: { metadata: { n: 3 } } }),
        store.query({ indexName, queryVector: [1, 0, 0] }),
      ]);
      const [a, , , d] = await all();
      assert.deepEqual([a!.metadata, a!.vector, d!.metadata, d!.vector], [{ n: 1 }, [0, 0, 9], { n: 3 }, [0, 1, 1]]);
    });
  });
}
