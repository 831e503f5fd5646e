/** The report: whole, small, silent, harmless; and, in a browser, drawn. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FunnelSearch } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { type PrefixResult, prefixAgainstSuffix, report, type TuneResult, tune } from 'funnelvec/tune';
import { Random, SEED } from '../random.js';
import { noBrowser, openBrowser } from './browser.js';

const DIM = 64;
const ROWS = 1500;
const random = new Random(SEED);
/** The first dims say most. */
const vector = () => random.vector(DIM).map((x, i) => x / (1 + i / 4));
const HOSTILE = `"><img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script><!-- ' & \u2028 `;
const hostile = (i: number) => `${HOSTILE}${i}`;

let folder: string;
let index: FunnelIndex;
let prefix: PrefixResult;
let results: { name: string; result: TuneResult }[];
const queries = Array.from({ length: 120 }, vector);
const labels = queries.map((_, i) => hostile(i));

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'funnelvec-report-'));
  index = await FunnelIndex.create(':memory:', { dim: DIM, head: 16, autoOptimize: false });
  const points = Array.from({ length: ROWS }, (_, i) => ({ id: hostile(i), vector: vector() }));
  await index.upsert(points);
  await index.optimize();
  prefix = await prefixAgainstSuffix({ search: index, queries, rows: 800 });
  const search = new FunnelSearch({ source: embeddedSource(index, { head: 16 }) });
  const target = { recall: 0.9, k: 10 };
  results = [
    { name: 'a search', result: await tune({ search, queries, target, exact: false }) },
    { name: 'an index', result: await tune({ search: index, queries, target, exact: false }) },
    { name: 'a refusal', result: await tune({ search, queries, target: { recall: 0.999 }, exact: false }) },
    { name: 'an exact search', result: await tune({ search, queries, target: { recall: 0.999 } }) },
  ];
});

after(async () => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  await index.close();
});

const everything = () => ({ title: HOSTILE, prefix, queries: labels, rows: (id: string) => `${id}${HOSTILE}` });

/** Looks at the page: for each plot, how many pixels have the colour of its data. Runs in the browser. */
const LOOK = `(() => {
  const style = getComputedStyle(document.documentElement);
  const of = { curve: 'chosen', ranks: 'line', stages: 'bad', traces: 'line', prefix: 'bad' };
  const coloured = ({ id }, canvas) => {
    const [r, g, b] = style.getPropertyValue('--' + of[id]).trim().match(/[0-9a-f]{2}/g).map((hex) => parseInt(hex, 16));
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let pixels = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255 && data[i] === r && data[i + 1] === g && data[i + 2] === b) pixels++;
    }
    return pixels;
  };
  return {
    ready: document.documentElement.dataset.ready,
    title: document.title,
    wide: document.documentElement.scrollWidth,
    hacked: window.hacked,
    foreign: document.querySelectorAll('img, iframe, object, a').length,
    plots: [...document.querySelectorAll('.plot')].map((plot) => ({
      id: plot.id,
      pixels: coloured(plot, plot.querySelector('canvas')),
    })),
  };
})()`;

interface Seen {
  ready: string;
  title: string;
  wide: number;
  hacked?: unknown;
  foreign: number;
  plots: { id: string; pixels: number }[];
}

describe('report()', () => {
  it('is one file below 2 MB that loads nothing, from a result or from its JSON', () => {
    for (const { name, result } of results) {
      const page = report(result, everything());
      assert.ok(page.length < 500_000, `${name}: ${page.length} characters`);
      assert.equal(page, report(JSON.parse(JSON.stringify(result)), everything()));
      assert.match(page, /default-src 'none'/);
      const markup = page.replace(/<script[\s\S]*?<\/script>|<style[\s\S]*?<\/style>/g, '');
      const tags = markup.match(/<[a-z!][^>]*>/gi)!;
      assert.ok(tags.length > 100);
      for (const tag of tags) {
        assert.doesNotMatch(tag, /^<(img|link|iframe|object|embed|a|base)\b|\s(src|href|on\w+)\s*=/i, name);
      }
      assert.equal(page.match(/<script/gi)!.length, 3, 'data, uPlot, ours');
      assert.equal(page.match(/<\/script/gi)!.length, 3);
    }
  });

  it('says the plan, the promise and the numbers behind the plots as text', () => {
    const { result } = results[0]!;
    const page = report(result);
    assert.ok(page.includes(JSON.stringify(result.request).replaceAll('"', '&quot;')));
    assert.match(
      page,
      /mean recall@10 of new queries like these is at least 0\.9000, with 95 % confidence, on 60 queries/,
    );
    for (const { name, lost } of result.stages) {
      assert.ok(page.includes(`<td>${name}</td>`) && page.includes(`${(100 * lost).toFixed(3)} %`), name);
    }
    for (const id of ['curve', 'ranks', 'stages', 'traces']) assert.ok(page.includes(`id="${id}"`));
    assert.ok(!page.includes('id="prefix"'));
    assert.match(report(results[2]!.result), /class="refused">No recall of 0\.999/);
  });

  it('is written where a path says, and says so where that fails', () => {
    const path = join(folder, 'written.html');
    const page = report(results[0]!.result, { path });
    assert.equal(readFileSync(path, 'utf8'), page);
    assert.throws(() => report(results[0]!.result, { path: join(folder, 'no', 'such', 'folder.html') }), {
      code: 'DISK',
    });
  });

  it('refuses what is no result', () => {
    for (const result of [undefined, {}, { curve: [], traces: [] }, { ...results[0]!.result, chosen: 10_000 }]) {
      assert.throws(() => report(result as TuneResult), { name: 'FunnelError', code: 'BAD_ARGUMENT' });
    }
    assert.throws(() => report(results[0]!.result, { name: 'x' } as never), /received name/);
    assert.throws(() => report(results[0]!.result, { title: 3 } as never), /a string for title/);
  });

  it('in Chromium: all plots are drawn in both schemes and on a phone, without a request, an error or foreign code', {
    skip: noBrowser,
  }, async () => {
    const browser = await openBrowser();
    try {
      for (const { name, result } of results) {
        const path = join(folder, 'page.html');
        report(result, { ...everything(), path });
        for (const [scheme, width] of [
          ['light', 1100],
          ['dark', 1100],
          ['light', 360],
        ] as const) {
          const where = `${name}, ${scheme}, ${width} pixels`;
          const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 800 } });
          const page = await context.newPage();
          const said: string[] = [];
          page.on('console', (message) => void said.push(message.text()));
          page.on('pageerror', (error) => void said.push(error.message));
          const asked: string[] = [];
          page.on('request', (request) => void asked.push(request.url()));
          await page.goto(pathToFileURL(path).href);
          const seen = (await page.evaluate(LOOK)) as Seen;
          assert.deepEqual(said, [], where);
          assert.equal(asked.length, 1, `${where} asked for ${asked}`);
          assert.equal(seen.hacked, undefined, where);
          assert.equal(seen.foreign, 0, where);
          assert.equal(seen.title.replace(/\s+/g, ' ').trim(), HOSTILE.replace(/\s+/g, ' ').trim());
          assert.deepEqual(
            seen.plots.map(({ id }) => id),
            ['curve', 'ranks', 'stages', 'traces', 'prefix'],
            where,
          );
          assert.equal(seen.ready, '5', where);
          for (const { id, pixels } of seen.plots) {
            const nothing = id === 'stages' && result.stages.every(({ lost }) => lost === 0);
            assert.ok(nothing || pixels > 20, `${where}: plot ${id} has ${pixels} pixels of its colour`);
          }
          assert.ok(seen.wide <= width, `${where}: ${seen.wide} pixels wide`);
          await context.close();
        }
      }
    } finally {
      await browser.close();
    }
  });
});

