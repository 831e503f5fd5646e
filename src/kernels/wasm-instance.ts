/** The module of wasm-binary.ts as an instance: what it exports, and what is used of WebAssembly's API. */
import { WASM_KERNELS } from './wasm-binary.js';
import { wasmModule } from './wasm-module.js';

export function instantiate(): WasmExports {
  const module = wasmModule('kernels', WASM_KERNELS, 'SIMD instructions');
  return new (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly.Instance(module)
    .exports as unknown as WasmExports;
}

/** The exports of assembly/index.ts. Pointers and sizes are numbers. */
export interface WasmExports {
  readonly memory: WasmMemory;
  readonly heapBase: { readonly value: number };
  passScratch(half: boolean, dim: number): number;
  prepareQuery(
    metric: number,
    half: boolean,
    query: number,
    dim: number,
    from: number,
    to: number,
    prepared: number,
    scratch: number,
  ): number;
  scores(
    metric: number,
    prepared: number,
    length: number,
    rows: number,
    half: boolean,
    dim: number,
    count: number,
    from: number,
    to: number,
    keys: number,
    scratch: number,
  ): number;
  norms(
    rows: number,
    half: boolean,
    dim: number,
    count: number,
    from: number,
    to: number,
    lengths: number,
    scratch: number,
  ): number;
  offer(scores: number, n: number, first: number, k: number, rows: number, keys: number, size: number): number;
  drain(rows: number, keys: number, size: number): void;
  /** A float64: it may exceed what a pointer holds. */
  funnelScratch(half: boolean, dim: number, count: number): number;
  funnel(
    metric: number,
    query: number,
    rows: number,
    half: boolean,
    dim: number,
    count: number,
    scales: number,
    keep: number,
    stages: number,
    outRows: number,
    outKeys: number,
    scratch: number,
  ): number;
  firstNonFinite(rows: number, half: boolean, dim: number, count: number, from: number, to: number): number;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** The part of WebAssembly used here; @types/node does not declare it. */
interface WasmApi {
  readonly Instance: new (module: object) => { readonly exports: object };
}
