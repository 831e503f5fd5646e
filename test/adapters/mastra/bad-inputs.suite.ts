/// <reference path="../../../src/adapters/mastra/mastra-core.d.ts" />
/** Each param of each method, given every kind of value: a MastraError that is told by name, and nothing of the index changes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { MastraError } from '@mastra/core/error';
import { FunnelVector, MilvusVector } from 'funnelvec/mastra';
import { ODD, type OddValue } from '../odd-values.js';
import { BACKENDS, idsOf, type Store } from './suite.js';

/** @param fine the odd values that are as good as any other here */
type Case = [name: string, call: (value: unknown) => unknown, fine?: readonly OddValue[]];

function refuses(cases: readonly Case[], unchanged: () => Promise<void> = async () => {}): void {
  for (const [name, call, fine = []] of cases) {
    it(`refuses what ${name} cannot be`, async () => {
      const wrong: string[] = [];
      for (const [label, value] of Object.entries(ODD) as [OddValue, unknown][]) {
        let error: unknown;
        try {
          await call(value);
        } catch (thrown) {
          error = thrown ?? 'nothing';
        }
        if (fine.includes(label)) {
          if (error !== undefined) wrong.push(`${label} was refused: ${error}`);
        } else if (error === undefined) wrong.push(`${label} was taken`);
        else if (!(error instanceof MastraError) || (error.cause as Error | undefined)?.name !== 'FunnelError') {
          wrong.push(`${label}: ${error}`);
        } else if (!/^Expected /.test(error.message)) wrong.push(`${label}: ${error.message}`);
      }
      assert.deepEqual(wrong, []);
      await unchanged();
    });
  }
}

for (const backend of BACKENDS) {
  describe(`bad inputs, ${backend.name}`, () => {
    let store: Store;
    let end: () => Promise<void>;
    const indexName = 'films';
    const vectors = [[1, 0, 0]];
    before(async () => {
      ({ store, end } = await backend.open());
      await store.createIndex({ indexName, dimension: 3 });
      await store.upsert({ indexName, vectors, ids: ['own'], metadata: [{ n: 7 }] });
    });
    after(() => end());
    const unchanged = async () => {
      const rows = await store.query({ indexName, filter: { n: 7 }, includeVector: true });
      assert.deepEqual(rows, [{ id: 'own', score: 0, metadata: { n: 7 }, vector: [1, 0, 0] }]);
      const all = idsOf(await store.query({ indexName, filter: { n: { $ne: 7 } }, topK: 1000 }));
      if (all.length > 0) await store.deleteVectors({ indexName, ids: all });
    };
    const create = (more: object) => store.createIndex({ indexName, dimension: 3, ...more });
    const query = (more: object) => store.query({ indexName, queryVector: [1, 0, 0], ...more });
    const upsert = (more: object) => store.upsert({ indexName, vectors, ...more });
    const update = (more: object) => store.updateVector({ indexName, id: 'nobody', ...more });
    const NONE = ['undefined', 'null'] as const;
    const OBJECT = ['empty object', 'object'] as const;
    const NULL = backend.full ? (['null'] as const) : []; // Milvus cannot say it

    refuses(
      [
        ['the params of createIndex()', (value) => store.createIndex(value)],
        ['dimension', (dimension) => create({ dimension })],
        ['metric', (metric) => create({ metric }), ['undefined']],
        ['metadataIndexes', (metadataIndexes) => create({ metadataIndexes }), ['undefined', 'none']],
        ['the params of describeIndex()', (value) => store.describeIndex(value)],
        ['the params of deleteIndex()', (value) => store.deleteIndex(value)],
        ['the params of query()', (value) => store.query(value)],
        ['queryVector', (queryVector) => query({ queryVector })],
        ['a value of queryVector', (one) => query({ queryVector: [one, 1, 1] }), ['zero', 'one', 'minus one', 'half']],
        ['topK', (topK) => query({ topK }), ['undefined', 'one']],
        ['filter', (filter) => query({ filter }), [...NONE, ...OBJECT]],
        [
          'a value in filter',
          (n) => query({ filter: { n } }),
          [...NULL, 'zero', 'one', 'minus one', 'half', 'bigint', 'empty', 'blank', 'text', 'true', 'object'],
        ],
        ['includeVector', (includeVector) => query({ includeVector }), ['undefined', 'true']],
        ['minScore', (minScore) => query({ minScore }), ['undefined', 'zero', 'one', 'minus one', 'half', 'infinity']],
        ['mode', (mode) => query({ mode }), ['undefined']],
        ['candidates', (candidates) => query({ candidates }), ['undefined', 'one']],
        ['sparseVector', (sparseVector) => query({ sparseVector }), ['undefined']],
        ['the params of upsert()', (value) => store.upsert(value)],
        ['vectors', (value) => upsert({ vectors: value })],
        ['a vector', (value) => upsert({ vectors: [value] })],
        ['metadata', (metadata) => upsert({ metadata }), [...NONE, 'none', 'nulls']],
        ['metadata of a row', (one) => upsert({ metadata: [one] }), [...NONE, ...OBJECT]],
        ['ids', (ids) => upsert({ ids }), NONE],
        ['an id', (id) => upsert({ ids: [id] }), ['text', 'blank']],
        ['deleteFilter', (deleteFilter) => upsert({ deleteFilter }), [...NONE, 'object']],
        ['sparseVectors', (sparseVectors) => upsert({ sparseVectors }), ['undefined']],
        ['the params of updateVector()', (value) => store.updateVector(value)],
        ['id of updateVector()', (id) => update({ id, update: { metadata: {} } }), ['text', 'blank']],
        [
          'filter of updateVector()',
          (filter) => update({ id: undefined, filter, update: { metadata: {} } }),
          ['object'],
        ],
        ['update', (value) => update({ update: value })],
        ['vector of an update', (vector) => update({ update: { vector, metadata: {} } }), NONE],
        [
          'metadata of an update',
          (metadata) => update({ update: { vector: [1, 1, 1], metadata } }),
          [...NONE, ...OBJECT],
        ],
        ['the params of deleteVector()', (value) => store.deleteVector(value)],
        ['id of deleteVector()', (id) => store.deleteVector({ indexName, id }), ['text', 'blank']],
        ['the params of deleteVectors()', (value) => store.deleteVectors(value)],
        ['ids of deleteVectors()', (ids) => store.deleteVectors({ indexName, ids })],
        ['one of ids of deleteVectors()', (id) => store.deleteVectors({ indexName, ids: [id] }), ['text', 'blank']],
        ['filter of deleteVectors()', (filter) => store.deleteVectors({ indexName, filter }), ['object']],
      ],
      unchanged,
    );
  });
}

