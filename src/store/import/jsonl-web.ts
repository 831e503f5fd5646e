/** In place of jsonl.ts in browsers and on the edge. */
import { FunnelError } from '../../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export async function importJsonl(): Promise<never> {
  throw new FunnelError(
    'UNSUPPORTED',
    'Expected Node.js for importJsonl(), which reads files: upsert() takes rows here',
  );
}

export type JsonlInput = never;
export type JsonlOptions = never;
