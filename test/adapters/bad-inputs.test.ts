/**
 * Each argument and option of the adapters, given every kind of value: what it does not take is a FunnelError before any work,
 * which names the place; what it takes works. For funnelvec/mastra see mastra/bad-inputs.suite.ts, for `funnelvec mcp` test/cli/mcp.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FunnelError, FunnelSearch } from 'funnelvec';
import { embeddingModel } from 'funnelvec/ai-sdk';
import { embedderOf, embedEndpoint } from 'funnelvec/embed';
import { fuse } from 'funnelvec/fuse';
import { FunnelEmbeddings, FunnelRetriever, FunnelVectorStore, milvusWriter, qdrantWriter } from 'funnelvec/langchain';
import { qdrantSource } from 'funnelvec/qdrant';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { decodeVectors, truncate } from 'funnelvec/vectors';
import { refused } from '../refused.js';
import { ODD, type OddValue } from './odd-values.js';

const DIM = 4;
let asked = 0;
const vectorOf = (text: string) => Array.from({ length: DIM }, (_, d) => (String(text).charCodeAt(d) || 1) / 128);
const embeddings = {
  async embedDocuments(texts: string[]) {
    asked++;
    return texts.map(vectorOf);
  },
  embedQuery: async (text: string) => vectorOf(text),
};
const plain = async (texts: string[]) => texts.map(vectorOf);

/** @param fine the odd values that are as good as any other here */
type Case = [name: string, call: (value: never) => unknown, fine?: readonly OddValue[]];

function refuses(cases: readonly Case[], unchanged: () => Promise<void> = async () => {}): void {
  for (const [name, call, fine = []] of cases) {
    it(`refuses by name what ${name} cannot be`, async () => {
      const wrong: string[] = [];
      for (const [label, value] of Object.entries(ODD) as [OddValue, unknown][]) {
        const before = asked;
        let error: unknown;
        try {
          await call(value as never);
        } catch (thrown) {
          error = thrown ?? 'nothing';
        }
        if (fine.includes(label)) {
          if (error !== undefined) wrong.push(`${label} was refused: ${error}`);
        } else if (error === undefined) wrong.push(`${label} was taken`);
        else if (!(error instanceof FunnelError) || !/^Expected /.test(error.message)) wrong.push(`${label}: ${error}`);
        else if (asked !== before) wrong.push(`${label}: a text was embedded first`);
      }
      assert.deepEqual(wrong, []);
      await unchanged();
    });
  }
}

