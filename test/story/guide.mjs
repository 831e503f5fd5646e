// docs/guide.md as a program: its blocks one after another, in a project with a model, texts, and what users install.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadGlosses } from '../../scripts/data/glosses.mjs';
import { wordllamaFolder } from '../../scripts/models/models.mjs';

const ROWS = 6000;
const QUERIES = 240;
/** Between the outputs of blocks. */
const MARK = '--- next block ---';
const BLOCK = /```ts\n((?:(?!```)[\s\S])*)```(?:\n\n```text\n([\s\S]*?)```)?/g;

/** Each block with its section, its code, and what it is said to print: undefined where it prints nothing. */
export function blocksOf(text) {
  return [...text.matchAll(BLOCK)].map(([, code, output], i, all) => {
    const section = text
      .slice(0, all[i].index)
      .match(/^## .*$/gm)
      .at(-1)
      .slice(3);
    return { section, code, output };
  });
}

/** Blocks that a section needs: those of the sections on the index, and its own. */
export function upTo(blocks, section) {
  const isDatabase = ({ section: name }) => name.startsWith('On ');
  return blocks.filter((block) => (isDatabase(block) ? block.section === section : true));
}

export async function makeProject() {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-guide-'));
  const { texts, words, queries } = await loadGlosses({ count: 20_000 });
  const lines = texts.slice(0, ROWS).map((gloss, i) => JSON.stringify({ word: words[i], gloss }));
  writeFileSync(join(folder, 'glosses.jsonl'), `${lines.join('\n')}\n`);
  writeFileSync(
    join(folder, 'queries.txt'),
    `${queries
      .slice(0, QUERIES)
      .map(({ text }) => text)
      .join('\n')}\n`,
  );
  mkdirSync(join(folder, 'models'));
  symlinkSync(await wordllamaFolder(), join(folder, 'models', 'wordllama'), 'junction');
  mkdirSync(join(folder, 'node_modules'));
  for (const scope of ['@qdrant', '@zilliz', '@types', '@grpc', 'undici-types']) {
    symlinkSync(resolve('node_modules', scope), join(folder, 'node_modules', scope), 'junction');
  }
  symlinkSync(resolve(), join(folder, 'node_modules', 'funnelvec'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const options = {
    target: 'es2022',
    lib: ['es2023'],
    types: ['node'],
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    preserveSymlinks: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Compiles programs, by name, each of blocks one after another. */
export function compile({ folder }, programs, replace = (code) => code) {
  for (const [name, blocks] of Object.entries(programs)) {
    // Imports may stand anywhere in a module.
    const program = blocks.map(({ code }) => code).join(`\nconsole.log('${MARK}');\n`);
    // The last one ends the threads.
    writeFileSync(join(folder, `${name}.ts`), `${replace(program)}\nawait index.close();\nawait embedder.close();\n`);
  }
  const tsc = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', folder], {
    encoding: 'utf8',
  });
  if (tsc.status !== 0) throw new Error(`the guide does not compile:\n${tsc.stdout}${tsc.stderr}`);
}

/** Compiles the blocks as one program, runs it, and answers what each printed. */
export function runBlocks(project, name, blocks, replace) {
  compile(project, { [name]: blocks }, replace);
  const program = [`${name}.js`];
  const { stdout, stderr, status } = spawnSync(process.execPath, program, { cwd: project.folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} ended with ${status}:\n${stdout}${stderr}`);
  return stdout.split(`${MARK}\n`);
}

export const guide = () => readFileSync(resolve('docs/guide.md'), 'utf8');
