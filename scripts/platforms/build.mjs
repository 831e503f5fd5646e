// Cross-builds the addon for every platform, on any machine with Python:
//   npm run build:platforms                           all of them into prebuilds/<platform>, with prebuilds/manifest.json
//   npm run build:platforms -- --only linux-x64,win32-x64
//   npm run build:platforms -- --twice                each once more elsewhere, without zig's caches: the bytes have to be equal
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { dependencies } from '../setup/build.mjs';
import { step } from '../setup/steps.mjs';
import { addonOf } from './gyp.mjs';
import { facts, refusals } from './inspect.mjs';
import { BINARY, OWN_BUILDS, PLATFORMS } from './platforms.mjs';
import { ensureTools, home, log, root, run, TOOLS, versionOfPackage } from './tools.mjs';

const MANIFEST = 'prebuilds/manifest.json';

/** @param only names of platforms */
export async function buildPlatforms({ only = Object.keys(PLATFORMS), twice = false } = {}) {
  await dependencies(); // headers of node-addon-api
  const tools = await ensureTools();
  const built = {};
  for (const name of only) {
    const start = performance.now();
    const cache = join(root, home, 'zig-cache');
    const file = join(root, 'prebuilds', name, BINARY);
    const bytes = await compile(name, { ...tools, cache, folder: join(root, home, 'build', name) });
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, bytes);
    const sha256 = hashOf(bytes);
    const found = await facts(file, tools);
    const refused = refusals(name, found);
    if (refused.length > 0) throw new Error(`${name}: ${refused.join('; ')}`);
    built[name] = { bytes: bytes.length, sha256, ...found };
    if (twice) {
      const elsewhere = join(tmpdir(), `funnelvec-again-${process.pid}`);
      const again = await compile(name, {
        ...tools,
        cache: join(elsewhere, 'cache'),
        folder: join(elsewhere, 'b', name),
      });
      rmSync(elsewhere, { recursive: true, force: true });
      if (hashOf(again) !== sha256)
        throw new Error(`${name}: the second build has the hash ${hashOf(again)}, not ${sha256}`);
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    log(`${name.padEnd(17)} ${bytes.length} bytes  ${sha256.slice(0, 16)}${twice ? ' (twice)' : ''}  ${seconds} s`);
  }
  return write(built);
}

/** The file of a binary for a processor that has no package, which nothing publishes. */
export async function buildOwn(name) {
  const folder = `${home}/own/${name}`;
  const inputs = ['cpp', 'binding.gyp', ...['build', 'gyp', 'platforms'].map((one) => `scripts/platforms/${one}.mjs`)];
  await step(`Cross-building for ${name}`, { inputs, values: [TOOLS], outputs: [`${folder}/${BINARY}`] }, async () => {
    const tools = await ensureTools();
    await compile(name, { ...tools, cache: join(root, home, 'zig-cache'), folder: join(root, folder) });
  });
  return join(root, folder, BINARY);
}

/** Platforms that were not built now keep their lines. */
function write(built) {
  const path = join(root, MANIFEST);
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).platforms : {};
  const all = { ...before, ...built };
  const platforms = Object.fromEntries(
    Object.keys(PLATFORMS).flatMap((name) => (all[name] ? [[name, all[name]]] : [])),
  );
  const manifest = { funnelvec: versionOfPackage(), tools: TOOLS, platforms };
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The bytes of a platform's binary, made in `folder`. */
async function compile(name, { zig, includes, cache, folder }) {
  const platform = PLATFORMS[name] ?? OWN_BUILDS[name];
  const { os, cpu, target } = platform;
  const { sources, ldflags } = addonOf(platform);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const env = { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: join(folder, 'zig'), SOURCE_DATE_EPOCH: '0' };
  // Commands run in the root and name sources from there, so that no object knows where the root is.
  const zigc = (args) => run(zig, ['c++', '-target', target, '-g0', ...args], { env });
  const common = [
    '-DNDEBUG',
    // Node-API's functions are called through pointers: windows-host.cc has them.
    os === 'win32' ? '-DNAPI_EXTERN=__declspec(dllimport)' : '-fPIC',
    '-fno-sanitize=all', // zig's own default watches for undefined behaviour
    `-ffile-prefix-map=${root}=.`,
    ...includes.flatMap((include) => ['-isystem', include]),
  ];
  const objects = sources.map(({ file }) => join(folder, `${file.replaceAll('/', '_')}.o`));
  const jobs = sources.map(({ file, flags }, i) => () => {
    const own = [...flags.filter((flag) => !/^-Wno-maybe/.test(flag)), ...extensionsOf(file, cpu)];
    return zigc([...own, ...common, '-c', file, '-o', objects[i]]);
  });
  await inTurns(jobs, Math.min(4, availableParallelism()));
  if (os === 'win32')
    objects.push(await hostFunctions(objects, folder, (args) => zigc([...common, '-std=c++17', '-O2', ...args])));
  const out = join(folder, BINARY);
  await zigc(['-shared', '-O3', '-s', ...objects, ...linkFlags(os, ldflags, folder), '-o', out]);
  return readFileSync(out);
}

/**
 * Instructions that an instruction set implies for gcc, and that zig wants named: its processor is the plain one of the
 * architecture, whatever a function's own attribute says.
 */
function extensionsOf(file, cpu) {
  if (cpu !== 'x64') return [];
  if (file === 'cpp/crc32c.cc') return ['-mcrc32']; // the code asks the processor before it uses them
  return /^cpp\/isa\/avx/.test(file) ? ['-mpopcnt'] : [];
}

function linkFlags(os, ldflags, folder) {
  if (os === 'darwin') return ['-Wl,-undefined,dynamic_lookup', `-Wl,-install_name,@rpath/${BINARY}`];
  if (os === 'win32') return [];
  // Nothing else is seen from outside: the C++ library within must not meet that of Node.js.
  const script = join(folder, 'exports.map');
  writeFileSync(script, '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n');
  const kept = ldflags.filter((flag) => /nodelete|-pthread/.test(flag));
  return [...kept, '-Wl,--build-id=none', `-Wl,--version-script=${script}`];
}

/** windows-host.cc, compiled for the functions of Node-API that these objects call. */
async function hostFunctions(objects, folder, zigc) {
  const names = new Set();
  for (const object of objects) {
    const text = readFileSync(object, 'latin1');
    for (const [, name] of text.matchAll(/__imp_((?:napi|node_api)_\w+)/g)) names.add(name);
  }
  const functions = [...names].sort().map((name) => `F(${name})`);
  writeFileSync(join(folder, 'host-functions.h'), `#define FUNNELVEC_HOST_FUNCTIONS(F) ${functions.join(' ')}\n`);
  const object = join(folder, 'windows-host.o');
  await zigc([`-I${folder}`, '-c', 'scripts/platforms/windows-host.cc', '-o', object]);
  return object;
}

async function inTurns(jobs, width) {
  const left = [...jobs];
  const worker = async () => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) await job();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { only: { type: 'string' }, twice: { type: 'boolean', default: false } } });
  const only = values.only?.split(',');
  const unknown = only?.find((name) => !(name in PLATFORMS));
  if (unknown !== undefined) {
    log(`Expected names of ${Object.keys(PLATFORMS).join(', ')} for --only but received ${unknown}`);
    process.exitCode = 2;
  } else {
    try {
      await buildPlatforms({ only, twice: values.twice });
    } catch (error) {
      log(error.message);
      process.exitCode = 1;
    }
  }
}