for (const kind of ['an index', 'a search'] as const) {
  describe(`FunnelVectorStore over ${kind}`, () => {
    let index: FunnelIndex;
    let config: { index: FunnelIndex } | { search: FunnelSearch; writer: FunnelIndex };
    let store: FunnelVectorStore;
    const film = { pageContent: 'abcd', metadata: {} };
    before(async () => {
      index = await FunnelIndex.create(':memory:', { dim: DIM });
      await index.upsert([{ id: 'own', vector: vectorOf('own'), payload: { content: 'own', metadata: {} } }]);
      const search = new FunnelSearch({ source: embeddedSource(index) });
      config = kind === 'an index' ? { index } : { search, writer: index };
      store = new FunnelVectorStore(embeddings, config);
    });
    after(() => index.close());
    const unchanged = async () => {
      assert.equal(index.has('own'), true);
      await index.delete((await index.scroll({ limit: 100 })).points.map(({ id }) => id).filter((id) => id !== 'own'));
    };
    const make = (more: object) => new FunnelVectorStore(embeddings, { ...config, ...more } as never);
    const searched = (more: object) => store.searchVector(vectorOf('a'), more);
    const spread = (more: object) => store.maxMarginalRelevanceSearch('a', { k: 1, ...more });
    const texts = ['text', 'blank'] as const;

    refuses(
      [
        ['embeddings', (value) => new FunnelVectorStore(value, config as never)],
        ['the config', (value) => new FunnelVectorStore(embeddings, value)],
        ['mode', (mode) => make({ mode }), ['undefined']],
        ['candidates', (candidates) => make({ candidates }), ['undefined', 'one']],
        ['plan', (plan) => make({ plan }), ['undefined']],
        ['contentKey', (contentKey) => make({ contentKey }), ['undefined', ...texts]],
        ['metadataKey', (metadataKey) => make({ metadataKey }), ['undefined', 'null', ...texts]],
        ['documents', (value) => store.addDocuments(value), ['none']],
        ['a document', (value) => store.addDocuments([value])],
        ['pageContent', (pageContent) => store.addDocuments([{ ...film, pageContent }]), ['empty', ...texts]],
        [
          'metadata',
          (metadata) => store.addDocuments([{ ...film, metadata }]),
          ['undefined', 'empty object', 'object'],
        ],
        ['the id of a document', (id) => store.addDocuments([{ ...film, id }]), ['undefined', ...texts]],
        [
          'the options beside documents',
          (value) => store.addDocuments([film], value),
          ['undefined', 'null', 'empty object'],
        ],
        ['ids', (ids) => store.addDocuments([film], { ids }), ['undefined']],
        ['one of ids', (id) => store.addDocuments([film], { ids: [id] }), ['undefined', ...texts]],
        ['vectors', (vectors) => store.addVectors(vectors, [film])],
        ['a vector', (vector) => store.addVectors([vector], [film])],
        [
          'a value of a vector',
          (value) => store.addVectors([[value, 0, 0, 1]], [film]),
          ['zero', 'one', 'minus one', 'half'],
        ],
        ['what delete() takes', (value) => store.delete(value)],
        ['ids of delete()', (ids) => store.delete({ ids }), ['none']],
        ['one of ids of delete()', (id) => store.delete({ ids: [id] }), ['empty', ...texts]],
        ['filter of delete()', (filter) => store.delete({ filter }), ['object']],
        ['k', (k) => store.similaritySearchVectorWithScore(vectorOf('a'), k), ['undefined', 'zero', 'one']],
        ['filter', (filter) => store.similaritySearch('a', 1, filter), ['undefined', 'null', 'empty object', 'object']],
        ['a query', (query) => store.searchVector(query)],
        ['the options of a search', (value) => store.searchVector(vectorOf('a'), value), ['undefined', 'empty object']],
        [
          'scoreThreshold',
          (scoreThreshold) => searched({ scoreThreshold }),
          ['undefined', 'zero', 'one', 'minus one', 'half', 'infinity'],
        ],
        ['explain', (explain) => searched({ explain }), ['undefined', 'true']],
        ['signal', (signal) => searched({ signal }), ['undefined', 'null']],
        ['mode of a search', (mode) => searched({ mode }), ['undefined']],
        ['candidates of a search', (candidates) => searched({ candidates }), ['undefined', 'one']],
        ['plan of a search', (plan) => searched({ plan }), ['undefined']],
        [
          'the options of maxMarginalRelevanceSearch()',
          (value) => store.maxMarginalRelevanceSearch('a', value),
          ['empty object'],
        ],
        ['fetchK', (fetchK) => spread({ fetchK }), ['undefined', 'one']],
        ['lambda', (lambda) => spread({ lambda }), ['undefined', 'zero', 'one', 'half']],
        ['texts', (value) => FunnelVectorStore.fromTexts(value, {}, embeddings, config as never), ['none']],
        [
          'a text',
          (value) => FunnelVectorStore.fromTexts([value], {}, embeddings, config as never),
          ['empty', ...texts],
        ],
        [
          'metadatas',
          (value) => FunnelVectorStore.fromTexts(['a'], value, embeddings, config as never),
          ['empty object', 'object', 'undefined', 'null', 'nulls'],
        ],
      ],
      unchanged,
    );

    it('refuses what is too deep, and takes what says itself as JSON', async () => {
      const deep = (wrap: (inner: object) => object) => {
        let all: object = {};
        for (let i = 0; i < 20_000; i++) all = wrap(all);
        return all;
      };
      const inObjects = deep((x) => ({ x }));
      const within = refused('BAD_ARGUMENT', /within (objects|filters), (64|500) deep at most/);
      await assert.rejects(store.addDocuments([{ ...film, metadata: inObjects }]), within);
      await assert.rejects(store.addDocuments([{ ...film, metadata: { list: deep((x) => [x]) } }]), within);
      for (const filter of [inObjects, deep((one) => ({ must: [one] })), deep((one) => ({ must_not: one }))]) {
        await assert.rejects(store.similaritySearch('a', 1, filter), within);
        await assert.rejects(store.delete({ filter }), within);
      }
      const quiet: object = Object.defineProperty({ y: 2 }, 'toJSON', { value: () => quiet });
      await store.addDocuments([{ ...film, id: 'quiet', metadata: { quiet } }]);
      const [found] = await store.similaritySearch('abcd', 1, { quiet: { y: 2 } });
      assert.deepEqual(found!.metadata, { quiet: { y: 2 } });
      await unchanged();
    });

    const fields = (more: object) => new FunnelRetriever({ vectorStore: store, ...more } as never);
    refuses(
      [
        ['the fields of FunnelRetriever', (value) => new FunnelRetriever(value)],
        ['vectorStore', (vectorStore) => fields({ vectorStore })],
        ['smallK', (smallK) => fields({ smallK }), ['undefined', 'one']],
        ['largeK', (largeK) => fields({ largeK }), ['undefined', 'zero', 'one']],
        ['k of a retriever', (k) => fields({ k }), ['undefined', 'zero', 'one']],
        ['candidates of a retriever', (candidates) => fields({ candidates }), ['undefined', 'one']],
        ['mode of a retriever', (mode) => fields({ mode }), ['undefined']],
        ['plan of a retriever', (plan) => fields({ plan }), ['undefined']],
        ['filter of a retriever', (filter) => fields({ filter }), ['undefined', 'null', 'empty object', 'object']],
        ['searchType', (searchType) => fields({ searchType }), ['undefined']],
        ['largeEmbeddingKey', (largeEmbeddingKey) => fields({ largeEmbeddingKey }), ['undefined', ...texts]],
        ['largeEmbeddingModel', (largeEmbeddingModel) => fields({ largeEmbeddingModel }), ['undefined']],
        [
          'scoreThreshold of a retriever',
          (scoreThreshold) => fields({ scoreThreshold }),
          ['undefined', 'zero', 'one', 'minus one', 'half', 'infinity'],
        ],
        ['explain of a retriever', (explain) => fields({ explain }), ['undefined', 'true']],
        ['documents of a retriever', (value) => fields({}).addDocuments(value), ['none']],
        ['a document of a retriever', (value) => fields({}).addDocuments([value])],
        [
          'metadata of a retriever',
          (metadata) => fields({}).addDocuments([{ ...film, metadata }]),
          ['undefined', 'empty object', 'object'],
        ],
      ],
      unchanged,
    );
  });
}

