// The suites over Milvus on servers that CI does not run: Milvus 2.3.5, a whole server in a PyPI package, and milvus-lite 2.5.1, an
// engine in C++. `npm run test:milvus [-- --only 2.3.5] [file-part ...]`; outside CI: they take 700 MB, Linux on x64 and Python 3.11.
// Both listen on every interface, so that they and the tests run in a network namespace of their own, which ends with them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setup } from './setup.mjs';
import { log, root } from './steps.mjs';
import { ensureVenv } from './venv.mjs';

const SERVERS = {
  '2.3.5': { kind: 'server', packages: ['milvus==2.3.5'], probe: 'bin/milvus-server' },
  'lite-2.5.1': { kind: 'lite', packages: ['milvus-lite==2.5.1', 'setuptools==79.0.1'], probe: 'bin/milvus-lite' },
};
const PARTS = ['sources/milvus.test', 'query/filter-milvus-older'];
const READY_MS = 180_000;
const STOP_MS = 10_000;
/** Seconds for a file of tests: on a busy machine a collection takes 2.3.5 some 6 s, and a search a quarter of one. */
const FILE_SECONDS = '7200';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true }, inside: { type: 'string' } },
});
const parts = positionals.length > 0 ? positionals : PARTS;
if (values.inside) await inside(values.inside);
else await outside(values.only ?? Object.keys(SERVERS));

async function outside(names) {
  const unknown = names.find((name) => !(name in SERVERS));
  if (unknown) throw new Error(`Expected one of ${Object.keys(SERVERS).join(', ')} for --only but received ${unknown}`);
  await setup();
  for (const name of names) await install(name);
  const failed = [];
  for (const name of names) {
    log(`Milvus ${name}: ${parts.join(', ')}`);
    const own = ['--user', '--map-root-user', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const again = [process.execPath, process.argv[1], '--inside', name, ...parts];
    const code = await ended(spawn('unshare', [...own, ...again], { cwd: root, stdio: 'inherit' }));
    if (code !== 0) failed.push(`${name} ended with ${code}`);
  }
  for (const line of failed) log(line);
  if (failed.length > 0) process.exit(1);
  log(`The suites pass on Milvus ${names.join(' and ')}`);
}

/** Into a folder of its own: its packages are of another generation than those of the tests. */
async function install(name) {
  const { packages, probe } = SERVERS[name];
  const folder = folderOf(name);
  if (existsSync(join(folder, 'ready'))) return;
  const { python } = await ensureVenv({ log });
  log(`installing ${packages.join(' and ')}`);
  rmSync(folder, { recursive: true, force: true });
  for (const [command, args] of [
    [python, ['-m', 'venv', folder]],
    [join(folder, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', ...packages]],
  ]) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${status}:\n${stderr}`);
  }
  if (!existsSync(join(folder, probe))) throw new Error(`Expected ${probe} in ${packages[0]}`);
  writeFileSync(join(folder, 'ready'), '');
}

function folderOf(name) {
  return join(root, '.cache', `milvus-${name}`);
}

/** In the namespace: nothing but this server and these tests. */
async function inside(name) {
  const { kind } = SERVERS[name];
  const up = spawnSync('ip', ['link', 'set', 'lo', 'up'], { encoding: 'utf8' });
  if (up.status !== 0) throw new Error(`Expected lo to be set up in the network namespace: ${up.stderr ?? up.error}`);
  // The server's binaries are unpacked there once; its data are new in each run.
  const data = kind === 'server' ? join(folderOf(name), 'run') : mkdtempSync(join(tmpdir(), 'funnelvec-milvus-'));
  for (const part of ['data', 'run', 'logs']) rmSync(join(data, part), { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const script = join(root, 'test', 'servers', 'older_milvus.py');
  const server = spawn(join(folderOf(name), 'bin', 'python'), [script, kind, data], {
    cwd: data,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = ended(server);
  try {
    const { port } = await firstLine(server, gone);
    const env = {
      ...process.env,
      MILVUS_ADDRESS: `127.0.0.1:${port}`,
      CI: 'true',
      FUNNELVEC_FILE_SECONDS: FILE_SECONDS,
    };
    const tests = ['--expose-gc', 'scripts/setup/run-tests.mjs', ...parts];
    process.exitCode = await ended(spawn(process.execPath, tests, { cwd: root, stdio: 'inherit', env }));
  } finally {
    server.stdin.end();
    const timer = setTimeout(() => server.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(timer);
    if (kind !== 'server') rmSync(data, { recursive: true, force: true });
  }
}

async function firstLine(server, gone) {
  let text = '';
  server.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const until = performance.now() + READY_MS;
  let code;
  gone.then((its) => {
    code = its;
  });
  while (!text.includes('\n')) {
    if (code !== undefined) throw new Error(`the server ended with ${code}`);
    if (performance.now() > until) throw new Error(`the server was not ready after ${READY_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return JSON.parse(text.slice(0, text.indexOf('\n')));
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
