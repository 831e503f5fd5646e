/** How a model is run is kept in the store by ingest, and taken up by search and by later runs of ingest. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import type { LoadEmbedder, ModelSpec } from '#dist/cli/model.js';
import { done, fails } from './command.js';
import { fakeLoader } from './fake-embedder.js';
import { films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const [first, second] = [write('first.jsonl', jsonl(films(30))), write('second.jsonl', jsonl(films(20, 30)))];

it('--batch-size and --output of ingest hold for the store from then on', async () => {
  const specs: ModelSpec[] = [];
  const fake = fakeLoader();
  const load: LoadEmbedder = (spec) => {
    specs.push(spec);
    return fake(spec);
  };
  const into = (file: string) => ['ingest', file, '--text', 'text', '--model', 'fake', '--to', path('store')];
  const search = ['search', 'a film', '--store', path('store'), '--limit', '1'];
  await done([...into(first), '--batch-size', '1', '--output', 'own'], { load });
  const state = JSON.parse(readFileSync(path('store/funnelvec.json'), 'utf8'));
  assert.deepEqual(state.embedder.spec, { preset: 'fake', output: 'own', batchSize: 1 });
  await done(into(second), { load });
  await done(search, { load });
  await done([...search, '--model', 'fake'], { load });
  assert.equal(specs.length, 4);
  for (const { output, batchSize } of specs) assert.deepEqual([output, batchSize], ['own', 1]);
  const other = [...into(second), '--batch-size', '8'];
  await fails(1, /Expected --batch-size 1, as .*store was made with, but received 8/, other, { load });
  await done([...other, '--restart'], { load });
  await fails(2, /--model beside --batch-size/, [...search, '--batch-size', '1']);
  await fails(2, /--model beside --output/, [...search, '--output', 'x']);
  await fails(2, /--batch-size/, [...into(first), '--batch-size', '0']);
});
