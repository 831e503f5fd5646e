// LangChain over an embedded index: documents split and indexed, indexed again after a change, and a retriever in a chain.
// The embeddings are a stand-in that counts words, so that the example runs without a model: put those of your provider
// there, or `new FunnelEmbeddings(await Embedder.load({ preset }))`. The chat model is LangChain's own fake.
import { Document } from '@langchain/core/documents';
import { index as indexing } from '@langchain/core/indexing';
import { StringOutputParser } from '@langchain/core/output_parsers';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { RunnablePassthrough, RunnableSequence } from '@langchain/core/runnables';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { RecursiveCharacterTextSplitter } from '@langchain/textsplitters';
import { FunnelRetriever, FunnelVectorStore } from 'funnelvec/langchain';
import { FunnelIndex } from 'funnelvec/store';

const DIM = 256;
/** A place for each word, by its letters. */
function count(text) {
  const vector = new Array(DIM).fill(0);
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    let place = 7;
    for (const letter of word) place = (place * 31 + letter.charCodeAt(0)) % DIM;
    vector[place]++;
  }
  return vector;
}
const embeddings = {
  embedDocuments: async (texts) => texts.map(count),
  embedQuery: async (text) => count(text),
};

const files = {
  'hotel.md':
    'The hotel is closed in winter. A caretaker lives there alone.\n\nIn spring the first guests arrive by boat.',
  'school.md': 'The school stands by the lake and has eighty pupils.\n\nTwo pupils skip a day and visit the city.',
};
const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 64, chunkOverlap: 0 });
const chunks = async () => {
  const documents = Object.entries(files).map(
    ([source, pageContent]) => new Document({ pageContent, metadata: { source } }),
  );
  return splitter.splitDocuments(documents);
};

// Here in memory; a path keeps it on disk, with the package lmdb. Over Qdrant and Milvus: { search, writer }.
const index = await FunnelIndex.create(':memory:', { dim: DIM });
const vectorStore = new FunnelVectorStore(embeddings, { index });

// Documents that are in the store already, by their hash: LangChain has record managers for databases, this one is a Map.
const records = new Map();
let clock = 0;
/** @type {import('@langchain/core/indexing').RecordManagerInterface} */
const recordManager = {
  createSchema: async () => {},
  getTime: async () => ++clock,
  update: async (keys, { groupIds = [] } = {}) => {
    for (const [i, key] of keys.entries()) records.set(key, { at: ++clock, group: groupIds[i] ?? null });
  },
  exists: async (keys) => keys.map((key) => records.has(key)),
  listKeys: async ({ before = clock + 1, groupIds } = {}) =>
    [...records]
      .filter(([, { at, group }]) => at < before && (!groupIds || groupIds.includes(group)))
      .map(([key]) => key),
  deleteKeys: async (keys) => {
    for (const key of keys) records.delete(key);
  },
};
const sync = async () => {
  const docsSource = await chunks();
  return indexing({ docsSource, recordManager, vectorStore, options: { cleanup: 'full', sourceIdKey: 'source' } });
};
console.log(await sync());
// => { numAdded: 4, numDeleted: 0, numUpdated: 0, numSkipped: 0 }
files['school.md'] = 'The school stands by the lake and has eighty pupils.\n\nTwo pupils sail to the hotel.';
console.log(await sync());
// => { numAdded: 1, numDeleted: 1, numUpdated: 0, numSkipped: 3 }

const retriever = new FunnelRetriever({ vectorStore, smallK: 50, largeK: 1, filter: { source: 'school.md' } });
const { documents } = await retriever.search('who goes to the hotel?');
for (const [{ pageContent, metadata }, score] of documents) console.log(score.toFixed(2), metadata.source, pageContent);
// => 0.55 school.md Two pupils sail to the hotel.

const chain = RunnableSequence.from([
  {
    context: vectorStore.asRetriever({ k: 1 }).pipe((found) => found.map(({ pageContent }) => pageContent).join('\n')),
    question: new RunnablePassthrough(),
  },
  ChatPromptTemplate.fromTemplate('{context}\n{question}'),
  new FakeListChatModel({ responses: ['A caretaker.'] }),
  new StringOutputParser(),
]);
console.log(await chain.invoke('Who lives in the closed hotel in winter?'));
// => A caretaker.
await index.close();
