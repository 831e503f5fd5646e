// A contender's processes: one that builds its file and ends, one that serves searches until it is told to end. Both are
// bound to as many cores as the run has threads.
import { spawnSync } from 'node:child_process';
import { works } from '../../../scripts/setup/steps.mjs';
import { open } from '../../measure.mjs';

const MADE_BY_THREADS = [
  'OMP_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'MKL_NUM_THREADS',
  'RAYON_NUM_THREADS',
  'TOKIO_WORKER_THREADS',
  'LANCE_CPU_THREADS',
];

/** The process, ready: { about, ask, close }. */
export function start(role, contender, job, python) {
  const whole = { ...job, contender: contender.key, module: contender.module };
  const command = contender.python
    ? [python, 'bench/index/contenders/host.py', role, JSON.stringify(whole)]
    : [process.execPath, '--expose-gc', 'bench/index/contenders/host.mjs', role, JSON.stringify(whole)];
  const [first, ...rest] = [...bound(job.threads), ...command];
  return open(first, rest, { ...environment(job.threads), PYTHONDONTWRITEBYTECODE: '1' });
}

/** One of our own scripts, ready, on as many cores. */
export function startBound(script, args, threads) {
  const [first, ...rest] = [...bound(threads), process.execPath, '--expose-gc', script, ...args];
  return open(first, rest, environment(threads));
}

export async function runBuild(contender, job, python) {
  const process = await start('build', contender, job, python);
  await process.close();
  return process.about;
}

function environment(threads) {
  return Object.fromEntries(MADE_BY_THREADS.map((name) => [name, String(threads)]));
}

/** The last `threads` cores this process may use: core 0 serves interrupts on many machines. */
function bound(threads) {
  const cores = allowedCores();
  return cores.length >= threads ? ['taskset', '-c', cores.slice(-threads).join(',')] : [];
}

let known;
function allowedCores() {
  if (known) return known;
  known = [];
  if (process.platform !== 'linux' || !works('taskset')) return known;
  const { stdout } = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
  for (const range of stdout.trim().split(': ').pop().split(',')) {
    const [from, to = from] = range.split('-').map(Number);
    for (let core = from; core <= to; core++) known.push(core);
  }
  return known;
}
