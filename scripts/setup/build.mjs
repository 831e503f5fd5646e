// Builds the package: dependencies, native binary, WASM module, TypeScript for import and for require.
import { chmodSync, copyFileSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nameHosts } from './hosts.mjs';
import { log, root, run, step, works } from './steps.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);
const binary = 'build/Release/funnelvec.node';

export async function build() {
  await dependencies();
  const [nativeMissing] = await allEnded([native(), wasm().then(typescript)]);
  return { nativeMissing };
}

/** As Promise.all(), but nothing goes on when it throws. */
async function allEnded(promises) {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

export async function dependencies() {
  await step('Installing development dependencies', { inputs: ['package-lock.json'], outputs: ['node_modules'] }, () =>
    // None of them needs its install script, and some would download.
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { env: { ONNXRUNTIME_NODE_INSTALL: 'skip' } }),
  );
}

/** Returns why there is no native binary, or undefined. */
async function native() {
  const missing = compilerMissing() ?? (await compile());
  if (missing === undefined || existsSync(join(root, binary))) return undefined;
  if (process.env.CI === 'true') throw new Error(`CI needs the native kernels, but ${missing}`);
  log(`${missing}: going on with WASM kernels (install a C++17 compiler, make and Python for the native ones)`);
  return missing;
}

/** Returns why it failed, or undefined. */
async function compile() {
  const inputs = ['cpp', 'binding.gyp', 'node_modules/node-addon-api/package.json'];
  try {
    await step('Compiling the native kernels', { inputs, values: [process.version], outputs: [binary] }, () => {
      rmSync(join(root, binary), { force: true }); // what does not compile must not run either
      return run(bin('node-gyp'), ['configure', 'build', '--jobs', 'max', ...headers()]);
    });
    return undefined;
  } catch (error) {
    log(error.message);
    return 'the native kernels do not compile here';
  }
}

/** The headers beside this Node.js, where it has them: node-gyp would download some. */
function headers() {
  const prefix = join(dirname(process.execPath), '..');
  const found = process.platform !== 'win32' && existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  return found ? [`--nodedir=${prefix}`] : [];
}

function compilerMissing() {
  if (process.platform === 'win32') return undefined; // node-gyp finds Visual Studio by itself
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  if (!compilers.some((compiler) => works(compiler))) return `no C++ compiler runs (tried ${compilers.join(', ')})`;
  if (!works('make')) return 'make does not run';
  if (!works('python3') && !works('python')) return 'node-gyp needs Python, and neither python3 nor python runs';
  return undefined;
}

async function wasm() {
  const { buildWasm } = await import('./build-wasm.mjs'); // needs the dependencies
  await buildWasm({ log });
}

async function typescript() {
  const inputs = ['src', 'tsconfig.json', 'package.json'];
  const outputs = ['dist/esm/index.js', 'dist/cjs/index.js', 'dist/cjs/package.json'];
  await step('Compiling TypeScript', { inputs, outputs }, async () => {
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    // Comments are for the types, which editors show; in the JavaScript they would make a tenth of the package.
    for (const project of ['.', 'src/tsconfig.cjs.json']) {
      await run(bin('tsc'), ['-p', project, '--emitDeclarationOnly']); // checks the types of both
      await run(bin('tsc'), ['-p', project, '--removeComments', '--declaration', 'false', '--noCheck']);
    }
    for (const name of ['kernels', 'codes'])
      copyFileSync(join(root, `src/kernels/${name}.wasm`), join(root, `dist/esm/kernels/${name}.wasm`));
    nameHosts(join(root, 'dist/esm'));
    for (const name of ['here', 'traced'])
      for (const end of ['js', 'd.ts'])
        renameSync(join(root, `dist/cjs/core/${name}-cjs.${end}`), join(root, `dist/cjs/core/${name}.${end}`));
    writeFileSync(join(root, 'dist/cjs/package.json'), '{ "type": "commonjs" }\n');
    chmodSync(join(root, 'dist/esm/cli/main.js'), 0o755);
  });
}

export async function tests() {
  const types = ['scripts/data', 'scripts/models', 'scripts/setup/bundlers.d.mts']; // of scripts that tests load
  const inputs = ['src', 'test', ...types, 'tsconfig.json', 'package.json'];
  await step('Compiling the tests', { inputs, outputs: ['build/test'] }, async () => {
    rmSync(join(root, 'build/test'), { recursive: true, force: true });
    await run(bin('tsc'), ['-p', 'test/tsconfig.json']);
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await build();
}