describe('embedders', () => {
  const embedder = () => embedderOf(plain, { dim: DIM, name: 'words' });
  const given = (more: object) => embedderOf(plain, { dim: DIM, ...more });
  const endpoint = (more: object) => embedEndpoint({ url: 'http://127.0.0.1/v1', model: 'tiny', ...more });
  const model = (more: object) => async () => embeddingModel(await embedder(), more as never);
  const embedded = async (more: object) =>
    embeddingModel(await embedder()).doEmbed({ values: ['a'], ...more } as never);

  refuses([
    ['the embedder of FunnelEmbeddings', (value) => new FunnelEmbeddings(value)],
    [
      'texts of embedDocuments()',
      async (value) => new FunnelEmbeddings(await embedder()).embedDocuments(value),
      ['none'],
    ],
    [
      'the text of embedQuery()',
      async (value) => new FunnelEmbeddings(await embedder()).embedQuery(value),
      ['text', 'empty', 'blank'],
    ],

    ['the embedder of embeddingModel()', (value) => embeddingModel(value)],
    [
      'the options of embeddingModel()',
      async (value) => embeddingModel(await embedder(), value),
      ['undefined', 'empty object'],
    ],
    ['version', (version) => model({ version })(), ['undefined']],
    ['role of embeddingModel()', (role) => model({ role })(), ['undefined']],
    ['the options of doEmbed()', async (value) => embeddingModel(await embedder()).doEmbed(value)],
    ['values', (values) => embedded({ values }), ['none']],
    ['one of values', (value) => embedded({ values: [value] }), ['text', 'empty', 'blank']],
    ['dimensions', (dimensions) => embedded({ dimensions }), ['undefined']],
    ['abortSignal', (abortSignal) => embedded({ abortSignal }), ['undefined', 'null']],
    [
      'providerOptions',
      (providerOptions) => embedded({ providerOptions }),
      ['undefined', 'null', 'empty object', 'object'],
    ],
    [
      'providerOptions.funnelvec',
      (funnelvec) => embedded({ providerOptions: { funnelvec } }),
      ['undefined', 'null', 'empty object'],
    ],
    [
      'providerOptions.funnelvec.role',
      (role) => embedded({ providerOptions: { funnelvec: { role } } }),
      ['undefined', 'null'],
    ],

    ['the model of embedderOf()', (value) => embedderOf(value)],
    ['the options of embedderOf()', (value) => embedderOf(plain, value), ['undefined', 'empty object']],
    ['name', (name) => given({ name }), ['undefined', 'text', 'blank']],
    ['dim', (dim) => given({ dim }), ['undefined', 'one']],
    ['matryoshkaDims', (matryoshkaDims) => given({ matryoshkaDims }), ['undefined', 'none', 'numbers']],
    ['one of matryoshkaDims', (dim) => given({ matryoshkaDims: [dim] }), ['one']],
    ['prefixes', (prefixes) => given({ prefixes }), ['undefined', 'empty object']],
    ['prefixes.query', (query) => given({ prefixes: { query } }), ['undefined', 'text', 'empty', 'blank']],
    ['providerOptions of embedderOf()', (value) => given({ providerOptions: value }), ['undefined']],
    ['normalise', (normalise) => given({ normalise }), ['undefined', 'true']],
    ['batchSize', (batchSize) => given({ batchSize }), ['undefined', 'one']],
    ['concurrency', (concurrency) => given({ concurrency }), ['undefined', 'one']],
    ['retries', (retries) => given({ retries }), ['undefined', 'zero', 'one']],
    ['retryDelay', (retryDelay) => given({ retryDelay }), ['undefined', 'zero', 'one']],
    ['texts of embed()', async (value) => (await embedder()).embed(value), ['none']],
    ['the options of embed()', async (value) => (await embedder()).embed(['a'], value), ['undefined', 'empty object']],
    ['role of embed()', async (role) => (await embedder()).embed(['a'], { role }), ['undefined']],
    ['dim of embed()', async (dim) => (await embedder()).embed(['a'], { dim }), ['undefined']],
    ['signal of embed()', async (signal) => (await embedder()).embed(['a'], { signal }), ['undefined']],
    [
      'onProgress of embed()',
      async (onProgress) => (await embedder()).embed(['a'], { onProgress }),
      ['undefined', 'function'],
    ],

    ['the options of embedEndpoint()', (value) => embedEndpoint(value)],
    ['url', (url) => endpoint({ url })],
    ['the model of embedEndpoint()', (name) => endpoint({ model: name }), ['text', 'blank']],
    ['key', (key) => endpoint({ key }), ['undefined', 'text']],
    ['timeout', (timeout) => endpoint({ timeout }), ['undefined', 'one']],
  ]);

  const ai = (own: object) => ({
    ...{
      specificationVersion: 'v4',
      provider: 'p',
      modelId: 'm',
      maxEmbeddingsPerCall: 9,
      supportsParallelCalls: true,
    },
    doEmbed: async () => ({ embeddings: [vectorOf('a')], warnings: [] }),
    ...own,
  });
  const of = (own: object, options: object = {}) => embedderOf(ai(own) as never, { dim: DIM, ...options });
  refuses([
    ['specificationVersion', (specificationVersion) => of({ specificationVersion })],
    [
      'maxEmbeddingsPerCall',
      (maxEmbeddingsPerCall) => of({ maxEmbeddingsPerCall }),
      ['undefined', 'null', 'one', 'infinity'],
    ],
    ['providerOptions of a model', (value) => of({}, { providerOptions: value }), ['undefined', 'empty object']],
    [
      'providerOptions.query of a model',
      (query) => of({}, { providerOptions: { query } }),
      ['undefined', 'empty object', 'object'],
    ],
    ['what doEmbed() answers', async (value) => (await of({ doEmbed: async () => value })).embed(['a'])],
    [
      'the vectors that doEmbed() answers',
      async (value) => (await of({ doEmbed: async () => ({ embeddings: value }) })).embed(['a']),
    ],
    [
      'a vector that doEmbed() answers',
      async (value) => (await of({ doEmbed: async () => ({ embeddings: [value] }) })).embed(['a']),
    ],
    [
      'what a function answers',
      async (value) => (await embedderOf(async () => value, { dim: DIM, retries: 0 })).embed(['a']),
    ],
  ]);
});

