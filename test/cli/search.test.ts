/** funnelvec search on an embedded index: what it prints, what it goes by, what it refuses. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { command, done, fails } from './command.js';
import { fakeLoader, fakeVector } from './fake-embedder.js';
import { type Film, films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const all = films(300);
const store = path('films');
const vectors = path('vectors');
const ask = (...more: string[]) => ['search', '--store', store, ...more];

/** By a plain scan. */
function best(
  text: string,
  limit: number,
  passes: (film: Film) => boolean = () => true,
): { id: number; score: number }[] {
  const query = fakeVector(text);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, d) => sum + x * b[d]!, 0);
  return all
    .filter(passes)
    .map(({ id, text: own }) => {
      const vector = fakeVector(own);
      return { id, score: dot(query, vector) / Math.sqrt(dot(query, query) * dot(vector, vector)) };
    })
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, limit);
}

before(async () => {
  const file = write('films.jsonl', jsonl(all));
  await done(['ingest', file, '--text', 'text', '--id', 'id', '--model', 'fake', '--to', store]);
  const rows = all.map(({ id, text }) => ({ id, v: Array.from(fakeVector(text)) }));
  await done(['ingest', write('v.jsonl', jsonl(rows)), '--vector', 'v', '--id', 'id', '--to', vectors]);
});

describe('search', () => {
  it('finds what a scan finds, by the model of the store, which nobody has to name', async () => {
    const load = fakeLoader();
    for (const mode of ['exact', 'funnel']) {
      const { json } = await done(ask('robot', 'winter', '--mode', mode, '--limit', '5', '--json'), { load });
      assert.deepEqual(
        json.hits.map(({ id }: { id: number }) => id),
        best('robot winter', 5).map(({ id }) => id),
      );
      assert.equal(json.query, 'robot winter');
      assert.equal(json.exact, mode === 'exact' ? 'certified' : undefined);
      const [first] = json.hits;
      assert.deepEqual(first.payload, { text: all[first.id]!.text, year: all[first.id]!.year });
    }
    assert.equal(load.open, 0);
  });

  it('takes a vector in place of a text, from the command line or a file', async () => {
    const vector = JSON.stringify(Array.from(fakeVector('robot winter')));
    const wanted = best('robot winter', 10).map(({ id }) => id);
    for (const given of [vector, write('query.json', vector)]) {
      for (const where of [store, vectors]) {
        const { json } = await done(['search', '--store', where, '--vector', given, '--json']);
        assert.deepEqual(
          json.hits.map(({ id }: { id: number }) => id),
          wanted,
        );
      }
    }
  });

  it('obeys a filter, from the command line or a file', async () => {
    const filter = '{"must":{"key":"year","range":{"lt":1950}}}';
    for (const given of [filter, write('filter.json', filter)]) {
      const { json } = await done(ask('robot', '--filter', given, '--json'));
      assert.deepEqual(
        json.hits.map(({ id }: { id: number }) => id),
        best('robot', 10, ({ year }) => year < 1950).map(({ id }) => id),
      );
    }
    const { stdout, stderr } = await done(ask('robot', '--filter', '{"must":{"key":"year","match":{"value":1}}}'));
    assert.equal(stdout, '\n');
    assert.match(stderr, /Nothing was found/);
  });

  it('prints a table of the terminal’s width, without colours where nobody looks', async () => {
    const { stdout } = await done(ask('robot', '--limit', '3', '--explain'), { env: { COLUMNS: '46' } });
    const lines = stdout.split('\n');
    assert.match(lines[0]!, /^ ?score +id +text +year$/);
    const [first] = best('robot', 1);
    assert.ok(lines[1]!.includes(`${first!.score.toFixed(4)}  `));
    assert.ok(
      lines.every((line) => line.length <= 46),
      stdout,
    );
    assert.match(lines[1]!, /…/);
    assert.match(stdout, /stage +rows in +rows out +ms\n/);
    assert.match(stdout, /3 hits in \d+\.\d ms \(\d+\.\d with what was opened\)/);
    assert.ok(!stdout.includes('\x1b'));
  });

  it('does not let text of rows steer the terminal', async () => {
    const evil = path('evil');
    const file = write('evil.jsonl', jsonl([{ text: 'robot \x1b[2J\x07\r\nline', '\x1b[31mkey': 1 }]));
    await done(['ingest', file, '--text', 'text', '--model', 'fake', '--to', evil]);
    const { stdout } = await done(['search', '--store', evil, 'robot']);
    assert.ok(!/\p{Cc}/u.test(stdout.replaceAll('\n', '')), JSON.stringify(stdout));
    assert.equal(stdout.trimEnd().split('\n').length, 2);
  });

  it('by a prefix, as a database is searched: the plan’s pool decides', async () => {
    const { json } = await done(ask('robot', '--head', '4', '--candidates', '300', '--explain', '--json'));
    assert.deepEqual(
      json.hits.map(({ id }: { id: number }) => id),
      best('robot', 10).map(({ id }) => id),
    );
    assert.deepEqual(
      json.stages.map(({ name }: { name: string }) => name),
      ['head', 'decode', 'scale 8', 'scale 16', 'funnel'],
    );
    const few = await done(
      ask('robot', '--head', '4', '--candidates', '10', '--scales', '16', '--keep', '1', '--json'),
    );
    assert.equal(few.json.hits.length, 10);
    await fails(2, /Expected --head beside --scales/, ask('robot', '--scales', '8,16'));
    await fails(1, /scales/, ask('robot', '--head', '4', '--scales', '16,8'));
  });
});

