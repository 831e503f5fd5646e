/** Reads a damaged HDF5 file, and posts the code of the error, or "read". */
import { parentPort, workerData } from 'node:worker_threads';
import { openReader } from '#dist/files/formats/open.js';

let end = 'read';
try {
  const reader = await openReader(workerData as string, 'hdf5');
  reader.vector = 'train';
  for await (const _ of reader.read(0));
  await reader.close();
} catch (error) {
  end = (error as { code?: string }).code ?? String((error as Error).stack);
}
parentPort!.postMessage(end);
