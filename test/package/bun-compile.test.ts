/** The package within a program of `bun build --compile`: the WASM kernels, and the answers that Node.js gives. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Consumer, packRelease, unpackRelease, userEnv } from './consumer.js';

const PROGRAM = `
import { funnel, funnelAsync } from 'funnelvec';
import { listKernels } from 'funnelvec/kernels';
import { FunnelIndex } from 'funnelvec/store';

const dim = 16;
const vectors = Float32Array.from({ length: 40 * dim }, (_, i) => Math.fround(((i * 7919) % 1009) - 504) / 7);
const query = vectors.slice(dim, 2 * dim);
const plan = { scales: [8, 16], keep: 0.5, limit: 3 };
const index = await FunnelIndex.create(':memory:', { dim });
await index.upsert({ ids: Int32Array.from({ length: 40 }, (_, i) => i), vectors });
await index.optimize();
const answers = {
  here: funnel({ vectors, dim }, query, plan),
  later: await funnelAsync({ vectors, dim }, query, plan),
  found: (await index.query({ vector: query, limit: 3, mode: 'exact' })).hits,
  disk: await FunnelIndex.create('folder', { dim }).catch(({ code }) => code),
};
await index.close();
const kernels = listKernels().filter(({ active }) => active).map(({ name }) => name);
console.log(JSON.stringify({ kernels, answers }));
`;

const bun = await bunOf();

/** The path of Bun, or why it is not to be had; in CI it has to be. */
async function bunOf(): Promise<{ path?: string; missing?: string }> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { missing: 'it is the Bun of Linux x64' };
  const module = pathToFileURL(resolve('test/runtimes/runtimes.mjs')).href;
  const { installed } = (await import(module)) as typeof import('../runtimes/runtimes.mjs');
  try {
    return { path: await installed('Bun') };
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return { missing: `Bun cannot be installed: ${(error as Error).message}` };
  }
}

describe('a program of bun build --compile', { skip: bun.missing ?? false, timeout: 300_000 }, () => {
  const project = new Consumer();
  const elsewhere = new Consumer();
  after(() => {
    for (const one of [project, elsewhere]) one.remove();
  });

  it('runs on the WASM kernels that are in it, wherever it lies, with the answers of Node.js', () => {
    unpackRelease(packRelease(join(project.home, 'archives')), project);
    project.write({ 'package.json': '{ "private": true, "type": "module" }\n', 'program.mjs': PROGRAM });
    const run = (command: string, args: string[], cwd: string) => {
      const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: userEnv(), encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return stdout;
    };
    run(bun.path!, ['build', '--compile', 'program.mjs', '--outfile', 'program'], project.home);
    const { answers } = JSON.parse(project.node(['program.mjs']));
    assert.equal(answers.here.length, 3);
    assert.deepEqual(answers.later, answers.here);
    assert.equal(answers.disk, 'MISSING_PACKAGE');

    mkdirSync(join(elsewhere.home, 'bin'));
    const moved = join(elsewhere.home, 'bin', 'program');
    copyFileSync(join(project.home, 'program'), moved);
    for (const program of [join(project.home, 'program'), moved]) {
      assert.deepEqual(JSON.parse(run(program, [], elsewhere.home)), { kernels: ['wasm'], answers });
    }
  });
});
