// npm run bench:langchain [-- --rows 20000] [--queries 100] [--qdrant-rows 5000] [--write]
// The cost of retrieval through LangChain beside the same search called directly, and beside MatryoshkaRetriever over
// LangChain's memory store: same rows, same queries, as many candidates. In each round all of ours are asked one query, in an order by
// chance; a ratio is the median of those within the rounds, and the direct call is asked twice, as a control: what that differs by
// is the machine's. Then both over one Qdrant (the tests' front over its engine, or QDRANT_URL),
// ours also with a mirror: vectors from there, or all of the search; ten queries each by turns, beside the bare requests. --write puts the part into bench/RESULTS.md; a line for each
// bound says whether it was met.
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setup } from '../../scripts/setup/setup.mjs';
import { log, root, run, step } from '../../scripts/setup/steps.mjs';
import { collection } from '../data.mjs';
import { withPart } from '../merge.mjs';
import { post } from '../post.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '20000' },
    queries: { type: 'string', default: '100' },
    'qdrant-rows': { type: 'string', default: '5000' },
    write: { type: 'boolean' },
  },
});
const [DIM, HEAD, SMALL_K, LARGE_K] = [768, 128, 50, 8];
const [count, queries, inQdrant] = [values.rows, values.queries, values['qdrant-rows']].map(Number);
if (![count, queries, inQdrant].every((n) => Number.isInteger(n) && n >= 1) || inQdrant > count) {
  log('--rows, --queries and --qdrant-rows take integers of at least 1; the last at most as many as rows');
  process.exit(2);
}
const { serversMissing } = await setup({ withTests: false });
const inputs = ['package.json', 'package-lock.json', '.npmrc'].map((file) => `bench/langchain/${file}`);
await step('Installing LangChain', { inputs, outputs: ['bench/langchain/node_modules/@langchain/classic'] }, () =>
  run('npm', ['ci'], { cwd: join(root, 'bench', 'langchain') }),
);

// Imported now: they need what was just installed.
const { BaseRetriever } = await import('@langchain/core/retrievers');
const { Document } = await import('@langchain/core/documents');
const { MatryoshkaRetriever } = await import('@langchain/classic/retrievers/matryoshka_retriever');
const { MemoryVectorStore } = await import('@langchain/classic/vectorstores/memory');
const { FunnelRetriever, FunnelVectorStore } = await import('../../dist/esm/adapters/langchain/index.js');
const { activeKernels, FunnelSearch } = await import('../../dist/esm/index.js');
const { FunnelIndex } = await import('../../dist/esm/store/index.js');

const data = collection({ count, queries, dim: DIM });
const row = (i) => data.rows.subarray(i * DIM, (i + 1) * DIM);
const asked = Array.from({ length: queries }, (_, q) => Array.from(data.queries.subarray(q * DIM, (q + 1) * DIM)));

/** Embeddings that look up what was embedded before: the model is not what is measured. */
const known = (dim) => ({
  embedDocuments: async (texts) => texts.map((text) => Array.from(row(Number(text)).subarray(0, dim))),
  // @langchain/qdrant embeds a text of its own to learn the dims. The direct call gets the vector as it is: so does who asks for all of it.
  embedQuery: async (text) => {
    const vector = asked[Number(text)] ?? asked[0];
    return dim === DIM ? vector : vector.slice(0, dim);
  },
});
const documents = Array.from({ length: count }, (_, i) => ({ pageContent: String(i), metadata: { source: i % 10 } }));

log(`writing ${count} documents`);
const index = await FunnelIndex.create(':memory:', { dim: DIM, rotation: 'none', head: HEAD });
const vectorStore = await FunnelVectorStore.fromDocuments(documents, known(DIM), { index, candidates: SMALL_K });
await index.optimize();
const ours = new FunnelRetriever({ vectorStore, smallK: SMALL_K, largeK: LARGE_K });
const fields = { smallK: SMALL_K, largeK: LARGE_K, largeEmbeddingModel: known(DIM) };
const theirs = new MatryoshkaRetriever({ vectorStore: new MemoryVectorStore(known(HEAD)), ...fields });

