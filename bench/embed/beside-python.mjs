// The same model and texts, here and by Python's onnxruntime: each in a process of its own, in turns. Texts a second on one
// and two threads, and the most memory that either process has had, for short, mixed and long texts.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { open } from '../measure.mjs';
import { installPython } from '../setup.mjs';

/** Texts of a set: about a second for a contender. */
const COUNTS = { short: 192, mixed: 64, long: 32 };
const GLOSSES_OF_LONG = 24;
/** At most so much memory beside Python's, and at least so many texts a second. */
export const BOUNDS = { memory: 1 / 3, rate: 1 };

/** Glosses as they are, one to ten of them put together, and what is cut at the model's limit. */
export function textSets(glosses) {
  let at = 0;
  const next = (count) => glosses.slice(at, (at += count)).join('. ');
  const some = (count, of) => Array.from({ length: count }, (_, i) => next(of(i)));
  return {
    short: some(COUNTS.short, () => 1),
    mixed: some(COUNTS.mixed, (i) => 1 + ((i * 7) % 10)),
    long: some(COUNTS.long, () => GLOSSES_OF_LONG),
  };
}

/** Rows of { threads, set, ours, theirs (texts/s), ratio, memory: { ours, theirs } }: medians over rounds taken in turns. */
export async function besidePython({ model, glosses, rounds, threads }) {
  const python = await installPython('Installing onnxruntime', 'embed-venv', 'bench/embed/requirements.txt');
  const folder = mkdtempSync(join(os.tmpdir(), 'funnelvec-bench-'));
  const file = join(folder, 'texts.json');
  const sets = textSets(glosses);
  writeFileSync(file, JSON.stringify(sets));
  const rows = [];
  try {
    for (const count of threads) {
      for (const set of Object.keys(sets)) {
        rows.push({
          threads: count,
          set,
          ...(await duel({ python, model, file, set, count, rounds })),
          of: sets[set].length,
        });
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return rows;
}

/** New processes for each set, so that the peak is that set's. */
async function duel({ python, model, file, set, count, rounds }) {
  const args = [model, file, String(count)];
  const both = {
    ours: await open(process.execPath, ['bench/embed/ours-contender.mjs', ...args]),
    theirs: await open(python, ['bench/embed/onnxruntime_contender.py', ...args]),
  };
  const times = { ours: [], theirs: [] };
  const [ours, theirs] = [await both.ours.ask({ set }), await both.theirs.ask({ set })]; // warm, and the same vectors
  const far = Math.max(...ours.first.map((value, d) => Math.abs(value - theirs.first[d])));
  if (far > 1e-4) throw new Error(`vectors of ${set} texts differ by ${far}`);
  for (let round = 0; round < rounds; round++) {
    const names = round % 2 === 0 ? ['ours', 'theirs'] : ['theirs', 'ours'];
    for (const name of names) times[name].push((await both[name].ask({ set })).ms);
  }
  const memory = {};
  for (const [name, contender] of Object.entries(both)) {
    memory[name] = (await contender.ask({ peak: true })).bytes;
    await contender.close();
  }
  const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
  return {
    ms: { ours: median(times.ours), theirs: median(times.theirs) },
    faster: median(times.theirs.map((ms, r) => ms / times.ours[r])),
    memory,
  };
}

/** Peaks of loading alone, in bytes: by the runtime's own reading, and with weights left in the file. Linux alone tells. */
export function floors(model) {
  const of = (...how) =>
    Number(execFileSync(process.execPath, ['bench/embed/floor.mjs', `${model}/onnx/model.onnx`, ...how]));
  return { read: of(), mapped: of('mapped') };
}

export function tableOf(rows) {
  const mb = (bytes) => (bytes / 2 ** 20).toFixed(0);
  const met = ({ faster, memory }) => faster >= BOUNDS.rate && memory.ours / memory.theirs <= BOUNDS.memory;
  return [
    '|  | threads | texts | funnelvec texts/s | Python texts/s | times as fast | funnelvec peak MB | Python peak MB | part of it |',
    '| :-- | --: | :-- | --: | --: | --: | --: | --: | --: |',
    ...rows.map(
      (row) =>
        `| ${met(row) ? 'PASS' : '**FAIL**'} | ${row.threads} | ${row.set} | ${((row.of / row.ms.ours) * 1000).toFixed(0)} | ` +
        `${((row.of / row.ms.theirs) * 1000).toFixed(0)} | ${row.faster.toFixed(2)} | ${mb(row.memory.ours)} | ` +
        `${mb(row.memory.theirs)} | ${(row.memory.ours / row.memory.theirs).toFixed(2)} |`,
    ),
  ].join('\n');
}
