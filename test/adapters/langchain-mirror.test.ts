/** LangChain's store on a mirror that searches: whom it asks, and how old its answers may be. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Embeddings } from '@langchain/core/embeddings';
import { FunnelSearch, type FunnelSearchOptions } from 'funnelvec';
import { FunnelRetriever, FunnelVectorStore } from 'funnelvec/langchain';
import type { Source } from 'funnelvec/source';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';

const DIM = 16;
const TEXTS = Array.from({ length: 40 }, (_, i) => `text ${i}`);

class Numbered extends Embeddings {
  constructor() {
    super({});
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    return texts.map((text) => Array.from(new Random(Number(text.split(' ')[1]) + 1).vector(DIM)));
  }

  async embedQuery(text: string): Promise<number[]> {
    return (await this.embedDocuments([text]))[0]!;
  }
}

/** A collection that counts what it is asked, and its mirror. */
async function mirrored(options: Pick<FunnelSearchOptions, 'maxAge'> = {}) {
  const collection = await FunnelIndex.create(':memory:', { dim: DIM });
  const inner = embeddedSource(collection, { head: 8 });
  const asked: string[] = [];
  const source = new Proxy(inner, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        if (key !== 'canonicalId') asked.push(String(key));
        return Reflect.apply(value, target, given);
      };
    },
  }) as Source;
  const mirror = await FunnelIndex.create(':memory:', { dim: DIM });
  const writer = { upsert: collection.upsert.bind(collection), delete: collection.delete.bind(collection) };
  const search = new FunnelSearch({ source, mirror, search: 'mirror', ...options });
  const store = new FunnelVectorStore(new Numbered(), { search, writer: { ...writer, idOf: (text) => text } });
  const documents = TEXTS.map((pageContent, i) => ({ pageContent, metadata: { part: i % 2 }, id: `id ${i}` }));
  await store.addDocuments(documents);
  await mirror.syncFrom(source, { withPayload: true });
  asked.length = 0;
  const close = () => Promise.all([collection.close(), mirror.close()]);
  return { collection, source, asked, mirror, store, close };
}

describe('FunnelVectorStore on a mirror that searches', () => {
  it('asks the database for nothing, where the mirror keeps the documents', async () => {
    const { asked, store, close } = await mirrored();
    const retriever = new FunnelRetriever({ vectorStore: store, largeK: 3, searchType: 'cosine' });
    assert.equal((await retriever.invoke('text 7'))[0]!.pageContent, 'text 7');
    assert.equal((await store.asRetriever({ k: 3 }).invoke('text 8'))[0]!.id, 'id 8');
    assert.equal((await store.similaritySearch('text 9', 2, { part: 1 }))[0]!.pageContent, 'text 9');
    const spread = await store.maxMarginalRelevanceSearch('text 5', { k: 2, filter: { part: 1 } });
    assert.equal(spread[0]!.pageContent, 'text 5');
    const { documents, stats } = await store.searchVector(await store.embeddings.embedQuery('text 3'), {
      candidates: 20,
    });
    assert.equal(documents[0]![0].pageContent, 'text 3');
    assert.deepEqual(
      stats!.stages.map(({ name }) => name),
      ['head', 'decode', 'scale 16', 'funnel'],
      'one scale, of which the index has the scores',
    );
    assert.deepEqual(await store.info(), { dim: DIM, metric: 'cosine' });
    assert.deepEqual(asked, []);
    await close();
  });

  it('tells how old an answer is, and asks the database where the mirror is older than is allowed', async () => {
    const { asked, collection, source, mirror, store, close } = await mirrored({ maxAge: 60_000 });
    const retriever = new FunnelRetriever({ vectorStore: store, largeK: 1 });
    const [vector] = await store.embeddings.embedDocuments(['text 7']);
    await collection.upsert([{ id: 'id 7', vector: vector!, payload: { content: 'new', metadata: {} } }]);
    const before = await retriever.search('text 7');
    assert.equal(before.documents[0]![0].pageContent, 'text 7');
    const told = before.stats as Extract<typeof before.stats, { mirror?: unknown }>;
    assert.equal(told.mirror?.searched, 'mirror');
    assert.equal(told.mirror?.mark?.rows, TEXTS.length);
    assert.ok(told.mirror!.age! >= 0 && told.mirror!.age! < 60_000);
    await mirror.syncFrom(source, { withPayload: true });
    assert.equal((await retriever.invoke('text 7'))[0]!.pageContent, 'new');

    const search = new FunnelSearch({ source, mirror, search: 'mirror', maxAge: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    asked.length = 0;
    const fresh = await new FunnelVectorStore(store.embeddings, { search }).searchVector(vector!, { candidates: 20 });
    const late = fresh.stats as typeof told;
    assert.equal(late.mirror?.searched, 'source');
    assert.match(late.mirror!.reason!, /more than maxAge/);
    assert.ok(asked.includes('head'), `asked: ${asked}`);
    await close();
  });

  it('deletes by a filter what the database has, not what the mirror knows of', async () => {
    for (const filtersScans of [true, false]) {
      const { collection, source, mirror, store, close } = await mirrored();
      const [vector] = await store.embeddings.embedDocuments(['text 41']);
      const added = Array.from({ length: 3 }, (_, i) => ({
        id: `late ${i}`,
        vector: vector!,
        payload: { content: 'late', metadata: { part: 1 } },
      }));
      await collection.upsert(added);
      const own = filtersScans
        ? source
        : new Proxy(source, { get: (at, key) => (key === 'filtersScans' ? undefined : Reflect.get(at, key)) });
      const search = new FunnelSearch({ source: own, mirror, search: 'mirror' });
      const { writer } = store;
      await new FunnelVectorStore(store.embeddings, { search, writer: writer! }).delete({ filter: { part: 1 } });
      assert.equal(collection.count, TEXTS.length / 2);
      assert.equal(collection.has('late 0'), false);
      await close();
    }
  });
});
