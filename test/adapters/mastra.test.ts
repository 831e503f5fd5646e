/** funnelvec/mastra with the real @mastra/core: the suites of test/adapters/mastra, in a child on Node.js 22, which Mastra asks for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { startMilvus } from '../sources/servers.js';
import { type MastraNode, mastraNode } from './mastra/node22.js';

const ready = await mastraNode();

describe('funnelvec/mastra', { skip: typeof ready === 'string' ? ready : false, timeout: 300_000 }, () => {
  let milvus: Awaited<ReturnType<typeof startMilvus>>;
  before(async () => {
    milvus = await startMilvus();
  });
  after(() => milvus?.stop());

  /** Suites, and how many tests they have at least. */
  const SUITES = { contract: 38 };
  for (const [suite, fewest] of Object.entries(SUITES)) {
    it(`holds to test/adapters/mastra/${suite}.suite.ts`, async () => {
      const { program, args, env } = ready as MastraNode;
      const child = spawn(
        program,
        [...args, '--test', '--test-reporter=spec', `build/test/adapters/mastra/${suite}.suite.js`],
        // A test runner within a test would report in another form.
        { env: { ...process.env, ...env, MILVUS_ADDRESS: milvus.address, NODE_TEST_CONTEXT: undefined } },
      );
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => (output += text));
      }
      const status = await new Promise((done) => child.on('close', done));
      assert.equal(status, 0, output);
      assert.ok(Number(/ℹ pass (\d+)/.exec(output)?.[1]) >= fewest, output);
      assert.match(output, /ℹ skipped 0/);
    });
  }
});
