// The embedded index: made on disk, filled, optimised, searched in both modes beside a brute-force scan, and opened again.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { activeKernels } from 'funnelvec/kernels';
import { FunnelIndex, importMatrix } from 'funnelvec/store';
import { DIM } from '../data/glosses.mjs';
import { root } from '../setup/steps.mjs';
import { median } from './numbers.mjs';
import { makeIndexReport } from './show-embedded.mjs';
import { progress } from './terminal.mjs';

/** Rows that are safe on disk before the next ones come. */
const BATCH = 1000;
/** Calls before the first that is timed: compilation, memory. */
const WARM_UP = 20;
/** Settings of the funnel's eps. */
const DIAL = [0.3, 0.4, 0.5, 0.7];
/** Calls of which the median is told, for a single query. */
const REPEATS = 5;

export async function show({ options, glosses, queries, sample }) {
  const folder = newFolder();
  try {
    const index = await FunnelIndex.create(folder, { dim: DIM, autoOptimize: false });
    let report;
    try {
      const build = await fill(index, glosses);
      report = await compare(options, { index, build, glosses, queries: await queries, sample });
    } finally {
      await index.close();
    }
    const { shown, again, ...plain } = report;
    plain.reopened = await reopen(folder, again);
    shown?.reopened(plain.reopened);
    if (options.json) process.stdout.write(`${JSON.stringify(plain, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Removed also when Ctrl+C ends the process. */
function newFolder() {
  const cache = path.join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, 'demo-index-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.once('SIGINT', () => process.exit(130));
  return folder;
}

async function fill(index, { rows, words, texts }) {
  const count = texts.length;
  const importing = progress('Importing', 'rows');
  const began = performance.now();
  importing.update(0, count);
  await importMatrix(index, rows, {
    batch: BATCH,
    payloads: (row) => ({ word: words[row], gloss: texts[row] }),
    onProgress: ({ done, total }) => importing.update(done, total),
  });
  importing.done(count, false);
  const imported = performance.now();
  const optimizing = progress('Optimising', 'rows');
  await index.optimize({
    onProgress: ({ phase, done, total }) => phase === 'encode' && optimizing.update(done, total),
  });
  optimizing.done(count, false);
  return { importMs: round(imported - began), optimizeMs: round(performance.now() - imported) };
}

async function compare(options, { index, build, glosses, queries, sample }) {
  const { limit } = options;
  const { kernels, threads, head, rotation } = index.stats();
  const about = {
    store: { kind: 'embedded', label: 'FunnelIndex, cosine' },
    rows: index.count,
    dim: DIM,
    head,
    rotation,
    limit,
    kernels,
    threads,
    build,
  };
  const search = searcher(index, glosses, limit);
  const warm = [...sample, ...queries.map(({ vector }) => vector)];
  for (let i = 0; i < WARM_UP; i++) search.all(warm[i % warm.length]);

  const shown = options.json ? undefined : makeIndexReport(process.stdout, about);
  shown?.intro();
  const results = [];
  for (const query of queries) {
    const result = { text: query.text, ...search.told(query.vector) };
    results.push(result);
    shown?.query(result);
  }
  let summary;
  if (sample.length > 0) {
    shown?.gap();
    const measuring = progress('Measuring', 'sentences');
    summary = summarise(search, sample, measuring.update);
    measuring.done(sample.length, false);
    shown?.summary(summary);
  }
  const again = { vector: queries[0].vector, limit, exact: results[0].exact };
  return { ...about, queries: results, summary, shown, again };
}

/** The three searches, each on this thread alone. */
function searcher(index, { rows }, limit) {
  const kernels = activeKernels();
  const indices = new Uint32Array(Math.min(limit, index.count));
  const keys = new Float64Array(indices.length);
  // Every row's every dim, by the same kernels: as fast as it can be done without an index.
  const scan = (vector) =>
    timed(() => {
      kernels.scan({ metric: 'cosine', query: vector, rows, dim: DIM, to: DIM, indices, keys });
      return Array.from(indices, (id, i) => ({ id, score: keys[i] }));
    });
  const inMode = (mode, params) => (vector) =>
    timed(() => index.querySync({ vector, limit, mode, params, withPayload: true }));
  const funnel = inMode('funnel');
  const exact = inMode('exact');

  function all(vector) {
    return { funnel: funnel(vector), exact: exact(vector), scan: scan(vector) };
  }

  /** Everything about one query. */
  function told(vector) {
    const found = all(vector);
    const { hits, stats } = found.exact.value;
    const fast = found.funnel.value;
    const ids = new Set(hits.map(({ id }) => id));
    const inFunnel = new Set(fast.hits.map(({ id }) => id));
    const plain = ({ id, score, payload }) => ({ id, score, ...payload });
    return {
      funnel: fast.hits.map((hit) => ({ ...plain(hit), inExact: ids.has(hit.id) })),
      exact: hits.map(plain),
      lost: hits.flatMap((hit, place) => (inFunnel.has(hit.id) ? [] : [{ ...plain(hit), place }])),
      certified: stats.certified,
      sameAsScan: same(hits, found.scan.value),
      stages: { funnel: fast.stats.stages, exact: stats.stages },
      rowsRead: { funnel: fast.stats.rowsRead, exact: stats.rowsRead },
      times: Object.fromEntries(
        Object.entries({ funnel, exact, scan }).map(([name, run]) => [
          name,
          round(median(Array.from({ length: REPEATS }, () => run(vector).ms))),
        ]),
      ),
    };
  }

  /** The funnel by bounds instead of counts, ever more certain. */
  const dial = DIAL.map((eps) => ({ eps, run: inMode('funnel', { eps }) }));

  return { all, told, dial };
}

function summarise(search, sample, onProgress) {
  const times = { funnel: [], exact: [], scan: [] };
  const dial = search.dial.map(({ eps, run }) => ({ eps, run, kept: 0, rowsRead: 0, times: [] }));
  const rowsRead = { funnel: 0, exact: 0 };
  let wanted = 0;
  let kept = 0;
  let certified = 0;
  let sameAsScan = 0;
  for (const [i, vector] of sample.entries()) {
    const { funnel, exact, scan } = search.all(vector);
    for (const [name, { ms }] of Object.entries({ funnel, exact, scan })) times[name].push(ms);
    const { hits: nearest } = exact.value;
    // Texts that say the same have one vector, and either is right.
    const common = ({ hits }) => hits.filter(({ score }) => score >= nearest.at(-1).score).length;
    wanted += nearest.length;
    kept += common(funnel.value);
    certified += exact.value.stats.certified ? 1 : 0;
    sameAsScan += same(exact.value.hits, scan.value) ? 1 : 0;
    rowsRead.funnel += funnel.value.stats.rowsRead / sample.length;
    rowsRead.exact += exact.value.stats.rowsRead / sample.length;
    for (const setting of dial) {
      const { value, ms } = setting.run(vector);
      setting.kept += common(value);
      setting.rowsRead += value.stats.rowsRead / sample.length;
      setting.times.push(ms);
    }
    onProgress(i + 1, sample.length);
  }
  return {
    queries: sample.length,
    wanted,
    kept,
    recall: kept / wanted,
    certified,
    sameAsScan,
    rowsRead,
    medianMs: Object.fromEntries(Object.entries(times).map(([name, all]) => [name, round(median(all))])),
    dial: dial.map((setting) => ({
      eps: setting.eps,
      recall: setting.kept / wanted,
      rowsRead: setting.rowsRead,
      medianMs: round(median(setting.times)),
    })),
  };
}

/** Closed and opened again: the rows, the codes and the answer are there. */
async function reopen(folder, { vector, limit, exact }) {
  const opened = timed(() => FunnelIndex.openSync(folder, { readOnly: true }));
  const index = opened.value;
  try {
    const { hits } = await index.query({ vector, limit, mode: 'exact' });
    const { count, coded, resident, files } = index.stats();
    const size = { floats: 4 * DIM * count, resident, files };
    return { ms: round(opened.ms), count, coded, sameAnswer: same(hits, exact), size };
  } finally {
    await index.close();
  }
}

/** The same ids in the same order, and the same score bits. */
function same(a, b) {
  return a.length === b.length && a.every(({ id, score }, i) => id === b[i].id && Object.is(score, b[i].score));
}

function timed(run) {
  const start = performance.now();
  const value = run();
  return { value, ms: performance.now() - start };
}

function round(ms) {
  return Math.round(ms * 10_000) / 10_000;
}
