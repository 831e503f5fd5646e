/** In place of native.ts in browsers and on the edge, which load no binaries. */
import type { Kernels } from './kernels.js';

/** Throws. */
export function loadNativeKernels(): { path: string; levels: Kernels[] } {
  throw new Error('browsers and the edge run no native binaries');
}
