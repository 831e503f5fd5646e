import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { activeCodeKernels, getCodeKernels, listCodeKernels } from '#dist/kernels/codes-load.js';
import { createWasmCodeKernels } from '#dist/kernels/codes-wasm.js';
import { activeKernels, listKernels, useKernels } from '#dist/kernels/load.js';
import { Random, SEED } from '../random.js';
import { randomCodeCase } from './codes-cases.js';
import { assertSameCode, codeKernelSuites, inMemory } from './codes-suite.js';
import type { CodesWorkerData } from './codes-worker.js';

const cases = Math.ceil(Number(process.env['FUNNELVEC_CASES'] ?? 100_000) / 5);

const listed = listCodeKernels();
codeKernelSuites(
  listed.filter(({ supported }) => supported).map(({ name }) => getCodeKernels(name)),
  { cases },
);
for (const { name, supported, reason } of listed) {
  if (!supported) it(`code kernels: ${name}`, { skip: reason }, () => {});
}

describe('the choice of code kernels', () => {
  it('is that of the kernels', () => {
    const before = activeKernels().name;
    for (const { name, supported } of listed) {
      if (!supported || !listKernels().some((kernels) => kernels.name === name && kernels.supported)) continue;
      useKernels(name);
      assert.equal(activeCodeKernels().name, name);
    }
    useKernels(before as 'js');
  });

  it('names what cannot run', () => {
    assert.throws(() => getCodeKernels('abacus'), { name: 'FunnelError', code: 'KERNELS_UNAVAILABLE' });
    for (const { name, supported, reason } of listed) {
      if (supported) continue;
      assert.ok(reason);
      assert.throws(() => getCodeKernels(name), { code: 'KERNELS_UNAVAILABLE' });
    }
  });

  it('has the levels of the kernels in CI', {
    skip: process.env['CI'] === 'true' ? false : 'only with CI=true',
  }, () => {
    for (const { name, supported } of listKernels()) {
      assert.equal(listed.find((kernels) => kernels.name === name)?.supported, supported, name);
    }
  });
});

const wasm = listed.find(({ name }) => name === 'wasm');

describe('WASM code kernels', { skip: wasm?.supported ? false : wasm?.reason }, () => {
  it('copy in and out what lies elsewhere', () => {
    const random = new Random(SEED);
    for (let i = 0; i < 2000; i++) {
      assertSameCode(getCodeKernels('wasm'), randomCodeCase(random), undefined, `case ${i}, seed ${SEED}`);
    }
  });

  it('have one instance for a memory', () => {
    const kernels = createWasmCodeKernels();
    assert.equal(createWasmCodeKernels(kernels.memory), kernels);
    assert.notEqual(createWasmCodeKernels(), kernels);
  });

  it('start small, and reuse what was released', () => {
    const kernels = createWasmCodeKernels();
    const first = kernels.memory.buffer.byteLength;
    assert.ok(first <= 2 * 2 ** 20);
    const sizes = [1e6, 3e6, 5e6, 64, 2e6];
    let grown = 0;
    for (let i = 0; i < 20; i++) {
      // Released in another order: neighbours have to be joined for the next round to fit.
      const blocks = sizes.map((bytes) => kernels.allocate(bytes));
      for (const b of [3, 0, 4, 2, 1]) kernels.release(blocks[b]!);
      const one = kernels.allocate(11e6);
      assert.equal(one.byteOffset, blocks[0]!.byteOffset);
      kernels.release(one);
      if (i === 0) grown = kernels.memory.buffer.byteLength;
    }
    assert.ok(grown > first);
    assert.equal(kernels.memory.buffer.byteLength, grown);
  });

  it('need no more memory for many calls than for one', () => {
    const kernels = createWasmCodeKernels();
    const run = () => assertSameCode(kernels, randomCodeCase(new Random(SEED), 'headDots'), undefined, 'again');
    run();
    const before = kernels.memory.buffer.byteLength;
    for (let i = 0; i < 500; i++) run();
    assert.equal(kernels.memory.buffer.byteLength, before);
  });

  it('work in place on views from before the memory grew', () => {
    const kernels = createWasmCodeKernels();
    const plane = kernels.allocate(2 ** 25).fill(0x11);
    const count = plane.length / 64;
    const blocks = inMemory(
      kernels,
      Uint32Array.from({ length: count }, (_, b) => b),
    );
    const query = inMemory(kernels, new Int16Array(8).fill(3));
    const dots = inMemory(kernels, new Int32Array(16 * count));
    kernels.allocate(20 * 2 ** 20);
    assert.notEqual(kernels.memory.buffer, plane.buffer);
    const before = kernels.memory.buffer.byteLength;
    kernels.headDots({ plane, dims: 8, blocks, count, query, queries: 1, dots });
    assert.ok(dots.every((dot) => dot === 24));
    assert.equal(kernels.memory.buffer.byteLength, before, 'it was copied');
  });

  it('tell when the memory is at its end', () => {
    const kernels = createWasmCodeKernels();
    assert.throws(() => kernels.allocate(5e9), { name: 'FunnelError', code: 'BAD_ARGUMENT' });
    assert.equal(kernels.allocate(100).length, 100);
  });

  it('share one memory between threads', async () => {
    const kernels = createWasmCodeKernels();
    const random = new Random(SEED);
    const [dims, count] = [128, 300];
    const plane = inMemory(
      kernels,
      Uint8Array.from({ length: count * dims * 8 }, () => random.int(0, 255)),
    );
    const blocks = inMemory(
      kernels,
      Uint32Array.from({ length: count }, (_, b) => b),
    );
    const query = inMemory(
      kernels,
      Int16Array.from({ length: dims }, () => random.int(-8191, 8191)),
    );
    const mask = inMemory(kernels, new Uint16Array(count).fill(0xffff));
    const gate = inMemory(kernels, new Int32Array(1));
    const tasks = Array.from({ length: 3 }, () => {
      const dots = inMemory(kernels, new Int32Array(16 * count));
      const head = { plane, dims, blocks, count, query, queries: 1, dots };
      const [rows, best] = [inMemory(kernels, new Uint32Array(100)), inMemory(kernels, new Int32Array(100))];
      return { head, top: { dots, blocks, count, mask, k: 100, rows, best } };
    });
    const [here, ...there] = tasks;
    kernels.headDots(here!.head);
    assert.equal(kernels.topDots(here!.top), 100);
    await Promise.all(there.map((task, i) => inThread({ memory: kernels.memory, seed: i + 1, gate, ...task })));
    for (const { head, top } of there) {
      assert.deepEqual(head.dots, here!.head.dots);
      assert.deepEqual(top.rows, here!.top.rows);
      assert.deepEqual(top.best, here!.top.best);
    }
  });
});

/** Ends with the thread; rejects with what it throws. */
function inThread(workerData: CodesWorkerData): Promise<void> {
  const worker = new Worker(new URL('./codes-worker.js', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the thread ended with code ${code}`))));
  });
}
