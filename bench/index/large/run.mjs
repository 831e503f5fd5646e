// npm run bench:large [-- --rows 10000000] [--folder dir] [--threads 2] [--memory 5] [--kill] [--reuse] [--peers] [--write]
// An index of ten million rows on one machine, alone: outside of all others, since it takes most of an hour and some 25 GB of disk,
// and says so first. Rows are made as those of the set syn1m, in float16, and go from Python straight into the index.
// --folder is empty, new, or one that such a run filled: what that run left is replaced.
// --memory: GiB, the index's `memory` (codes; rows stay on disk). --kill ends the process in the middle of the build, and builds again.
// --reuse searches an index that an earlier run left. --peers gives faiss's IVF the same rows, with the memory that our build may
// take, once more as long. --write puts the table into bench/RESULTS.md.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { log, root } from '../../../scripts/setup/steps.mjs';
import { withPart } from '../../merge.mjs';
import { setup } from '../../setup.mjs';
import { sizeOf } from '../memory/resident.mjs';
import { baseKey, prepare } from '../sets/sets.mjs';
import { setupIndex } from '../setup.mjs';
import { LIMITS, ROWS, section } from './section.mjs';

const GIB = 2 ** 30;
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    folder: { type: 'string', default: join(root, '.cache', 'bench-index', 'large') },
    threads: { type: 'string', default: String(Math.min(2, os.availableParallelism())) },
    memory: { type: 'string', default: '5' },
    kill: { type: 'boolean', default: false },
    reuse: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

/** The option's number: an odd one would be found after half an hour, or never. */
function numberOf(name, least, isGood = Number.isFinite) {
  const value = values[name].trim() === '' ? Number.NaN : Number(values[name]);
  if (isGood(value) && value >= least) return value;
  log(`Expected a number of at least ${least} for --${name} but received ${JSON.stringify(values[name])}`);
  process.exit(2);
}

const count = numberOf('rows', 1000, Number.isSafeInteger);
const threads = numberOf('threads', 1, Number.isSafeInteger);
const memory = Math.floor(numberOf('memory', 0.001) * GIB);
if (values.reuse && values.kill) {
  log('Expected --kill without --reuse, which builds nothing');
  process.exit(2);
}
if (values.write && count < ROWS) {
  log(`Expected --write beside ${ROWS} rows, of which the table in bench/RESULTS.md tells, but received ${count}`);
  process.exit(2);
}
const folder = resolve(values.folder);
/** Says that what lies beside it is of such runs: the next one takes its place. */
const marker = join(folder, '.bench-large');
if (!existsSync(marker) && existsSync(folder) && readdirSync(folder).length > 0) {
  log(
    `Expected an empty or a new folder for --folder, or one that a run filled, but ${folder} has files without ${marker}`,
  );
  process.exit(2);
}
const job = {
  count,
  threads,
  memory,
  path: join(folder, 'index'),
  truth: join(folder, 'truth.json'),
  built: join(folder, 'built.json'),
};

