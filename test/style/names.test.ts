/** One word for one thing: no two exported names are alike without a reason, and comments are sentences. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

const TWO_ENTRIES = 'the same function of two entries: with the fastest kernels that run here, or with WASM alone';
const CHECKED = 'the same kernels twice: as this library calls them, and with the checks that users get';

const PEER = "adapters/checked has the same under the package's name, with an error that says what to install";

/** Exported names that stand in several files of src, each with the reason. */
const ALIKE: Readonly<Record<string, string>> = {
  FunnelSearch: TWO_ENTRIES,
  funnel: TWO_ENTRIES,
  funnelAsync: TWO_ENTRIES,
  funnelBatch: TWO_ENTRIES,
  funnelBatchAsync: TWO_ENTRIES,
  activeKernels: CHECKED,
  getKernels: CHECKED,
  createWasmKernels: CHECKED,
  reference: CHECKED,
  BackedVector: PEER,
  FunnelEmbeddings: PEER,
  FunnelRetriever: PEER,
  FunnelVector: PEER,
  FunnelVectorStore: PEER,
  MilvusVector: PEER,
  embedderOf: PEER,
  milvusWriter: PEER,
  qdrantWriter: PEER,
  moduleUrl: 'here-cjs.ts takes the place of here.ts in the CommonJS build',
  traced: 'the same of traced.ts',
};

const MOST_LINES = 400;

const EXPORTED =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|(?:const )?enum|const|let|type|interface) (\w+)/gm;
const UNPACKED = /^export (?:const|let) [{[]([^=]*)[}\]] =/gm;
const LISTED = /^export (?:type )?\{([^}]*)\}( from)?/gm;

/** The names that a file gives: those that it passes on under their own name are named by the file that they are from. */
function namesOf(text: string): string[] {
  const names = [...text.matchAll(EXPORTED)].map(([, name]) => name!);
  const parts = (list: string) => list.split(',').map((part) => part.trim().replace(/^type /, ''));
  for (const [, list] of text.matchAll(UNPACKED)) {
    names.push(...parts(list!).map((part) => part.replace(/^.*:\s*/, '').replace(/^\.{3}/, '')));
  }
  for (const [, list, from] of text.matchAll(LISTED)) {
    for (const part of parts(list!)) {
      const [name, alias] = part.split(' as ') as [string, string?];
      const passedOn = from !== undefined || new RegExp(`^import [^;]*\\b${name}\\b[^;]* from`, 'm').test(text);
      if (alias !== undefined || !passedOn) names.push(alias ?? name);
    }
  }
  return names.filter((name) => name !== '');
}

/** Not those of node_modules, where bench's has a link to this folder. */
function filesOf(folders: readonly string[], kind: RegExp): string[] {
  return folders.flatMap((folder) => {
    const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => name !== 'node_modules');
    const files = entries.filter((entry) => entry.isFile() && kind.test(entry.name));
    const inside = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
    return [...files.map(({ name }) => join(folder, name)), ...filesOf(inside, kind)];
  });
}

it('no two exported names of src are alike, but for those with a reason', () => {
  const files = new Map<string, Set<string>>();
  for (const file of filesOf(['src'], /\.ts$/)) {
    for (const name of namesOf(readFileSync(file, 'utf8'))) {
      // In a browser X-web.ts is X.ts, which it stands in for; in a bundle it is X-bundled.ts.
      const place = file.replace(/-(web|workerd|bundled)\.ts$/, '.ts');
      files.set(name, (files.get(name) ?? new Set()).add(place));
    }
  }
  assert.ok(files.size > 1000, `${files.size} names were found`);
  const alike = [...files].filter(([, where]) => where.size > 1);
  const news = alike.filter(([name]) => !Object.hasOwn(ALIKE, name)).map(([name, where]) => [name, ...where].join(' '));
  assert.deepEqual(news, [], 'rename one of them by what it is (see the glossary in ARCHITECTURE.md)');
  const names = new Set(alike.map(([name]) => name));
  assert.deepEqual(
    Object.keys(ALIKE).filter((name) => !names.has(name)),
    [],
    'these are alike no more: take them off the list',
  );
});

it('comments are sentences: none begins with "Of …" or "What …", but for a question', () => {
  const folders = ['src', 'test', 'bench', 'scripts', 'examples', 'cpp', 'assembly'];
  const found: string[] = [];
  for (const file of filesOf(folders, /\.(m?ts|mjs|cc|h)$/)) {
    const lines = readFileSync(file, 'utf8').split('\n');
    for (const [i, line] of lines.entries()) {
      const comment = /^\s*(?:\/\/|\/?\*+)\s*((?:Of|What) .*)/.exec(line)?.[1];
      const sentence = /^[^.?]*[.?]?/.exec(`${comment} ${lines[i + 1] ?? ''}`)![0];
      if (comment !== undefined && !sentence.endsWith('?')) found.push(`${file}:${i + 1} ${comment}`);
    }
  }
  assert.deepEqual(found, [], 'say which value it is, or what is done: "The rows that …", "Returns …"');
});

it('no file has more lines than one can keep in mind, but for generated ones', () => {
  const files = filesOf(['src', 'cpp', 'assembly'], /\.(ts|cc|h)$/);
  assert.ok(files.length > 500, `${files.length} files were found`);
  const long = files.filter((file) => {
    const text = readFileSync(file, 'utf8');
    return text.split('\n').length - 1 > MOST_LINES && !/^\/\/ Generated\b/.test(text);
  });
  assert.deepEqual(long, [], `more than ${MOST_LINES} lines: divide it by what its parts do`);
});
