// `npm run managers [-- --write] [name ...]`: installs the packed packages by each package manager, without install scripts, from a
// registry on this machine, and runs probe.mjs and the command there. The table has to be that of docs/runtimes.md, or is written there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packRelease } from '../../scripts/platforms/pack.mjs';
import { log, root, run } from '../../scripts/setup/steps.mjs';
import { fromRegistry, installed, RUNTIMES } from '../runtimes/runtimes.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const PNPM = { package: 'pnpm', version: '12.21.0', binary: 'bin/pnpm.mjs' };
const YARN = { package: '@yarnpkg/cli-dist', version: '4.18.1', binary: 'bin/yarn.js' };
const node = process.execPath;

/** By column: the version, the files of a project, how it is installed, and how its programs start. */
const MANAGERS = {
  npm: async () => ({
    version: (await run('npm', ['--version'])).trim(),
    install: ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund'],
    start: [node],
  }),
  pnpm: async () => ({
    version: PNPM.version,
    install: [node, await fromRegistry('pnpm', PNPM), 'install', '--ignore-scripts', '--no-frozen-lockfile'],
    start: [node],
  }),
  'Yarn, Plug’n’Play': async () => {
    const yarn = await fromRegistry('Yarn', YARN);
    return {
      version: YARN.version,
      files: { '.yarnrc.yml': yarnrc, 'yarn.lock': () => '' },
      install: [node, yarn, 'install', '--mode=skip-build'],
      start: [node, yarn, 'node'],
    };
  },
  Bun: async () => {
    const bun = await installed('Bun');
    return { version: RUNTIMES.Bun.version, install: [bun, 'install', '--ignore-scripts'], start: [bun] };
  },
  Deno: async () => {
    const deno = await installed('Deno');
    return { version: RUNTIMES.Deno.version, install: [deno, 'install'], start: [deno, 'run', '-A', '--quiet'] };
  },
};

const yarnrc = (registry) => `nodeLinker: pnp
npmRegistryServer: "${registry}"
unsafeHttpWhitelist: ["*"]
enableTelemetry: false
enableImmutableInstalls: false
enableGlobalCache: false
npmMinimalAgeGate: 0
`;

