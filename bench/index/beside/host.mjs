// One build of funnelvec in a process: node host.mjs <job as JSON>. It makes the index file where there is none, opens it, and
// answers { setting, from, to, answers? } → { micros, hits? }, a call for each query or batch.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { Rows } from '../sets/rows.mjs';
import { anywhere, CASES, filterOf } from './cases.mjs';

const K = 10;
const job = JSON.parse(process.argv[2]);
const { build, set, file, threads, regions } = job;
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const { FunnelIndex } = await import(pathToFileURL(join(build, 'dist', 'esm', 'store', 'index.js')).href);
const memory = set.count >= 100_000 ? { memory: Math.ceil(0.5 * set.dim * set.count) } : {};

async function make() {
  const half = `${file}.half`;
  rmSync(half, { recursive: true, force: true });
  const bytes = readFileSync(regions);
  const regionOf = new Uint16Array(bytes.buffer, bytes.byteOffset, set.count);
  const index = await FunnelIndex.create(half, { dim: set.dim, threads, autoOptimize: false, ...memory });
  for await (const { from, to, values } of new Rows(set).blocks(16_384)) {
    const ids = Int32Array.from({ length: to - from }, (_, i) => from + i);
    const payloads = Array.from(ids, (row) => ({ anywhere: anywhere(row), region: regionOf[row] }));
    await index.upsert({ ids, vectors: values, payloads });
  }
  for (const key of ['anywhere', 'region']) await index.createPayloadIndex(key, 'integer');
  const start = performance.now();
  await index.optimize();
  const seconds = (performance.now() - start) / 1000;
  await index.close();
  renameSync(half, file);
  return seconds;
}

const seconds = existsSync(file) ? undefined : await make();
const index = await FunnelIndex.open(file, { threads, readOnly: true, ...memory });
const asked = new Rows({ ...set, rows: 'queries.f32', count: set.queries });
const queries = Array.from({ length: set.queries }, (_, row) => asked.read(row, row + 1));
const request = (one, q) => {
  const filter = filterOf(one, q);
  return { vector: queries[q % queries.length], limit: K, mode: one.mode, ...(filter && { filter }) };
};
send({ seconds });
for await (const line of createInterface({ input: process.stdin })) {
  const { setting, from, to, answers } = JSON.parse(line);
  const one = CASES[setting];
  const micros = [];
  const hits = [];
  for (let at = from; at < to; at += one.batch) {
    const requests = Array.from({ length: one.batch }, (_, i) => request(one, at + i));
    const start = performance.now();
    const found = one.batch === 1 ? [index.querySync(requests[0])] : index.queryBatchSync(requests);
    micros.push(((performance.now() - start) * 1000) / one.batch);
    if (answers) for (const { hits: list } of found) hits.push(list.map(({ id, score }) => [Number(id), score]));
  }
  send({ micros, ...(answers && { hits }) });
}
await index.close();
process.stdout.write('', () => process.exit(0));
