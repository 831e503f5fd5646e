// This build and another one of funnelvec side by side, in turns on the same cores: without a filter, under filters of 50 to
// 0.1 % whose rows lie anywhere or share whole regions, and many queries at once. Recall is against this build's exact answers,
// which the tests hold equal to a scan.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../../scripts/setup/steps.mjs';
import { quantile } from '../../measure.mjs';
import { startBound } from '../contenders/processes.mjs';
import { Rows } from '../sets/rows.mjs';
import { CASES, VALUES } from './cases.mjs';

/** Dims by which rows belong to regions. */
const REGION_DIMS = 64;

/** The region of each row, that of the nearest of VALUES of the rows, in a file. */
async function regionsOf(set, folder, log) {
  const file = join(folder, `regions-${set.key}.u16`);
  if (existsSync(file) && readFileSync(file).length === 2 * set.count) return file;
  log(`${set.key}: ${VALUES} regions`);
  const { getKernels } = await import(pathToFileURL(join(root, 'dist', 'esm', 'kernels', 'index.js')).href);
  const kernels = getKernels('native');
  const rows = new Rows(set);
  const dims = Math.min(REGION_DIMS, set.dim);
  const centres = new Float32Array(VALUES * dims);
  for (let c = 0; c < VALUES; c++) {
    const row = Math.floor((c * set.count) / VALUES);
    centres.set(rows.read(row, row + 1).subarray(0, dims), c * dims);
  }
  const regions = new Uint16Array(set.count);
  const keys = new Float64Array(VALUES);
  for await (const { from, to, values } of rows.blocks(16_384)) {
    for (let row = from; row < to; row++) {
      const query = values.subarray((row - from) * set.dim, (row - from) * set.dim + dims);
      kernels.scores({ metric: 'cosine', query, rows: centres, dim: dims, from: 0, to: dims, keys });
      let best = 0;
      for (let c = 1; c < VALUES; c++) if (keys[c] > keys[best]) best = c;
      regions[row] = best;
    }
  }
  writeFileSync(file, new Uint8Array(regions.buffer));
  return file;
}

/**
 * @param other the root folder of the other build, with its dist and binary
 * @returns {Promise<{ what: string, most?: number, ratio: number, p50: number[], p90: number[], recall: number[], differ: number }[]>}
 *   each case: medians and ninth deciles of ours and theirs in milliseconds a query
 */
export async function beside(set, { other, threads, effort, log }) {
  const folder = join(root, '.cache', 'bench-index', 'beside');
  mkdirSync(folder, { recursive: true });
  const regions = await regionsOf(set, folder, log);
  const sides = [];
  try {
    for (const [name, build] of Object.entries({ ours: root, theirs: resolve(other) })) {
      const job = { build, set, regions, threads, file: join(folder, `${set.key}-${name}`) };
      const side = await startBound('bench/index/beside/host.mjs', [JSON.stringify(job)], threads);
      if (side.about.seconds !== undefined) log(`${set.key}: ${name} built in ${side.about.seconds.toFixed(1)} s`);
      sides.push(side);
    }
    const found = [];
    for (const [setting, one] of CASES.entries()) {
      found.push({ ...one, ...(await inTurns(sides, setting, one, set, effort)) });
      const { ratio, p50, recall } = found.at(-1);
      log(`${set.key}: ${one.name}: ${p50.map((ms) => ms.toFixed(3)).join(' and ')} ms, ${ratio.toFixed(2)} ×`);
      log(`  recall ${recall.map((share) => share.toFixed(4)).join(' and ')}`);
    }
    return found;
  } finally {
    for (const side of sides) await side.close();
  }
}

async function inTurns(sides, setting, { mode, batch, key }, { queries }, { rounds, turn }) {
  const asked = batch === 1 ? queries : Math.max(queries, batch);
  // Without times: it warms up, and tells the answers.
  const answers = [];
  for (const side of sides) answers.push((await side.ask({ setting, from: 0, to: asked, answers: true })).hits);
  const exact = CASES.findIndex((one) => one.mode === 'exact' && one.key === key && one.share === CASES[setting].share);
  const truth =
    mode === 'exact' ? answers[0] : (await sides[0].ask({ setting: exact, from: 0, to: queries, answers: true })).hits;
  const recall = answers.map((all) => recallOf(all.slice(0, queries), truth));
  const differ =
    mode === 'exact' ? answers[1].filter((hits, q) => JSON.stringify(hits) !== JSON.stringify(truth[q])).length : 0;
  const [first] = (await sides[1].ask({ setting, from: 0, to: batch })).micros;
  const calls = Math.min(Math.ceil(asked / batch), Math.max(1, Math.round((turn * 1000) / (first * batch))));
  const times = sides.map(() => []);
  const ratios = [];
  for (let round = 0; round < rounds; round++) {
    const from = (round * calls * batch) % queries;
    const medians = [];
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const { micros } = await sides[i].ask({ setting, from, to: from + calls * batch });
      times[i].push(...micros);
      medians[i] = quantile(micros, 0.5);
    }
    ratios.push(medians[0] / medians[1]);
  }
  const at = (share) => times.map((micros) => quantile(micros, share) / 1000);
  return { ratio: quantile(ratios, 0.5), p50: at(0.5), p90: at(0.9), recall, differ };
}

/** Hits that score as the true ones do count, whichever of equals they are. */
function recallOf(answers, truth) {
  let found = 0;
  let wanted = 0;
  for (const [q, list] of truth.entries()) {
    const least = list.at(-1)?.[1] ?? Infinity;
    wanted += list.length;
    found += Math.min(list.length, answers[q].filter(([, score]) => score >= least).length);
  }
  return wanted === 0 ? 1 : found / wanted;
}
