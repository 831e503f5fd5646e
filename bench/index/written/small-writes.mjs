// Writes of one row on disk: how many a second with 1, 8 and 64 of them under way, and what 1,000 a second cost the searches
// beside them. Each build is a process of its own, in turns: node bench/index/written/small-writes.mjs [root of another build]
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { root } from '../../../scripts/setup/steps.mjs';
import { uniform } from '../../data.mjs';
import { quantile } from '../../measure.mjs';

const DIM = 256;
const ROWS = 50_000;
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const RATE = 1000;
const SEARCHES = 4;
/** A search that is answered is followed by the next after so many milliseconds. */
const PAUSE = 2;
const IN_FLIGHT = [1, 8, 64];

const random = uniform(3);
const vector = () => Float32Array.from({ length: DIM }, (_, i) => (random() - 0.5) / (1 + i / 16));
const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function open(build, folder) {
  const { FunnelIndex } = await import(pathToFileURL(join(build, 'dist', 'esm', 'store', 'index.js')).href);
  return folder === undefined ? FunnelIndex : FunnelIndex.open(folder);
}

async function make(build, folder) {
  const index = await (await open(build)).create(folder, { dim: DIM, autoOptimize: false });
  const vectors = new Float32Array(ROWS * DIM);
  for (let row = 0; row < ROWS; row++) vectors.set(vector(), row * DIM);
  await index.upsert({ ids: Array.from({ length: ROWS }, (_, i) => i), vectors });
  await index.optimize();
  await index.close();
}

/** Writes that are acknowledged in a second, by how many are under way. */
async function rates(index, ms) {
  const out = {};
  let row = 0;
  for (const writers of IN_FLIGHT) {
    let done = 0;
    const began = performance.now();
    const write = async () => {
      for (; performance.now() < began + ms; done++) await index.upsert([{ id: row++ % ROWS, vector: vector() }]);
    };
    await Promise.all(Array.from({ length: writers }, write));
    out[writers] = (1000 * done) / (performance.now() - began);
  }
  return out;
}

async function searching(index, queries, ms) {
  const times = [];
  const until = performance.now() + ms;
  let asked = 0;
  const search = async () => {
    while (performance.now() < until) {
      const began = performance.now();
      await index.query({ vector: queries[asked++ % queries.length], limit: 10 });
      times.push(performance.now() - began);
      await rest(PAUSE);
    }
  };
  await Promise.all(Array.from({ length: SEARCHES }, search));
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

async function beside(index, ms) {
  const queries = Array.from({ length: 200 }, vector);
  await searching(index, queries, 1000);
  const idle = await searching(index, queries, ms);
  let isOn = true;
  let asked = 0;
  let acknowledged = 0;
  const began = performance.now();
  const feed = async () => {
    while (isOn) {
      const due = ((performance.now() - began) * RATE) / 1000;
      for (; asked < due; asked++) {
        index.upsert([{ id: (asked * 7919) % ROWS, vector: vector() }]).then(() => acknowledged++);
      }
      await rest(2);
    }
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const feeding = feed();
  const writing = await searching(index, queries, ms);
  delay.disable();
  const rate = (1000 * acknowledged) / (performance.now() - began);
  isOn = false;
  await feeding;
  return { idle, writing, rate, delay: { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 } };
}

async function measure(build, folder) {
  const index = await open(build, folder);
  const found = await beside(index, 6000);
  await index.close();
  const again = await open(build, folder);
  console.log(JSON.stringify({ ...found, rates: await rates(again, 1500) }));
  await again.close();
}

function main(other) {
  const builds = { ...(other !== undefined && { other }), this: root };
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-writes-'));
  const child = (...args) => {
    const { stdout, status, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args]);
    if (status !== 0) throw new Error(String(stderr));
    return String(stdout);
  };
  try {
    child('make', builds.other ?? root, join(folder, 'made'));
    const found = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, build] of Object.entries(builds)) {
        cpSync(join(folder, 'made'), join(folder, 'run'), { recursive: true });
        found[name] = [...(found[name] ?? []), JSON.parse(child('measure', build, join(folder, 'run')))];
        rmSync(join(folder, 'run'), { recursive: true });
      }
    }
    for (const [name, rounds] of Object.entries(found)) print(name, rounds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Medians of the rounds. */
function print(name, rounds) {
  const median = (of, digits = 2) => quantile(rounds.map(of), 0.5).toFixed(digits);
  const perSecond = IN_FLIGHT.map((n) => `${n}: ${median((one) => one.rates[n], 0)}`).join(', ');
  console.log(`${name}: writes a second by how many are under way: ${perSecond}`);
  console.log(
    `${name}: p50 and p99 of searches idle ${median((one) => one.idle.p50)}, ${median((one) => one.idle.p99)} ms; ` +
      `while ${RATE} a second are asked for ${median((one) => one.writing.p50)}, ${median((one) => one.writing.p99)} ms: ` +
      `p99 ${median((one) => one.writing.p99 / one.idle.p99)} × (bound 2); acknowledged a second ${median((one) => one.rate, 0)}; ` +
      `event loop's delay p99 ${median((one) => one.delay.p99)}, most ${median((one) => one.delay.max)} ms`,
  );
}

const [what, build, folder] = process.argv.slice(2);
if (what === 'make') await make(build, folder);
else if (what === 'measure') {
  await measure(build, folder);
  process.exit(0); // a build that cannot keep up has writes left for minutes
} else main(what);
