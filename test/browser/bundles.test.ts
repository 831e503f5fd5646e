/**
 * The package in bundles for browsers, by every bundler of docs/runtimes.md: without warnings, with nothing of Node.js in
 * them, small, and with the bits of Node.js. They run in a bare context of what pages and workers have, so that no browser is
 * needed.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { BUNDLERS, bundlers, project } from './bundles.js';

/** Bytes, gzipped, of the funnel on WASM in a bundle. */
const MAX_FUNNEL = 25_000;

/** Globals that pages and workers have, cross-origin isolated or not, beside those of the language. */
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
};

/** A page that is not cross-origin isolated. */
const UNSHARED = { SharedArrayBuffer: undefined };

const { load, missing } = await bundlers();

interface Answer {
  answers: unknown;
  kernels?: string;
}

describe('bundles for browsers', { skip: missing ?? false, timeout: 300_000 }, () => {
  const { home, remove } = project();
  const expected: Record<string, Answer> = {};
  const names = ['main', 'wasm'];

  before(async () => {
    for (const name of names) {
      const { run } = await import(pathToFileURL(join(home, `${name}.mjs`)).href);
      expected[name] = JSON.parse(JSON.stringify(await run()));
    }
  });
  after(remove);

  async function runBare(text: string, globals: object): Promise<Answer> {
    const context = vm.createContext({ ...WEB, ...globals });
    vm.runInContext(text, context);
    return JSON.parse(JSON.stringify(await context['answer']));
  }

  for (const [bundler, build] of Object.entries(BUNDLERS)) {
    it(`of ${bundler} have the bits of Node.js, without shared memory too`, async () => {
      // One bundler for all: what differs between them is how they find the parts, not what these do.
      for (const name of bundler === 'esbuild' ? names : ['main']) {
        const text = await build(load!, home, name);
        for (const mention of [/["']node:/, /\bprocess[.[]/, /\bsetImmediate\b/, /\bBuffer[.(]/, /\brequire\(/]) {
          assert.doesNotMatch(text, mention);
        }
        for (const globals of bundler === 'esbuild' ? [{}, UNSHARED] : [UNSHARED]) {
          const { answers, kernels } = await runBare(text, globals);
          assert.deepEqual(answers, expected[name]!.answers);
          if (name === 'main') assert.equal(kernels, 'wasm');
        }
      }
    });
  }

  it(`of the funnel on WASM have at most ${MAX_FUNNEL / 1000} kB, gzipped`, async () => {
    const { length } = gzipSync(await BUNDLERS['esbuild']!(load!, home, 'wasm'), { level: 9 });
    assert.ok(length <= MAX_FUNNEL, `${length} bytes`);
  });

  it('run on plain JavaScript where there is no WebAssembly', async () => {
    const { answers, kernels } = await runBare(await BUNDLERS['esbuild']!(load!, home, 'main'), {
      WebAssembly: undefined,
    });
    assert.deepEqual(answers, expected['main']!.answers);
    assert.equal(kernels, 'js');
  });
});
