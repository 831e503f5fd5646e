// The archives of a release with this machine's binary, packed once for all tests that install them.
//   node scripts/setup/archives.mjs folder     copies them there, and prints their paths, the main one first
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packRelease } from '../platforms/pack.mjs';
import { alone } from './lock.mjs';
import { root, step } from './steps.mjs';

const FOLDER = '.cache/archives';
const INPUTS = [
  ...['dist', 'docs', 'README.md', 'CHANGELOG.md', 'LICENSE', 'package.json', 'package-lock.json'],
  ...['scripts/platforms', 'build/Release/funnelvec.node'],
];

/** As packRelease({ out, own: true }): those of platforms by their names. */
export async function packOnce(out) {
  const folder = join(root, FOLDER);
  await alone(`${folder}.lock`, () =>
    step('Packing the archives', { inputs: INPUTS, outputs: [FOLDER] }, async () => {
      rmSync(folder, { recursive: true, force: true });
      await packRelease({ out: folder, own: true });
    }),
  );
  mkdirSync(out, { recursive: true });
  const archives = { main: '', platforms: {} };
  for (const name of readdirSync(folder)) {
    const file = join(out, name);
    copyFileSync(join(folder, name), file);
    const platform = /^funnelvec-(.*)-\d+\.\d+\.\d+.*$/.exec(name)?.[1];
    if (platform === undefined) archives.main = file;
    else archives.platforms[platform] = file;
  }
  return archives;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { main, platforms } = await packOnce(process.argv[2]);
  for (const file of [main, ...Object.values(platforms)]) process.stdout.write(`${file}\n`);
}
