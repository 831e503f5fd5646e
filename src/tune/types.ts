/** Options and results of tune(). Results are plain data: JSON carries them. */
import type { Float16Values, Id, Vector } from '../core/types.js';
import type { Plan } from '../funnel/plan.js';
import type { QueryOptions } from '../query/request.js';
import type { FunnelSearchOn, Stages } from '../query/search.js';
import type { FunnelIndex } from '../store/funnel-index.js';
import type { FunnelParams } from '../store/types.js';

/** The kind of promise for queries to come. */
export type PromiseKind =
  /** Their mean recall is at least `recall`; true with `confidence`. */
  | 'mean'
  /** A share of at least `recall` of them loses nothing; true with `confidence`. */
  | 'complete'
  /** The expected recall of the next one is at least `recall` (conformal risk control; there is no `confidence`). */
  | 'expected';

/** The promise that a plan has to keep. */
export interface TuneTarget {
  /** A share below 1. @default 0.99 */
  recall?: number;
  /** Number of true neighbours: the k best rows by the full vectors. @default 10 */
  k?: number;
  /** How sure a promise is; 'expected' has none. @default 0.95 */
  confidence?: number;
  /** @default 'mean' */
  promise?: PromiseKind;
}

/** Limits of what tune() asks. */
export interface TuneBudget {
  /** The largest pool, or number of rows scored in full, that is looked at. @default 2048, or 16 × k where that is more */
  candidates?: number;
  /** Milliseconds for asking: fewer queries are used when it ends. @default no limit */
  ms?: number;
}

/** Options of every request beside its vector. */
export type TuneRequest = Pick<QueryOptions, 'filter' | 'nativeFilter' | 'params' | 'timeout'> & {
  /**
   * The layout of vectors, where the source has several; several names: heads of the same full vectors to choose among.
   */
  using?: string | readonly string[];
};

