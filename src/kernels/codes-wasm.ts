/**
 * The WASM backend of the code kernels: hands the tasks of codes.ts to the module compiled from assembly/codes.ts, which
 * works on them where they lie. Threads share one memory, each with an instance of its own (see codes-wasm-memory.ts);
 * an array that does not lie in it is copied in, and out again.
 */
import { FunnelError } from '../errors.js';
import type { Bound, CodeKernels, EncodeTask, ScoresAtTask } from './codes.js';
import { roundUp, type Scratch, SharedHeap, type SharedWasmMemory, UNIT } from './codes-wasm-memory.js';
import { METRICS, type Rows } from './kernels.js';
import { WASM_CODES_BASE64 } from './wasm-codes-binary.js';

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
  const module = compile();
  const shared = memory ?? newMemory();
  const kernels = bind(shared, new (wasmApi().Instance)(module, { env: { memory: shared } }).exports as WasmExports);
  ofMemory.set(shared, kernels);
  return kernels;
}

/** Rows that scoresAt gathers at a time: few enough to stay in a core's own cache, unless they are very long. */
const GATHER_BYTES = 128 * 1024;
const GATHER_ROWS = 64;

function bind(memory: SharedWasmMemory, wasm: WasmExports): WasmCodeKernels {
  const heap = new SharedHeap(memory, wasm.heapBase.value);
  const call = new Call(heap);

  return {
    name: 'wasm',
    memory,
    allocate: (bytes) => heap.allocate(bytes),
    release: (block) => heap.release(block),

    headDots({ plane, dims, blocks, count, query, queries, dots }) {
      call.begin();
      const scratch = call.take(8 * dims);
      wasm.headDots(
        call.input(plane),
        dims,
        call.input(blocks),
        count,
        call.input(query),
        queries,
        call.output(dots),
        scratch,
      );
      call.end();
    },

    bitDots({ plane, dims, blocks, count, query, dots }) {
      call.begin();
      const scratch = call.take(4 * dims);
      wasm.bitDots(call.input(plane), dims, call.input(blocks), count, call.input(query), call.output(dots), scratch);
      call.end();
    },

    rowDots({ plane, bits, stride, dims, rows, count, query, dots }) {
      call.begin();
      const scratch = call.take(wasm.rowDotsScratch(dims));
      wasm.rowDots(
        call.input(plane),
        bits,
        stride,
        dims,
        call.input(rows),
        count,
        call.input(query),
        call.output(dots),
        scratch,
      );
      call.end();
    },

    topDots({ dots, blocks, count, mask, k, rows, best }) {
      call.begin();
      const most = Math.min(k, 16 * count);
      const scratch = call.take(wasm.topDotsScratch(count, most));
      const found = wasm.topDots(
        call.input(dots),
        call.input(blocks),
        count,
        call.input(mask),
        most,
        call.output(rows),
        call.output(best),
        scratch,
      );
      call.end();
      return found;
    },

    survivors({ dots, scale, blocks, count, mask, bound, rows, kept, estimates }) {
      call.begin();
      const { metric, error, tail, norms } = inputsOf(bound);
      const n = wasm.survivors(
        call.input(dots),
        scale,
        call.input(blocks),
        count,
        call.input(mask),
        metric,
        error,
        bound.errorScale,
        tail,
        bound.tailScale,
        bound.constant,
        norms,
        bound.twoQuery,
        bound.threshold,
        call.output(rows),
        call.output(kept),
        call.output(estimates),
      );
      call.end();
      return n;
    },

    sift({ rows, count, estimates, dots, scale, bound }) {
      call.begin();
      const { metric, error, tail, norms } = inputsOf(bound);
      const n = wasm.sift(
        call.output(rows),
        count,
        call.output(estimates),
        call.input(dots),
        scale,
        metric,
        error,
        bound.errorScale,
        tail,
        bound.tailScale,
        bound.constant,
        norms,
        bound.twoQuery,
        bound.threshold,
      );
      call.end();
      return n;
    },

    project({ rows, count, dim, basis, width, out }) {
      call.begin();
      const scratch = call.take(wasm.projectScratch(count, dim));
      wasm.project(call.input(rows), count, dim, call.input(basis), width, call.output(out), scratch);
      call.end();
    },

    nearest({ rows, places, count, dim, basis, width, offsets, names, best, found }) {
      call.begin();
      const scratch = call.take(wasm.projectScratch(count, dim));
      wasm.nearest(
        call.input(rows),
        call.input(places),
        count,
        dim,
        call.input(basis),
        width,
        call.input(offsets),
        call.input(names),
        call.output(best),
        call.output(found),
        scratch,
      );
      call.end();
    },

    encodeHead(task) {
      call.begin();
      const { values, base, step, inverse } = codedBy(task);
      wasm.encodeHead(
        values,
        task.count,
        task.stride,
        task.dims,
        base,
        step,
        inverse,
        task.first,
        call.output(task.head),
        call.output(task.fine),
        call.output(task.coarseError),
        call.output(task.fineError),
        call.take(wasm.encodeScratch.value),
      );
      call.end();
    },

    encodeRows(task) {
      call.begin();
      const { values, base, step, inverse } = codedBy(task);
      wasm.encodeRows(
        values,
        task.count,
        task.stride,
        task.dims,
        base,
        step,
        inverse,
        task.first,
        call.output(task.plane),
        call.output(task.error),
        call.take(wasm.encodeScratch.value),
      );
      call.end();
    },

    encodeBits(task) {
      call.begin();
      const { values, base, inverse } = codedBy(task);
      wasm.encodeBits(values, task.count, task.stride, task.dims, base, inverse, task.first, call.output(task.plane));
      call.end();
    },

    gatherBits({ bits, ordinals, alive, blocks, count, mask }) {
      call.begin();
      wasm.gatherBits(
        call.input(bits),
        bits.length,
        call.input(ordinals),
        ordinals.length,
        call.input(alive),
        call.input(blocks),
        count,
        call.output(mask),
      );
      call.end();
    },

    scoresAt({ metric, query, chunks, chunkRows, stride, dim, rows, count, keys }: ScoresAtTask) {
      call.begin();
      const atOnce = Math.max(1, Math.min(count, GATHER_ROWS, Math.floor(GATHER_BYTES / (4 * dim))));
      const prepared = call.take(8 * dim + 8);
      const length = wasm.prepareQuery(call.input(query), dim, prepared, call.take(wasm.prepareScratch.value));
      const half = chunks[0] instanceof Uint16Array;
      const gathered = call.take(4 * dim * atOnce);
      const target: Rows = half
        ? heap.view(Uint16Array, gathered, dim * atOnce)
        : heap.view(Float32Array, gathered, dim * atOnce);
      const out = call.take(8 * atOnce + 8);
      const scored = heap.view(Float64Array, out, atOnce);
      const scratch = call.take(wasm.keysScratch(half, dim));
      const code = METRICS.indexOf(metric);
      for (let first = 0; first < count; first += atOnce) {
        const n = Math.min(atOnce, count - first);
        for (let i = 0; i < n; i++) {
          const row = rows[first + i]!;
          const at = (row % chunkRows) * stride;
          target.set(chunks[Math.floor(row / chunkRows)]!.subarray(at, at + dim), i * dim);
        }
        wasm.keys(code, prepared, length, gathered, half, dim, n, out, scratch);
        keys.set(n === atOnce ? scored : scored.subarray(0, n), first);
      }
      call.end();
    },
  };

  function inputsOf({ metric, error, tail, norms }: Bound) {
    return {
      metric: METRICS.indexOf(metric),
      error: call.input(error),
      tail: call.input(tail),
      norms: call.input(norms),
    };
  }

  function codedBy({ values, offset, base, step, inverse }: EncodeTask) {
    return {
      values: call.input(values) + 8 * offset,
      base: call.input(base),
      step: call.input(step),
      inverse: call.input(inverse),
    };
  }
}

