/** Requests to FunnelSearch, read once and checked as far as that goes without knowing the collection. */

import { expected, FunnelError } from '../core/errors.js';
import { MAX_DIM } from '../core/metrics.js';
import type { Float16Values, Id, Vector } from '../core/types.js';
import { checkIds } from '../core/validate.js';
import { QueryVector } from '../core/vector.js';
import { type CheckedPlan, checkPlan, type Plan } from '../funnel/plan.js';
import type { FilterNode } from './filter/ast.js';
import { conditionsOf, Filters } from './filter/conditions.js';
import type { Filter } from './filter/types.js';
import { ownParams } from './params.js';
import { checkPayloadSelection } from './payload.js';
import {
  checkLimit,
  checkPaging,
  checkRanking,
  checkRequestKeys,
  checkWithVector,
  ELSEWHERE,
  foreignKeyIn,
  isPaged,
  SHARED_KEYS,
} from './shared-keys.js';
import type { PayloadSelection, SearchParams } from './source/source.js';
import { checkStages, type StageOptions } from './stage-options.js';

/** The options that every kind of request has. */
export interface QueryOptions extends StageOptions {
  /** Hits to return. @default the plan's limit, else 10 */
  limit?: number;
  /**
   * Hits to skip. With it (0 too) or with `maxDepth`, pages are cut from one list of `maxDepth` ranked rows, whatever the
   * page, so that they fit together.
   */
  offset?: number;
  /** How deep pages go. @default 100; the plan's candidates, where those are fewer */
  maxDepth?: number;
  /** Only rows that pass compete: must, should, must_not, min_should, in the form of Qdrant's REST interface. */
  filter?: Filter;
  /** Passed to the database as it is, in its own form. */
  nativeFilter?: unknown;
  /**
   * How the server, or the index, is to search, and which shards or partitions it reads; each source refuses by name what it
   * does not know.
   */
  params?: SearchParams;
  /** 'exact': no head search; the best by the full vectors, as far as the source can: see `stats.exact`. @default 'funnel' */
  mode?: 'exact' | 'funnel';
  /** Only final scores better than this, strictly: above it for similarities, below it for distances. */
  scoreThreshold?: number;
  /** The layout of vectors to search, where the source has several. */
  using?: string;
  /** @default false */
  withPayload?: PayloadSelection;
  /**
   * Return the full vectors of the hits. With a source of several layouts: all of them by name, or those named.
   *
   * @default false
   */
  withVector?: boolean | readonly string[];
  /** Instead of the search's plan. */
  plan?: Plan;
  /** Milliseconds for each call to the database. */
  timeout?: number;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
  /** Also return what each stage dropped. @default false */
  explain?: boolean;
}

/** One of `vector` and `id`. */
export interface SearchRequest extends QueryOptions {
  /** The full query vector. */
  vector?: Vector | Float16Values;
  /** A point to search by; it is no hit itself. */
  id?: Id;
}

/** The keys of every kind of request, beside the ones that say what to search by. */
const OPTION_KEYS = [
  ...SHARED_KEYS.filter((key) => key !== 'vector'),
  'nativeFilter',
  'using',
  'plan',
  'timeout',
  'signal',
  'explain',
  'stages',
  'rescore',
] as const satisfies readonly (keyof QueryOptions)[];

/** The keys that say what to search by. */
export const TARGET_KEYS = ['vector', 'id'] as const satisfies readonly (keyof SearchRequest)[];

const SEARCH_KEYS = [...TARGET_KEYS, ...OPTION_KEYS];

/** Options that were checked, as plain data of ours; what is not known before the collection is, fits it later. */
export interface CheckedOptions extends Readonly<Omit<QueryOptions, 'filter' | 'plan'>> {
  /** Undefined where everything passes. */
  readonly filter: FilterNode | undefined;
  readonly plan: CheckedPlan | undefined;
  /** Whether hits are a page of a deeper list. */
  readonly paged: boolean;
  readonly exact: boolean;
}

/** A vector of ours, or the id of a point. */
export type Target = QueryVector | { readonly id: Id };

export interface CheckedSearch {
  readonly options: CheckedOptions;
  readonly by: Target;
}

