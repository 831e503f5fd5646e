// WASM beside native AVX2, on one thread, in Node.js and in Chromium: npm run bench:wasm [-- --check]
// The sides take short turns, and a ratio is the median of the turns' ratios with its 95 % interval. Give it a
// core of its own: taskset -c 1. --check fails where a ratio is above the bound.
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ensureBundlers } from '../../scripts/setup/bundlers.mjs';
import { log, root } from '../../scripts/setup/steps.mjs';
import { candidateSet, collection, toHalf } from '../data.mjs';
import { setup } from '../setup.mjs';

await setup({ withPython: false });
// Imported now: they need what was just installed.
const { useKernels } = await import('funnelvec');
const { FunnelIndex } = await import('funnelvec/store');
const { callsIn, timed, workOf } = await import('./work.mjs');

const BOUND = 2.5;
const ROUNDS = 200;
/** Short, so that few turns meet another process; a page's clock has steps of 5 µs. */
const MS = 0.6;
const DIM = 768;
const ROWS = 10_000;

const { query, rows } = candidateSet({ count: 128, dim: DIM });
const set = collection({ count: ROWS, queries: 64, dim: DIM });
const files = new Map([
  ['rows', rows],
  ['halves', toHalf(rows)],
  ['query', query],
  ['queries', set.queries],
]);
const PLAN = { scales: [256, 512, 768], keep: 0.5 };
const images = { 'index, every row': await image('off'), 'index, lists and walks': await image(128) };
const inputs = { dim: DIM, plan: PLAN, images, ...Object.fromEntries(files) };
for (const [name, bytes] of Object.entries(images)) files.set(name, bytes);

useKernels('avx2');
const avx2 = await workOf(inputs);
useKernels('wasm');
const wasm = await workOf(inputs);
const page = await openPage();

const tasks = [];
for (const name of Object.keys(avx2)) {
  const sides = [];
  for (const [kernels, work] of [
    ['avx2', avx2],
    ['wasm', wasm],
  ]) {
    useKernels(kernels);
    const calls = callsIn(work[name], MS);
    const turn = () => {
      useKernels(kernels);
      return timed(work[name], calls);
    };
    sides.push({ turn, times: [] });
  }
  if (page) {
    const calls = await page.calls(name, MS);
    sides.push({ turn: () => page.timed(name, calls), times: [] });
  }
  tasks.push({ name, sides });
}
for (let round = 0; round < ROUNDS; round++) {
  for (const { sides } of tasks) {
    for (let i = 0; i < sides.length; i++) {
      const side = sides[(i + round) % sides.length];
      side.times.push(await side.turn());
    }
  }
}
await page?.close();

let missed = 0;
console.log(
  `Node.js ${process.version}, ${page?.version ?? 'no Chromium'}; µs a call, WASM ÷ AVX2 with its 95 % interval\n`,
);
console.log('|  | AVX2 | WASM in Node.js | ÷ | WASM in Chromium | ÷ |\n| :-- | --: | --: | --: | --: | --: |');
for (const { name, sides } of tasks) {
  const [native, ...others] = sides;
  const cells = others.flatMap(({ times }) => {
    const ratios = times.map((time, i) => time / native.times[i]).sort((a, b) => a - b);
    const reach = Math.ceil(0.98 * Math.sqrt(ROUNDS));
    const ratio = median(ratios);
    if (ratio > BOUND) missed++;
    const [low, high] = [ratios[ROUNDS / 2 - reach], ratios[ROUNDS / 2 + reach]];
    return [median(times).toFixed(1), `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`];
  });
  console.log(`| ${[name, median(native.times).toFixed(1), ...cells].join(' | ')} |`);
}
if (missed > 0) log(`${missed} ratios are above ${BOUND}`);
process.exit(process.argv.includes('--check') && missed > 0 ? 1 : 0);

function median(values) {
  return (
    values.toSorted?.((a, b) => a - b)[values.length >> 1] ?? [...values].sort((a, b) => a - b)[values.length >> 1]
  );
}

/** The bytes of an index. */
async function image(lists) {
  log(`building ${ROWS} × ${DIM}, lists: ${lists}`);
  useKernels('native');
  const index = await FunnelIndex.create(':memory:', { dim: DIM, lists, autoOptimize: false });
  await index.upsert({ ids: Int32Array.from({ length: ROWS }, (_, i) => i), vectors: set.rows });
  await index.optimize();
  const bytes = await index.toBytes();
  await index.close();
  return bytes;
}

/** A page with the same work, cross-origin isolated for the finer clock; undefined where there is no Chromium. */
async function openPage() {
  const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) return log(`no Chromium at ${executablePath}`);
  const { chromium } = await import('playwright-core');
  const headers = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  };
  const text = await bundled();
  const server = createServer(({ url }, response) => {
    const file = files.get(decodeURIComponent(url.slice(1)));
    if (file) response.writeHead(200, headers).end(new Uint8Array(file.buffer, file.byteOffset, file.byteLength));
    else
      response
        .writeHead(200, { ...headers, 'Content-Type': 'text/html' })
        .end(`<!doctype html><script>${text}</script>`);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const tab = await browser.newPage();
  tab.on('pageerror', (error) => log(String(error)));
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab.evaluate(([dim, plan, names]) => globalThis.prepare(dim, plan, names), [DIM, PLAN, Object.keys(images)]);
  return {
    version: `Chromium ${browser.version()}`,
    calls: (name, ms) => tab.evaluate(([task, time]) => globalThis.calls(task, time), [name, ms]),
    timed: (name, calls) => tab.evaluate(([task, count]) => globalThis.time(task, count), [name, calls]),
    async close() {
      await browser.close();
      server.close();
    },
  };
}

async function bundled() {
  const esbuild = createRequire(join(await ensureBundlers(), 'package.json'))('esbuild');
  const contents = `
    import { callsIn, timed, workOf } from './work.mjs';
    const bytes = async (name) => (await fetch('/' + encodeURIComponent(name))).arrayBuffer();
    let work;
    globalThis.prepare = async (dim, plan, names) => {
      const images = {};
      for (const name of names) images[name] = new Uint8Array(await bytes(name));
      const [rows, query, queries] = (await Promise.all(['rows', 'query', 'queries'].map(bytes))).map((b) => new Float32Array(b));
      work = await workOf({ dim, plan, images, rows, query, queries, halves: new Uint16Array(await bytes('halves')) });
    };
    globalThis.calls = (name, ms) => callsIn(work[name], ms);
    globalThis.time = (name, calls) => timed(work[name], calls);`;
  const { outputFiles } = await esbuild.build({
    stdin: { contents, resolveDir: join(root, 'bench', 'wasm') },
    bundle: true,
    minify: true,
    write: false,
  });
  return outputFiles[0].text.replaceAll('</script', '<\\/script');
}
