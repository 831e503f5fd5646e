/** Points of other packages' contracts that an adapter easily has wrong, and that no suite of one adapter is about. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Document } from '@langchain/core/documents';
import { Embeddings } from '@langchain/core/embeddings';
import { index as indexing } from '@langchain/core/indexing';
import { embedderOf } from 'funnelvec/embed';
import { fuse } from 'funnelvec/fuse';
import { FunnelEmbeddings, FunnelRetriever, FunnelVectorStore } from 'funnelvec/langchain';
import { FunnelIndex } from 'funnelvec/store';
import { truncate } from 'funnelvec/vectors';
import { refused } from '../refused.js';
import { Records } from './records.js';

const DIM = 4;
const vectorOf = (text: string) => Array.from({ length: DIM }, (_, d) => (text.charCodeAt(d) || 1) / 128);

class Letters extends Embeddings {
  constructor() {
    super({});
  }

  embedDocuments = async (texts: string[]) => texts.map(vectorOf);
  embedQuery = async (text: string) => vectorOf(text);
}

async function stored(more: object = {}) {
  const index = await FunnelIndex.create(':memory:', { dim: DIM });
  return { index, store: new FunnelVectorStore(new Letters(), { index, ...more }) };
}

describe('LangChain’s index() on a FunnelVectorStore', () => {
  it('that is asked for an incremental run without keys throws after its writes, which the next run takes over', async () => {
    const { index, store } = await stored();
    const recordManager = new Records();
    const run = (docsSource: Document[]) =>
      indexing({
        docsSource,
        recordManager,
        vectorStore: store,
        options: { cleanup: 'incremental', sourceIdKey: 'source' },
      });
    const film = (pageContent: string, source: unknown) => new Document({ pageContent, metadata: { source } });
    for (const source of [undefined, 0, '']) {
      await assert.rejects(run([film('abcd', source), film('efgh', source)]), /source/i);
    }
    await run([film('abcd', 'a'), film('efgh', 'a')]);
    await run([film('abcd', 'a')]);
    const mine = (await store.similaritySearch('abcd', 100)).filter(({ metadata }) => metadata['source'] === 'a');
    assert.deepEqual(
      mine.map(({ pageContent }) => pageContent),
      ['abcd'],
    );
    await index.close();
  });

  it('knows a document by its text and the top of its metadata, not by what lies deeper', async () => {
    const { index, store } = await stored();
    const docsSource = [{ loc: { lines: { from: 1 } } }, { loc: { lines: { from: 9 } } }, { page: 1 }, { page: 2 }].map(
      (metadata) => new Document({ pageContent: 'abcd', metadata }),
    );
    const counts = await indexing({ docsSource, recordManager: new Records(), vectorStore: store, options: {} });
    assert.equal(index.count, counts.numAdded);
    assert.ok(counts.numAdded >= 3);
    await index.close();
  });

  it('deletes a thousand documents in one call, known or not', async () => {
    const { index, store } = await stored();
    const ids = Array.from({ length: 1500 }, (_, i) => `id ${i}`);
    // Half of them, to the last, so that a call which gives up on the way is seen.
    const known = ids.filter((_, i) => i % 2 === 1);
    await store.addDocuments(
      known.map((id) => ({ pageContent: id, metadata: {} })),
      { ids: known },
    );
    await store.delete({ ids: ids.slice(500) });
    assert.equal(index.count, 250);
    await index.close();
  });
});

describe('payloads of other frameworks', () => {
  it('metadata with the names of our own keys does not collide with them', async () => {
    const { index, store } = await stored();
    const metadata = { content: 'c', pageContent: 'p', metadata: { metadata: 1 }, id: 'i', vector: [1], score: 0 };
    await store.addDocuments([{ pageContent: 'abcd', metadata }], { ids: ['own'] });
    const [found] = await store.similaritySearch('abcd', 1, { content: 'c', metadata: { metadata: 1 } });
    assert.deepEqual([found!.id, found!.pageContent, found!.metadata], ['own', 'abcd', metadata]);
    const [{ payload } = {}] = await index.get(['own']);
    assert.deepEqual(payload, { content: 'abcd', metadata }, 'nothing of it beside the two keys');
    await index.close();
  });

  it('points of Mastra and LlamaIndex.TS have metadata at the top; the JSON of a node is not shown as its text', async () => {
    const { index, store } = await stored({ metadataKey: null, contentKey: 'text' });
    const node = { _node_content: '{"text":"abcd"}', _node_type: 'TextNode', file_name: 'a.pdf', page: 3 };
    const payload = { text: 'efgh', file_name: 'b.pdf', page: 4 };
    await index.upsert([
      { id: 'llama', vector: vectorOf('abcd'), payload: node },
      { id: 'mastra', vector: vectorOf('efgh'), payload },
    ]);
    const [llama] = await store.similaritySearch('abcd', 9, { file_name: 'a.pdf', page: 3 });
    assert.deepEqual([llama!.id, llama!.pageContent, llama!.metadata], ['llama', '', node]);
    const [mastra] = await store.similaritySearch('abcd', 9, { must: [{ key: 'page', range: { gt: 3 } }] });
    assert.deepEqual([mastra!.pageContent, mastra!.metadata], ['efgh', { file_name: 'b.pdf', page: 4 }]);
    await index.close();
  });
});

describe('vectors as frameworks hand them on', () => {
  it('those of FunnelEmbeddings go through JSON, as caches keep them, and come back the same', async () => {
    const embeddings = new FunnelEmbeddings(await embedderOf(async (texts) => texts.map(vectorOf), { dim: DIM }));
    for (const vector of [...(await embeddings.embedDocuments(['abcd'])), await embeddings.embedQuery('abcd')]) {
      assert.deepEqual(JSON.parse(JSON.stringify(vector)), vector);
    }
  });

  it('typed arrays of other embeddings are taken, also where vectors stand as JSON in metadata', async () => {
    const typed = {
      embedDocuments: async (texts: string[]) => texts.map((text) => Float32Array.from(vectorOf(text)) as never),
      embedQuery: async (text: string) => Float32Array.from(vectorOf(text)) as never,
    };
    const { index } = await stored();
    const store = new FunnelVectorStore(typed, { index });
    await store.addDocuments([{ pageContent: 'abcd', metadata: {} }]);
    assert.equal((await store.similaritySearch('abcd', 1))[0]!.pageContent, 'abcd');
    assert.equal((await store.maxMarginalRelevanceSearch('abcd', { k: 1 })).length, 1);
    await index.close();

    const documents: Document[] = [];
    const other = {
      embeddings: typed,
      addDocuments: async (some: Document[]) => void documents.push(...some),
      similaritySearch: async () => documents,
    };
    const retriever = new FunnelRetriever({ vectorStore: other as never, largeEmbeddingModel: typed });
    await retriever.addDocuments([{ pageContent: 'abcd', metadata: {} }]);
    assert.equal((await retriever.invoke('abcd'))[0]!.pageContent, 'abcd');
  });

  it('a tensor of transformers.js is not taken for rows: neither whole, nor unpooled, nor as bits of float16', async () => {
    const tensor = (data: Float32Array | Uint16Array, dims: number[]) => ({
      ...{ type: data instanceof Float32Array ? 'float32' : 'float16', data, dims, size: data.length },
      *[Symbol.iterator]() {
        for (let i = 0; i < dims[0]!; i++) yield data.subarray((i * data.length) / dims[0]!);
      },
    });
    const pooled = tensor(new Float32Array(2 * DIM).fill(0.5), [2, DIM]);
    const tokens = tensor(new Float32Array(2 * 3 * DIM).fill(0.5), [2, 3, DIM]);
    const halves = tensor(new Uint16Array(2 * DIM).fill(0x3800), [2, DIM]);
    const { index } = await stored();
    for (const one of [pooled, tokens, halves]) {
      const embedder = await embedderOf(async () => one as never, { dim: DIM });
      await assert.rejects(embedder.embed(['a', 'b']), refused('BAD_RESPONSE', /an array of 2 vectors/));
      await assert.rejects(index.upsert({ ids: [1, 2], vectors: one as never }), refused('BAD_ARGUMENT', /vectors/));
    }
    await assert.rejects(index.upsert({ ids: [1, 2], vectors: tokens.data as never }), refused('BAD_DIMS', /2 × 4|8/));
    const embedder = await embedderOf(async () => [...halves] as never, { dim: DIM });
    await assert.rejects(embedder.embed(['a', 'b']), refused('BAD_RESPONSE', /an array of numbers/));
    await index.upsert({ ids: [1, 2], vectors: pooled.data as Float32Array });
    assert.equal(index.count, 2);
    await index.close();
    // Their normalize() makes NaN of a row of zeros; their layer_norm() does not look at its shape.
    assert.deepEqual(truncate(new Float32Array(DIM), { from: DIM, dim: 2 }), new Float32Array(2));
    assert.throws(
      () => truncate(tokens.data as Float32Array, { from: 5, dim: 2, layerNorm: true }),
      refused('BAD_DIMS', /5/),
    );
  });
});

it('fuse() takes hits of Orama as they are, and keeps what they have', () => {
  const orama = [
    { id: '2', score: 0.9, document: { title: 'b' } },
    { id: '1', score: 0.8, document: { title: 'a' } },
  ];
  const [first, ...others] = fuse([orama, [{ id: 2, score: -5 }]]);
  assert.equal(first!.id, '2');
  assert.equal(first!.from[0]!.hit, orama[0]);
  assert.deepEqual(
    others.map(({ id }) => id),
    ['1'],
    'by ids, whatever their type',
  );
});
