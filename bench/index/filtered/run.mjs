// npm run bench:filtered [-- --set syn100k] [--write] [--queries 300]
// Searches under filters that leave 50 %, 10 %, 1 % and 0.1 % of the rows, on one thread: our exact and funnel mode with a
// payload index, beside LanceDB's scan with a scalar index. Filters are drawn anew with each query (another range of the same
// width), so that nothing is answered from what an earlier one found. Recall is against brute force over the rows that pass.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { log, root } from '../../../scripts/setup/steps.mjs';
import { quantile } from '../../measure.mjs';
import { withPart } from '../../merge.mjs';
import { setup } from '../../setup.mjs';
import { Rows } from '../sets/rows.mjs';
import { prepare, SETS } from '../sets/sets.mjs';
import { setupIndex } from '../setup.mjs';

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'syn100k' },
    queries: { type: 'string', default: '300' },
    write: { type: 'boolean', default: false },
  },
});
const K = 10;
/** Values of the filtered key: a range of w of them passes w / VALUES of the rows. */
const VALUES = 1000;
const SHARES = [0.5, 0.1, 0.01, 0.001];
const BATCH = 16_384;

if (!SETS.some(({ key }) => key === values.set)) throw new Error(`no set ${values.set}`);
await setup({ withPython: false });
const { python } = await setupIndex();
const set = await prepare(values.set, { python, log });
const { FunnelIndex } = await import('funnelvec/store');
const { getKernels } = await import('funnelvec/kernels');
const rows = new Rows(set);
const count = Math.min(set.queries, Number(values.queries));
const asked = new Rows({ ...set, rows: 'queries.f32', count: set.queries });
const queries = Array.from({ length: count }, (_, q) => asked.read(q, q + 1));

/** Mixes the bits of a row's number, so that neighbours have nothing to do with each other. */
const bucketOf = (row) => Math.imul(row ^ (row >>> 15), 0x2c1b3c6d) >>> 0;
const valueAt = (row) => ((bucketOf(row) ^ (bucketOf(row) >>> 13)) >>> 0) % VALUES;
/** [least, end) of the value, for query q at this share. */
const rangeOf = (q, share) => {
  const width = Math.round(share * VALUES);
  const least = (q * 7) % (VALUES - width + 1);
  return [least, least + width];
};

const folder = join(root, '.cache', 'bench-index', 'files');
mkdirSync(folder, { recursive: true });
const file = join(folder, `filtered-${values.set}`);
rmSync(file, { recursive: true, force: true });
const memory = set.count > 200_000 ? Math.ceil(0.5 * set.dim * set.count) : undefined;
log(`building ${set.count} × ${set.dim}`);
const index = await FunnelIndex.create(file, {
  dim: set.dim,
  threads: 1,
  autoOptimize: false,
  ...(memory && { memory }),
});
for await (const { from, to, values: vectors } of rows.blocks(BATCH)) {
  const ids = Int32Array.from({ length: to - from }, (_, i) => from + i);
  await index.upsert({ ids, vectors, payloads: Array.from(ids, (row) => ({ value: valueAt(row) })) });
}
let start = performance.now();
await index.createPayloadIndex('value', 'integer');
const indexing = (performance.now() - start) / 1000;
await index.optimize();

const ours = [];
for (const mode of ['exact', 'funnel']) {
  const lines = [1, ...SHARES].map((share) => ({ mode, share, plan: '', found: [], micros: [], filtering: [] }));
  // Every query under all filters in turn, so that a slow spell of the machine meets all. The first pass warms up.
  for (let pass = 0; pass < 2; pass++) {
    for (const [q, vector] of queries.entries()) {
      for (const line of lines) {
        const [gte, lt] = rangeOf(q, line.share);
        const filter = line.share === 1 ? undefined : { must: { key: 'value', range: { gte, lt } } };
        start = performance.now();
        const { hits, stats } = index.querySync({ vector, limit: K, mode, ...(filter && { filter }) });
        const took = (performance.now() - start) * 1000;
        if (pass === 0) continue;
        line.micros.push(took);
        line.filtering.push(stats.filter?.cached ? 0 : (stats.filter?.ms ?? 0));
        line.plan = stats.filter?.plan ?? '';
        line.found.push(hits);
      }
    }
  }
  for (const { share, plan, found, micros, filtering } of lines) {
    const [p50, p95] = [quantile(micros, 0.5) / 1000, quantile(micros, 0.95) / 1000];
    ours.push({ mode, share, p50, p95, filter: quantile(filtering, 0.5), plan, found });
    log(`${mode}, ${100 * share} %: ${p50.toFixed(3)} ms`);
  }
}
await index.close();

