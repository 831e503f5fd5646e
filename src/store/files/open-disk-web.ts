/** In place of open-disk.ts in browsers and on the edge, where an index is in memory. */
import { FunnelError } from '../../core/errors.js';
import type { Core } from './core.js';

/** @throws FunnelError UNSUPPORTED */
export function createOnDisk(path: string, _config: unknown, _options: unknown, _make: unknown): never {
  throw noFiles(path);
}

/** @throws FunnelError UNSUPPORTED */
export function openOnDisk(path: string, _options: unknown, _make: (core: Core, hold: undefined) => unknown): never {
  throw noFiles(path);
}

function noFiles(path: string): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected ':memory:' for path but received ${JSON.stringify(path)}: there are no files here. Make the index where there ` +
      'are some, and open its toBytes() by fromBytes()',
  );
}
