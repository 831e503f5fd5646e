/** In place of payload-writes.ts in browsers and on the edge, where an index is shipped rather than kept. */
import { FunnelError } from '../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export async function changePayloads(..._asked: unknown[]): Promise<never> {
  return changePayloadsSync();
}

/** @throws FunnelError UNSUPPORTED */
export function changePayloadsSync(..._asked: unknown[]): never {
  throw new FunnelError(
    'UNSUPPORTED',
    'Expected Node.js for a change of payloads in place: upsert() the rows with their new payloads here',
  );
}

const none = (..._asked: unknown[]): void => {};

export { none as deletingKeys, none as overwriting, none as setting };
