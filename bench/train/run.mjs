// npm run bench:train [-- --heads 32,64,128] [--quick] [--write]
// Measures how much fitted heads help a model that was not trained to be cut: all-MiniLM-L6-v2 over WordNet glosses. A
// quarter of the queries is kept from fitHead() altogether; all figures are of these. --write puts the part into
// bench/RESULTS.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadMinilmGlosses } from '../../scripts/data/minilm-glosses.mjs';
import { setup } from '../../scripts/setup/setup.mjs';
import { log, root } from '../../scripts/setup/steps.mjs';
import { withPart } from '../merge.mjs';

const { values } = parseArgs({
  options: { heads: { type: 'string', default: '32,64,128' }, quick: { type: 'boolean' }, write: { type: 'boolean' } },
});
const lengths = values.heads.split(',').map(Number);
if (!lengths.every((m) => Number.isInteger(m) && m >= 1 && m <= 384)) {
  log('--heads takes integers of 1 to 384, such as 32,64');
  process.exit(2);
}
const { serversMissing } = await setup({ withTests: false });
if (serversMissing) {
  log(`no model: ${serversMissing}`);
  process.exit(1);
}
// Imported now: they need what was just built.
const { activeKernels } = await import('../../dist/esm/index.js');
const { evaluate, fitHead } = await import('../../dist/esm/train/index.js');

const [K, CANDIDATES] = [10, 100];
const size = values.quick ? { count: 3_000, maxQueries: 600 } : { count: 20_000, maxQueries: 4_000 };
const { dim, rows, queryRows } = await loadMinilmGlosses({ ...size, log });
const documents = { vectors: rows, dim };
const all = queryRows.length / dim;
const held = Math.floor(all / 4);
// Every fourth: queries come in the order of their glosses, which is random, but the split should not hang on that.
const pick = (wanted) => {
  const out = [];
  for (let q = 0; q < all; q++)
    if ((q % 4 === 0) === wanted && out.length < (wanted ? held : all))
      out.push(queryRows.subarray(q * dim, (q + 1) * dim));
  return out;
};
const [test, known] = [pick(true), pick(false)];

log(`true neighbours of ${test.length} queries among ${rows.length / dim} rows`);
const truth = await neighbours();
const measure = async (heads, asked, m) => {
  const { rows: found } = await evaluate({ vectors: heads, dim: m }, asked, {
    dims: [m],
    k: K,
    candidates: CANDIDATES,
    relevant: truth,
  });
  return found[0];
};

const lines = [];
for (const m of lengths) {
  const cut = new Float32Array((rows.length / dim) * m);
  for (let r = 0; r < rows.length / dim; r++) cut.set(rows.subarray(r * dim, r * dim + m), r * m);
  lines.push({
    m,
    method: 'cut',
    ...(await measure(
      cut,
      test.map((query) => query.subarray(0, m)),
      m,
    )),
  });
  for (const method of ['pca', 'balanced', 'adapter']) {
    const began = performance.now();
    const fitted = await fitHead(documents, { method, dim: m, ...(method !== 'pca' && { queries: known }) });
    const seconds = (performance.now() - began) / 1000;
    const found = await measure(fitted.apply(documents), test.map(fitted.applyQuery), m);
    lines.push({ m, method, seconds, steps: fitted.facts.steps, ...found });
    log(`${m} dims, ${method}: recall@${CANDIDATES} ${found.shortlist.toFixed(4)}, ${seconds.toFixed(1)} s`);
  }
}

/** The K best by the full vectors, for each query kept back. */
async function neighbours() {
  const { FunnelIndex } = await import('../../dist/esm/store/index.js');
  const index = await FunnelIndex.create(':memory:', { dim });
  const ids = Array.from({ length: rows.length / dim }, (_, r) => r);
  await index.upsert({ ids, vectors: rows });
  const answers = await index.queryBatch(test.map((vector) => ({ vector, limit: K, mode: 'exact' })));
  await index.close();
  return answers.map(({ hits }) => hits.map(({ id }) => id));
}

const share = (value) => value.toFixed(4);
const text = [
  `### all-MiniLM-L6-v2, ${rows.length / dim} glosses`,
  '',
  `${new Date().toISOString().slice(0, 10)}, ${os.cpus()[0].model.trim()}, Node ${process.version}, ${activeKernels().name} kernels, ` +
    `one thread, load ${os.loadavg()[0].toFixed(1)} of ${os.cpus().length} cores (the seconds suffer from it, nothing else). ` +
    `${test.length} queries (example sentences) that fitHead() never saw; ${known.length} others it was given, ` +
    "but for 'pca'. Recall is of the ten nearest glosses by all 384 dims: how many of them are among the 100, or the ten, " +
    'best by the head.',
  '',
  '| head | made by | recall@100 of the shortlist | recall@10 of the head alone | bytes a row | seconds |',
  '| --: | :-- | --: | --: | --: | --: |',
  ...lines.map(
    ({ m, method, shortlist, recall, seconds }) =>
      `| ${m} | ${method === 'cut' ? 'the first dims' : `fitHead, ${method}`} | ${share(shortlist)} | ${share(recall)} | ${4 * m} | ${seconds?.toFixed(1) ?? ''} |`,
  ),
].join('\n');
process.stdout.write(`${text}\n`);
if (values.write) {
  const results = join(root, 'bench', 'RESULTS.md');
  const before = existsSync(results) ? readFileSync(results, 'utf8') : '';
  writeFileSync(results, withPart(before, 'heads', text, '## Heads for a plain model'));
  log('bench/RESULTS.md written');
}