const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
const names = positionals.length > 0 ? positionals : Object.keys(MANAGERS);
const home = mkdtempSync(join(tmpdir(), 'funnelvec-managers-'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const columns = {};
let failed = false;
let registry;
try {
  const { main, platforms } = await packRelease({ out: join(home, 'archives'), own: true });
  const upstream = (await run('npm', ['config', 'get', 'registry'])).trim();
  const given = [version, '--upstream', upstream, main, ...Object.values(platforms)];
  registry = spawn(node, [join(root, 'test/package/registry.mjs'), ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(registry.stdout, 'data');
  for (const name of names) {
    log(`${name} ...`);
    columns[name] = await probed(name, `http://127.0.0.1:${String(port).trim()}/`);
  }
} finally {
  registry?.kill();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}

/** The checks that a manager's project passes, or why it does not. */
async function probed(name, registry) {
  const manager = await MANAGERS[name]();
  const folder = join(home, name.replaceAll(/\W/g, ''));
  const manifest = { name: 'managed', private: true, type: 'module', dependencies: { funnelvec: version } };
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, '.npmrc'), `registry=${registry}\n`);
  for (const [file, text] of Object.entries(manager.files ?? {})) writeFileSync(join(folder, file), text(registry));
  for (const file of ['probe.mjs', 'probe.cjs']) cpSync(join(here, file), join(folder, file));
  // Nothing of this machine's settings, nor what its caches hold.
  const own = Object.entries(process.env).filter(
    ([key]) => !/^(npm_|NODE_(?!EXTRA_CA)|FUNNELVEC_|INIT_CWD$)/i.test(key),
  );
  const cache = join(home, 'caches');
  const env = {
    ...Object.fromEntries(own),
    ...{ HOME: join(home, 'home'), XDG_CACHE_HOME: cache, DENO_DIR: join(cache, 'deno') },
    ...{
      BUN_INSTALL_CACHE_DIR: join(cache, 'bun'),
      DENO_NO_UPDATE_CHECK: '1',
      CI: 'true',
      npm_config_registry: registry,
    },
  };
  const call = ([command, ...args], ...more) => ran(command, [...args, ...more], { cwd: folder, env });
  const checks = {};
  const check = async (what, does) => {
    checks[what] = await does().then(
      () => true,
      (error) => error.message,
    );
  };
  let told = {};
  await check('installs without scripts', () => call(manager.install));
  await check('import and require, on the native kernels', async () => {
    told = JSON.parse((await call(manager.start, 'probe.mjs')).split('\n').at(-2));
    if (!/^(avx|neon|scalar)/.test(told.active)) throw new Error(`on ${told.active}`);
    if (told.required !== told.active) throw new Error(`require is on ${told.required}`);
  });
  await check('WebAssembly in a thread, the same bits', async () => {
    if (JSON.stringify(told.wasm) !== JSON.stringify(told.native)) throw new Error(JSON.stringify(told));
    const counts = manager.start[0] === node; // the others do not tell of threads
    if (counts && told.ofWasm !== 1) throw new Error(`${told.ofWasm} threads of WebAssembly`);
  });
  await check('an index in memory, with threads', async () => {
    if (told.index?.length !== 3) throw new Error(JSON.stringify(told));
    const counts = manager.start[0] === node;
    if (counts && told.ofIndex === 0) throw new Error('no thread was started');
  });
  await check('the command', async () => {
    const main = join(folder, 'node_modules', 'funnelvec', 'dist', 'esm', 'cli', 'main.js');
    const command = existsSync(main) ? [...manager.start, main] : [...manager.start.slice(0, -1), 'funnelvec'];
    const { nativeBinary, failures } = JSON.parse(await call(command, 'doctor', '--json'));
    if (nativeBinary === undefined) throw new Error(JSON.stringify(failures));
    await call(command, 'search', '--help'); // by commander, which came along
  });
  for (const [what, found] of Object.entries(checks)) {
    if (found === true) continue;
    log(`${name}: ${what}: ${found}`);
    failed = true;
  }
  return {
    title: `${name.replace(',', ` ${manager.version},`)}${name.includes(',') ? '' : ` ${manager.version}`}`,
    checks,
  };
}

async function ran(command, args, options) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, all] = [[], []];
  child.stdout.on('data', (chunk) => out.push(chunk) && all.push(chunk));
  child.stderr.on('data', (chunk) => all.push(chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), 300_000);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  if (code === 0) return Buffer.concat(out).toString();
  throw new Error(
    `${[command, ...args].join(' ')} ended with ${signal ?? code}:\n${Buffer.concat(all).toString().slice(-3000)}`,
  );
}

const rows = Object.keys(Object.values(columns)[0].checks);
const lines = [
  ['', ...Object.values(columns).map(({ title }) => title)],
  names.map(() => '---').concat('---'),
  ...rows.map((row) => [row, ...Object.values(columns).map(({ checks }) => (checks[row] === true ? 'yes' : 'no'))]),
];
const table = lines
  .map((cells) => `| ${cells.join(' | ')} |`)
  .join('\n')
  .replaceAll('|  |', '| |');
console.log(table);
if (positionals.length === 0) {
  const file = join(root, 'docs', 'runtimes.md');
  const page = readFileSync(file, 'utf8');
  const now = page.replace(
    /(<!-- managers -->\n)[\s\S]*?(<!-- \/managers -->)/,
    (_, from, to) => `${from}${table}\n${to}`,
  );
  if (values.write) writeFileSync(file, now);
  else if (now !== page) {
    log('docs/runtimes.md has another table: npm run managers -- --write');
    failed = true;
  }
}
process.exitCode = failed ? 1 : 0;
