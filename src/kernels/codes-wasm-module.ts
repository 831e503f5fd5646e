/** The WASM module of the code kernels, compiled once per thread, and memory for it. */
import { LITTLE_ENDIAN } from '../core/endian.js';
import { FunnelError } from '../core/errors.js';
import type { CodeKernelName } from './codes.js';
import type { SharedWasmMemory } from './codes-wasm-memory.js';
import type { Raw } from './signatures.js';
import { WASM_CODES } from './wasm-codes-binary.js';
import { wasmModule } from './wasm-module.js';

const FIRST_PAGES = 16; // 1 MiB
const MAX_PAGES = 65_536; // 4 GiB

export function newMemory(): SharedWasmMemory {
  try {
    return new (wasmApi().Memory)({ initial: FIRST_PAGES, maximum: MAX_PAGES, shared: true });
  } catch (cause) {
    throw new FunnelError('KERNELS_UNAVAILABLE', 'There is no shared WebAssembly memory to be had here', { cause });
  }
}

export function compile(): object {
  return wasmModule('codes', WASM_CODES, 'SIMD instructions or no threads');
}

function wasmApi(): WasmApi {
  const api = (globalThis as { WebAssembly?: WasmApi }).WebAssembly;
  if (!api) throw new FunnelError('KERNELS_UNAVAILABLE', 'This JavaScript engine runs without WebAssembly');
  if (!LITTLE_ENDIAN) {
    throw new FunnelError('KERNELS_UNAVAILABLE', 'WebAssembly has its bytes in another order than this processor');
  }
  return api;
}

/** The exports of assembly/codes/ that have no signature in codes.ts. Pointers and sizes are numbers. */
export interface WasmHelpers {
  readonly heapBase: { readonly value: number };
  readonly encodeScratch: { readonly value: number };
  readonly prepareScratch: { readonly value: number };
  rowDotsScratch(dims: number): number;
  topDotsScratch(count: number, k: number): number;
  projectScratch(count: number, dim: number): number;
  keysScratch(half: boolean, dim: number): number;
  neighboursScratch(dims: number, sought: number, most: number, degree: number): number;
  relinkScratch(dims: number, size: number, degree: number): number;
  walkScratch(dims: number, size: number, degree: number): number;
  prepareQuery(metric: number, half: boolean, query: number, dim: number, prepared: number, scratch: number): number;
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

export type WasmCodes = WasmHelpers & Record<Exclude<CodeKernelName, 'scoresAt'>, Raw>;

/** An instance that works on a memory. */
export function instantiateCodes(memory: SharedWasmMemory): WasmCodes {
  return new (wasmApi().Instance)(compile(), { env: { memory } }).exports as WasmCodes;
}

/** The part of WebAssembly used here. */
interface WasmApi {
  readonly Memory: new (size: { initial: number; maximum: number; shared: boolean }) => SharedWasmMemory;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}
