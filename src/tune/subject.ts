/** The contract between tune() and whatever it tunes. */
import type { Metric } from '../kernels/kernels.js';
import type { Truth } from './session.js';
import type { QueryTrace, StageLoss, TunedRequest, TuneResult } from './types.js';

/** Something to choose. */
export interface Choice {
  label: string;
  request: TunedRequest;
  /** Predicted milliseconds. */
  cost: number;
  /** Which search. */
  search: number;
}

export interface Subject {
  readonly dim: number;
  readonly metric: Metric;
  readonly truth: TuneResult['truth'];
  readonly by: TuneResult['by'];
  readonly head: TuneResult['head'];
  /** Exact answers; @param queries numbers of the session's vectors */
  exact(queries: readonly number[]): Promise<Truth[]>;
  /** Everything that plans are chosen among, by a look at the choosing half alone. */
  choices(): Promise<Choice[]>;
  /** Losses of one choice, by query. */
  losses(choice: number, queries: readonly number[]): Promise<Float64Array>;
  /** One search, as a user would make it. @returns milliseconds */
  time(request: TunedRequest, search: number, query: number): Promise<number>;
  stages(choice: number): Promise<StageLoss[]>;
  ranks(): number[];
  /** The largest `headRank` of a query; Infinity where a neighbour is beyond what was looked at. */
  deepest(query: number): number;
  trace(choice: number, query: number): Promise<QueryTrace>;
  rows(): Promise<number | undefined>;
}
