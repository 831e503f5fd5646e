import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
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

function demo(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['test/demo/demo.mjs', ...args], {
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
