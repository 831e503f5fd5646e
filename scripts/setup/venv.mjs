// The Python environment of the test servers and of the embedding model.
// Run as a script it prints the path of its interpreter.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { alone } from './lock.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const requirements = path.join(root, 'test', 'servers', 'requirements.txt');
const venvDir = path.join(root, '.cache', 'venv');
const windows = process.platform === 'win32';
const exe = windows ? '.exe' : '';
const scripts = path.join(venvDir, windows ? 'Scripts' : 'bin');
const stampFile = path.join(venvDir, 'funnelvec-stamp.json');
const MIN_MINOR = 11;

let pending;

/**
 * Makes the environment once, afterwards only checks its stamp.
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<{ python: string, bin: (name: string) => string }>}
 */
export function ensureVenv({ log = () => {} } = {}) {
  pending ??= build(log).catch((error) => {
    pending = undefined;
    throw error;
  });
  return pending;
}

async function build(log) {
  const result = { python: bin('python'), bin };
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  if (stamped(wanted)) return result;

  // Test files run as processes side by side: one builds, the others wait.
  return await exclusively(log, async () => {
    if (stamped(wanted)) return result;
    const base = findPython();
    log(`python ${base.version}: making .cache/venv`);
    rmSync(venvDir, { recursive: true, force: true });
    const made = spawnSync(base.command[0], [...base.command.slice(1), '-m', 'venv', venvDir], { encoding: 'utf8' });
    if (made.status !== 0) {
      rmSync(venvDir, { recursive: true, force: true });
      throw new Error(
        `Tried "${base.command.join(' ')} -m venv .cache/venv" for the test servers, but it failed:\n` +
          `${tail(`${made.stdout ?? ''}${made.stderr ?? ''}`)}\n` +
          'Install the venv module with pip (Debian and Ubuntu: apt-get install python3-venv) and run again.',
      );
    }
    await pip(result.python, log);
    writeFileSync(stampFile, JSON.stringify({ requirements: wanted, python: pythonIdentity(), version: base.version }));
    log('python packages ready');
    return result;
  });
}

function exclusively(log, work) {
  const lock = path.join(root, '.cache', 'venv.lock');
  return alone(lock, work, () => log('another process is making .cache/venv, waiting'));
}

/**
 * The packages of another generation of Qdrant, in a folder that goes before the environment's on PYTHONPATH.
 * @param {string} generation - as test/servers/engine-*.txt are named
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<string>} the folder
 */
export async function ensureEngine(generation, { log = () => {} } = {}) {
  const list = path.join(root, 'test', 'servers', `engine-${generation}.txt`);
  if (!existsSync(list)) throw new Error(`Expected a generation of Qdrant's engine but received "${generation}"`);
  const folder = path.join(root, '.cache', `engine-${generation}`);
  const stamp = path.join(folder, 'funnelvec-stamp.txt');
  const wanted = readFileSync(list, 'utf8');
  const isReady = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  const { python } = await ensureVenv({ log });
  if (isReady()) return folder;
  return await exclusively(log, async () => {
    if (isReady()) return folder;
    rmSync(folder, { recursive: true, force: true });
    await pip(python, log, list, ['--no-deps', '--target', folder]);
    writeFileSync(stamp, wanted);
    return folder;
  });
}

function bin(name) {
  return path.join(scripts, name + exe);
}

function stamped(wanted) {
  try {
    const stamp = JSON.parse(readFileSync(stampFile, 'utf8'));
    return stamp.requirements === wanted && stamp.python === pythonIdentity();
  } catch {
    return false;
  }
}

// pyvenv.cfg names the interpreter and its version; the stat tells whether that
// interpreter still exists and is the same. Starting python would cost 20 ms.
function pythonIdentity() {
  const cfg = readFileSync(path.join(venvDir, 'pyvenv.cfg'), 'utf8');
  const { size, mtimeMs } = statSync(bin('python'));
  return createHash('sha256').update(`${cfg}\n${size}\n${mtimeMs}`).digest('hex');
}

function findPython() {
  const candidates = process.env.PYTHON
    ? [[process.env.PYTHON]]
    : [['python3'], ['python'], ...(windows ? [['py', '-3']] : [])];
  const tried = [];
  for (const command of candidates) {
    const run = spawnSync(
      command[0],
      [...command.slice(1), '-c', 'import sys, venv, ensurepip; print("%d.%d.%d" % sys.version_info[:3])'],
      { encoding: 'utf8' },
    );
    if (run.error) {
      tried.push(`${command.join(' ')}: ${run.error.code === 'ENOENT' ? 'not found' : run.error.message}`);
      continue;
    }
    if (run.status !== 0) {
      tried.push(`${command.join(' ')}: ${tail(run.stderr, 1)}`);
      continue;
    }
    const version = run.stdout.trim();
    const [major, minor] = version.split('.').map(Number);
    if (major === 3 && minor >= MIN_MINOR) return { command, version };
    tried.push(`${command.join(' ')}: version ${version}, 3.${MIN_MINOR} or newer is needed`);
  }
  throw new Error(
    `The test servers need Python 3.${MIN_MINOR} or newer with the venv module. Tried:\n  ${tried.join('\n  ')}\n` +
      'Install it (Debian and Ubuntu: apt-get install python3 python3-venv), or name one in the variable PYTHON.',
  );
}

function pip(python, log, list = requirements, more = []) {
  const args = [
    '-m',
    'pip',
    'install',
    '--disable-pip-version-check',
    '--no-input',
    '--only-binary=:all:',
    ...more,
    '-r',
    list,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const onData = (chunk) => {
      const text = chunk.toString();
      output = (output + text).slice(-20_000);
      for (const line of text.split(/\r?\n/)) {
        const name = /^\s*(?:Collecting|Installing collected packages:)\s*([^\s=,<>!~]+)/.exec(line)?.[1];
        if (name) log(line.includes('Installing') ? 'installing' : `fetching ${name}`);
      }
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      reject(
        new Error(
          `Tried "pip install -r test/servers/${path.basename(list)}", but it ended with code ${code}:\n${tail(output)}\n` +
            'Check that the Python package index can be reached and that this platform has wheels for the named package.',
        ),
      );
    });
  });
}

function tail(text, lines = 12) {
  return text.trim().split('\n').slice(-lines).join('\n');
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) {
  ensureVenv({ log: (line) => console.error(line) }).then(
    ({ python }) => console.log(python),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
}
