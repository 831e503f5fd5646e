/** In place of replace.ts in browsers and on the edge: stores of adapters are kept in folders. */
import { FunnelError } from '../core/errors.js';

/** Nobody asks for it. */
export function offerReplace(_index: object, _open: object): void {}

/** @throws FunnelError UNSUPPORTED */
export async function replaceRows(..._asked: unknown[]): Promise<never> {
  throw new FunnelError('UNSUPPORTED', 'Expected Node.js for rows that others replace');
}
