// Contenders are processes: each one's code is compiled for its own inputs only, and Python ones are timed in the same
// minutes as the others. They take turns in rounds, so that a slow spell of the machine meets all of them.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { root } from '../scripts/setup/steps.mjs';

/** Starts a contender and waits until its inputs are in memory. */
export async function open(command, args, env = {}) {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors = (errors + chunk).slice(-4_000);
  });
  child.stdin.on('error', () => {});
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(`ended with code ${code}`));
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${args.join(' ')} ${await ended}\n${errors}`);
    return JSON.parse(value);
  };
  return {
    about: await next(),
    ask(message) {
      child.stdin.write(`${JSON.stringify(message)}\n`);
      return next();
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Each contender's median of every round, in microseconds. */
export async function takeTurns(contenders, { task, rounds, ms }) {
  const medians = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const i = (turn + round) % contenders.length;
      const { micros } = await contenders[i].ask({ task, ms });
      medians[i].push(micros);
    }
  }
  return medians;
}

export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low);
}
