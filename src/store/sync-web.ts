/** In place of sync.ts in browsers and on the edge, where an index is filled elsewhere and shipped. */
import { FunnelError } from '../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export async function syncFrom(..._asked: unknown[]): Promise<never> {
  throw new FunnelError(
    'UNSUPPORTED',
    'Expected Node.js for syncFrom(): sync an index there, and open its toBytes() by fromBytes()',
  );
}

/** @throws FunnelError UNSUPPORTED */
export function checkSyncOptions(..._asked: unknown[]): void {
  throw new FunnelError('UNSUPPORTED', 'Expected Node.js for options of syncFrom()');
}
