// One set on so many threads: everybody's build and curve, then our index against each peer in turns.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { root } from '../../../scripts/setup/steps.mjs';
import { build, curve, jobOf } from '../alone/curve.mjs';
import { excuse } from '../contenders/contenders.mjs';
import { readTruth } from '../sets/sets.mjs';
import { against } from './against.mjs';

/** From here on everybody builds on all cores, once, whatever searches run on. */
const LARGE = 50_000;

/** @param {Map<string, object>} builds of this set in this run, by file */
export async function compare(set, { threads, contenders, missing, python, effort, reuse, builds, log }) {
  const truth = readTruth(set);
  const buildThreads = set.count > LARGE ? os.availableParallelism() : threads;
  const lines = [];
  for (const contender of contenders) {
    const { key, label, kind, ours = false } = contender;
    const job = jobOf(contender, set, threads, buildThreads);
    const line = { key, label, kind, ours, contender, job };
    lines.push(line);
    line.missing = missing[contender.module] ?? excuse(contender, { count: set.count, threads });
    if (line.missing) continue;
    try {
      line.built = builds.get(job.file) ?? (await built(contender, job, { python, buildThreads, reuse }));
      builds.set(job.file, line.built);
      line.version = line.built.version;
      log(`${set.key}, ${threads} threads: ${label} built in ${line.built.seconds.toFixed(1)} s`);
      Object.assign(line, await curve(contender, job, truth, { python, effort }));
      const best = line.settings.at(-1);
      log(
        `${set.key}, ${threads} threads: ${label}, ${best.name}: recall ${best.recall.toFixed(4)}, ${best.p50.toFixed(3)} ms`,
      );
    } catch (error) {
      line.missing = `failed: ${reasonOf(error)}`;
      log(`${set.key}: ${label} ${line.missing}`);
    }
  }
  const ratios = await against(lines, set, { python, effort, log });
  return { threads, lines: lines.map(({ contender, job, ...rest }) => rest), ratios };
}

/** The last line of a process that looks like a reason, without this machine's folders. */
function reasonOf({ message }) {
  const said = message.match(/^.*Error\b.*$/gm) ?? message.trim().split('\n');
  return said.at(-1).trim().replaceAll(root, '.').slice(0, 300);
}

/** Builds, or takes what an earlier run left. */
async function built(contender, job, { python, buildThreads, reuse }) {
  const note = `${job.file}.json`;
  if (reuse && existsSync(note)) return JSON.parse(readFileSync(note, 'utf8'));
  const found = await build(contender, job, { python, buildThreads });
  if (reuse) writeFileSync(note, JSON.stringify(found));
  return found;
}
