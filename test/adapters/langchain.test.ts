/** The vector store of LangChain, over every kind of store, by the real packages; and its retriever. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Document } from '@langchain/core/documents';
import { Embeddings } from '@langchain/core/embeddings';
import { index as indexing } from '@langchain/core/indexing';
import { StringOutputParser } from '@langchain/core/output_parsers';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { RunnablePassthrough, RunnableSequence } from '@langchain/core/runnables';
import { maximalMarginalRelevance } from '@langchain/core/utils/math';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { RecursiveCharacterTextSplitter } from '@langchain/textsplitters';
import { QdrantClient } from '@qdrant/js-client-rest';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { type FunnelErrorCode, FunnelSearch, type Id, type Metric, type SearchStats } from 'funnelvec';
import {
  type FunnelAnswer,
  FunnelRetriever,
  type FunnelStoreConfig,
  FunnelVectorStore,
  type MetadataFilter,
  milvusWriter,
  type PointWriter,
  qdrantWriter,
} from 'funnelvec/langchain';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';
import { refused } from '../refused.js';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';
import { Records } from './records.js';

const DIM = 16;
const HEAD = 8;

/** The sum of a vector for each word, of length 1; zeros for no words. */
function vectorOf(text: string): number[] {
  const sum = new Array<number>(DIM).fill(0);
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    const random = new Random([...word].reduce((hash, c) => (hash * 31 + c.charCodeAt(0)) >>> 0, 7));
    for (const [d, value] of random.vector(DIM).entries()) sum[d]! += value;
  }
  const length = Math.hypot(...sum);
  return length === 0 ? sum : sum.map((value) => value / length);
}

class Words extends Embeddings {
  texts = 0;

  constructor() {
    super({});
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    this.texts += texts.length;
    return texts.map(vectorOf);
  }

  async embedQuery(text: string): Promise<number[]> {
    return vectorOf(text);
  }
}

interface Stores {
  /** A new, empty store of that metric. */
  config(metric?: Metric): Promise<FunnelStoreConfig>;
  stop(): Promise<void>;
}

const METRICS = {
  cosine: ['Cosine', 'COSINE'],
  dot: ['Dot', 'IP'],
  euclid: ['Euclid', 'L2'],
} as const;

const KINDS: Record<string, () => Promise<Stores>> = {
  'an index': async () => embedded((index) => ({ index })),
  'a search over an index': async () =>
    embedded((index) => ({
      search: new FunnelSearch({ source: embeddedSource(index, { head: HEAD }) }),
      writer: index,
    })),
  'a search on a mirror': async () => {
    const made: FunnelIndex[] = [];
    return {
      async config(metric = 'cosine') {
        const [index, mirror] = [await memory(metric), await memory(metric)];
        made.push(index, mirror);
        const source = embeddedSource(index, { head: HEAD });
        const synced = () => mirror.syncFrom(source, { withPayload: true });
        const writer: PointWriter = {
          upsert: (points) => index.upsert(points).then(synced),
          delete: (ids) => index.delete(ids).then(synced),
          idOf: (text) => text,
        };
        return { search: new FunnelSearch({ source, mirror, search: 'mirror' }), writer };
      },
      async stop() {
        for (const index of made) await index.close();
      },
    };
  },
  [`Qdrant${qdrantMark}`]: async () => {
    const { url, stop } = await startQdrant();
    const client = new QdrantClient({ url, checkCompatibility: false });
    const made: string[] = [];
    return {
      async config(metric = 'cosine') {
        const collection = `langchain-${made.length}-${process.pid}`;
        made.push(collection);
        const [distance] = METRICS[metric];
        await client.createCollection(collection, {
          vectors: { head: { size: HEAD, distance }, full: { size: DIM, distance } },
        });
        const where = { collection, head: 'head', full: 'full' };
        return {
          search: new FunnelSearch({ source: qdrantSource(client, where) }),
          writer: qdrantWriter(client, where),
        };
      },
      async stop() {
        for (const collection of made) await client.deleteCollection(collection);
        await stop();
      },
    };
  },
  Milvus: async () => {
    const server = await startMilvus();
    const client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    const made: string[] = [];
    return {
      async config(metric = 'cosine') {
        const collection = `langchain_${made.length}_${process.pid}`;
        made.push(collection);
        await client.createCollection({
          collection_name: collection,
          enable_dynamic_field: true,
          fields: [
            { name: 'id', data_type: DataType.VarChar, max_length: 100, is_primary_key: true },
            { name: 'head', data_type: DataType.FloatVector, dim: HEAD },
            { name: 'full', data_type: DataType.FloatVector, dim: DIM },
          ],
        });
        for (const field_name of ['head', 'full']) {
          const index = { field_name, index_type: 'FLAT', metric_type: METRICS[metric][1] };
          await client.createIndex({ collection_name: collection, ...index });
        }
        await client.loadCollectionSync({ collection_name: collection });
        const where = { collection, head: 'head', full: 'full' };
        const source = milvusSource(client, { ...where, consistency: ConsistencyLevelEnum.Strong, scalars: 'ask' });
        return { search: new FunnelSearch({ source }), writer: milvusWriter(client, where) };
      },
      async stop() {
        for (const collection_name of made) await client.dropCollection({ collection_name });
        await client.closeConnection();
        await server.stop();
      },
    };
  },
};

function memory(metric: Metric = 'cosine'): Promise<FunnelIndex> {
  return FunnelIndex.create(':memory:', { dim: DIM, metric });
}

async function embedded(config: (index: FunnelIndex) => FunnelStoreConfig): Promise<Stores> {
  const made: FunnelIndex[] = [];
  return {
    async config(metric = 'cosine') {
      const index = await memory(metric);
      made.push(index);
      return config(index);
    },
    async stop() {
      for (const index of made) await index.close();
    },
  };
}

const TEXTS = [
  'a hotel that is closed in winter',
  'a teenager who skips school',
  'a digger after relics in the desert',
  'a hotel at the lake in summer',
  'the school by the lake',
  'winter in the desert',
];
const FILMS = TEXTS.map((pageContent, i) => ({
  pageContent,
  metadata: {
    source: i < 3 ? 'a.txt' : 'b.txt',
    page: i,
    rating: i + 0.5,
    seen: i % 2 === 0,
    loc: { lines: { from: 10 * i, to: 10 * i + 9 } },
    tags: i % 2 === 0 ? ['even', 'all'] : ['odd', 'all'],
  },
}));
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const IDS = FILMS.map((_, i) => uuid(i + 1));

const contents = (documents: readonly { pageContent: string }[]) => documents.map(({ pageContent }) => pageContent);
const cosine = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, d) => sum + value * b[d]!, 0);

// All servers start at one time.
const starting = Object.entries(KINDS).map(([kind, start]) => {
  const stores = start();
  stores.catch(() => {}); // said where it is waited for
  return [kind, stores] as const;
});

