/**
 * Each option of each command that takes a value, given every kind of text: it is taken, or refused by a code and a message, never
 * by a bare error. For whole command lines that make no sense see bad-inputs.test.ts.
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { command, done } from './command.js';
import { contentsOf, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const rows = Array.from({ length: 40 }, (_, i) => ({ id: i, t: `text ${i}`, v: [i + 1, 1, 40 - i] }));
const home = process.cwd();
before(async () => {
  // Some of what is tried names a folder to write to.
  mkdirSync(path('home'));
  process.chdir(path('home'));
  mkdirSync('folder');
  write('home/films.jsonl', jsonl(rows));
  await done(['ingest', 'films.jsonl', '--vector', 'v', '--id', 'id', '--to', 'store']);
});
after(() => process.chdir(home));

const ODD = ['', ' ', '0', '-1', '1.5', '1e999', ',', 'toString', '{}', '[1,2', 'http://', 'none.txt', 'folder'];

const own = ['--id', 'id', '--to', 'made'];
const LINES: Record<string, string[][]> = {
  ingest: [
    ['films.jsonl', '--vector', 'v', ...own],
    ['films.jsonl', '--text', 't', '--model', 'fake', ...own],
  ],
  search: [
    ['--store', 'store', '--vector', '[1,2,3]'],
    ['--store', 'store', 'words'],
  ],
  tune: [['--store', 'store', '--no-save']],
  bench: [['--store', 'store']],
  report: [['--store', 'store', '--out', 'report.html']],
  demo: [['--rows', '200']],
  mcp: [[]], // serves until it is stopped, where its options are good
};

/** Options that name a store: no other can stand beside them. */
const PLACES = ['--store', '--to', '--milvus', '--qdrant'];

/** The line without an option and its value. */
function without(line: readonly string[], option: string): string[] {
  const at = line.indexOf(option);
  return at < 0 ? [...line] : [...line.slice(0, at), ...line.slice(at + 2)];
}

for (const [name, lines] of Object.entries(LINES)) {
  it(`${name} takes or refuses by a code whatever its options are given`, { timeout: 300_000 }, async () => {
    const kept = await contentsOf('store');
    const { stdout: help } = await done([name, '--help']);
    const options = [...help.matchAll(/^ {2}(--[a-z-]+) </gm)].map(([, option]) => option!);
    assert.ok(options.includes(name === 'demo' ? '--rows' : '--milvus'), help);
    const wrong: string[] = [];
    const tried = async (words: string[]) => {
      const { code, json, stdout, stderr } = await command([...words, ...(name === 'mcp' ? [] : ['--json'])]);
      const error = json?.error?.code ?? (name === 'mcp' && !/\n +at /.test(stderr) ? 'USAGE' : undefined);
      const isNamed = error === 'USAGE' ? code === 2 : /^(?!INTERNAL$|E[A-Z]+$|ERR_)[A-Z_]+$/.test(error) && code === 1;
      // A plan that keeps no promise is an answer of tune's, with an exit code of 1.
      if (!isNamed && code !== 0 && json?.refused === undefined) wrong.push(`${words.join(' ')}: ${stdout}${stderr}`);
      rmSync('made', { recursive: true, force: true });
    };
    for (const option of options) {
      if (option === '--milvus' || option === '--qdrant') {
        const line = PLACES.reduce(without, lines[0]!);
        for (const value of ['', ' ', '[1,2', 'http://', 'http://[', '127.0.0.1:port']) {
          await tried([name, ...line, option, value, '--collection', 'c']);
        }
      } else if (name !== 'mcp') {
        for (const line of lines) {
          const others = PLACES.includes(option) ? PLACES.reduce(without, line) : without(line, option);
          for (const value of ODD) await tried([name, ...others, option, value]);
        }
      }
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(await contentsOf('store'), kept);
  });
}

it('a model beside what has no text to embed is refused, not left alone', async () => {
  const model = ['--model', 'fake'];
  const lines: [string[], RegExp][] = [
    [['search', '--store', 'store', '--vector', '[1,2,3]', ...model], /a query text beside --model/],
    [['search', '--store', 'store', '--vector', '[1,2,3]', '--preset', 'fake'], /a query text beside --preset/],
    [['bench', '--store', 'store', ...model], /Expected --queries that are texts beside --model/],
    [['tune', '--store', 'store', '--queries', 'films.jsonl', '--vector', 'v', ...model], /that are texts/],
  ];
  for (const [line, message] of lines) {
    const { code, json } = await command([...line, '--json']);
    assert.deepEqual([code, json.error?.code], [2, 'USAGE'], line.join(' '));
    assert.match(json.error.message, message);
  }
});
