// Makes the archives that a release publishes: one for each platform that has a binary in prebuilds, and the main package, which
// names them as optional dependencies, of its own version.
//   node scripts/platforms/pack.mjs --out folder           what `npm run build:platforms` built
//   node scripts/platforms/pack.mjs --out folder --own     the binary of build/Release alone: a package for this machine
//   node scripts/platforms/pack.mjs --out folder --host https://host/owner/name     says where the project is hosted
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { filesUnder, log, root, run, works } from '../setup/steps.mjs';
import { archive } from './archive.mjs';
import { shakeDeclarations } from './declarations.mjs';
import { join as joinModules } from './join.mjs';
import { BINARY, hostedAt, manifestOf, PLATFORMS, SCOPE } from './platforms.mjs';
import { KEPT, slim } from './slim.mjs';

/**
 * Packs into `out`, which is made. The repository's package.json names no platform's package: none is published before a
 * release is, and `npm ci` of a clone must not ask for them.
 *
 * @param own the binary of build/Release stands for this machine's platform, and no other has one
 * @param host where the project is hosted, see hostedAt()
 * @returns {Promise<{ main: string, platforms: Record<string, string> }>} paths of the archives
 */
export async function packRelease({ out: folder, own = false, host }) {
  const home = host === undefined ? {} : hostedAt(host);
  const out = resolve(folder); // npm packs in other folders
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'funnelvec-pack-'));
  try {
    const { version } = json(join(root, 'package.json'));
    const platforms = {};
    for (const [name, file] of Object.entries(own ? ownBinary() : builtBinaries())) {
      platforms[name] = await packPlatform({ name, file, version, home, work, out, strip: own });
    }
    return { main: await packMain({ version, home, work, out }), platforms };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function packPlatform({ name, file, version, home, work, out, strip }) {
  const folder = join(work, name);
  mkdirSync(folder);
  const manifest = { ...manifestOf(name, version), ...home };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const text = `# ${manifest.name}\n\n${manifest.description}. Installed with \`funnelvec\`, which loads it.\n`;
  writeFileSync(join(folder, 'README.md'), text);
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(file, join(folder, BINARY));
  if (strip && works('strip')) await run('strip', ['--strip-unneeded', join(folder, BINARY)]);
  return await pack(folder, out);
}

/** As `npm pack` has it, but for what slim.mjs and declarations.mjs do, and for the platforms' packages. */
async function packMain({ version, home, work, out }) {
  await run('tar', ['-xzf', await pack(root, work), '-C', work]);
  const folder = join(work, 'package');
  const path = join(folder, 'package.json');
  const { devDependencies, overrides, scripts, ...own } = json(path);
  const manifest = { ...own, ...home };
  const packages = Object.keys(PLATFORMS).map((name) => [`${SCOPE}/${name}`, version]);
  manifest.optionalDependencies = { ...manifest.optionalDependencies, ...Object.fromEntries(packages) };
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
  await joinModules(folder, KEPT);
  await slim(folder);
  shakeDeclarations(folder);
  const file = join(out, `funnelvec-${version}.tgz`);
  const names = filesUnder(folder, () => true).map((one) => relative(folder, one).replaceAll('\\', '/'));
  writeFileSync(file, await archive(folder, names));
  return file;
}

async function pack(folder, out) {
  const args = ['pack', '--ignore-scripts', '--loglevel=error', '--json', '--pack-destination', out];
  const [{ filename }] = Object.values(JSON.parse(await run('npm', args, { cwd: folder })));
  return join(out, filename);
}

function builtBinaries() {
  const names = Object.keys(PLATFORMS).filter((name) => existsSync(join(root, 'prebuilds', name, BINARY)));
  return Object.fromEntries(names.map((name) => [name, join(root, 'prebuilds', name, BINARY)]));
}

/** Nothing where no compiler was found, or where no package is made for this platform. */
function ownBinary() {
  const file = join(root, 'build', 'Release', BINARY);
  const { platformName } = createRequire(import.meta.url)('../../dist/cjs/kernels/addon.js');
  return existsSync(file) && platformName() in PLATFORMS ? { [platformName()]: file } : {};
}

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Unpacks the archives as an installation has them, below `modules`. */
export async function unpackInto(modules, { main, platforms }) {
  const all = [['funnelvec', main], ...Object.entries(platforms).map(([name, file]) => [`${SCOPE}/${name}`, file])];
  for (const [name, file] of all) {
    mkdirSync(join(modules, name), { recursive: true });
    await run('tar', ['-xzf', file, '-C', join(modules, name), '--strip-components=1']);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, own: { type: 'boolean', default: false }, host: { type: 'string' } },
  });
  if (values.out === undefined) {
    log('Expected --out with a folder for the archives');
    process.exitCode = 2;
  } else {
    const { main, platforms } = await packRelease(values);
    for (const file of [main, ...Object.values(platforms)]) process.stdout.write(`${file}\n`);
  }
}
