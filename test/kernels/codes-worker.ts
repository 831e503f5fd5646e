/** A thread of its own over the memory of WASM code kernels: allocates, works, checks and gives back, many times. */
import assert from 'node:assert/strict';
import { workerData } from 'node:worker_threads';
import type { HeadDotsTask, TopDotsTask } from '#dist/kernels/codes.js';
import { createWasmCodeKernels, type SharedWasmMemory } from '#dist/kernels/codes-wasm.js';
import { Random } from '../random.js';
import { randomCodeCase } from './codes-cases.js';
import { Arena, assertSameCode, inMemory } from './codes-suite.js';

export interface CodesWorkerData {
  memory: SharedWasmMemory;
  seed: number;
  /** How many threads have come so far; the first waits for the second. */
  gate: Int32Array;
  /** Inputs that all threads read, with outputs for this one alone. */
  head: HeadDotsTask;
  top: TopDotsTask;
}

const { memory, seed, gate, head, top } = workerData as CodesWorkerData;
const kernels = createWasmCodeKernels(memory);
const random = new Random(seed);

if (Atomics.add(gate, 0, 1) === 0) Atomics.wait(gate, 0, 1, 10_000);
else Atomics.notify(gate, 0);
const fresh = Array.from({ length: 20_000 }, () => kernels.allocate(8).fill(seed));
assert.ok(
  fresh.every((block) => block.every((byte) => byte === seed)),
  'two threads were given the same memory',
);

kernels.headDots(head);
kernels.topDots(top);

// Both threads borrow scratch all the time: a query laid out there must not be the other thread's.
const small = {
  plane: kernels.allocate(128 * 8).fill(0x11),
  dims: 128,
  blocks: inMemory(kernels, Uint32Array.of(0)),
  count: 1,
  query: inMemory(kernels, new Int16Array(128).fill(seed)),
  queries: 1,
  dots: inMemory(kernels, new Int32Array(16)),
};
for (let i = 0; i < 100_000; i++) {
  kernels.headDots(small);
  if (small.dots[0] !== 128 * seed) assert.fail(`${small.dots[0]} is not a result of thread ${seed}`);
}

const held: Uint8Array[] = [];
for (let i = 0; i < 600; i++) {
  const arena = new Arena(kernels, 1_000_000);
  assertSameCode(kernels, randomCodeCase(random), arena.reset(random), `thread ${seed}, case ${i}`);
  arena.release();
  held.push(kernels.allocate(random.int(1, 20_000)).fill(seed));
  if (held.length > 30) {
    const block = held.splice(random.int(0, 30), 1)[0]!;
    assert.ok(
      block.every((byte) => byte === seed),
      'another thread wrote into it',
    );
    kernels.release(block);
  }
}
