/** Servers that take a connection and never answer: each command ends by its own limit, with a code and words that name the server. */
import assert from 'node:assert/strict';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createServer, type Http2Server } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { command } from './command.js';
import { jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const rows = write('rows.jsonl', jsonl([{ id: 1, v: [1, 2, 3, 4] }]));
const env = { FUNNELVEC_STATE: path('state') };

/** Commands wait for 30 s, and the SDK of Milvus for 15 s and some attempts; a busy machine for longer. The client of Qdrant would for 300 s. */
const MOST_MS = 200_000;

/** The first question to Qdrant ends after 30 s, and the command with it: the client's own limit is 120 s. */
const SOON_MS = 100_000;

const COMMANDS: Record<string, (place: readonly string[]) => string[]> = {
  ingest: (place) => ['ingest', rows, '--vector', 'v', '--id', 'id', '--head', '2', ...place],
  'a search': (place) => ['search', '--vector', '[1,2,3,4]', '--head', 'head', '--full', 'full', ...place],
  'a search without names': (place) => ['search', '--vector', '[1,2,3,4]', ...place],
  tune: (place) => ['tune', '--queries', rows, '--vector', 'v', '--head', 'head', '--full', 'full', ...place],
  bench: (place) => ['bench', '--queries', rows, '--vector', 'v', '--head', 'head', '--full', 'full', ...place],
  mcp: (place) => ['mcp', '--head', 'head', '--full', 'full', ...place],
};

const sockets = new Set<Socket>();
const servers: (Server | HttpServer | Http2Server)[] = [];
after(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

/** The address of a server that never answers: not even its protocol's greeting, or that alone. */
async function hanging(greets: boolean): Promise<string> {
  const server = greets ? createServer().on('stream', (stream) => stream.on('error', () => {}).resume()) : createTcp();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const PLACES: [string, boolean, (address: string) => string[], number][] = [
  ['Qdrant', false, (address) => ['--qdrant', `http://${address}`], SOON_MS],
  ['Milvus', false, (address) => ['--milvus', address], MOST_MS],
  ['Milvus that greets', true, (address) => ['--milvus', address], MOST_MS],
];

/** A Qdrant whose count takes longer than whether the collection is there may take. */
async function counting(): Promise<string> {
  const params = { vectors: { head: { size: 2, distance: 'Cosine' }, full: { size: 4, distance: 'Cosine' } } };
  const server = createHttp((request, response) => {
    const { method, url = '' } = request.resume();
    const answer = (result: unknown, ms = 0) =>
      setTimeout(() => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ result, status: 'ok', time: 0 }));
      }, ms);
    if (url.endsWith('/exists')) answer({ exists: false });
    else if (url.includes('/points/count')) answer({ count: 7 }, 33_000);
    else if (url.includes('/points/scroll')) answer({ points: [], next_page_offset: null });
    else if (method === 'PUT') answer(url.includes('/points') ? { operation_id: 1, status: 'completed' } : true);
    else answer({ status: 'green', points_count: 7, config: { params }, payload_schema: {} });
  });
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a server that hangs', { concurrency: true, timeout: 2 * MOST_MS }, () => {
  for (const [name, greets, placeOf, most] of PLACES) {
    it(`ends each command by its limit: ${name}`, async () => {
      const address = await hanging(greets);
      const wrong: string[] = [];
      await Promise.all(
        Object.entries(COMMANDS).map(async ([what, lineOf]) => {
          const began = performance.now();
          const json = what === 'mcp' ? [] : ['--json']; // its output is its protocol
          const line = lineOf([...placeOf(address), '--collection', 'films', ...json]);
          const ended = await command(line, { env });
          const took = performance.now() - began;
          const { code: told = 'TIMEOUT', message = ended.stderr } = ended.json?.error ?? {};
          const fine = ended.code === 1 && /^(TIMEOUT|UNREACHABLE)$/.test(told) && took < most;
          const clear =
            /films|Milvus at 127\.0\.0\.1/.test(message) && /did not answer in time|within \d+ ms/.test(message);
          if (!fine || !clear) wrong.push(`${what}: ${ended.code} after ${Math.round(took)} ms: ${told}: ${message}`);
        }),
      );
      assert.deepEqual(wrong, []);
    });
  }

  it('is none that counts for long', async () => {
    const line = COMMANDS['ingest']!(['--qdrant', await counting(), '--collection', 'films', '--json']);
    const ended = await command(line, { env });
    assert.equal(ended.code, 0, JSON.stringify(ended));
    assert.equal(ended.json.rows, 7);
  });
});
