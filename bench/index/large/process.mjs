// One step of run.mjs in a process of its own: node process.mjs write|build|count|cold|search <job as JSON>. Tells of its progress in
// lines of JSON; the last one has `done`.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { FunnelIndex } from '../../../dist/esm/store/index.js';
import { quantile } from '../../measure.mjs';
import { recallOf } from '../alone/recall.mjs';

const ROWS_AT_ONCE = 16_384;
const K = 10;
/** Settings of the dial: the default, then more and more lists. */
const SETTINGS = [
  { name: 'default' },
  ...[
    [8, 32],
    [16, 32],
    [32, 48],
    [64, 64],
    [128, 96],
    [256, 128],
  ].map(([probes, candidates]) => ({
    name: `probes ${probes}, candidates ${candidates}`,
    params: { probes, candidates },
  })),
];

const [role, text] = process.argv.slice(2);
const job = JSON.parse(text);
const { dim, count, path, threads, memory } = job;
const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Resident bytes that are not the system's cache of files; NaN where the system does not tell. */
function ownBytes() {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const kb = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN) * 1024;
  return kb('RssAnon') + kb('RssShmem');
}

/** Systems keep the largest of all resident bytes alone. */
let mostOwn = 0;
setInterval(() => {
  mostOwn = Math.max(mostOwn, ownBytes());
}, 500).unref();

/** Resident bytes, files in the system's cache among them where they are mapped: the most there were, and those of now. */
function memoryOf() {
  const own = ownBytes();
  return {
    peak: process.resourceUsage().maxRSS * 1024,
    now: process.memoryUsage.rss(),
    own,
    mostOwn: Math.max(mostOwn, own),
  };
}

/** Seconds of processors that this process took so far, in all of its threads. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const steps = {
  /** The seconds are those of the calls of upsert(), not of who makes the rows. */
  async write() {
    rmSync(path, { recursive: true, force: true });
    const index = await FunnelIndex.create(path, { dim, precision: 'float16', threads, memory, autoOptimize: false });
    const bytes = ROWS_AT_ONCE * dim * 2;
    const room = new Uint16Array(ROWS_AT_ONCE * dim);
    const into = new Uint8Array(room.buffer);
    let filled = 0;
    let from = 0;
    let seconds = 0;
    const cpu = cpuSeconds();
    const flush = async () => {
      const rows = filled / (2 * dim);
      const ids = Int32Array.from({ length: rows }, (_, i) => from + i);
      const start = performance.now();
      await index.upsert({ ids, vectors: room.subarray(0, rows * dim) });
      seconds += (performance.now() - start) / 1000;
      from += rows;
      filled = 0;
    };
    for await (const part of process.stdin) {
      for (let at = 0; at < part.length; ) {
        const taken = Math.min(bytes - filled, part.length - at);
        into.set(part.subarray(at, at + taken), filled);
        filled += taken;
        at += taken;
        if (filled === bytes) await flush();
      }
    }
    if (filled > 0) await flush();
    const closing = performance.now();
    await index.close();
    return { rows: from, seconds: seconds + (performance.now() - closing) / 1000, cpu: cpuSeconds() - cpu };
  },

  async build() {
    const start = performance.now();
    const index = await FunnelIndex.open(path, { threads, memory, autoOptimize: false });
    const opened = performance.now();
    const phases = {};
    let [phase, since, cpuSince] = [undefined, opened, cpuSeconds()];
    const enter = (next) => {
      const [now, cpu] = [performance.now(), cpuSeconds()];
      if (phase !== undefined) phases[phase] = { seconds: (now - since) / 1000, cpu: cpu - cpuSince };
      [phase, since, cpuSince] = [next, now, cpu];
    };
    const onProgress = (now) => {
      if (now.phase !== phase) enter(now.phase);
      // The last rows have their codes: lists, neighbours and measures follow, of which the index does not tell.
      if (now.phase === 'encode' && now.done === now.total) enter('lists and neighbours');
      tell({ phase, share: now.done / now.total });
    };
    await index.optimize({ onProgress });
    enter(undefined);
    await index.close();
    const seconds = (performance.now() - start) / 1000;
    return { open: (opened - start) / 1000, seconds, cpu: cpuSeconds(), phases };
  },

  async count() {
    const index = await FunnelIndex.open(path, { threads, memory, autoOptimize: false });
    const { count: rows, uncoded } = index.stats();
    await index.close();
    return { rows, uncoded: uncoded.rows };
  },

  /** From nothing in memory to the first answer, then the queries that follow. */
  async cold() {
    const { queries } = asked();
    const start = performance.now();
    const index = await FunnelIndex.open(path, { threads, memory, readOnly: true });
    const opened = performance.now();
    const times = [];
    for (const vector of queries.slice(0, 200)) {
      const began = performance.now();
      await index.query({ vector, limit: K });
      times.push(performance.now() - began);
    }
    await index.close();
    return { open: opened - start, first: times[0], next: quantile(times.slice(1), 0.5), worst: Math.max(...times) };
  },

  async search() {
    const { queries, truth } = asked();
    const index = await FunnelIndex.open(path, { threads, memory, readOnly: true });
    const lines = [];
    for (const { name, params } of SETTINGS) {
      const answers = [];
      const times = [];
      let cpuSpent = 0;
      for (let pass = 0; pass < 3; pass++) {
        const cpu = cpuSeconds();
        for (const vector of queries) {
          const began = performance.now();
          const { hits } = await index.query({ vector, limit: K, ...(params && { params }) });
          if (pass > 0) times.push(performance.now() - began);
          else answers.push(hits.map(({ id }) => Number(id)));
        }
        if (pass > 0) cpuSpent += cpuSeconds() - cpu;
      }
      const cpu = (1000 * cpuSpent) / times.length;
      const line = {
        name,
        recall: recallOf(answers, truth),
        p50: quantile(times, 0.5),
        p95: quantile(times, 0.95),
        cpu,
      };
      tell(line);
      lines.push(line);
    }
    const exact = [];
    for (const vector of queries.slice(0, 20)) {
      const began = performance.now();
      await index.query({ vector, limit: K, mode: 'exact' });
      exact.push(performance.now() - began);
    }
    globalThis.gc?.();
    const stats = index.stats();
    await index.close();
    return { settings: lines, exact: quantile(exact, 0.5), stats };
  },
};

function asked() {
  const bytes = readFileSync(job.queries);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const queries = Array.from({ length: all.length / dim }, (_, i) => all.slice(i * dim, (i + 1) * dim));
  return { queries, truth: JSON.parse(readFileSync(job.truth, 'utf8')) };
}

const told = await steps[role]();
tell({ ...told, memory: memoryOf(), expected: count, done: true });
