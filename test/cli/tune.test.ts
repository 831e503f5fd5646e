/** funnelvec tune, report and bench: what they measure, what they keep, and that searches go by it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';
import { done, fails } from './command.js';
import { DIM, fakeLoader } from './fake-embedder.js';
import { films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const store = path('films');
const at = (...more: string[]) => [...more.slice(0, 1), '--store', store, ...more.slice(1)];
const texts = films(400, 5000).map(({ text }) => text.replace(/ \d+$/, ''));
const queries = write('queries.txt', `\n${texts.join('\r\n')}\n\n`);
const plan = () => JSON.parse(readFileSync(path('films/funnelvec.json'), 'utf8')).plan;

before(async () => {
  const file = write('films.jsonl', jsonl(films(4500)));
  await done(['ingest', file, '--text', 'text', '--id', 'id', '--model', 'fake', '--to', store]);
});

describe('tune', () => {
  const quick = ['--queries', queries, '--recall', '0.9', '--k', '5', '--no-exact'];

  it('keeps the plan that it promises, and searches go by it until they are told not to', async () => {
    const load = fakeLoader();
    const { json } = await done(at('tune', ...quick, '--json'), { load });
    assert.equal(load.open, 0);
    assert.equal(json.refused, undefined);
    assert.equal(json.bound.recall, 0.9);
    assert.ok(json.recall.certifying >= 0.9);
    assert.ok(json.prefix.heads.length > 0);
    assert.deepEqual(plan(), { limit: 5, params: json.request.params });
    assert.equal(Object.keys(json.request.params).length, 1);

    // As if another had been chosen, so that it can be told from the default.
    const file = path('films/funnelvec.json');
    const state = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...state, plan: { limit: 5, params: { candidates: 77 } } }));
    const asked = async (...more: string[]) => (await done(at('search', ...more, 'robot', '--explain', '--json'))).json;
    const tuned = await asked();
    assert.equal(tuned.hits.length, 5);
    assert.deepEqual(tuned.request.params, { candidates: 77 });
    assert.equal(tuned.stages.at(-1).in, 77);
    assert.equal((await asked('--no-tuned')).hits.length, 10);
    assert.equal((await asked('--no-tuned')).request.params, undefined);
    assert.deepEqual((await asked('--candidates', '50')).request.params, { candidates: 50 });
    assert.equal((await asked('--mode', 'exact')).exact, 'certified');
    // It promises nothing of more hits, and might not even find as many.
    writeFileSync(file, JSON.stringify({ ...state, plan: { limit: 5, params: { candidates: 7 } } }));
    assert.deepEqual((await asked('--limit', '3')).request.params, { candidates: 7 });
    const more = await asked('--limit', '8');
    assert.deepEqual([more.hits.length, more.request.params], [8, undefined]);
  });

  it('by a prefix, as a database is searched: the plan has scales, and searches use that prefix', async () => {
    const { json } = await done(at('tune', ...quick, '--head', '8', '--json'));
    assert.equal(plan().head, 8);
    assert.deepEqual(plan().plan, json.request.plan);
    const { json: found } = await done(at('search', 'robot', '--explain', '--json'));
    assert.equal(found.stages[0].name, 'head');
    assert.equal(found.stages[0].in, json.request.plan.candidates);
    assert.equal(found.hits.length, 5);
  });

  it('says so, keeps nothing and exits with 1 where it cannot promise', async () => {
    const before = plan();
    const few = ['--queries', queries, '--sample', '20', '--recall', '0.99', '--no-exact'];
    const { stdout, code } = await fails(1, /more queries like these/, at('tune', ...few));
    assert.equal(code, 1);
    assert.match(stdout, /Nothing was kept/);
    assert.deepEqual(plan(), before);
    const { json } = await fails(1, /refused/, at('tune', ...few, '--json'));
    assert.ok(json.refused.moreQueries > 0);
  });

  it('takes vectors, rows of the store where there are no queries, and does not keep what it is told not to', async () => {
    const before = plan();
    const random = new Random(5);
    const vectors = Array.from({ length: 60 }, () => ({ v: Array.from(random.vector(DIM)) }));
    const file = write('vectors.jsonl', jsonl(vectors));
    const some = ['--recall', '0.6', '--k', '3', '--no-exact', '--no-save'];
    const byVector = await done(at('tune', '--queries', file, '--vector', 'v', ...some, '--json'));
    assert.equal(byVector.json.fingerprint.queries, 60);
    const byRow = await done(at('tune', '--sample', '50', ...some));
    assert.match(byRow.stderr, /Rows of the store serve as queries: each finds itself/);
    assert.match(byRow.stdout, /Promised for queries like these: recall@3 of at least 60\.0 %/);
    assert.deepEqual(plan(), before);
  });

  it('goes for an index that the command did not make, which ingest then still does not touch', async () => {
    const own = path('own');
    const index = await FunnelIndex.create(own, { dim: DIM });
    const random = new Random(3);
    await index.upsert(Array.from({ length: 300 }, (_, id) => ({ id, vector: random.vector(DIM) })));
    await index.close();
    await done(['tune', '--store', own, '--sample', '100', '--recall', '0.5', '--k', '2']);
    const line = ['ingest', path('films.jsonl'), '--text', 'text', '--model', 'fake', '--to', own];
    await fails(1, /300 rows that funnelvec ingest knows nothing of/, line);
    await fails(1, /knows nothing of/, [...line, '--restart']);
  });

  it('refuses what makes no sense, before any work', async () => {
    await fails(2, /above 0 and below 1 for --recall but received 1/, at('tune', '--recall', '1'));
    await fails(2, /Expected --queries beside/, at('tune', '--text', 'a'));
    await fails(1, /none\.txt but received no such file/, at('tune', '--queries', path('none.txt')));
    await fails(1, /Expected queries in .*empty\.txt/, at('tune', '--queries', write('empty.txt', '\n')));
    const broken = write('broken.jsonl', '{"text":"a"}\n{"text":\n');
    await fails(1, /JSON for line 2 of .*broken\.jsonl/, at('tune', '--queries', broken));
    const dims = write('dims.jsonl', '{"v":[1,2]}\n');
    await fails(1, /16 dims for the query of line 1 of/, at('tune', '--queries', dims, '--vector', 'v'));
    await fails(1, /Expected the model of/, at('tune', '--queries', queries), { load: fakeLoader({ name: 'other' }) });
    await fails(1, /Expected an index at/, ['tune', '--store', path('none')]);
  });

  it('tells that rows came since', async () => {
    const more = write('more.jsonl', jsonl(films(3, 9000)));
    const line = ['ingest', more, '--text', 'text', '--id', 'id', '--model', 'fake', '--to', store];
    assert.match((await done(line)).stderr, /The plan of funnelvec tune was chosen for the rows before these/);
  });
});

describe('report', () => {
  it('is one file without network, of the last tune, with the texts of queries and rows', async () => {
    await done(at('tune', '--queries', queries, '--recall', '0.9', '--k', '5'));
    const out = path('report.html');
    const { json } = await done(at('report', '--out', out, '--json'));
    const html = readFileSync(out, 'utf8');
    assert.equal(json.bytes, statSync(out).size);
    assert.ok(json.bytes < 2_000_000);
    assert.ok(
      texts.some((text) => html.includes(text)),
      'a query by its text',
    );
    assert.doesNotMatch(html, /(?:src|href)\s*=\s*["']?(?:https?:)?\/\//);
    const direct = path('direct.html');
    await done(at('tune', '--queries', queries, '--recall', '0.9', '--k', '5', '--report', direct));
    assert.ok(statSync(direct).size > 10_000);
  });

  it('needs a tune before, a place that can be written, and says what is wrong with what was kept', async () => {
    const other = path('untuned');
    await done(['ingest', write('few.jsonl', jsonl(films(5))), '--text', 'text', '--model', 'fake', '--to', other]);
    await fails(1, /Expected a tune of the index/, ['report', '--store', other, '--out', path('x.html')]);
    await fails(2, /required option '--out/, at('report'));
    const { json } = await fails(1, /no\/such/, at('report', '--out', path('no/such/x.html'), '--json'));
    assert.equal(json.error.code, 'DISK');
    writeFileSync(`${other}/funnelvec-tune.json`, '{}');
    await fails(1, /Expected what funnelvec tune writes in/, ['report', '--store', other, '--out', path('x.html')]);
    assert.equal(existsSync(path('x.html')), false);
    rmSync(`${other}/funnelvec-tune.json`);
  });
});

describe('bench', () => {
  it('has recall and latency of each mode; exact finds all that it finds', async () => {
    await done(at('tune', '--queries', queries, '--recall', '0.9', '--k', '5'));
    const { json } = await done(at('bench', '--queries', queries, '--sample', '40', '--limit', '5', '--json'));
    assert.equal(json.queries, 40);
    assert.equal(json.rows, 4503);
    assert.equal(json.exact, 'certified');
    const [exact, funnel] = json.modes;
    assert.deepEqual([exact.mode, exact.recall, exact.complete], ['exact', 1, 40]);
    assert.equal(funnel.mode, 'funnel');
    assert.ok(funnel.recall > 0.8 && funnel.recall <= 1);
    for (const { p50, p95 } of json.modes) assert.ok(p50 > 0 && p95 >= p50);
    const { stdout } = await done(at('bench', '--sample', '10'));
    assert.match(stdout, /mode +p50 ms +p95 ms +recall@10 +all found\n.*exact .* 1\.0000 +10 of 10/s);
  });
});
