/** The request to a source's own query (short-answer.ts), all of it checked but the limits of the call and params; and the answer. */
import type { Hit } from '../../core/types.js';
import type { QueryVector } from '../../core/vector.js';
import type { FilterNode } from '../filter/ast.js';
import type { HeadAnswer, PayloadSelection, SearchParams } from './source.js';

export interface NearestRequest {
  vector: QueryVector;
  /** Rows that are ranked, of so many that are scored. */
  count: number;
  candidates: number;
  /** The ranks that are told: from `from`, below `to`, which is at most `count`. */
  from: number;
  to: number;
  /** The best by all rows, with a certificate, and not those of a head search. */
  exact: boolean;
  params: SearchParams | undefined;
  withPayload: PayloadSelection;
  withVector: boolean;
  filter: FilterNode | undefined;
  timeout: number | undefined;
  signal: AbortSignal | undefined;
}

export interface NearestAnswer extends Pick<HeadAnswer, 'headMs' | 'decodeMs' | 'exact' | 'filtered' | 'missing'> {
  /** The ranks asked for, best first, in objects that are the caller's; `index` counts from the first of all ranks. */
  hits: Hit[];
  /** Candidates that were found, of those asked for. */
  found: number;
}
