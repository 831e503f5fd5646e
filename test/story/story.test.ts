/** docs/guide.md, the story from texts to a cured funnel: compiled, run on the index, Qdrant and Milvus, and held to its words. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';

const path = pathToFileURL(resolve('test/story/guide.mjs')).href;
const { blocksOf, compile, guide, makeProject, runBlocks, upTo } = (await import(path)) as typeof import('./guide.mjs');

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

  /** By block, the text that it printed: one program of all of them, so that the index is built and tuned once. */
  let printed: Promise<Map<(typeof blocks)[number], string>> | undefined;
  async function run(): Promise<Map<(typeof blocks)[number], string>> {
    const [qdrant, milvus] = await Promise.all([startQdrant(), startMilvus()]);
    try {
      const outputs = runBlocks(project!, 'guide', blocks, (code) =>
        code.replace('http://127.0.0.1:6333', qdrant.url).replace('127.0.0.1:19530', milvus.address),
      );
      assert.equal(outputs.length, blocks.length);
      return new Map(blocks.map((block, i) => [block, outputs[i]!]));
    } finally {
      await Promise.all([qdrant.stop(), milvus.stop()]);
    }
  }

  async function holds(section: string | undefined): Promise<void> {
    printed ??= run();
    const outputs = await printed;
    for (const [i, block] of upTo(blocks, section).entries()) {
      assert.equal(outputs.get(block), block.output ?? '', `block ${i + 1}, "${block.section}"`);
    }
  }

  it('compiles as far as a reader needs it, for the index, for Qdrant and for Milvus', (t) => {
    if (project === undefined) return t.skip(missing);
    compile(project, {
      embedded: upTo(blocks, undefined),
      qdrant: upTo(blocks, 'On Qdrant'),
      milvus: upTo(blocks, 'On Milvus'),
    });
  });

  for (const [store, section] of [
    ['the index', undefined],
    [`Qdrant${qdrantMark}`, 'On Qdrant'],
    ['Milvus', 'On Milvus'],
  ] as const) {
    it(`prints what it says on ${store}`, (t) => (project === undefined ? t.skip(missing) : holds(section)));
  }

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
