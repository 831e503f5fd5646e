/** In place of backup.ts in browsers and on the edge, where an index is in memory. */
import { FunnelError } from '../../core/errors.js';

export interface Copied {
  rows: number;
  bytes: number;
}

/** @throws FunnelError UNSUPPORTED */
export async function copyIndex(..._asked: unknown[]): Promise<Copied> {
  throw new FunnelError('UNSUPPORTED', 'Expected files for backup() but there are none here: toBytes() gives a copy');
}
