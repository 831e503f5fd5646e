/** funnelvec/store: the embedded index. */

export { type EmbeddedSourceOptions, embeddedSource } from '../sources/embedded.js';
export type { OptimizeProgress } from './builder.js';
export type { StageCount } from './engine/search.js';
export { FunnelIndex } from './funnel-index.js';
export type { SyncOptions, SyncProgress, SyncResult } from './sync.js';
export type {
  FunnelIndexOptions,
  FunnelParams,
  IndexAnswer,
  IndexHit,
  IndexQuery,
  IndexQueryStats,
  IndexStats,
  OpenIndexOptions,
  Point,
  PointBatch,
  RowFilter,
} from './types.js';
