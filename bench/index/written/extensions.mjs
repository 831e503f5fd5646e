// Measures what rows cost a search that came after the last build: an index whose build saw a quarter of the rows, and which gave the
// others codes as they were written, beside one that was built over all of them. Alone, since it takes minutes:
// node bench/index/written/extensions.mjs [folder] (1,000,000 × 256 rows in float32, 2.5 GB on disk and of memory;
// ROWS=200000: fewer; a folder of its own inside of the one named, which is deleted at the end)
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FunnelIndex } from '../../../dist/esm/store/index.js';
import { uniform } from '../../data.mjs';
import { quantile } from '../../measure.mjs';

const ROWS = Number(process.env.ROWS ?? 1_000_000);
const DIM = 256;
const BATCH = 5000;
const QUERIES = 200;
const ROUNDS = 5;
/** A new one, inside of whatever is named: that one stays as it is. */
const within = process.argv[2] ?? tmpdir();
mkdirSync(within, { recursive: true });
const folder = mkdtempSync(join(within, 'funnelvec-extensions-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const scale = Float64Array.from({ length: DIM }, (_, i) => 1 / Math.sqrt(1 + i / 24));
const random = uniform(5);
/** Near enough to normal where 256 of them are added up. */
const spread = () => random() + random() + random() - 1.5;
const topics = Array.from({ length: Math.ceil(ROWS / 500) }, () => Float32Array.from(scale, (s) => 2 * s * spread()));

function fill(into, from, count) {
  for (let row = 0; row < count; row++) {
    const topic = topics[Math.floor(random() * topics.length)];
    for (let i = 0; i < DIM; i++) into[(from + row) * DIM + i] = topic[i] + 1.2 * scale[i] * spread();
  }
}

const log = (text) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`);
const began = performance.now();
const parts = { quarter: join(folder, 'quarter'), all: join(folder, 'all') };
const quarter = await FunnelIndex.create(parts.quarter, { dim: DIM, autoOptimize: false, memory: 2 ** 31 });
const all = await FunnelIndex.create(parts.all, { dim: DIM, autoOptimize: false, memory: 2 ** 31 });
const vectors = new Float32Array(BATCH * DIM);
const write = async (from, indexes) => {
  fill(vectors, 0, BATCH);
  const ids = Array.from({ length: BATCH }, (_, i) => from + i);
  for (const index of indexes) await index.upsert({ ids, vectors });
};
for (let from = 0; from < ROWS / 4; from += BATCH) await write(from, [quarter, all]);
log('a quarter is written');
await quarter.optimize();
await quarter.close();
log('and built');
// Codes for new rows, as by default; no build, which would come once half of the rows are new.
const extended = await FunnelIndex.open(parts.quarter, { autoOptimize: 'codes', memory: 2 ** 31 });
for (let from = ROWS / 4; from < ROWS; from += BATCH) {
  await write(from, [extended, all]);
  if (from % 250_000 === 0)
    log(`${from} rows are written, ${extended.stats().extended} of them have codes beside the build`);
}
const written = performance.now();
while (extended.stats().uncoded.rows * DIM >= 2 ** 18) {
  await new Promise((resolve) => setTimeout(resolve, 200));
  if (performance.now() - written > 600_000)
    throw new Error(`${extended.stats().uncoded.rows} rows have no codes after 10 minutes`);
}
log(`all are written; ${extended.stats().uncoded.rows} have no codes`);
await extended.close();
await all.optimize();
await all.close();
log('the other index is built over all');

const queries = new Float32Array(QUERIES * DIM);
fill(queries, 0, QUERIES);
const opened = {};
for (const [name, path] of Object.entries(parts))
  opened[name] = await FunnelIndex.open(path, { readOnly: true, memory: 2 ** 31 });
const ask = (index, q, mode) => index.querySync({ vector: queries.subarray(q * DIM, (q + 1) * DIM), limit: 10, mode });
const truth = Array.from({ length: QUERIES }, (_, q) => new Set(ask(opened.all, q, 'exact').hits.map(({ id }) => id)));
const times = { quarter: { funnel: [], exact: [] }, all: { funnel: [], exact: [] } };
const found = { quarter: 0, all: 0 };
for (let round = 0; round <= ROUNDS; round++) {
  for (let q = 0; q < QUERIES; q++) {
    for (const name of round % 2 ? ['all', 'quarter'] : ['quarter', 'all']) {
      for (const mode of ['funnel', 'exact']) {
        const start = performance.now();
        const { hits } = ask(opened[name], q, mode);
        if (round > 0) times[name][mode].push(performance.now() - start);
        if (round === 0 && mode === 'funnel') found[name] += hits.filter(({ id }) => truth[q].has(id)).length;
      }
    }
  }
}
for (const mode of ['funnel', 'exact']) {
  const [p50, p50All] = [times.quarter[mode], times.all[mode]].map((ms) => quantile(ms, 0.5));
  const ratio = p50 / p50All;
  log(
    `${mode}: p50 ${p50.toFixed(3)} ms built over a quarter, ${p50All.toFixed(3)} over all: ${ratio.toFixed(2)} × (bound 2)`,
  );
}
for (const name of ['quarter', 'all']) log(`recall@10 of ${name}: ${(found[name] / QUERIES / 10).toFixed(4)}`);
for (const index of Object.values(opened)) {
  await index.close();
}
