// One contender alone on one set: its build, then every setting of its dial with recall and latency.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../../../scripts/setup/steps.mjs';
import { quantile } from '../../measure.mjs';
import { runBuild, start } from '../contenders/processes.mjs';
import { sizeOf } from '../memory/resident.mjs';
import { otherThanTruth, recallOf } from './recall.mjs';

const FILES = join(root, '.cache', 'bench-index', 'files');

export const jobOf = (contender, { key, folder, count, dim, queries, recipe }, threads, buildThreads) => {
  const file = join(FILES, `${key}-${recipe.slice(0, 8)}-${contender.key}-${buildThreads}`);
  return { folder, count, dim, queries, threads, file };
};

export async function build(contender, job, { python, buildThreads }) {
  mkdirSync(dirname(job.file), { recursive: true });
  rmSync(job.file, { recursive: true, force: true });
  touch(job);
  const { seconds, peak, version } = await runBuild(contender, { ...job, threads: buildThreads }, python);
  return { seconds, peak, version, buildThreads, fileBytes: sizeOf(job.file) };
}

/** As much memory as a build and its files may want: {@link touch.mjs} says why. */
function touch({ count, dim }) {
  const bytes = Math.min(4 * 4 * dim * count, os.freemem() / 2);
  spawnSync(process.execPath, [join(root, 'bench', 'index', 'memory', 'touch.mjs'), String(bytes)]);
}

/** @param {{ first: number, ms: number, passes: number }} effort most milliseconds of the first pass and of each other */
export async function curve(contender, job, truth, { python, effort }) {
  const { about, ask, close } = await start('serve', contender, job, python);
  try {
    const settings = [];
    let resident;
    for (const [setting, name] of about.settings.entries()) {
      const pass = (ms, answers) => ask({ setting, from: 0, to: job.queries, ms, answers });
      const { ids } = await pass(effort.first, true);
      // After the first setting: some peers hold on to what an earlier setting needed.
      resident ??= (await ask({ resident: true })).resident;
      const passes = [];
      for (let i = 0; i < effort.passes; i++) passes.push((await pass(effort.ms)).micros);
      const at = (share) =>
        quantile(
          passes.map((micros) => quantile(micros, share)),
          0.5,
        ) / 1000;
      const line = { name, recall: recallOf(ids, truth), asked: ids.length, p50: at(0.5), p95: at(0.95) };
      settings.push(name === 'exact' ? { ...line, others: otherThanTruth(ids, truth) } : line);
    }
    return { about: about.about, settings, resident };
  } finally {
    await close();
  }
}
