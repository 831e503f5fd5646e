/** In place of follow.ts in browsers and on the edge, where an index is filled elsewhere and shipped. */
import { FunnelError } from '../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export function follow(..._asked: unknown[]): never {
  throw new FunnelError(
    'UNSUPPORTED',
    'Expected Node.js for follow(): follow there, and open its toBytes() by fromBytes()',
  );
}

/** Nothing follows here. */
export async function endFollowing(..._asked: unknown[]): Promise<void> {}
