// The examples of a document: blocks of JavaScript, each followed by what it prints.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The blocks that have an output, as matches of code and output. */
export function examplesIn(text) {
  return [...text.matchAll(/```js\n((?:(?!```)[\s\S])*)```\n\n```text\n([\s\S]*?)```/g)];
}

/**
 * Returns what the code prints. It runs in a project of its own, since examples write where they are.
 *
 * @param packages of the repository that the code imports besides, by name or scope
 * @param files beside it, by name
 */
export function run(code, { packages = [], files = {} } = {}) {
  const project = mkdtempSync(join(tmpdir(), 'funnelvec-docs-'));
  try {
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(resolve(), join(project, 'node_modules', 'funnelvec'), 'junction');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
    for (const name of packages)
      symlinkSync(resolve('node_modules', name), join(project, 'node_modules', name), 'junction');
    const args = ['--input-type=module', '-e', code];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
    return { stdout, stderr };
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}
