// Ratios near 1, measured so that a busy machine changes both sides alike: the two ways of a pair are called in turns in one process,
// in random order, hundreds of times; what counts is the median of the ratios of neighbours, with an interval (95 %, by resampling),
// beside that of a way with itself.
//   node bench/pairs.mjs [--rows 5000] [--pairs 400] [--warm 1500] [--only REST,gRPC,mirror] [--held 1.1]
// --held: the mirror's database answers no sooner than after so many milliseconds, as one does that takes longer than the front.
// Both ways are warm by then, as in a server that runs for longer: V8 compiles what they share in the first thousand calls.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { parseArgs } from 'node:util';
import * as grpc from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';
import { FunnelIndex } from 'funnelvec/store';
import { startQdrant } from '../test/servers/servers.mjs';
import { post } from './post.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000' },
    pairs: { type: 'string', default: '400' },
    warm: { type: 'string', default: '1500' },
    only: { type: 'string', default: 'REST,gRPC,mirror' },
    held: { type: 'string' },
  },
});
const [count, pairs, warm] = [Number(values.rows), Number(values.pairs), Number(values.warm)];
const [DIM, HEAD, CANDIDATES, LIMIT, CHUNK] = [768, 128, 128, 10, 500];
const only = values.only.split(',');

let seed = 1;
const next = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed / 2 ** 31;
};
/** As Matryoshka embeddings are: later dims are smaller. */
const vectorOf = () => Float32Array.from({ length: DIM }, (_, i) => next() / Math.sqrt(1 + i / 32));

const server = await startQdrant();
try {
  const collection = `pairs_${process.pid}`;
  const rest = new QdrantClient({ url: server.url, checkCompatibility: false });
  const remote = { host: server.grpcHost, port: server.grpcPort, checkCompatibility: false };
  const rpc = new grpc.QdrantClient({ ...remote, compression: false });
  const [full, head] = [DIM, HEAD].map((size) => ({ size, distance: 'Cosine' }));
  await rest.createCollection(collection, { vectors: { head, full } });
  for (let from = 0; from < count; from += CHUNK) {
    const points = Array.from({ length: Math.min(CHUNK, count - from) }, (_, i) => {
      const full = Array.from(vectorOf());
      return { id: from + i, vector: { head: full.slice(0, HEAD), full }, payload: { title: `row ${from + i}`, n: i } };
    });
    await rest.upsert(collection, { wait: true, points });
  }
  const queries = Array.from({ length: 64 }, vectorOf);
  await stages(collection, rest, rpc, queries);
  if (only.includes('mirror') && values.held === undefined) await mirror(collection, rest, queries, server.url);
  if (only.includes('mirror') && values.held !== undefined) {
    const proxy = await held(server.url, values.held);
    const url = `http://127.0.0.1:${proxy.port}`;
    await mirror(collection, new QdrantClient({ url, checkCompatibility: false }), queries, url);
    proxy.child.kill();
  }
  await rest.deleteCollection(collection);
} finally {
  await server.stop();
}

async function stages(collection, rest, rpc, queries) {
  const dense = (data) => ({ variant: { case: 'nearest', value: { variant: { case: 'dense', value: { data } } } } });
  const byRest = async (query, more) => {
    const first = { query: Array.from(query.subarray(0, HEAD)), using: 'head', limit: CANDIDATES };
    const full = { query: Array.from(query), using: 'full', limit: LIMIT, ...more };
    return (await rest.query(collection, { prefetch: first, ...full })).points;
  };
  const byGrpc = async (query, more) => {
    const first = { query: dense(Array.from(query.subarray(0, HEAD))), using: 'head', limit: BigInt(CANDIDATES) };
    const full = { query: dense(Array.from(query)), using: 'full', limit: BigInt(LIMIT), ...more };
    return (await rpc.api('points').query({ collectionName: collection, prefetch: [first], ...full })).result;
  };
  const named = { selectorOptions: { case: 'include', value: { names: ['full'] } } };
  // A row more, as rescoring asks for behind the first page.
  for (const [name, client, byHand, vectors] of [
    ['REST', rest, byRest, { with_vector: ['full'], limit: LIMIT + 1 }],
    ['gRPC', rpc, byGrpc, { withVectors: named, limit: BigInt(LIMIT + 1) }],
  ].filter(([name]) => only.includes(name))) {
    const source = qdrantSource(client, { collection, head: 'head', full: 'full' });
    const search = new FunnelSearch({ source });
    const auto = (vector) => search.query({ vector, limit: LIMIT });
    const rescored = (vector) => search.query({ vector, limit: LIMIT, rescore: true });
    const hand = (query) => byHand(query);
    const withVectors = (query) => byHand(query, vectors);
    await compare(`by hand ÷ by hand, ${name}`, hand, hand, queries);
    await compare(`auto ÷ prefetch by hand, ${name}`, auto, hand, queries);
    await compare(`auto, rescore: true ÷ prefetch by hand, ${name}`, rescored, hand, queries);
    await compare(`prefetch by hand with vectors of 11 rows ÷ without, ${name}`, withVectors, hand, queries);
    await compare(`auto, rescore: true ÷ prefetch by hand with vectors, ${name}`, rescored, withVectors, queries);
  }
}

