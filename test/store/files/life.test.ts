/**
 * An index on the disk of the system, with others that have it open. It says nothing of what a system does with files that are open,
 * so that it holds on all: `npm run test:platforms` runs it on Windows' binary under wine, with a stand-in for LMDB.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { setTimeout as later } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FunnelIndex } from 'funnelvec/store';

const home = mkdtempSync(join(tmpdir(), 'funnelvec-life-'));
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await later(100);
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

const ROWS = 3000;
const vectorOf = (i: number) => Float32Array.from([Math.sin(i), Math.cos(i * 2), Math.sin(i * 3), i % 7]);
const points = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({
    id: from + i,
    vector: vectorOf(from + i),
    payload: { at: from + i },
  }));
const filesIn = (folder: string) => readdirSync(folder).filter((name) => /^(rows|seg)-/.test(name));

async function found(index: FunnelIndex) {
  const { hits } = await index.query({ vector: [1, 2, 3, 4], limit: 5, mode: 'exact' });
  return hits.map(({ id, score }) => [id, score]);
}

/** Another process that has the index open; see life-child.ts. */
class Other {
  readonly #told = mkdtempSync(join(home, 'told-'));
  readonly #child: ChildProcess;

  constructor(path: string, how: 'read' | 'write') {
    const program = fileURLToPath(new URL('life-child.js', import.meta.url));
    this.#child = spawn(process.execPath, [program, path, how, this.#told], { stdio: 'ignore' });
    children.push(this.#child);
  }

  async told(name: string): Promise<{ code?: string; found?: unknown }> {
    for (const end = Date.now() + 60_000; !existsSync(join(this.#told, name)); await later(10)) {
      assert.ok(Date.now() < end && this.#child.exitCode === null, `no ${name}, exit code ${this.#child.exitCode}`);
    }
    return JSON.parse(readFileSync(join(this.#told, name), 'utf8'));
  }

  ask(name: string): void {
    writeFileSync(join(this.#told, name), '');
  }

  async ended(signal?: 'SIGKILL'): Promise<void> {
    if (signal !== undefined) this.#child.kill(signal);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}

it('an index is written, built, compacted, backed up and opened again, on a path of more than 260 characters', async () => {
  const path = join(home, ...Array.from({ length: 5 }, () => 'a folder with a long name '.repeat(2).trim()), 'index');
  assert.ok(path.length > 260);
  const index = await FunnelIndex.create(path, { dim: 4, metric: 'dot', autoOptimize: false });
  await index.upsert(points(0, ROWS));
  await index.optimize();
  await index.upsert(points(100, 200));
  await index.delete(Array.from({ length: 1000 }, (_, i) => i * 3));
  const before = await found(index);
  await index.optimize();
  assert.deepEqual(await found(index), before);
  const copy = join(home, 'copy');
  await index.backup(copy);
  const { dead, count } = index.stats();
  assert.deepEqual([dead.rows, count], [0, ROWS - 1000]);
  await index.close();
  for (const one of [path, copy]) {
    const again = await FunnelIndex.open(one);
    assert.deepEqual(await found(again), before);
    const { hits } = await again.query({ vector: [1, 2, 3, 4], limit: 1, withPayload: true });
    assert.deepEqual(hits[0]!.payload, { at: hits[0]!.id });
    assert.deepEqual((await again.verify()).problems, []);
    await again.close();
  }
});

it('a reader goes on while its files are replaced and other writers come, and nothing is left once it has gone', async () => {
  const path = join(home, 'read');
  const index = await FunnelIndex.create(path, { dim: 4, metric: 'dot', autoOptimize: false });
  await index.upsert(points(0, ROWS));
  await index.optimize();
  const reader = new Other(path, 'read');
  assert.deepEqual((await reader.told('ready')).found, await found(index));
  for (let round = 0; round < 3; round++) {
    await index.delete(Array.from({ length: 500 }, (_, i) => round * 500 + i));
    await index.optimize();
  }
  const now = await found(index);
  await index.close();
  const second = await FunnelIndex.open(path);
  assert.deepEqual(await found(second), now);
  await second.upsert(points(5000, 5100));
  await second.optimize();
  const last = await found(second);
  reader.ask('ask');
  assert.deepEqual((await reader.told('answer')).found, last);
  reader.ask('end');
  await reader.ended();
  await second.close();
  const third = await FunnelIndex.open(path);
  assert.deepEqual(await found(third), last);
  const { rows, segments } = third.stats().files as unknown as { rows: number; segments: number };
  assert.ok(rows > 0 && segments > 0);
  await third.close();
  const left = filesIn(path);
  assert.ok(left.length <= 4, `${left.length} files are left: ${left.join(' ')}`);
});

it('one process writes at a time, and one that was killed holds nothing', async () => {
  const path = join(home, 'locked');
  mkdirSync(join(home, 'empty'));
  const index = await FunnelIndex.create(path, { dim: 4, metric: 'dot' });
  await index.upsert(points(0, 10));
  const refused = new Other(path, 'write');
  assert.equal((await refused.told('ready')).code, 'INDEX_LOCKED');
  await refused.ended();
  await index.close();
  const writer = new Other(path, 'write');
  assert.ok((await writer.told('ready')).found);
  await assert.rejects(FunnelIndex.open(path), { code: 'INDEX_LOCKED' });
  await writer.ended('SIGKILL');
  const again = await FunnelIndex.open(path);
  await again.upsert(points(10, 20));
  assert.equal(again.stats().count, 20);
  await again.close();
});
