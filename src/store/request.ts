/** Checks what callers ask, and turns it into what the engine searches. */
import { expected, FunnelError } from '../errors.js';
import type { Metric } from '../kernels/kernels.js';
import { type PayloadSelector, payloadSelection } from '../query/payload.js';
import { checkInteger, checkKeys, checkQuery, isZero } from '../validate.js';
import type { SearchRequest } from './engine/search.js';
import type { OwnFilter, SharedFilters, Unchecked } from './filters.js';
import { refuseForeign } from './refused.js';
import type { IndexQuery } from './types.js';

/** Rows of the pool that pages are cut from. */
const MAX_DEPTH = 100;

const QUERY_KEYS = [
  'vector',
  'limit',
  'offset',
  'maxDepth',
  'mode',
  'scoreThreshold',
  'filter',
  'withPayload',
  'withVector',
  'params',
] as const;
const PARAMS = ['eps', 'candidates', 'probes'] as const;

export interface OwnQuery {
  /** `k` is as deep as the pool that the page is cut from. */
  request: Omit<SearchRequest, 'only'>;
  /** The page: ranks from `offset`, below `end`. */
  offset: number;
  end: number;
  filter: OwnFilter | undefined;
  /** Undefined: none. */
  payloadOf: ((payload: unknown) => unknown) | undefined;
  withVector: boolean;
}

/**
 * @param filters those of the batch
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_ID, NOT_FINITE, ZERO_QUERY, TOO_DEEP, UNSUPPORTED, DETACHED_BUFFER
 */
export function ownQuery(query: Unchecked<IndexQuery>, dim: number, metric: Metric, filters: SharedFilters): OwnQuery {
  refuseForeign(query);
  if (Array.isArray(query) || ArrayBuffer.isView(query)) {
    throw expected('BAD_ARGUMENT', '{ vector, limit, ... }', 'the query', query);
  }
  checkKeys(query, QUERY_KEYS, 'the query');
  const { limit = 10, offset, maxDepth, mode = 'funnel', scoreThreshold, params = {} } = query;
  const vector = new Float32Array(checkQuery(query.vector, dim, 'vector'));
  if (metric !== 'euclid' && isZero(vector)) {
    throw new FunnelError('ZERO_QUERY', `Expected a vector with a direction for metric ${metric} but received zeros`);
  }
  checkInteger(limit, 1, 0xffff_ffff, 'limit');
  if (mode !== 'exact' && mode !== 'funnel') throw expected('BAD_ARGUMENT', "'exact' or 'funnel'", 'mode', mode);
  if (scoreThreshold !== undefined && !(typeof scoreThreshold === 'number' && !Number.isNaN(scoreThreshold))) {
    throw expected('BAD_ARGUMENT', 'a number', 'scoreThreshold', scoreThreshold);
  }
  const depth = depthOf(limit, offset, maxDepth);
  const end = (offset ?? 0) + limit;
  const k = mode === 'exact' ? end : depth;
  const { payloadOf, withVector } = checkSelection(query);
  const filter = filters.of(query.filter, 'filter');
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
  if (candidates !== undefined) checkInteger(candidates, k, 0xffff_ffff, 'params.candidates');
  if (probes !== undefined) checkInteger(probes, 1, 0xffff_ffff, 'params.probes');
  let above: number | undefined;
  if (scoreThreshold !== undefined) above = metric === 'euclid' ? -scoreThreshold : scoreThreshold;
  return {
    request: { vector, norm: lengthOf(vector), k, mode, above, eps, candidates, probes },
    offset: offset ?? 0,
    end,
    filter,
    payloadOf,
    withVector,
  };
}

/**
 * The depth of the pool. Where pages are asked for, it is the same for all of them, so that no hit comes twice; exact pages
 * are cut from one order anyway.
 *
 * @throws FunnelError BAD_ARGUMENT, TOO_DEEP
 */
function depthOf(limit: number, offset: number | undefined, maxDepth: number | undefined): number {
  if (offset === undefined && maxDepth === undefined) return limit;
  if (offset !== undefined) checkInteger(offset, 0, 0xffff_ffff, 'offset');
  const depth = maxDepth === undefined ? MAX_DEPTH : checkInteger(maxDepth, 1, 0xffff_ffff, 'maxDepth');
  const end = (offset ?? 0) + limit;
  if (end > depth) {
    throw new FunnelError(
      'TOO_DEEP',
      `Expected offset + limit of at most maxDepth (${depth}) for a page but received ${end}: ` +
        `pass maxDepth: ${end} or more, the same for all pages`,
    );
  }
  return depth;
}

/** What of a row comes along. @throws FunnelError BAD_ARGUMENT */
export function checkSelection(
  options: { withPayload?: PayloadSelector | undefined; withVector?: boolean | undefined },
  byDefault: { withPayload?: boolean; withVector?: boolean } = {},
): Pick<OwnQuery, 'payloadOf' | 'withVector'> {
  if (typeof options !== 'object' || options === null)
    throw expected('BAD_ARGUMENT', 'an object', 'the options', options);
  const { withPayload = byDefault.withPayload ?? false, withVector = byDefault.withVector ?? false } = options;
  if (typeof withVector !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', 'withVector', withVector);
  const payloadOf = payloadSelection(withPayload);
  return { payloadOf: withPayload === false ? undefined : payloadOf, withVector };
}

/** Four sums, since one waits for itself. */
function lengthOf(vector: Float32Array): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 4 <= vector.length; i += 4) {
    s0 += vector[i]! * vector[i]!;
    s1 += vector[i + 1]! * vector[i + 1]!;
    s2 += vector[i + 2]! * vector[i + 2]!;
    s3 += vector[i + 3]! * vector[i + 3]!;
  }
  for (; i < vector.length; i++) s0 += vector[i]! * vector[i]!;
  return Math.sqrt(s0 + s1 + (s2 + s3));
}