describe('what embeddings answer', () => {
  let index: FunnelIndex;
  before(async () => {
    index = await FunnelIndex.create(':memory:', { dim: DIM });
  });
  after(() => index.close());
  const store = (own: object) => new FunnelVectorStore({ ...embeddings, ...own } as never, { index });
  const film = { pageContent: 'abcd', metadata: {} };
  refuses(
    [
      ['the answer to documents', (value) => store({ embedDocuments: async () => value }).addDocuments([film])],
      ['a vector of a document', (value) => store({ embedDocuments: async () => [value] }).addDocuments([film])],
      ['the answer to a query', (value) => store({ embedQuery: async () => value }).similaritySearch('a')],
      [
        'the answer to a query of maxMarginalRelevanceSearch()',
        (value) => store({ embedQuery: async () => value }).maxMarginalRelevanceSearch('a', { k: 1 }),
      ],
      [
        'the answer to documents of a retriever',
        (value) =>
          new FunnelRetriever({
            vectorStore: store({}),
            largeEmbeddingModel: { ...embeddings, embedDocuments: async () => value } as never,
          }).addDocuments([film]),
      ],
      [
        'the answer to a query of a retriever',
        (value) =>
          new FunnelRetriever({
            vectorStore: store({}),
            largeEmbeddingModel: { ...embeddings, embedQuery: async () => value } as never,
          }).invoke('a'),
      ],
      [
        'the answer of an embedder of one’s own',
        (value) => new FunnelEmbeddings({ dim: DIM, embed: async () => value } as never).embedDocuments(['a']),
      ],
      [
        'the answer of an embedder, as a model of the AI SDK',
        (value) =>
          embeddingModel({ dim: DIM, name: 'x', embed: async () => value } as never).doEmbed({ values: ['a'] }),
      ],
    ],
    async () => assert.equal(index.count, 0),
  );
});