type TypedArray = Uint8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** The memory of one call beside its task: scratch, and copies of what does not lie in the shared memory. */
class Call {
  #borrowed: Scratch[] = [];
  #top = 0;
  #end = 0;
  #outputs: { array: TypedArray; copy: Uint8Array }[] = [];

  constructor(readonly heap: SharedHeap) {}

  /** Also after a call that failed. */
  begin(): void {
    this.#outputs.length = 0;
    this.end();
  }

  /** Copies outputs back. */
  end(): void {
    for (const { array, copy } of this.#outputs) bytesOf(array).set(copy);
    for (const scratch of this.#borrowed) this.heap.giveBack(scratch);
    this.#outputs.length = 0;
    this.#borrowed.length = 0;
    this.#top = 0;
    this.#end = 0;
  }

  /** Not zeroed; 64-byte aligned, with room for reads behind it. */
  take(bytes: number): number {
    const needed = roundUp(bytes) + UNIT;
    if (this.#top + needed > this.#end) {
      const scratch = this.heap.borrow(needed);
      this.#borrowed.push(scratch);
      this.#top = scratch.at;
      this.#end = scratch.at + 2 ** scratch.log;
    }
    const at = this.#top;
    this.#top += needed;
    return at;
  }

  input(array: TypedArray): number {
    if (array.length === 0) return 0;
    return this.heap.holds(array.buffer) ? array.byteOffset : this.#copy(array).byteOffset;
  }

  /** Also read: what a kernel does not write stays as it is. */
  output(array: TypedArray): number {
    if (this.heap.holds(array.buffer)) return array.byteOffset;
    const copy = this.#copy(array);
    this.#outputs.push({ array, copy });
    return copy.byteOffset;
  }

  #copy(array: TypedArray): Uint8Array {
    const copy = this.heap.view(Uint8Array, this.take(array.byteLength), array.byteLength);
    copy.set(bytesOf(array));
    return copy;
  }
}

function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

// The module and its memory

const FIRST_PAGES = 16; // 1 MiB
const MAX_PAGES = 65_536; // 4 GiB

function newMemory(): SharedWasmMemory {
  try {
    return new (wasmApi().Memory)({ initial: FIRST_PAGES, maximum: MAX_PAGES, shared: true });
  } catch (cause) {
    throw new FunnelError('KERNELS_UNAVAILABLE', 'There is no shared WebAssembly memory to be had here', { cause });
  }
}

let compiled: object | undefined;

function compile(): object {
  if (compiled) return compiled;
  const bytes = Buffer.from(WASM_CODES_BASE64, 'base64');
  if (!wasmApi().validate(bytes)) {
    throw new FunnelError(
      'KERNELS_UNAVAILABLE',
      "This JavaScript engine's WebAssembly has no SIMD instructions or no threads",
    );
  }
  compiled = new (wasmApi().Module)(bytes);
  return compiled;
}

function wasmApi(): WasmApi {
  const api = (globalThis as { WebAssembly?: WasmApi }).WebAssembly;
  if (!api) throw new FunnelError('KERNELS_UNAVAILABLE', 'This JavaScript engine runs without WebAssembly');
  return api;
}

/** What assembly/codes.ts exports. Pointers and sizes are numbers. */
interface WasmExports {
  readonly heapBase: { readonly value: number };
  readonly encodeScratch: { readonly value: number };
  readonly prepareScratch: { readonly value: number };
  rowDotsScratch(dims: number): number;
  topDotsScratch(count: number, k: number): number;
  projectScratch(count: number, dim: number): number;
  keysScratch(half: boolean, dim: number): number;
  headDots(
    plane: number,
    dims: number,
    blocks: number,
    count: number,
    query: number,
    queries: number,
    dots: number,
    scratch: number,
  ): void;
  bitDots(
    plane: number,
    dims: number,
    blocks: number,
    count: number,
    query: number,
    dots: number,
    scratch: number,
  ): void;
  rowDots(
    plane: number,
    bits: number,
    stride: number,
    dims: number,
    rows: number,
    count: number,
    query: number,
    dots: number,
    scratch: number,
  ): void;
  topDots(
    dots: number,
    blocks: number,
    count: number,
    mask: number,
    k: number,
    rows: number,
    best: number,
    scratch: number,
  ): number;
  survivors(
    dots: number,
    scale: number,
    blocks: number,
    count: number,
    mask: number,
    metric: number,
    error: number,
    errorScale: number,
    tail: number,
    tailScale: number,
    constant: number,
    norms: number,
    twoQuery: number,
    threshold: number,
    rows: number,
    kept: number,
    estimates: number,
  ): number;
  sift(
    rows: number,
    count: number,
    estimates: number,
    dots: number,
    scale: number,
    metric: number,
    error: number,
    errorScale: number,
    tail: number,
    tailScale: number,
    constant: number,
    norms: number,
    twoQuery: number,
    threshold: number,
  ): number;
  project(rows: number, count: number, dim: number, basis: number, width: number, out: number, scratch: number): void;
  nearest(
    rows: number,
    places: number,
    count: number,
    dim: number,
    basis: number,
    width: number,
    offsets: number,
    names: number,
    best: number,
    found: number,
    scratch: number,
  ): void;
  encodeHead(
    values: number,
    count: number,
    stride: number,
    dims: number,
    base: number,
    step: number,
    inverse: number,
    first: number,
    head: number,
    fine: number,
    coarseError: number,
    fineError: number,
    scratch: number,
  ): void;
  encodeRows(
    values: number,
    count: number,
    stride: number,
    dims: number,
    base: number,
    step: number,
    inverse: number,
    first: number,
    plane: number,
    error: number,
    scratch: number,
  ): void;
  encodeBits(
    values: number,
    count: number,
    stride: number,
    dims: number,
    base: number,
    inverse: number,
    first: number,
    plane: number,
  ): void;
  gatherBits(
    bits: number,
    size: number,
    ordinals: number,
    rows: number,
    alive: number,
    blocks: number,
    count: number,
    mask: number,
  ): void;
  prepareQuery(query: number, dim: number, prepared: number, scratch: number): number;
  keys(
    metric: number,
    prepared: number,
    length: number,
    rows: number,
    half: boolean,
    dim: number,
    n: number,
    keys: number,
    scratch: number,
  ): void;
}

/** The part of WebAssembly used here. */
interface WasmApi {
  validate(bytes: Uint8Array): boolean;
  readonly Memory: new (size: { initial: number; maximum: number; shared: boolean }) => SharedWasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}
