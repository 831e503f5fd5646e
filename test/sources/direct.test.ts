/** Reads over REST that go straight to the client's dispatcher, and those that fetch has to ask. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { QdrantClient } from '@qdrant/js-client-rest';
import { qdrantSource } from 'funnelvec/qdrant';
import { rejects } from '#dist/conformance/failures.js';
import { direct, mayBeDirect } from '#dist/sources/qdrant/direct.js';

const names = { collection: 'films', head: 'head', full: 'full', retries: 0 };
const rows = [1, 2].map((id) => ({ id, payload: { title: `film ${id}`, views: 2 ** 40 + id } }));
const size = { size: 2, distance: 'Cosine' };
const info = { config: { params: { vectors: { head: size, full: size } } } };
const text = (result: unknown) => JSON.stringify({ result, status: 'ok', time: 0 });

const open: (() => Promise<unknown>)[] = [];
after(() => Promise.all(open.map((close) => close())));

/** A server whose answers to retrieves are the caller's, with how many of these it was asked for. */
async function serverOf(retrieved: (request: http.IncomingMessage, response: http.ServerResponse, n: number) => void) {
  const asked: http.IncomingMessage[] = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    if (!/\/points(\?.*)?$/.test(request.url!)) {
      const result = request.url!.endsWith('/scroll') ? { points: [{ id: 1 }] } : info;
      response.writeHead(200, { 'content-type': 'application/json' }).end(text(result));
      return;
    }
    assert.deepEqual(JSON.parse(body), { ids: [1, 2], with_payload: true, with_vector: false });
    retrieved(request, response, asked.push(request));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new QdrantClient({ url, apiKey: 'a key', checkCompatibility: false });
  return { asked, url, source: qdrantSource(client, names), client };
}

type Served = Awaited<ReturnType<typeof serverOf>>;
const ids = [1, 2];
const read = async ({ source }: Pick<Served, 'source'>, more: object = {}) =>
  (await source.fetch({ ids, withPayload: true, vectors: false, ...more })).rows.payloads;
const payloads = rows.map(({ payload }) => payload);

