/** funnelvec ingest into an embedded index: what arrives, what is refused, and that nothing is lost on the way. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import type { LoadEmbedder } from '#dist/cli/model.js';
import { leaveRecord } from '../store/files/leave-record.js';
import { command, done, fails } from './command.js';
import { DIM, fakeLoader, fakeVector } from './fake-embedder.js';
import { contentsOf, films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const all = films(700);
const source = write('films.jsonl', jsonl(all));
const texts = (to: string, file = source, ...more: string[]) => [
  ...['ingest', file, '--text', 'text', '--id', 'id', '--model', 'fake', '--to', to],
  ...more,
];

describe('a store with the name that an earlier version gave its model', () => {
  const load: LoadEmbedder = async (spec) => ({
    ...(await fakeLoader()(spec)),
    name: 'fake all@16',
    formerName: 'fake@16',
  });

  it('is gone on with and searched by that model, with a word, and has its new name then', async () => {
    const to = path('former');
    await done(texts(to));
    const found: string[] = [];
    const listen = ({ message }: Error) => void found.push(message);
    process.on('warning', listen);
    try {
      const { stdout } = await done(['search', '--store', to, 'a film', '--json'], { load });
      assert.ok(stdout.length > 0);
      await done(texts(to), { load });
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', listen);
    }
    assert.match(found.join(), /former, fake@16, is of a version .* taken to be fake all@16.*--restart/);
    assert.equal(JSON.parse(readFileSync(path('former/funnelvec.json'), 'utf8')).embedder.name, 'fake all@16');
    await fails(1, /the model fake all@16, as before, .* other@16/, texts(to), { load: fakeLoader({ name: 'other' }) });
  });
});

describe('a column of payloads that no row has', () => {
  it('is told, where the file declares none, and not once a row has it', async () => {
    const some = write('unseen.jsonl', jsonl([...all.slice(0, 3), { ...all[3]!, late: { at: 1 } }]));
    const named = ['--payload', 'year,yeer,late.at', '--numbers', 'year', '--strings', 'yeer'];
    const { stdout } = await done(texts(path('unseen'), some, ...named));
    assert.match(
      stdout,
      /No row that was read of \S*unseen\.jsonl has "yeer": named by --payload, --numbers or --strings/,
    );
    const { json } = await done(texts(path('unseen2'), some, ...named, '--json'));
    assert.deepEqual(json.unseen, [{ file: some, columns: ['yeer'] }]);
    const again = await done(texts(path('unseen2'), some, ...named, '--json'));
    assert.deepEqual([again.json.written, again.json.unseen], [0, []]);
    const numbers = await done(texts(path('unseen3'), some, '--numbers', 'yaer', '--json'));
    assert.deepEqual(numbers.json.unseen, [{ file: some, columns: ['yaer'] }]);
    const right = await done(texts(path('unseen4'), some, '--payload', 'year', '--json'));
    assert.deepEqual(right.json.unseen, []);
  });
});

describe('ingest writes', () => {
  it('texts of a JSONL file as vectors, ids and payloads, and remembers how', async () => {
    const load = fakeLoader();
    const to = path('first');
    const { json, stderr } = await done(texts(to, source, '--batch', '100', '--json'), { load });
    assert.equal(stderr, '');
    assert.equal(json.rows, 700);
    assert.equal(json.written, 700);
    assert.equal(json.model, 'fake@16');
    assert.deepEqual(
      await contentsOf(to),
      all.map(({ id, text, year }) => ({ id, vector: Array.from(fakeVector(text)), payload: { text, year } })),
    );
    assert.equal(load.open, 0, 'the model is closed');
    const state = JSON.parse(readFileSync(path('first/funnelvec.json'), 'utf8'));
    assert.deepEqual(state.embedder, { name: 'fake@16', spec: { preset: 'fake' }, dim: 16 });
    assert.equal(state.sources[0].rows, 700);
    assert.equal(state.sources[0].complete, true);
    const index = await FunnelIndex.open(to, { readOnly: true });
    assert.equal(index.stats().coded, 700, 'it is quick to search');
    await index.close();
  });

  it('the same rows whatever the batches are', async () => {
    const [a, b] = [path('batch-1'), path('batch-2')];
    await done(texts(a, source, '--batch', '33'));
    await done(texts(b, source));
    assert.deepEqual(await contentsOf(a), await contentsOf(b));
  });

  it('row numbers as ids where no column has them, over files and calls', async () => {
    const [one, two, three] = [films(30), films(20, 30), films(10, 50)].map((some, i) =>
      write(`part-${i}.jsonl`, jsonl(some)),
    ) as [string, string, string];
    const to = path('parts');
    const line = (...files: string[]) => ['ingest', ...files, '--text', 'text', '--model', 'fake', '--to', to];
    await done(line(one, two));
    await done(line(three));
    const rows = await contentsOf(to);
    assert.deepEqual(
      rows.map(({ id, payload }) => [id, (payload as { id: number }).id]),
      Array.from({ length: 60 }, (_, i) => [i, i]),
    );
    const { stderr } = await done(line(one, two, three));
    assert.match(stderr, /All 60 rows are in the index .* already/);
    assert.equal((await contentsOf(to)).length, 60);
  });

  it('CSV: text of several columns, numbers as numbers, chosen payload', async () => {
    const csv = write('films.csv', 'id,title,plot,year,x\n7,Alien,"in space,\nnobody",1979,1\n9,Amélie,,2001,2\n');
    const to = path('csv');
    const line = ['ingest', csv, '--text', 'title,plot', '--id', 'id', '--numbers', 'year', '--payload', 'title,year'];
    await done([...line, '--model', 'fake', '--to', to]);
    assert.deepEqual(await contentsOf(to), [
      {
        id: 7,
        vector: Array.from(fakeVector('Alien\nin space,\nnobody')),
        payload: { title: 'Alien', year: 1979 },
      },
      { id: 9, vector: Array.from(fakeVector('Amélie')), payload: { title: 'Amélie', year: 2001 } },
    ]);
  });

  it('vectors of a column, and no payload', async () => {
    const rows = films(20).map(({ id, text }) => ({ id: `f${id}`, v: Array.from(fakeVector(text)), text }));
    const to = path('vectors');
    const file = write('vectors.jsonl', jsonl(rows));
    await done(['ingest', file, '--vector', 'v', '--id', 'id', '--no-payload', '--to', to]);
    assert.deepEqual(
      await contentsOf(to),
      rows.map(({ id, v }) => ({ id, vector: v, payload: {} })),
    );
  });

  it('ids as text where the command says so, whatever the first looks like', async () => {
    const file = write(
      'ids.jsonl',
      jsonl([
        { id: 1, text: 'a' },
        { id: 'b', text: 'b' },
      ]),
    );
    await fails(
      1,
      /Expected a number, as other ids are \(.*--id-type string.* "id" in line 2 of/,
      texts(path('ids'), file),
    );
    await done(texts(path('ids-text'), file, '--id-type', 'string'));
    assert.deepEqual(
      (await contentsOf(path('ids-text'))).map(({ id }) => id),
      ['1', 'b'],
    );
  });

  it('a newer version of a file over the one before, by its ids; without ids it is refused', async () => {
    const to = path('newer');
    const file = write('newer.jsonl', jsonl(films(10)));
    await done(texts(to, file));
    const changed = films(12).map((film) => (film.id === 3 ? { ...film, text: 'changed' } : film));
    writeFileSync(file, jsonl(changed));
    const { json } = await done(texts(to, file, '--json'));
    assert.equal(json.rows, 12);
    const rows = await contentsOf(to);
    assert.equal(rows.length, 12);
    assert.equal((rows.find(({ id }) => id === 3)!.payload as { text: string }).text, 'changed');

    const numbered = ['ingest', file, '--text', 'text', '--model', 'fake', '--to', path('numbered')];
    await done(numbered);
    appendFileSync(file, jsonl(films(1, 12)));
    await fails(
      1,
      /the same .*newer\.jsonl as was ingested before .* bytes then and .*--restart removes the store and its 12 rows/,
      numbered,
    );
    await done([...numbered, '--restart']);
    assert.equal((await contentsOf(path('numbered'))).length, 13);
  });

  it('says which rows took the place of others', async () => {
    const file = write('twice.jsonl', jsonl([...films(5), ...films(2)]));
    const { stdout } = await done(texts(path('twice'), file));
    assert.match(stdout, /2 rows took the place of others, since they have their ids/);
  });
});

describe('ingest refuses, before anything is written,', () => {
  const to = path('refused');
  const untouched = () => assert.equal(existsSync(to), false);

  it('a missing file, an unknown kind, a file given twice', async () => {
    await fails(1, /none\.jsonl but received no such file/, texts(to, path('none.jsonl')));
    await fails(2, /or --format, but received/, texts(to, write('films.txt', '')));
    await fails(2, /each file once/, [...texts(to), source]);
    untouched();
  });

  it('an empty file, and one without a row', async () => {
    await fails(1, /at least one row in .*empty\.jsonl but received none/, texts(to, write('empty.jsonl', '\n\n')));
    await fails(1, /at least one row/, texts(to, write('header.csv', 'id,text\n')));
    untouched();
  });

  it('a column that the file does not have, naming those that it has', async () => {
    const csv = write('columns.csv', 'id,gloss\n1,a\n');
    await fails(1, /Expected a column "text" in .*columns\.csv but it has "id", "gloss"/, texts(to, csv));
    const lines = write('columns.jsonl', '{"id":1,"gloss":"a"}\n');
    await fails(1, /Expected text for "text" in line 1 of .* only "id", "gloss"/, texts(to, lines));
    untouched();
  });

  it('no model, no text, both text and vector, no place or several', async () => {
    await fails(2, /Expected --model .* beside --text/, ['ingest', source, '--text', 'text', '--to', to]);
    await fails(2, /Expected --text .* or --vector/, ['ingest', source, '--to', to]);
    await fails(2, /--text or --vector but received both/, texts(to, source, '--vector', 'v'));
    await fails(2, /Expected one of --to .* received none/, ['ingest', source, '--vector', 'v']);
    await fails(2, /received several/, texts(to, source, '--milvus', 'x'));
    await fails(2, /Expected --collection/, ['ingest', source, '--vector', 'v', '--milvus', 'x']);
    await fails(2, /URL such as/, ['ingest', source, '--vector', 'v', '--qdrant', 'x', '--collection', 'c']);
    untouched();
  });

  it('a model that cannot be loaded', async () => {
    const load = async () => Promise.reject(Object.assign(new Error('no such model'), { code: 'NO_MODEL' }));
    const { json } = await fails(1, /no such model/, texts(to, source, '--json'), { load });
    assert.equal(json.error.code, 'NO_MODEL');
    untouched();
  });

  it('a head for which the model was not trained', async () => {
    await fails(
      1,
      /Expected 4, 8 for --head but received 5: fake@16 was not trained/,
      texts(to, source, '--head', '5'),
    );
    await fails(1, /1 to 16 dims for --head/, texts(to, source, '--head', '17'));
    untouched();
  });

  it('a folder that has something else, or an index of somebody else’s', async () => {
    const other = path('other');
    await (await FunnelIndex.create(other, { dim: DIM })).close();
    const index = await FunnelIndex.open(other);
    await index.upsert([{ id: 1, vector: fakeVector('a') }]);
    await index.close();
    const before = readdirSync(other).sort();
    await fails(1, /it has 1 rows that funnelvec ingest knows nothing of/, texts(other));
    await fails(1, /knows nothing of/, texts(other, source, '--restart'));
    assert.deepEqual(readdirSync(other).sort(), before);
    write('occupied', 'a file');
    await fails(1, /occupied/, texts(path('occupied')));
  });

  it('an index that another process writes', async () => {
    const locked = path('locked');
    await done(texts(locked, write('locked.jsonl', jsonl(films(5)))));
    const index = await FunnelIndex.open(locked);
    try {
      await fails(1, /Expected no other writer/, texts(locked, write('more.jsonl', jsonl(films(5, 5)))));
      await fails(1, /Expected no other writer/, texts(locked, source, '--restart'));
    } finally {
      await index.close();
    }
    assert.equal((await contentsOf(locked)).length, 5);
  });

  it('an index whose writer cannot be seen to be dead, unless --break-lock is passed', async () => {
    const locked = path('left');
    await done(texts(locked, write('left.jsonl', jsonl(films(5)))));
    leaveRecord(locked, { namespace: 'pid:[1]' });
    const line = texts(locked, write('left-more.jsonl', jsonl(films(5, 5))));
    await fails(1, /in another container; if it is dead for certain, pass --break-lock/, line);
    await fails(1, /pass --break-lock/, [...line, '--restart']);
    await done([...line, '--break-lock']);
    assert.equal((await contentsOf(locked)).length, 10);
    const elsewhere = ['ingest', source, '--text', 'plot', '--qdrant', 'http://127.0.0.1:1', '--collection', 'x'];
    await fails(2, /--break-lock beside --to only/, [...elsewhere, '--model', 'fake', '--break-lock']);
  });
});

describe('a broken row', () => {
  const lines = jsonl(films(250)).trimEnd().split('\n');
  lines[120] = '{"id": 120, "text": ';
  lines[200] = '{"id": 200}';
  lines[201] = '{"id": 201.5, "text": "a"}';
  lines[240] = '{"id": 240, "text": "  "}';
  const broken = write('broken.jsonl', `${lines.join('\n')}\n`);

  it('ends the ingest with file and line, and nothing of its batch is written', async () => {
    const to = path('broken');
    const { json } = await fails(
      1,
      /JSON for line 121 of .*broken\.jsonl/,
      texts(to, broken, '--batch', '50', '--json'),
    );
    assert.equal(json.error.code, 'BAD_ARGUMENT');
    assert.deepEqual(
      (await contentsOf(to)).map(({ id }) => id),
      Array.from({ length: 100 }, (_, i) => i),
    );
    // Mended and asked again, it is another file; from the state's rows on it would be wrong.
    await fails(1, /line 121 of/, texts(to, broken, '--batch', '50'));
    assert.equal((await contentsOf(to)).length, 100);
  });

  it('is one whose text the model cannot embed, too: named by its line, what is before it kept, or passed over', async () => {
    const lines = all.slice(0, 120).map((film) => JSON.stringify(film));
    lines[70] = '{"id": 70, "text": "half \\ud800"}';
    lines[71] = '{"id": 71, "text": "\\udc00"}';
    const file = write('halves.jsonl', `${lines.join('\n')}\n`);
    const load: LoadEmbedder = async (spec) => {
      const fake = await fakeLoader()(spec);
      const embed: typeof fake.embed = async (list, options) => {
        const place = list.findIndex((text) => /\p{Surrogate}/u.test(text));
        if (place >= 0) throw new FunnelError('BAD_ARGUMENT', `Expected Unicode for texts[${place}] but received half`);
        return fake.embed(list, options);
      };
      return { ...fake, embed };
    };
    const to = path('halves');
    await fails(1, /Expected Unicode for the text of line 71 of .*halves\.jsonl/, texts(to, file, '--batch', '50'), {
      load,
    });
    assert.equal((await contentsOf(to)).length, 50);
    const { json } = await done(texts(to, file, '--batch', '50', '--skip-broken', '--json'), { load });
    assert.deepEqual([json.rows, json.skipped.count], [118, 2]);
    assert.match(json.skipped.first[1].at, /^line 72 of/);
  });

  it('is passed over with --skip-broken, counted and listed; ids stay those of the rows', async () => {
    const to = path('skipped');
    const { json } = await done(texts(to, broken, '--batch', '50', '--skip-broken', '--json'));
    assert.equal(json.rows, 246);
    assert.equal(json.skipped.count, 4);
    assert.deepEqual(
      json.skipped.first.map((one: { at: string }) => one.at.split(' of ')[0]),
      ['line 121', 'line 201', 'line 202', 'line 241'],
    );
    const { stdout } = await done(texts(path('skipped-text'), broken, '--skip-broken'));
    assert.match(stdout, /4 broken rows were passed over:\n {2}Expected JSON for line 121 of/);
    const numbered = [
      'ingest',
      broken,
      '--text',
      'text',
      '--model',
      'fake',
      '--to',
      path('skipped-numbers'),
      '--skip-broken',
    ];
    await done(numbered);
    const ids = (await contentsOf(path('skipped-numbers'))).map(({ id }) => id);
    assert.equal(ids.length, 247); // an id that is no integer is no matter here
    assert.ok(!ids.includes(120) && ids.includes(121) && ids.includes(249));
  });

  it('of vectors is one of other dims, or with what is no number', async () => {
    const rows = [{ v: [1, 2] }, { v: [1, 2, 3] }, { v: [1, null] }, { v: [1, 1e39] }, { v: 'x' }, { v: [3, 4] }, {}];
    const file = write('dims.jsonl', jsonl(rows));
    await fails(1, /line 2 of .*: Expected 2 dims for a vector but received/, [
      'ingest',
      file,
      '--vector',
      'v',
      '--to',
      path('dims'),
    ]);
    const { json } = await done(['ingest', file, '--vector', 'v', '--to', path('dims-2'), '--skip-broken', '--json']);
    assert.equal(json.rows, 2);
    const why = json.skipped.first.map((one: { why: string }) => one.why);
    assert.match(why[1], /finite float32 for dim 1 of "v" in line 3 of .* received null/);
    assert.match(why[2], /dim 1 of "v" in line 4/);
    assert.match(why[3], /array of numbers for "v" in line 5/);
    assert.match(why[4], /array of numbers for "v" in line 7 of .* undefined/);
  });
});

describe('an ingest that was stopped', () => {
  async function stopped(to: string, after: number, before = 0): Promise<void> {
    const stop = new AbortController();
    let batches = 0;
    const load = fakeLoader({ onBatch: () => void (++batches === after && stop.abort()) });
    const line = texts(to, source, '--batch', '50');
    const { stderr } = await fails(130, /Stopped after \d+ rows, which are kept/, line, { load, stop: stop.signal });
    assert.match(stderr, new RegExp(`Stopped after ${before + after * 50} rows`));
    assert.equal(batches, after, 'the batch in flight is the last');
  }

  it('by Ctrl-C finishes the batch in flight, and goes on from there to the same rows', async () => {
    const [to, undisturbed] = [path('stopped'), path('undisturbed')];
    await done(texts(undisturbed));
    await stopped(to, 3);
    assert.equal((await contentsOf(to)).length, 150);
    await stopped(to, 5, 150);
    assert.equal((await contentsOf(to)).length, 400);
    const seen: string[] = [];
    const load = fakeLoader({ onBatch: (some) => seen.push(...some) });
    const { stderr, stdout } = await done(texts(to), { load });
    assert.match(stderr, /Going on with the index .*, which has 400 rows of the input/);
    assert.match(stdout, /300 rows written .* has 700/);
    assert.equal(seen.length, 300, 'nothing is embedded twice');
    assert.deepEqual(await contentsOf(to), await contentsOf(undisturbed));
  });

  it('by a second Ctrl-C ends at once, without the batch in flight', async () => {
    const to = path('killed');
    const [stop, kill] = [new AbortController(), new AbortController()];
    let batches = 0;
    const onBatch = () => {
      if (++batches < 3) return;
      stop.abort();
      setTimeout(() => kill.abort(), 20);
    };
    const load = fakeLoader({ ms: 200, onBatch });
    const line = texts(to, source, '--batch', '50');
    await fails(130, /Stopped after 100 rows/, line, { load, stop: stop.signal, kill: kill.signal });
    await done(texts(to));
    assert.equal((await contentsOf(to)).length, 700);
  });

  it('is not gone on with by other columns, another model, another file, another metric', async () => {
    const to = path('mixed');
    await stopped(to, 2);
    const same = ['ingest', source, '--id', 'id', '--model', 'fake', '--to', to];
    await fails(1, /columns of .* as before .*--text.*then.*now \(--restart/, [...same, '--text', 'text,year']);
    await fails(1, /columns of .* as before .*--payload/, [...same, '--text', 'text', '--payload', 'year']);
    const other = { load: fakeLoader({ name: 'other' }) };
    await fails(1, /the model fake@16, as before, .* other@16, whose vectors do not compare/, texts(to), other);
    await fails(1, /the model fake@16, as before, .* fake@8/, texts(to, source, '--dim', '8'));
    await fails(1, /metric cosine, as before/, texts(to, source, '--metric', 'dot'));
    const more = write('more-films.jsonl', jsonl(films(10, 1000)));
    await fails(1, /films\.jsonl to be finished first in .* interrupted at row 100/, texts(to, more));
    const content = readFileSync(source);
    writeFileSync(source, content.toString().replace('"year":19', '"year":20'));
    await fails(1, /the same first 100 rows of .*films\.jsonl as were .* it begins differently now/, texts(to));
    assert.equal((await contentsOf(to)).length, 100, 'all that is as it was');
    writeFileSync(source, content);
    await done(texts(to, source, '--restart'));
    assert.equal((await contentsOf(to)).length, 700);
  });

  it('whose store is gone says so', async () => {
    const to = path('gone');
    await stopped(to, 2);
    for (const name of readdirSync(to)) if (name !== 'funnelvec.json') rmSync(`${to}/${name}`, { recursive: true });
    await fails(1, /to be there, as .*funnelvec\.json says, but it is gone \(--restart/, texts(to));
    await done(texts(to, source, '--restart'));
    assert.equal((await contentsOf(to)).length, 700);
  });

  it('with a state that cannot be read is not guessed at', async () => {
    const to = path('bad-state');
    await stopped(to, 1);
    for (const [content, message] of [
      ['{', /Expected JSON in .*funnelvec\.json/],
      ['{}', /Expected what funnelvec ingest writes in/],
      ['{"format":99}', /format 99: a newer funnelvec wrote it/],
    ] as const) {
      writeFileSync(`${to}/funnelvec.json`, content);
      await fails(1, message, texts(to));
    }
    assert.equal((await contentsOf(to)).length, 50);
  });
});

it('rows without a column of ids are numbered from 0, and it says so', async () => {
  const file = write('nameless.jsonl', jsonl([{ v: [1, 0] }, { v: [0, 1] }]));
  const named = ['ingest', file, '--vector', 'v', '--to', path('nameless')];
  const { stdout } = await done(named);
  assert.match(stdout, /Ids are the numbers of the rows, from 0 on; --id <column> takes those of a column\n/);
  assert.deepEqual(
    (await contentsOf(path('nameless'))).map(({ id }) => id),
    [0, 1],
  );
  assert.doesNotMatch((await done(named)).stdout, /Ids are/, 'nothing was written');
  const more = write('more.jsonl', jsonl([{ v: [1, 1] }]));
  const added = await done(['ingest', more, '--vector', 'v', '--to', path('nameless')]);
  assert.match(added.stdout, /Ids are the numbers of the rows, after those that were there;/);
  assert.deepEqual((await contentsOf(path('nameless'))).map(({ id }) => id).sort(), [0, 1, 2]);
  const own = write('with-names.jsonl', jsonl([{ i: 7, v: [1, 0] }]));
  assert.doesNotMatch(
    (await done(['ingest', own, '--vector', 'v', '--id', 'i', '--to', path('with-names')])).stdout,
    /Ids are/,
  );
});

it('commands that others call otherwise are told by their name here', async () => {
  for (const [said, here] of [
    ['query', 'search'],
    ['find', 'search'],
    ['index', 'ingest'],
    ['upsert', 'ingest'],
  ] as const) {
    await fails(2, new RegExp(`unknown command '${said}'[^]*(Did you mean|Its name here is) ${here}`), [
      said,
      'films.jsonl',
    ]);
  }
});

it('every command has help with examples, on stdout', async () => {
  for (const name of ['ingest', 'search', 'tune', 'report', 'bench', 'demo']) {
    const { stdout, stderr } = await done([name, '--help']);
    assert.match(stdout, new RegExp(`Examples:\\n {2}\\$ funnelvec ${name}`));
    assert.equal(stderr, '');
  }
  const { stdout } = await done(['--help']);
  assert.match(stdout, /Exit codes: 0 done, 1 failed, 2 a command line that makes no sense, 130 Ctrl-C/);
});

it('what makes no sense is a usage error, as text and as JSON', async () => {
  await fails(2, /Expected a command\n\nUsage: funnelvec/, []);
  await fails(2, /unknown command 'nope'/, ['nope']);
  await fails(2, /unknown option '--nope'/, ['ingest', 'a.jsonl', '--nope']);
  await fails(2, /missing required argument/, ['ingest']);
  await fails(2, /integer of at least 1 for --head but received 0/, ['ingest', 'a.jsonl', '--head', '0']);
  const { json } = await command(['ingest', 'a.jsonl', '--json']);
  assert.equal(json.error.code, 'USAGE');
});
