/** One program for each entry of the package. Each exports `run()`, whose result is the same in every bundle. */

const vectors = `
const dim = 16;
const vector = (i) => Array.from({ length: dim }, (_, d) => Math.sin(i * dim + d * d));
`;

export const ENTRIES: Record<string, string> = {
  main: `
import { activeKernels, funnel, funnelAsync, funnelBatchAsync } from 'funnelvec';
export async function run() {
  const dim = 256;
  const vectors = Float32Array.from({ length: 3000 * dim }, (_, i) => Math.sin(i));
  const query = vectors.slice(5 * dim, 6 * dim);
  const plan = { scales: [200, 256], keep: 0.5, limit: 5 };
  const pairs = (hits) => hits.map(({ id, score }) => [id, score]);
  return {
    kernels: activeKernels().name,
    sync: pairs(funnel({ vectors, dim }, query, plan)),
    later: pairs(await funnelAsync({ vectors, dim }, query, plan)),
    batch: (await funnelBatchAsync([{ candidates: { vectors, dim }, query }], plan)).map(pairs),
  };
}`,
  wasm: `
import { funnel, funnelAsync } from 'funnelvec/wasm';
export async function run() {
  const rows = [{ id: 'a', vector: [1, 0] }, { id: 'b', vector: [0, 1] }];
  const ids = (hits) => hits.map(({ id }) => id);
  return { sync: ids(funnel(rows, [0, 1])), later: ids(await funnelAsync(rows, [0, 1])) };
}`,
  kernels: `
import { activeKernels, getKernels, listKernels } from 'funnelvec/kernels';
export async function run() {
  const answers = [];
  for (const { name, supported } of listKernels()) {
    if (!supported) continue;
    const task = { metric: 'dot', query: Float32Array.of(1, 2), dim: 2, rows: Float32Array.of(1, 0, 0, 1), to: 2 };
    const [indices, keys] = [new Uint32Array(1), new Float64Array(1)];
    await getKernels(name).scanAsync({ ...task, indices, keys });
    if (indices[0] !== 1 || keys[0] !== 2) answers.push([name, indices[0], keys[0]]);
  }
  return { kernels: activeKernels().name, wrong: answers };
}`,
  qdrant: `
import { fromQdrant, qdrantSource } from 'funnelvec/qdrant';
export async function run() {
  const points = [{ id: 1, version: 0, score: 0, vector: { full: [1, 2] } }];
  return { ids: Array.from(fromQdrant({ points }, { vector: 'full' }).ids), source: typeof qdrantSource };
}`,
  milvus: `
import { fromMilvus, milvusSource } from 'funnelvec/milvus';
export async function run() {
  const answer = { status: { error_code: 'Success', code: 0 }, results: [{ id: '1', score: 0, vector: [1, 2] }] };
  return { ids: Array.from(fromMilvus(answer, { vectorField: 'vector' }).ids), source: typeof milvusSource };
}`,
  source: `
import { compileFilter, guarded, packRows, parseFilter } from 'funnelvec/source';
export async function run() {
  const test = compileFilter(parseFilter({ must: { key: 'a', match: { value: 1 } } }));
  const fail = (error) => error;
  const rows = await guarded('here', { timeout: 1000 }, async () => packRows([[1, 2], [3, 4]], 2), fail);
  return { passed: [test(1, { a: 1 }), test(2, { a: 2 })], rows: Array.from(rows) };
}`,
  store: `
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FunnelIndex } from 'funnelvec/store';
${vectors}
export async function run() {
  const ask = async (index) =>
    (await index.query({ vector: vector(7), limit: 2, mode: 'exact' })).hits.map(({ id, score }) => [id, score]);
  const index = await FunnelIndex.create(':memory:', { dim });
  await index.upsert(Array.from({ length: 5000 }, (_, i) => ({ id: i, vector: vector(i) })));
  await index.optimize();
  const memory = await ask(index);
  await index.close();
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-'));
  let disk;
  try {
    const there = FunnelIndex.createSync(join(folder, 'index'), { dim });
    there.upsertSync([{ id: 'x', vector: vector(7) }]);
    disk = await ask(there);
    await there.close();
  } catch (error) {
    disk = error.code ?? String(error);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  return { memory, disk };
}`,
  embed: `
import { join } from 'node:path';
import { Embedder } from 'funnelvec/embed';
export async function run() {
  const answer = {};
  for (const [kind, options] of Object.entries({ static: { threads: 2 }, onnx: { pooling: 'mean', threads: 1 } })) {
    try {
      const embedder = await Embedder.load({ path: join(process.env.MODELS, kind), ...options });
      const words = ['zero', 'one', 'two', 'three'];
      answer[kind] = Array.from(await embedder.embed(Array.from({ length: 1000 }, (_, i) => words[i % 4]))).slice(0, 32);
      await embedder.close();
    } catch (error) {
      answer[kind] = error.code ?? String(error);
    }
  }
  return answer;
}`,
  fuse: `
import { fuse } from 'funnelvec/fuse';
export async function run() {
  return fuse([['a', 'b'], ['b', 'c']]).map(({ id }) => id);
}`,
  vectors: `
import { decodeVectors, truncate } from 'funnelvec/vectors';
export async function run() {
  const { vectors, dim } = decodeVectors(['AACAPwAAAEA='], { type: 'float32' });
  return Array.from(truncate(vectors, { from: dim, dim: 1 }));
}`,
  aiSdk: `
import { embedderOf, embeddingModel } from 'funnelvec/ai-sdk';
export async function run() {
  const embedder = await embedderOf(async (texts) => texts.map((text) => [text.length, 1]), { name: 'lengths' });
  return (await embeddingModel(embedder).doEmbed({ values: ['ab', 'c'] })).embeddings;
}`,
  tune: `
import { FunnelIndex } from 'funnelvec/store';
import { report, tune } from 'funnelvec/tune';
${vectors}
export async function run() {
  const index = await FunnelIndex.create(':memory:', { dim });
  await index.upsert(Array.from({ length: 500 }, (_, i) => ({ id: i, vector: vector(i) })));
  await index.optimize();
  const queries = Array.from({ length: 60 }, (_, i) => vector(i + 0.5));
  const result = await tune({ search: index, queries, target: { recall: 0.5, k: 5 } });
  await index.close();
  let page;
  try {
    page = /uPlot/.test(report(result));
  } catch (error) {
    page = error.code ?? String(error);
  }
  return { queries: queries.length, page };
}`,
  train: `
import { fitHead } from 'funnelvec/train';
${vectors}
export async function run() {
  const { facts } = await fitHead(Array.from({ length: 300 }, (_, i) => vector(i)), { dim: 4, method: 'pca' });
  return { method: facts.method, headDim: facts.headDim };
}`,
};

