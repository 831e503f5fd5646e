/** Models behind an endpoint: a local server that misbehaves in every way that servers do. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { embedderOf, embedEndpoint } from 'funnelvec/embed';
import { FunnelIndex } from 'funnelvec/store';
import { endpointEmbedder } from '#dist/cli/endpoint.js';
import type { LoadEmbedder } from '#dist/cli/model.js';
import { refused } from '../refused.js';
import { command, done, fails } from './command.js';
import { DIM, fakeVector } from './fake-embedder.js';

interface Asked {
  texts: string[];
  model: string;
  dimensions?: number;
  authorization: string | undefined;
  path: string | undefined;
}

/** The fault in place of an answer; undefined: all is well. */
type Fault = ((response: ServerResponse, good: object[]) => void) | undefined;

const servers: { close(): void; closeAllConnections(): void }[] = [];
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-endpoint-'));
after(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  rmSync(folder, { recursive: true });
});

/** @param fault of the n-th request, from 0 */
async function serve(fault: (n: number, asked: Asked) => Fault = () => undefined) {
  const asked: Asked[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { input: texts, model, dimensions } = JSON.parse(body);
    const one = { texts, model, dimensions, authorization: request.headers.authorization, path: request.url };
    asked.push(one);
    const rows = texts.map((text: string, index: number) => ({
      index,
      embedding: Array.from(fakeVector(text).subarray(0, dimensions ?? DIM)),
    }));
    const wrong = fault(asked.length - 1, one);
    if (wrong !== undefined) return wrong(response, rows);
    // In another order than they were asked for.
    json(response, 200, { data: rows.reverse() });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

function json(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const status =
  (code: number, message: string, headers?: Record<string, string>): Fault =>
  (response) =>
    json(response, code, { error: { message } }, headers);
const cutOff: Fault = (response, rows) => {
  response.writeHead(200, { 'content-length': '100000' }).write(JSON.stringify({ data: rows }).slice(0, 40));
  setTimeout(() => response.destroy(), 5);
};
const short: Fault = (response, rows) => json(response, 200, { data: rows.slice(1) });
const twice: Fault = (response, rows) => json(response, 200, { data: rows.map((row) => ({ ...row, index: 0 })) });
const page: Fault = (response) => response.writeHead(200).end('<html>502</html>');

const KEY = 'sk-secret-4711';
const impatient: LoadEmbedder = (spec) => endpointEmbedder(spec, { FUNNELVEC_EMBED_KEY: KEY }, { retryDelay: 1 });
const options = { load: impatient };

let files = 0;
function rows(count: number): { source: string; to: string } {
  const name = join(folder, String(files++));
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ id: i, text: `film number ${i}` }));
  writeFileSync(`${name}.jsonl`, lines.join('\n'));
  return { source: `${name}.jsonl`, to: `${name}-index` };
}
const ingestion = ({ source, to }: { source: string; to: string }, url: string, ...more: string[]) => [
  ...['ingest', source, '--id', 'id', '--text', 'text', '--to', to, '--embed-url', url],
  ...(more.includes('--embed-model') ? [] : ['--embed-model', 'tiny']),
  ...more,
];

async function holds(to: string, count: number): Promise<void> {
  const index = await FunnelIndex.open(to, { readOnly: true });
  assert.equal(index.count, count);
  const points = await index.get(Array.from({ length: count }, (_, i) => i));
  for (const [i, point] of points.entries())
    assert.deepEqual(point!.vector, fakeVector(`film number ${i}`), `row ${i}`);
  await index.close();
}

