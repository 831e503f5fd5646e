/**
 * The package in bundles for browsers, by every bundler of docs/runtimes.md: without warnings, with nothing of Node.js in
 * them, small, and with the bits of Node.js. They run in a bare context of what pages and workers have, so that no browser is
 * needed.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { BUNDLERS, bundlers, imageOfDisk, project } from './bundles.js';
import { NEEDS_NODE } from './programs.js';

/** Bytes, gzipped, of the funnel on WASM in a bundle. */
const MAX_FUNNEL = 25_000;
/** The same of the index. */
const MAX_INDEX = 130_000;

/** Globals that pages and workers have beside those of the language. There is no `Buffer` and no `process`. */
const WEB = {
  AbortController,
  AbortSignal,
  atob,
  btoa,
  clearTimeout,
  crypto,
  MessageChannel,
  performance,
  queueMicrotask,
  setTimeout,
  structuredClone,
  TextDecoder,
  TextEncoder,
  URL,
};

/** A page that is not cross-origin isolated. */
const UNSHARED = { SharedArrayBuffer: undefined };

const { load, missing } = await bundlers();

interface Answer {
  answers: unknown;
  kernels?: string;
  refused?: unknown;
}

describe('bundles for browsers', { skip: missing ?? false, timeout: 300_000 }, () => {
  const { home, remove } = project();
  const expected: Record<string, Answer> = {};
  const names = ['main', 'wasm', 'store', 'all'];
  let image: Uint8Array;

  before(async () => {
    image = await imageOfDisk(home);
    for (const name of names) {
      const { run } = await import(pathToFileURL(join(home, `${name}.mjs`)).href);
      expected[name] = JSON.parse(JSON.stringify(await run(name === 'store' || name === 'all' ? image : undefined)));
    }
  });
  after(remove);

  async function runBare(text: string, globals: object): Promise<Answer> {
    const context = vm.createContext({ ...WEB, image: image.slice(), ...globals });
    vm.runInContext(text, context);
    return JSON.parse(JSON.stringify(await context['answer']));
  }

  for (const [bundler, build] of Object.entries(BUNDLERS)) {
    it(`of ${bundler} have the bits of Node.js, without shared memory too`, async () => {
      // One bundler for all: what differs between them is how they find the parts, not what these do.
      for (const name of bundler === 'esbuild' ? names.slice(0, 3) : ['all']) {
        const text = await build(load!, home, name);
        for (const mention of [/["']node:/, /\bprocess[.[]/, /\bsetImmediate\b/, /\brequire\(/]) {
          assert.doesNotMatch(text, mention);
        }
        for (const globals of bundler === 'esbuild' ? [{}, UNSHARED] : [UNSHARED]) {
          const { answers, kernels } = await runBare(text, globals);
          assert.deepEqual(answers, expected[name]!.answers);
          // An index too: its memory is WebAssembly's to share.
          if (name !== 'wasm') assert.equal(kernels, 'wasm');
        }
      }
    });
  }

  it('of funnelvec/embed have models of others, and say that a model on this machine needs Node.js', async () => {
    const { run } = await import(pathToFileURL(join(home, 'embed.mjs')).href);
    const { answers, refused } = await runBare(await BUNDLERS['esbuild']!(load!, home, 'embed'), {});
    assert.deepEqual(answers, JSON.parse(JSON.stringify((await run()).answers)));
    assert.deepEqual(refused, ['FunnelError', 'UNSUPPORTED', NEEDS_NODE]);
  });

  it('of entries beside the index hold nothing of Node.js', async () => {
    for (const entry of ['vectors', 'fuse', 'kernels', 'source', 'ai-sdk', 'embed']) {
      writeFileSync(
        join(home, 'entry.start.mjs'),
        `import * as all from 'funnelvec/${entry}'; globalThis.answer = Object.keys(all);`,
      );
      const text = await BUNDLERS['esbuild']!(load!, home, 'entry');
      assert.doesNotMatch(text, /["']node:/, entry);
      assert.ok(((await runBare(text, {})) as unknown as string[]).length > 0, entry);
    }
  });

  it(`of the funnel on WASM have at most ${MAX_FUNNEL / 1000} kB, gzipped`, async () => {
    const { length } = gzipSync(await BUNDLERS['esbuild']!(load!, home, 'wasm'), { level: 9 });
    assert.ok(length <= MAX_FUNNEL, `${length} bytes`);
  });

  it(`of an index have at most ${MAX_INDEX / 1000} kB, gzipped`, async () => {
    const { length } = gzipSync(await BUNDLERS['esbuild']!(load!, home, 'store'), { level: 9 });
    assert.ok(length <= MAX_INDEX, `${length} bytes`);
  });

  it('run on plain JavaScript where there is no WebAssembly', async () => {
    for (const name of ['main', 'store']) {
      const text = await BUNDLERS['esbuild']!(load!, home, name);
      const { answers, kernels } = await runBare(text, { ...UNSHARED, WebAssembly: undefined });
      assert.deepEqual(answers, expected[name]!.answers);
      assert.equal(kernels, 'js');
    }
  });
});
