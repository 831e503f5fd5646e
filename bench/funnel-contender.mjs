// One JavaScript contender of funnel.mjs: node funnel-contender.mjs <name> <folder with the inputs>
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { host } from './host.mjs';

const [name, folder] = process.argv.slice(2);
const { dim, plan } = JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8'));
const floats = (file) => new Float32Array(new Uint8Array(readFileSync(join(folder, file))).buffer);
const matrix = floats('rows.f32');
const query = floats('query.f32');
const count = matrix.length / dim;
const ids = Array.from({ length: count }, (_, row) => 1000 + row);
const asArrays = () => ids.map((id, row) => ({ id, vector: Array.from(matrix.subarray(row * dim, (row + 1) * dim)) }));

const contenders = {
  async packed() {
    const { funnel, activeKernels } = await import('funnelvec');
    const candidates = { vectors: matrix, dim, ids };
    return { run: () => funnel(candidates, query, plan), kernels: activeKernels().name };
  },
  async 'packed-f16'() {
    const { funnel, activeKernels } = await import('funnelvec');
    const { toHalf } = await import('./data.mjs');
    const candidates = { vectors: toHalf(matrix), dim, ids };
    return { run: () => funnel(candidates, query, plan), kernels: activeKernels().name };
  },
  async rows() {
    const { funnel, activeKernels } = await import('funnelvec');
    const rows = asArrays();
    const asked = Array.from(query);
    return { run: () => funnel(rows, asked, plan), kernels: activeKernels().name };
  },
  async tight() {
    const { tightFunnel } = await import('./tight-loop.mjs');
    const rows = asArrays();
    const asked = Array.from(query);
    return { run: () => tightFunnel(rows, asked, plan) };
  },
  async 'tight-incremental'() {
    const { tightIncrementalFunnel } = await import('./tight-loop.mjs');
    const rows = asArrays();
    const asked = Array.from(query);
    return { run: () => tightIncrementalFunnel(rows, asked, plan) };
  },
  async naive() {
    const { naiveFunnel } = await import('./naive.mjs');
    const rows = asArrays();
    const asked = Array.from(query);
    return { run: () => naiveFunnel(rows, asked, plan) };
  },
  /** One native call per pair, prefixes cut out of the matrix as they are needed. */
  async simsimd() {
    const cosine = await simsimdCosine();
    return { run: () => perPair((row, scale) => matrix.subarray(row * dim, row * dim + scale), cosine) };
  },
  /** The same with every prefix cut out beforehand, which a caller with fresh hits cannot do. */
  async 'simsimd-views'() {
    const cosine = await simsimdCosine();
    const views = ids.map((_, row) => new Map(plan.scales.map((s) => [s, matrix.subarray(row * dim, row * dim + s)])));
    return { run: () => perPair((row, scale) => views[row].get(scale), cosine) };
  },
};

function perPair(prefix, cosine) {
  const distances = new Float64Array(count);
  const order = ids.map((_, row) => row);
  for (const scale of plan.scales) {
    const q = query.subarray(0, scale);
    for (const row of order) distances[row] = cosine(q, prefix(row, scale));
    order.sort((a, b) => distances[a] - distances[b] || a - b);
    order.length = Math.floor(plan.keep * order.length);
  }
  return order.map((row) => ({ id: ids[row], score: 1 - distances[row] }));
}

/** simsimd falls back to JavaScript with only a warning; that would be another contender. */
async function simsimdCosine() {
  let warning;
  const { warn } = console;
  console.warn = (text) => {
    warning = text;
  };
  const { cosine } = await import('simsimd');
  console.warn = warn;
  if (warning) throw new Error(`simsimd without its native binary: ${warning}`);
  return cosine;
}

const { run, kernels } = await contenders[name]();
await host(() => run, { kernels });