describe('bad configs', () => {
  const methods =
    'describeCollection describeIndex search query upsert delete hasCollection showCollections createCollection createIndex ' +
    'loadCollectionAsync dropCollection getLoadingProgress';
  const client = Object.fromEntries(methods.split(' ').map((name) => [name, () => {}]));
  const embedded = (more: object) => new FunnelVector({ id: 'films', path: ':memory:', ...more } as never);
  const milvus = (more: object) => new MilvusVector({ id: 'films', client, ...more } as never);
  refuses([
    ['the config of FunnelVector', (value) => new FunnelVector(value as never)],
    ['path', (path) => embedded({ path }), ['text', 'blank']],
    ['readOnly', (readOnly) => embedded({ path: 'x', readOnly }), ['undefined', 'true']],
    ['index', (index) => embedded({ index }), ['undefined', 'empty object']],
    ['mode of FunnelVector', (mode) => embedded({ mode }), ['undefined']],
    ['candidates of FunnelVector', (candidates) => embedded({ candidates }), ['undefined', 'one']],
    ['the config of MilvusVector', (value) => new MilvusVector(value as never)],
    ['client', (value) => milvus({ client: value })],
    ['prefix', (prefix) => milvus({ prefix }), ['undefined', 'text']],
    ['head', (head) => milvus({ head }), ['undefined', 'one']],
  ]);

  const answering = (own: object) => new MilvusVector({ id: 'films', client: { ...client, ...own } } as never);
  const there = { hasCollection: async () => ({ status: {}, value: true }) };
  const missing = { hasCollection: async () => ({ status: {}, value: false }) };
  const done = async () => ({ status: {} });
  const making = {
    ...missing,
    createCollection: done,
    createIndex: done,
    dropCollection: done,
    loadCollectionAsync: done,
  };
  const indexName = 'films';
  refuses([
    [
      'the collections that Milvus tells of',
      (value) => answering({ showCollections: async () => value }).listIndexes(),
    ],
    [
      'the names that Milvus tells of',
      (data) => answering({ showCollections: async () => ({ status: {}, data }) }).listIndexes(),
      ['none'],
    ],
    [
      'whether Milvus has a collection',
      (value) => answering({ hasCollection: async () => value }).deleteIndex({ indexName }),
    ],
    [
      'that value',
      (value) => answering({ hasCollection: async () => ({ status: {}, value }) }).describeIndex({ indexName }),
    ],
    [
      'what Milvus tells of a collection',
      (value) => answering({ ...there, describeCollection: async () => value }).describeIndex({ indexName }),
    ],
    [
      'the answer of Milvus to a new collection',
      (value) => answering({ ...making, createCollection: async () => value }).createIndex({ indexName, dimension: 3 }),
    ],
  ]);

  it('refuse a progress that is none, and do not wait for it', async () => {
    for (const progress of [undefined, null, '', ' ', 'x', {}, [], true]) {
      const store = answering({ ...making, getLoadingProgress: async () => ({ status: {}, progress }) });
      await assert.rejects(store.createIndex({ indexName, dimension: 3 }), /Expected a percentage/);
    }
  });

  it('has the ids of stores refused by Mastra itself', () => {
    for (const [label, id] of Object.entries(ODD)) {
      for (const make of [embedded, milvus]) {
        if (label === 'text') make({ id });
        else assert.throws(() => make({ id }), MastraError, label);
      }
    }
  });
});
