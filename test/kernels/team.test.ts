/** Threads that share the work of one kernel call: the same answers, whoever does which part of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { listKernels } from 'funnelvec/kernels';
import { getCodeKernels } from '#dist/kernels/codes-load.js';
import { answers } from './team-tasks.js';

const native = listKernels().filter(({ name, supported }) => supported && name !== 'wasm' && name !== 'js');

describe('a team of threads', { skip: native.length > 0 ? false : 'no native binary' }, () => {
  for (const { name } of native) {
    it(`gives the answers of one (${name})`, () => {
      const kernels = getCodeKernels(name);
      const alone = answers(kernels);
      for (const threads of [2, 3, 8]) {
        kernels.team!(threads);
        try {
          for (let round = 0; round < 20; round++) assert.deepEqual(answers(kernels), alone, `${threads} threads`);
        } finally {
          kernels.team!(1);
        }
      }
    });
  }

  it('serves one caller at a time, and the others work alone', async () => {
    const { name } = native[0]!;
    const expected = answers(getCodeKernels(name));
    const workers = Array.from({ length: 3 }, (_, i) => inWorker({ name, threads: 2 + i, rounds: 60 }));
    for (const found of await Promise.all(workers)) assert.deepEqual(found, expected);
  });

  it('outlives the thread that woke it', async () => {
    const { name } = native[0]!;
    for (let i = 0; i < 3; i++) await inWorker({ name, threads: 4, rounds: 2 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const kernels = getCodeKernels(name);
    kernels.team!(4);
    try {
      assert.ok(answers(kernels).length > 0);
    } finally {
      kernels.team!(1);
    }
  });
});

function inWorker(data: object): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./team-worker.js', import.meta.url), { workerData: data });
    let found: string[] | undefined;
    worker.once('message', (message) => {
      found = message;
    });
    worker.once('error', reject);
    worker.once('exit', (code) => (found ? resolve(found) : reject(new Error(`ended with ${code}`))));
  });
}
