/** The 40 ms stall of compressed answers, against a stand-in that compresses as Qdrant does, and what our own path costs. */
// Runs alone: it measures what a request costs beside a raw one.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { qdrantSource } from 'funnelvec/qdrant';
import { random, randomVector } from '#dist/conformance/data.js';
import { fromQdrant } from '#dist/sources/qdrant/from-qdrant.js';
import { bareRequest, leastOverhead, medians, recordedAnswer, standIn } from './stand-in.js';

const require = createRequire(resolve('package.json'));
const query = randomVector(768, random(3));

describe('Qdrant REST answers [stand-in]', () => {
  const open: { close(): unknown }[] = [];
  after(async () => {
    for (const one of open) await one.close();
  });
  const serve = async (dim: number) => {
    const server = await standIn(recordedAnswer({ count: 128, dim, headDim: 128 }), { dim: 768, headDim: 128 });
    open.push(server);
    return server;
  };

  test('are asked for uncompressed, whichever copy of the client and of this package meet', async () => {
    const server = await serve(768);
    const cjsClient = require('@qdrant/js-client-rest') as typeof import('@qdrant/js-client-rest');
    const clients = [QdrantClient, cjsClient.QdrantClient];
    assert.notEqual(clients[0], clients[1]);
    const ours = [qdrantSource];
    // The CommonJS build is there after a full build only.
    if (existsSync(resolve('dist/cjs/package.json')))
      ours.push((require('funnelvec/qdrant') as typeof import('funnelvec/qdrant')).qdrantSource);
    for (const Client of clients) {
      for (const makeSource of ours) {
        for (const decode of ['fast', 'client'] as const) {
          const client = new Client({ url: server.url, checkCompatibility: false });
          const source = makeSource(client, { collection: 'films', head: 'head', full: 'full', decode });
          server.encodings.length = 0;
          const { candidates } = await source.head({ vector: query, candidates: 128 });
          assert.deepEqual(server.encodings, ['identity']);
          assert.equal(candidates.vectors.length, 128 * 768);
        }
      }
    }
  });

  test('leave the global fetch as it was, whatever happens', async () => {
    const server = await serve(768);
    const client = new QdrantClient({ url: server.url, checkCompatibility: false });
    const source = qdrantSource(client, { collection: 'films', head: 'head', full: 'full' });
    const real = globalThis.fetch;
    let fetched = 0;
    // Whoever looks while a request is under way must find this one.
    const before: typeof fetch = (...args) => {
      fetched++;
      assert.equal(globalThis.fetch, before);
      return real(...args);
    };
    globalThis.fetch = before;
    try {
      const pending = source.head({ vector: query, candidates: 128 });
      assert.equal(globalThis.fetch, before);
      await pending;
      assert.equal(fetched, 3);
      const searching = source.head({ vector: query, candidates: 128 });
      while (fetched < 4) await Promise.resolve();
      assert.equal(globalThis.fetch, before);
      // A search of the caller's own at the same time gets its own answer.
      const own = await client.query('films', {
        query: [...query.subarray(0, 128)],
        using: 'head',
        with_vector: ['full'],
      });
      assert.equal(own.points.length, 128);
      assert.deepEqual(fromQdrant(own).vectors, (await searching).candidates.vectors);
      assert.equal(globalThis.fetch, before);
    } finally {
      globalThis.fetch = real;
    }
  });

  test('stall for the client as it comes, not for us, and ids cost about half a millisecond over the bare request', async () => {
    const server = await serve(0);
    const client = new QdrantClient({ url: server.url, checkCompatibility: false });
    const head = query.subarray(0, 128);
    const args = { query: [...head], using: 'head', limit: 128, with_payload: false, with_vector: false };
    const bare = bareRequest(server.url, JSON.stringify(args));
    open.push(bare);
    // A comparison search over the head alone is one for ids and scores only.
    const source = qdrantSource(client, { collection: 'films', head: 'head', full: 'head' });
    const ids = () => source.full({ vector: head, limit: 128 });
    assert.deepEqual(
      (await ids()).ids,
      Array.from({ length: 128 }, (_, i) => i * 7 + 1),
    );

    const stall = await medians({ shipped: () => client.query('films', args), ours: ids }, 12);
    // Linux delays acknowledgements by 40 ms; elsewhere the delay differs, so only there is it demanded.
    if (process.platform === 'linux') assert.ok(stall.shipped > 25, `the client as it comes took ${stall.shipped} ms`);
    assert.ok(stall.ours < 15, `ours took ${stall.ours} ms`);

    const runs = { bare: () => bare.run(), ours: ids };
    // Alone on two cores ours takes 0.45 to 0.5 ms more than 0.25; on a shared machine up to 0.6 was seen, which must not
    // fail a run.
    const { over } = await leastOverhead(runs, { wanted: 0.5 });
    assert.ok(over <= 0.75, `ours took ${over} ms more than the bare request`);
  });

  test('with 128 × 768 vectors decode faster from the bytes than through the client', async () => {
    const text = recordedAnswer({ count: 128, dim: 768, headDim: 128 });
    const server = await serve(768);
    const client = new QdrantClient({ url: server.url, checkCompatibility: false });
    const open = (decode: 'fast' | 'client') =>
      qdrantSource(client, { collection: 'films', head: 'head', full: 'full', decode });
    const [fast, plain] = [open('fast'), open('client')];
    let best = 0;
    for (let attempt = 0; attempt < 5 && best < 1.2; attempt++) {
      const bare = bareRequest(server.url, '{}');
      const times = await medians(
        {
          bare: () => bare.run(),
          fast: () => fast.head({ vector: query, candidates: 128 }),
          plain: () => plain.head({ vector: query, candidates: 128 }),
        },
        20,
      );
      bare.close();
      best = Math.max(best, (times.plain - times.bare) / Math.max(0.01, times.fast - times.bare));
    }
    assert.ok(best >= 1.2, `the bytes were read only ${best.toFixed(2)} times as fast (${text.length} characters)`);
  });
});
