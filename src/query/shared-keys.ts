/**
 * The keys that requests to FunnelSearch and to FunnelIndex share: each is known, and checked, here alone. The two classes
 * add their own keys (`request.ts` here and in `store`), and say in which order a request is looked at.
 */

import { expected, FunnelError } from '../core/errors.js';
import { nameHint } from '../core/hints.js';
import { needsDirection } from '../core/metrics.js';
import { checkInteger, isListOf, isString } from '../core/validate.js';
import type { QueryVector } from '../core/vector.js';
import type { Metric } from '../kernels/kernels.js';

export const SHARED_KEYS = [
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

export type Mode = 'exact' | 'funnel';

/** How deep pages go, where nobody says. */
const DEPTH = 100;

/** Keys that requests to databases have, with what takes their place here. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  top: 'limit',
  topK: 'limit',
  top_k: 'limit',
  k: 'limit',
  where: 'filter',
  query: 'vector, an array of numbers,',
  data: 'vector, an array of numbers,',
  embedding: 'vector, an array of numbers,',
  queryVector: 'vector, an array of numbers,',
  with_payload: 'withPayload',
  output_fields: 'withPayload',
  with_vector: 'withVector',
  with_vectors: 'withVector',
  score_threshold: 'scoreThreshold',
  max_depth: 'maxDepth',
  exact: "mode: 'exact'",
  expr: 'filter',
  must: 'filter.must',
  should: 'filter.should',
  must_not: 'filter.must_not',
  min_should: 'filter.min_should',
  group_by: 'groupBy, of queryGroups(),',
};

/**
 * Refuses keys that do not exist, since a misspelled one would otherwise be ignored.
 *
 * @param where the request in a sentence
 * @param refuse throws where a key has another name here, which it says
 * @throws FunnelError BAD_ARGUMENT
 */
export function checkRequestKeys(
  request: object,
  allowed: readonly string[],
  where: string,
  refuse: (request: object) => void,
): void {
  if (typeof request !== 'object' || request === null || Array.isArray(request) || ArrayBuffer.isView(request)) {
    throw expected('BAD_ARGUMENT', '{ vector, limit, ... }', where, request);
  }
  const keys = Object.keys(request);
  for (let i = 0; i < keys.length; i++) {
    if (allowed.includes(keys[i]!)) continue;
    refuse(request);
    const hint = nameHint(keys[i]!, allowed);
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected one of ${allowed.join(', ')} in ${where} but received ${keys[i]}${hint}`,
    );
  }
}

/** The first key of a table like {@link ELSEWHERE}. */
export function foreignKeyIn(table: Readonly<Record<string, string>>, given: object): string | undefined {
  return Object.keys(given).find((key) => Object.hasOwn(table, key));
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkLimit(limit: number | undefined): void {
  if (limit !== undefined) checkInteger(limit, 1, 0xffff_ffff, 'limit');
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkPaging(offset: number | undefined, maxDepth: number | undefined): void {
  if (offset !== undefined) checkInteger(offset, 0, 0xffff_ffff, 'offset');
  if (maxDepth !== undefined) checkInteger(maxDepth, 1, 0xffff_ffff, 'maxDepth');
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkRanking(mode: Mode | undefined, scoreThreshold: number | undefined): void {
  if (mode !== undefined && mode !== 'exact' && mode !== 'funnel') {
    throw expected('BAD_ARGUMENT', "'exact' or 'funnel'", 'mode', mode);
  }
  if (scoreThreshold !== undefined && !(typeof scoreThreshold === 'number' && !Number.isNaN(scoreThreshold))) {
    throw expected('BAD_ARGUMENT', 'a number', 'scoreThreshold', scoreThreshold);
  }
}

/** @param named whether there may be several vectors to choose from. @throws FunnelError BAD_ARGUMENT */
export function checkWithVector(withVector: unknown, named: boolean): void {
  if (withVector === undefined || typeof withVector === 'boolean' || (named && isListOf(withVector, isString))) return;
  throw expected('BAD_ARGUMENT', named ? 'a boolean or an array of names' : 'a boolean', 'withVector', withVector);
}

/** @throws FunnelError ZERO_QUERY */
export function checkDirection(vector: QueryVector, metric: Metric): void {
  if (!needsDirection(metric) || !vector.isZero) return;
  throw new FunnelError('ZERO_QUERY', `Expected a vector with a direction for metric ${metric} but received zeros`);
}

/** Which part of the ranked rows is asked for; `limit` is known by then. */
export interface Paging {
  offset?: number | undefined;
  maxDepth?: number | undefined;
}

/** Whether hits are a page of a deeper list. */
export function isPaged({ offset, maxDepth }: Paging): boolean {
  return offset !== undefined || maxDepth !== undefined;
}

/**
 * How many rows are to be ranked, page or not. All pages rank the same number, so that no hit comes twice.
 *
 * @param most where `maxDepth` does not say
 * @throws FunnelError TOO_DEEP
 */
export function depthOf(paging: Paging, limit: number, most = DEPTH): number {
  if (!isPaged(paging)) return limit;
  const { offset = 0, maxDepth = Math.min(DEPTH, most) } = paging;
  checkDepth(offset, limit, maxDepth);
  return maxDepth;
}

/** @throws FunnelError TOO_DEEP */
export function checkDepth(offset: number, limit: number, depth: number): void {
  if (offset + limit <= depth) return;
  throw new FunnelError(
    'TOO_DEEP',
    `Expected offset + limit of at most maxDepth (${depth}) but received ${offset} + ${limit}: ` +
      `pages are cut from one list of that depth; ask with maxDepth: ${offset + limit} or more, the same for every page`,
  );
}
