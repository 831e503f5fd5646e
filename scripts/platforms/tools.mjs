// Installs what cross-builds need, by version, in .cache/platforms: zig (a C++ compiler for every platform, with their system libraries),
// LIEF (reads binaries of every platform), and the headers of Node-API.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { log, root, run, step, works } from '../setup/steps.mjs';

export const home = '.cache/platforms';
const PYTHON_PACKAGES = ['ziglang==0.17.1', 'lief==1.0.0'];
const HEADERS = 'node-api-headers@1.9.0';
const HEADERS_INTEGRITY =
  'sha512-2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==';

/** Version of what makes the bytes. */
export const TOOLS = { python: PYTHON_PACKAGES, headers: HEADERS };

/**
 * @returns {Promise<{ zig: string, python: string, packages: string, includes: string[] }>} `packages`: a folder for PYTHONPATH
 */
export async function ensureTools() {
  const python = [process.env.PYTHON, 'python3', 'python'].find((one) => one && works(one));
  if (python === undefined) throw new Error('Python is needed to install zig, and neither python3 nor python runs');
  const packages = join(root, home, 'python');
  const zig = join(packages, 'ziglang', process.platform === 'win32' ? 'zig.exe' : 'zig');
  const outputs = [`${home}/python/ziglang`, `${home}/python/lief`];
  await step('Installing the cross-compiler', { values: PYTHON_PACKAGES, outputs }, async () => {
    rmSync(packages, { recursive: true, force: true });
    const options = ['--disable-pip-version-check', '--no-input', '--no-deps', '--only-binary=:all:'];
    await run(python, ['-m', 'pip', 'install', ...options, '--target', packages, ...PYTHON_PACKAGES]);
  });
  await fetchPackage('node-api-headers', HEADERS, HEADERS_INTEGRITY);
  const addonApi = createRequire(join(root, 'package.json')).resolve('node-addon-api/package.json');
  return {
    zig,
    python,
    packages,
    includes: [join(root, home, 'node-api-headers', 'include'), join(addonApi, '..')],
  };
}

/** Unpacks one package of npm, without what it depends on, into .cache/platforms/<name>; its folder. */
export async function fetchPackage(name, spec, integrity) {
  const folder = join(root, home, name);
  await step(`Fetching ${spec}`, { values: [integrity], outputs: [`${home}/${name}/package.json`] }, async () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const packed = JSON.parse(
      await run('npm', ['pack', spec, '--json', '--loglevel=error', '--pack-destination', folder]),
    );
    const [{ filename, integrity: found }] = Object.values(packed);
    if (found !== integrity) throw new Error(`${spec} has integrity ${found}, not ${integrity}`);
    await run('tar', ['-xzf', join(folder, filename), '-C', folder, '--strip-components=1']);
    rmSync(join(folder, filename));
  });
  return folder;
}

export function versionOfPackage() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}

export { log, root, run };
