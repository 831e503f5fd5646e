// Qdrant's contenders: one collection with a named vector per level, searched in several ways.
import { Agent } from 'node:http';
import * as grpc from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';
import { mirrorOf } from './mirror.mjs';
import { post } from './post.mjs';
import { tightFunnel } from './tight-loop.mjs';

const CHUNK = 500;

export async function qdrantContenders(server, data) {
  const { levels, candidates, plan, limit } = data;
  const name = `funnelvec_bench_${data.name}_${process.pid}`;
  const rest = new QdrantClient({ url: server.url, checkCompatibility: false });
  const headers = { 'accept-encoding': 'identity' };
  const uncompressed = new QdrantClient({ url: server.url, checkCompatibility: false, headers });
  const remote = { host: server.grpcHost, port: server.grpcPort, checkCompatibility: false };
  const shipped = new grpc.QdrantClient(remote);
  const plain = new grpc.QdrantClient({ ...remote, compression: false });
  await fill(rest, plain, name, data);

  const head = levelName(levels[0]);
  const full = levelName(levels.at(-1));
  const dense = (data) => ({ variant: { case: 'nearest', value: { variant: { case: 'dense', value: { data } } } } });

  const usual = (client) => async (query) => {
    const request = { query: cut(query, levels[0]), using: head, limit: candidates, with_vector: [full] };
    const { points } = await client.query(name, request);
    const rows = points.map(({ id, vector }) => ({ id, vector: vector[full] }));
    return tightFunnel(rows, query, plan).slice(0, limit);
  };
  const usualGrpc = (client) => async (query) => {
    const { result } = await client.api('points').query({
      collectionName: name,
      query: dense(cut(query, levels[0])),
      using: head,
      limit: BigInt(candidates),
      withVectors: { selectorOptions: { case: 'include', value: { names: [full] } } },
    });
    const rows = result.map(({ id, vectors }) => ({
      id: id.pointIdOptions.value,
      vector: grpc.toDenseVector(vectors.vectorsOptions.value.vectors[full]).data,
    }));
    return tightFunnel(rows, query, plan).slice(0, limit);
  };
  /** Vectors of all candidates travel, and are ranked by the plan of the usual way. */
  const fetched = (client) => {
    const source = qdrantSource(client, { collection: name, head, full });
    const search = new FunnelSearch({ source, plan: { ...plan, candidates }, stages: 'client' });
    return async (query) => (await search.query({ vector: query, limit })).hits;
  };
  /** As applications do: no plan, and stages run where they are cheapest. */
  const usualSearch = (client) => {
    const source = qdrantSource(client, { collection: name, head, full });
    const search = new FunnelSearch({ source });
    return async (query) => {
      const { hits, stats } = await search.query({ vector: query, limit });
      if (stats.ran.on === 'server') return hits;
      if (/float32/.test(stats.ran.why)) return hits; // a tie of the database, of which there are few
      throw new Error(`Expected stages in the database but they ran on ${stats.ran.on}: ${stats.ran.why}`);
    };
  };
  /** By hand: the same two vectors, and as many candidates. */
  const prefetch = async (query) => {
    const first = { query: cut(query, levels[0]), using: head, limit: candidates };
    return (await rest.query(name, { prefetch: first, query: Array.from(query), using: full, limit })).points;
  };
  const prefetchGrpc = (client) => async (query) => {
    const first = { query: dense(cut(query, levels[0])), using: head, limit: BigInt(candidates) };
    const { result } = await client.api('points').query({
      collectionName: name,
      prefetch: [first],
      query: dense(Array.from(query)),
      using: full,
      limit: BigInt(limit),
    });
    return result.map(({ id, score }) => ({ id: id.pointIdOptions.value, score }));
  };
  const source = qdrantSource(rest, { collection: name, head, full });
  const index = await mirrorOf(data, source);
  const mirrored = new FunnelSearch({
    source,
    mirror: index,
    plan: { ...plan, candidates },
  });
  const agent = new Agent({ keepAlive: true });
  const searched = new FunnelSearch({ source, mirror: index, search: 'mirror' });
  /** Ten ids by query: those that the index finds. */
  const nearest = new Map();
  const own = async (query) => {
    const { hits } = await index.query({ vector: query, limit });
    nearest.set(query, hits);
    return hits;
  };
  const retrieve = async (query) => payloadsOf(nearest.get(query) ?? (await own(query)));
  const byHand = async (query) => payloadsOf((await index.query({ vector: query, limit })).hits);
  const payloadsOf = async (hits) => {
    const body = JSON.stringify({ ids: hits.map(({ id }) => id), with_payload: true, with_vector: false });
    await post(`${server.url}/collections/${name}/points`, body, agent);
    return hits;
  };
  // By hand: the client's small requests wait some 40 ms for an acknowledgement.
  const ids = async (query) => {
    const wanted = { query: Array.from(query.subarray(0, levels[0])), using: head, limit: candidates };
    const body = JSON.stringify({ ...wanted, with_payload: false, with_vector: false });
    return (await post(`${server.url}/collections/${name}/points/query`, body, agent)).result.points.slice(0, limit);
  };
  /** The funnel inside the server: each level re-scores what the level below left, as many as the plan keeps. */
  const nested = async (query) => {
    let left = candidates;
    let request = { query: cut(query, levels[0]), using: head, limit: left };
    for (const level of levels.slice(1)) {
      left = level === levels.at(-1) ? limit : Math.floor(plan.keep * left);
      request = { prefetch: request, query: cut(query, level), using: levelName(level), limit: left };
    }
    return (await rest.query(name, request)).points;
  };
  const search = async (query, params) =>
    (await rest.query(name, { query: Array.from(query), using: full, limit, params })).points;

  const here = (key, label, run, ours = false) => ({ key, label, run, ours, funnel: true });
  const there = (key, label, run) => ({ key, label, run });
  return {
    contenders: [
      here('usual', 'the usual way, REST: vectors with the hits, tight JS loop', usual(rest)),
      here('usual-uncompressed', 'the usual way, REST told not to compress', usual(uncompressed)),
      here('ours', 'funnelvec, vectors of all candidates, REST as it comes', fetched(rest), true),
      here('usual-grpc', 'the usual way, gRPC as it comes', usualGrpc(shipped)),
      here('ours-grpc', 'funnelvec, vectors of all candidates, gRPC as it comes', fetched(shipped), true),
      here('usual-grpc-plain', 'the usual way, gRPC with `compression: false`', usualGrpc(plain)),
      here(
        'ours-grpc-plain',
        'funnelvec, vectors of all candidates, gRPC with `compression: false`',
        fetched(plain),
        true,
      ),
      here(
        'ours-mirror',
        'funnelvec with a mirror, REST',
        async (query) => (await mirrored.query({ vector: query, limit })).hits,
        true,
      ),
      {
        ...there(
          'ours-searched',
          "funnelvec, search: 'mirror'",
          async (query) => (await searched.query({ vector: query, limit })).hits,
        ),
        ours: true,
      },
      { ...there('index', "the mirror's own query", own), ours: true },
      {
        ...there(
          'ours-searched-payload',
          "funnelvec, search: 'mirror', payloads of the hits from Qdrant, REST",
          async (query) => (await searched.query({ vector: query, limit, withPayload: true })).hits,
        ),
        ours: true,
      },
      { ...there('by-hand', "the mirror's own query, then its hits by node:http", byHand) },
      { ...there('retrieve', 'ten points by their ids, node:http', retrieve), partial: true },
      { ...there('ids', 'the ids of the candidates alone, REST', ids), partial: true },
      there('prefetch', 'prefetch by hand: head → full on the server, REST', prefetch),
      { ...there('auto', 'funnelvec, stages on the server, REST as it comes', usualSearch(rest)), ours: true },
      there('prefetch-grpc', 'prefetch by hand, gRPC with `compression: false`', prefetchGrpc(plain)),
      {
        ...there('auto-grpc', 'funnelvec, stages on the server, gRPC with `compression: false`', usualSearch(plain)),
        ours: true,
      },
      there('nested', 'nested prefetch on the server, REST', nested),
      there('full', 'full-vector search on the server (its index), REST', (query) => search(query)),
      there('exact', 'full-vector search on the server (exact), REST', (query) => search(query, { exact: true })),
    ],
    exact: (query) => search(query, { exact: true }),
    async close() {
      agent.destroy();
      await index.close();
      await rest.deleteCollection(name);
    },
  };
}

