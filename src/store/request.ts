/** Requests to an index: the keys that only an index has, and all of it as what the engine searches. */

import { expected, FunnelError } from '../core/errors.js';
import { keyOfScore } from '../core/metrics.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { QueryVector } from '../core/vector.js';
import type { Metric } from '../kernels/kernels.js';
import type { Filters } from '../query/filter/conditions.js';
import { type PayloadSelector, payloadSelection } from '../query/payload.js';
import {
  checkDirection,
  checkLimit,
  checkPaging,
  checkRanking,
  checkRequestKeys,
  checkWithVector,
  depthOf,
  SHARED_KEYS,
} from '../query/shared-keys.js';
import type { SearchTask } from './engine/types.js';
import type { CheckedFilter, Unchecked } from './filters.js';
import { refuseForeign, refuseForeignParams } from './refused.js';
import type { FunnelParams, IndexQuery } from './types.js';

const PARAMS = ['eps', 'candidates', 'probes'] as const;

/** The parts of a row that come along. */
export interface Selection {
  /** Undefined: no payload. */
  readonly payloadOf: ((payload: unknown) => unknown) | undefined;
  readonly withVector: boolean;
}

/** A query that was checked; it holds nothing that is the caller's. Only this package makes them. */
export class CheckedQuery implements Selection {
  constructor(
    /** `k` is as deep as the pool that the page is cut from. */
    readonly request: Readonly<Omit<SearchTask, 'only'>>,
    /** The page: ranks from `offset`, below `end`. */
    readonly offset: number,
    readonly end: number,
    readonly filter: CheckedFilter | undefined,
    { payloadOf, withVector }: Selection,
  ) {
    this.payloadOf = payloadOf;
    this.withVector = withVector;
  }

  readonly payloadOf: Selection['payloadOf'];
  readonly withVector: boolean;

  /** The same query with another object for an equal filter. */
  with(filter: CheckedFilter): CheckedQuery {
    return filter === this.filter ? this : new CheckedQuery(this.request, this.offset, this.end, filter, this);
  }
}

/** Nothing but ids and scores. */
const BARE: Selection = { payloadOf: undefined, withVector: false };

/**
 * A query as it comes to the index: a caller's is checked, and one that was checked already only shares its filter.
 *
 * @param filters those of the batch
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_ID, NOT_FINITE, ZERO_QUERY, TOO_DEEP, UNSUPPORTED, DETACHED_BUFFER
 */
export function checkedQuery(
  query: Unchecked<IndexQuery> | CheckedQuery,
  dim: number,
  metric: Metric,
  filters: Filters<CheckedFilter>,
): CheckedQuery {
  if (!(query instanceof CheckedQuery)) return parsed(query, dim, metric, filters);
  return query.filter === undefined ? query : query.with(filters.shared(query.filter));
}

/**
 * The query for so many candidates of a source over the index, of which all was checked. The index takes it for one of a
 * caller's.
 *
 * @param of.k the depth of the search
 * @param of.end with `offset` the ranks that are told; the other candidates are scored alone
 * @throws FunnelError ZERO_QUERY
 */
export function candidatesQuery(
  vector: QueryVector,
  metric: Metric,
  of: { candidates: number; k: number; offset: number; end: number },
  { exact, probes }: { exact?: boolean | undefined; probes?: number | undefined },
  filter: CheckedFilter | undefined,
  selection: Selection = BARE,
): IndexQuery {
  checkDirection(vector, metric);
  const { candidates, k, offset, end } = of;
  const params = exact ? {} : { candidates, probes };
  const request = requestOf(vector, k, exact ? 'exact' : 'funnel', undefined, params);
  return new CheckedQuery(request, offset, end, filter, selection) as unknown as IndexQuery;
}

function parsed(
  query: Unchecked<IndexQuery>,
  dim: number,
  metric: Metric,
  filters: Filters<CheckedFilter>,
): CheckedQuery {
  checkRequestKeys(query, SHARED_KEYS, 'the query', refuseForeign);
  const { limit = 10, offset, maxDepth, mode = 'funnel', scoreThreshold, params } = query; // read once
  if (params !== undefined) refuseForeignParams(params);
  const vector = QueryVector.of(query.vector, dim, 'vector');
  checkDirection(vector, metric);
  checkLimit(limit);
  checkRanking(mode, scoreThreshold);
  checkPaging(offset, maxDepth);
  const depth = depthOf({ offset, maxDepth }, limit);
  const end = (offset ?? 0) + limit;
  const k = mode === 'exact' ? end : depth;
  const selection = checkSelection(query);
  const filter = filters.of(query.filter);
  const own = params === undefined ? {} : checkParams(params, mode, k);
  const above = scoreThreshold === undefined ? undefined : keyOfScore(metric, scoreThreshold);
  return new CheckedQuery(requestOf(vector, k, mode, above, own), offset ?? 0, end, filter, selection);
}

function requestOf(
  { values: vector, norm }: QueryVector,
  k: number,
  mode: SearchTask['mode'],
  above: number | undefined,
  { eps, candidates, probes }: { [Param in keyof FunnelParams]: FunnelParams[Param] | undefined },
): Omit<SearchTask, 'only'> {
  return { vector, norm, k, mode, above, eps, candidates, probes };
}

/** @throws FunnelError BAD_ARGUMENT */
function checkParams(params: FunnelParams, mode: SearchTask['mode'], k: number): FunnelParams {
  checkKeys(params, PARAMS, 'params');
  const own = { ...params }; // read once
  const { eps, candidates, probes } = own;
  if (mode === 'exact' && (eps !== undefined || candidates !== undefined || probes !== undefined)) {
    throw new FunnelError('BAD_ARGUMENT', "Expected no params for mode 'exact': there is nothing to trade");
  }
  if (eps !== undefined) {
    if (!(typeof eps === 'number' && eps >= 0 && eps <= 1)) {
      throw expected('BAD_ARGUMENT', 'a number in 0..1', 'params.eps', eps);
    }
    if (candidates !== undefined || probes !== undefined) {
      throw new FunnelError('BAD_ARGUMENT', 'Expected params.eps alone, or params.candidates and params.probes');
    }
  }
  if (candidates !== undefined) checkInteger(candidates, k, 0xffff_ffff, 'params.candidates');
  if (probes !== undefined) checkInteger(probes, 1, 0xffff_ffff, 'params.probes');
  return own;
}

/** Reads which parts of a row come along. @throws FunnelError BAD_ARGUMENT */
export function checkSelection(
  options: { withPayload?: PayloadSelector | undefined; withVector?: boolean | undefined },
  payloadByDefault = false,
  vectorByDefault = false,
): Selection {
  const { withPayload = payloadByDefault, withVector = vectorByDefault } = options;
  checkWithVector(withVector, false);
  const payloadOf = withPayload === false ? undefined : payloadSelection(withPayload);
  return { payloadOf, withVector };
}
