/** The parts of an index, for what is built on it in this package: sources, mirrors, imports. No part of its type. */
import { expected } from '../core/errors.js';
import type { Id, IdKind } from '../core/types.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Metric } from '../kernels/kernels.js';
import type { IndexFiles } from './files/index-files.js';
import type { Live } from './live.js';
import type { PayloadIndexes } from './payload/indexes.js';
import type { IndexAnswer, IndexQuery, PointBatch } from './types.js';

export interface IndexParts {
  readonly files: IndexFiles;
  readonly live: Live;
  readonly codes: CodeKernels;
  readonly indexes: PayloadIndexes;
  /** Runs what sees one moment: the index follows no writer in another process meanwhile. */
  still<T>(run: () => T): T;
}

// biome-ignore lint/suspicious/noExplicitAny: an index of any payloads is what an index of some is taken for
type Any = any;

/** A FunnelIndex as sources and syncs see it, on which it is built itself. */
export interface SearchedIndex {
  readonly path: string;
  readonly dim: number;
  readonly metric: Metric;
  readonly count: number;
  readonly idKind: IdKind | undefined;
  gather(ids: ArrayLike<Id>, out: Float32Array): number[];
  query(query: IndexQuery<Any>): Promise<IndexAnswer<Any>>;
  queryBatch(queries: readonly IndexQuery<Any>[]): Promise<IndexAnswer<Any>[]>;
  queryBatchSync(queries: readonly IndexQuery<Any>[]): IndexAnswer<Any>[];
  upsert(points: PointBatch<Any>): Promise<{ count: number; replaced: number }>;
  delete(ids: readonly Id[]): Promise<{ count: number }>;
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