describe('prefixAgainstSuffix()', () => {
  it('finds more by the dims that matter', () => {
    assert.deepEqual([prefix.rows, prefix.queries, prefix.k, prefix.candidates], [800, 120, 10, 128]);
    assert.deepEqual(
      prefix.heads.map(({ dims }) => dims),
      [2, 4, 8, 16, 32],
    );
    for (const head of prefix.heads) assert.ok(head.prefix > head.suffix, JSON.stringify(head));
    assert.ok(prefix.heads.at(-1)!.prefix > 0.95);
  });

  it('agrees with a plain count of what the head search finds', async () => {
    const rows = Array.from({ length: 200 }, vector);
    const own = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot', autoOptimize: false });
    await own.upsert(rows.map((row, id) => ({ id, vector: row })));
    const some = queries.slice(0, 10);
    // A pool of k leaves nothing to prune: the funnel returns what the head search found.
    const { heads } = await prefixAgainstSuffix({ search: own, queries: some, k: 10, candidates: 10 });
    const top = (query: Float32Array, from: number, to: number) =>
      new Set(
        rows
          .map((row, id) => ({ id, score: row.slice(from, to).reduce((sum, x, i) => sum + x * query[from + i]!, 0) }))
          .sort((a, b) => b.score - a.score)
          .slice(0, 10)
          .map(({ id }) => id),
      );
    for (const { dims, prefix: first, suffix } of heads) {
      const recall = (from: number, to: number) =>
        some.reduce(
          (sum, query) => sum + [...top(query, 0, DIM)].filter((id) => top(query, from, to).has(id)).length,
          0,
        ) / 100;
      assert.ok(
        Math.abs(first - recall(0, dims)) < 1e-9 && Math.abs(suffix - recall(DIM - dims, DIM)) < 1e-9,
        `${dims}`,
      );
    }
    await own.close();
  });

  it('takes a row of the same score for as good, and loses nothing where nothing is', async () => {
    const own = await FunnelIndex.create(':memory:', { dim: 2, metric: 'dot', autoOptimize: false });
    const one = {
      search: own,
      queries: [
        [1, 1],
        [1, 1],
      ] as number[][],
      k: 10,
      candidates: 10,
    };
    // The mean over two queries, not their sum.
    assert.deepEqual((await prefixAgainstSuffix(one)).heads, [{ dims: 1, prefix: 1, suffix: 1 }]);
    // All score 1; the first ten by either dim are others than the first ten by position.
    const tied = Array.from({ length: 40 }, (_, id) => ({
      id,
      vector: [(((id * 7) % 40) + 1) / 64, 1 - (((id * 7) % 40) + 1) / 64],
    }));
    await own.upsert(tied);
    assert.deepEqual((await prefixAgainstSuffix(one)).heads, [{ dims: 1, prefix: 1, suffix: 1 }]);
    await own.close();
  });

  it('refuses bad input', async () => {
    const given = { search: index, queries };
    await assert.rejects(prefixAgainstSuffix({ ...given, k: 0 }), { code: 'BAD_ARGUMENT' });
    await assert.rejects(prefixAgainstSuffix({ ...given, candidates: 5 }), { code: 'BAD_ARGUMENT' });
    await assert.rejects(prefixAgainstSuffix({ ...given, search: {} as never }), { code: 'BAD_ARGUMENT' });
    await assert.rejects(prefixAgainstSuffix({ ...given, using: 'x' }), { code: 'BAD_ARGUMENT' });
    await assert.rejects(prefixAgainstSuffix({ ...given, signal: AbortSignal.abort() }), { code: 'ABORTED' });
  });
});
