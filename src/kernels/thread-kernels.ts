/**
 * Kernels for a thread, by the name that its maker gave. Native ones are bound without the modules of the others: a thread
 * pays for each module that it loads, and these were a quarter of them.
 */
import type { CodeKernels } from './codes.js';
import { loadNativeCodeKernels } from './codes-native.js';
import type { Kernels } from './kernels.js';
import { loadNativeKernels } from './native.js';

/** Both halves of the kernels, as a thread has them. */
export interface ThreadKernels {
  kernels: Kernels;
  codes: CodeKernels;
}

/**
 * @param name of kernels that run where the thread was made
 * @param memory what WASM code kernels work on (`WasmCodeKernels.memory`)
 * @throws FunnelError KERNELS_UNAVAILABLE when they do not run here
 */
export async function threadKernels(name: string, memory?: unknown): Promise<ThreadKernels> {
  return (name === 'wasm' || name === 'js' ? undefined : nativeKernels(name)) ?? (await anyKernels(name, memory));
}

/** Undefined where they cannot be had: the search among all tells why. */
function nativeKernels(name: string): ThreadKernels | undefined {
  try {
    const kernels = loadNativeKernels().levels.find((level) => level.name === name);
    const codes = loadNativeCodeKernels().find((level) => level.name === name);
    return kernels && codes && { kernels, codes };
  } catch {
    return undefined;
  }
}

async function anyKernels(name: string, memory: unknown): Promise<ThreadKernels> {
  const [{ getKernels }, { codeKernelsFor }] = await Promise.all([import('./load.js'), import('./codes-load.js')]);
  return { kernels: getKernels(name), codes: codeKernelsFor(name, memory) };
}
