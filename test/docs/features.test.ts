import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FEATURES as TESTED } from 'funnelvec/source/conformance';
import { FEATURES, featureTable } from '../sources/feature-table.js';

const from = async <T>(path: string) => (await import(pathToFileURL(resolve(path)).href)) as T;
const { run } = await from<typeof import('./examples.mjs')>('test/docs/examples.mjs');
const { examplesOf, withTable } = await from<typeof import('./features.mjs')>('test/docs/features.mjs');

const text = readFileSync(resolve('docs/requests.md'), 'utf8');

it('the table of docs/requests.md is the one that the conformance suite is held to', () => {
  assert.equal(new Set(FEATURES.map(({ name }) => name)).size, FEATURES.length);
  assert.deepEqual(
    FEATURES.map(({ name }) => name),
    TESTED,
  );
  assert.equal(text, withTable(text, featureTable()), 'run node scripts/docs/write-features.mjs');
});

const examples = examplesOf(text);

it('every section of docs/requests.md but the table’s has an example that can be run', () => {
  assert.equal(examples.length, text.split('\n## ').length - 2);
});

for (const [i, { program, output }] of examples.entries()) {
  it(`example ${i + 1} of docs/requests.md prints what it says`, () => {
    const { stdout, stderr } = run(program);
    assert.equal(stderr, '');
    assert.equal(stdout, output);
  });
}