describe('writers', () => {
  const written: unknown[] = [];
  const qdrant = {
    getCollection: async () => ({ config: { params: { vectors: { size: DIM } } } }),
    upsert: async (...all: unknown[]) => void written.push(all),
    delete: async (...all: unknown[]) => void written.push(all),
  };
  const fields = [
    { name: 'id', data_type: 'Int64', is_primary_key: true },
    { name: 'full', type_params: [{ key: 'dim', value: DIM }] },
  ];
  const milvus = {
    describeCollection: async () => ({ schema: { fields } }),
    upsert: qdrant.upsert,
    delete: qdrant.delete,
  };
  for (const [name, writer, client] of [
    ['qdrantWriter()', qdrantWriter, qdrant],
    ['milvusWriter()', milvusWriter, milvus],
  ] as const) {
    const make = (more: object) => writer(client as never, { collection: 'films', ...more });
    refuses([
      [`the client of ${name}`, (value) => writer(value, { collection: 'films' })],
      [`the options of ${name}`, (value) => writer(client as never, value)],
      [`collection of ${name}`, (collection) => make({ collection }), ['text', 'blank']],
      [`head of ${name}`, (head) => make({ full: 'full', head }), ['undefined', 'text', 'blank', 'empty']],
      [`full of ${name}`, (full) => make({ full }), ['undefined', 'text', 'blank', 'empty']],
    ]);
  }
  refuses([['an id of Qdrant', (id) => qdrantWriter(qdrant as never, { collection: 'films' }).idOf!(id)]], async () =>
    assert.deepEqual(written, []),
  );

  const point = { id: 1, vector: new Float32Array(DIM).fill(1), payload: {} };
  const intoQdrant = (own: object) => qdrantWriter({ ...qdrant, ...own } as never, { collection: 'films' });
  const intoMilvus = (own: object) => milvusWriter({ ...milvus, ...own } as never, { collection: 'films' });
  // As clients hand on what stands between them and a server: a proxy, a server of another kind.
  refuses([
    ['what Qdrant tells of a collection', (value) => intoQdrant({ getCollection: async () => value }).upsert([point])],
    [
      'the vectors that Qdrant tells of',
      (vectors) => intoQdrant({ getCollection: async () => ({ config: { params: { vectors } } }) }).upsert([point]),
    ],
    [
      'the params that Qdrant tells of',
      (params) => intoQdrant({ getCollection: async () => ({ config: { params } }) }).upsert([point]),
    ],
    ['the answer of Qdrant to rows', (value) => intoQdrant({ upsert: async () => value }).upsert([point])],
    ['the answer of Qdrant to a delete', (value) => intoQdrant({ delete: async () => value }).delete([1])],
    [
      'the status of rows in Qdrant',
      (status) => intoQdrant({ upsert: async () => ({ operation_id: 1, status }) }).upsert([point]),
    ],
    [
      'what Milvus tells of a collection',
      (value) => intoMilvus({ describeCollection: async () => value }).upsert([point]),
    ],
    [
      'the schema that Milvus tells of',
      (schema) => intoMilvus({ describeCollection: async () => ({ schema }) }).delete([1]),
    ],
    [
      'the fields that Milvus tells of',
      (fields) => intoMilvus({ describeCollection: async () => ({ schema: { fields } }) }).upsert([point]),
    ],
    ['the answer of Milvus to rows', (value) => intoMilvus({ upsert: async () => value }).upsert([point])],
    ['the answer of Milvus to a delete', (value) => intoMilvus({ delete: async () => value }).delete([1])],
  ]);

  it('refuse an answer that lists rows which were not written', async () => {
    const upsert = async () => ({ status: { error_code: 'Success' }, succ_index: [], err_index: [0] });
    await assert.rejects(intoMilvus({ upsert }).upsert([point]), refused('REFUSED', /did not write 1 of the rows/));
  });

  it('say that a collection of Qdrant has sparse vectors alone', async () => {
    const getCollection = async () => ({ config: { params: { sparse_vectors: { words: {} } } } });
    await assert.rejects(intoQdrant({ getCollection }).upsert([point]), refused('NO_FIELD', /there are none/));
  });
});

