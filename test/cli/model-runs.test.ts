/** How a model is run is kept in the store by ingest, and taken up by search and by later runs of ingest. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { Embedder } from 'funnelvec/embed';
import type { LoadEmbedder, ModelChoice } from '#dist/cli/model.js';
import { staticFolder } from '../embed/tiny.js';
import { done, fails } from './command.js';
import { fakeLoader } from './fake-embedder.js';
import { films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const [first, second] = [write('first.jsonl', jsonl(films(30))), write('second.jsonl', jsonl(films(20, 30)))];

it('--batch-size and --output of ingest hold for the store from then on', async () => {
  const specs: ModelChoice[] = [];
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

it('a store of a folder with truncate_dim, and of one whose texts were stripped, is searched and filled by the same command', async () => {
  const made = staticFolder().write({ 'config_sentence_transformers.json': { prompts: {}, truncate_dim: 4 } });
  const load: LoadEmbedder = (spec) => Embedder.load(spec);
  try {
    const store = path('cut');
    const into = (file: string) => ['ingest', file, '--text', 'text', '--model', made.path, '--to', store];
    await done([...into(first), '--strip'], { load });
    const state = JSON.parse(readFileSync(path('cut/funnelvec.json'), 'utf8'));
    assert.equal(state.dim, 4);
    assert.match(state.embedder.name, /strip, cut last\)$/);
    await done(['search', 'one two', '--store', store, '--limit', '1'], { load });
    await done(['search', 'one two', '--store', store, '--limit', '1', '--model', made.path], { load });
    await done(into(second), { load }); // strip is kept
    // Versions up to 0.1.0 did not cut there: what makes their vectors is said.
    const whole = await Embedder.load({ path: made.path, dim: 8 });
    await whole.close();
    const now = JSON.parse(readFileSync(path('cut/funnelvec.json'), 'utf8'));
    const embedder = { ...now.embedder, name: whole.formerName, spec: { path: made.path } };
    writeFileSync(path('cut/funnelvec.json'), JSON.stringify({ ...now, dim: 8, embedder }));
    const remedy =
      /up to 0\.1\.0 the truncate_dim of a folder was not read: --model … --dim 8 makes vectors as that store/;
    await fails(1, remedy, ['search', 'one two', '--store', store], { load });
    await fails(1, remedy, into(second), { load });
  } finally {
    made.remove();
  }
});
