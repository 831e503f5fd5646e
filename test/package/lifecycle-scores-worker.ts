/** A thread that calls a kernel over a list of arrays again and again: it is terminated between two calls, or in one. */
import { parentPort, workerData } from 'node:worker_threads';
import { getCodeKernels } from '#dist/kernels/codes-load.js';

const kernels = getCodeKernels(workerData.kernels);
const [dim, count] = [4, 2];
const task = {
  metric: 'dot',
  query: new Float32Array(dim),
  chunks: [new Float32Array(4 * dim)],
  chunkRows: 4,
  stride: dim,
  dim,
  rows: Uint32Array.of(0, 1),
  count,
  keys: new Float64Array(count),
} as const;
parentPort!.postMessage('busy');
for (;;) kernels.scoresAt(task);
