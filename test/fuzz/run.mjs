// npm run fuzz [-- --calls 1000000 --seed 1 --session 17 --kinds memory,disk --no-setup]
// Random calls, sensible and hostile, through everything public. A finding is printed with seed and session, and how to see
// it again; so is a crash or a hang of the process. Ends with 1 then.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { setup } from '../../scripts/setup/setup.mjs';
import { log, root } from '../../scripts/setup/steps.mjs';

/** A session that takes longer hangs. */
const SILENCE_MS = 150_000;
/** Bytes that memory may grow by after a tenth of the calls. */
const MOST_GROWTH = 300 << 20;

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    session: { type: 'string', default: '' },
    kinds: { type: 'string', default: '' },
    'no-setup': { type: 'boolean' },
  },
});
for (const name of ['calls', 'seed', 'session']) {
  if (!/^\d+$/.test(values[name]) && !(name === 'session' && values[name] === '')) {
    log(`--${name} takes a number`);
    process.exit(2);
  }
}
if (!values['no-setup']) await setup({ withServers: false });

const { calls, seed, session, kinds } = values;
const file = join(root, 'build', 'test', 'fuzz', 'child.js');
const again = (at) => `npm run fuzz -- --seed ${seed} --session ${at}${kinds ? ` --kinds ${kinds}` : ''}`;
const child = spawn(process.execPath, ['--expose-gc', ...process.execArgv, file, seed, calls, session, kinds], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const began = performance.now();
const memory = [];
let at = 0;
let made = 0;
let finding;
let done;
let hung = false;
let told = 0;
let watchdog = setTimeout(() => {}, 0);
const watch = () => {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, SILENCE_MS);
};
watch();
for await (const line of createInterface({ input: child.stdout })) {
  watch();
  const [kind, ...rest] = line.split(' ');
  if (kind === 's') [at, made] = rest.map(Number);
  else if (kind === 'm') memory.push({ calls: Number(rest[0]), bytes: Number(rest[1]) });
  else if (kind === 'f') finding = JSON.parse(line.slice(2));
  else if (kind === 'd') done = { calls: Number(rest[0]), sessions: Number(rest[1]) };
  if (made - told >= 50_000) {
    told = made;
    log(`${made} calls, ${Math.round((performance.now() - began) / 1000)} s, ${megabytes(memory.at(-1).bytes)}`);
  }
}
const [code, signal] = await new Promise((resolve) => {
  if (child.exitCode !== null || child.signalCode !== null) resolve([child.exitCode, child.signalCode]);
  else child.on('close', (...how) => resolve(how));
});
clearTimeout(watchdog);

if (hung) fail(`session ${at} hangs; again: ${again(at)}`);
if (finding !== undefined) fail(finding);
if (done === undefined) fail(`the process ended with ${signal ?? code} in session ${at}; again: ${again(at)}`);
const seconds = Math.round((performance.now() - began) / 1000);
const early = memory.find(({ calls: after }) => after >= done.calls / 10) ?? memory[0];
const last = memory.at(-1);
log(
  `${done.calls} calls in ${done.sessions} sessions, seed ${seed}: nothing found; ${seconds} s, ` +
    `${megabytes(early.bytes)} after ${early.calls} calls, ${megabytes(last.bytes)} at the end`,
);
if (last.bytes - early.bytes > MOST_GROWTH) fail(`memory grew by ${megabytes(last.bytes - early.bytes)}`);

function fail(what) {
  log(what);
  process.exit(1);
}

function megabytes(bytes) {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