describe('a read over REST', () => {
  test("has the client's key and headers, and its head and body leave together", async () => {
    const served = await serverOf((_, response) => void response.end(text(rows)));
    assert.deepEqual(await read(served), payloads);
    const { headers, method } = served.asked[0]!;
    assert.equal(method, 'POST');
    assert.equal(headers['api-key'], 'a key');
    assert.equal(headers['accept-encoding'], 'identity');
    assert.match(String(headers['user-agent']), /^qdrant-js/);
    // Segments that arrive one after the other wake a server twice.
    const segments: string[] = [];
    const answer = Buffer.from(text(rows));
    const plain = net.createServer((socket) => {
      socket.on('data', (part) => {
        segments.push(String(part));
        const whole = /\r\n\r\n(.+)/s.test(segments.join(''));
        if (whole) socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`);
      });
      socket.on('error', () => {});
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    open.push(() => new Promise((done) => plain.close(done)));
    // The collection is known from the other server.
    const api = served.client.api() as unknown as Record<string, unknown>;
    const other = new QdrantClient({
      url: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
      checkCompatibility: false,
    });
    const points = (other.api() as unknown as Record<string, unknown>)['getPoints'];
    const both = Object.assign(Object.create(served.client), { api: () => ({ ...api, getPoints: points }) });
    assert.deepEqual(await read({ source: qdrantSource(both, names) }), payloads);
    assert.equal(segments.length, 1, segments.join('\n--\n'));
  });

  test('goes through a fetch that somebody put in place of the own one', async () => {
    const served = await serverOf((_, response) => void response.end(text(rows)));
    await read(served);
    const { fetch } = globalThis;
    let seen = 0;
    globalThis.fetch = (...args) => {
      seen++;
      return fetch(...args);
    };
    try {
      assert.deepEqual(await read(served), payloads);
    } finally {
      globalThis.fetch = fetch;
    }
    assert.equal(seen, 1);
  });

  test('is asked by fetch where the server compresses unasked, or sends elsewhere, from then on at once', async () => {
    const zipped = await serverOf((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text(rows)));
    });
    const moved = await serverOf((request, response) => {
      if (request.url!.includes('?')) response.end(text(rows));
      else response.writeHead(307, { location: `${request.url}?moved` }).end();
    });
    for (const [served, first, next] of [
      [zipped, 2, 1],
      [moved, 3, 2],
    ] as const) {
      assert.deepEqual(await read(served), payloads);
      assert.equal(served.asked.length, first);
      assert.deepEqual(await read(served), payloads);
      assert.equal(served.asked.length, first + next);
    }
  });

  test('fails as it does through fetch, with the words of the server and the delay that it names', async () => {
    const telling = (status: number, words: string, headers: Record<string, string> = {}) =>
      serverOf((_, response) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify({ status: { error: words } }));
      });
    await rejects(read(await telling(404, "Collection `films` doesn't exist!")), 'NO_COLLECTION', /404: Collection/);
    await rejects(read(await telling(403, 'Forbidden')), 'REFUSED', /403: Forbidden/);
    await rejects(read(await telling(503, 'starting')), 'UNREACHABLE', /503: starting/);
    const limited = await telling(429, 'too many', { 'retry-after': '37' });
    await assert.rejects(read(limited), { code: 'RATE_LIMITED', retryAfter: 37_000, message: /too many/ });
    const empty = await serverOf((_, response) => void response.writeHead(204).end());
    await assert.rejects(read(empty), { code: 'BAD_RESPONSE' });
    const cut = await serverOf((_, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{"result":[', () => response.destroy());
    });
    await rejects(read(cut), 'UNREACHABLE', /films/);
    const gone = await serverOf((request) => void request.socket.destroy());
    await rejects(read(gone), 'UNREACHABLE', /films/);
    const garbled = await serverOf((_, response) => void response.end('{"result":'));
    await assert.rejects(read(garbled), { code: 'BAD_RESPONSE' });
  });

  test('tells of failures whose head is odd as fetch does: text in UTF-8, words of its own, a status that is none', async () => {
    const head = 'x-reason: \u65e5\u672c\r\ncontent-length: 0\r\n\r\n';
    const saying = (line: string, more = '') =>
      serverOf((request) => void request.socket.end(`HTTP/1.1 ${line}\r\n${more}${head}`));
    await rejects(read(await saying('503 Warming\u0001 up')), 'UNREACHABLE', /503: Warming up/);
    await rejects(read(await saying('503 \u65e5')), 'UNREACHABLE', /HTTP 503: /);
    await assert.rejects(read(await saying('429 Slow', 'retry-after: 3\r\n')), {
      code: 'RATE_LIMITED',
      retryAfter: 3000,
    });
    const odd = await saying('600 Odd');
    await rejects(read(odd), 'REFUSED', /HTTP 600: Odd/);
    assert.equal(odd.asked.length, 2);
  });

  test('ends when its caller gives up, in each of its phases, and the server learns of it', async () => {
    for (const begins of [false, true]) {
      let closed: (() => void) | undefined;
      const left = new Promise<void>((done) => {
        closed = done;
      });
      const served = await serverOf((request, response) => {
        request.socket.on('close', () => closed!());
        if (begins) response.writeHead(200, { 'content-length': 1000 }).write('{"result":[');
      });
      await served.source.info();
      await rejects(read(served, { timeout: 1_000 }), 'TIMEOUT', /within 1000 ms/);
      await left;
    }
  });
});

describe('a dispatcher of undici 7 and later', () => {
  const url = 'http://db/collections/films/points?timeout=2';
  const init = (dispatch: (options: Any, handler: Any) => void) =>
    ({ method: 'POST', body: '{}', headers: { 'api-key': 'k' }, dispatcher: { dispatch } }) as never;
  // biome-ignore lint/suspicious/noExplicitAny: the interface of another package
  type Any = any;

  test('tells of an answer by other calls, with the same result', async () => {
    let sent: Any;
    const answers = init((options, handler) => {
      sent = options;
      handler.onRequestStart({ abort() {} }, undefined);
      handler.onResponseStart({}, 103, {}, 'Early Hints');
      handler.onResponseStart({}, 200, { 'set-cookie': ['a', 'b'], 'content-type': 'text/plain' }, 'OK');
      handler.onResponseData({}, Buffer.from('{"a"'));
      handler.onResponseData({}, Buffer.from(':1}'));
      handler.onResponseEnd({}, {});
    });
    assert.equal(mayBeDirect(fetch, url, answers), true);
    const answer = (await direct(url, answers, []))!;
    assert.deepEqual([answer.status, String(answer.bytes)], [200, '{"a":1}']);
    assert.equal(answer.headers.get('content-type'), 'text/plain');
    assert.deepEqual(
      [sent.origin, sent.path, sent.method, sent.headers],
      ['http://db', '/collections/films/points?timeout=2', 'POST', { 'api-key': 'k' }],
    );
  });

  test('and of failures and stops', async () => {
    const cause = new Error('ECONNRESET');
    const fails = init((_, handler) => handler.onResponseError({}, cause));
    await assert.rejects(direct(url, fails, []), { name: 'TypeError', message: 'fetch failed', cause });
    const stopped: unknown[] = [];
    const controller = new AbortController();
    const hangs = init((_, handler) => handler.onRequestStart({ abort: (why: unknown) => stopped.push(why) }));
    const pending = direct(url, hangs, [undefined, controller.signal]);
    controller.abort('enough');
    await assert.rejects(pending, (why) => why === 'enough');
    assert.deepEqual(stopped, ['enough']);
    await assert.rejects(direct(url, hangs, [controller.signal]), (why) => why === 'enough');
  });
});