describe('ingest, search and tune with --embed-url', () => {
  it('fill a store by a server that is busy, fails, hangs up, and answers by halves', async () => {
    const faults = [
      undefined,
      status(429, 'slow down', { 'retry-after': '0' }),
      status(500, 'oops'),
      status(503, 'later'),
      undefined,
      cutOff,
      short,
      twice,
      page,
    ];
    const { url, asked } = await serve((n) => faults[n]);
    const place = rows(20);
    await done(ingestion(place, url, '--batch', '5'), options);
    await holds(place.to, 20);
    assert.ok(asked.length > faults.length);
    assert.ok(asked.every(({ authorization }) => authorization === `Bearer ${KEY}`));
    assert.ok(asked.every(({ path, model }) => path === '/v1/embeddings' && model === 'tiny'));
    const state = readFileSync(join(place.to, 'funnelvec.json'), 'utf8');
    assert.doesNotMatch(state, /secret/);
    assert.match(JSON.parse(state).embedder.name, /^tiny by an endpoint \(dim 16\)$/);
  });

  it('lose nothing to a server that stays broken: the same command goes on, elsewhere too', async () => {
    let broken = true;
    const { url } = await serve((_, { texts }) =>
      broken && texts.includes('film number 12') ? status(500, 'down') : undefined,
    );
    const place = rows(30);
    await fails(1, /failed \(5 attempts\): status 500, down/, ingestion(place, url, '--batch', '5'), options);
    const index = await FunnelIndex.open(place.to, { readOnly: true });
    assert.equal(index.count, 10, 'the batches before, whole');
    await index.close();
    broken = false;
    const other = await serve();
    const { json: result } = await done(ingestion(place, other.url, '--batch', '5', '--json'), options);
    assert.deepEqual([result.resumedAt, result.written, result.rows], [10, 20, 30]);
    await holds(place.to, 30);
  });

  it('write nothing of an answer with a hole in it', async () => {
    const place = rows(8);
    const holes: [unknown, RegExp][] = [
      [null, /a finite number for dim 3/],
      ['AAAA', /a finite number for dim 3/],
      [1e39, /a finite number for dim 3/],
    ];
    for (const [value, message] of holes) {
      const { url } = await serve((n) =>
        n === 0
          ? undefined
          : (response, good) => {
              const [first, ...rest] = good as { index: number; embedding: unknown[] }[];
              json(response, 200, { data: [...rest, { index: 0, embedding: first!.embedding.with(3, value) }] });
            },
      );
      await fails(1, message, ingestion(place, url, '--restart'), options);
      const index = await FunnelIndex.open(place.to, { readOnly: true });
      assert.equal(index.count, 0);
      await index.close();
    }
  });

  it('know a store by model, dims and prefixes, not by the address', async () => {
    const { url, asked } = await serve();
    const place = rows(10);
    await done(
      ingestion(place, url, '--document-prefix', 'passage: ', '--query-prefix', 'query: ', '--dim', '8'),
      options,
    );
    assert.equal(asked[0]!.texts[0], 'passage: film number 0');
    assert.ok(asked.every(({ dimensions }) => dimensions === 8));
    const search = (...more: string[]) => ['search', '--store', place.to, '--json', ...more, 'film number 3'];
    await done(search(), options);
    assert.deepEqual(asked.at(-1)!.texts, ['query: film number 3']);
    const elsewhere = await serve();
    const there = ['--embed-url', elsewhere.url, '--embed-model', 'tiny'];
    await done(search(...there), options);
    assert.deepEqual(elsewhere.asked.at(-1)!.texts, ['query: film number 3']);
    const model = ['--embed-url', url, '--embed-model', 'other'];
    await fails(
      1,
      /Expected the model of .*tiny by an endpoint .* but received other by an endpoint/,
      search(...model),
      options,
    );
    await fails(1, /do not compare/, search(...there, '--query-prefix', 'ask: '), options);
    await fails(1, /do not compare/, ingestion(place, url, '--embed-model', 'other'), options);
  });

  it('tune by queries that are texts', async () => {
    const { url } = await serve();
    const place = rows(300);
    await done(ingestion(place, url), options);
    const queries = join(folder, 'queries.txt');
    writeFileSync(queries, Array.from({ length: 80 }, (_, i) => `film number ${3 * i}`).join('\n'));
    const outcome = await command(
      ['tune', '--store', place.to, '--queries', queries, '--recall', '0.5', '--json'],
      options,
    );
    assert.equal(outcome.code, 0, outcome.stdout);
  });

  it('say where the key belongs where it is refused, and never what it is', async () => {
    const { url } = await serve(() => status(401, `bad key ${KEY}`));
    const outcome = await fails(
      1,
      /status 401, bad key ….* The key belongs into FUNNELVEC_EMBED_KEY/,
      ingestion(rows(3), url, '--dim', '16'),
      options,
    );
    assert.doesNotMatch(outcome.stderr + outcome.stdout, /secret/);
  });

  it('say what an endpoint says of an error under the status 200, but never the key', async () => {
    const { url } = await serve(() => status(200, `no model tiny for ${KEY}`));
    const outcome = await fails(
      1,
      /answered no vectors for 3 texts: no model tiny for …/,
      ingestion(rows(3), url, '--dim', '16'),
      options,
    );
    assert.doesNotMatch(outcome.stderr + outcome.stdout, /secret/);
  });

  it('refuse dims that the endpoint does not give', async () => {
    const deaf = await serve((_, { texts }) => (response) => {
      const data = texts.map((text, index) => ({ index, embedding: Array.from(fakeVector(text)) }));
      json(response, 200, { data });
    });
    await fails(
      1,
      /Expected vectors of 8 dims, as --dim asks for/,
      ingestion(rows(3), deaf.url, '--dim', '8'),
      options,
    );
  });

  it('refuse command lines that make no sense before any call', async () => {
    const { url, asked } = await serve();
    const place = rows(3);
    const line = ['ingest', place.source, '--text', 'text', '--to', place.to];
    const bad: [RegExp, string[]][] = [
      [/Expected --embed-model <name> beside --embed-url/, ['--embed-url', url]],
      [/Expected --embed-url beside --embed-model/, ['--embed-model', 'tiny']],
      [/Expected --embed-url beside --query-prefix/, ['--query-prefix', 'a', '--model', 'wordllama']],
      [/Expected --model or --embed-url but received both/, ['--embed-url', url, '--embed-model', 'a', '--model', 'b']],
      [/Expected --strip or --embed-url but received both/, ['--embed-url', url, '--embed-model', 'a', '--strip']],
      [/or --embed-url <url>, beside --text/, []],
    ];
    for (const [message, more] of bad) await fails(2, message, [...line, ...more], options);
    const odd = ['ftp://127.0.0.1/v1', 'localhost', 'http://me:pw@127.0.0.1/v1', 'http://127.0.0.1/v1?key=1'];
    for (const one of odd) {
      await fails(
        1,
        /an address that begins|no user, password, query/,
        [...line, '--embed-url', one, '--embed-model', 'a'],
        options,
      );
    }
    assert.equal(asked.length, 0);
  });
});

