/** The request to a query of a source's own (short-answer.ts) and to a mirror that searches; all of it was checked but the limits of the call. */
import type { QueryVector } from '../../core/vector.js';
import type { FilterNode } from '../filter/ast.js';
import type { PayloadSelection } from './source.js';

export interface NearestRequest {
  vector: QueryVector;
  /** Rows that are told, of so many that are scored. */
  count: number;
  candidates: number;
  withPayload: PayloadSelection;
  filter: FilterNode | undefined;
  timeout: number | undefined;
  signal: AbortSignal | undefined;
}
