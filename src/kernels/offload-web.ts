/** In place of offload.ts in browsers and on the edge: in slices, since no bundler would find a file for a worker of ours. */
import { runInSlices } from './in-slices.js';
import type { BadPosition, FunnelTask, Kernels, ScanTask } from './kernels.js';

export function offload(
  kernels: Kernels,
  _kernel: 'funnelBatch' | 'scanBatch',
  tasks: readonly (FunnelTask | ScanTask)[],
  _give = false,
): Promise<BadPosition[]> {
  return runInSlices(kernels, tasks);
}
