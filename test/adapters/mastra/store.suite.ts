/// <reference path="../../../src/adapters/mastra/mastra-core.d.ts" />
/** Stores as Mastra uses them, and those on disk: opened again, beside others, deleted. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { MessageList } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { SemanticRecall } from '@mastra/core/processors';
import { RequestContext } from '@mastra/core/request-context';
import { InMemoryStore } from '@mastra/core/storage';
import { MastraVector } from '@mastra/core/vector';
import { embedderOf, embeddingModel } from 'funnelvec/ai-sdk';
import { FunnelVector, MilvusVector } from 'funnelvec/mastra';
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../../random.js';
import { BACKENDS, idsOf, MILVUS, mastra } from './suite.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-mastra-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const fresh = () => join(folder, String(++count));

describe('a store on disk', () => {
  const indexName = 'Films: 1979 / ä';
  const vectors = [
    [1, 0],
    [0, 1],
  ];

  it('is there again when it is opened, whatever its indexes are called', async () => {
    const path = fresh();
    const store = new FunnelVector({ id: 'films', path, index: { precision: 'float16' } });
    assert.deepEqual(await store.listIndexes(), []);
    assert.ok(!existsSync(path));
    const names = [indexName, 'films', 'Films', 'memory_messages_384', '..', '.deleted-0123456789abcdef', 'con.'];
    for (const name of names) await store.createIndex({ indexName: name, dimension: 2, metric: 'euclidean' });
    await store.upsert({ indexName, vectors, ids: ['a', 'b'], metadata: [{ n: 1 }, { n: 2 }] });
    await store.close();
    writeFileSync(join(path, 'notes.txt'), 'no index');
    mkdirSync(join(path, 'empty'));
    await using again = new FunnelVector({ id: 'films', path });
    assert.deepEqual(await again.listIndexes(), names.toSorted());
    assert.deepEqual(await again.describeIndex({ indexName }), { dimension: 2, count: 2, metric: 'euclidean' });
    assert.deepEqual(await again.query({ indexName, queryVector: [1, 0], topK: 1 }), [
      { id: 'a', score: 1, metadata: { n: 1 } },
    ]);
    // Its folders are indexes as any other.
    await again.close();
    const index = await FunnelIndex.open(join(path, 'films'));
    assert.equal(index.metric, 'euclid');
    await index.close();
  });

  it('is read beside its writer, which alone may write', async () => {
    const path = fresh();
    await using store = new FunnelVector({ id: 'films', path });
    await store.createIndex({ indexName, dimension: 2 });
    await store.upsert({ indexName, vectors, ids: ['a', 'b'] });
    await using reader = new FunnelVector({ id: 'films', path, readOnly: true });
    assert.equal((await reader.query({ indexName, queryVector: [1, 0] })).length, 2);
    await reader.createIndex({ indexName, dimension: 2 });
    await assert.rejects(reader.createIndex({ indexName: 'new', dimension: 2 }), mastra('NOT_WRITABLE'));
    await assert.rejects(reader.upsert({ indexName, vectors }), mastra('UPSERT_NOT_WRITABLE'));
    await assert.rejects(reader.deleteIndex({ indexName }), mastra('NOT_WRITABLE'));
    await using second = new FunnelVector({ id: 'films', path });
    await assert.rejects(second.describeIndex({ indexName }), mastra('INDEX_LOCKED'));
    await assert.rejects(second.deleteIndex({ indexName }), mastra('INDEX_LOCKED'));
    assert.equal((await store.describeIndex({ indexName })).count, 2);
  });

  it('leaves nothing of an index that is deleted, also of one that is broken, or that a process left half deleted', async () => {
    const path = fresh();
    await using store = new FunnelVector({ id: 'films', path });
    for (const name of ['kept', 'gone', 'broken']) await store.createIndex({ indexName: name, dimension: 2 });
    await store.upsert({ indexName: 'gone', vectors });
    mkdirSync(join(path, '.deleted-0123456789abcdef'));
    await store.deleteIndex({ indexName: 'gone' });
    assert.deepEqual(readdirSync(path).sort(), ['broken', 'kept']);
    await store.createIndex({ indexName: 'gone', dimension: 3 });
    assert.deepEqual(await store.describeIndex({ indexName: 'gone' }), { dimension: 3, count: 0, metric: 'cosine' });
    await store.close();
    for (const file of readdirSync(join(path, 'broken'))) writeFileSync(join(path, 'broken', file), 'no index');
    await using again = new FunnelVector({ id: 'films', path });
    await assert.rejects(again.describeIndex({ indexName: 'broken' }), mastra('(CORRUPT|NO_INDEX|DISK)'));
    await again.deleteIndex({ indexName: 'broken' });
    assert.deepEqual(await again.listIndexes(), ['gone', 'kept']);
  });

  it('replaces by deleteFilter in one commit: a reader sees the rows before, or those after', async () => {
    const path = fresh();
    await using store = new FunnelVector({ id: 'films', path, index: { durability: 'relaxed' } });
    await store.createIndex({ indexName: 'films', dimension: 2 });
    const rows = (round: number) => ({
      indexName: 'films',
      vectors: Array.from({ length: 50 }, (_, i) => [1, i]),
      ids: Array.from({ length: 50 }, (_, i) => `${round}-${i}`),
      metadata: Array.from({ length: 50 }, () => ({ source: 'a.pdf', round })),
    });
    await store.upsert(rows(0));
    const reader = await FunnelIndex.open(join(path, 'films'), { readOnly: true });
    let writing = true;
    const seen = (async () => {
      const rounds = new Set<number>();
      while (writing) {
        const { points } = await reader.scroll({ limit: 1000 });
        const found = new Set(points.map(({ payload }) => (payload as { round: number }).round));
        assert.equal(points.length, 50);
        assert.equal(found.size, 1);
        for (const round of found) rounds.add(round);
      }
      return rounds;
    })();
    for (let round = 1; round <= 20; round++) await store.upsert({ ...rows(round), deleteFilter: { source: 'a.pdf' } });
    writing = false;
    assert.ok((await seen).size > 1);
    await reader.close();
  });

  it('is refused when it is closed, and when it was made with what it does not take', async () => {
    const store = new FunnelVector({ id: 'films', path: ':memory:' });
    await store.createIndex({ indexName, dimension: 2 });
    const writes = store.upsert({ indexName, vectors });
    await store.close();
    assert.equal((await writes).length, 2);
    await store.close();
    await assert.rejects(store.listIndexes(), mastra('LIST_INDEXES_CLOSED'));
    await assert.rejects(store.query({ indexName, queryVector: [1, 0] }), mastra('CLOSED'));
    const configs: [object, RegExp][] = [
      [{ path: '' }, /path/],
      [{}, /path/],
      [{ path: ':memory:', readOnly: true }, /readOnly/],
      [{ path: 'x', indx: {} }, /indx/],
      [{ path: 'x', index: { dim: 3 } }, /dim/],
      [{ path: 'x', mode: 'fast' }, /mode/],
      [{ path: 'x', candidates: 0 }, /candidates/],
      [{ path: 'x', mode: 'exact', candidates: 9 }, /candidates/],
    ];
    for (const [config, message] of configs) {
      assert.throws(
        () => new FunnelVector({ id: 'films', ...config } as never),
        mastra('CONSTRUCTOR_BAD_ARGUMENT', message),
      );
    }
    for (const [config, message] of [
      [{}, /client/],
      [{ client: {} }, /client/],
      [{ client: {}, prefix: '1-' }, /prefix/],
      [{ client: {}, head: 0 }, /head/],
    ] as [object, RegExp][]) {
      assert.throws(
        () => new MilvusVector({ id: 'films', ...config } as never),
        mastra('CONSTRUCTOR_BAD_(ARGUMENT|DIMS)', message),
      );
    }
  });

  it('warns of what it leaves as it is: another metric, options of another store', async () => {
    await using store = new FunnelVector({ id: 'films', path: ':memory:' });
    const warnings: string[] = [];
    const logger = { warn: (text: string) => warnings.push(text), debug() {}, trackException() {} };
    (store as unknown as { __setLogger(own: unknown): void }).__setLogger(logger);
    await store.createIndex({ indexName, dimension: 2 });
    await store.createIndex({ indexName, dimension: 2, metric: 'cosine' });
    assert.deepEqual(warnings, []);
    await store.createIndex({ indexName, dimension: 2, metric: 'euclidean' });
    await store.createIndex({ indexName, dimension: 2, indexConfig: { type: 'hnsw' } } as never);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0]!, /metric cosine.*euclidean was asked for/);
    assert.match(warnings[1]!, /indexConfig/);
    assert.equal((await store.describeIndex({ indexName })).metric, 'cosine');
  });

  it('trades recall for time by mode and candidates, of the store and of a query', async () => {
    const random = new Random(5);
    await using store = new FunnelVector({ id: 'films', path: ':memory:', candidates: 64 });
    await store.createIndex({ indexName, dimension: 32 });
    const rows = Array.from({ length: 2000 }, () => Array.from(random.vector(32)));
    await store.upsert({ indexName, vectors: rows, ids: rows.map((_, i) => String(i)) });
    const queryVector = Array.from(random.vector(32));
    const dots = rows.map((row, i) => {
      const dot = row.reduce((sum, value, d) => sum + value * queryVector[d]!, 0);
      return { id: String(i), score: dot / Math.hypot(...row) };
    });
    const best = idsOf(dots.sort((a, b) => b.score - a.score)).slice(0, 10);
    assert.deepEqual(idsOf(await store.query({ indexName, queryVector, mode: 'exact' })), best);
    const found = idsOf(await store.query({ indexName, queryVector, candidates: 500 }));
    assert.ok(found.filter((id) => best.includes(id)).length >= 9);
    assert.equal((await store.query({ indexName, queryVector })).length, 10);
    // Fewer candidates than rows that are asked for are as many.
    assert.equal((await store.query({ indexName, queryVector, topK: 100 })).length, 100);
  });
});

describe('a store over Milvus', () => {
  if (MILVUS === undefined) return;
  it('keeps a head for Matryoshka vectors, finds by it, and is found by a store that was made without', async () => {
    const { MilvusClient } = await import('@zilliz/milvus2-sdk-node');
    const client = new MilvusClient({ address: process.env['MILVUS_ADDRESS']! });
    const prefix = `h${process.pid}_`;
    const store = new MilvusVector({ id: 'films', client, prefix, head: 8 });
    const indexName = 'films';
    try {
      await store.createIndex({ indexName, dimension: 32 });
      const random = new Random(6);
      const rows = Array.from({ length: 200 }, () => Array.from(random.vector(32)));
      await store.upsert({
        indexName,
        vectors: rows,
        ids: rows.map((_, i) => String(i)),
        metadata: rows.map((_, n) => ({ n })),
      });
      const [own] = await store.query({ indexName, queryVector: rows[7]!, includeVector: true, topK: 1 });
      assert.equal(own!.id, '7');
      assert.deepEqual(own!.vector, Array.from(Float32Array.from(rows[7]!)));
      const other = new MilvusVector({ id: 'films', client, prefix });
      assert.deepEqual(await other.listIndexes(), [indexName]);
      assert.deepEqual(await other.describeIndex({ indexName }), { dimension: 32, count: 200, metric: 'cosine' });
      assert.equal((await other.query({ indexName, queryVector: rows[9]!, mode: 'exact', topK: 1 }))[0]!.id, '9');
      await other.updateVector({ indexName, id: '9', update: { vector: rows[7]! } });
      const found = await store.query({ indexName, queryVector: rows[7]!, topK: 2, candidates: 20 });
      assert.deepEqual(idsOf(found).sort(), ['7', '9']);
    } finally {
      await store.deleteIndex({ indexName });
      await client.closeConnection();
    }
  });
});

for (const backend of BACKENDS) {
  describe(`Mastra, ${backend.name}`, () => {
    it('takes a store as a MastraVector, and hands it out by name', async () => {
      const { store, end } = await backend.open();
      const app = new Mastra({ vectors: { films: store }, logger: false });
      assert.ok(store instanceof MastraVector);
      assert.equal(app.getVector('films'), store);
      assert.equal(app.getVectorById('films'), store);
      await end();
    });

    it('recalls messages of a thread and of a resource by what they are about', async () => {
      const { store, end } = await backend.open();
      const words = await embedderOf(async (texts) => texts.map(vectorOf), { dim: 16 });
      const embedder = embeddingModel(words, { version: 'v3' });
      const storage = await new InMemoryStore().getStore('memory');
      const options = { storage, vector: store, embedder, topK: 1, messageRange: 0, logger: { error: assert.fail } };
      const recall = (scope: string) => new SemanticRecall({ ...options, scope });
      await remember(storage, recall('thread'));
      assert.equal((await store.listIndexes()).length, 1);
      assert.deepEqual(await recalled(recall('thread'), 'kitchen knife', 't1'), ['the knife is in the kitchen']);
      assert.deepEqual(await recalled(recall('thread'), 'boat guests', 't1'), ['the hotel is closed in winter']);
      assert.deepEqual(await recalled(recall('resource'), 'boat guests', 't1'), ['guests arrive by boat in spring']);
      await end();
    });
  });
}

describe('embedders for Mastra', () => {
  it('are of a version that Mastra takes, which is not the newest', async () => {
    // Mastra takes a model of a version that it does not know for one of the first, and asks it otherwise.
    const { isSupportedEmbeddingModel, embedV3 } = (await import('@mastra/core/vector')) as unknown as {
      isSupportedEmbeddingModel(model: object): boolean;
      embedV3(asked: { model: object; value: string }): Promise<{ embedding: number[] }>;
    };
    const words = await embedderOf(async (texts) => texts.map(vectorOf), { dim: 16 });
    const model = embeddingModel(words, { version: 'v3' });
    assert.equal(isSupportedEmbeddingModel(model), true);
    assert.equal(isSupportedEmbeddingModel(embeddingModel(words)), false);
    const { embedding } = await embedV3({ model, value: 'kitchen knife' });
    assert.deepEqual(embedding, Array.from(Float32Array.from(vectorOf('kitchen knife'))));
  });
});

/** A sum of a vector for each word. */
function vectorOf(text: string): number[] {
  const sum = new Array<number>(16).fill(0);
  for (const word of text.match(/\w+/g) ?? []) {
    const random = new Random([...word].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, 7));
    for (const [d, value] of random.vector(16).entries()) sum[d]! += value;
  }
  return sum;
}

