// npm run bench:calls [-- --rows 35000] [--turns 1500] [--old <folder of an older build>]; a suite of `npm run bench`, too.
// Measures what calls cost over what they call: query() over querySync(), a FunnelSearch over an index or a mirror over the index's own
// query(), many in flight over one after the other; and, beside an older build of this package, the funnel over cold candidates.
// All take turns call by call in an order by chance, and differences are medians of those within a turn, so that a slow spell
// of the machine meets both. A line for each bound says whether it was met. The order of imports counts: the old build is last.
import os from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { collection, uniform } from './data.mjs';
import { formsTable, measureForms } from './forms.mjs';
import { quantile } from './measure.mjs';
import { setup } from './setup.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '35000' },
    turns: { type: 'string', default: '1500' },
    old: { type: 'string' },
  },
});
const [DIM, QUERIES, TURNS, LIMIT] = [768, 100, Number(values.turns), 10];
const count = Number(values.rows);
await setup({ withPython: false });
const { activeKernels, FunnelSearch, funnel } = await import('funnelvec');
const { embeddedSource, FunnelIndex } = await import('funnelvec/store');

const { rows, queries } = collection({ count, queries: QUERIES, dim: DIM });
const asked = Array.from({ length: QUERIES }, (_, q) => queries.slice(q * DIM, (q + 1) * DIM));
const index = await FunnelIndex.create(':memory:', { dim: DIM });
const ids = Array.from({ length: count }, (_, i) => i);
const payloads = ids.map((i) => ({ tag: i % 50, text: `row ${i}` }));
await index.upsert({ ids, vectors: rows.slice(0, count * DIM), payloads });
await index.optimize();
const source = embeddedSource(index);
const mirror = await FunnelIndex.create(':memory:', { dim: DIM });
await mirror.syncFrom(source, { withPayload: true });
await mirror.optimize();

const random = uniform(5);
const lines = [];
function bound(what, value, most, unit) {
  lines.push(
    `- ${value <= most ? 'PASS' : '**FAIL**'}: ${what} ${value.toFixed(value < 10 ? 2 : 0)} ${unit}, at most ${most}`,
  );
}

/** Microseconds of each call by turn. */
async function inTurns(calls, turns) {
  const names = Object.keys(calls);
  const taken = Object.fromEntries(names.map((name) => [name, []]));
  for (let turn = -Math.ceil(turns / 4); turn < turns; turn++) {
    const order = names.map((name) => [random(), name]).sort((a, b) => a[0] - b[0]);
    for (const [, name] of order) {
      const began = performance.now();
      const pending = calls[name](((turn % QUERIES) + QUERIES) % QUERIES);
      if (pending instanceof Promise) await pending;
      if (turn >= 0) taken[name].push(1000 * (performance.now() - began));
    }
  }
  return taken;
}
const median = (some) => quantile(some, 0.5);

const params = { candidates: 128 };
const over = new FunnelSearch({ source });
const onMirror = new FunnelSearch({ source, mirror, search: 'mirror' });
const query = (q) => index.query({ vector: asked[q], limit: LIMIT, params });
const taken = await inTurns(
  {
    'querySync(), funnel': (q) => index.querySync({ vector: asked[q], limit: LIMIT, params }),
    'query(), funnel': query,
    'querySync(), exact': (q) => index.querySync({ vector: asked[q], limit: LIMIT, mode: 'exact' }),
    'query(), exact': (q) => index.query({ vector: asked[q], limit: LIMIT, mode: 'exact' }),
  },
  TURNS,
);
for (const mode of ['funnel', 'exact']) {
  bound(
    `query() ÷ querySync(), ${mode}`,
    median(taken[`query(), ${mode}`]) / median(taken[`querySync(), ${mode}`]),
    1.2,
    '×',
  );
}
const forms = await measureForms(
  { index: { search: over, index }, mirror: { search: onMirror, index: mirror } },
  { asked, dim: DIM, funnel, random, turns: Math.ceil(TURNS / 4) },
);
for (const { name, at, nearest } of forms) {
  if (nearest !== undefined) continue;
  for (const [where, { added }] of Object.entries(at)) bound(`FunnelSearch, ${where}, ${name}, adds`, added, 30, 'µs');
}

for (const inFlight of [8, 64]) {
  const [ratios, p99] = [[], []];
  for (let round = 0; round < 9; round++) {
    const calls = 20 * inFlight;
    let began = performance.now();
    for (let i = 0; i < calls; i++) index.querySync({ vector: asked[i % QUERIES], limit: LIMIT, params });
    const alone = performance.now() - began;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    began = performance.now();
    let next = 0;
    const lane = async () => {
      while (next < calls) await query(next++ % QUERIES);
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    ratios.push((performance.now() - began) / alone);
    delay.disable();
    p99.push(delay.percentile(99) / 1e6);
    await new Promise((done) => setTimeout(done, 50));
  }
  bound(`time of query() with ${inFlight} in flight ÷ querySync() one by one`, median(ratios), 1, '×');
  bound(`p99 of the event loop's delay with ${inFlight} in flight, less the timer's own`, median(p99) - 1, 5, 'ms');
}

if (values.old) {
  const { funnel: before } = await import(pathToFileURL(join(resolve(values.old), 'dist', 'esm', 'index.js')).href);
  // 54 pools of 128 × 768 are 20 MB: each is cold when its turn comes.
  const POOLS = 54;
  const pools = Array.from({ length: POOLS }, (_, p) => {
    const vectors = rows.slice(p * 128 * DIM, (p + 1) * 128 * DIM);
    return { vectors, dim: DIM, ids: Array.from({ length: 128 }, (_, i) => i) };
  });
  const stages = { scales: [256, 512, DIM], keep: 0.5, limit: LIMIT };
  const known = pools.map((pool) => ({ ...pool, finite: true }));
  const cold = { now: [], finite: [], old: [] };
  for (let round = 0; round < 80; round++) {
    const runs = [
      ['now', funnel, pools],
      ['finite', funnel, known],
      ['old', before, pools],
    ];
    const order = runs.map((run) => [random(), run]).sort((a, b) => a[0] - b[0]);
    for (const [, [name, run, some]] of order) {
      for (const [p, pool] of some.entries()) {
        const began = performance.now();
        run(pool, asked[p], stages);
        if (round >= 20) cold[name].push(1000 * (performance.now() - began));
      }
    }
  }
  taken['funnel() over cold candidates'] = cold.now;
  taken['funnel() over cold candidates that are known to be finite'] = cold.finite;
  taken['funnel() over cold candidates, the older build'] = cold.old;
  bound('funnel() over cold candidates ÷ the older build', median(cold.now) / median(cold.old), 0.6, '×');
  bound('the same of those known to be finite', median(cold.finite) / median(cold.old), 0.6, '×');
}
const about = `${count.toLocaleString('en')} rows of ${DIM} dims, ${params.candidates} candidates, ${LIMIT} hits. ${os.cpus()[0].model.trim()}, ${os.availableParallelism()} cores, load ${os.loadavg()[0].toFixed(1)}, Node ${process.version}, kernels ${activeKernels().name}.`;
const figures = Object.entries(taken).map(
  ([name, some]) => `- ${name}: ${median(some).toFixed(0)} µs, p10 ${quantile(some, 0.1).toFixed(0)}`,
);
console.log([about, '', ...figures, '', formsTable(forms), '', ...lines].join('\n'));
await index.close();
await mirror.close();
