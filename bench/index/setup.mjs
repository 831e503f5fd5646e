// Puts the peers of the index benchmark in place: npm ones by bench/index/package.json, Python's in .cache/index-venv.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { log, root, run, step } from '../../scripts/setup/steps.mjs';
import { installPython } from '../setup.mjs';

const manifest = ['bench/index/package.json', 'bench/index/package-lock.json', 'bench/index/.npmrc'];
const hnswlib = 'bench/index/node_modules/hnswlib-node';

/** @returns the Python with its peers, and why a peer is missing, by its package */
export async function setupIndex() {
  await step('Installing the peers of the index', { inputs: manifest, outputs: [hnswlib] }, () =>
    // Not `npm ci`: it wants the binaries of every platform in the lock file, and the registry may lack some.
    run('npm', ['install', '--no-save'], { cwd: join(root, 'bench', 'index') }),
  );
  const missing = {};
  try {
    await compileHnswlib();
  } catch (error) {
    log(error.message);
    missing.hnswlib = 'does not compile here, and has no binaries on the registry';
  }
  const python = await installPython(
    'Installing the Python peers of the index',
    'index-venv',
    'bench/index/requirements.txt',
  );
  return { python, missing };
}

/** It has no binaries on the registry: npm would compile it with the same command. */
function compileHnswlib() {
  const outputs = [`${hnswlib}/build/Release/addon.node`];
  return step('Compiling hnswlib-node', { inputs: manifest, values: [process.version], outputs }, () =>
    run(join(root, 'node_modules', '.bin', 'node-gyp'), ['rebuild', ...headers()], { cwd: join(root, hnswlib) }),
  );
}

/** The headers beside this Node.js, where it has them: node-gyp would download some. */
function headers() {
  const prefix = join(dirname(process.execPath), '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}