const said = (id: string, threadId: string, text: string, role = 'user') => ({
  ...{ id, role, threadId, resourceId: 'r1', createdAt: new Date(Date.UTC(2026, 0, Number(id.slice(1)))) },
  content: { format: 2, parts: [{ type: 'text', text }] },
});

/** As an agent does after each answer: messages into storage, and their vectors into the store. */
// biome-ignore lint/suspicious/noExplicitAny: Mastra's own classes, whose types are not here
async function remember(storage: any, recall: any): Promise<void> {
  const talks = {
    t1: ['the hotel is closed in winter', 'the knife is in the kitchen'],
    t2: ['guests arrive by boat in spring'],
  };
  for (const [threadId, texts] of Object.entries(talks)) {
    const now = new Date();
    await storage.saveThread({ thread: { id: threadId, resourceId: 'r1', createdAt: now, updatedAt: now } });
    const messages = texts.map((text, i) => said(`m${threadId.slice(1)}${i}`, threadId, text));
    await storage.saveMessages({ messages });
    await recall.processOutputResult({ messages, requestContext: contextOf(threadId) });
  }
}

/** As an agent does before each answer. */
// biome-ignore lint/suspicious/noExplicitAny: as above
async function recalled(recall: any, question: string, threadId: string): Promise<string[]> {
  const messageList = new MessageList({ threadId, resourceId: 'r1' });
  const messages = [said('m9', threadId, question)];
  messageList.add(messages, 'input');
  await recall.processInput({ messages, messageList, requestContext: contextOf(threadId) });
  const own = messageList.get.remembered
    .db()
    .map((message: { content: { parts: { text: string }[] } }) => message.content.parts[0]!.text);
  const others = JSON.stringify(messageList.getSystemMessages('memory'));
  return [...own, ...['guests arrive by boat in spring'].filter((text) => others.includes(text))];
}

function contextOf(threadId: string): unknown {
  const context = new RequestContext();
  context.set('MastraMemory', { thread: { id: threadId }, resourceId: 'r1' });
  return context;
}
