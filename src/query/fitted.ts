/** A search on its way to hits: as it was asked for, as it fits the collection, and where its stages run. */
import type { Hit, Ran } from '../core/types.js';
import type { QueryVector } from '../core/vector.js';
import type { Explanation } from '../funnel/explain.js';
import type { CheckedPlan } from '../funnel/plan.js';
import type { Prepared } from '../funnel/prepare.js';
import type { Metric } from '../kernels/kernels.js';
import type { FilterNode } from './filter/ast.js';
import type { Mirrored } from './mirror.js';
import type { ByExamples } from './pools.js';
import type { CheckedOptions } from './request.js';
import type { HeadAnswer, PayloadSelection, ServerStage } from './source/source.js';
import type { Stages } from './stage-options.js';

/** The stages of a search as the database is to run them. */
export interface Pushed {
  /** The last one is over all dims. */
  stages: ServerStage[];
  /** Rows of the last one that are left out, best first: those of the pages before. */
  offset: number;
  /** Hits to rank, where it is not the database that ranks. */
  depth: number;
}

/** Where the stages of one search run. */
export interface Placement extends Ran {
  pushed?: Pushed;
}

/** One pool to be ranked. */
export interface Search extends ByExamples {
  options: CheckedOptions;
  /** The full query vector. */
  vector: QueryVector;
  /** The request's, and what else is left out. */
  filter: FilterNode | undefined;
  withPayload: PayloadSelection;
  /** Rank so many candidates, all of them, whatever the request's limit. */
  pool?: number;
}

/** A search as it fits the collection. */
export interface Fitted {
  search: Search;
  plan: CheckedPlan & { readonly metric: Metric };
  limit: number;
  /** Hits to rank. */
  depth: number;
  candidates: number;
  /** Whether the caller gave the plan. */
  given: boolean;
  stages: Stages;
  rescore: boolean;
}

/** A search that knows where its stages run. */
export interface PlacedSearch extends Fitted {
  placement: Placement;
}

/** An answer to a head search, with the parts of a mirror where there is one. */
export type Answer = HeadAnswer & Partial<Mirrored>;

export interface RankedPool {
  fitted: PlacedSearch;
  answer: Answer;
  prepared: Prepared<unknown>;
  /** The `depth` best, best first. */
  hits: Hit[];
  funnelMs: number;
  /** Whether the pool holds every row that passes the filter. */
  exhausted: boolean;
  explanation?: Explanation;
}