const earlier = values.reuse && existsSync(job.built) ? JSON.parse(readFileSync(job.built, 'utf8')) : undefined;
if (values.reuse && earlier?.written.rows !== count) {
  const got = earlier === undefined ? 'none' : `one of ${earlier.written.rows} rows`;
  log(`Expected an index of ${count} rows that a run built in ${folder} for --reuse but found ${got}`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
writeFileSync(marker, '');
await setup({ withPython: false });
const { python } = await setupIndex();
const base = await prepare(baseKey, { python, log });
job.queries = join(base.folder, 'queries.f32');
job.dim = base.dim;

// A row in float16 with its number and checksum, its codes, and the build's file beside the one that it takes the place of.
const diskNeeded = count * (2 * job.dim + 6 + 2 * 420) + GIB;
if (!values.reuse) {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize + (sizeOf(job.path) ?? 0); // an earlier run's index goes first
  const gib = (bytes) => (bytes / GIB).toFixed(1);
  log(
    `${count.toLocaleString('en')} rows × ${job.dim}: needs ${gib(diskNeeded)} GiB of disk (free ${gib(free)}), ` +
      `${gib(LIMITS.buildBytes)} GiB of memory (free ${gib(os.freemem())}), and ${Math.ceil((count / 1e6) * 4)} minutes or more`,
  );
  if (free < diskNeeded) {
    log('not enough disk; --folder names another');
    process.exit(2);
  }
}

const first = Math.min(65_000, base.count);

const load = os.loadavg()[0];
let built = earlier;
if (built === undefined) {
  rmSync(job.built, { force: true }); // the index that it tells of goes
  built = { written: await withRows('write', (rows) => processOf('write', job, rows), job.truth) };
  if (values.kill) built.killed = await killWhileBuilding();
  built.optimized = await step('build', job);
  built.disk = sizeOf(job.path);
  writeFileSync(job.built, JSON.stringify(built));
}
dropCaches();
const cold = await step('cold', job);
const warm = await step('search', job);
const peer = values.peers ? await besideFaiss() : undefined;
const result = { job, built, cold, warm, peer, load, date: new Date().toISOString().slice(0, 10), base: base.title };
const text = section(result);
process.stdout.write(`${text}\n`);
writeFileSync(join(folder, 'result.json'), JSON.stringify(result));
if (values.write) {
  const file = join(root, 'bench', 'RESULTS.md');
  writeFileSync(
    file,
    withPart(readFileSync(file, 'utf8'), 'ten million rows', text, '## Ten million rows on one machine'),
  );
}

/** A process that reads the rows, as Python makes them, and tells of it. @param truth file for the true neighbours of the queries */
async function withRows(name, start, truth) {
  const script = ['bench/index/sets/stream.py', base.folder, String(first), String(count), ...(truth ? [truth] : [])];
  const made = spawn(python, script, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const ended = new Promise((done) => made.on('exit', done)); // its end of the pipe is read elsewhere, and never closes here
  const reading = toldBy(name, start(made.stdout));
  made.stdout.destroy(); // whoever writes hears it when the reader dies
  const told = await reading;
  if (told.failed === undefined && (await ended) !== 0) throw new Error('the rows could not be made');
  return told;
}

/** faiss's IVF: of the shapes that it may have, the first that the memory of our build is enough for. */
async function besideFaiss() {
  const failed = {};
  for (;;) {
    const what = { ...job, limit: LIMITS.buildBytes, without: Object.keys(failed) };
    const script = ['bench/index/large/faiss_ivf.py', JSON.stringify(what)];
    const start = (rows) => spawn(python, script, { cwd: root, stdio: [rows, 'pipe', 'inherit'] });
    const told = await withRows('faiss', start).catch(({ last, message }) => ({ ...last, failed: message }));
    if (told.shape === undefined && told.failed !== undefined) throw new Error(told.failed);
    if (told.failed === undefined) return { ...told, failed };
    failed[told.shape] = told.failed;
  }
}

/** Ends a build in its middle, as a crash would, and tells what was there afterwards. */
async function killWhileBuilding() {
  const child = processOf('build', job);
  const ended = new Promise((done) => child.on('close', (_, signal) => done(signal)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (JSON.parse(line).share >= 0.5) child.kill('SIGKILL');
  });
  if ((await ended) !== 'SIGKILL') throw new Error('the build ended before it could be killed');
  return step('count', job);
}

function processOf(role, what, input) {
  return spawn(process.execPath, ['--expose-gc', 'bench/index/large/process.mjs', role, JSON.stringify(what)], {
    cwd: root,
    stdio: [input ?? 'ignore', 'pipe', 'inherit'],
  });
}

function step(role, what) {
  return toldBy(role, processOf(role, what));
}

/** The last line of a process that does one thing and tells of it. */
async function toldBy(name, { stdout }) {
  log(`${name} …`);
  let last;
  for await (const line of createInterface({ input: stdout })) last = JSON.parse(line);
  if (last?.done !== true) throw Object.assign(new Error(`${name} ended before it was done`), { last });
  log(`${name}: ${JSON.stringify(last).slice(0, 400)}`);
  return last;
}

/** The files of the index leave the system's cache, where it lets them go. */
function dropCaches() {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '1');
    job.dropped = true;
  } catch {
    job.dropped = false; // needs root, on Linux: then the table says that files may have been warm
  }
}
