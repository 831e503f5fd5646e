import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const QUERY = 'a person who digs up ancient things';

interface Entry {
  id: number;
  word: string;
  gloss: string;
  score: number;
}

interface Report {
  store: { kind: string };
  rows: number;
  plan: { candidates: number; limit: number };
  queries: {
    text: string;
    head: Entry[];
    funnel: Entry[];
    full: Entry[];
    kept: { head: number; funnel: number; of: number };
    times: Times;
    stages: { scale: number; in: number; out: number; ms: number }[];
    missed: { id: number; fate: { outcome: string } }[];
  }[];
  summary: {
    queries: number;
    recall: { head: number; funnel: number; full: number };
    medianMs: Times;
    lost: { total: number; notInPool: number; dropped: number };
    pools: { candidates: number; recall: number }[];
    advice: string[];
  };
}

interface Times {
  headOnly: number;
  full: number;
  funnel: { head: number; decode: number; rerank: number; total: number };
}

interface IndexReport {
  store: { kind: string };
  rows: number;
  limit: number;
  queries: {
    text: string;
    funnel: (Entry & { inExact: boolean })[];
    exact: Entry[];
    lost: Entry[];
    certified: boolean;
    sameAsScan: boolean;
    stages: Record<'funnel' | 'exact', { name: string; in: number; out: number }[]>;
    rowsRead: { funnel: number; exact: number };
    times: { funnel: number; exact: number; scan: number };
  }[];
  summary: {
    queries: number;
    recall: number;
    certified: number;
    sameAsScan: number;
    rowsRead: { funnel: number; exact: number };
    medianMs: { funnel: number; exact: number; scan: number };
    dial: { eps: number; recall: number; rowsRead: number; medianMs: number }[];
  };
  reopened: {
    count: number;
    coded: number;
    sameAnswer: boolean;
    size: { floats: number; resident: { codes: number; rows: number }; files: Record<string, number> };
  };
}

