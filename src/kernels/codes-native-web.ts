/** In place of codes-native.ts in browsers and on the edge, which load no binaries. */
import { loadAddon } from './addon.js';
import type { CodeKernels } from './codes.js';

/** Throws. */
export function loadNativeCodeKernels(): CodeKernels[] {
  return loadAddon() as never;
}
