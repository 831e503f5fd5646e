/** `funnelvec/kernels`: which backend runs, and the kernels themselves. */
export type {
  BadPosition,
  FunnelTask,
  Kernels,
  Metric,
  NormsTask,
  Rows,
  ScanTask,
  ScoresTask,
} from './kernels.js';
export { KERNEL_NAMES, MAX_DIM, METRICS } from './kernels.js';
export { type KernelsInfo, type KernelsName, listKernels, useKernels } from './load.js';

import { checkedKernels } from './check.js';
import type { Kernels } from './kernels.js';
import * as load from './load.js';
import { reference as unchecked } from './reference.js';

/**
 * The backend in use: `FUNNELVEC_KERNELS` when set, else the fastest that runs here.
 *
 * @throws FunnelError KERNELS_UNAVAILABLE where the variable names one that cannot run
 */
export function activeKernels(): Kernels {
  return checkedKernels(load.activeKernels());
}

/** A backend by name, without making it the one in use. Throws as {@link load.useKernels} does. */
export function getKernels(name: string): Kernels {
  return checkedKernels(load.getKernels(name));
}

/** The kernels in plain TypeScript: the contract to read. */
export const reference: Kernels = checkedKernels(unchecked);
