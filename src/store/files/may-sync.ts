/** Processes that files of an index are not for: those of Node.js under --permission, which forbids fsync, and big-endian ones. */
import { fsyncSync } from 'node:fs';
import { LITTLE_ENDIAN } from '../../core/endian.js';
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

/** @throws FunnelError UNSUPPORTED: the numbers of an index on disk begin with their lowest byte */
export function checkByteOrder(path: string): void {
  if (LITTLE_ENDIAN) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected a little-endian processor for the index in ${path}, as its files are, but received ${process.arch}: ` +
      "an index at ':memory:' is of this processor",
  );
}