/** Filters of requests of one call. @param many whether there are several requests */
export function filtersOf(many: boolean): Filters {
  return new Filters(many, conditionsOf);
}

/**
 * The caller may change its request, or use its vector again, during the first wait.
 *
 * @throws FunnelError
 */
export function checkedSearch(request: SearchRequest, filters: Filters): CheckedSearch {
  const { options, rest } = checkedOptions(request, filters, TARGET_KEYS);
  return { options, by: checkedTarget(rest) };
}

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_ID, NOT_FINITE, DETACHED_BUFFER */
export function checkedTarget({ vector, id }: { vector?: unknown; id?: unknown }): Target {
  if (id === undefined) return QueryVector.of(vector, undefined, 'vector');
  if (vector !== undefined) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected vector or id in the request but received both');
  }
  checkIds([id as Id], 'id');
  return { id: id as Id };
}

/**
 * @param more keys beside the options
 * @returns also what these keys have
 * @throws FunnelError BAD_ARGUMENT, BAD_PLAN, UNSUPPORTED
 */
export function checkedOptions(
  request: QueryOptions,
  filters: Filters,
  more: readonly string[],
): { options: CheckedOptions; rest: Record<string, unknown> } {
  const keys = more === TARGET_KEYS ? SEARCH_KEYS : [...more, ...OPTION_KEYS];
  checkRequestKeys(request, keys, 'the request', refuseForeign);
  const given: QueryOptions & Record<string, unknown> = { ...request }; // read once
  const node = filters.of(given.filter)?.node;
  checkWithVector(given.withVector, true);
  if (given.explain !== undefined && typeof given.explain !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'explain', given.explain);
  }
  checkPayloadSelection(given.withPayload);
  checkLimit(given.limit);
  checkPaging(given.offset, given.maxDepth);
  checkRanking(given.mode, given.scoreThreshold);
  const exact = given.mode === 'exact';
  checkStages(given, exact);
  const plan = given.plan === undefined ? undefined : checkedPlan(given.plan, exact);
  if (given.params !== undefined) given.params = isObject(given.params) ? ownParams(given.params) : given.params;
  // Every key by its name: an object that is spread into another and given more keys takes V8 a hundred times as long, each time.
  const options: Record<keyof CheckedOptions, unknown> = {
    limit: given.limit,
    offset: given.offset,
    maxDepth: given.maxDepth,
    nativeFilter: given.nativeFilter,
    params: given.params,
    mode: given.mode,
    scoreThreshold: given.scoreThreshold,
    using: given.using,
    withPayload: given.withPayload,
    withVector: given.withVector,
    timeout: given.timeout,
    signal: given.signal,
    explain: given.explain,
    stages: given.stages,
    rescore: given.rescore,
    filter: node,
    plan,
    paged: isPaged(given),
    exact,
  };
  return { options: options as unknown as CheckedOptions, rest: given };
}

/** Rows that become hits in one go. */
export const IN_ONE_GO = 1000;

/**
 * Whether an index's own query has all that is asked for, but for what becomes of its hits: a threshold, a page. By params it tells
 * all candidates, of which few need payloads and vectors.
 */
export function isOfIndex({ explain, nativeFilter, params, withPayload, withVector }: CheckedOptions): boolean {
  return !explain && nativeFilter === undefined && (params === undefined || !(withPayload || withVector));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkedPlan(plan: Plan, exact: boolean): CheckedPlan {
  const checked = checkPlan(plan, MAX_DIM);
  if (!exact) return checked;
  throw new FunnelError('BAD_ARGUMENT', "Expected no plan for mode 'exact': there is no funnel to plan");
}

function refuseForeign(request: object): void {
  const key = foreignKeyIn(ELSEWHERE, request);
  if (key === undefined) return;
  const name = ELSEWHERE[key]!;
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected ${name} in the request but received ${key}: its name here is ${name.replace(/,.*/, '')}`,
  );
}

/** Rows that pass both. */
export function bothFilters(a: FilterNode | undefined, b: FilterNode | undefined): FilterNode | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { op: 'and', nodes: [a, b] };
}

export function notIds(ids: readonly Id[]): FilterNode | undefined {
  return ids.length === 0 ? undefined : { op: 'not', node: { op: 'ids', ids } };
}
