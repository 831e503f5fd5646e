// Ratios that have a bound, each line with its verdict: stages in the database beside a prefetch by hand and beside vectors that
// travel (`--only REST,gRPC`), a mirror that searches beside a retrieve by node:http and beside its own query (`--only mirror`).
//   node bench/pairs.mjs [--rows 5000] [--pairs 400] [--warm 1500] [--only REST,gRPC,mirror] [--held 1.1]
// --held: the mirror's database answers no sooner than after so many milliseconds, as one does that takes longer than the front;
// then no ids alone are asked for, whose answers the proxy would hold one after the other. QDRANT_URL and FUNNELVEC_BENCH_DATA as for
// `npm run bench`; the recall of a mirror has a bound only with real rows.
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
import { compareSpeeds, compareTimes, recalls, tellValue } from './paired.mjs';
import { post } from './post.mjs';
import { wide } from './vectors.mjs';

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

const MOST = { auto: 1.1, payloads: 1.25, own: 1.2 };
const LEAST = { fetched: 3, speed: 3, recall: 0.99 };
/** For ways that take tens of milliseconds. */
const SLOW = { pairs: 60, warm: 60 };
const ROUNDS = 24;
/** Recalls that differ by less are equal: hits with almost one score. */
const SAME = 0.002;

const made = wide(64);
const rowOf = (values, row) => values.slice(row * DIM, (row + 1) * DIM);

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
      const full = Array.from(rowOf(made.rows, from + i));
      return { id: from + i, vector: { head: full.slice(0, HEAD), full }, payload: { title: `row ${from + i}`, n: i } };
    });
    await rest.upsert(collection, { wait: true, points });
  }
  const queries = Array.from({ length: made.queries.length / DIM }, (_, i) => rowOf(made.queries, i));
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
    const fetched = (vector) => search.query({ vector, limit: LIMIT, stages: 'client' });
    const rescored = (vector) => search.query({ vector, limit: LIMIT, rescore: true });
    const hand = (query) => byHand(query);
    const withVectors = (query) => byHand(query, vectors);
    const idsBy = (way) => async (query) => idsOf((await way(query)).hits);
    const handIds = async (query) => (await byHand(query)).map(({ id }) => id?.pointIdOptions?.value ?? id);
    const recall = await recalls({ exact: exactly(rest, collection), auto: idsBy(auto), hand: handIds }, queries);
    tellValue(`recall of auto, of a prefetch by hand ${recall.hand}, ${name}`, recall.auto, {
      least: recall.hand - SAME,
    });
    await compare(`by hand ÷ by hand, ${name}`, hand, hand, queries);
    await compare(`auto ÷ prefetch by hand, ${name}`, auto, hand, queries, { most: MOST.auto });
    const slow = { pairs: Math.min(pairs, SLOW.pairs), warm: Math.min(warm, SLOW.warm) };
    const least = name === 'REST' ? { least: LEAST.fetched } : undefined;
    await compare(`vectors of all candidates ÷ auto, ${name}`, fetched, auto, queries, least, slow);
    await compare(`auto, rescore: true ÷ prefetch by hand, ${name}`, rescored, hand, queries);
    await compare(
      `prefetch by hand with vectors of 11 rows ÷ without, ${name}`,
      withVectors,
      hand,
      queries,
      undefined,
      slow,
    );
    await compare(
      `auto, rescore: true ÷ prefetch by hand with vectors, ${name}`,
      rescored,
      withVectors,
      queries,
      undefined,
      slow,
    );
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
  const pushed = new FunnelSearch({ source, stages: 'server' });
  const idsBy = (way) => async (query) => idsOf((await way(query)).hits);
  const funnel = (query) => pushed.query({ vector: query, limit: LIMIT });
  const exact = exactly(new QdrantClient({ url, checkCompatibility: false }), collection);
  const recall = await recalls({ exact, mirror: idsBy(plain), head: idsBy(funnel) }, queries);
  // Its bound is of real rows, which gather less than those made up.
  const least = process.env.FUNNELVEC_BENCH_DATA ? LEAST.recall : undefined;
  tellValue(`recall of the mirror, of a pool of 128 by the head ${recall.head}`, recall.mirror, { least });
  await compare('mirror, no payloads ÷ the index alone', plain, own, queries, { most: MOST.own });
  await compare('retrieve by node:http ÷ itself', bare, bare, queries);
  await compare('mirror + payloads ÷ retrieve by node:http', ours, bare, queries, { most: MOST.payloads });
  await compare('by hand (index, then node:http) ÷ retrieve by node:http', byHand, bare, queries);
  await compare('mirror + payloads ÷ by hand', ours, byHand, queries);
  await compare('source.fetch() of payloads ÷ retrieve by node:http', fetched, bare, queries);
  await compare('the index alone ÷ retrieve by node:http', own, bare, queries);
  if (values.held === undefined) {
    const ids = (query) => {
      const wanted = { query: Array.from(query.subarray(0, HEAD)), using: 'head', limit: CANDIDATES };
      const body = JSON.stringify({ ...wanted, with_payload: false, with_vector: false });
      return post(`${url}/collections/${collection}/points/query`, body, agent);
    };
    const name = 'mirror, no payloads ÷ ids of the candidates by node:http, in queries/s';
    await compareSpeeds(name, plain, ids, queries, { rounds: ROUNDS, bound: { least: LEAST.speed } });
  }
  await index.close();
  agent.destroy();
}

function compare(name, a, b, queries, bound, effort = { pairs, warm }) {
  return compareTimes(name, a, b, queries, { ...effort, bound });
}

function idsOf(hits) {
  return hits.map(({ id }) => id);
}

/** Ids of the true hits, by the server. */
function exactly(rest, collection) {
  return async (query) =>
    idsOf(
      (await rest.query(collection, { query: Array.from(query), using: 'full', limit: LIMIT, params: { exact: true } }))
        .points,
    );
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
