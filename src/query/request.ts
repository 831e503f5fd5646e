/** What a request may say, read once and checked as far as that goes without knowing the collection. */

import { expected, FunnelError } from '../errors.js';
import { MAX_DIM } from '../kernels/kernels.js';
import { checkPlan, type Plan } from '../plan.js';
import type { PayloadSelection, SearchParams } from '../sources/source.js';
import type { Id, Vector } from '../types.js';
import { checkIds, checkInteger, checkKeys, checkQuery, isListOf, isString } from '../validate.js';
import type { FilterNode } from './filter/ast.js';
import { nodeText } from './filter/node-text.js';
import { isTrue, parseFilter } from './filter/parse.js';
import type { Filter } from './filter/types.js';
import { checkPayloadSelection } from './payload.js';

/** What every kind of request may say. */
export interface QueryOptions {
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
  /** How the server, or the index, is to search; each source refuses by name what it does not know. */
  params?: SearchParams;
  /** 'exact': no head search; the best by the full vectors, as far as the source can: see `stats.exact`. @default 'funnel' */
  mode?: 'exact' | 'funnel';
  /** Only final scores better than this, strictly: above it for similarities, below it for distances. */
  scoreThreshold?: number;
  /** Of a source with several layouts of vectors: the one to search. */
  using?: string;
  /** @default false */
  withPayload?: PayloadSelection;
  /**
   * Return the full vectors of the hits. Of a source with several layouts: all of them by name, or those named.
   *
   * @default false
   */
  withVector?: boolean | readonly string[];
  /** Instead of the search's plan. */
  plan?: Plan;
  /** Milliseconds for each call to the database. */
  timeout?: number;
  signal?: AbortSignal;
  /** Also return what each stage dropped. @default false */
  explain?: boolean;
}

/** One of `vector` and `id`. */
export interface SearchRequest extends QueryOptions {
  /** The full query vector. */
  vector?: Vector;
  /** A point to search by; it is no hit itself. */
  id?: Id;
}

const OPTION_KEYS = [
  'limit',
  'offset',
  'maxDepth',
  'filter',
  'nativeFilter',
  'params',
  'mode',
  'scoreThreshold',
  'using',
  'withPayload',
  'withVector',
  'plan',
  'timeout',
  'signal',
  'explain',
] as const satisfies readonly (keyof QueryOptions)[];

const DEPTH = 100;

/** As plain data of ours. */
export interface OwnOptions extends Omit<QueryOptions, 'filter'> {
  /** Undefined where everything passes. */
  filter: FilterNode | undefined;
  /** Whether hits are a page of a deeper list. */
  paged: boolean;
  exact: boolean;
}

export interface OwnSearch {
  options: OwnOptions;
  /** A vector of ours, or the id of a point. */
  by: Float32Array | { id: Id };
}

/**
 * The caller may change its request, or use its vector again, during the first wait.
 *
 * @throws FunnelError
 */
export function ownSearch(request: SearchRequest, filters: Filters): OwnSearch {
  const { own, rest } = ownOptions(request, filters, ['vector', 'id']);
  const { vector, id } = rest as { vector?: Vector; id?: Id };
  if (id !== undefined && vector !== undefined) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected vector or id in the request but received both');
  }
  if (id === undefined)
    return { options: own, by: new Float32Array(checkQuery(vector as Vector, undefined, 'vector')) };
  checkIds([id], 'id');
  return { options: own, by: { id } };
}

/** @throws FunnelError BAD_ARGUMENT, BAD_PLAN, UNSUPPORTED, TOO_DEEP */
export function ownOptions(
  request: QueryOptions,
  filters: Filters,
  more: readonly string[],
  limitKey = 'limit',
): { own: OwnOptions; rest: Record<string, unknown> } {
  if (typeof request === 'object' && request !== null && 'top' in request) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected limit in the request but received top: its name here is limit');
  }
  checkKeys(request, [...more, ...OPTION_KEYS], 'the request');
  const { filter, ...given } = { ...request };
  const own: OwnOptions = {
    filter: filters.parse(filter),
    ...given,
    paged: given.offset !== undefined || given.maxDepth !== undefined,
    exact: given.mode === 'exact',
  };
  checkVectorChoice(own.withVector);
  if (own.explain !== undefined && typeof own.explain !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'explain', own.explain);
  }
  checkPayloadSelection(own.withPayload);
  if (own.limit !== undefined) checkInteger(own.limit, 1, 0xffff_ffff, limitKey);
  if (own.offset !== undefined) checkInteger(own.offset, 0, 0xffff_ffff, 'offset');
  if (own.maxDepth !== undefined) checkInteger(own.maxDepth, 1, 0xffff_ffff, 'maxDepth');
  if (own.mode !== undefined && own.mode !== 'exact' && own.mode !== 'funnel') {
    throw expected('BAD_ARGUMENT', "'exact' or 'funnel'", 'mode', own.mode);
  }
  const { scoreThreshold } = own;
  if (scoreThreshold !== undefined && (typeof scoreThreshold !== 'number' || Number.isNaN(scoreThreshold))) {
    throw expected('BAD_ARGUMENT', 'a number', 'scoreThreshold', scoreThreshold);
  }
  if (own.plan !== undefined) {
    checkPlan(own.plan, MAX_DIM);
    if (own.exact)
      throw new FunnelError('BAD_ARGUMENT', "Expected no plan for mode 'exact': there is no funnel to plan");
  }
  if (own.params !== undefined) own.params = { ...own.params };
  return { own, rest: given };
}

function checkVectorChoice(value: unknown): void {
  const names = isListOf(value, isString);
  if (value !== undefined && typeof value !== 'boolean' && !names) {
    throw expected('BAD_ARGUMENT', 'a boolean or an array of names', 'withVector', value);
  }
}

/**
 * How many rows are to be ranked for a request, page or not.
 *
 * @throws FunnelError TOO_DEEP
 */
export function depthOf({ offset = 0, maxDepth, paged }: OwnOptions, limit: number, candidates?: number): number {
  if (!paged) return limit;
  const depth = maxDepth ?? Math.min(DEPTH, candidates ?? DEPTH);
  if (offset + limit > depth) throw tooDeep(offset, limit, depth);
  return depth;
}

export function tooDeep(offset: number, limit: number, depth: number): FunnelError {
  return new FunnelError(
    'TOO_DEEP',
    `Expected offset + limit of at most maxDepth (${depth}) but received ${offset} + ${limit}: ` +
      `pages are cut from one list of that depth; ask with maxDepth: ${offset + limit} or more, the same for every page`,
  );
}

/** Filters of one call: those that say the same are one node, which a source compiles once. */
export class Filters {
  readonly #nodes = new Map<string, FilterNode>();

  /** Undefined where everything passes. @throws FunnelError */
  parse(filter: unknown): FilterNode | undefined {
    const parsed = parseFilter(filter, 'filter');
    if (isTrue(parsed)) return undefined;
    const text = nodeText(parsed);
    const same = this.#nodes.get(text);
    if (same === undefined) this.#nodes.set(text, parsed);
    return same ?? parsed;
  }
}

/** Rows that pass both. */
export function and(a: FilterNode | undefined, b: FilterNode | undefined): FilterNode | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { op: 'and', nodes: [a, b] };
}

export function without(ids: readonly Id[]): FilterNode | undefined {
  return ids.length === 0 ? undefined : { op: 'not', node: { op: 'ids', ids } };
}