/** Imports bundles (or programs) and prints what their `run()` gave, one after the other. */
export const RUNNER = `
import { pathToFileURL } from 'node:url';
const answers = {};
for (const argument of process.argv.slice(2)) {
  const [name, file] = argument.split('=');
  try {
    await import(pathToFileURL(file).href);
    answers[name] = await globalThis.answer;
  } catch (error) {
    answers[name] = { failed: String(error.stack ?? error) };
  }
}
console.log(JSON.stringify(answers));
`;

/** tokens.onnx of test/models/tiny_onnx.py. */
export const TINY_ONNX =
  'CAg67wQKIAoFdGFibGUKCWlucHV0X2lkcxIEcm93cyIGR2F0aGVyCiMKBHJvd3MSEWxhc3RfaGlkZGVuX3N0YXRlIghJZGVudGl0eRIEdGlueSqQ' +
  'AwgMCAgQAUIFdGFibGVKgAMAAAAApGpXP7fHaD/DgRA+z71BvxB8db+MD4++RjAoP5VGfT8yAdM++EQLv1z/f7/YXAm/IiDXPnKYfT9EeSY/EGiT' +
  'viUedr+zQEC/aXkZPsi2aT8QL1Y/FQURvOehWL/802e/OIcHvgg3Qz8O1XQ/KrSKPunjKb+k73y/Bt7Ovk0qDT85+n8/93EHP8I627445X2/6r4k' +
  'v5+9lz5Lu3Y/vL8+P/ttIr4ooWq/Me9Uv6EDkTzQ1Fk/mttmP+gT/T1WrES/Iil0v/9Vhr4klCs/oJN8P7S2yj7NDA+/9O9/v16EBb/9UN8+5yx+' +
  'P0MBIz8jEJy+f1N3v/I6Pb9LXys+1IZrPwurUz/Ogdm8WwNbv5feZb9NFOu9sx1GP1F4cz8AAMB/AADAfwAAwH8AAMB/AADAfwAAwH8AAMB/AADA' +
  'f31vfr9XQCG/hl+gPrzmdz9csjs/K000vsZnbL+nYlK/0P0QPYItXD/33GQ/+w/ZPReLR7+ewnK/ViN7vj3qLj9aKAoJaW5wdXRfaWRzEhsKGQgH' +
  'EhUKBxIFYmF0Y2gKChIIc2VxdWVuY2VaLQoOYXR0ZW50aW9uX21hc2sSGwoZCAcSFQoHEgViYXRjaAoKEghzZXF1ZW5jZWI0ChFsYXN0X2hpZGRl' +
  'bl9zdGF0ZRIfCh0IARIZCgcSBWJhdGNoCgoSCHNlcXVlbmNlCgIICEIECgAQEQ==';

const threads = `
let threads = 0;
process.on('worker', () => threads++);
async function counted() {
  const before = threads;
  const dim = 16;
  const kernels = activeKernels().name;
  // Enough for a thread: what is little runs at once.
  const vectors = Float32Array.from({ length: 140_000 * dim }, (_, i) => ((i * 48_271) % 257) - 128);
  const index = await FunnelIndex.create(':memory:', { dim });
  await index.upsert({ ids: Array.from({ length: 64 }, (_, i) => i), vectors: vectors.slice(0, 64 * dim) });
  await index.optimize();
  await index.query({ vector: vectors.slice(0, dim) });
  await index.close();
  const ofIndex = threads - before;
  useKernels('wasm');
  await funnelAsync({ vectors, dim }, vectors.slice(0, dim), { scales: [dim], keep: 1, limit: 2 });
  useKernels(kernels);
  return { kernels, ofIndex, ofKernels: threads - before - ofIndex };
}
`;
const imported = `import { activeKernels, funnelAsync, useKernels } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
${threads}`;
const required = `const { activeKernels, funnelAsync, useKernels } = require('funnelvec');
const { FunnelIndex } = require('funnelvec/store');
${threads}`;
const told = `
void counted().then((counts) => process.stdout.write(JSON.stringify(counts), () => process.exit(0)));
`;

/** Programs that tell on which kernels they run, and how many threads their index and the WASM kernels start. */
export const TRACED: Record<string, string> = { 'traced.mjs': imported + told, 'traced.cjs': required + told };

/** The same as modules. */
export const COUNTED: Record<string, string> = {
  'counted.mjs': `${imported}\nexport { counted };\n`,
  'counted.cjs': `${required}\nexports.counted = counted;\n`,
};
