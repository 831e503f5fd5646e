// The inside of a contender's process: answers requests of measure.mjs, one JSON line each, with tinybench as the clock.
import { createInterface } from 'node:readline';
import { Bench } from 'tinybench';

/** Milliseconds of calls before the first that counts: V8 compiles what is called ten thousand times better than what is new. */
const WARM_UP = 150;

/**
 * @param {(task: string) => () => unknown} prepare gives the function to measure, its inputs held ready
 * @param {object} about sent to the parent first
 */
export async function host(prepare, about = {}) {
  send({ ready: true, ...about });
  let held = {};
  for await (const line of createInterface({ input: process.stdin })) {
    const { task, ms } = JSON.parse(line);
    if (held.task !== task) held = { task, run: prepare(task) };
    if (ms === undefined) {
      send({ answer: held.run() });
      continue;
    }
    if (!held.isWarm) warmUp(held.run);
    held.isWarm = true;
    send(measure(held.run, ms));
  }
}

function warmUp(run) {
  const end = performance.now() + WARM_UP;
  do run();
  while (performance.now() < end);
}

function measure(run, ms) {
  const bench = new Bench({ time: ms, iterations: 1, warmupTime: ms / 3, warmupIterations: 1, throws: true });
  bench.add('it', run);
  bench.runSync();
  const { latency } = bench.tasks[0].result;
  return { micros: latency.p50 * 1000, samples: latency.samplesCount };
}

function send(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
