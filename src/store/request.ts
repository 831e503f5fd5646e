/** Checks what callers ask, and turns it into what the engine searches. */
import { expected, FunnelError } from '../errors.js';
import type { Metric } from '../kernels/kernels.js';
import { checkInteger, checkKeys, checkQuery, isZero } from '../validate.js';
import type { SearchRequest } from './engine/search.js';
import type { IndexQuery } from './types.js';

const QUERY_KEYS = [
  'vector',
  'limit',
  'mode',
  'scoreThreshold',
  'filter',
  'withPayload',
  'withVector',
  'params',
] as const;
const PARAMS = ['eps', 'candidates', 'probes'] as const;

export interface OwnQuery {
  request: Omit<SearchRequest, 'only'>;
  filter: IndexQuery['filter'];
  withPayload: boolean;
  withVector: boolean;
}

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY, DETACHED_BUFFER */
export function ownQuery(query: IndexQuery, dim: number, metric: Metric): OwnQuery {
  checkKeys(query, QUERY_KEYS, 'the query');
  const { limit = 10, mode = 'funnel', scoreThreshold, filter, params = {} } = query;
  const vector = checkQuery(query.vector, dim, 'vector').slice();
  if (metric !== 'euclid' && isZero(vector)) {
    throw new FunnelError('ZERO_QUERY', `Expected a vector with a direction for metric ${metric} but received zeros`);
  }
  checkInteger(limit, 1, 0xffff_ffff, 'limit');
  if (mode !== 'exact' && mode !== 'funnel') throw expected('BAD_ARGUMENT', "'exact' or 'funnel'", 'mode', mode);
  if (scoreThreshold !== undefined && !(typeof scoreThreshold === 'number' && !Number.isNaN(scoreThreshold))) {
    throw expected('BAD_ARGUMENT', 'a number', 'scoreThreshold', scoreThreshold);
  }
  for (const flag of ['withPayload', 'withVector'] as const) {
    if (query[flag] !== undefined && typeof query[flag] !== 'boolean') {
      throw expected('BAD_ARGUMENT', 'a boolean', flag, query[flag]);
    }
  }
  if (filter !== undefined) {
    checkKeys(filter, ['ids', 'rows'], 'filter');
    if (filter.rows !== undefined && !(filter.rows instanceof Uint8Array)) {
      throw expected('BAD_ARGUMENT', 'a Uint8Array of bits', 'filter.rows', filter.rows);
    }
    const iterable = typeof filter.ids === 'object' && typeof filter.ids?.[Symbol.iterator] === 'function';
    if (filter.ids !== undefined && !iterable) {
      throw expected('BAD_ARGUMENT', 'ids that can be iterated', 'filter.ids', filter.ids);
    }
  }
  checkKeys(params, PARAMS, 'params');
  const { eps, candidates, probes } = params;
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
  if (candidates !== undefined) checkInteger(candidates, limit, 0xffff_ffff, 'params.candidates');
  if (probes !== undefined) checkInteger(probes, 1, 0xffff_ffff, 'params.probes');
  let above: number | undefined;
  if (scoreThreshold !== undefined) above = metric === 'euclid' ? -scoreThreshold : scoreThreshold;
  return {
    request: { vector, norm: lengthOf(vector), k: limit, mode, above, eps, candidates, probes },
    // Read now: a filter of the caller's own making may do anything.
    filter: filter && { ...filter, ...(filter.ids && { ids: [...filter.ids] }) },
    withPayload: query.withPayload ?? false,
    withVector: query.withVector ?? false,
  };
}

function lengthOf(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}
