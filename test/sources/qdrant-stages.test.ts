/** Stages that Qdrant runs, over both clients: which plans it can carry out, and what keeps a search on this side. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch, type Plan, type SearchResult } from 'funnelvec';
import { type QdrantSourceOptions, qdrantSource } from 'funnelvec/qdrant';
import { FunnelIndex } from 'funnelvec/store';
import { random, randomVector } from '#dist/conformance/data.js';
import { rejects } from '#dist/conformance/failures.js';
import { restNode } from './nodes.js';
import { qdrantMark, startQdrant } from './servers.js';

const [HEAD, MID, DIM, COUNT] = [8, 16, 24, 200];
const next = random(31);
const vectors = Array.from({ length: COUNT }, () => randomVector(DIM, next));
const queries = Array.from({ length: 8 }, () => randomVector(DIM, next));
const PLAN: Plan = { scales: [MID, DIM], keep: 0.5, candidates: 40 };
const WHOLE: Plan = { scales: [DIM], keep: 1, candidates: 40 };
const named = { head: 'head', full: 'full' };

describe(`stages that Qdrant runs${qdrantMark}`, { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  let grpc: GrpcClient;
  const made: string[] = [];
  let films: string;
  before(async () => {
    server = await startQdrant();
    const remote = { host: server.grpcHost, port: server.grpcPort, checkCompatibility: false };
    rest = new QdrantClient({ url: server.url, checkCompatibility: false });
    grpc = new GrpcClient({ ...remote, compression: false });
    films = await fill('films', vectors);
  });
  after(async () => {
    for (const name of made) await rest.deleteCollection(name);
    await server?.stop();
  });

  type Part = 'head' | 'mid' | 'full';
  const partsOf = (vector: Float32Array, parts: readonly Part[]) => {
    const dims = { head: HEAD, mid: MID, full: DIM };
    return Object.fromEntries(parts.map((part) => [part, Array.from(vector.subarray(0, dims[part]))]));
  };
  /** Ids are 1, 2, … */
  const fill = async (name: string, rows: readonly Float32Array[], partsAt?: (row: number) => readonly Part[]) => {
    const collection = `stages_${name}_${process.pid}`;
    const size = (dims: number, distance = 'Cosine') => ({ size: dims, distance });
    const config = { head: size(HEAD), mid: size(MID), full: size(DIM), short: size(HEAD - 1), dot: size(MID, 'Dot') };
    await rest.createCollection(collection, { vectors: config as never });
    made.push(collection);
    const points = rows.map((row, i) => {
      const parts = partsAt?.(i) ?? (['head', 'mid', 'full'] as const);
      return { id: i + 1, payload: { n: i }, vector: partsOf(row, parts) };
    });
    await rest.upsert(collection, { wait: true, points });
    return collection;
  };
  const over = (name: string, body: (open: Open) => Promise<void>) => {
    for (const kind of ['REST', 'gRPC'] as const) {
      test(`${name}, over ${kind}`, () =>
        body((options) => qdrantSource(kind === 'REST' ? rest : grpc, options as QdrantSourceOptions)));
    }
  };
  type Open = (options: Partial<QdrantSourceOptions> & { collection: string }) => ReturnType<typeof qdrantSource>;
  const ranked = ({ hits }: SearchResult) => hits.map(({ id, score }) => [id, score]);

  over('a plan is carried out as it says where its scales have vectors of their own', async (open) => {
    const source = open({ collection: films, ...named, prefixes: ['mid'] });
    const search = new FunnelSearch({ rescore: true, source, plan: PLAN });
    let pruned = 0;
    for (const vector of queries) {
      const here = await search.query({ vector, stages: 'client' });
      const there = await search.query({ vector });
      assert.deepEqual(ranked(there), ranked(here));
      assert.deepEqual([there.stats.ran.on, there.stats.ran.passedOver], ['server', undefined]);
      assert.deepEqual(
        there.stats.stages.slice(0, 1).map(({ name, in: read, out }) => [name, read, out]),
        [['server', 40, 11]],
      );
      const whole = await search.query({ vector, plan: WHOLE });
      pruned += Number(JSON.stringify(ranked(whole).map(String)) !== JSON.stringify(ranked(there).map(String)));
    }
    assert.ok(pruned > 0, 'the stage between decides about no hit: the case proves nothing');
  });

  over('a plan of the caller’s stays here where a scale has none, and the reason is told', async (open) => {
    const search = new FunnelSearch({ rescore: true, source: open({ collection: films, ...named }), plan: PLAN });
    for (const vector of queries) {
      const { ran } = (await search.query({ vector })).stats;
      assert.equal(ran.on, 'client');
      assert.match(ran.why, /prunes by the first 16 dims, of which Qdrant collection .* has no vectors/);
      const asked = await search.query({ vector, stages: 'server' });
      assert.deepEqual([asked.stats.ran.on, asked.stats.ran.passedOver], ['server', [MID]]);
      assert.deepEqual(ranked(asked), ranked(await search.query({ vector, plan: WHOLE, stages: 'client' })));
    }
  });

  over('without a plan the database ranks all candidates by their full vectors, in one small request', async (open) => {
    const source = open({ collection: films, ...named });
    const search = new FunnelSearch({ rescore: true, source });
    const whole = { scales: [DIM], keep: 1, candidates: 128 };
    for (const vector of queries) {
      const answer = await search.query({ vector });
      assert.deepEqual(ranked(answer), ranked(await search.query({ vector, plan: whole, stages: 'client' })));
      assert.equal(answer.stats.ran.on, 'server');
      assert.match(answer.stats.ran.why, /ranks its 128 candidates itself, and sends 11 of them/);
    }
    const pages = await Promise.all(
      [0, 10, 20].map(async (offset) => ranked(await search.query({ vector: queries[0]!, offset }))),
    );
    assert.deepEqual(pages.flat(), ranked(await search.query({ vector: queries[0]!, offset: 0, limit: 30 })));
  });

  test('a search is one request: head and stages, and the vectors of the rows that come', async () => {
    const client = new QdrantClient({ url: server.url, checkCompatibility: false });
    const api = client.api();
    const { queryPoints } = api;
    const asked: Record<string, unknown>[] = [];
    api.queryPoints = Object.assign(
      (async (...args: Parameters<typeof queryPoints>) => {
        asked.push(args[0] as never);
        return queryPoints(...args);
      }) as typeof queryPoints,
      queryPoints,
    );
    const source = qdrantSource(client, { collection: films, ...named, prefixes: ['mid'], params: { hnsw_ef: 200 } });
    const search = new FunnelSearch({ rescore: true, source, plan: PLAN });
    const filter = { must: [{ key: 'n', range: { lt: 150 } }] };
    await search.query({ vector: queries[0]!, filter, limit: 5, offset: 10, maxDepth: 20, params: { exact: true } });
    await search.query({ vector: queries[0]!, limit: 5, rescore: false });
    assert.equal(asked.length, 2);
    const {
      limit,
      offset,
      with_vector: vectors,
      prefetch,
    } = asked[0]! as never as {
      [key: string]: unknown;
      prefetch: {
        limit: number;
        using: string;
        prefetch: { limit: number; using: string; params: object; filter: object };
      };
    };
    // One row more on either side of the page.
    assert.deepEqual([limit, offset, vectors], [7, 9, ['full']]);
    assert.deepEqual([prefetch.using, prefetch.limit], ['mid', 20]);
    const { using, limit: candidates, params, filter: passed } = prefetch.prefetch;
    assert.deepEqual([using, candidates], ['head', 40]);
    assert.deepEqual(params, { hnsw_ef: 200, exact: true });
    assert.match(JSON.stringify(passed), /"lt":150/);
    const { limit: rows, with_vector: none } = asked[1]! as Record<string, unknown>;
    assert.deepEqual([rows, none], [5, false]);
  });

  over('rows that float32 cannot tell apart where a page ends are ranked here', async (open) => {
    const [vector] = queries;
    const near = vectors.slice(0, 60);
    const best = (
      await new FunnelSearch({ rescore: true, source: open({ collection: films, ...named }) }).query({
        vector: vector!,
      })
    ).hits;
    // The tenth best twice more: once the same, once with a last bit changed.
    const tenth = vectors[Number(best[9]!.id) - 1]!;
    const other = tenth.slice();
    other[DIM - 1]! *= 1 + 2 ** -23;
    const twins = await fill(`twins_${open === undefined ? 0 : made.length}`, [
      ...near,
      tenth,
      other,
      ...best.map(({ id }) => vectors[Number(id) - 1]!),
    ]);
    const search = new FunnelSearch({
      rescore: true,
      source: open({ collection: twins, ...named }),
      plan: { ...WHOLE, candidates: 70 },
    });
    let here = 0;
    for (let limit = 1; limit <= 30; limit++) {
      const answer = await search.query({ vector: vector!, limit });
      const want = await search.query({ vector: vector!, limit, stages: 'client' });
      assert.deepEqual(
        answer.hits.map(({ score }) => score),
        want.hits.map(({ score }) => score),
      );
      if (answer.stats.ran.on === 'client') {
        here++;
        assert.match(answer.stats.ran.why, /float32/);
        assert.deepEqual(ranked(answer), ranked(want));
      }
    }
    assert.ok(here >= 1 && here < 10, `${here} of 30`);
  });

  over('pages have each row once, also of rows that are the same', async (open) => {
    const collection = await fill(
      `same_${made.length}`,
      Array.from({ length: 150 }, (_, row) => vectors[row % 3]!),
    );
    const source = open({ collection, ...named });
    for (const options of [{}, { rescore: true }, { stages: 'client' as const }]) {
      const search = new FunnelSearch({ source, ...options });
      const ids: unknown[] = [];
      for (let offset = 0; offset < 100; offset += 7) {
        const limit = Math.min(7, 100 - offset);
        const { hits, stats } = await search.query({ vector: queries[0]!, offset, limit });
        ids.push(...hits.map(({ id }) => id));
        assert.equal(stats.scores, undefined);
      }
      assert.equal(ids.length, 100);
      assert.equal(new Set(ids).size, 100, JSON.stringify(options));
    }
    const first = await new FunnelSearch({ source }).query({ vector: queries[0]!, offset: 0, rescore: false });
    assert.equal(first.stats.scores, 'server');
  });

  over('points that lack the full vector keep a search here, where they are named or counted', async (open) => {
    const collection = await fill(`lacking_${made.length}`, vectors.slice(0, 50), (row) =>
      row === 2 ? ['head', 'mid'] : ['head', 'mid', 'full'],
    );
    const vector = vectors[2]!;
    const search = new FunnelSearch({ rescore: true, source: open({ collection, ...named, missingVectors: 'skip' }) });
    const { stats } = await search.query({ vector });
    assert.deepEqual([stats.ran.on, stats.missingVectors], ['client', 1]);
    assert.match(stats.ran.why, /^a point of Qdrant collection .* lacks the vector "full"/);
    await rejects(search.query({ vector, stages: 'server' }), 'UNSUPPORTED', /a point of .* lacks.*stages 'auto'/);
    const strict = new FunnelSearch({ rescore: true, source: open({ collection, ...named }) });
    await rejects(strict.query({ vector }), 'BAD_RESPONSE', /point 3/);
    // A point that is gone lacks nothing, nor one that has its vector by now.
    await rest.delete(collection, { wait: true, points: [7, 8] });
    await rest.upsert(collection, {
      wait: true,
      points: [{ id: 3, vector: partsOf(vector, ['head', 'mid', 'full']) }],
    });
    const now = await new FunnelSearch({ rescore: true, source: open({ collection, ...named }) }).query({ vector });
    assert.deepEqual([now.stats.ran.on, Number(now.hits[0]!.id)], ['server', 3]);
  });

  over('a mirror has the vectors, unless the request says otherwise', async (open) => {
    const source = open({ collection: films, ...named });
    const mirror = await FunnelIndex.create(':memory:', { dim: DIM });
    await mirror.syncFrom(source);
    const search = new FunnelSearch({ rescore: true, source, mirror, plan: WHOLE });
    const [vector] = queries;
    const want = ranked(await search.query({ vector: vector!, stages: 'client' }));
    for (const [stages, on] of [
      [undefined, 'mirror'],
      ['auto', 'mirror'],
      ['mirror', 'mirror'],
      ['server', 'server'],
      ['client', 'client'],
    ] as const) {
      const answer = await search.query({ vector: vector!, ...(stages && { stages }) });
      assert.deepEqual(ranked(answer), want);
      const { ran, vectorsFrom, mirror: counts } = answer.stats;
      assert.equal(ran.on, on);
      assert.equal(vectorsFrom, on === 'mirror' ? 'mirror' : 'hits');
      assert.equal(counts !== undefined, on === 'mirror');
    }
    const always = new FunnelSearch({ rescore: true, source, mirror, stages: 'server', plan: WHOLE });
    assert.equal((await always.query({ vector: vector! })).stats.ran.on, 'server');
    assert.equal((await always.query({ vector: vector!, stages: 'auto' })).stats.ran.on, 'mirror');
    await mirror.close();
  });

  over('prefixes that are none are refused by name', async (open) => {
    const [vector] = queries;
    const search = (options: object) =>
      new FunnelSearch({ rescore: true, source: open({ collection: films, ...named, ...options }) }).query({
        vector: vector!,
      });
    await rejects(search({ prefixes: ['none'] }), 'NO_FIELD', /vector "none"/);
    await rejects(search({ prefixes: ['short'] }), 'BAD_DIMS', /more than 8 and less than 24.*"short"/);
    await rejects(search({ prefixes: ['dot'] }), 'BAD_ARGUMENT', /Cosine.*"dot"/);
    for (const prefixes of ['mid', [1]]) {
      assert.throws(() => open({ collection: films, ...named, prefixes: prefixes as never }), {
        code: 'BAD_ARGUMENT',
        message: /prefixes/,
      });
    }
    const tail = { tail: 'mid', headNorm: 'norm' };
    assert.throws(() => open({ collection: films, head: 'head', full: tail, prefixes: ['mid'] }), {
      code: 'BAD_ARGUMENT',
      message: /prefixes/,
    });
  });
});

describe('a server that does not tell whether points lack a vector', () => {
  test('has its stages run here, within the deadline of the search', async () => {
    const node = await restNode();
    try {
      node.manner = (call) => (call === 'count' ? 'hangs' : 'answers');
      const search = new FunnelSearch({
        rescore: true,
        source: qdrantSource(node.client, { collection: 'films', ...named }),
      });
      const { hits, stats } = await search.query({ vector: [1, 0], limit: 3, timeout: 3_000 });
      assert.deepEqual([hits.length, stats.ran.on], [3, 'client']);
      assert.match(stats.ran.why, /does not tell whether all points/);
    } finally {
      await node.close();
    }
  });
});
