// Runs test files in the order given, some at a time, and reports each when it has ended, or as it goes where it runs alone; at the
// end the slowest, and those that take the most of processors. All of them are listed in build/test/seconds.txt. `node --test` itself runs files in the order of
// their names.
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { log, root } from './steps.mjs';

/** Milliseconds that a file may take. */
const { FUNNELVEC_APPLICATIONS, FUNNELVEC_FILE_SECONDS } = process.env;
const LONGEST = FUNNELVEC_APPLICATIONS === 'full' ? 4 * 3_600_000 : 1000 * Number(FUNNELVEC_FILE_SECONDS ?? 900);
/** Files that are printed as the slowest, and as those that take the most of processors. */
const LISTED = 10;
const LISTED_BY_PROCESSOR = 30;
const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];

/**
 * The files of a phase run `lanes` at a time; the phases, one after the other. They get the flags of this process,
 * and in a phase of one lane those of their own.
 * @param {{ files: string[], lanes: number, flagsOf?: (file: string) => string }[]} phases
 * @returns {Promise<number>} the exit code
 */
export async function runFiles(phases) {
  const before = processorOf('self');
  const processors = watchProcessors();
  const reporter = new spec();
  reporter.pipe(process.stdout, { end: false });
  const counts = new Map(COUNTS.map((name) => [name, 0]));
  const failed = new Set();
  const took = [];

  async function runFile(file, isAlone) {
    const start = performance.now();
    const events = [];
    const keep = isAlone ? (event) => reporter.write(event) : (event) => events.push(event);
    for await (const event of run({ files: [join(root, file)], concurrency: 1, timeout: LONGEST })) {
      const { type, data } = event;
      const [, name, count] = (type === 'test:diagnostic' && /^(\w+) ([\d.]+)$/.exec(data.message)) || [];
      if (counts.has(name) && data.nesting === 0) counts.set(name, counts.get(name) + Number(count));
      else if (name !== 'duration_ms' && type !== 'test:summary') keep(event);
      if (type !== 'test:fail' || data.todo !== undefined) continue;
      failed.add(file);
      const { exitCode, signal, failureType } = data.details.error ?? {};
      // A file that failed as a whole: the report leaves out how its process ended.
      if (exitCode !== undefined) log(`${file}: ${failureType}, exit code ${exitCode}, signal ${signal}`);
    }
    took.push({ file, seconds: (performance.now() - start) / 1000, processor: processors.of(join(root, file)) });
    for (const event of events) reporter.write(event);
  }

  const { NODE_OPTIONS = '' } = process.env;
  for (const { files, lanes, flagsOf } of phases) {
    const start = performance.now();
    const left = [...files];
    const lane = async () => {
      for (let file = left.shift(); file !== undefined; file = left.shift()) {
        if (flagsOf) process.env.NODE_OPTIONS = `${NODE_OPTIONS} ${flagsOf(file)}`.trim();
        await runFile(file, lanes === 1);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    const seconds = (performance.now() - start) / 1000;
    if (files.length > 0) log(`${files.length} files, ${lanes} at a time: ${seconds.toFixed(0)} s`);
  }
  const summary = [...counts].map(([name, count]) => `${name} ${count}`);
  for (const message of summary) reporter.write({ type: 'test:diagnostic', data: { nesting: 0, message } });
  reporter.end();
  await once(reporter, 'end');
  processors.end();
  printSlowest(took, processorOf('self') - before);
  for (const file of failed) log(`failed: ${file}`);
  return failed.size > 0 ? 1 : 0;
}

/** @param total seconds of processors for all of them, which leave out what ran on when a file had ended */
function printSlowest(took, total) {
  const by = (key) => took.toSorted((a, b) => b[key] - a[key]);
  const line = ({ file, seconds, processor }) =>
    `${seconds.toFixed(1).padStart(7)} ${processor.toFixed(1).padStart(7)}  ${file}\n`;
  const some = (files, count) => files.slice(0, count).map(line).join('');
  console.log(`\nThe slowest files: seconds, and those of processors\n${some(by('seconds'), LISTED)}`);
  console.log(
    `Those that take the most of processors (${total.toFixed(0)} s for all files)\n${some(by('processor'), LISTED_BY_PROCESSOR)}`,
  );
  writeFileSync(join(root, 'build', 'test', 'seconds.txt'), by('processor').map(line).join(''));
}

/** Milliseconds between two looks at the processes of files that run: so much of a file may go unseen. */
const LOOK_MS = 250;

/** Seconds of processors that each file has used by now, with the processes that it waited for; 0 on other systems than Linux. */
function watchProcessors() {
  const used = new Map();
  const look = () => {
    for (const pid of children()) {
      try {
        const file = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').at(-2);
        used.set(file, processorOf(pid));
      } catch {} // it has ended
    }
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return { of: (file) => used.get(file) ?? 0, end: () => clearInterval(timer) };
}

function children() {
  try {
    return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  } catch {
    return [];
  }
}

/** Seconds of processors of a process, with the processes that it waited for; this one's alone are left out for 'self'. */
function processorOf(pid) {
  if (process.platform !== 'linux') return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const ticks = fields.slice(pid === 'self' ? 13 : 11, 15); // utime, stime, cutime, cstime, of 10 ms each
  return ticks.reduce((sum, one) => sum + Number(one), 0) / 100;
}
