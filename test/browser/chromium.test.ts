/** The package in Chromium: in pages and workers, cross-origin isolated or not, and under a strict policy. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { noBrowser, openBrowser } from '../tune/browser.js';
import { BUNDLERS, bundlers, imageOfDisk, project } from './bundles.js';
import { ISOLATED, Site } from './pages.js';

const { load, missing } = await bundlers();

/** Nothing from elsewhere, nothing inline, no WebAssembly from bytes. */
const STRICT = { 'Content-Security-Policy': "default-src 'self'" };
const STRICT_WITH_WASM = { 'Content-Security-Policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" };

describe('in Chromium', { skip: noBrowser || (missing ?? false), timeout: 300_000 }, () => {
  const { home, remove } = project();
  const site = new Site();
  let browser: Browser;
  let expected: { answers: unknown };
  let ofIndex: unknown;

  before(async () => {
    await site.open();
    for (const name of ['main', 'given', 'frames', 'store']) {
      const text = await BUNDLERS['esbuild']!(load!, home, name);
      site.files.set(`/${name}.js`, { text, headers: { 'Cross-Origin-Embedder-Policy': 'require-corp' } });
    }
    site.files.set('/worker.js', {
      text: "globalThis.answer = new Promise((done) => { new Worker('main.js').onmessage = ({ data }) => done(data); });",
    });
    const image = await imageOfDisk(home);
    site.files.set('/index.bin', { text: image, type: 'application/octet-stream' });
    site.files.set('/store-worker.js', {
      text: "globalThis.answer = new Promise((done) => { new Worker('store.js').onmessage = ({ data }) => done(data); });",
    });
    site.files.set('/kernels.wasm', { text: readFileSync('dist/esm/kernels/kernels.wasm'), type: 'application/wasm' });
    site.files.set('/codes.wasm', { text: readFileSync('dist/esm/kernels/codes.wasm'), type: 'application/wasm' });
    site.files.set('/compiler.js', {
      text: `
        const compiled = (name) => WebAssembly.compileStreaming(fetch(name));
        Promise.all([compiled('kernels.wasm'), compiled('codes.wasm')]).then(([kernels, codes]) => postMessage({ kernels, codes }));
      `,
    });
    const { run } = await import(pathToFileURL(join(home, 'main.mjs')).href);
    expected = JSON.parse(JSON.stringify(await run()));
    const store = await import(pathToFileURL(join(home, 'store.mjs')).href);
    ofIndex = JSON.parse(JSON.stringify((await store.run(image)).answers));
    browser = await openBrowser();
  });

  after(async () => {
    await browser?.close();
    await site.close();
    remove();
  });

  // biome-ignore lint/suspicious/noExplicitAny: each program answers another shape
  async function answerOf(path: string, script: string, headers: Record<string, string> = {}): Promise<any> {
    const page = await browser.newPage();
    try {
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(site.page(path, script, headers));
      const answer = await page.evaluate('globalThis.answer');
      assert.deepEqual(errors, []);
      return answer;
    } finally {
      await page.close();
    }
  }

  for (const [kind, headers] of [
    ['a page', {}],
    ['a page that is cross-origin isolated', ISOLATED],
    ["a page whose policy allows 'wasm-unsafe-eval' alone", STRICT_WITH_WASM],
  ] as const) {
    it(`has the bits of Node.js, on WASM, in ${kind} and its worker`, async () => {
      for (const script of ['main.js', 'worker.js']) {
        const { answers, kernels } = await answerOf('/page', script, headers);
        assert.deepEqual(answers, expected.answers);
        assert.equal(kernels, 'wasm');
      }
    });

    it(`an index, its own or shipped, has the bits of Node.js in ${kind} and its worker`, async () => {
      for (const script of ['store.js', 'store-worker.js']) {
        const { answers, kernels } = await answerOf('/store', script, headers);
        assert.deepEqual(answers, ofIndex);
        assert.equal(kernels, 'wasm');
      }
    });
  }

  it('answers on plain JavaScript under a policy that compiles no WebAssembly, and takes a module', async () => {
    const { answers, kernels } = await answerOf('/strict', 'main.js', STRICT);
    assert.deepEqual(answers, expected.answers);
    assert.equal(kernels, 'js');
    const index = await answerOf('/strict-store', 'store.js', STRICT);
    assert.deepEqual([index.answers, index.kernels], [ofIndex, 'js']);
    const given = await answerOf('/given', 'given.js', STRICT);
    assert.deepEqual(given.before, ['js', 'KERNELS_UNAVAILABLE', 'BAD_ARGUMENT', 'js']);
    assert.match(given.reason, /useWasmModules\(\)/);
    assert.equal(given.other, 'BAD_ARGUMENT'); // the other module
    assert.deepEqual(given.after, ['wasm', 'wasm']);
    assert.equal(given.same, true);
  });

  it('leaves frames to the page while funnelAsync() works on its thread', async () => {
    const { frames } = await answerOf('/frames', 'frames.js');
    assert.ok(frames >= 3, `${frames} frames`);
  });
});
