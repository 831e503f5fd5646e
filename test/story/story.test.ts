/** docs/guide.md, the story from texts to a cured funnel: compiled, run on the index, Qdrant and Milvus, and held to its words. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';

const path = pathToFileURL(resolve('test/story/guide.mjs')).href;
const { blocksOf, guide, makeProject, runBlocks, upTo } = (await import(path)) as typeof import('./guide.mjs');

const blocks = blocksOf(guide());
let project: Awaited<ReturnType<typeof makeProject>> | undefined;
let missing = '';

describe('the guide', { timeout: 240_000 }, () => {
  before(async () => {
    try {
      project = await makeProject();
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      missing = (error as Error).message;
    }
  });
  after(() => project?.remove());

  function holds(name: string, section: string | undefined, replace?: (code: string) => string): void {
    const some = upTo(blocks, section);
    const printed = runBlocks(project!, name, some, replace);
    assert.equal(printed.length, some.length);
    for (const [i, { output = '', section: of }] of some.entries()) {
      assert.equal(printed[i], output, `block ${i + 1}, "${of}"`);
    }
  }

  it('prints what it says on the index', (t) => {
    if (project === undefined) return t.skip(missing);
    holds('embedded', undefined);
  });

  it(`prints what it says on Qdrant${qdrantMark}`, async (t) => {
    if (project === undefined) return t.skip(missing);
    const { url, stop } = await startQdrant();
    try {
      holds('qdrant', 'On Qdrant', (code) => code.replace('http://127.0.0.1:6333', url));
    } finally {
      await stop();
    }
  });

  it('prints what it says on Milvus', async (t) => {
    if (project === undefined) return t.skip(missing);
    const { address, stop } = await startMilvus();
    try {
      holds('milvus', 'On Milvus', (code) => code.replace('127.0.0.1:19530', address));
    } finally {
      await stop();
    }
  });

  it('tells the story: the funnel loses what its pool never had, and the tuned plan finds it, on each of the three', () => {
    const [fails] = blocks.filter(({ section }) => section === 'A query that fails');
    const lines = fails!.output!.split('\n').map((line) => line.trim().split(/ {2,}| · /));
    const words = (way: string) => lines.find(([name]) => name!.startsWith(way))!.join(' ');
    assert.match(words('full'), /^full credit /);
    assert.doesNotMatch(words('funnel'), /credit/);
    for (const section of ['A query that fails', 'On Qdrant', 'On Milvus']) {
      const text = blocks
        .filter((block) => block.section === section)
        .map(({ output }) => output)
        .join('');
      assert.match(text, /with 128 candidates: not a candidate\n/, section);
      assert.ok(Number(/its place in the head list: (\d+)/.exec(text)?.[1]) > 128, section);
      assert.match(text, /with 512 candidates, hit number 0\n/, section);
    }
    for (const section of ['The plan that a promise needs', 'On Qdrant', 'On Milvus']) {
      const text = blocks
        .filter((block) => block.section === section)
        .map(({ output }) => output)
        .join('');
      assert.match(text, /promised: recall@5 of 0\.95, confidence 0\.95\nmore candidates than before: true\n/, section);
    }
  });
});
