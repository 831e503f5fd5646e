/** In place of npy.ts in browsers and on the edge. */
import { FunnelError } from '../../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export async function importNpy(): Promise<never> {
  throw new FunnelError(
    'UNSUPPORTED',
    'Expected Node.js for importNpy(), which reads files: importMatrix() takes rows here',
  );
}