for (const [kind, started] of starting) {
  describe(`FunnelVectorStore over ${kind}`, { concurrency: true }, () => {
    let stores: Stores | undefined;
    let reason: string | undefined;
    before(async () => {
      try {
        stores = await started;
      } catch (error) {
        if (process.env['CI'] === 'true') throw error;
        reason = (error as Error).message;
      }
    });
    after(() => stores?.stop());

    const holds = (name: string, run: (stores: Stores) => Promise<void>) =>
      it(name, (t) => (stores === undefined ? t.skip(reason) : run(stores)));
    const filled = async ({ config }: Stores, metric?: Metric) => {
      const store = new FunnelVectorStore(new Words(), await config(metric));
      await store.addDocuments(FILMS, { ids: IDS });
      return store;
    };

    let shared: Promise<FunnelVectorStore> | undefined;
    /** The same for all tests that only read. */
    const read = (some: Stores) => {
      shared ??= filled(some);
      return shared;
    };

    holds('gives documents back as they were, best first, with similarities', async (some) => {
      const store = await read(some);
      const query = 'hotel in winter';
      const found = await store.similaritySearchWithScore(query, 6);
      const wanted = TEXTS.map((text, i) => ({ i, score: cosine(vectorOf(text), vectorOf(query)) })).sort(
        (a, b) => b.score - a.score,
      );
      assert.deepEqual(
        found.map(([{ id }]) => id),
        wanted.map(({ i }) => IDS[i]),
      );
      for (const [n, [document, score]] of found.entries()) {
        const { i, score: similarity } = wanted[n]!;
        assert.ok(document instanceof Document);
        assert.equal(document.pageContent, TEXTS[i]);
        assert.deepEqual(document.metadata, FILMS[i]!.metadata);
        assert.ok(Math.abs(score - similarity) < 1e-5);
      }
    });

    holds('takes ids beside documents, or their own, or makes some; writes an id again in its place', async (some) => {
      const store = new FunnelVectorStore(new Words(), await some.config());
      const given = [
        new Document({ pageContent: 'one', id: uuid(1) }),
        new Document({ pageContent: 'two', metadata: { n: 2 } }),
      ];
      const ids = await store.addDocuments(given);
      assert.equal(ids[0], uuid(1));
      assert.match(ids[1]!, /^[\da-f-]{36}$/);
      assert.deepEqual(await store.addDocuments([given[0]!], { ids: [uuid(7)] }), [uuid(7)]);
      await store.addDocuments([new Document({ pageContent: 'three', id: uuid(1) })]);
      const found = await store.similaritySearch('one', 10);
      assert.deepEqual(contents(found).sort(), ['one', 'three', 'two']);
      assert.equal(found.find(({ id }) => id === uuid(1))!.pageContent, 'three');
      // The last row of an id that comes twice in one call stays.
      await store.addDocuments(
        ['four', 'five'].map((pageContent) => ({ pageContent, metadata: {} })),
        { ids: [uuid(1), uuid(1)] },
      );
      assert.deepEqual(contents(await store.similaritySearch('five', 10)).sort(), ['five', 'one', 'two']);
      assert.deepEqual(await store.addDocuments([]), []);
    });

    holds('deletes by ids, those that are not there included, and by filter', async (some) => {
      const store = await filled(some);
      await store.delete({ ids: [IDS[0]!, uuid(99), 'no such id'] });
      await store.delete({ ids: [] });
      assert.equal((await store.similaritySearch('hotel', 10)).length, 5);
      await store.delete({ filter: { source: 'b.txt' } });
      assert.deepEqual(contents(await store.similaritySearch('hotel', 10)).sort(), [TEXTS[2], TEXTS[1]]);
      await store.delete({ filter: { must: [{ key: 'metadata.page', range: { gte: 2 } }] } });
      assert.deepEqual(contents(await store.similaritySearch('hotel', 10)), [TEXTS[1]]);
      // A deleted document may come again at once.
      await store.addDocuments([FILMS[0]!], { ids: [IDS[0]!] });
      assert.equal((await store.similaritySearch('hotel', 10)).length, 2);
      await assert.rejects(store.delete({}), refused('BAD_ARGUMENT', /ids or filter for delete/));
      await assert.rejects(store.delete({ ids: [], filter: {} }), refused('BAD_ARGUMENT', /ids or filter for delete/));
      await assert.rejects(store.delete({ filter: {} }), refused('BAD_ARGUMENT', /would delete all/));
    });

    holds('filters by an object of equalities over metadata, and by Qdrant’s filter over the payload', async (some) => {
      const store = await read(some);
      const pages = async (filter: MetadataFilter | undefined) =>
        (await store.similaritySearch('hotel', 10, filter)).map(({ metadata }) => metadata['page']).sort();
      const cases: [MetadataFilter | undefined, number[]][] = [
        [undefined, [0, 1, 2, 3, 4, 5]],
        [{}, [0, 1, 2, 3, 4, 5]],
        [{ source: 'a.txt' }, [0, 1, 2]],
        [{ source: 'a.txt', seen: true }, [0, 2]],
        [{ page: 4 }, [4]],
        [{ rating: 3.5 }, [3]],
        [{ loc: { lines: { from: 20 } } }, [2]],
        [{ 'loc.lines.from': 50 }, [5]],
        [{ tags: 'odd' }, [1, 3, 5]],
        [{ nothing: 'here' }, []],
        [{ must: [{ key: 'metadata.page', range: { gte: 2, lt: 4 } }] }, [2, 3]],
        [{ must_not: { key: 'metadata.tags', match: { any: ['odd'] } } }, [0, 2, 4]],
        [
          {
            should: [
              { key: 'metadata.page', match: { value: 0 } },
              { must: [{ key: 'metadata.page', match: { value: 5 } }] },
            ],
          },
          [0, 5],
        ],
      ];
      for (const [filter, wanted] of cases) assert.deepEqual(await pages(filter), wanted, JSON.stringify(filter));
      const byText = await store.similaritySearch('hotel', 10, {
        must: [{ key: 'content', match: { value: TEXTS[4]! } }],
      });
      assert.deepEqual(contents(byText), [TEXTS[4]]);
    });

    holds(
      'returns as many as there are for a large k, four by default, none for 0 or a text of nothing',
      async (some) => {
        const store = await read(some);
        assert.equal((await store.similaritySearch('hotel', 1000)).length, 6);
        assert.equal((await store.similaritySearch('hotel')).length, 4);
        assert.deepEqual(await store.similaritySearch('hotel', 0), []);
        assert.deepEqual(await store.similaritySearchWithScore('', 3), []);
        assert.deepEqual(await store.asRetriever().invoke(''), []);
        await assert.rejects(store.similaritySearch('hotel', -1), refused('BAD_ARGUMENT', /for k /));
        await assert.rejects(store.similaritySearchVectorWithScore([1, 2], 3), refused('BAD_DIMS', /16/));
        const empty = new FunnelVectorStore(new Words(), await some.config());
        assert.deepEqual(await empty.similaritySearch('hotel'), []);
      },
    );

    holds(
      'has larger scores for nearer documents under euclid and dot, so that a threshold keeps the best',
      async (some) => {
        const query = 'hotel in winter';
        const near = Math.sqrt(2 - 2 * cosine(vectorOf(TEXTS[0]!), vectorOf(query)));
        const euclid = await filled(some, 'euclid');
        const found = await euclid.similaritySearchWithScore(query, 6);
        assert.equal(found[0]![0].pageContent, TEXTS[0]);
        assert.ok(Math.abs(found[0]![1] - 1 / (1 + near)) < 1e-4);
        assert.ok(found.every(([, score], i) => i === 0 || score <= found[i - 1]![1]));
        const half = found[2]![1];
        const answer = await euclid.searchVector(vectorOf(query), { k: 6, scoreThreshold: half });
        assert.deepEqual(answer.documents, found.slice(0, 3));
        const dot = await filled(some, 'dot');
        assert.equal((await dot.similaritySearch(query, 1))[0]!.pageContent, TEXTS[0]);
      },
    );

    holds('chooses by marginal relevance what LangChain’s own function chooses, whatever lambda', async (some) => {
      const store = await read(some);
      const query = 'hotel in winter';
      const byScore = (await store.similaritySearch(query, 6)).map(({ pageContent }) => pageContent);
      for (const lambda of [0, 0.3, 0.5, 1]) {
        const wanted = maximalMarginalRelevance(vectorOf(query), byScore.map(vectorOf), lambda, 3).map(
          (i) => byScore[i],
        );
        const found = await store.maxMarginalRelevanceSearch(query, { k: 3, fetchK: 6, lambda });
        assert.deepEqual(contents(found), wanted, `lambda ${lambda}`);
      }
      assert.deepEqual(
        contents(await store.maxMarginalRelevanceSearch(query, { k: 3, lambda: 1 })),
        byScore.slice(0, 3),
      );
      const filtered = await store.maxMarginalRelevanceSearch(query, { k: 9, filter: { source: 'b.txt' } });
      assert.equal(filtered.length, 3);
      const retriever = store.asRetriever({ k: 2, searchType: 'mmr', searchKwargs: { fetchK: 6, lambda: 0 } });
      assert.equal((await retriever.invoke(query)).length, 2);
      assert.deepEqual(await store.maxMarginalRelevanceSearch(query, { k: 0 }), []);
      const wrong = store.maxMarginalRelevanceSearch(query, { k: 3, lambda: Number.NaN });
      await assert.rejects(wrong, refused('BAD_ARGUMENT', /lambda/));
    });

    holds(
      'is made of texts with one metadata for all, or one each, of documents, and of what is there',
      async (some) => {
        const config = await some.config();
        const store = await FunnelVectorStore.fromTexts(['one', 'two'], { of: 'all' }, new Words(), config);
        assert.deepEqual(
          (await store.similaritySearch('one', 2)).map(({ metadata }) => metadata),
          [{ of: 'all' }, { of: 'all' }],
        );
        await FunnelVectorStore.fromTexts(['three'], [{ of: 'three' }], new Words(), config);
        const again = await FunnelVectorStore.fromExistingIndex(new Words(), config);
        assert.deepEqual((await again.similaritySearch('three', 1))[0]!.metadata, { of: 'three' });
        const wrong = FunnelVectorStore.fromTexts(['a', 'b'], [{}], new Words(), config);
        await assert.rejects(wrong, refused('BAD_ARGUMENT', /one for each text, for metadatas/));
        const documents = await FunnelVectorStore.fromDocuments(FILMS.slice(0, 1), new Words(), await some.config());
        assert.deepEqual(contents(await documents.similaritySearch('hotel')), [TEXTS[0]]);
      },
    );

    holds('answers in a chain: a splitter, a retriever, a prompt, a chat model', async (some) => {
      const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 60, chunkOverlap: 0 });
      const chunks = await splitter.createDocuments([TEXTS.join('. ')], [{ source: 'films' }]);
      assert.ok(chunks.length > 3);
      const store = await FunnelVectorStore.fromDocuments(chunks, new Words(), await some.config());
      let prompted = '';
      const chain = RunnableSequence.from([
        {
          context: store.asRetriever({ k: 2 }).pipe((documents) => contents(documents).join('\n')),
          question: new RunnablePassthrough<string>(),
        },
        ChatPromptTemplate.fromTemplate('{context}\n\n{question}'),
        (prompt) => {
          prompted = prompt.toString();
          return prompt;
        },
        new FakeListChatModel({ responses: ['In winter.'] }),
        new StringOutputParser(),
      ]);
      assert.equal(await chain.invoke('When is the hotel closed?'), 'In winter.');
      assert.match(prompted, /hotel/);
    });

    holds('is kept by index(): again, with changes between, under every clean-up', async (some) => {
      const store = new FunnelVectorStore(new Words(), await some.config());
      const records = new Records();
      const all = async () => contents(await store.similaritySearch('the hotel', 100)).sort();
      const documents = (texts: string[], source = 'a') =>
        texts.map((pageContent) => new Document({ pageContent, metadata: { source } }));
      const run = (docsSource: Document[], options: object = {}) =>
        indexing({
          docsSource,
          recordManager: records,
          vectorStore: store,
          options: { sourceIdKey: 'source', ...options },
        });
      const counts = (numAdded: number, numUpdated: number, numDeleted: number, numSkipped: number) => ({
        ...{ numAdded, numUpdated, numDeleted, numSkipped },
      });

      assert.deepEqual(await run(documents(['a1', 'a2', 'a2', 'a3'])), counts(3, 0, 0, 0));
      assert.deepEqual(await run(documents(['a1', 'a2', 'a3'])), counts(0, 0, 0, 3));
      assert.deepEqual(await run(documents(['a1', 'a4'])), counts(1, 0, 0, 1));
      assert.deepEqual(await all(), ['a1', 'a2', 'a3', 'a4'], 'without clean-up nothing goes');
      assert.deepEqual(await run(documents(['a1'], 'a'), { forceUpdate: true }), counts(0, 1, 0, 0));

      const incremental = { cleanup: 'incremental' };
      assert.deepEqual(await run(documents(['b1'], 'b'), incremental), counts(1, 0, 0, 0));
      assert.deepEqual(await run(documents(['a1', 'a5']), incremental), counts(1, 0, 3, 1));
      assert.deepEqual(await all(), ['a1', 'a5', 'b1']);
      // One source over several batches: what the first batch had deleted comes again in the next.
      await run(documents(['c1', 'c2'], 'c'), incremental);
      await run(documents(['c3', 'c2'], 'c'), { ...incremental, batchSize: 1 });
      assert.deepEqual(await all(), ['a1', 'a5', 'b1', 'c2', 'c3']);

      const last = await run(documents(['b1', 'd1'], 'b'), { cleanup: 'full', cleanupBatchSize: 2 });
      assert.deepEqual([last.numAdded, last.numDeleted], [1, 4]);
      assert.deepEqual(await all(), ['b1', 'd1']);
    });

    holds('is asked for the same documents again where index() failed between store and records', async (some) => {
      const config = await some.config();
      const store = new FunnelVectorStore(new Words(), config);
      const records = new Records();
      const docsSource = FILMS.map((film) => new Document(film));
      const update = records.update.bind(records);
      records.update = async () => {
        throw new Error('the records are away');
      };
      const run = () =>
        indexing({ docsSource, recordManager: records, vectorStore: store, options: { cleanup: 'full' } });
      await assert.rejects(run(), /records are away/);
      records.update = update;
      assert.equal((await run()).numAdded, 6);
      assert.equal((await store.similaritySearch('hotel', 100)).length, 6, 'each once');
    });

    holds('refuses what cannot be written before anything is, naming document and key', async (some) => {
      const words = new Words();
      const store = new FunnelVectorStore(words, await some.config());
      const one = (metadata: object) =>
        store.addDocuments([FILMS[0]!, { pageContent: 'x', metadata: metadata as never }]);
      await assert.rejects(
        one({ loc: { at: new Map() } }),
        refused('BAD_ARGUMENT', /documents\[1\]\.metadata\.loc\.at but received an object of type Map/),
      );
      await assert.rejects(one({ run: () => {} }), refused('BAD_ARGUMENT', /documents\[1\]\.metadata\.run/));
      await assert.rejects(one({ bytes: Uint8Array.of(1) }), refused('BAD_ARGUMENT', /metadata\.bytes/));
      const round: Record<string, unknown> = {};
      round['self'] = round;
      await assert.rejects(
        one(round),
        refused('BAD_ARGUMENT', /no object within itself at documents\[1\]\.metadata\.self/),
      );
      await assert.rejects(
        store.addDocuments([{ pageContent: 3 as never, metadata: {} }]),
        refused('BAD_ARGUMENT', /documents\[0\]\.pageContent/),
      );
      await assert.rejects(
        store.addDocuments(FILMS, { ids: ['a'] }),
        refused('BAD_ARGUMENT', /6 ids, one for each document/),
      );
      await assert.rejects(
        store.addDocuments(FILMS, { namespace: 'x' } as never),
        refused('BAD_ARGUMENT', /Expected ids in the options beside documents/),
      );
      assert.equal(words.texts, 0, 'no text was embedded');
      const vector = vectorOf('x');
      const film = FILMS[0]!;
      await assert.rejects(store.addVectors([vector], []), refused('BAD_ARGUMENT', /0 vectors/));
      await assert.rejects(
        store.addVectors([vector, [1]], [film, film]),
        refused('BAD_DIMS', /the vector of documents\[1\]/),
      );
      await assert.rejects(
        store.addVectors([vector.with(3, Number.NaN)], [film]),
        refused('NOT_FINITE', /dim 3 of the vector of documents\[0\]/),
      );
      assert.deepEqual(await store.similaritySearch('hotel', 10), [], 'nothing was written');
    });

    holds('keeps a Date, and what has a toJSON, as JSON does, and leaves undefined out', async (some) => {
      const store = new FunnelVectorStore(new Words(), await some.config());
      class Page {
        number = 3;
      }
      const date = new Date(Date.UTC(2026, 0, 2));
      await store.addDocuments([
        { pageContent: 'x', metadata: { date, page: new Page(), none: undefined, nothing: null } },
      ]);
      assert.deepEqual((await store.similaritySearch('x', 1))[0]!.metadata, {
        ...{ date: date.toISOString(), page: { number: 3 }, nothing: null },
      });
    });

    holds('refuses filters that are none, or whose keys no payload has', async (some) => {
      const store = await read(some);
      const search = (filter: unknown) => store.similaritySearch('hotel', 3, filter as MetadataFilter);
      const bad: [unknown, RegExp][] = [
        [() => true, /Qdrant's filter, or an object of equalities, for filter but received a function/],
        ['page > 3', /for filter but received "page > 3"/],
        [[{ page: 3 }], /for filter but received an array/],
        [{ page: { $gte: 3 } }, /the operator \$gte \(filter\.page\.\$gte\)/],
        [{ $or: [] }, /the operator \$or/],
        [{ tags: ['a', 'b'] }, /for filter\.tags but received an array/],
        [{ page: null }, /for filter\.page but received null/],
        [{ page: {} }, /for filter\.page but received an object/],
        [{ must: [], page: 3 }, /must, should, must_not, min_should alone in filter but received page/],
        [{ must: [{ key: 'page', match: { value: 3 } }] }, /received page, which no payload has: write metadata\.page/],
        [{ must: [{ should: [{ is_empty: { key: 'page' } }] }] }, /write metadata\.page/],
        [{ must: [{ nested: { key: 'tags', filter: {} } }] }, /write metadata\.tags/],
      ];
      for (const [filter, text] of bad) await assert.rejects(search(filter), refused('BAD_ARGUMENT', text));
    });

    holds('is searched by FunnelRetriever, which takes what MatryoshkaRetriever takes', async (some) => {
      const vectorStore = new FunnelVectorStore(new Words(), await some.config());
      const retriever = new FunnelRetriever({
        ...{ vectorStore, smallK: 6, largeK: 2, largeEmbeddingKey: 'lc_large_embedding', searchType: 'cosine' },
        largeEmbeddingModel: new Words(),
      });
      await retriever.addDocuments(FILMS, { ids: IDS });
      assert.deepEqual(
        contents(await retriever.invoke('hotel in winter')),
        contents(await vectorStore.similaritySearch('hotel in winter', 2)),
      );
      const filtered = new FunnelRetriever({ vectorStore, filter: { source: 'b.txt' } });
      assert.equal((await filtered.invoke('hotel in winter')).length, 3);
      const exact = new FunnelRetriever({ vectorStore, mode: 'exact', k: 1, scoreThreshold: 0.99 });
      assert.deepEqual(contents(await exact.invoke(TEXTS[5]!)), [TEXTS[5]]);
      const told = await new FunnelRetriever({ vectorStore, candidates: 5, k: 2, explain: true }).search('hotel');
      assert.equal(told.documents.length, 2);
      assert.ok(told.stats!.stages.length > 0);
      assert.equal(told.explanation !== undefined, vectorStore.search !== undefined);
      const deep = { vectorStore, largeK: 60 };
      assert.equal(new FunnelRetriever(deep).smallK, 60, 'as many as are wanted, at least');
      const both = vectorStore.searchVector(vectorOf('hotel'), { mode: 'exact', candidates: 9 });
      await assert.rejects(both, refused('BAD_ARGUMENT', /no candidates beside mode 'exact'/));
      const stopped = vectorStore.searchVector(vectorOf('hotel'), { signal: AbortSignal.abort() });
      await assert.rejects(stopped, refused('ABORTED', /aborted/));
      const other = new FunnelRetriever({ vectorStore, searchType: 'euclidean' });
      await assert.rejects(
        other.invoke('hotel'),
        refused('BAD_ARGUMENT', /whose metric is cosine, for searchType but received "euclidean"/),
      );
      const held = { pageContent: 'x', metadata: { lc_large_embedding: '[]' } };
      await assert.rejects(
        retriever.addDocuments([held]),
        refused('BAD_ARGUMENT', /no lc_large_embedding in documents\[0\]/),
      );
    });
  });
}

