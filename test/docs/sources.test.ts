/** The source of one's own in docs/sources.md prints what the page says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FEATURES } from 'funnelvec/source/conformance';

const path = pathToFileURL(resolve('test/docs/examples.mjs')).href;
const { examplesIn, run } = (await import(path)) as typeof import('./examples.mjs');

it('the source of one’s own prints what docs/sources.md says', () => {
  const examples = examplesIn(readFileSync(resolve('docs/sources.md'), 'utf8'));
  assert.equal(examples.length, 1);
  const [[, code, output]] = examples as [[string, string, string]];
  const { stdout, stderr } = run(code);
  assert.equal(stderr, '');
  assert.equal(stdout, output);
});

it('docs/sources.md shows every refusal of a plain source', () => {
  const [page, example] = ['docs/sources.md', 'examples/array-source.test.mjs'].map((file) =>
    readFileSync(file, 'utf8'),
  );
  const refused = (text: string) =>
    FEATURES.filter((name) => text.includes(`'${name}': `) || text.includes(`"${name}": `));
  assert.ok(refused(example!).length > 10);
  assert.deepEqual(refused(page!), refused(example!));
});
