/** A thread that never finishes by itself: it keeps kernels busy off its own thread until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { getKernels } from 'funnelvec/kernels';
import { heavyTasks } from './lifecycle-tasks.js';

const kernels = getKernels(workerData.kernels);
for (;;) {
  const running = [kernels.funnelBatchAsync(heavyTasks(3)), kernels.funnelBatchAsync(heavyTasks(2))];
  parentPort!.postMessage('busy');
  await Promise.all(running);
}
