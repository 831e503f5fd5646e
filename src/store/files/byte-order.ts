/** Files and images of an index hold the numbers of little-endian processors as they are in memory. */
import { LITTLE_ENDIAN } from '../../core/endian.js';
import { FunnelError } from '../../core/errors.js';

/**
 * @param of what would be read or written
 * @throws FunnelError UNSUPPORTED
 */
export function checkByteOrder(of: string): void {
  if (LITTLE_ENDIAN) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected a little-endian processor for ${of} but this one is big-endian: fill an index at ':memory:' here`,
  );
}