const direct = { limit: LARGE_K, withPayload: true, params: { candidates: SMALL_K } };
const directly = async (q) => (await index.query({ vector: asked[q], ...direct })).hits;
/** The least that a retriever of LangChain does: what it costs over index.query() is not ours. */
class Bare extends BaseRetriever {
  lc_namespace = ['bench'];
  async _getRelevantDocuments(text) {
    const hits = await directly(Number(text));
    return hits.map(
      ({ id, payload: { content: pageContent, metadata } }) => new Document({ id, pageContent, metadata }),
    );
  }
}
const bare = new Bare();
const contenders = {
  'index.query()': async (q) => (await directly(q)).map(({ payload }) => payload.content),
  'index.query() again, a control': async (q) => (await directly(q)).map(({ payload }) => payload.content),
  'a bare BaseRetriever.invoke() of index.query()': async (q) => contents(await bare.invoke(String(q))),
  'FunnelVectorStore.similaritySearchVectorWithScore()': async (q) =>
    (await vectorStore.similaritySearchVectorWithScore(asked[q], LARGE_K)).map(([document]) => document.pageContent),
  'FunnelVectorStore.similaritySearch()': async (q) => contents(await vectorStore.similaritySearch(String(q), LARGE_K)),
  'FunnelRetriever.invoke()': async (q) => contents(await ours.invoke(String(q))),
  'MatryoshkaRetriever.invoke()': async (q) => contents(await theirs.invoke(String(q))),
};
const shuffled = (some) => {
  const order = some.map((one) => [Math.random(), one]).sort(([a], [b]) => a - b);
  return order.map(([, one]) => one);
};
/** Sorts the numbers that it is given. */
const median = (some) => some.sort((a, b) => a - b)[Math.floor(some.length / 2)];
const contents = (some) => some.map(({ pageContent }) => pageContent);