/** A Qdrant; undefined where there is none, and the test is skipped. */
async function qdrantFor(t: TestContext): Promise<Awaited<ReturnType<typeof startQdrant>> | undefined> {
  try {
    return await startQdrant();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    t.skip((error as Error).message);
    return undefined;
  }
}

it(`FunnelRetriever has Qdrant rank its candidates, so that no vectors are sent, whatever the head${qdrantMark}`, async (t) => {
  const server = await qdrantFor(t);
  if (server === undefined) return;
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  const collection = `langchain-ranks-${process.pid}`;
  const vectors = { head: { size: 2, distance: 'Cosine' }, full: { size: DIM, distance: 'Cosine' } } as const;
  await client.createCollection(collection, { vectors });
  try {
    const where = { collection, head: 'head', full: 'full' };
    const search = new FunnelSearch({ source: qdrantSource(client, where) });
    const vectorStore = new FunnelVectorStore(new Words(), { search, writer: qdrantWriter(client, where) });
    await vectorStore.addDocuments(FILMS, { ids: IDS });
    const retriever = new FunnelRetriever({ vectorStore, smallK: 5, largeK: 2 });
    const { documents, stats } = await retriever.search(TEXTS[0]!);
    assert.equal(documents[0]![0].pageContent, TEXTS[0]);
    const { on, why } = (stats as SearchStats).ran!;
    assert.equal(on, 'server', why);
    assert.deepEqual(
      stats!.stages.map(({ name, out }) => [name, out]),
      [
        ['server', 2],
        ['decode', 2],
      ],
    );
    const told = await vectorStore.searchVector(vectorOf(TEXTS[0]!), { candidates: 5, k: 2 });
    assert.deepEqual(told.documents, documents);
  } finally {
    await client.deleteCollection(collection);
    await server.stop();
  }
});

