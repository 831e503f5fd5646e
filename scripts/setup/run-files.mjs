// Runs test files in the order given, some at a time, and reports each when it has ended; at the end the slowest.
// `node --test` itself runs files in the order of their names.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { log, root } from './steps.mjs';

/** Milliseconds that a test may take. */
const LONGEST = process.env.FUNNELVEC_APPLICATIONS === 'full' ? 4 * 3_600_000 : 900_000;
/** Files that are listed as the slowest. */
const LISTED = 10;
const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];

/**
 * The files of a phase run `lanes` at a time; the phases, one after the other. They get the flags of this process.
 * @param {{ files: string[], lanes: number }[]} phases
 * @returns {Promise<number>} the exit code
 */
export async function runFiles(phases) {
  processorOfEnded(); // leaves out the set-up
  const reporter = new spec();
  reporter.pipe(process.stdout, { end: false });
  const counts = new Map(COUNTS.map((name) => [name, 0]));
  const failed = new Set();
  const took = [];

  async function runFile(file) {
    const start = performance.now();
    const events = [];
    for await (const event of run({ files: [join(root, file)], concurrency: 1, timeout: LONGEST })) {
      const { type, data } = event;
      const [, name, count] = (type === 'test:diagnostic' && /^(\w+) ([\d.]+)$/.exec(data.message)) || [];
      if (counts.has(name) && data.nesting === 0) counts.set(name, counts.get(name) + Number(count));
      else if (name !== 'duration_ms' && type !== 'test:summary') events.push(event);
      if (type !== 'test:fail' || data.todo !== undefined) continue;
      failed.add(file);
      const { exitCode, signal, failureType } = data.details.error ?? {};
      // A file that failed as a whole: the report leaves out how its process ended.
      if (exitCode !== undefined) log(`${file}: ${failureType}, exit code ${exitCode}, signal ${signal}`);
    }
    took.push({ file, seconds: (performance.now() - start) / 1000, processor: processorOfEnded() });
    for (const event of events) reporter.write(event);
  }

  for (const { files, lanes } of phases) {
    const start = performance.now();
    const left = [...files];
    const lane = async () => {
      for (let file = left.shift(); file !== undefined; file = left.shift()) await runFile(file);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    const seconds = (performance.now() - start) / 1000;
    if (files.length > 0) log(`${files.length} files, ${lanes} at a time: ${seconds.toFixed(0)} s`);
  }
  const summary = [...counts].map(([name, count]) => `${name} ${count}`);
  for (const message of summary) reporter.write({ type: 'test:diagnostic', data: { nesting: 0, message } });
  reporter.end();
  await once(reporter, 'end');
  printSlowest(took);
  for (const file of failed) log(`failed: ${file}`);
  return failed.size > 0 ? 1 : 0;
}

function printSlowest(took) {
  const slowest = took.sort((a, b) => b.seconds - a.seconds).slice(0, LISTED);
  const total = took.reduce((sum, { processor }) => sum + processor, 0);
  console.log(
    `\nThe slowest files: seconds, and those of processors (${total.toFixed(0)} s in all, where they can be told)`,
  );
  for (const { file, seconds, processor } of slowest) {
    console.log(`${seconds.toFixed(1).padStart(7)} ${processor.toFixed(1).padStart(7)}  ${file}`);
  }
}

let before = 0;

/** Seconds of processors that processes used which ended since the last call, with those that they waited for; on Linux. */
function processorOfEnded() {
  const used = processorOfChildren() - before;
  before += used;
  return used;
}

function processorOfChildren() {
  if (process.platform !== 'linux') return 0;
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100; // cutime and cstime, in ticks of 10 ms
}