describe('search refuses', () => {
  it('another model than the store’s, which would compare what does not compare', async () => {
    const load = fakeLoader({ name: 'other' });
    await fails(1, /Expected the model of the index .*, fake@16, but received other@16/, ask('robot', '--model', 'x'), {
      load,
    });
    assert.equal(load.open, 0);
    await fails(1, /fake@16, but received fake@8/, ask('robot', '--model', 'fake', '--dim', '8'));
  });

  it('a text where nobody knows the model; with one that fits it goes', async () => {
    await fails(1, /Expected --model with a query text, or --vector/, ['search', '--store', vectors, 'robot']);
    await fails(1, /Expected 16 dims, .* received a model of 8/, [
      'search',
      '--store',
      vectors,
      'robot',
      '--model',
      'fake',
      '--dim',
      '8',
    ]);
    await done(['search', '--store', vectors, 'robot', '--model', 'fake']);
  });

  it('a store that is not there', async () => {
    const { json } = await fails(1, /Expected an index at /, ['search', '--store', path('none'), 'robot', '--json']);
    assert.equal(json.error.code, 'NO_INDEX');
  });

  it('a vector of other dims, with what is no number, or none at all', async () => {
    await fails(1, /Expected 16 dims for --vector but received an array of length 2/, ask('--vector', '[1,2]'));
    const bad = JSON.stringify([...Array(15).fill(0), null]);
    await fails(1, /finite float32 for dim 15 of --vector but received null/, ask('--vector', bad));
    await fails(2, /array of numbers for --vector/, ask('--vector', '{"a":1}'));
    await fails(
      1,
      /a file of it, for --vector but received .*none\.json: no such file/,
      ask('--vector', path('none.json')),
    );
    await fails(2, /Expected JSON, or a file of it, for --vector/, ask('--vector', '[1,'));
    await fails(1, /zero/i, ask('--vector', JSON.stringify(Array(16).fill(0))));
  });

  it('a filter that is none, options that make no sense, a query without text', async () => {
    await fails(2, /an object such as .* for --filter/, ask('robot', '--filter', '[1]'));
    await fails(1, /must|filter/, ask('robot', '--filter', '{"nope":1}'));
    await fails(2, /one of funnel, exact for --mode/, ask('robot', '--mode', 'fast'));
    await fails(2, /query text or --vector but received both/, ask('robot', '--vector', '[1]'));
    await fails(2, /Expected a query text, or --vector \(only on a terminal/, ask());
    await fails(1, /a query with text but received an empty one/, ask('  '));
  });
});

it('an interrupted ingest can be searched as far as it came', async () => {
  const half = path('half');
  const stop = new AbortController();
  const load = fakeLoader({ onBatch: () => stop.abort() });
  const line = ['ingest', path('films.jsonl'), '--text', 'text', '--model', 'fake', '--to', half, '--batch', '40'];
  assert.equal((await command(line, { load, stop: stop.signal })).code, 130);
  const { json } = await done(['search', '--store', half, 'robot', '--mode', 'exact', '--limit', '100', '--json']);
  assert.equal(json.hits.length, 40);
  const index = await FunnelIndex.open(half, { readOnly: true });
  assert.equal(index.count, 40);
  await index.close();
});
