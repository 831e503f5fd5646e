/** Mirrors that follow collections of Qdrant by stamps as other languages write them: nanoseconds, which are no numbers of JavaScript. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { qdrantSource } from 'funnelvec/qdrant';
import { FunnelIndex } from 'funnelvec/store';
import { random, randomVector } from '#dist/conformance/data.js';
import { qdrantMark, startQdrant } from './servers.js';

const DIM = 8;
const COUNT = 60;
/** A multiple of 256, which is as near as float64 can tell such numbers apart: its neighbours round to it. */
const FIRST = 1_700_000_000_000_000_000n;

describe(`a mirror of a Qdrant collection with stamps in nanoseconds${qdrantMark}`, { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  const made: string[] = [];
  before(async () => {
    server = await startQdrant();
    rest = new QdrantClient({ url: server.url, checkCompatibility: false });
  });
  after(async () => {
    for (const name of made) await rest.deleteCollection(name);
    await server?.stop();
  });

  for (const kind of ['REST', 'gRPC'] as const) {
    test(`finds what has changed, a nanosecond after the last change too, over ${kind}`, async () => {
      const collection = `follow_${kind.toLowerCase()}_${process.pid}`;
      await rest.createCollection(collection, { vectors: { size: DIM, distance: 'Cosine' } });
      made.push(collection);
      const next = random(11);
      const remote = { host: server.grpcHost, port: server.grpcPort, checkCompatibility: false };
      const client = kind === 'REST' ? rest : new GrpcClient(remote);
      /** By hand: JSON.stringify() has no integers of 64 bits. */
      const write = async (ids: readonly number[], stampOf: (id: number) => bigint) => {
        const points = ids.map((id) => {
          const vector = JSON.stringify(Array.from(randomVector(DIM, next)));
          return `{"id":${id},"vector":${vector},"payload":{"updated_at":${stampOf(id)}}}`;
        });
        const answer = await fetch(`${server.url}/collections/${collection}/points?wait=true`, {
          method: 'PUT',
          body: `{"points":[${points.join()}]}`,
          headers: { 'content-type': 'application/json' },
        });
        assert.equal(answer.status, 200);
      };
      const last = FIRST + BigInt(COUNT) * 1_000_000_000n;
      await write(
        Array.from({ length: COUNT }, (_, id) => id),
        (id) => last - BigInt(COUNT - 1 - id) * 1_000_000_000n,
      );
      const source = qdrantSource(client, { collection });
      const mirror = await FunnelIndex.create(':memory:', { dim: DIM });
      const follower = mirror.follow(source, { every: 1e9, since: 'updated_at', overlap: 0, batch: 16 });
      try {
        assert.equal((await follower.update()).written, COUNT);
        await follower.update(); // from here on all stamps are known to have been read
        await write([3, 7], (id) => last + BigInt(id) - 2n);
        const round = await follower.update();
        assert.deepEqual([round.kind, round.written, round.deleted], ['changes', 2, 0]);
        assert.ok(round.read <= 8, `${round.read} rows were read`);
        await rest.delete(collection, { wait: true, points: [5] });
        const gone = await follower.update();
        assert.deepEqual([gone.kind, gone.written, gone.deleted], ['ids', 0, 1]);
        assert.equal(follower.stats().failures, 0);
      } finally {
        await follower.stop();
      }
      assert.equal((await mirror.syncFrom(source, { withPayload: ['updated_at'] })).written, 0);
      await mirror.close();
    });
  }
});