function demo(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['scripts/demo/demo.mjs', ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** No database, and no Python where the vectors are in .cache; without both there is nothing to search. */
function cannotEmbed(stderr: string): boolean {
  return process.env['CI'] !== 'true' && /Python/.test(stderr);
}

test('the demo on an embedded index, which is the default', async (t) => {
  const before = leftovers();
  const { code, stdout, stderr } = await demo('--json', '--count', '3000', '--sample', '40', QUERY);
  if (code !== 0 && cannotEmbed(stderr)) return t.skip(stderr);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as IndexReport; // nothing else is on stdout
  assert.equal(report.store.kind, 'embedded');
  assert.equal(report.rows, 3000);
  assert.deepEqual(
    report.queries.map((query) => query.text),
    [QUERY],
  );
  for (const { funnel, exact, lost, certified, sameAsScan, stages, rowsRead, times } of report.queries) {
    assert.ok(certified && sameAsScan);
    for (const list of [funnel, exact]) {
      assert.equal(new Set(list.map((entry) => entry.id)).size, 10);
      for (const { word, gloss } of list) assert.ok(word !== '' && gloss !== '');
      for (let i = 1; i < 10; i++) assert.ok(list[i]!.score <= list[i - 1]!.score);
    }
    const ids = new Set(exact.map((entry) => entry.id));
    for (const { id, inExact } of funnel) assert.equal(inExact, ids.has(id));
    assert.equal(lost.length, funnel.filter(({ inExact }) => !inExact).length);
    for (const mode of ['funnel', 'exact'] as const) {
      assert.deepEqual([stages[mode][0]?.name, stages[mode][0]?.in], ['head', 3000]);
      for (let s = 1; s < stages[mode].length; s++) assert.equal(stages[mode][s]!.in, stages[mode][s - 1]!.out);
      assert.ok(rowsRead[mode] < 1000, `${rowsRead[mode]} rows read`);
    }
    for (const ms of Object.values(times)) assert.ok(ms > 0);
  }

  const { summary, reopened } = report;
  assert.deepEqual([summary.queries, summary.certified, summary.sameAsScan], [40, 40, 40]);
  assert.ok(summary.recall > 0.9 && summary.recall <= 1, String(summary.recall));
  for (let i = 1; i < summary.dial.length; i++) {
    assert.ok(summary.dial[i]!.recall >= summary.dial[i - 1]!.recall, 'a larger eps drops no more');
  }
  assert.ok(summary.dial.at(-1)!.recall > 0.99);
  for (const ms of Object.values(summary.medianMs)) assert.ok(ms > 0);
  assert.deepEqual([reopened.count, reopened.coded, reopened.sameAnswer], [3000, 3000, true]);
  const { size } = reopened;
  assert.equal(size.floats, 3000 * 256 * 4);
  assert.ok(size.resident.codes > 0 && size.resident.codes < size.floats / 2);
  assert.ok(size.resident.rows >= size.floats);
  for (const bytes of Object.values(size.files)) assert.ok(bytes > 0);
  assert.deepEqual(leftovers(), before);
});

test('the demo prints hits, stages and what they cost', async (t) => {
  const { code, stdout, stderr } = await demo('--count', '3000', '--sample', '10', '--kernels', 'js', QUERY);
  if (code !== 0 && cannotEmbed(stderr)) return t.skip(stderr);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Importing +3,000 rows/);
  assert.match(stderr, /Optimising +3,000 rows/);
  const text = stdout.replaceAll(/\s+/g, ' ');
  assert.match(text, /by js kernels/);
  assert.match(text, new RegExp(`“${QUERY}”`));
  assert.match(text, /exact .*: 3,000 rows by head codes → .*; certified/);
  assert.match(text, /10 of 10 exact answers are certified; 10 have the scan's ids, order and score bits/);
  assert.match(text, /Reopened in .*: 3,000 rows, 3,000 with codes, the same answer/);
});

/** Index folders that a demo has left in .cache. */
function leftovers(): string[] {
  return readdirSync(path.join(root, '.cache')).filter((name) => name.startsWith('demo-index-'));
}

for (const store of ['milvus', 'qdrant']) {
  test(`the demo on ${store}`, async (t) => {
    const { code, stdout, stderr } = await demo('--json', '--count', '3000', '--sample', '40', '--store', store, QUERY);
    const missing = /funnelvec: no Python servers: (.*)/.exec(stderr);
    if (missing && process.env.CI !== 'true') return t.skip(missing[1]);
    assert.equal(code, 0, stderr);

    const report = JSON.parse(stdout) as Report; // nothing else is on stdout
    assert.match(report.store.kind, new RegExp(`^${store}`));
    assert.equal(report.rows, 3000);
    assert.deepEqual(
      report.queries.map((query) => query.text),
      [QUERY],
    );
    for (const { head, funnel, full, kept, times, stages, missed } of report.queries) {
      for (const list of [head, funnel, full]) {
        assert.equal(list.length, 10);
        assert.equal(new Set(list.map((entry) => entry.id)).size, 10);
        for (const { word, gloss } of list) assert.ok(word !== '' && gloss !== '');
        for (let i = 1; i < 10; i++) assert.ok(list[i]!.score <= list[i - 1]!.score);
      }
      const ids = new Set(full.map((entry) => entry.id));
      assert.equal(kept.funnel, funnel.filter((entry) => ids.has(entry.id)).length);
      assert.equal(kept.head, head.filter((entry) => ids.has(entry.id)).length);
      assert.equal(missed.length, 10 - kept.funnel);
      for (const { fate } of missed) assert.match(fate.outcome, /^(not a candidate|dropped)$/);
      assert.deepEqual(
        stages.map((stage) => [stage.scale, stage.in, stage.out]),
        [
          [128, 128, 64],
          [256, 64, 10],
        ],
      );
      checkTimes(times);
    }

    const { recall, medianMs, lost, pools, queries, advice } = report.summary;
    assert.equal(queries, 40);
    assert.equal(recall.full, 1);
    assert.ok(recall.funnel >= recall.head, `funnel ${recall.funnel}, head only ${recall.head}`);
    assert.equal(lost.total, lost.notInPool + lost.dropped);
    assert.equal(lost.total, Math.round(400 * (1 - recall.funnel)));
    assert.equal(pools.find((pool) => pool.candidates === report.plan.candidates)?.recall, recall.funnel);
    assert.ok(advice.length > 0);
    checkTimes(medianMs);
  });
}

test('what the command line cannot mean ends with usage and code 2', async () => {
  for (const args of [['--top', '3'], ['--store', 'faiss'], ['--count', 'many'], ['']]) {
    const { code, stdout, stderr } = await demo(...args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /^funnelvec demo: .*\n\nUsage: /);
  }
});

function checkTimes({ headOnly, full, funnel }: Times): void {
  for (const ms of [headOnly, full, funnel.head, funnel.decode, funnel.rerank, funnel.total]) assert.ok(ms > 0);
}
