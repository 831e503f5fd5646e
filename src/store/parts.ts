/** The parts of an index, for what is built on it in this package: sources, mirrors, imports. */
import type { CodeKernels } from '../kernels/codes.js';
import type { IndexFiles } from './files/index-files.js';
import type { Live } from './live.js';

export interface IndexParts {
  readonly files: IndexFiles;
  readonly live: Live;
  readonly codes: CodeKernels;
}

/** The method of FunnelIndex that hands them out, up to date; no name that users could come upon. */
export const PARTS: unique symbol = Symbol('parts of a FunnelIndex');
