/** In place of here.ts in the CommonJS build, whose compiler refuses `import.meta`; it has `__filename`. */
import path from 'node:path';

export const moduleUrl: string | undefined = undefined;

/** As in here.ts, by words that tracing reads in CommonJS. */
export function threadFiles(): string[] {
  return [
    path.join(__dirname, '../kernels/offload-worker.js'),
    path.join(__dirname, '../store/pool-worker.js'),
    path.join(__dirname, '../embed/worker.js'),
  ];
}
