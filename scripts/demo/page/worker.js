// Searches in a thread of its own: the page draws, this scores, on WebAssembly.
import { activeKernels, funnel } from './package/index.js';
import { FunnelIndex } from './package/store/index.js';

const SHOWN = 10;

let index;
let dim;
let vectors;

async function load() {
  const bytes = await (await fetch('glosses.bin')).arrayBuffer();
  index = await FunnelIndex.fromBytes(bytes);
  dim = index.dim;
  vectors = new Float32Array(index.count * dim);
  index.gather(index.someIds(index.count), vectors);
  return { count: index.count, dim, kernels: activeKernels().name, megabytes: bytes.byteLength / 2 ** 20 };
}

/** The head search that a database would make, then the funnel over its pool, told stage by stage, beside the exact answer. */
async function search({ query, head, candidates, keep }) {
  const start = performance.now();
  const pool = funnel({ vectors, dim }, query, { scales: [head], keep: 1, limit: candidates });
  const headMs = performance.now() - start;
  const ids = pool.map(({ id }) => id);
  const rows = new Float32Array(ids.length * dim);
  index.gather(ids, rows);
  const plan = { scales: scalesFrom(head), keep, limit: SHOWN };
  const before = performance.now();
  funnel({ vectors: rows, dim, ids }, query, plan);
  const funnelMs = performance.now() - before;
  const explanation = funnel({ vectors: rows, dim, ids }, query, plan, { explain: true });
  const begun = performance.now();
  const { hits: exact, stats } = await index.query({ vector: query, limit: SHOWN, mode: 'exact' });
  const exactMs = performance.now() - begun;
  const fates = exact.map(({ id }) => explanation.find(id));
  return {
    hits: explanation.hits.map(({ id, score }) => ({ id, score })),
    stages: explanation.stages.map(({ scale, in: entered, out }) => ({ scale, in: entered, out })),
    exact: exact.map(({ id, score }, i) => ({ id, score, fate: fates[i] })),
    certified: stats.certified,
    ms: { head: headMs, funnel: funnelMs, exact: exactMs },
  };
}

/** Twice the dims at each stage, up to all of them. */
function scalesFrom(head) {
  const scales = [];
  for (let scale = head * 2; scale < dim; scale *= 2) scales.push(scale);
  return [...scales, dim];
}

const calls = { load, search };

self.addEventListener('message', async ({ data: { id, call, request } }) => {
  try {
    self.postMessage({ id, answer: await calls[call](request) });
  } catch (error) {
    self.postMessage({ id, error: `${error.code ?? ''} ${error.message}` });
  }
});
