/** In place of operations.ts in browsers and on the edge, where an index is in memory alone. */
import { FunnelError } from '../core/errors.js';

/** @throws FunnelError UNSUPPORTED */
export async function backup(..._asked: unknown[]): Promise<never> {
  throw noFiles('backup()');
}

/** @throws FunnelError UNSUPPORTED */
export async function verify(..._asked: unknown[]): Promise<never> {
  throw noFiles('verify()');
}

/** None: the option has no effect here. */
export function memoryWarnings(..._sizes: unknown[]): string[] {
  return [];
}

function noFiles(call: string): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected files for ${call} but there are none here: toBytes() gives a checked copy`,
  );
}