const truth = [];
for (const vector of asked) {
  const { hits } = await index.query({ vector, limit: LARGE_K, mode: 'exact', withPayload: true });
  truth.push(new Set(hits.map(({ payload }) => payload.content)));
}
const taken = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
const found = Object.fromEntries(Object.keys(contenders).map((name) => [name, 0]));
const [OURS, THEIRS] = [Object.keys(contenders).slice(0, -1), Object.keys(contenders).at(-1)];
async function turn(name, q) {
  const began = performance.now();
  const answer = await contenders[name](q);
  taken[name].push(performance.now() - began);
  return answer;
}
const countFound = (name, q, answer) => {
  found[name] += answer.filter((id) => truth[q].has(id)).length;
};
// As a server that has been asked before; theirs is far from a millisecond, and needs no such care.
for (let warm = 0; warm < 500; warm++) for (const name of OURS) await contenders[name](warm % queries);
// An order by chance: what one leaves in caches, and for the garbage collector, meets all the others alike. Theirs
// apart: it leaves cold caches, much garbage, and a heap of the vectors as text.
for (let round = 0; round < 20 * queries; round++) {
  const q = round % queries;
  for (const name of shuffled(OURS)) {
    const answer = await turn(name, q);
    if (round < queries) countFound(name, q, answer);
  }
}
await theirs.addDocuments(documents);
for (let warm = 0; warm < 3; warm++) await contenders[THEIRS](warm % queries);
for (let q = 0; q < queries; q++) countFound(THEIRS, q, await turn(THEIRS, q));
const overQdrant = serversMissing ? undefined : await qdrant();
const base = median(taken['index.query()'].slice());
/** A multiple of index.query(), within the rounds; MatryoshkaRetriever has none. */
const over = (name) => {
  const direct = taken['index.query()'];
  if (name === THEIRS) return median(taken[name].slice()) / base;
  return median(taken[name].map((ms, i) => ms / direct[i]));
};
const lines = Object.keys(contenders).map((name) => {
  const ms = median(taken[name].slice());
  const recall = found[name] / (queries * LARGE_K);
  return `| ${name} | ${ms.toFixed(3)} | ${over(name).toFixed(2)} | ${recall.toFixed(3)} |`;
});
const least = over('a bare BaseRetriever.invoke() of index.query()');
const ratio = over('MatryoshkaRetriever.invoke()') / over('FunnelRetriever.invoke()');
const bounds = [
  [
    'a search through LangChain of the same called directly',
    over('FunnelVectorStore.similaritySearchVectorWithScore()'),
    1.15,
  ],
  ['a FunnelRetriever of the same called directly', over('FunnelRetriever.invoke()'), 1.15],
  ['MatryoshkaRetriever over the memory store, of a FunnelRetriever', ratio, -30],
  ...(overQdrant?.bounds ?? []),
].map(([what, value, bound]) => {
  const [word, edge] = bound < 0 ? ['least', -bound] : ['most', bound];
  const met = bound < 0 ? value >= edge : value <= bound;
  return `- ${what}: ${value.toFixed(2)} ×, at ${word} ${edge} ×: ${met ? 'met' : 'MISSED'}`;
});
const part = `${count.toLocaleString('en')} rows of ${DIM} dims, heads of ${HEAD}, ${SMALL_K} candidates, ${LARGE_K} documents; ${queries} queries in turns, embedded
before. ${os.cpus()[0].model.trim()}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}, Node ${process.version}, kernels ${activeKernels().name}; @langchain/core 1.4.0,
@langchain/classic 1.0.50. FunnelRetriever is ${ratio.toFixed(0)} × as fast as MatryoshkaRetriever over the memory store. A retriever of LangChain's that does nothing but
call the index costs ${least.toFixed(2)} ×: the rest is ours. Ratios are medians of the ratios within a round, in which each is asked
the same query, not quotients of the medians beside them, which are further off on a busy machine; MatryoshkaRetriever over the memory
store is asked apart, so that its ratio is one of medians.

| | ms, median | of index.query() | recall@${LARGE_K} |
|---|---|---|---|
${lines.join('\n')}
${overQdrant?.part ?? `\nNot measured over Qdrant: ${serversMissing}`}

${bounds.join('\n')}`;
console.log(part);
if (values.write) {
  const file = join(root, 'bench', 'RESULTS.md');
  const heading = '## Retrieval through LangChain';
  writeFileSync(file, withPart(readFileSync(file, 'utf8'), 'langchain benchmark', part, heading));
  log('bench/RESULTS.md written');
}
await index.close();

