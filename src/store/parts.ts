/** The parts of an index, for what is built on it in this package: sources, mirrors, imports. No part of its type. */
import { expected } from '../core/errors.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { IndexFiles } from './files/index-files.js';
import type { Live } from './live.js';
import type { PayloadIndexes } from './payload/indexes.js';

export interface IndexParts {
  readonly files: IndexFiles;
  readonly live: Live;
  readonly codes: CodeKernels;
  readonly indexes: PayloadIndexes;
}

const offered = new WeakMap<object, () => IndexParts>();

export function offerParts(index: object, parts: () => IndexParts): void {
  offered.set(index, parts);
}

/** Up to date. @throws FunnelError CLOSED, BAD_ARGUMENT: no index, or one of another copy (ESM, CommonJS) of this package */
export function partsOf(index: object): IndexParts {
  const parts = offered.get(index);
  if (parts === undefined) throw expected('BAD_ARGUMENT', 'a FunnelIndex of this copy of the package', 'index', index);
  return parts();
}
