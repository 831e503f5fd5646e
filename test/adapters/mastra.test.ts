/** funnelvec/mastra with the real @mastra/core: the suites of test/adapters/mastra, in a child on Node.js 22, which Mastra asks for. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startMilvus } from '../sources/servers.js';
import { type MastraNode, mastraNode } from './mastra/node22.js';

const ready = await mastraNode();
const { program, args, env } = ready as MastraNode;

describe('funnelvec/mastra', { skip: typeof ready === 'string' ? ready : false, timeout: 300_000 }, () => {
  it('holds to its suites, over indexes and over Milvus', async () => {
    const milvus = await startMilvus();
    try {
      const suites = ['contract', 'filter', 'store', 'bad-inputs'].map(
        (name) => `build/test/adapters/mastra/${name}.suite.js`,
      );
      // A test runner within a test would report in another form.
      const own = { ...process.env, ...env, MILVUS_ADDRESS: milvus.address, NODE_TEST_CONTEXT: undefined };
      const child = spawn(program, [...args, '--test', '--test-reporter=spec', ...suites], { env: own });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => (output += text));
      }
      const status = await new Promise((done) => child.on('close', done));
      assert.equal(status, 0, output);
      assert.ok(Number(/ℹ pass (\d+)/.exec(output)?.[1]) >= 140, output);
      assert.match(output, /ℹ skipped 0/);
    } finally {
      await milvus.stop();
    }
  });

  it('loads nothing but @mastra/core, and is required as well as imported', async () => {
    const text = `
      const { FunnelVector } = require('funnelvec/mastra');
      const loaded = Object.keys(require.cache).filter((file) => file.startsWith(${JSON.stringify(resolve('node_modules'))}));
      require.resolve('@mastra/core/vector');
      import('funnelvec/mastra').then((module) => console.log(JSON.stringify([loaded, typeof module.MilvusVector, typeof FunnelVector])));`;
    const { stdout } = await promisify(execFile)(program, [...args, '-e', text], { env: { ...process.env, ...env } });
    assert.deepEqual(JSON.parse(stdout), [[], 'function', 'function']);
  });

  it('has the types that @mastra/core has', async () => {
    const folder = mkdtempSync(resolve('build/mastra-types-'));
    const core = join(env['MASTRA_FOLDER']!, 'node_modules/@mastra/core/dist/*/index.d.ts');
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2022', lib: ['es2023'], types: ['node'], strict: true, skipLibCheck: true },
      ...{
        noEmit: true,
        noImplicitOverride: true,
        noUncheckedIndexedAccess: true,
        paths: { '@mastra/core/*': [core] },
      },
    };
    // The sources, not the declarations that were built: what overrides a method is checked there alone.
    const use = `
      import { Mastra } from '@mastra/core/mastra';
      import type { MastraVector } from '@mastra/core/vector';
      import { FunnelVector, MilvusVector } from '../../src/adapters/mastra/index.js';
      const films = new FunnelVector({ id: 'films', path: ':memory:' });
      export const one: MastraVector = films;
      export const app = new Mastra({ vectors: { films } });
      declare const other: MilvusVector;
      export const two: MastraVector = other;
      // @ts-expect-error: dims are a number
      export const made = films.createIndex({ indexName: 'films', dimension: '3' });
      export const found: Promise<string[]> = films.query({ indexName: 'films', queryVector: [1], minScore: 0.5 }).then((rows) => rows.map(({ id }) => id));`;
    try {
      writeFileSync(join(folder, 'use.mts'), use);
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.mts'] }));
      const tsc = resolve('node_modules/typescript/bin/tsc');
      await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(({ stdout }) => assert.fail(stdout));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
