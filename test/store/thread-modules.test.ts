/** A thread pays for each module that it loads, some half a millisecond: those of kernels that it does not call stay out. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { newManners } from '#dist/store/pool-manners.js';
import { loadedWith } from '../loaded-with.js';

const esm = resolve('dist/esm');

test('a thread with native kernels loads no module of the others', () => {
  const worker = join(esm, 'store/pool-worker.js');
  assert.ok(existsSync(worker));
  const names = [...loadedWith(worker)].map((file) => basename(file));
  for (const needed of ['native.js', 'codes-native.js', 'search.js', 'build.js', 'neighbours.js', 'row-images.js']) {
    assert.ok(names.includes(needed), `${needed} is among them: the walk over imports works`);
  }
  assert.deepEqual(
    names.filter((name) => /wasm|reference|offload|^check\.js|^load\.js/.test(name)),
    [],
  );
  assert.ok(names.length <= 70, `${names.length} modules`);
});

for (const build of ['esm', 'cjs']) {
  test(`a thread without its kernels says so, also where rejections of promises end nothing: ${build}`, async () => {
    const file = fileURLToPath(new URL(`../../../dist/${build}/store/pool-worker.js`, import.meta.url));
    const workerData = { kernels: 'nonesuch', manners: newManners(), mostBuilders: 1 };
    const worker = new Worker(file, { execArgv: ['--unhandled-rejections=none'], workerData });
    const error = await new Promise<unknown>((resolve) => {
      worker.on('error', resolve);
      worker.on('exit', resolve);
    });
    assert.match(String((error as Error).message), /"nonesuch" is not the name of any kernels/);
  });
}
