import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';

const path = pathToFileURL(resolve('test/docs/examples.mjs')).href;
const { examplesIn, run } = (await import(path)) as typeof import('./examples.mjs');

const readme = readFileSync(resolve('README.md'), 'utf8');

const examples = examplesIn(readme);

it('the README has examples that can be run', () => {
  assert.equal(examples.length, 2);
});

for (const [i, [, code, output]] of examples.entries()) {
  it(`the README’s example ${i + 1} prints what the README says`, () => {
    const { stdout, stderr } = run(code!);
    assert.equal(stderr, '');
    assert.equal(stdout, output);
  });
}

it('the links of README and FEATURES lead somewhere', () => {
  for (const document of [readme, readFileSync(resolve('FEATURES.md'), 'utf8')]) {
    for (const [, target] of document.matchAll(/\]\(([^)#]+)\)/g)) {
      if (!target!.startsWith('http')) readFileSync(resolve(target!));
    }
  }
});
