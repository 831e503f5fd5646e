/** Processes that can write no files of an index: those of Node.js under --permission, which forbids fsync. */
import { fsyncSync } from 'node:fs';
import { FunnelError } from '../../core/errors.js';
import { errorCodeOf } from './errors.js';

/** No process has so many files open. */
const NO_FILE = 2 ** 31 - 1;

/** @throws FunnelError NOT_WRITABLE, before anything is made */
export function checkMaySync(path: string): void {
  if ((process as { permission?: unknown }).permission === undefined) return;
  try {
    fsyncSync(NO_FILE);
  } catch (cause) {
    if (errorCodeOf(cause) !== 'ERR_ACCESS_DENIED') return; // it looked for the file
    throw new FunnelError(
      'NOT_WRITABLE',
      `Expected a process that may sync files for the index in ${path} but received Node.js under --permission, which ` +
        "forbids it: leave that out, or open the index with { readOnly: true }, or make one at ':memory:'",
      { cause },
    );
  }
}
