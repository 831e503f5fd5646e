/** The module of wasm-binary.ts as an instance: what it exports, and what is used of WebAssembly's API. */
import { LITTLE_ENDIAN } from '../core/endian.js';
import { FunnelError } from '../core/errors.js';
import { WASM_BASE64 } from './wasm-binary.js';

let compiled: object | undefined;

export function instantiate(): WasmExports {
  const api = (globalThis as { WebAssembly?: WasmApi }).WebAssembly;
  if (!api) throw new FunnelError('KERNELS_UNAVAILABLE', 'This JavaScript engine runs without WebAssembly');
  if (!LITTLE_ENDIAN) {
    throw new FunnelError('KERNELS_UNAVAILABLE', 'WebAssembly has its bytes in another order than this processor');
  }
  if (!compiled) {
    const bytes = Buffer.from(WASM_BASE64, 'base64');
    if (!api.validate(bytes)) {
      throw new FunnelError('KERNELS_UNAVAILABLE', "This JavaScript engine's WebAssembly has no SIMD instructions");
    }
    compiled = new api.Module(bytes);
  }
  return new api.Instance(compiled).exports as unknown as WasmExports;
}

/** The exports of assembly/index.ts. Pointers and sizes are numbers. */
export interface WasmExports {
  readonly memory: WasmMemory;
  readonly heapBase: { readonly value: number };
  passScratch(half: boolean, dim: number): number;
  prepareQuery(query: number, dim: number, from: number, to: number, prepared: number, scratch: number): number;
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
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}
