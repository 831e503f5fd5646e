/** funnelvec backup, verify, compact and stats. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { done, fails } from './command.js';
import { contentsOf, films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();

const ingested = (rows: string, to: string) =>
  done(['ingest', rows, '--text', 'text', '--model', 'fake', '--id', 'id', '--to', to, '--json']);

it('an index is copied, verified, compacted and described, beside its writer', async () => {
  const store = path('films');
  await ingested(write('f.jsonl', jsonl(films(300))), store);
  const answer = async (at: string) => (await done(['search', '--store', at, 'a film', '--json'])).json;
  const writer = await FunnelIndex.open(store);
  const { stdout } = await done(['backup', store, path('copy')]);
  assert.match(stdout, /copy has 300 rows, /);
  const { json } = await done(['backup', store, path('other'), '--json']);
  assert.equal(json.rows, 300);
  await fails(1, /it has an index/, ['backup', store, path('copy')]);
  assert.match((await done(['verify', store])).stdout, /300 rows, .*: all as they were written/);
  assert.deepEqual((await done(['verify', path('copy'), '--json'])).json.problems, []);
  assert.deepEqual(await contentsOf(path('copy')), await contentsOf(store));
  // The command's notes come along: which model, and which rows of which file.
  assert.deepEqual((await answer(path('copy'))).hits, (await answer(store)).hits);
  const again = await ingested(path('f.jsonl'), path('copy'));
  assert.deepEqual(readFileSync(join(path('copy'), 'funnelvec.json')), readFileSync(join(store, 'funnelvec.json')));
  assert.equal(again.json.written, 0, JSON.stringify(again.json));
  assert.deepEqual((await done(['stats', store, '--json'])).json.count, 300);
  assert.match((await done(['stats', store])).stdout, /^count: 300\n/);
  await fails(1, /INDEX_LOCKED|another|writer|this very process/i, ['compact', store]);
  await writer.close();

  const copy = await FunnelIndex.open(path('copy'), { autoOptimize: false });
  await copy.delete({ filter: { must: { key: 'year', range: { gt: 0 } } } });
  await copy.upsert([{ id: 1, vector: new Float32Array(copy.dim).fill(1) }]);
  await copy.close();
  const { before, after } = (await done(['compact', path('copy'), '--json'])).json;
  assert.ok(
    before.dead.rows >= 300 && after.dead.rows === 0 && after.files.rows < before.files.rows,
    JSON.stringify(after),
  );
  assert.match((await done(['compact', path('copy')])).stdout, /1 rows, .* before\)/);
});

it('verify says what is broken, with exit code 1', async () => {
  const store = path('broken');
  await ingested(write('g.jsonl', jsonl(films(50))), store);
  const name = readdirSync(store).find((one) => one.startsWith('rows-'))!;
  const content = readFileSync(join(store, name));
  content[4096 + 20]! ^= 1;
  writeFileSync(join(store, name), content);
  await fails(1, new RegExp(`^${name}: .*checksum \\(row 0\\)`), ['verify', store]);
  const { code, json } = await fails(1, /checksum/, ['verify', store, '--json']);
  assert.deepEqual([code, json.problems.map(({ file }: { file: string }) => file)], [1, [name]]);
  await fails(1, /checksum/, ['backup', store, path('none')]);
  await fails(1, /Expected an index at /, ['verify', path('nowhere')]);
  await fails(2, /missing required argument/, ['backup', store]);
});