describe('embedEndpoint()', () => {
  const asked = (url: string, more = {}) =>
    embedderOf(embedEndpoint({ url, model: 'tiny', ...more }), { dim: DIM, retries: 1, retryDelay: 1 });

  it('takes the address of an API or of its embeddings, and rows without an index in their order', async () => {
    const { url, asked: seen } = await serve(
      () => (response, good) =>
        json(response, 200, { data: (good as { embedding: number[] }[]).map(({ embedding }) => ({ embedding })) }),
    );
    for (const one of [url, `${url}/`, `${url}/embeddings`]) {
      const vectors = await (await asked(one)).embed(['a b', 'c']);
      assert.deepEqual(vectors.subarray(DIM), fakeVector('c'));
    }
    assert.ok(seen.every(({ path, authorization }) => path === '/v1/embeddings' && authorization === undefined));
  });

  it('ends a call that takes too long, and one that is aborted', async () => {
    const { url } = await serve(() => () => {});
    await assert.rejects(
      (await asked(url, { timeout: 20 })).embed(['a']),
      refused('MODEL_FAILED', /no answer within 20 ms/),
    );
    const pending = (await asked(url)).embed(['a'], { signal: AbortSignal.timeout(20) });
    await assert.rejects(pending, refused('ABORTED', /aborted/));
  });

  it('says that nobody is there, and follows nobody elsewhere', async () => {
    await assert.rejects(
      (await asked('http://127.0.0.1:9/v1')).embed(['a']),
      refused('MODEL_FAILED', /127\.0\.0\.1:9/),
    );
    const away = await serve();
    const { url } = await serve(
      () => (response) => response.writeHead(307, { location: `${away.url}/embeddings` }).end(),
    );
    await assert.rejects(
      (await asked(url)).embed(['a']),
      refused('MODEL_FAILED', /cannot be reached \(unexpected redirect\)/),
    );
    assert.equal(away.asked.length, 0);
  });

  it('refuses options that are none', () => {
    const make = (options: object) => () => embedEndpoint({ url: 'http://127.0.0.1/v1', model: 'tiny', ...options });
    assert.throws(make({ url: 'file:///x' }), refused('BAD_ARGUMENT', /http:\/\/ or https:\/\//));
    assert.throws(make({ url: 'http://a:b@127.0.0.1' }), refused('BAD_ARGUMENT', /no user, password/));
    assert.throws(make({ model: '' }), refused('BAD_ARGUMENT', /model/));
    assert.throws(make({ key: 'a\nb' }), refused('BAD_ARGUMENT', /printable ASCII/));
    assert.throws(make({ timeout: 0 }), refused('BAD_ARGUMENT', /timeout/));
    assert.throws(make({ apiKey: 'x' }), refused('BAD_ARGUMENT', /Expected one of url, model, key, timeout/));
  });
});
