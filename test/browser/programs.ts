/** Programs of web pages, in files; each exports `run`, whose answer is JSON and must not depend on where it runs. */

import { STORE } from './store-program.js';

/** Numbers in [−1, 1) that every engine makes alike. */
export const NUMBERS = `
export function numbers(count, seed) {
  const out = new Float32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state / 2 ** 31 - 1;
  }
  return out;
}
`;

/** Embedder.load() says this where files of models are not. */
export const NEEDS_NODE =
  "Expected Node.js for Embedder.load(), which reads a model's files: embedderOf(embedEndpoint({ url, model }), { name }) " +
  'asks a server here';

export const PROGRAMS: Record<string, string> = {
  'numbers.mjs': NUMBERS,
  'store.mjs': STORE,

  'main.mjs': `
import { activeKernels, FunnelError, FunnelSearch, funnel, funnelAsync, funnelBatch, funnelPlan, listKernels } from 'funnelvec';
import { numbers } from './numbers.mjs';

export async function run() {
  const dim = 64;
  const vectors = numbers(500 * dim, 1);
  const query = numbers(dim, 2);
  const plan = { scales: [16, 32, 64], keep: 0.5, limit: 5 };
  const answers = {};
  for (const metric of ['cosine', 'dot', 'euclid']) {
    answers[metric] = funnel({ vectors, dim }, query, { ...plan, metric });
    answers[metric + ' batch'] = funnelBatch([{ candidates: { vectors, dim }, query }], { ...plan, metric });
  }
  const halves = new Uint16Array(500 * dim).map((_, i) => (i * 31) & 0x3bff);
  answers.halves = funnel({ vectors: halves, dim }, query, plan);
  // Enough for a thread, where there is one.
  const many = numbers(37_000 * dim, 3);
  answers.many = await funnelAsync({ vectors: many, dim }, query, { scales: [48, 64], keep: 0.5, limit: 5 });
  const rows = [{ id: 'a', vector: [...query] }, { id: 'b', vector: [...numbers(dim, 4)] }];
  answers.rows = funnel(rows, query, funnelPlan(dim)).map(({ id, score }) => [id, score]);
  try {
    funnel(rows, [1, 2]);
  } catch (error) {
    answers.refused = [error instanceof FunnelError, error.code, error.message];
  }
  return { answers, kernels: activeKernels().name, names: listKernels().map(({ name }) => name), search: typeof FunnelSearch };
}
`,

  'wasm.mjs': `
import { funnel, funnelBatchAsync } from 'funnelvec/wasm';
import { numbers } from './numbers.mjs';

export async function run() {
  const dim = 64;
  const vectors = numbers(500 * dim, 1);
  const query = numbers(dim, 2);
  const candidates = { vectors, dim };
  const [batch] = await funnelBatchAsync([{ candidates, query }], { scales: [8, 64], keep: 0.1, limit: 3 });
  return { answers: { hits: funnel(candidates, query, { scales: [16, 32, 64], keep: 0.5, limit: 5 }), batch } };
}
`,

  /** Models of others embed anywhere; one on this machine says that it needs Node.js. */
  'embed.mjs': `
import { Embedder, embedderOf, embedEndpoint, presets } from 'funnelvec/embed';

const codeOf = async (call) => {
  try {
    return (await call()) && 'none';
  } catch (error) {
    return error.code ?? String(error);
  }
};

export async function run() {
  const embedder = await embedderOf((texts) => texts.map((text) => [text.length, 1, 0, 0]), { name: 'lengths', matryoshkaDims: [2] });
  const answers = {
    vectors: [...(await embedder.embed(['a', 'bcd']))],
    dims: [embedder.dim, ...embedder.matryoshkaDims],
    endpoint: [typeof embedEndpoint({ url: 'https://models.example/v1', model: 'm' }), await codeOf(() => embedEndpoint({ url: 'ftp://models', model: 'm' }))],
    presets: Object.keys(presets),
  };
  const refused = await Embedder.load({ path: 'model' }).then(() => undefined, ({ name, code, message }) => [name, code, message]);
  return { answers, refused };
}
`,

  'all.mjs': `
import { run as main } from './main.mjs';
import { run as store } from './store.mjs';
import { run as embed } from './embed.mjs';

export async function run(image) {
  const { kernels, ...answers } = await main();
  return { answers: [answers, (await store(image)).answers, (await embed()).answers], kernels };
}
`,

  /** Under a policy that compiles nothing: a module that a worker compiled is handed in. */
  'given.mjs': `
import { activeKernels, funnel as funnelOfAny, listKernels } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import { funnel, useWasmModules } from 'funnelvec/wasm';
import { numbers } from './numbers.mjs';

const kernelsOfIndex = () => FunnelIndex.createSync(':memory:', { dim: 2 }).stats().kernels;
const codeOf = (run) => {
  try {
    return run().length;
  } catch (error) {
    return error.code;
  }
};

export async function run() {
  const dim = 64;
  const candidates = { vectors: numbers(500 * dim, 1), dim };
  const call = (f) => f(candidates, numbers(dim, 2), { scales: [16, 32, 64], keep: 0.5, limit: 5 });
  const hits = call(funnelOfAny);
  const before = [activeKernels().name, codeOf(() => call(funnel)), codeOf(() => useWasmModules({ kernels: {} })), kernelsOfIndex()];
  const reason = listKernels().find(({ name }) => name === 'wasm').reason;
  const compiler = new Worker('compiler.js');
  const { kernels, codes } = await new Promise((resolve) => compiler.addEventListener('message', ({ data }) => resolve(data)));
  const other = codeOf(() => useWasmModules({ codes: kernels }));
  useWasmModules({ kernels, codes });
  return { before, reason, other, after: [activeKernels().name, kernelsOfIndex()], same: JSON.stringify(hits) === JSON.stringify(call(funnel)) };
}
`,

  /** A long call on the thread that draws: how many frames were drawn meanwhile. */
  'frames.mjs': `
import { funnelAsync } from 'funnelvec/wasm';
import { numbers } from './numbers.mjs';

export async function run() {
  const dim = 512;
  const vectors = numbers(1000 * dim, 1);
  const requests = new Float32Array(60_000 * dim);
  for (let at = 0; at < requests.length; at += vectors.length) requests.set(vectors, at);
  let frames = 0;
  let running = true;
  const draw = () => {
    frames++;
    if (running) requestAnimationFrame(draw);
  };
  await new Promise((resolve) => requestAnimationFrame(resolve));
  requestAnimationFrame(draw);
  await funnelAsync({ vectors: requests, dim }, numbers(dim, 2), { scales: [256, 512], keep: 0.5, limit: 3 });
  running = false;
  return { frames };
}
`,
};

