// The sets of vectors, each a folder in .cache with rows.f32, queries.f32, truth.json and meta.json, made on first use.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { root, run } from '../../../scripts/setup/steps.mjs';

/** All that differ, of WordNet's 117,791. */
const GLOSSES = 116_919;
const FOLDER = join('.cache', 'bench-index', 'sets');
const SOURCES = ['prepare.py', 'synthetic.py', 'truth.py'].map((file) => join('bench', 'index', 'sets', file));
/** As the model gave them; gone when the set is made. */
const RAW = { rows: 'raw-rows.f32', queries: 'raw-queries.f32' };
const data = process.env.FUNNELVEC_BENCH_DATA;

/** Real rows when there are some, and made-up ones that follow them; else WordLlama's stand in as what is followed. */
export const SETS = [
  { key: 'wordllama', title: 'All 116,919 different WordNet glosses, WordLlama, 256 dims', standard: true },
  { key: 'real20k', title: titled('20,000 rows'), file: 'docs.f16', standard: true },
  { key: 'real65k', title: titled('65,000 rows'), file: 'docs-65000.i8', standard: true },
  { key: 'syn20k', title: 'Synthetic, 20,000 rows', first: 10_000, count: 20_000 },
  { key: 'syn65k', title: 'Synthetic, 65,000 rows', first: 10_000, count: 65_000 },
  { key: 'syn100k', title: 'Synthetic, 100,000 rows', first: 65_000, count: 100_000, standard: true },
  { key: 'syn1m', title: 'Synthetic, 1,000,000 rows', first: 65_000, count: 1_000_000, large: true },
];

export const baseKey = data ? 'real65k' : 'wordllama';

function titled(what) {
  return data ? `${what} of ${basename(resolve(data))}` : what;
}

export function available({ file }) {
  return !file || (data !== undefined && existsSync(join(data, file)));
}

/** The set's folder and numbers, made if need be. */
export async function prepare(key, { python, log }) {
  const set = SETS.find((one) => one.key === key);
  const base = set.first && (await prepare(baseKey, { python, log }));
  // A set that continues other rows is another set, with a folder of its own.
  const folder = join(root, FOLDER, set.first && !data ? `${key}-of-${baseKey}` : key);
  const recipe = recipeOf(set, base);
  const stamp = join(folder, 'recipe');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== recipe) {
    log(`${key}: making ${set.title}`);
    const start = performance.now();
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const inputs = await inputsOf(set, base, folder, log);
    await run(python, ['bench/index/sets/prepare.py', inputs[0], folder, ...inputs.slice(1)], {
      env: { PYTHONDONTWRITEBYTECODE: '1' },
    });
    for (const name of Object.values(RAW)) rmSync(join(folder, name), { force: true });
    writeFileSync(stamp, recipe);
    log(`${key}: made in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  const meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8'));
  return { ...set, ...meta, folder, recipe, base: base?.title };
}

export function readTruth({ folder }) {
  return JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8'));
}

function recipeOf({ key, file, first, count }, base) {
  const hash = createHash('sha256');
  for (const source of SOURCES) hash.update(readFileSync(join(root, source)));
  const size = file && statSync(join(data, file)).size;
  return hash.update(JSON.stringify([key, size, first, count, base?.recipe])).digest('hex');
}

/** Arguments of prepare.py, but for the folder. */
async function inputsOf({ key, file, first, count }, base, folder, log) {
  if (key !== 'wordllama') {
    return file ? ['real', data, file] : ['synthetic', base.folder, String(first), String(count)];
  }
  const { loadGlosses } = await import('../../../scripts/data/glosses.mjs');
  const { dim, rows, queryRows } = await loadGlosses({ count: GLOSSES, log });
  const write = (name, values) => {
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return path;
  };
  return ['plain', write(RAW.rows, rows), write(RAW.queries, queryRows), String(dim)];
}
