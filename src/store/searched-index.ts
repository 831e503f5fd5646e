/** A FunnelIndex as sources and syncs see it; in a file of its own, so that public types reach no internals. */
import type { Id, IdKind, Metric } from '../core/types.js';
import type { IndexAnswer, IndexQuery, PointBatch } from './types.js';

// biome-ignore lint/suspicious/noExplicitAny: it takes an index whatever its payloads are
type Any = any;

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
