export type { DiagnosticEvent } from './core/diagnostic-event.js';
export { FunnelError } from './core/errors.js';
export { doublingPlan, funnelPlan, tutorialPlan } from './funnel/plan.js';
export { activeKernels, type KernelsInfo, type KernelsName, listKernels, useKernels } from './kernels/index.js';
export { fromMilvus } from './sources/milvus/from-milvus.js';
export { fromQdrant } from './sources/qdrant/from-qdrant.js';

import { type FunnelApi, makeFunnel } from './funnel/funnel.js';
import { activeKernels as ours } from './kernels/load.js';
import { FunnelSearchOn, type FunnelSearchOptions } from './query/search.js';
import { STAGES_ELSEWHERE } from './query/stages-elsewhere.js';

// One by one, and by the names of their types: editors then show the documentation of each.
const api: FunnelApi = makeFunnel(ours);
export const funnel: FunnelApi['funnel'] = api.funnel;
export const funnelAsync: FunnelApi['funnelAsync'] = api.funnelAsync;
export const funnelBatch: FunnelApi['funnelBatch'] = api.funnelBatch;
export const funnelBatchAsync: FunnelApi['funnelBatchAsync'] = api.funnelBatchAsync;

/**
 * Funnel search over a database: a head search there, the funnel here.
 *
 * @example
 * const search = new FunnelSearch({ source: qdrantSource(client, { collection: 'movies', head: 'head', full: 'full' }) });
 * const { hits, stats } = await search.query({ vector, limit: 10, withPayload: true });
 */
export class FunnelSearch extends FunnelSearchOn {
  /** @throws FunnelError BAD_ARGUMENT, BAD_PLAN, UNSUPPORTED (a mirror beside a source of several layouts) */
  constructor(options: FunnelSearchOptions) {
    super(options, ours, STAGES_ELSEWHERE);
  }
}

export type { FunnelErrorCode } from './core/errors.js';
export type * from './core/types.js';
export type { ExplainedStage, Explanation, Fate, Standing } from './funnel/explain.js';
export type { FunnelApi, FunnelOptions, FunnelRequest } from './funnel/funnel.js';
export type { Keep, Plan, PlanOptions } from './funnel/plan.js';
export type {
  Condition,
  FieldCondition,
  Filter,
  FilterPath,
  GeoRing,
  GeoTests,
  NestedCondition,
} from './query/filter/types.js';
export type { Mirror } from './query/mirror.js';
export type { PayloadSelector } from './query/payload.js';
export type { Strategy } from './query/recommend.js';
export type {
  FunnelSearchOptions,
  GroupOptions,
  GroupSearchStats,
  GroupsRequest,
  GroupsResult,
  HitGroup,
  Lookup,
  LookupOptions,
  LookupRow,
  QueryOptions,
  RecommendGroupsRequest,
  RecommendRequest,
  SearchExplanation,
  SearchFate,
  SearchRequest,
  SearchResult,
  StageOptions,
  Stages,
} from './query/search.js';
export type {
  Exactness,
  FetchAnswer,
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  PackedRows,
  PayloadSelection,
  ScanAnswer,
  ScanRequest,
  SearchParams,
  ServerScales,
  ServerStage,
  Source,
  SourceInfo,
  StagedRequest,
} from './query/source/source.js';
