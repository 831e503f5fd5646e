// The bundlers of test/bundlers/package.json, installed into .cache on first use.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, step } from './steps.mjs';

/** The folder that they are installed in. */
export async function ensureBundlers() {
  const folder = join(root, '.cache', 'bundlers');
  const inputs = ['test/bundlers/package.json', 'test/bundlers/package-lock.json'];
  await step('Installing the bundlers', { inputs, outputs: ['.cache/bundlers/node_modules'] }, async () => {
    mkdirSync(folder, { recursive: true });
    for (const input of inputs) copyFileSync(join(root, input), join(folder, input.slice('test/bundlers/'.length)));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  });
  return folder;
}
