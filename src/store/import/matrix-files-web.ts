/** In place of matrix-files.ts in browsers and on the edge. */
import { FunnelError } from '../../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export async function importNpy(): Promise<never> {
  throw noFiles('importNpy');
}

/** @throws FunnelError UNSUPPORTED */
export async function importMatrixFile(): Promise<never> {
  throw noFiles('importMatrixFile');
}

export type MatrixFileOptions = never;

function noFiles(call: string): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected Node.js for ${call}(), which reads files: importMatrix() takes rows here`,
  );
}
