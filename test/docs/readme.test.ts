/** README's programs print what README says; and links of documents lead somewhere. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { realModels } from '../embed/real.js';
import { qdrantMark, startQdrant } from '../sources/servers.js';

const path = pathToFileURL(resolve('test/docs/examples.mjs')).href;
const { examplesIn, run } = (await import(path)) as typeof import('./examples.mjs');

const readme = readFileSync(resolve('README.md'), 'utf8');
/** The file that the programs import. */
const files = { 'movies.mjs': /```js\n(export const movies[\s\S]*?)```/.exec(readme)![1]! };
const programs = examplesIn(readme).map(([, code, output]) => ({ code: code!, output: output! }));
type Program = (typeof programs)[number];
const [funnel, qdrant, index, texts] = programs as [Program, Program, Program, Program];

function holds({ output }: Program, code: string): void {
  const { stdout, stderr } = run(code, { packages: ['@qdrant'], files });
  assert.equal(stderr, '');
  assert.equal(stdout, output);
}

it('the README has a program for hits, for Qdrant, for an index and for texts', () => {
  assert.equal(programs.length, 4);
  assert.match(qdrant.code, /qdrantSource/);
  assert.match(texts.code, /Embedder/);
});

it('the README’s funnel over hits prints what the README says', () => holds(funnel, funnel.code));
it('the README’s index prints what the README says', () => holds(index, index.code));

it(`the README’s search over Qdrant prints what the README says${qdrantMark}`, async (t) => {
  const server = await startQdrant().catch((error: Error) => error);
  if (server instanceof Error) {
    if (process.env['CI'] === 'true') throw server;
    return t.skip(server.message);
  }
  try {
    const code = qdrant.code
      .replace('http://127.0.0.1:6333', server.url)
      .replace("'movies'", `'movies_${process.pid}'`);
    holds(qdrant, `${code}\nawait client.deleteCollection(collection);`);
  } finally {
    await server.stop();
  }
});

it('the README’s search of texts prints what the README says', async (t) => {
  const found = await realModels();
  if (found.missing !== undefined) return t.skip(found.missing);
  // A model where the block looks for it.
  const models = mkdtempSync(join(tmpdir(), 'funnelvec-models-'));
  try {
    symlinkSync(found.wordllama, join(models, 'wordllama'), 'junction');
    process.env['FUNNELVEC_MODELS'] = models;
    holds(texts, texts.code);
  } finally {
    rmSync(models, { recursive: true, force: true, maxRetries: 5 });
  }
});

const documents = ['.', 'docs', 'docs/internals', 'examples', 'cpp/isa', 'assembly/codes'].flatMap((folder) =>
  readdirSync(resolve(folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(file: string): string[] {
  const headings = readFileSync(file, 'utf8').match(/^#+ .*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

for (const document of documents) {
  it(`the links of ${document} lead somewhere`, () => {
    for (const [, target, anchor] of readFileSync(document, 'utf8').matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      if (target!.startsWith('http')) continue;
      const file = target === '' ? document : join(dirname(document), target!);
      assert.ok(existsSync(file), `${document} has a link to ${target}`);
      if (anchor !== undefined) assert.ok(anchorsOf(file).includes(anchor), `${target}#${anchor}, in ${document}`);
    }
  });
}

it('every page of docs is in the list of pages, or linked from the page that it belongs to', () => {
  const linked = documents.flatMap((document) =>
    Array.from(readFileSync(document, 'utf8').matchAll(/\]\(([^)#\s]+\.md)/g), ([, target]) =>
      join(dirname(document), target!),
    ),
  );
  for (const document of documents.filter((name) => name.startsWith('docs'))) {
    assert.ok(document === join('docs', 'README.md') || linked.includes(document), document);
  }
});

/** Files that pages name and that are none of the repository: of a set on paper, of a store of the command. */
const NOT_OURS = ['cpp/isa/avxvnni.cc', 'avx2-vectors.h', 'funnelvec.json'];

it('the pages for contributors name files that are there', () => {
  const folders = ['.', ...['src', 'cpp', 'assembly', 'test', 'scripts', 'bench', 'examples', 'findings', 'docs']];
  // With types, since it else follows links, and that of the benchmarks to the package has no end.
  const all = folders.flatMap((folder) =>
    readdirSync(resolve(folder), { recursive: folder !== '.', withFileTypes: true }).map(({ parentPath, name }) =>
      join(parentPath, name).replaceAll('\\', '/'),
    ),
  );
  const isThere = (name: string) => NOT_OURS.includes(name) || all.some((file) => file.endsWith(`/${name}`));
  const named = /`([\w./-]+\.(?:ts|mjs|cc|h|json|py|md|gyp))`/g;
  const pages = documents.filter((name) => /^(ARCHITECTURE|CONTRIBUTING)|internals|^cpp|^assembly/.test(name));
  const missing = pages.flatMap((page) =>
    Array.from(readFileSync(page, 'utf8').matchAll(named), ([, name]) => name!)
      .filter((name) => !isThere(name))
      .map((name) => `${page}: ${name}`),
  );
  assert.deepEqual(missing, []);
});