it(`FunnelVectorStore goes on with a collection that @langchain/qdrant made: one vector without a name${qdrantMark}`, async (t) => {
  const server = await qdrantFor(t);
  if (server === undefined) return;
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  const collection = `langchain-own-${process.pid}`;
  await client.createCollection(collection, { vectors: { size: DIM, distance: 'Cosine' } });
  try {
    const points = FILMS.map(({ pageContent, metadata }, i) => ({
      ...{ id: IDS[i]!, vector: vectorOf(pageContent), payload: { content: pageContent, metadata } },
    }));
    await client.upsert(collection, { wait: true, points });
    await client.upsert(collection, {
      wait: true,
      points: [{ id: 17, vector: vectorOf('a lake'), payload: { content: 'a lake' } }],
    });
    const search = new FunnelSearch({ source: qdrantSource(client, { collection }) });
    const config = { search, writer: qdrantWriter(client, { collection }) };
    const store = await FunnelVectorStore.fromExistingIndex(new Words(), config);
    assert.deepEqual(contents(await store.similaritySearch(TEXTS[0]!, 1, { source: 'a.txt' })), [TEXTS[0]]);
    const [lake] = await store.similaritySearch('a lake', 1);
    assert.deepEqual([lake!.id, lake!.metadata], ['17', {}]);
    await store.delete({ ids: ['17', IDS[0]!, 'none of it'] });
    assert.equal((await client.count(collection, { exact: true })).count, 5);
    await store.addDocuments([{ pageContent: 'a lake', metadata: {} }], { ids: ['17'] });
    assert.equal((await client.retrieve(collection, { ids: [17] })).length, 1);
    await assert.rejects(
      store.addDocuments([FILMS[0]!], { ids: ['film 1'] }),
      refused('BAD_ID', /a UUID or a whole number/),
    );
    await client.deleteCollection(collection);
    await assert.rejects(store.addDocuments([FILMS[0]!]), refused('REFUSED', /Qdrant collection "langchain-own-/));
    const gone = { search: new FunnelSearch({ source: qdrantSource(client, { collection: 'gone' }) }) };
    await assert.rejects(FunnelVectorStore.fromExistingIndex(new Words(), gone), refused('NO_COLLECTION', /gone/));
  } finally {
    await client.deleteCollection(collection).catch(() => {});
    await server.stop();
  }
});

it('FunnelVectorStore goes on with a collection of Milvus as LangChain lays it out: whole numbers for ids, metadata as columns', async (t) => {
  let server: Awaited<ReturnType<typeof startMilvus>>;
  try {
    server = await startMilvus();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return t.skip((error as Error).message);
  }
  const client = new MilvusClient({ address: server.address });
  await client.connectPromise;
  const collection_name = `langchain_own_${process.pid}`;
  try {
    await client.createCollection({
      collection_name,
      fields: [
        { name: 'langchain_primaryid', data_type: DataType.Int64, is_primary_key: true, autoID: false },
        { name: 'langchain_text', data_type: DataType.VarChar, max_length: 200 },
        { name: 'langchain_vector', data_type: DataType.FloatVector, dim: DIM },
        { name: 'source', data_type: DataType.VarChar, max_length: 50 },
      ],
    });
    await client.createIndex({
      collection_name,
      field_name: 'langchain_vector',
      index_type: 'FLAT',
      metric_type: 'L2',
    });
    await client.loadCollectionSync({ collection_name });
    const where = { collection: collection_name, head: 'langchain_vector', full: 'langchain_vector' };
    const source = milvusSource(client, { ...where, consistency: ConsistencyLevelEnum.Strong });
    const writer = milvusWriter(client, where);
    const config = { search: new FunnelSearch({ source }), writer, contentKey: 'langchain_text', metadataKey: null };
    const store = await FunnelVectorStore.fromExistingIndex(new Words(), config);
    const films = FILMS.map(({ pageContent, metadata: { source } }) => ({ pageContent, metadata: { source } }));
    const big = '9007199254740993';
    await store.addDocuments(films, { ids: ['1', '2', '3', '4', '5', big] });
    const [[found, score]] = (await store.similaritySearchWithScore(TEXTS[5]!, 1, { source: 'b.txt' })) as [
      [Document, number],
    ];
    assert.deepEqual([found.id, found.pageContent, found.metadata['source']], [big, TEXTS[5], 'b.txt']);
    assert.ok(score > 0.99);
    await store.delete({ ids: [big, '77'] });
    await store.delete({ filter: { source: 'a.txt' } });
    assert.deepEqual((await store.similaritySearch('lake', 9)).map(({ id }) => id).sort(), ['4', '5']);
    await store.delete({ ids: ['film 1'] });
    const odd = store.addDocuments(films.slice(0, 1), { ids: ['film 1'] });
    await assert.rejects(odd, refused('BAD_ID', /a whole number, which langchain_primaryid holds/));
  } finally {
    await client.dropCollection({ collection_name });
    await client.closeConnection();
    await server.stop();
  }
});

describe('FunnelVectorStore', () => {
  it('hands numbers out as text and takes them back, over an index of numbers', async () => {
    const index = await memory();
    await index.upsert(
      TEXTS.map((content, i) => ({ id: i + 1, vector: vectorOf(content), payload: { content, metadata: { i } } })),
    );
    const store = new FunnelVectorStore(new Words(), { index });
    const [found] = await store.similaritySearch(TEXTS[2]!, 1);
    assert.equal(found!.id, '3');
    await store.delete({ ids: ['3', 'x', '03'] });
    assert.equal(index.count, 5);
    assert.deepEqual(await store.addDocuments([FILMS[2]!], { ids: ['3'] }), ['3']);
    assert.equal(index.count, 6);
    await assert.rejects(
      store.addDocuments([FILMS[2]!], { ids: ['x'] }),
      refused('BAD_ID', /a whole number, since the store has numbers/),
    );
    await assert.rejects(store.addDocuments([FILMS[2]!]), refused('BAD_ID', /ids beside documents/));
    await index.close();
  });

  it('reads metadata that stands at the top of a payload, as Mastra and LlamaIndex write it', async () => {
    const index = await memory();
    const config = { index, contentKey: 'text', metadataKey: null };
    const store = await FunnelVectorStore.fromDocuments(FILMS, new Words(), config);
    const [point] = (await index.scroll({ limit: 1 })).points;
    assert.deepEqual(point!.payload, { ...FILMS[0]!.metadata, text: TEXTS[0] });
    const [found] = await store.similaritySearch('hotel', 1, { page: 3 });
    assert.deepEqual([found!.pageContent, found!.metadata], [TEXTS[3], FILMS[3]!.metadata]);
    assert.equal((await store.similaritySearch('hotel', 9, { must: [{ key: 'page', range: { gte: 4 } }] })).length, 2);
    const collides = store.addDocuments([{ pageContent: 'x', metadata: { text: 'y' } }]);
    await assert.rejects(collides, refused('BAD_ARGUMENT', /no text in documents\[0\]\.metadata/));
    await index.close();
  });

  it('writes all documents of a call or none over an index', async () => {
    const index = await memory();
    const store = new FunnelVectorStore(new Words(), { index });
    const half = { embedDocuments: async () => [vectorOf('a')], embedQuery: async () => vectorOf('a') };
    const short = new FunnelVectorStore(half, { index });
    await assert.rejects(short.addDocuments(FILMS), refused('BAD_RESPONSE', /6 vectors/));
    assert.equal(index.count, 0);
    // Refused by the index itself, for the last of them.
    const long = [...IDS.slice(0, 5), 'x'.repeat(5000)];
    await assert.rejects(store.addDocuments(FILMS, { ids: long }), refused('BAD_ID', /bytes/));
    assert.equal(index.count, 0);
    await store.addDocuments(FILMS);
    assert.equal(index.count, 6);
    await index.close();
    await assert.rejects(FunnelVectorStore.fromExistingIndex(new Words(), { index }), refused('CLOSED', /closed/));
  });

  it('takes an embedder in place of Embeddings', async () => {
    const index = await memory();
    const roles: (string | undefined)[] = [];
    const embedder = {
      ...{ name: 'words', dim: DIM, matryoshkaDims: [DIM], close() {} },
      async embed(texts: readonly string[], { role }: { role?: string } = {}) {
        roles.push(role);
        return Float32Array.from(texts.flatMap(vectorOf));
      },
    };
    const store = await FunnelVectorStore.fromDocuments(FILMS, embedder, { index });
    assert.equal((await store.similaritySearch(TEXTS[1]!, 1))[0]!.pageContent, TEXTS[1]);
    assert.deepEqual(roles, ['document', 'query']);
    await index.close();
  });

  it('searches an index by its own query, with no more candidates than said', async () => {
    const index = await memory();
    const store = await FunnelVectorStore.fromDocuments(FILMS, new Words(), { index, candidates: 3 });
    const { query } = index;
    const asked: Parameters<typeof query>[0][] = [];
    index.query = (request) => {
      asked.push(request);
      return query.call(index, request);
    };
    await store.similaritySearch('hotel', 2);
    await store.similaritySearch('hotel', 5);
    assert.deepEqual(
      asked.map(({ limit, params }) => [limit, params?.candidates]),
      [
        [2, 3],
        [5, 5],
      ],
    );
    await index.close();
  });

  it('has LangChain’s defaults of marginal relevance: 20 are fetched, of which 4 are chosen by a lambda of a half', async () => {
    const index = await memory();
    const texts = Array.from({ length: 40 }, (_, i) => `${TEXTS[i % 6]!} ${'abcdefgh'[i % 8]} ${i}`);
    const store = await FunnelVectorStore.fromTexts(texts, {}, new Words(), { index, mode: 'exact' });
    const query = 'hotel in winter';
    const chosen = contents(await store.maxMarginalRelevanceSearch(query, {} as never));
    const near = contents(await store.similaritySearch(query, 20));
    const by = (lambda: number, some = near) =>
      maximalMarginalRelevance(vectorOf(query), some.map(vectorOf), lambda, 4).map((i) => some[i]!);
    assert.deepEqual(chosen, by(0.5));
    for (const other of [by(1), by(0), by(0.5, near.slice(0, 4))]) assert.notDeepEqual(chosen, other);
    await index.close();
  });

  it('is read-only over a search without a writer, and says what is missing', async () => {
    const index = await memory();
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const store = new FunnelVectorStore(new Words(), { search });
    assert.deepEqual(await store.similaritySearch('hotel'), []);
    await assert.rejects(store.addDocuments(FILMS), refused('UNSUPPORTED', /a writer beside the search/));
    await assert.rejects(store.delete({ ids: ['a'] }), refused('UNSUPPORTED', /a writer/));
    await index.close();
  });

  it('refuses a config that is none', async () => {
    const index = await memory();
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const plan = { scales: [8, 16], keep: 0.5 };
    const bad: [unknown, FunnelErrorCode, RegExp][] = [
      [undefined, 'BAD_ARGUMENT', /\{ index \} or \{ search, writer \}/],
      [{}, 'BAD_ARGUMENT', /index or search .* but received neither/],
      [{ index, search }, 'BAD_ARGUMENT', /index or search .* but received both/],
      [index, 'BAD_ARGUMENT', /received a FunnelIndex: write \{ index \}/],
      [{ index: {} }, 'BAD_ARGUMENT', /a FunnelIndex/],
      [{ search: {} }, 'BAD_ARGUMENT', /a FunnelSearch/],
      [{ index, writer: index }, 'BAD_ARGUMENT', /no writer beside index/],
      [{ search, writer: {} }, 'BAD_ARGUMENT', /for writer/],
      [{ index, plan }, 'UNSUPPORTED', /no plan over a FunnelIndex/],
      [{ index, mode: 'fast' }, 'BAD_ARGUMENT', /mode/],
      [{ index, candidates: 0 }, 'BAD_ARGUMENT', /candidates/],
      [{ index, contentKey: '' }, 'BAD_ARGUMENT', /contentKey/],
      [{ index, metadataKey: 'content' }, 'BAD_ARGUMENT', /metadataKey/],
      [{ index, collectionName: 'x' }, 'BAD_ARGUMENT', /Expected one of mode/],
    ];
    for (const [config, code, text] of bad) {
      assert.throws(() => new FunnelVectorStore(new Words(), config as FunnelStoreConfig), refused(code, text));
    }
    assert.throws(
      () => new FunnelVectorStore({} as never, { index }),
      refused('BAD_ARGUMENT', /Embeddings of LangChain, or an embedder/),
    );
    await index.close();
  });

  it('deletes all by a filter from a database that is slow to forget', async () => {
    const rows = 2500;
    const gone = new Set<Id>();
    let calls = 0;
    const source = { info: async () => ({ dim: DIM, metric: 'cosine', headDim: DIM, idKind: 'number' }), head() {} };
    const search = {
      source,
      // Deleted rows are told of until the fourth call.
      async query({ limit }: { limit: number }) {
        const forgets = ++calls > 3;
        const ids = Array.from({ length: rows }, (_, i) => i).filter((id) => !forgets || !gone.has(id));
        return { hits: ids.slice(0, limit).map((id) => ({ id, score: 1, index: 0 })) };
      },
    };
    const writer = {
      async upsert() {},
      async delete(ids: Id[]) {
        for (const id of ids) gone.add(id);
      },
    };
    const store = new FunnelVectorStore(new Words(), { search: search as never, writer });
    await store.delete({ filter: { source: 'a.txt' } });
    assert.equal(gone.size, rows);
  });

  it("takes the candidates of a call's plan before its own, as a retriever does", async () => {
    const index = await memory();
    await index.upsert(TEXTS.map((content, i) => ({ id: i, vector: vectorOf(content), payload: { content } })));
    const asked: (number | undefined)[] = [];
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const query = search.query.bind(search);
    search.query = (request) => {
      asked.push(request.plan?.candidates);
      return query(request);
    };
    const store = new FunnelVectorStore(new Words(), { search, candidates: 100 });
    const plan = { scales: [DIM], keep: 1, candidates: 300 };
    await store.searchVector(vectorOf('hotel'), { plan });
    await store.searchVector(vectorOf('hotel'));
    await new FunnelRetriever({ vectorStore: store, plan }).invoke('hotel');
    await new FunnelRetriever({ vectorStore: store, plan, smallK: 60 }).invoke('hotel');
    assert.deepEqual(asked, [300, 100, 300, 60]);
    await index.close();
  });

  it('keeps to the plan of its search where nobody says another, but for the candidates of a call', async () => {
    const index = await memory();
    await index.upsert(TEXTS.map((content, i) => ({ id: i, vector: vectorOf(content), payload: { content } })));
    const plan = { scales: [HEAD, DIM], keep: [0.5, 1], candidates: 30 };
    const search = new FunnelSearch({ source: embeddedSource(index, { head: HEAD }), plan });
    assert.deepEqual(search.plan?.scales, plan.scales);
    const vectorStore = new FunnelVectorStore(new Words(), { search });
    assert.equal(new FunnelRetriever({ vectorStore }).smallK, 30);
    assert.equal(new FunnelRetriever({ vectorStore, largeK: 60 }).smallK, 60);
    const store = new FunnelVectorStore(new Words(), { search, candidates: 20 });
    assert.equal(new FunnelRetriever({ vectorStore: store }).smallK, 20);
    const scales = async (found: Promise<FunnelAnswer>) =>
      (await found).stats!.stages.flatMap(({ name }) => /^scale \d+/.exec(name) ?? []);
    const theirs = [`scale ${HEAD}`, `scale ${DIM}`];
    assert.deepEqual(await scales(vectorStore.searchVector(vectorOf('hotel'))), theirs);
    assert.deepEqual(await scales(vectorStore.searchVector(vectorOf('hotel'), { candidates: 5 })), theirs);
    assert.deepEqual(await scales(vectorStore.searchVector(vectorOf('hotel'), { k: 40 })), theirs);
    assert.deepEqual(await scales(new FunnelRetriever({ vectorStore, smallK: 5 }).search('hotel')), theirs);
    const one = { scales: [DIM], keep: 1 };
    assert.deepEqual(await scales(vectorStore.searchVector(vectorOf('hotel'), { plan: one })), [`scale ${DIM}`]);
    await index.close();
  });

  it('writes to no vector that nobody named, and over no field', async () => {
    const written: unknown[] = [];
    const point = { id: 1, vector: new Float32Array(2), payload: {} };
    const into = (vectors: unknown, names: object) => {
      const client = {
        getCollection: async () => ({ config: { params: { vectors } } }),
        upsert: async (_: string, { points }: { points: unknown[] }) => {
          written.push(...points);
          return { status: 'completed' };
        },
        delete() {},
      };
      return qdrantWriter(client as never, { collection: 'films', ...names }).upsert([point]);
    };
    const [a, b] = [{ size: 1 }, { size: 2 }];
    await assert.rejects(into({ a, b }, {}), refused('NO_FIELD', /names of head and full, but there are a, b/));
    await assert.rejects(into({ size: 2 }, { head: 'a', full: 'b' }), refused('NO_FIELD', /one alone, without a name/));
    await assert.rejects(into({ a }, { full: 'b' }), refused('NO_FIELD', /the vector b/));
    assert.equal(written.length, 0);
    await into({ b }, {});
    await into({ a, b }, { head: 'a', full: 'b' });
    await into({ size: 2 }, {});
    assert.equal(written.length, 3);

    const fields = [
      { name: 'id', data_type: 'Int64', is_primary_key: true },
      { name: 'full', type_params: [{ key: 'dim', value: 2 }] },
    ];
    const milvus = {
      describeCollection: async () => ({ schema: { fields } }),
      upsert: async ({ data }: { data: unknown[] }) => {
        written.push(...data);
        return { status: {} };
      },
      delete() {},
    };
    const writer = milvusWriter(milvus as never, { collection: 'films', full: 'full' });
    const holds = (payload: object) => writer.upsert([{ ...point, payload: { ...payload } }]);
    await assert.rejects(holds({ id: 'of its own' }), refused('BAD_ARGUMENT', /Expected no id .* for the id/));
    await assert.rejects(holds({ full: 'yes' }), refused('BAD_ARGUMENT', /Expected no full .* for a vector/));
    await holds({ id: '1', source: 'a' });
    assert.deepEqual(written.at(-1), { id: '1', source: 'a', full: [0, 0] });
  });

  it('refuses ids that Qdrant cannot have, and clients that are none', () => {
    const client = { getCollection() {}, upsert() {}, delete() {} };
    const writer: PointWriter = qdrantWriter(client as never, { collection: 'films' });
    assert.equal(writer.idOf!('17'), 17);
    assert.equal(writer.idOf!(uuid(3).toUpperCase()), uuid(3));
    for (const id of ['film-1', '-1', '1.5', '99999999999999999999']) {
      assert.throws(() => writer.idOf!(id), refused('BAD_ID', /a UUID or a whole number/));
    }
    assert.throws(
      () => qdrantWriter({} as never, { collection: 'films' }),
      refused('BAD_ARGUMENT', /a client of Qdrant/),
    );
    assert.throws(
      () => milvusWriter({} as never, { collection: 'films' }),
      refused('BAD_ARGUMENT', /a client of Milvus/),
    );
    assert.throws(() => qdrantWriter(client as never, { collection: '' }), refused('BAD_ARGUMENT', /collection/));
    assert.throws(
      () => qdrantWriter(client as never, { collection: 'a', head: 'head' }),
      refused('BAD_ARGUMENT', /a name beside head/),
    );
  });
});

describe('FunnelRetriever over another store', () => {
  it('ranks what the store finds by the vectors in metadata, also by true distance', async () => {
    const large = new Words();
    const documents: Document[] = [];
    const vectorStore = {
      embeddings: large,
      _vectorstoreType: () => 'list',
      async addDocuments(some: Document[]) {
        documents.push(...some);
      },
      similaritySearch: async (_: string, k: number) => documents.slice(0, k),
    };
    const fields = { vectorStore: vectorStore as never, largeEmbeddingModel: large, smallK: 6, largeK: 3 };
    const retriever = new FunnelRetriever(fields);
    await retriever.addDocuments(FILMS);
    assert.equal(documents[0]!.metadata['lc_large_embedding'], JSON.stringify(vectorOf(TEXTS[0]!)));
    const query = 'hotel in winter';
    const best = [...TEXTS]
      .sort((a, b) => cosine(vectorOf(b), vectorOf(query)) - cosine(vectorOf(a), vectorOf(query)))
      .slice(0, 3);
    for (const searchType of ['cosine', 'innerProduct', 'euclidean'] as const) {
      assert.deepEqual(contents(await new FunnelRetriever({ ...fields, searchType }).invoke(query)), best, searchType);
    }
    const staged = new FunnelRetriever({ ...fields, plan: { scales: [8, 16], keep: 1 } });
    assert.deepEqual(contents(await staged.invoke(query)), best);
    delete documents[1]!.metadata['lc_large_embedding'];
    await assert.rejects(
      retriever.invoke(query),
      refused('BAD_RESPONSE', /metadata\.lc_large_embedding for document 1/),
    );
    await assert.rejects(retriever.search(query), refused('UNSUPPORTED', /a FunnelVectorStore for search/));
  });

  it('leaves it to the store which metadata it keeps', async () => {
    const documents: Document[] = [];
    const vectorStore = {
      embeddings: new Words(),
      async addDocuments(some: Document[]) {
        documents.push(...some);
      },
      similaritySearch: async () => documents,
    };
    const retriever = new FunnelRetriever({ vectorStore: vectorStore as never, largeEmbeddingModel: new Words() });
    const metadata = { pages: new Map([[1, 'one']]), bytes: Uint8Array.of(1), open: () => {}, self: {} };
    metadata.self = metadata;
    await retriever.addDocuments([{ pageContent: 'hotel', metadata }, { pageContent: 'winter' } as Document]);
    const { lc_large_embedding: _, ...kept } = documents[0]!.metadata;
    assert.deepEqual(kept, metadata);
    for (const odd of [null, 'x', new Map([[1, 2]]), new Date(0), Uint8Array.of(1), []]) {
      const document = { pageContent: 'hotel', metadata: odd as never };
      await assert.rejects(retriever.addDocuments([document]), refused('BAD_ARGUMENT', /documents\[0\]\.metadata/));
    }
    assert.equal(documents.length, 2);
  });

  it('refuses fields that say the same twice, or that the store has no use for', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const vectorStore = new FunnelVectorStore(new Words(), { index });
    const make = (fields: object) => () => new FunnelRetriever({ vectorStore, ...fields } as never);
    const other = { similaritySearch() {}, embeddings: new Words() };
    assert.throws(make({ smallK: 3, candidates: 3 }), refused('BAD_ARGUMENT', /smallK or candidates/));
    assert.throws(make({ largeK: 3, k: 3 }), refused('BAD_ARGUMENT', /largeK or k/));
    for (const what of [{ smallK: 9 }, { candidates: 9 }, { plan: { scales: [16], keep: 1 } }]) {
      assert.throws(make({ mode: 'exact', ...what }), refused('BAD_ARGUMENT', /beside mode 'exact'/));
    }
    assert.throws(make({ largeK: 1.5 }), refused('BAD_ARGUMENT', /largeK/));
    assert.throws(make({ smallK: 0 }), refused('BAD_ARGUMENT', /smallK/));
    assert.throws(make({ searchType: 'dot' }), refused('BAD_ARGUMENT', /cosine, innerProduct, euclidean/));
    assert.throws(make({ plan: { scales: [16], keep: 1 } }), refused('UNSUPPORTED', /no plan over a FunnelIndex/));
    assert.throws(make({ smalK: 3 }), refused('BAD_ARGUMENT', /one of .*smallK.* received smalK/));
    const own = { callbacks: [], tags: ['films'], metadata: { of: 'films' }, verbose: false };
    const { tags, metadata } = make(own)();
    assert.deepEqual({ tags, metadata }, { tags: ['films'], metadata: { of: 'films' } });
    assert.throws(make({ vectorStore: {} }), refused('BAD_ARGUMENT', /a vector store/));
    assert.throws(make({ vectorStore: other }), refused('BAD_ARGUMENT', /largeEmbeddingModel/));
    assert.throws(make({ vectorStore: other, explain: true }), refused('UNSUPPORTED', /beside explain/));
    await index.close();
  });
});