async function fill(rest, client, name, { dim, levels, rows }) {
  const vectors = Object.fromEntries(
    // A level between head and full is only re-scored: an index of its own would never be used.
    levels.map((size, i) => {
      const between = i > 0 && i < levels.length - 1;
      return [levelName(size), { size, distance: 'Cosine', ...(between ? { hnsw_config: { m: 0 } } : {}) }];
    }),
  );
  await rest.createCollection(name, { vectors });
  const points = client.api('points');
  for (let from = 0; from * dim < rows.length; from += CHUNK) {
    const count = Math.min(CHUNK, rows.length / dim - from);
    const batch = Array.from({ length: count }, (_, i) => point(from + i, levels, rows.subarray((from + i) * dim)));
    await points.upsert({ collectionName: name, wait: true, points: batch });
  }
  // A real server builds its index afterwards.
  for (let tries = 0; (await rest.getCollection(name)).status !== 'green'; tries++) {
    if (tries === 600) throw new Error(`Qdrant did not finish indexing ${name} in ten minutes`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

function point(id, levels, row) {
  const vector = (size) => ({ vector: { case: 'dense', value: { data: Array.from(row.subarray(0, size)) } } });
  const vectors = Object.fromEntries(levels.map((size) => [levelName(size), vector(size)]));
  return {
    id: { pointIdOptions: { case: 'num', value: BigInt(id) } },
    vectors: { vectorsOptions: { case: 'vectors', value: { vectors } } },
    payload: { title: { kind: { case: 'stringValue', value: `title of ${id}` } } },
  };
}

const levelName = (size) => `first_${size}`;
const cut = (query, size) => Array.from(query.subarray(0, size));
