/** Node.js under --permission: what it forbids is refused by a FunnelError before anything is made, and the rest works. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';

const FLAGS = ['--permission', '--experimental-permission'].find((one) => process.allowedNodeEnvironmentFlags.has(one));

const PROGRAM = `
import { funnel, funnelAsync, useKernels } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
const path = process.argv[1];
const told = {};
async function tell(name, run) {
  try { told[name] = await run(); } catch (error) { told[name] = [error.name, error.code, error.message]; }
}
const vector = [1, 0];
const memory = await FunnelIndex.create(':memory:', { dim: 2 });
await memory.upsert([{ id: 1, vector }]);
await tell('search', async () => (await memory.query({ vector })).hits.length);
await tell('build', async () => (await memory.optimize(), 1));
await tell('sync', () => memory.querySync({ vector }).hits.length);
for (const durability of ['full', 'relaxed']) {
  for (const time of [1, 2]) {
    await tell(\`create \${durability} \${time}\`, () => FunnelIndex.create(path + durability, { dim: 2, durability }));
  }
}
await tell('open', () => FunnelIndex.open(path));
await tell('read', async () => {
  const index = await FunnelIndex.open(path, { readOnly: true });
  return index.querySync({ vector }).hits.length;
});
// Enough for a thread of its own.
useKernels('wasm');
const many = { vectors: new Float32Array(40_000 * 64).fill(1), dim: 64 };
const request = [many, many.vectors.subarray(0, 64), { scales: [64], keep: 1, limit: 1 }];
await tell('funnel async', async () => (await funnelAsync(...request)).length);
await tell('funnel', () => funnel(...request).length);
console.log(JSON.stringify(told));
process.exit(0);
`;

describe('under the permission model of Node.js', { skip: FLAGS === undefined && 'this runtime has none' }, () => {
  let folder: string;
  const run = (...more: string[]) => {
    const allowed = ['--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons', ...more];
    const args = [FLAGS!, ...allowed, '--input-type=module', '-e', PROGRAM, join(folder, 'index')];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'funnelvec-permission-'));
    const index = await FunnelIndex.create(join(folder, 'index'), { dim: 2 });
    await index.upsert([{ id: 1, vector: [1, 0] }]);
    await index.close();
  });
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  it('an index that would be written is refused each time, and leaves nothing; one that is read works', () => {
    const told = run('--allow-worker');
    assert.deepEqual([told['search'], told['build'], told['sync'], told['read']], [1, 1, 1, 1]);
    assert.deepEqual([told['funnel async'], told['funnel']], [1, 1]);
    for (const name of ['create full 1', 'create full 2', 'create relaxed 1', 'create relaxed 2', 'open']) {
      const [kind, code, message] = told[name] as string[];
      assert.deepEqual([kind, code], ['FunnelError', 'NOT_WRITABLE'], message);
      assert.match(message!, /--permission.*readOnly.*':memory:'/);
    }
    for (const durability of ['full', 'relaxed']) assert.ok(!existsSync(join(folder, `index${durability}`)));
  });

  it('without --allow-worker what needs threads is refused with the flag by name, and synchronous ones work', () => {
    const told = run();
    for (const [name, other] of [
      ['build', /--allow-worker.*Sync/],
      ['funnel async', /--allow-worker.*not Async/],
    ] as const) {
      const [kind, code, message] = told[name] as string[];
      assert.deepEqual([kind, code], ['FunnelError', 'KERNELS_UNAVAILABLE'], message);
      assert.match(message!, other);
    }
    assert.deepEqual([told['sync'], told['read'], told['funnel']], [1, 1, 1]);
  });
});
