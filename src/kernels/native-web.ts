/** In place of native.ts in browsers and on the edge, which load no binaries. */
import { loadAddon } from './addon.js';
import type { Kernels } from './kernels.js';

/** Throws. */
export function loadNativeKernels(): { path: string; levels: Kernels[] } {
  return loadAddon() as never;
}
