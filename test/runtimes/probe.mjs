// One program for every runtime: each check prints a line of JSON, { check, ok, why?, digest? }. It stands in a project that
// has the packed package installed, beside probe.cjs, child.mjs and the folder `models`.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const before = JSON.parse(process.env.PROBE_ARGS ?? '[]'); // between the runtime and a program
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-probe-'));

const DIM = 24;
// Integers by multiplication and remainders alone, so that no engine's Math decides.
const value = (i) => Math.fround((((i * 48_271) % 65_537) - 32_768) / 32_768);
const vector = (from) => Float32Array.from({ length: DIM }, (_, i) => value(from + i + 1));
const ROWS = 60;
const matrix = Float32Array.from({ length: ROWS * DIM }, (_, i) => value(7 * i + 3));
const plan = { scales: [5, 13, 24], keep: 0.5, limit: 4 };
const digest = (data) => createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 16);

const CHECKS = {
  async import() {
    const names = [
      '',
      '/store',
      '/qdrant',
      '/milvus',
      '/source',
      '/embed',
      '/fuse',
      '/tune',
      '/train',
      '/kernels',
      '/wasm',
    ];
    for (const name of names) assert.ok(Object.keys(await import(`funnelvec${name}`)).length > 0, name);
  },

  async require() {
    const { funnel } = await import('funnelvec');
    const query = vector(7);
    assert.equal(
      digest(require('./probe.cjs')(matrix, query, plan)),
      digest(funnel({ vectors: matrix, dim: DIM }, query, plan)),
    );
  },

  async 'funnel()'() {
    const { funnel, funnelBatch } = await import('funnelvec');
    const metrics = ['cosine', 'dot', 'euclid'];
    const hits = metrics.map((metric) => funnel({ vectors: matrix, dim: DIM }, vector(7), { ...plan, metric }));
    assert.equal(hits[0].length, 4);
    const [first] = funnelBatch([{ candidates: { vectors: matrix, dim: DIM }, query: vector(7) }], plan);
    assert.deepEqual(first, hits[0]);
    return digest(hits.flat().map(({ id, score }) => [id, score]));
  },

  async 'native, WASM and JavaScript kernels, the same bits'() {
    const { funnel, listKernels, useKernels } = await import('funnelvec');
    const names = listKernels().filter(({ supported }) => supported);
    const found = names.map(({ name }) => {
      useKernels(name);
      return [name, digest(funnel({ vectors: matrix, dim: DIM }, vector(7), plan))];
    });
    useKernels(names[0].name);
    for (const [name, one] of found) assert.equal(one, found[0][1], name);
    const ran = found.map(([name]) => name);
    assert.ok(ran.includes('wasm') && ran.includes('js') && ran.length >= 4, ran.join());
  },

  async 'funnelAsync(), off the calling thread'() {
    const { funnel, funnelAsync, listKernels, useKernels } = await import('funnelvec');
    const [{ name: best }] = listKernels();
    let threads = 0;
    process.on('worker', () => threads++);
    // Enough for a thread: what is little runs at once.
    const vectors = Float32Array.from({ length: 100_000 * DIM }, (_, i) => value(7 * i + 3));
    const candidates = { vectors, dim: DIM };
    const all = { scales: [DIM], keep: 1, limit: 4 };
    for (const name of [best, 'wasm']) {
      useKernels(name);
      assert.deepEqual(await funnelAsync(candidates, vector(7), all), funnel(candidates, vector(7), all));
    }
    useKernels(best);
    if (!process.versions.bun && !process.versions.deno) assert.equal(threads, 1); // the others do not tell of threads
  },

  async Float16Array() {
    if (typeof Float16Array === 'undefined') return '-';
    const { funnel } = await import('funnelvec');
    const vectors = Float16Array.from(matrix);
    const bits = new Uint16Array(vectors.buffer);
    assert.deepEqual(
      funnel({ vectors, dim: DIM }, vector(7), plan),
      funnel({ vectors: bits, dim: DIM }, vector(7), plan),
    );
  },

  async 'index in memory'() {
    const { FunnelIndex } = await import('funnelvec/store');
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    return await used(index);
  },

  async 'index on disk, a second reader, kill -9'() {
    const { FunnelIndex } = await import('funnelvec/store');
    const path = join(folder, 'index');
    const index = await FunnelIndex.create(path, { dim: DIM });
    const answer = await used(index, false);
    const reader = child(['read', path]);
    assert.equal(await reader.line(), String(ROWS));
    await index.upsert([{ id: 'later', vector: vector(9) }]);
    reader.say('go on');
    assert.equal(await reader.line(), String(ROWS + 1));
    assert.equal(await reader.end(), 0);
    await index.close();
    const writer = child(['write', path]);
    let acknowledged = 0;
    while (acknowledged < 20) acknowledged = Number(await writer.line());
    writer.process.kill('SIGKILL');
    await writer.end();
    const again = await FunnelIndex.open(path);
    assert.ok(again.count >= ROWS + 1 + acknowledged, `${again.count} rows`);
    await again.close();
    return answer;
  },

  async 'Qdrant by REST'() {
    const { QdrantClient } = process.env.PROBE_REST
      ? createRequire(join(process.env.PROBE_REST, 'package.json'))('@qdrant/js-client-rest')
      : await import('@qdrant/js-client-rest');
    const client = new QdrantClient({ url: process.env.PROBE_QDRANT, checkCompatibility: false });
    return await overQdrant(client);
  },

  async 'Qdrant by gRPC'() {
    const { QdrantClient } = await import('@qdrant/js-client-grpc');
    const [host, port] = process.env.PROBE_QDRANT_GRPC.split(':');
    const client = new QdrantClient({ host, port: Number(port), https: false, checkCompatibility: false });
    return await overQdrant(client);
  },

  async Milvus() {
    const { MilvusClient, DataType } = await import('@zilliz/milvus2-sdk-node');
    const { milvusSource } = await import('funnelvec/milvus');
    const client = new MilvusClient({ address: process.env.PROBE_MILVUS, logLevel: 'error' });
    const collection_name = `probe_${process.pid}_${Date.now()}`;
    const field = (name, dim) => ({ name, data_type: DataType.FloatVector, dim });
    await client.createCollection({
      collection_name,
      fields: [{ name: 'id', data_type: DataType.Int64, is_primary_key: true }, field('head', 8), field('full', DIM)],
    });
    const index = (field_name) => ({ collection_name, field_name, index_type: 'FLAT', metric_type: 'COSINE' });
    for (const name of ['head', 'full']) await client.createIndex(index(name));
    await client.insert({
      collection_name,
      data: rows().map(({ id, vector }) => ({ id, head: vector.slice(0, 8), full: vector })),
    });
    await client.loadCollectionSync({ collection_name });
    const source = milvusSource(client, { collection: collection_name, head: 'head', full: 'full' });
    const ids = await searched(source);
    await client.dropCollection({ collection_name });
    await client.closeConnection();
    return ids;
  },

  async 'static model'() {
    return await embedded('model2vec');
  },

  async 'ONNX model'() {
    return await embedded('bert');
  },

  async 'the command'() {
    const main = join(here, 'node_modules', 'funnelvec', 'dist', 'esm', 'cli', 'main.js');
    const run = (...args) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...before, main, ...args], {
        cwd: folder,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      return stdout;
    };
    const { version } = require('funnelvec/package.json');
    assert.equal(run('--version').trim(), version);
    const report = JSON.parse(run('doctor', '--json'));
    assert.equal(report.store.works, true, report.store.why);
    const lines = rows().map((row) => JSON.stringify(row));
    writeFileSync(join(folder, 'rows.jsonl'), `${lines.join('\n')}\n`);
    run('ingest', 'rows.jsonl', '--to', 'rows', '--vector', 'vector', '--id', 'id');
    return report.runtime.name;
  },
};

