/** In place of codes-native.ts in browsers and on the edge, which load no binaries. */
import type { CodeKernels } from './codes.js';

/** Throws. */
export function loadNativeCodeKernels(): CodeKernels[] {
  throw new Error('browsers and the edge run no native binaries');
}
