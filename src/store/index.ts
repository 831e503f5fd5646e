/** funnelvec/store: the embedded index. */

export type {
  Condition,
  FieldCondition,
  Filter,
  FilterPath,
  GeoRing,
  GeoTests,
  NestedCondition,
} from '../query/filter/types.js';
export type { PayloadSelector } from '../query/payload.js';
export { type EmbeddedSourceOptions, embeddedSource } from './embedded-source.js';
export type { StageCount } from './engine/types.js';
export type { PayloadIndexType } from './files/payload-index-type.js';
export type { BackupResult, CheckProgress, VerifyProblem, VerifyResult } from './files/verify-types.js';
export type { Follower, FollowOptions, FollowRound, FollowStats } from './follow-options.js';
export { FunnelIndex, type IndexGroups, type IndexRecommend, type IndexRecommendGroups } from './funnel-index.js';
export type { ImportOptions, ImportProgress, ImportResult, RowOptions } from './import/batches.js';
export { importJsonl, type JsonlInput, type JsonlOptions } from './import/jsonl.js';
export { importMatrix } from './import/matrix.js';
export { importMatrixFile, importNpy, type MatrixFileOptions } from './import/matrix-files.js';
export type { MatrixFormat } from './import/matrix-layout.js';
export type { CheckOptions } from './long-reads.js';
export type { OnIndexProgress, PayloadIndexProgress } from './payload/types.js';
export type { SyncOptions, SyncProgress, SyncResult } from './sync-types.js';
export type {
  Facet,
  FacetOptions,
  FunnelIndexOptions,
  FunnelParams,
  Head,
  IndexAnswer,
  IndexFilterStats,
  IndexHit,
  IndexQuery,
  IndexQueryStats,
  IndexStats,
  OpenIndexOptions,
  OptimizeOptions,
  OptimizeProgress,
  PayloadIndexStats,
  Point,
  PointBatch,
  Rotation,
  RowFilter,
  ScrollOptions,
  ScrollPage,
  ScrollPoint,
} from './types.js';
