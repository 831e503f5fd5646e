/** In place of byte-order.ts in browsers and on the edge, with fewer words: pages load it, and hardly a browser is big-endian. */
import { LITTLE_ENDIAN } from '../../core/endian.js';
import { FunnelError } from '../../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export function checkByteOrder(_of: string): void {
  if (!LITTLE_ENDIAN) throw new FunnelError('UNSUPPORTED', 'Expected a little-endian processor');
}