describe('fuse()', () => {
  const options = (more: object) => fuse([['a'], ['b']], more);
  refuses([
    ['lists', (lists) => fuse(lists)],
    ['a list', (list) => fuse([list, ['a']]), ['none', 'numbers']],
    ['a hit', (hit) => fuse([[hit]]), ['text', 'empty', 'blank', 'zero', 'one', 'minus one', 'bigint']],
    ['the id of a hit', (id) => fuse([[{ id }]]), ['text', 'empty', 'blank', 'zero', 'one', 'minus one', 'bigint']],
    ['a score', (score) => fuse([[{ id: 1, score }]], { method: 'weighted' }), ['zero', 'one', 'minus one', 'half']],
    ['the options of fuse()', (value) => fuse([['a']], value), ['undefined', 'empty object']],
    ['method', (method) => options({ method }), ['undefined']],
    ['k', (k) => options({ k }), ['undefined', 'zero', 'one', 'half']],
    ['weights', (weights) => options({ weights }), ['undefined', 'numbers']],
    ['a weight', (weight) => options({ weights: [1, weight] }), ['zero', 'one', 'half']],
    ['limit', (limit) => options({ limit }), ['undefined', 'one']],
  ]);
});

describe('sources and vectors', () => {
  const methods = ['getCollection', 'queryBatch', 'query', 'scroll', 'retrieve', 'count'];
  const qdrant = Object.fromEntries(methods.map((name) => [name, async () => ({})]));
  const source = (more: object) => qdrantSource(qdrant as never, { collection: 'films', ...more } as never);
  const vectors = new Float32Array(4);
  refuses([
    [
      'the options of embeddedSource()',
      async (value) => embeddedSource(await emptyIndex(), value),
      ['undefined', 'empty object'],
    ],
    ['the options of qdrantSource()', (value) => qdrantSource(qdrant as never, value)],
    ['collection of qdrantSource()', (collection) => source({ collection }), ['text', 'blank']],
    ['the options of truncate()', (value) => truncate(vectors, value)],
    ['preset of truncate()', (preset) => truncate(vectors, { from: 4, dim: 2, preset }), ['undefined']],
    [
      'normalise of truncate()',
      (normalise) => truncate(vectors, { from: 4, dim: 2, normalise }),
      ['undefined', 'true'],
    ],
    ['the options of decodeVectors()', (value) => decodeVectors(Uint8Array.of(1, 2), value)],
    ['type of decodeVectors()', (type) => decodeVectors(Uint8Array.of(1, 2), { type, dim: 2 })],
  ]);
});

function emptyIndex(): Promise<FunnelIndex> {
  return FunnelIndex.create(':memory:', { dim: DIM });
}
