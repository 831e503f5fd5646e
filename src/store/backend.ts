/** The kernels of one index. */
import type { CodeKernels } from '../kernels/codes.js';
import { activeCodeKernels } from '../kernels/codes-load.js';
import { createWasmCodeKernels } from '../kernels/codes-wasm.js';
import type { Kernels } from '../kernels/kernels.js';
import { getKernels } from '../kernels/load.js';
import type { ThreadSetup } from './pool-messages.js';

export interface IndexKernels {
  kernels: Kernels;
  codes: CodeKernels;
  /** For its threads. */
  setup: ThreadSetup;
}

/** The kernels in use in this thread. An index on WASM has a memory of its own, which goes when the index does. */
export function backend(): IndexKernels {
  const { name } = activeCodeKernels();
  const kernels = getKernels(name);
  if (name !== 'wasm') return { kernels, codes: activeCodeKernels(), setup: { kernels: name } };
  const codes = createWasmCodeKernels();
  return { kernels, codes, setup: { kernels: name, memory: codes.memory } };
}
