/** Every command refuses what makes no sense by a code and a message, and does nothing. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { it } from 'node:test';
import { command, done } from './command.js';
import { contentsOf, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const rows = Array.from({ length: 40 }, (_, i) => ({ id: i, v: [i + 1, 1, 40 - i] }));
const file = write('films.jsonl', jsonl(rows));
const store = path('films');
const none = path('none');
const taken = path('taken');
mkdirSync(taken);
write('taken/notes.txt', 'not an index');
const nothing = write('empty.jsonl', '');
const text = write('notes.txt', 'a text\n');
await done(['ingest', file, '--vector', 'v', '--id', 'id', '--to', store]);

type Bad = [words: string[], code: string, message: RegExp];
const usage = (words: string[], message: RegExp): Bad => [words, 'USAGE', message];
const vector = ['--vector', '[1,2,3]'];

const BAD: Record<string, Bad[]> = {
  ingest: [
    usage([], /missing required argument 'files'/),
    usage([file], /--to/),
    usage([file, '--to', none], /Expected --text <columns>, or --vector <column>/),
    usage([text, '--vector', 'v', '--to', none], /or --format, but received/),
    usage([file, '--vector', 'v', '--to', none, '--metric', 'hamming'], /cosine/),
    [[path('none.jsonl'), '--vector', 'v', '--to', none], 'BAD_ARGUMENT', /no such file/],
    [[nothing, '--vector', 'v', '--to', none], 'BAD_ARGUMENT', /at least one row/],
    [[file, '--vector', 'w', '--to', none], 'BAD_ARGUMENT', /an array of numbers for "w"/],
    [[file, '--vector', 'v', '--to', taken], 'INDEX_EXISTS', /./],
    [
      [file, '--vector', 'v', '--id', 'id', '--to', store, '--metric', 'dot'],
      'BAD_ARGUMENT',
      /metric cosine, as before/,
    ],
  ],
  search: [
    usage(vector, /--store/),
    usage(['--store', store, '--limit', '0', ...vector], /--limit/),
    usage(['--store', store, '--vector', '[1,2'], /Expected JSON, or a file of it, for --vector/),
    usage(['--store', store, '--filter', '[1]', ...vector], /an object such as/),
    [
      ['--store', store, '--filter', 'year>2000', ...vector],
      'BAD_ARGUMENT',
      /for --filter but received year>2000: no such file$/,
    ],
    ...['-k', '--k', '-n', '--top', '--topk', '--top-k'].map((option) =>
      usage(
        ['--store', store, ...vector, option, '3'],
        /unknown option '.*'\. Its name here is --limit \(funnelvec --help\)$/,
      ),
    ),
    [['--store', store, '--vector', '1,2,3'], 'BAD_ARGUMENT', /no such file\. A list of numbers is written \[1,2,3\]$/],
    [['--store', none, ...vector], 'NO_INDEX', /./],
    [['--store', store, '--vector', '[1,2]'], 'BAD_DIMS', /3 dims/],
    [['--store', store, '--vector', '[1,null,2]'], 'NOT_FINITE', /dim 1 of --vector/],
    [['--store', store, ...vector, '--filter', '{"must":{"key":"year"}}'], 'BAD_ARGUMENT', /./],
  ],
  tune: [
    usage([], /--store/),
    usage(['--store', store, '--recall', '2'], /--recall/),
    usage(['--store', store, '--queries', text, '--truth', text], /a file of true neighbours/),
    [['--store', none], 'NO_INDEX', /./],
    [['--store', store, '--queries', path('none.jsonl'), '--vector', 'v'], 'BAD_ARGUMENT', /no such file/],
  ],
  report: [
    usage([], /--out/),
    usage(['--out', path('a.html')], /--store/),
    [['--store', none, '--out', path('a.html')], 'BAD_ARGUMENT', /tune/],
    [['--store', store, '--out', path('a.html')], 'BAD_ARGUMENT', /tune/],
  ],
  bench: [
    usage([], /--store/),
    usage(['--store', store, '--limit', '-1'], /--limit/),
    usage([store], /too many arguments .* A store is named as in bench --store films \(funnelvec --help\)$/),
    [['--store', none], 'NO_INDEX', /./],
    [['--store', store, '--queries', nothing, '--vector', 'v'], 'BAD_ARGUMENT', /queries in .*empty\.jsonl/],
  ],
  demo: [usage(['--rows', '10'], /--rows/), usage(['--rows', 'many'], /--rows/)],
  backup: [
    usage([], /missing required argument 'index'/),
    usage([store], /missing required argument 'to'/),
    [[none, path('copy')], 'NO_INDEX', /./],
    [[store, taken], 'INDEX_EXISTS', /./],
  ],
  verify: [usage([], /missing required argument/), [[none], 'NO_INDEX', /./], [[taken], 'NO_INDEX', /./]],
  compact: [usage([], /missing required argument/), [[none], 'NO_INDEX', /./]],
  stats: [
    usage([], /missing required argument/),
    usage([store, store], /too many arguments .*\(funnelvec --help\)$/),
    usage(['--store', store], /unknown option '--store'\. An index is named as in stats films \(funnelvec --help\)$/),
    [[none], 'NO_INDEX', /./],
  ],
  mcp: [
    usage([], /--store/),
    usage(['--store', none, '--port', '1'], /unknown option/),
    [['--store', none], 'NO_INDEX', /./],
  ],
};

/** Options that are looked for before unknown ones are. */
const NEEDED: Record<string, string[]> = { report: ['--out', path('a.html')] };

it('every command but doctor and help, which have tests of their own, has its bad inputs here', async () => {
  const { stdout } = await done(['--help']);
  const listed = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!);
  assert.deepEqual(listed.filter((name) => !['doctor', 'help'].includes(name)).sort(), Object.keys(BAD).sort());
});

for (const [name, all] of Object.entries(BAD)) {
  it(`${name} refuses bad input with a code and a message, and does nothing`, async () => {
    const before = await contentsOf(store);
    for (const [words, code, message] of [
      ...all,
      usage([...(NEEDED[name] ?? []), '--nope'], /unknown option '--nope'/),
    ]) {
      const line = [name, ...words, ...(name === 'mcp' ? [] : ['--json'])];
      const outcome = await command(line);
      assert.equal(outcome.code, code === 'USAGE' ? 2 : 1, `${line.join(' ')}: ${outcome.stdout}${outcome.stderr}`);
      if (name === 'mcp') assert.match(outcome.stderr, code === 'USAGE' ? message : /Expected an index|no index/i);
      else {
        assert.equal(outcome.json.error.code, code, `${line.join(' ')}: ${outcome.stdout}`);
        assert.match(outcome.json.error.message, message, line.join(' '));
      }
    }
    assert.deepEqual(await contentsOf(store), before);
    const left = ['films', 'taken', 'empty.jsonl', 'films.jsonl', 'notes.txt'];
    assert.deepEqual(readdirSync(path('.')).sort(), left.sort());
  });
}