/** A module of workerd, which answers requests for a program by its path. */
export const WORKERD = `
import { run as main } from './main.mjs';
import { run as wasm } from './wasm.mjs';
import { run as store } from './store.mjs';
import { run as embed } from './embed.mjs';
const programs = { main, wasm, store, embed };
export default {
  async fetch(request) {
    return Response.json(await programs[new URL(request.url).pathname.slice(1)]());
  },
};
`;

/** A module of workerd that imports what else there is, with the flag nodejs_compat alone, and does a call that cannot succeed. */
export const WORKERD_NODE = `
import { Embedder } from 'funnelvec/embed';
import { readRows } from 'funnelvec/files';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { evaluate } from 'funnelvec/train';
import { tune } from 'funnelvec/tune';
const calls = {
  embed: () => Embedder.load({ path: 'model' }),
  files: () => readRows('rows.jsonl').next(),
  milvus: () => milvusSource({}, { collection: 'rows' }),
  qdrant: () => qdrantSource({}, { collection: 'rows' }),
  train: () => evaluate({}),
  tune: () => tune({}),
};
const refusalOf = async (call) => {
  try {
    await call();
  } catch ({ name, code }) {
    return [name, code];
  }
};
export default {
  async fetch() {
    const refusals = await Promise.all(Object.values(calls).map(refusalOf));
    return Response.json(Object.fromEntries(Object.keys(calls).map((entry, i) => [entry, refusals[i]])));
  },
};
`;

/** Starts a program in a page or a worker. */
export function starter(name: string): string {
  const image =
    name === 'store' || name === 'all'
      ? "await (globalThis.image ?? fetch('index.bin').then((file) => file.arrayBuffer()))"
      : '';
  return `
import { run } from './${name}.mjs';
globalThis.answer = (async () => run(${image}))();
if (typeof WorkerGlobalScope === 'function') {
  globalThis.answer.then(
    (answer) => postMessage(answer),
    (error) => postMessage({ failed: String(error) }),
  );
}
`;
}