/** Options of tune(). */
export interface TuneOptions {
  /**
   * An index, or a search over any source. Several searches: over the same collection with other heads, to choose
   * among.
   */
  search: FunnelIndex | FunnelSearchOn | readonly FunnelSearchOn[];
  /** A sample of real queries, the more the better: an array of vectors, or `n × dim` in one Float32Array. */
  queries: Float32Array | Float16Values | readonly Vector[];
  /**
   * The ids of the true neighbours of each query, best first, at least `target.k` of them, as benchmark sets have them: their rows
   * are read and scored in place of exact searches. Some are compared with an exact search. Not beside a filter.
   */
  neighbours?: readonly (readonly Id[] | Int32Array | Uint32Array)[];
  /** The promise. @default recall 0.99 of the best 10, with confidence 0.95 */
  target?: TuneTarget;
  /** Limits of what is asked. @default see {@link TuneBudget} */
  budget?: TuneBudget;
  /** Prefix lengths that plans may score, those of the model's training. @default doublings of the head */
  scales?: readonly number[];
  /**
   * Whether mode 'exact' may be the answer, where it is proven or a full scan of the server, and no slower than the cheapest
   * plan. @default true
   */
  exact?: boolean;
  /** Options of every request beside its vector: a promise holds for searches under this filter. */
  request?: TuneRequest;
  /** Seed of the split into halves and of the measured sample. @default 1 */
  seed?: number;
  /** Told as each phase goes on. */
  onProgress?: (progress: TuneProgress) => void;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** Progress of tune(). */
export interface TuneProgress {
  /** 'exact': answers to compare with. 'ask': what plans would find. 'measure': what they cost. 'choose'. */
  phase: 'exact' | 'ask' | 'measure' | 'choose';
  /** Steps of the phase that are done, of `total`. */
  done: number;
  /** Steps of the phase. */
  total: number;
}

/**
 * The statistics behind a promise: 'betting' (means, by Waudby-Smith and Ramdas, arXiv 2010.09686), 'clopper-pearson' (shares
 * of queries), 'conformal' (conformal risk control, arXiv 2208.02814).
 */
export type BoundMethod = 'betting' | 'clopper-pearson' | 'conformal';

/** The options to spread into a request beside its vector: `search.query({ vector, ...result.request })`. */
export interface TunedRequest {
  /** The k that was tuned for. */
  limit: number;
  /** For a FunnelSearch. */
  plan?: Plan;
  /** Where its stages ran when it was measured, where that is to be chosen: of a FunnelSearch whose database can run them. */
  stages?: Exclude<Stages, 'auto'>;
  /** The layout that was chosen, where the source has several. */
  using?: string;
  /** For a FunnelIndex. */
  params?: FunnelParams;
  /** Where no plan is faster. */
  mode?: 'exact';
}

/** Times of searches. */
export interface Latency {
  /** Milliseconds of one search at a time. */
  p50: number;
  /** Milliseconds, likewise. */
  p95: number;
  /** Searches measured. */
  n: number;
}

/** The loss of a stage of the chosen plan. */
export interface StageLoss {
  /** 'head 128', 'scale 256', or a setting of an index. */
  name: string;
  /** Rows that go on. */
  out: number;
  /** Share of all true neighbours that were lost here. */
  lost: number;
}

/** A plan that was looked at: its recall and its cost. */
export interface CurvePoint {
  /** For people: head, candidates and scales, or the params. */
  label: string;
  /** To be spread into a request. */
  request: TunedRequest;
  /** Mean recall over the choosing half. */
  recall: number;
  /** Milliseconds, as the cost model says; measured, of an index. */
  cost: number;
  /** Worth its cost: nothing cheaper loses less. */
  frontier: boolean;
}

/** A true neighbour on its way. */
export interface NeighbourStanding {
  /** The id as text. */
  id: string;
  /** By the full vectors. */
  score: number;
  /**
   * Zero-based place in the head list; −1: beyond what was looked at. With an index: the fewest candidates that find
   * it, less 1.
   */
  headRank: number;
  /** Zero-based place among those that entered each scale; shorter where it was lost before. */
  ranks: number[];
  /** The stage that lost it: 0 is the head, then the scales; −1: it was returned. */
  lostAt: number;
}

/** One query, and what became of its true neighbours. */
export interface QueryTrace {
  /** Its number among the queries that were passed. */
  query: number;
  /** Share of the best k that the chosen plan returns. */
  recall: number;
  /** Its true neighbours, best first. */
  neighbours: NeighbourStanding[];
}

/** The plan that was found, what is promised of it, and what that rests on. */
export interface TuneResult {
  /** Ready to be spread into a request. */
  request: TunedRequest;
  /** For a FunnelSearch. */
  plan?: Plan;
  /** For a FunnelIndex. */
  params?: FunnelParams;
  /** Which of several searches. */
  search: number;
  /** The target of the call, with defaults filled in. */
  target: Required<TuneTarget>;
  /** The promise. */
  bound: {
    /** The recall promised: the target, or less where it was refused. */
    recall: number;
    /** 1 where it needs no sample, since the search is exact; undefined of promise 'expected'. */
    confidence?: number;
    /** The statistics that it rests on; 'exact': the search is exact. */
    method: BoundMethod | 'exact';
    /** Queries that it rests on: those that nothing was chosen by. */
    n: number;
    /** The recall that this plan's losses alone would allow: no promise, since the plan was chosen among several. */
    alone: number;
  };
  /** Mean recall of the plan on the half that chose it, and on the other. */
  recall: {
    /** Over the half that chose: optimistic. */
    choosing: number;
    /** Over the half that tested. */
    certifying: number;
  };
  /** Measured: the chosen plan, and exact answers. */
  latency: {
    /** Latency of the chosen plan. */
    plan: Latency;
    /** Latency of mode 'exact'. */
    exact: Latency;
  };
  /** Every plan that was looked at. */
  curve: CurvePoint[];
  /** The place in `curve` of the cheapest plan that keeps the promise; of the safest, where none does. */
  chosen: number;
  /** Stages of the chosen plan, over all queries. */
  stages: StageLoss[];
  /** The rank of every true neighbour of every query: see `NeighbourStanding.headRank`. */
  ranks: number[];
  /** The queries that lose most or are nearest to it, and a few others. */
  traces: QueryTrace[];
  /** The model that predicts what plans cost, and how well it does. */
  cost: {
    /** Milliseconds. */
    unit: 'ms';
    /** Costs predicted and then measured, of plans over the whole curve. */
    fit: {
      /** The label in `curve`. */
      label: string;
      /** Milliseconds, by the model. */
      predicted: number;
      /** Milliseconds, as they were. */
      measured: number;
    }[];
    /** Median of measured / predicted: how much slower or faster the machine has become meanwhile. */
    drift: number;
    /** Median of |predicted × drift − measured| / measured: what is wrong between plans, which is what choices go by. */
    error: number;
  };
  /** 'certified': proven; 'server': a full scan in float32; 'index': what the server's index found, which may lack rows. */
  truth: 'certified' | 'server' | 'index';
  /** Whether plans were replayed from one deep list ('replay') or, since shorter lists differ, asked for ('ask'). */
  by: 'replay' | 'ask';
  /** The refusal, where the target cannot be promised. */
  refused?: {
    /** In words: why, and what can be promised instead. */
    reason: string;
    /** Queries to add, were they like these, or at least to add where `reason` says so; undefined where no number of them would do. */
    moreQueries?: number;
  };
  /** The promise is about queries like these, and the collection as it was: keep this beside the plan. */
  fingerprint: {
    /** Number of queries. */
    queries: number;
    /** Rows of the collection, where the source knows. */
    rows?: number;
    /** Dims of full vectors. */
    dim: number;
    /** The metric of the search. */
    metric: string;
    /** SHA-256 of the exact answers, so that one run after another tells whether the collection has changed. */
    hash: string;
  };
  /** Dims in the caption of the plot of heads. */
  head?: {
    /** Dims of the head that was chosen. */
    dims: number;
    /** Dims of full vectors. */
    dim: number;
  };
}
