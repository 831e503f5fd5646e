import type { BadPosition, FunnelTask, ScanTask } from './kernels.js';

export async function offload(
  _backend: 'wasm' | 'js',
  _kernel: 'funnelBatch' | 'scanBatch',
  _tasks: readonly (FunnelTask | ScanTask)[],
): Promise<BadPosition[]> {
  throw new Error('not yet');
}
