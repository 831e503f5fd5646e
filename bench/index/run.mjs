// npm run bench:index [-- --sets real20k,syn100k] [--contenders funnelvec,faiss-hnsw] [--threads 1,2] [--quick] [--full]
//   [--reuse] [--write] [--apart] [--json file] [--beside folder]
// Tables go to stdout, progress to stderr. A run with all contenders and threads, not quick, writes the pieces of its sets in
// bench/RESULTS.md and their plots. --full adds the million rows. --reuse keeps index files of an earlier run where there are
// some, with the build times of that run. --beside compares this build with another one, whose root it names, in turns on the
// same cores: filters of 50 to 0.1 %, and batches; its index files stay in .cache/bench-index/beside for the next time. --write writes the pieces of whatever was run; each says what it left out.
// --apart writes them into a section of their own, so that those of whole runs stay.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { log, root } from '../../scripts/setup/steps.mjs';
import { withPart, withPieces } from '../merge.mjs';
import { setup } from '../setup.mjs';
import { compare } from './against/compare.mjs';
import { beside } from './beside/beside.mjs';
import { CONTENDERS } from './contenders/contenders.mjs';
import { introduction, piece } from './report/section.mjs';
import { resemblanceOf } from './sets/resemblance.mjs';
import { available, prepare, SETS } from './sets/sets.mjs';
import { setupIndex } from './setup.mjs';

const { values } = parseArgs({
  options: {
    sets: { type: 'string' },
    contenders: { type: 'string' },
    threads: { type: 'string' },
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    reuse: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    apart: { type: 'boolean', default: false },
    json: { type: 'string' },
    beside: { type: 'string' },
  },
});
if (values.apart && values.write) {
  log('--apart and --write say two places for one table');
  process.exit(2);
}
const known = (what, names, list) => {
  const unknown = names.filter((name) => !list.includes(name));
  if (unknown.length === 0) return names;
  log(`unknown ${what} ${unknown.join(', ')}; there are ${list.join(', ')}`);
  process.exit(2);
};
const setKeys = SETS.map(({ key }) => key);
const standard = SETS.filter((set) => available(set) && (set.standard || (values.full && set.large)));
const sets = known('set', values.sets?.split(',') ?? standard.map(({ key }) => key), setKeys);
for (const set of SETS.filter((one) => sets.includes(one.key) && !available(one))) {
  log(`${set.key} needs FUNNELVEC_BENCH_DATA, a folder with ${set.file} and queries.f16`);
  process.exit(2);
}
const contenderKeys = CONTENDERS.map(({ key }) => key);
const chosen = known('contender', values.contenders?.split(',') ?? contenderKeys, contenderKeys);
const contenders = CONTENDERS.filter(({ key }) => chosen.includes(key));
const threadCounts = (values.threads ?? '1,2').split(',').map(Number);
const { quick } = values;
const effort = quick
  ? { first: 3000, ms: 500, passes: 1, rounds: 3, turn: 300, batch: 1000, warm: { least: 500, most: 3000 } }
  : { first: 8000, ms: 400, passes: 2, rounds: 5, turn: 250, batch: 2000, warm: { least: 1500, most: 8000 } };

const about = {
  date: new Date().toISOString().slice(0, 10),
  cpu: os.cpus()[0].model.trim(),
  cores: os.availableParallelism(),
  node: process.version,
  load: os.loadavg()[0],
  quick,
  reuse: values.reuse,
};
// The peers run without our build.
if (chosen.includes('funnelvec')) await setup({ withPython: false });
const { python, missing } = await setupIndex();
const results = [];
const pieces = {};
for (const key of sets) {
  const set = await prepare(key, { python, log });
  const resemblance = set.base && !quick ? await resemblanceOf({ python, log }) : undefined;
  const runs = [];
  const builds = new Map();
  const { reuse } = values;
  for (const threads of threadCounts) {
    const run = await compare(set, { threads, contenders, missing, python, effort, reuse, builds, log });
    const other = values.beside;
    runs.push(other === undefined ? run : { ...run, beside: await beside(set, { other, threads, effort, log }) });
  }
  if (!reuse) for (const file of builds.keys()) rmSync(file, { recursive: true, force: true });
  const result = { set, runs, about, resemblance };
  results.push(result);
  const plot = values.apart ? `${key}-apart.svg` : `${key}.svg`;
  pieces[key] = piece(result, plot);
  process.stdout.write(`${pieces[key]}\n\n`);
  const { plotOf } = await import('./report/plot.mjs'); // needs what was just installed
  const all = !quick && !values.reuse && chosen.length === CONTENDERS.length && threadCounts.join() === '1,2';
  const whole = (all || values.write) && !values.apart;
  const folder = whole || values.apart ? join(root, 'bench', 'plots') : join(root, '.cache', 'bench-index', 'plots');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, plot), plotOf(result));
  const file = join(root, 'bench', 'RESULTS.md');
  if (values.apart) {
    const heading = '## The index beside some of its peers';
    writeFileSync(file, withPart(readFileSync(file, 'utf8'), `index apart: ${key}`, pieces[key], heading));
    log(`${key}: bench/RESULTS.md, in a section of its own, and bench/plots/${plot} written`);
  } else if (whole) {
    writeFileSync(file, withPieces(readFileSync(file, 'utf8'), introduction(), pieces, setKeys));
    log(`${key}: bench/RESULTS.md and bench/plots/${key}.svg written`);
  } else {
    log(`${key}: bench/RESULTS.md left alone: only a whole run writes it; its plot is in .cache/bench-index/plots`);
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
}
