/** The worker thread behind offload.ts: runs requests one by one. */
import { parentPort } from 'node:worker_threads';
import { FunnelError } from '../core/errors.js';
import type { FunnelTask, Kernels, ScanTask } from './kernels.js';
import type { OffloadBackend, OffloadReply, OffloadRequest } from './offload.js';
import { fromPost, hear, toPost } from './post.js';
import { reference } from './reference.js';
import { createWasmKernels } from './wasm.js';

let wasm: Kernels | undefined;

hear(parentPort, (request: OffloadRequest) => {
  const reply = answer(fromPost(request));
  const buffers = 'outputs' in reply ? reply.outputs.flatMap(({ indices, keys }) => [indices.buffer, keys.buffer]) : [];
  parentPort!.postMessage(toPost(reply), buffers as ArrayBuffer[]);
});

function answer({ id, backend, kernel, tasks }: OffloadRequest): OffloadReply {
  try {
    const kernels = backendOf(backend);
    const bad =
      kernel === 'funnelBatch'
        ? kernels.funnelBatch(tasks as FunnelTask[])
        : (tasks as ScanTask[]).map((task) => kernels.scan(task));
    return { id, bad, outputs: tasks.map(({ indices, keys }) => ({ indices, keys })) };
  } catch (error) {
    // Errors lose their class between threads: the parts travel.
    const { code, message, cause } =
      error instanceof FunnelError
        ? error
        : new FunnelError('KERNELS_UNAVAILABLE', 'The kernels failed in their worker thread', { cause: error });
    return { id, error: { code, message, cause } };
  }
}

function backendOf(name: OffloadBackend): Kernels {
  if (name === 'js') return reference;
  wasm ??= createWasmKernels();
  return wasm;
}