function rows() {
  return Array.from({ length: ROWS }, (_, r) => ({
    id: r + 1,
    vector: Array.from(matrix.subarray(r * DIM, (r + 1) * DIM)),
  }));
}

async function used(index, close = true) {
  await index.upsert({
    ids: rows().map(({ id }) => String(id)),
    vectors: matrix,
    payloads: rows().map(({ id }) => ({ id })),
  });
  await index.optimize();
  const exact = await index.query({ vector: vector(7), mode: 'exact', limit: 5, withPayload: true });
  assert.equal(exact.stats.certified, true);
  assert.equal(String(exact.hits[0].payload.id), exact.hits[0].id);
  const some = await index.query({
    vector: vector(7),
    limit: 5,
    filter: { must: [{ key: 'id', range: { lte: 30 } }] },
  });
  if (close) await index.close();
  return digest([exact.hits, some.hits].map((hits) => hits.map(({ id, score }) => [id, score])));
}

async function overQdrant(client) {
  const { qdrantSource } = await import('funnelvec/qdrant');
  const collection = `probe_${process.pid}_${Date.now()}`;
  // Written by plain requests: it is the reading that is looked at, and one client's calls of these differ from the other's.
  const url = `${process.env.PROBE_QDRANT}/collections/${collection}`;
  const send = async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url + path, { method: 'PUT', headers, body: JSON.stringify(body) });
    assert.ok(answer.ok, await answer.text());
  };
  const cosine = (size) => ({ size, distance: 'Cosine' });
  await send('', { vectors: { head: cosine(8), full: cosine(DIM) } });
  const points = rows().map(({ id, vector }) => ({ id, vector: { head: vector.slice(0, 8), full: vector } }));
  await send('/points?wait=true', { points });
  return await searched(qdrantSource(client, { collection, head: 'head', full: 'full' }));
}

