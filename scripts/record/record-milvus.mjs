/**
 * Records what LangChain writes to Milvus, for test/sources/written: `node record-milvus.mjs <host:port of a Milvus>`, in a
 * folder where @langchain/core, @langchain/community and @zilliz/milvus2-sdk-node are installed. It writes
 * langchain-milvus.jsonl there: what recorded it, then each call of the SDK that changed something.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { vectorOf } from './vector-of.mjs';

const require = createRequire(join(process.cwd(), 'here.js'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { MilvusClient } = require('@zilliz/milvus2-sdk-node');
const { Milvus } = await load('@langchain/community/vectorstores/milvus');

const TEXTS = ['a hotel in winter', 'robots at war', 'a shark near the beach', 'a girl in Montmartre'].concat(
  ['toys come alive', 'a ship meets an iceberg', 'dinosaurs on an island', 'a boxer from Philadelphia'],
  ['a lion becomes king', 'a dream within a dream', 'an alien phones home', 'a hacker and a machine'],
);

const calls = [];
for (const method of ['createCollection', 'createIndex', 'insert', 'upsert', 'flushSync', 'loadCollectionSync']) {
  const original = MilvusClient.prototype[method];
  MilvusClient.prototype[method] = function (request) {
    calls.push({ method, request: JSON.parse(JSON.stringify(request)) });
    return original.call(this, request);
  };
}
const metadata = TEXTS.map((text, i) => ({
  source: `${i}.md`,
  year: 1980 + i,
  seen: i % 2 === 0,
  loc: { lines: { from: i, to: i + text.length } },
}));
const embeddings = { embedQuery: async (text) => vectorOf(text), embedDocuments: async (some) => some.map(vectorOf) };
const options = { url: process.argv[2], collectionName: 'langchain' };
const store = await Milvus.fromTexts(TEXTS, metadata, embeddings, options);
await store.client.closeConnection();

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')).version;
const name = '@langchain/community';
const client = `@zilliz/milvus2-sdk-node ${version('@zilliz/milvus2-sdk-node')}`;
const lines = [{ package: name, version: version(name), client }, ...calls].map((line) => JSON.stringify(line));
writeFileSync('langchain-milvus.jsonl', `${lines.join('\n')}\n`);
