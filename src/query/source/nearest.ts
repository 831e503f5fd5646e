/** The request to a query of a source's own (short-answer.ts); all of it was checked but the limits of the call, and params. */
import type { QueryVector } from '../../core/vector.js';
import type { FilterNode } from '../filter/ast.js';
import type { PayloadSelection, SearchParams } from './source.js';

export interface NearestRequest {
  vector: QueryVector;
  /** Rows that are told, of so many that are scored. */
  count: number;
  candidates: number;
  /** The best by all rows, with a certificate, and not those of a head search. */
  exact: boolean;
  params: SearchParams | undefined;
  withPayload: PayloadSelection;
  withVector: boolean;
  filter: FilterNode | undefined;
  timeout: number | undefined;
  signal: AbortSignal | undefined;
}
