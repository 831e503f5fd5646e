/** Vectors that Qdrant stores as uint8 or float16: an ordinary query finds what it is near, or is refused. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';
import { random } from '#dist/conformance/data.js';
import { naiveScore } from '#dist/conformance/ranking-oracle.js';
import { refused } from '../refused.js';
import { qdrantMark, startQdrant } from './servers.js';

const COUNT = 400;
const HEAD = 8;
const DIM = 32;
const next = random(41);
/** Integers of 0 to 255, as uint8 holds them, whose first dims say more than the others. */
const rows = Array.from({ length: COUNT }, () =>
  Float32Array.from({ length: DIM }, (_, i) => Math.floor(next() * (i < HEAD ? 256 : 128))),
);
/** As a model makes them: values of length 1 together, none negative. */
const queries = Array.from({ length: 8 }, () => {
  const values = Float32Array.from({ length: DIM }, (_, i) => next() * (i < HEAD ? 1 : 0.5));
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
});
const METRICS = { Cosine: 'cosine', Dot: 'dot', Euclid: 'euclid' } as const;
type Distance = keyof typeof METRICS;

describe(`Qdrant's datatypes${qdrantMark}`, { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  let clients: [string, Parameters<typeof qdrantSource>[0]][];
  const made: string[] = [];
  before(async () => {
    server = await startQdrant();
    rest = new QdrantClient({ url: server.url, checkCompatibility: false });
    const { grpcHost: host, grpcPort: port } = server;
    clients = [
      ['REST', rest],
      ['gRPC', new GrpcClient({ host, port, checkCompatibility: false, compression: false })],
    ];
  });
  after(async () => {
    for (const name of made) await rest.deleteCollection(name);
    await server?.stop();
  });

  const fill = async (distance: Distance, datatype: 'uint8' | 'float16'): Promise<string> => {
    const collection = `datatypes_${datatype}_${distance}_${process.pid}`;
    if (made.includes(collection)) return collection;
    const vector = (size: number) => ({ size, distance, datatype });
    await rest.createCollection(collection, { vectors: { head: vector(HEAD), full: vector(DIM) } });
    made.push(collection);
    const points = rows.map((row, id) => ({
      id,
      vector: { head: Array.from(row.subarray(0, HEAD)), full: Array.from(row) },
    }));
    await rest.upsert(collection, { wait: true, points });
    return collection;
  };
  const open = (client: Parameters<typeof qdrantSource>[0], collection: string) =>
    qdrantSource(client, { collection, head: 'head', full: 'full' });
  const best = (distance: Distance, query: Float32Array, dim: number, count: number): number[] => {
    const sign = distance === 'Euclid' ? 1 : -1;
    const score = (row: Float32Array) =>
      sign * naiveScore(METRICS[distance], query.subarray(0, dim), row.subarray(0, dim));
    return rows
      .map((row, id) => ({ id, key: score(row) }))
      .sort((a, b) => a.key - b.key)
      .slice(0, count)
      .map(({ id }) => id);
  };

  for (const distance of ['Cosine', 'Dot'] as const) {
    test(`uint8 under ${distance}: a query of small numbers is scaled, so that heads and exact answers are right`, async () => {
      const collection = await fill(distance, 'uint8');
      for (const [name, client] of clients) {
        const source = open(client, collection);
        const search = new FunnelSearch({ source });
        let [near, all] = [0, 0];
        for (const vector of queries) {
          const { candidates } = await source.head({ vector, candidates: 50 });
          const heads = new Set(best(distance, vector, HEAD, 50));
          all += 50;
          for (const id of Array.from(candidates.ids!)) if (heads.has(Number(id))) near++;
          const { hits, stats } = await search.query({ vector, mode: 'exact', limit: 10 });
          assert.equal(stats.exact, 'index', 'a rounded query is no scan of the one that was asked');
          assert.deepEqual(
            hits.map(({ id }) => Number(id)),
            best(distance, vector, DIM, 10),
            name,
          );
          const { ids, scores } = await source.full({ vector, limit: 5 });
          // The server's scores are those of the query that was asked, but for what was rounded.
          ids.forEach((id, i) => {
            const score = naiveScore(METRICS[distance], vector, rows[Number(id)]!);
            assert.ok(Math.abs(scores[i]! - score) < 0.01 * Math.abs(score), `${scores[i]} for ${score}`);
          });
        }
        assert.ok(near / all > 0.95, `${near} of ${all} heads over ${name}`);
      }
    });

    test(`uint8 under ${distance}: examples are scaled, too`, async () => {
      const collection = await fill(distance, 'uint8');
      for (const [name, client] of clients) {
        const search = new FunnelSearch({ source: open(client, collection) });
        for (const strategy of ['best_score', 'sum_scores', 'average_vector'] as const) {
          const request = { positive: [queries[0]!], negative: [], strategy, limit: 5 };
          const { hits } = await search.recommend(request);
          assert.deepEqual(
            hits.map(({ id }) => Number(id)),
            best(distance, queries[0]!, DIM, 5),
            `${strategy} over ${name}`,
          );
        }
      }
    });
  }

  test('uint8: integers of 0 to 255 are sent as they are, and the server scans', async () => {
    for (const distance of ['Cosine', 'Dot', 'Euclid'] as const) {
      const collection = await fill(distance, 'uint8');
      for (const [, client] of clients) {
        const vector = rows[7]!;
        const { hits, stats } = await new FunnelSearch({ source: open(client, collection) }).query({
          vector,
          mode: 'exact',
          limit: 5,
        });
        assert.equal(stats.exact, 'server');
        assert.deepEqual(
          hits.map(({ id }) => Number(id)),
          best(distance, vector, DIM, 5),
        );
      }
    }
  });

  test('uint8: a query that cannot be one is refused, naming the value, the vector and what helps', async () => {
    for (const [, client] of clients) {
      const cosine = open(client, await fill('Cosine', 'uint8'));
      const negative = queries[0]!.slice();
      negative[3] = -0.25;
      const said = /at least 0 in a query.*datatypes_uint8_Cosine.*-0\.25 at 3.*"head" is stored as uint8.*float16/;
      await assert.rejects(cosine.head({ vector: negative, candidates: 5 }), refused('BAD_ARGUMENT', said));
      await assert.rejects(cosine.full({ vector: negative, limit: 5 }), refused('BAD_ARGUMENT', /"full" is stored/));
      const euclid = open(client, await fill('Euclid', 'uint8'));
      const integers = /integers from 0 to 255 .*at 0.*uint8/;
      await assert.rejects(euclid.head({ vector: queries[0]!, candidates: 5 }), refused('BAD_ARGUMENT', integers));
      const large = rows[0]!.slice();
      large[1] = 256;
      await assert.rejects(
        euclid.head({ vector: large, candidates: 5 }),
        refused('BAD_ARGUMENT', /0 to 255 .*256 at 1/),
      );
    }
  });

  test('float16: a query is sent as it is, but for what float16 has no number for', async () => {
    for (const distance of ['Cosine', 'Dot', 'Euclid'] as const) {
      const collection = await fill(distance, 'float16');
      for (const [, client] of clients) {
        const source = open(client, collection);
        const { hits, stats } = await new FunnelSearch({ source }).query({
          vector: queries[1]!,
          mode: 'exact',
          limit: 5,
        });
        assert.equal(stats.exact, 'server');
        assert.deepEqual(
          hits.map(({ id }) => Number(id)),
          best(distance, queries[1]!, DIM, 5),
        );
        const large = queries[1]!.slice();
        large[2] = -70_000;
        const asked = source.head({ vector: large, candidates: 5 });
        if (distance === 'Cosine') assert.equal((await asked).candidates.ids!.length, 5);
        else await assert.rejects(asked, refused('BAD_ARGUMENT', /±65504 .*-70000 at 2.*float16/));
        // Beyond the head's dims it is the full vector's, which stages in the database rank by.
        const far = queries[1]!.slice();
        far[DIM - 1] = 70_000;
        const staged = new FunnelSearch({ source }).query({ vector: far, limit: 3, stages: 'server' });
        if (distance === 'Cosine') await staged;
        else await assert.rejects(staged, refused('BAD_ARGUMENT', /±65504 .*70000 at 31.*"full".*float16/));
      }
    }
  });

  test('uint8 is refused in the layout of head and tail, whose heads it would cut off to zeros', async () => {
    const collection = await fill('Dot', 'uint8');
    for (const [, client] of clients) {
      const full = { tail: 'full', headNorm: 'norm' };
      const source = qdrantSource(client, { collection, head: 'head', full });
      await assert.rejects(source.info(), refused('BAD_ARGUMENT', /tail layout.*uint8/));
    }
  });
});
