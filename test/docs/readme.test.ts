import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { it } from 'node:test';

const readme = readFileSync(resolve('README.md'), 'utf8');

it('the README’s first example prints what the README says', () => {
  const [, code, output] = /```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/.exec(readme)!;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', code!], { encoding: 'utf8' });
  assert.equal(child.stderr, '');
  assert.equal(child.stdout, output);
});

it('the README’s links lead somewhere', () => {
  for (const [, target] of readme.matchAll(/\]\(([^)#]+)\)/g)) {
    if (!target!.startsWith('http')) readFileSync(resolve(target!));
  }
});