async function mirror(collection, rest, queries, url) {
  const source = qdrantSource(rest, { collection, head: 'head', full: 'full' });
  const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
  await index.syncFrom(source);
  await index.optimize();
  const search = new FunnelSearch({ source, mirror: index, search: 'mirror' });
  const agent = new Agent({ keepAlive: true });
  const found = new Map();
  for (const query of queries) found.set(query, (await index.query({ vector: query, limit: LIMIT })).hits);
  const retrieve = (hits) => {
    const body = JSON.stringify({ ids: hits.map(({ id }) => id), with_payload: true, with_vector: false });
    return post(`${url}/collections/${collection}/points`, body, agent);
  };
  const bare = (query) => retrieve(found.get(query));
  const own = (query) => index.query({ vector: query, limit: LIMIT });
  const byHand = async (query) => retrieve((await own(query)).hits);
  const ours = (query) => search.query({ vector: query, limit: LIMIT, withPayload: true });
  const plain = (query) => search.query({ vector: query, limit: LIMIT });
  const fetched = (query) =>
    source.fetch({ ids: found.get(query).map(({ id }) => id), withPayload: true, vectors: false });
  await compare('retrieve by node:http ÷ itself', bare, bare, queries);
  await compare('mirror + payloads ÷ retrieve by node:http', ours, bare, queries);
  await compare('by hand (index, then node:http) ÷ retrieve by node:http', byHand, bare, queries);
  await compare('mirror + payloads ÷ by hand', ours, byHand, queries);
  await compare('source.fetch() of payloads ÷ retrieve by node:http', fetched, bare, queries);
  await compare('the index alone ÷ retrieve by node:http', own, bare, queries);
  await compare('mirror, no payloads ÷ the index alone', plain, own, queries);
  await index.close();
  agent.destroy();
}

/** A process of its own, that hands requests on and their answers back when the time has come. */
async function held(url, ms) {
  const program = `
    const { Agent, createServer, request } = require('node:http');
    const [url, ms] = process.argv.slice(1);
    const agent = new Agent({ keepAlive: true });
    const server = createServer((asked, answer) => {
      const until = performance.now() + Number(ms);
      const { method, headers } = asked;
      const sent = request(url + asked.url, { method, headers, agent }, (got) => {
        const parts = [];
        got.on('data', (part) => parts.push(part));
        got.on('end', () => {
          while (performance.now() < until); // timers are of whole milliseconds
          answer.writeHead(got.statusCode, got.headers).end(Buffer.concat(parts));
        });
      });
      asked.pipe(sent);
    });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  `;
  const child = spawn(process.execPath, ['-e', program, url, ms], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(child.stdout, 'data');
  return { child, port: Number(port) };
}

async function compare(name, a, b, queries) {
  for (let i = 0; i < warm; i++) {
    await a(queries[i % queries.length]);
    await b(queries[i % queries.length]);
  }
  const ratios = [];
  const times = [[], []];
  const cpu = [0, 0];
  for (let i = 0; i < pairs; i++) {
    const query = queries[i % queries.length];
    const order = Math.random() < 0.5 ? [0, 1] : [1, 0];
    const took = [0, 0];
    for (const which of order) {
      const used = process.cpuUsage();
      const began = performance.now();
      await (which === 0 ? a : b)(query);
      took[which] = performance.now() - began;
      const { user, system } = process.cpuUsage(used);
      cpu[which] += (user + system) / 1000;
      times[which].push(took[which]);
    }
    ratios.push(took[0] / took[1]);
  }
  const sampled = Array.from({ length: 400 }, () =>
    median(Array.from(ratios, () => ratios[Math.floor(Math.random() * ratios.length)])),
  ).sort((x, y) => x - y);
  const told = {
    name,
    ratio: round(median(ratios)),
    from: round(sampled[10]),
    to: round(sampled[389]),
    ms: times.map((one) => round(median(one))),
    least: times.map((one) => round(quantile(one, 0.1))),
    cpu: cpu.map((one) => round(one / pairs)),
  };
  console.log(JSON.stringify(told));
}

function quantile(numbers, at) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * at)];
}

function median(numbers) {
  return quantile(numbers, 0.5);
}

function round(value) {
  return Number(value.toFixed(3));
}
