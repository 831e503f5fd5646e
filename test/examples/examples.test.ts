/** The programs of examples/: each runs as it stands, prints what its comments say, and its types hold. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { mastraNode } from '../adapters/mastra/node22.js';
import { realModels } from '../embed/real.js';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';

const FOLDER = resolve('examples');
const all = readdirSync(FOLDER).filter((name) => name.endsWith('.mjs'));
/** Modules that other examples import; they print nothing. */
const MODULES = ['array-source.mjs'];
const tests = all.filter((name) => name.endsWith('.test.mjs'));
const files = all.filter((name) => !tests.includes(name) && !MODULES.includes(name));
const textOf = (file: string) => readFileSync(join(FOLDER, file), 'utf8');

/** The output that an example says it prints. */
function announced(text: string): string {
  return Array.from(text.matchAll(/^ *\/\/ => (.*)$/gm), ([, line]) => `${line}\n`).join('');
}

async function holds(file: string, { env = {}, program = process.execPath, args = [] }: Partial<Need>): Promise<void> {
  const wanted = announced(textOf(file));
  assert.notEqual(wanted, '', `${file} says nothing of what it prints`);
  const { stdout, stderr } = await promisify(execFile)(program, [...args, join(FOLDER, file)], {
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  assert.equal(stderr, '');
  assert.equal(stdout, wanted);
}

interface Need {
  env: Record<string, string>;
  /** Another Node.js than this one, and its arguments. */
  program?: string;
  args?: string[];
  release?(): unknown;
}

/** The needs of an example besides the package. */
const NEEDS: Record<string, () => Promise<Need>> = {
  'qdrant.mjs': async () => {
    const { url, stop } = await startQdrant();
    return { env: { QDRANT_URL: url }, release: stop };
  },
  'milvus.mjs': async () => {
    const { address, stop } = await startMilvus();
    return { env: { MILVUS_ADDRESS: address }, release: stop };
  },
  'texts.mjs': wordllama,
  'fuse.mjs': wordllama,
  'mastra.mjs': async () => {
    const node = await mastraNode();
    if (typeof node === 'string') throw new Error(node);
    return node;
  },
};

async function wordllama(): Promise<Need> {
  const models = await realModels();
  if (models.missing !== undefined) throw new Error(models.missing);
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-models-'));
  symlinkSync(models.wordllama, join(folder, 'wordllama'), 'junction');
  return { env: { FUNNELVEC_MODELS: folder }, release: () => rmSync(folder, { recursive: true }) };
}

for (const file of files) {
  const mark = file === 'qdrant.mjs' ? qdrantMark : '';
  it(`${file} prints what it says${mark}`, async (t) => {
    let need: Need | undefined;
    try {
      need = await NEEDS[file]?.();
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      return t.skip((error as Error).message);
    }
    try {
      await holds(file, need ?? {});
    } finally {
      await need?.release?.();
    }
  });
}

for (const file of tests) {
  it(`${file} passes`, async () => {
    // Without what this runner tells its own children.
    const { NODE_TEST_CONTEXT, ...env } = process.env;
    const args = ['--test', '--test-reporter=tap', join(FOLDER, file)];
    const run = await promisify(execFile)(process.execPath, args, { env, timeout: 120_000 }).catch((error) => error);
    const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(run.stdout)?.[1]);
    assert.equal(count('fail'), 0, run.stdout);
    assert.ok(count('pass') >= 60, run.stdout);
  });
}

it('the table of examples names each of them', () => {
  const named = Array.from(textOf('README.md').matchAll(/^\| \[([\w.-]+\.mjs)\]\(\1\) /gm), ([, file]) => file);
  assert.deepEqual(named.sort(), all.sort());
});

it('README links the program of each integration on its first screen', () => {
  const [firstScreen] = readFileSync(resolve('README.md'), 'utf8').split('\n## Install');
  for (const name of ['langchain', 'mastra', 'ai-sdk', 'endpoint', 'fuse', 'mcp', 'spans', 'switch']) {
    assert.ok(all.includes(`${name}.mjs`));
    assert.match(firstScreen!, new RegExp(`\\]\\(examples/${name}\\.mjs\\)`));
  }
  assert.ok(firstScreen!.split('\n').length < 45);
});

it('examples import the package as applications do, and nothing of the repository', () => {
  for (const file of all) {
    for (const [, from] of textOf(file).matchAll(/ from '([^']+)'/g))
      assert.doesNotMatch(from!, /^\.\.|dist|src/, file);
    assert.match(textOf(file), / from 'funnelvec/, file);
  }
});

it('the compiler finds nothing wrong with the examples', async () => {
  const tsc = resolve('node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', FOLDER]).catch(({ stdout }) => assert.fail(stdout));
});
