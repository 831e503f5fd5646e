/**
 * The WASM backend of the code kernels: hands the tasks of codes.ts to the module compiled from assembly/codes/, which
 * works on them where they lie. Threads share one memory, each with an instance of its own (see codes-wasm-memory.ts);
 * an array that does not lie in it is copied in, and out again.
 */
import { CODE_KERNEL_NAMES, type CodeKernelName, type CodeKernels } from './codes.js';
import { Call, marshalled } from './codes-wasm-call.js';
import { SharedHeap, type SharedWasmMemory } from './codes-wasm-memory.js';
import { compile, instantiateCodes, newMemory, type WasmCodes, type WasmHelpers } from './codes-wasm-module.js';
import { scoresAtIn } from './codes-wasm-scores.js';

export type { SharedWasmMemory };

/** The kernels, and the memory that everything they work on should lie in: post it to other threads for theirs. */
export interface WasmCodeKernels extends CodeKernels {
  readonly memory: SharedWasmMemory;
}

const ofMemory = new WeakMap<SharedWasmMemory, WasmCodeKernels>();

/**
 * Synchronous; compiled once per thread, and one instance per thread and memory.
 *
 * @param memory one that these kernels have in another thread; without it they get their own
 * @throws FunnelError KERNELS_UNAVAILABLE where there is no SIMD or no shared memory
 */
export function createWasmCodeKernels(memory?: SharedWasmMemory): WasmCodeKernels {
  const known = memory && ofMemory.get(memory);
  if (known) return known;
  compile();
  const shared = memory ?? newMemory();
  const kernels = bind(shared, instantiateCodes(shared));
  ofMemory.set(shared, kernels);
  return kernels;
}

type TaskOf<K extends CodeKernelName> = Parameters<CodeKernels[K]>[0];

/** Bytes of scratch that a call wants; kernels that are not here want none. */
const SCRATCH: { [K in CodeKernelName]?: (wasm: WasmHelpers, task: TaskOf<K>) => number } = {
  headDots: (_, { dims }) => 8 * dims,
  bitDots: (_, { dims }) => 4 * dims,
  rowDots: (wasm, { dims }) => wasm.rowDotsScratch(dims),
  topDots: (wasm, { count, k }) => wasm.topDotsScratch(count, k),
  project: (wasm, { count, dim }) => wasm.projectScratch(count, dim),
  nearest: (wasm, { count, dim }) => wasm.projectScratch(count, dim),
  encodeHead: (wasm) => wasm.encodeScratch.value,
  encodeRows: (wasm) => wasm.encodeScratch.value,
  neighbours: (wasm, { dims, sought, most, degree }) => wasm.neighboursScratch(dims, sought, most, degree),
  relink: (wasm, { dims, size, degree }) => wasm.relinkScratch(dims, size, degree),
  walk: (wasm, { dims, size, degree }) => wasm.walkScratch(dims, size, degree),
};

function bind(memory: SharedWasmMemory, wasm: WasmCodes): WasmCodeKernels {
  const heap = new SharedHeap(memory, wasm.heapBase.value);
  const call = new Call(heap);
  const kernelOf = (name: CodeKernelName) => {
    if (name === 'scoresAt') return scoresAtIn(wasm, heap, call);
    const scratch = SCRATCH[name] as ((wasm: WasmHelpers, task: unknown) => number) | undefined;
    return marshalled(name, wasm[name], call, scratch && ((task) => scratch(wasm, task)));
  };
  return {
    name: 'wasm',
    memory,
    allocate: (bytes) => heap.allocate(bytes),
    release: (block) => heap.release(block),
    ...Object.fromEntries(CODE_KERNEL_NAMES.map((name) => [name, kernelOf(name)])),
  } as WasmCodeKernels;
}
