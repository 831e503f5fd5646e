/** Collections that LangChain, LlamaIndex and Mastra wrote, searched as their owners would: without a word about vectors. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch } from 'funnelvec';
import { type QdrantSourceOptions, qdrantSource } from 'funnelvec/qdrant';
import { FunnelIndex } from 'funnelvec/store';
import { rejects } from '#dist/conformance/failures.js';
import { qdrantMark, startQdrant } from './servers.js';
import { WRITERS, type Written, type WrittenPoint, written } from './written.js';

describe(`collections of other packages${qdrantMark}`, { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  const all = new Map<string, Written>();
  const open: ((options: { collection: string } & Partial<QdrantSourceOptions>) => ReturnType<typeof qdrantSource>)[] =
    [];
  before(async () => {
    server = await startQdrant();
    for (const writer of WRITERS) all.set(writer, await written(server.url, writer));
    const { url, grpcHost: host, grpcPort: port } = server;
    for (const client of [
      new QdrantClient({ url, checkCompatibility: false }),
      new GrpcClient({ host, port, checkCompatibility: false, compression: false }),
    ]) {
      open.push((options) => qdrantSource(client, options as QdrantSourceOptions));
    }
  });
  after(async () => {
    for (const one of all.values()) await one.drop();
    await server?.stop();
  });

  /** By cosine, or by distance. */
  const ranked = (points: readonly WrittenPoint[], query: Float32Array, euclid: boolean): string[] => {
    const score = (vector: number[]) => {
      const [dot, length] = vector.reduce(([d, l], x, i) => [d! + x * query[i]!, l! + x * x], [0, 0]) as [
        number,
        number,
      ];
      return euclid ? -Math.hypot(...vector.map((x, i) => x - query[i]!)) : dot / Math.sqrt(length);
    };
    const vectorOf = ({ vector }: WrittenPoint) => (Array.isArray(vector) ? vector : vector['text']!);
    return points
      .map((point) => [point.id, score(vectorOf(point))] as const)
      .sort((a, b) => b[1] - a[1])
      .map(([id]) => id);
  };
  const query = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i + 1) / (1 + i / 4));

  for (const [writer, name] of [
    ['langchain', 'langchain'],
    ['llamaindex', 'llamaindex'],
    ['mastra', 'mastra_cosine'],
    ['mastra', 'mastra_euclidean'],
    ['mastra', 'mastra_one'],
  ] as const) {
    test(`${name}: one vector is found, ranked, looked up and mirrored`, async () => {
      const { collection, points } = all.get(writer)!.collections[name]!;
      assert.equal(points.length, 12);
      for (const make of open) {
        const source = make({ collection });
        const euclid = name === 'mastra_euclidean';
        assert.deepEqual(await source.info(), {
          headDim: 16,
          dim: 16,
          metric: euclid ? 'euclid' : 'cosine',
          idKind: 'string',
        });
        const search = new FunnelSearch({ source, rescore: true });
        const { hits } = await search.query({ vector: query, limit: 12, withPayload: true });
        assert.deepEqual(
          hits.map(({ id }) => id),
          ranked(points, query, euclid),
        );
        for (const { id, payload } of hits) assert.deepEqual(payload, points.find((one) => one.id === id)!.payload);
        const [first] = points;
        const like = await search.query({ id: first!.id.toUpperCase(), limit: 12 });
        assert.equal(like.hits.length, 11);
        const index = await FunnelIndex.create(':memory:', { dim: 16, metric: euclid ? 'euclid' : 'cosine' });
        assert.equal((await index.syncFrom(source)).written, 12);
        const through = await new FunnelSearch({ source, mirror: index }).query({ vector: query, limit: 12 });
        assert.deepEqual(
          through.hits.map(({ id, score }) => [id, score]),
          hits.map(({ id, score }) => [id, score]),
        );
        await index.close();
      }
    });
  }

  test('mastra_two: of several vectors one is to be named, and points that lack it can be left out', async () => {
    const { collection, points } = all.get('mastra')!.collections['mastra_two']!;
    for (const make of open) {
      await rejects(
        make({ collection }).info(),
        'BAD_ARGUMENT',
        /"text" \(16 dims\), "title" \(16 dims\).*Write head: "title", full: "title"/,
      );
      const names = { collection, head: 'text', full: 'text' };
      const search = new FunnelSearch({ source: make(names) });
      const { hits } = await search.query({ vector: query, limit: 12 });
      const own = points.filter(({ vector }) => 'text' in vector);
      assert.deepEqual(
        hits.map(({ id }) => id),
        ranked(own, query, false),
      );
      const index = await FunnelIndex.create(':memory:', { dim: 16 });
      await rejects(
        index.syncFrom(make(names)),
        'BAD_RESPONSE',
        /"text" in point .* carries only "title".*'skip'|lacks it/,
      );
      const { rows, missingVectors } = await index.syncFrom(make({ ...names, missingVectors: 'skip' }));
      assert.deepEqual([rows, missingVectors], [12, 3]);
      await index.close();
    }
  });
});
