// Texts embedded by an endpoint that answers as OpenAI's does: Ollama, vLLM, llama.cpp, TEI, OpenAI. First by the command, which
// remembers the model beside the index, then by the same endpoint in code. The server here is a stand-in that counts words and is
// busy at first: with one of yours, say its address as FUNNELVEC_EMBED_URL, and its key, if any, as FUNNELVEC_EMBED_KEY.
// Needs the package lmdb.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { embedderOf, embedEndpoint } from 'funnelvec/embed';
import { FunnelIndex } from 'funnelvec/store';

/** A place for each word, by its letters. */
function count(text) {
  const vector = new Array(64).fill(0);
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    let place = 7;
    for (const letter of word) place = (place * 31 + letter.charCodeAt(0)) % 64;
    vector[place]++;
  }
  return vector;
}
let calls = 0;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  if (++calls === 1) return void response.writeHead(429, { 'retry-after': '0' }).end();
  const data = JSON.parse(body).input.map((text, index) => ({ index, embedding: count(text) }));
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: data.reverse() }));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
const url = process.env['FUNNELVEC_EMBED_URL'] ?? `http://127.0.0.1:${port}/v1`;

const folder = mkdtempSync(join(tmpdir(), 'films-'));
const films = join(folder, 'films.jsonl');
const plots = ['A hotel is closed in winter.', 'A teenager skips school.', 'A digger hunts for relics in a desert.'];
writeFileSync(films, plots.map((plot, id) => JSON.stringify({ id, plot })).join('\n'));
const store = join(folder, 'films');

// npx funnelvec ingest films.jsonl --text plot --id id --embed-url … --embed-model words --to films
const command = fileURLToPath(new URL('cli/main.js', import.meta.resolve('funnelvec')));
const funnelvec = async (...line) =>
  JSON.parse((await promisify(execFile)(process.execPath, [command, ...line, '--json'])).stdout);
const endpoint = ['--embed-url', url, '--embed-model', 'words'];
const { rows, model } = await funnelvec('ingest', films, '--text', 'plot', '--id', 'id', ...endpoint, '--to', store);
console.log(rows, model);
// => 3 words by an endpoint (dim 64)

// npx funnelvec search --store films "who hunts in the desert?"
const { hits } = await funnelvec('search', '--store', store, 'who hunts in the desert?', '--limit', '1');
console.log(hits[0].payload.plot);
// => A digger hunts for relics in a desert.

const key = process.env['FUNNELVEC_EMBED_KEY'];
const embedder = await embedderOf(embedEndpoint({ url, model: 'words', ...(key && { key }) }));
const index = await FunnelIndex.open(store, { readOnly: true });
const vector = await embedder.embed(['a school in winter'], { role: 'query' });
for (const { payload, score } of (await index.query({ vector, limit: 2, withPayload: true })).hits) {
  console.log(score.toFixed(2), /** @type {{ plot: string }} */ (payload).plot);
}
// => 0.61 A hotel is closed in winter.
// => 0.50 A teenager skips school.
await index.close();

server.close();
server.closeAllConnections();
rmSync(folder, { recursive: true });