log('brute force over the rows that pass');
const truths = new Map();
for (const share of [1, ...SHARES]) truths.set(share, []);
const kernels = getKernels('native');
const best = queries.map(() => Object.fromEntries([1, ...SHARES].map((share) => [share, []])));
for await (const { from, to, values: vectors } of rows.blocks(BATCH)) {
  const keys = new Float64Array(to - from);
  for (const [q, query] of queries.entries()) {
    kernels.scores({ metric: 'cosine', query, rows: vectors, dim: set.dim, from: 0, to: set.dim, keys });
    for (const share of [1, ...SHARES]) {
      const [least, end] = rangeOf(q, share);
      const list = best[q][share];
      for (let r = 0; r < keys.length; r++) {
        const value = valueAt(from + r);
        if (share < 1 && (value < least || value >= end)) continue;
        if (list.length === K && keys[r] <= list[K - 1].key) continue;
        const at = list.findIndex(({ key }) => key < keys[r]);
        list.splice(at === -1 ? list.length : at, 0, { key: keys[r], row: from + r });
        list.length = Math.min(list.length, K);
      }
    }
  }
}
for (const line of ours) {
  let right = 0;
  let wrong = 0;
  for (const [q, hits] of line.found.entries()) {
    const list = best[q][line.share];
    right += hits.filter(({ score }) => score >= list.at(-1).key).length;
    if (hits.some(({ id, score }, i) => Number(id) !== list[i].row || score !== list[i].key)) wrong++;
  }
  line.recall = right / (K * count);
  line.wrong = wrong;
}

const lance = await lancedb();

async function lancedb() {
  const { contenders, create } = await import('../contenders/lancedb.mjs');
  const { Index } = await import('@lancedb/lancedb');
  const path = join(folder, `filtered-lancedb-${values.set}`);
  rmSync(path, { recursive: true, force: true });
  const table = await create(rows, { file: path, dim: set.dim }, { value: valueAt });
  await table.createIndex('value', { config: Index.btree() });
  const lines = [];
  for (const share of [1, ...SHARES]) {
    const micros = [];
    for (let pass = 0; pass < 2; pass++) {
      for (const [q, query] of queries.entries()) {
        if (q >= (set.count > 200_000 ? 10 : 100)) break; // it is a hundred times slower
        const [least, end] = rangeOf(q, share);
        start = performance.now();
        let search = table.vectorSearch(query).distanceType('dot').limit(K).select(['id', '_distance']);
        if (share < 1) search = search.where(`value >= ${least} AND value < ${end}`);
        await search.toArray();
        if (pass > 0) micros.push((performance.now() - start) * 1000);
      }
    }
    lines.push({ share, p50: quantile(micros, 0.5) / 1000, p95: quantile(micros, 0.95) / 1000 });
    log(`LanceDB, ${100 * share} %: ${lines.at(-1).p50.toFixed(2)} ms`);
  }
  const version = Object.values(contenders['lancedb-flat'].version())[0];
  table.close();
  rmSync(path, { recursive: true, force: true });
  return { lines, version };
}

const number = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const percent = (share) => (share === 1 ? 'no filter' : `${100 * share} %`);
const table = [
  `### ${set.title}`,
  '',
  `${new Date().toISOString().slice(0, 10)}, ${os.cpus()[0].model.trim()}, Node ${process.version}, one thread, ${count} queries, ` +
    `each with a range of its own of an integer key with ${VALUES} values; the payload index took ${indexing.toFixed(1)} s. ` +
    'Times are whole calls of querySync, the filter included. LanceDB scans (exact) with a BTree index on the key.',
  '',
  '|  | rows that pass | recall@10 | p50 ms | p95 ms | of it filter | plan | × no filter |',
  '| :-- | :-- | --: | --: | --: | --: | :-- | --: |',
  ...ours.map(({ mode, share, recall, p50, p95, filter, plan }) => {
    const base = ours.find((one) => one.mode === mode && one.share === 1).p50;
    return `| **funnelvec** ${mode} | ${percent(share)} | ${recall.toFixed(4)} | ${number(p50)} | ${number(p95)} | ${share < 1 ? number(filter) : ''} | ${plan} | ${(p50 / base).toFixed(2)} |`;
  }),
  ...lance.lines.map(({ share, p50, p95 }) => {
    const base = lance.lines[0].p50;
    return `| LanceDB ${lance.version} scan | ${percent(share)} | 1.0000 | ${number(p50)} | ${number(p95)} |  |  | ${(p50 / base).toFixed(2)} |`;
  }),
];
const wrong = ours.filter((line) => line.mode === 'exact').reduce((sum, line) => sum + line.wrong, 0);
table.push('', `Exact answers that differ from brute force, in ids, order or score bits: ${wrong}.`);
const text = table.join('\n');
process.stdout.write(`${text}\n`);
if (values.write) {
  const results = join(root, 'bench', 'RESULTS.md');
  const before = existsSync(results) ? readFileSync(results, 'utf8') : '';
  writeFileSync(results, withPart(before, `filtered: ${values.set}`, text, '## Searches under a filter'));
  log('bench/RESULTS.md written');
}
rmSync(file, { recursive: true, force: true });
