/** The demo page in Chromium: by keyboard, at a phone's width, in light and dark; its answers are those of Node.js. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { funnel } from 'funnelvec';
import type { Browser, Page } from 'playwright-core';
import { loadGlosses, realModels } from '../embed/real.js';
import { noBrowser, openBrowser } from '../tune/browser.js';

interface Served {
  address: string;
  close(): Promise<void>;
}

/** Dots that no polygon holds, at their left or right end. */
const OUTSIDE = `Array.from(document.querySelectorAll('circle:not(.gone)')).filter((circle) => {
  const [x, y, r] = ['cx', 'cy', 'r'].map((name) => Number(circle.getAttribute(name)));
  return !Array.from(document.querySelectorAll('polygon')).some((band) =>
    [x - r, x + r].every((at) => band.isPointInFill(new DOMPoint(at, y))));
}).map((circle) => circle.outerHTML)`;
const TEXT = 'a small boat moved by oars';
const { missing } = noBrowser ? { missing: undefined } : await realModels();

describe('the demo page', { skip: noBrowser || (missing ?? false), timeout: 300_000 }, () => {
  let served: Served;
  let browser: Browser;

  before(async () => {
    const script = pathToFileURL(resolve('scripts/demo/page/server.mjs')).href;
    const { servePage } = (await import(script)) as { servePage(options: object): Promise<Served> };
    served = await servePage({ count: 2000 });
    browser = await openBrowser();
  });

  after(async () => {
    await browser?.close();
    await served?.close();
  });

  async function open(options: object): Promise<{ page: Page; errors: string[] }> {
    const page = await browser.newPage(options);
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(served.address);
    await page.waitForSelector('body[data-ready]');
    return { page, errors };
  }

  /** The page's policy lets nothing be evaluated in it later: it is asked again and again from here. */
  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (const end = performance.now() + 30_000; !(await holds()); ) {
      assert.ok(performance.now() < end, 'the page does not come to show it');
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  const shows = (page: Page, text: string) =>
    until(async () => (await page.getAttribute('body', 'data-shown')) === text);
  const words = async (page: Page) => (await page.locator('#hits strong').allTextContents()).map((word) => word.trim());

  it('finds as one types, by keyboard alone, what the funnel finds in Node.js, on WASM', async () => {
    const { page, errors } = await open({ viewport: { width: 1100, height: 900 } });
    await page.keyboard.type(TEXT); // where the page has put the focus
    await shows(page, TEXT);
    assert.match((await page.textContent('#status'))!, /2,000 glosses of 256 dims.* on wasm/);

    const { rows, words: names } = await loadGlosses({ count: 2000 });
    const query = new Float32Array(await (await fetch(`${served.address}embed?text=${TEXT}`)).arrayBuffer());
    const pool = funnel({ vectors: rows, dim: 256 }, query, { scales: [32], keep: 1, limit: 200 });
    const vectors = Float32Array.from(pool.flatMap(({ index }) => [...rows.subarray(256 * index, 256 * (index + 1))]));
    const plan = { scales: [64, 128, 256], keep: 0.5, limit: 10 };
    const hits = funnel({ vectors, dim: 256 }, query, plan);
    assert.deepEqual(
      await words(page),
      hits.map(({ index }) => names[pool[index]!.index]!),
    );

    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.locator('#hits li').nth(1).getAttribute('aria-current'), 'true');
    assert.ok((await page.locator('circle.picked').count()) > 0);
    await page.keyboard.press('Escape');
    await shows(page, '');
    assert.equal(await page.locator('#hits li').count(), 0);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it('draws what each stage loses against the exact answer, as its sliders are moved', async () => {
    const { page, errors } = await open({ viewport: { width: 1100, height: 900 } });
    await page.keyboard.type(TEXT);
    await shows(page, TEXT);
    assert.equal(await page.locator('polygon').count(), 5); // all rows, three stages, hits
    // A head of all dims that keeps everything loses nothing.
    await page.focus('#head');
    await page.keyboard.press('End');
    await page.focus('#keep');
    await page.keyboard.press('End');
    await until(async () => (await page.locator('polygon').count()) === 3);
    await until(async () => (await page.textContent('#verdict'))!.startsWith('Nothing is lost'));
    assert.equal(await page.locator('circle.gone').count(), 0);
    assert.equal(await page.isVisible('#lost'), false);
    // Twenty candidates of eight dims lose most.
    await page.focus('#head');
    await page.keyboard.press('Home');
    await page.focus('#candidates');
    await page.keyboard.press('Home');
    await until(async () => (await page.locator('circle.gone').count()) > 0);
    await until(async () => (await page.textContent('#candidates-value')) === '20');
    // The last of several searches is drawn when verdict and rings agree.
    const lostOf = async () => Number(/^\d+/.exec((await page.textContent('#verdict'))!)?.[0]);
    const settled = async (lost: number) => lost >= 5 && lost === (await page.locator('circle.gone').count());
    await until(async () => settled(await lostOf()));
    const lost = await lostOf();
    assert.match((await page.textContent('#verdict'))!, new RegExp(`^${lost} of the exact 10 are lost: `));
    assert.equal(await page.locator('#lost li').count(), lost);
    assert.deepEqual(errors, []);
    await page.close();
  });

  it("fits a phone's width, in light and dark", async () => {
    const grounds: number[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, errors } = await open({ viewport: { width: 360, height: 740 }, colorScheme, isMobile: true });
      await page.fill('#text', TEXT);
      await shows(page, TEXT);
      const { width, ground, ink, letters } = (await page.evaluate(`({
        width: document.documentElement.scrollWidth,
        ground: getComputedStyle(document.body).backgroundColor,
        ink: getComputedStyle(document.body).color,
        letters: document.querySelector('.name').getBoundingClientRect().height,
      })`)) as { width: number; ground: string; ink: string; letters: number };
      assert.ok(width <= 360, `${width} px wide`);
      // Every dot is within the band that its row has come to.
      const dots = page.locator('circle:not(.gone)');
      assert.ok((await dots.count()) > 10);
      assert.deepEqual(await page.evaluate(OUTSIDE), []);
      assert.ok(letters >= 12, `letters of ${letters} px`);
      const light = (color: string) => Number(/\d+/.exec(color)![0]);
      assert.ok(Math.abs(light(ground) - light(ink)) > 150, `${ink} on ${ground}`);
      grounds.push(light(ground));
      assert.deepEqual(errors, []);
      await page.close();
    }
    assert.ok(grounds[0]! > 200 && grounds[1]! < 60, grounds.join());
  });
});
