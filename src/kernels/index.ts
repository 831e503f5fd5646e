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
export { activeKernels, getKernels, type KernelsInfo, type KernelsName, listKernels, useKernels } from './load.js';
export { reference } from './reference.js';
