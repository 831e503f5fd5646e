/** The code kernels by name, beside load.ts: the same names, the same choice. */
import { FunnelError } from '../core/errors.js';
import type { CodeKernels } from './codes.js';
import { loadNativeCodeKernels } from './codes-native.js';
import { codesReference } from './codes-reference.js';
import { createWasmCodeKernels, type SharedWasmMemory } from './codes-wasm.js';
import { activeKernels, type KernelsName, listKernels } from './load.js';
import { wasmModulesGiven } from './wasm-module.js';

export interface CodeKernelsInfo {
  name: KernelsName;
  /** Can it run here? */
  supported: boolean;
  /** Why it cannot run. */
  reason?: string;
}

let native: { kernels: Map<string, CodeKernels>; failure?: Error } | undefined;
let wasm: CodeKernels | Error | undefined;
/** Calls of useWasmModules() before. */
let wasmTried = 0;

/** Every backend, fastest first. */
export function listCodeKernels(): CodeKernelsInfo[] {
  return listKernels().map(({ name, reason }) => {
    const found = find(name);
    if (!(found instanceof Error)) return { name, supported: true };
    return { name, supported: false, reason: reason ?? found.message };
  });
}

/**
 * A backend by name.
 *
 * @throws FunnelError KERNELS_UNAVAILABLE when the name is unknown or cannot run here.
 */
export function getCodeKernels(name: string): CodeKernels {
  const found = find(name);
  if (!(found instanceof Error)) return found;
  throw new FunnelError(
    'KERNELS_UNAVAILABLE',
    `Code kernels ${JSON.stringify(name)} cannot run here: ${found.message}`,
    {
      cause: found,
    },
  );
}

/**
 * The code kernels that go with kernels of load.ts: those of their name, or the next slower ones where these cannot run
 * (WASM without shared memory, say), since all agree in every bit.
 *
 * @param memory the memory that WASM code kernels have in another thread (`WasmCodeKernels.memory`)
 */
export function codeKernelsFor(name: string, memory?: unknown): CodeKernels {
  if (name === 'wasm' && memory !== undefined) return createWasmCodeKernels(memory as SharedWasmMemory);
  const same = find(name);
  if (!(same instanceof Error)) return same;
  const names = listKernels().map((kernels) => kernels.name as string);
  if (!names.includes(name)) return getCodeKernels(name);
  const slower = names.slice(names.indexOf(name)).map(find);
  return slower.find((found) => !(found instanceof Error)) as CodeKernels; // 'js' runs everywhere
}

export function activeCodeKernels(): CodeKernels {
  return codeKernelsFor(activeKernels().name);
}

function find(name: string): CodeKernels | Error {
  if (name === 'js') return codesReference;
  if (name === 'wasm') {
    const modules = wasmModulesGiven();
    if (wasm === undefined || (wasm instanceof Error && wasmTried !== modules)) {
      wasm = attempt(() => createWasmCodeKernels());
      wasmTried = modules;
    }
    return wasm;
  }
  native ??= loadNative();
  return native.kernels.get(name) ?? native.failure ?? new Error('no native kernels of this name');
}

function loadNative(): { kernels: Map<string, CodeKernels>; failure?: Error } {
  const levels = attempt(loadNativeCodeKernels);
  if (levels instanceof Error) return { kernels: new Map(), failure: levels };
  return { kernels: new Map(levels.map((level) => [level.name, level])) };
}

function attempt<T>(make: () => T): T | Error {
  try {
    return make();
  } catch (error) {
    return error as Error;
  }
}