async function searched(source) {
  const { FunnelSearch } = await import('funnelvec');
  const search = new FunnelSearch({ source });
  const { hits } = await search.query({
    vector: vector(7),
    limit: 5,
    plan: { candidates: ROWS, scales: [8, DIM], keep: 1 },
  });
  const { hits: exact } = await search.query({ vector: vector(7), limit: 5, mode: 'exact' });
  assert.deepEqual(
    hits.map(({ id }) => String(id)),
    exact.map(({ id }) => String(id)),
  );
  return digest(hits.map(({ id }) => String(id)));
}

async function embedded(name) {
  const { Embedder } = await import('funnelvec/embed');
  const embedder = await Embedder.load({ path: join(here, 'models', name) });
  const vectors = await embedder.embed(['a grain of sand', 'the sea', 'a grain of sand']);
  await embedder.close();
  return digest(Array.from(vectors, (one) => one.toFixed(4)));
}

/** A program of child.mjs, by lines. */
function child(args) {
  const process_ = spawn(process.execPath, [...before, join(here, 'child.mjs'), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]();
  const ended = once(process_, 'exit');
  return {
    process: process_,
    line: async () => (await lines.next()).value,
    say: (line) => process_.stdin.write(`${line}\n`),
    end: async () => (await ended)[0],
  };
}

const failures = [];
process.on('uncaughtException', (error) => failures.push(error));
process.on('unhandledRejection', (error) => failures.push(error));
const wanted = process.argv.slice(2);
for (const [check, run] of Object.entries(CHECKS)) {
  if (wanted.length > 0 && !wanted.includes(check)) continue;
  let told;
  try {
    const found = await run();
    await new Promise((resolve) => setTimeout(resolve, 20)); // what comes late is of this check, too
    if (failures.length > 0) throw failures[0];
    told = { check, ok: true, digest: found };
  } catch (error) {
    told = { check, ok: false, why: inspect(error).slice(0, 3000) };
  }
  failures.length = 0;
  console.log(JSON.stringify(told));
}
rmSync(folder, { recursive: true, force: true });