/** Both over one server, as many rows as its REST interface takes in a bearable time. */
async function qdrant() {
  const { QdrantClient } = await import('@qdrant/js-client-rest');
  const { QdrantVectorStore } = await import('@langchain/qdrant');
  const { qdrantWriter } = await import('../../dist/esm/adapters/langchain/index.js');
  const { qdrantSource } = await import('../../dist/esm/sources/qdrant/index.js');
  const { startQdrant } = await import('../../test/servers/servers.mjs');
  const server = await startQdrant();
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  const agent = new Agent({ keepAlive: true });
  const headQuery = (q, with_payload) => ({
    query: asked[Number(q)].slice(0, HEAD),
    using: 'head',
    limit: SMALL_K,
    with_payload,
  });
  const [own, other] = [`bench-funnelvec-${process.pid}`, `bench-langchain-${process.pid}`];
  try {
    log(`writing ${inQdrant} documents to Qdrant, twice`);
    const some = documents.slice(0, inQdrant);
    const distance = 'Cosine';
    await client.createCollection(own, { vectors: { head: { size: HEAD, distance }, full: { size: DIM, distance } } });
    const where = { collection: own, head: 'head', full: 'full' };
    const source = qdrantSource(client, where);
    const writer = qdrantWriter(client, where);
    const store = new FunnelVectorStore(known(DIM), { search: new FunnelSearch({ source }), writer });
    const ids = some.map((_, i) => String(i));
    const mirror = await FunnelIndex.create(':memory:', { dim: DIM });
    const theirStore = new QdrantVectorStore(known(HEAD), { client, collectionName: other });
    const their = new MatryoshkaRetriever({ vectorStore: theirStore, ...fields });
    for (let from = 0; from < inQdrant; from += 250) {
      await store.addDocuments(some.slice(from, from + 250), { ids: ids.slice(from, from + 250) });
      await their.addDocuments(some.slice(from, from + 250));
    }
    await mirror.syncFrom(source);
    await mirror.optimize(); // or it would build its codes beside what is measured
    const mirrored = new FunnelVectorStore(known(DIM), { search: new FunnelSearch({ source, mirror }) });
    // With the payloads: then the whole search is made here, and the database is not asked.
    const whole = await FunnelIndex.create(':memory:', { dim: DIM });
    await whole.syncFrom(source, { withPayload: true });
    await whole.optimize(); // as the index above
    const onMirror = new FunnelVectorStore(known(DIM), {
      search: new FunnelSearch({ source, mirror: whole, search: 'mirror' }),
    });
    const asking = {
      FunnelRetriever: new FunnelRetriever({ vectorStore: store, smallK: SMALL_K, largeK: LARGE_K }),
      'FunnelRetriever, vectors from a mirror': new FunnelRetriever({
        vectorStore: mirrored,
        smallK: SMALL_K,
        largeK: LARGE_K,
      }),
      'FunnelRetriever, searching a mirror': new FunnelRetriever({
        vectorStore: onMirror,
        smallK: SMALL_K,
        largeK: LARGE_K,
      }),
      MatryoshkaRetriever: their,
      // The least that a search which asks the database can take: its request and its answer, which nobody ranks.
      'one query by node:http, with payloads, a control': {
        invoke: (q) => post(`${server.url}/collections/${own}/points/query`, JSON.stringify(headQuery(q, true)), agent),
      },
      // The client alone, without LangChain.
      'one query of the client, ids alone, a control': { invoke: (q) => client.query(own, headQuery(q, false)) },
    };
    const ms = Object.fromEntries(Object.keys(asking).map((name) => [name, []]));
    // As servers that have been asked before, each in turns of ten queries, since an application has one retriever. The first
    // two of a turn are not counted: they meet the caches, and the garbage, that another left.
    const TURN = 10;
    for (let warm = 0; warm < 100; warm++)
      for (const one of Object.values(asking)) await one.invoke(String(warm % queries));
    for (let from = 0; from < 2 * queries; from += TURN) {
      for (const name of shuffled(Object.keys(asking))) {
        for (let round = from; round < from + TURN; round++) {
          const began = performance.now();
          await asking[name].invoke(String(round % queries));
          if (round >= from + 2) ms[name].push(performance.now() - began);
        }
      }
    }
    await mirror.close();
    await whole.close();
    const theirMs = ms['MatryoshkaRetriever'];
    /** Within the rounds. */
    const times = (name) => median(theirMs.map((one, i) => one / ms[name][i]));
    const rows = Object.entries(ms).map(
      ([name, all]) => `| ${name} | ${median(all.slice()).toFixed(2)} | ${times(name).toFixed(1)} × |`,
    );
    const kind = server.real ? 'a server of yours' : 'the front of the tests over qdrant-edge';
    return {
      bounds: [
        ['MatryoshkaRetriever over one Qdrant, of a FunnelRetriever', times('FunnelRetriever'), -3],
        ['the same with vectors from a mirror', times('FunnelRetriever, vectors from a mirror'), -15],
        ['the same on a mirror that searches', times('FunnelRetriever, searching a mirror'), -15],
      ],
      part: `
Over one Qdrant (${kind}), ${inQdrant.toLocaleString('en')} rows, @langchain/qdrant 1.0.3.
Each is asked ten queries in a row, of which the first two are not counted, in an order by chance: an application has one
retriever, so that no other has emptied its caches. A bare request is the floor of what asks the database: that by
node:http is uncompressed, as ours are. The client's own has a compressed answer, of two small packets, the second of which
waits 40 ms for an acknowledgement, as on a server with Nagle's algorithm. These ratios vary from run to run by a third.

| | ms, median | as fast as MatryoshkaRetriever |
|---|---|---|
${rows.join('\n')}`,
    };
  } finally {
    for (const name of [own, other]) await client.deleteCollection(name).catch(() => {});
    await server.stop();
  }
}
