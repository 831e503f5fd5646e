// Packages that few tests need, installed into .cache on first use: the bundlers of test/bundlers, the runtime of test/workerd,
// the Mastra of test/mastra.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { alone } from './lock.mjs';
import { root, run, step } from './steps.mjs';

/** The folder that the bundlers are installed in. */
export function ensureBundlers() {
  return ensure('bundlers', 'Installing the bundlers');
}

/** The folder that workerd is installed in. */
export function ensureWorkerd() {
  return ensure('workerd', 'Installing workerd');
}

/** The folder that Mastra is installed in. */
export function ensureMastra() {
  return ensure('mastra', 'Installing Mastra');
}

async function ensure(name, title) {
  const folder = join(root, '.cache', name);
  const inputs = ['package.json', 'package-lock.json'].map((file) => `test/${name}/${file}`);
  await alone(`${folder}.lock`, () => install(name, title, folder, inputs));
  return folder;
}

function install(name, title, folder, inputs) {
  return step(title, { inputs, outputs: [`.cache/${name}/node_modules`] }, async () => {
    mkdirSync(folder, { recursive: true });
    for (const input of inputs) copyFileSync(join(root, input), join(folder, input.slice(`test/${name}/`.length)));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  });
}
