import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { it } from 'node:test';

const readme = readFileSync(resolve('README.md'), 'utf8');

const examples = [...readme.matchAll(/```js\n((?:(?!```)[\s\S])*)```\n\n```text\n([\s\S]*?)```/g)];

it('the README has examples that can be run', () => {
  assert.equal(examples.length, 2);
});

for (const [i, [, code, output]] of examples.entries()) {
  it(`the README’s example ${i + 1} prints what the README says`, (t) => {
    // A project of its own: examples write where they are.
    const project = mkdtempSync(join(tmpdir(), 'funnelvec-readme-'));
    t.after(() => rmSync(project, { recursive: true, force: true }));
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(resolve(), join(project, 'node_modules', 'funnelvec'), 'junction');
    const args = ['--input-type=module', '-e', code!];
    const child = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
    assert.equal(child.stderr, '');
    assert.equal(child.stdout, output);
  });
}

it('the README’s links lead somewhere', () => {
  for (const [, target] of readme.matchAll(/\]\(([^)#]+)\)/g)) {
    if (!target!.startsWith('http')) readFileSync(resolve(target!));
  }
});
