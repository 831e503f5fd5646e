// Small steps for set-up scripts: say what is done, do it only when its inputs changed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Progress goes to stderr, so that a script's own output stays clean. */
export function log(line) {
  process.stderr.write(`funnelvec: ${line}\n`);
}

/**
 * Runs `work` unless it ran before on the same inputs. `inputs` are files or folders (by content) and other strings;
 * `outputs` must exist.
 */
export async function step(name, { inputs = [], values = [], outputs = [] }, work) {
  const stamp = join(root, '.cache', 'steps', name.replaceAll(/[^a-z0-9]+/gi, '-'));
  const hash = createHash('sha256').update(JSON.stringify(values));
  for (const file of inputs.flatMap((input) => filesUnder(join(root, input)))) {
    hash.update(relative(root, file)).update(readFileSync(file));
  }
  const digest = hash.digest('hex');
  const done = existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
  if (done && outputs.every((output) => existsSync(join(root, output)))) return false;
  const start = performance.now();
  log(`${name} ...`);
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
  log(`${name}: done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return true;
}

/** Runs a command; its output is shown only when it fails. */
export function run(command, args, { env = {}, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(' ')} ended with code ${code}:\n${output.slice(-8000)}`));
    });
  });
}

/** Does this command start at all? */
export function works(command, args = ['--version']) {
  return spawnSync(command, args, { stdio: 'ignore', shell: process.platform === 'win32' }).status === 0;
}

export function filesUnder(path, keep = () => true) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules' && !entry.name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => filesUnder(join(path, entry.name), keep))
    .filter(keep);
}
