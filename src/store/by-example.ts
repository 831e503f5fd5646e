/** Recommendations and groups of an index: those of FunnelSearch, over the index as a source. */

import { expected } from '../core/errors.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Filter } from '../query/filter/types.js';
import {
  FunnelSearchOn,
  type GroupOptions,
  type GroupsResult,
  type LookupOptions,
  type QueryOptions,
  type RecommendGroupsRequest,
  type RecommendRequest,
  type SearchRequest,
  type SearchResult,
} from '../query/search.js';
import type { Source } from '../query/source/source.js';
import { IndexSource } from './index-source.js';
import type { SearchedIndex } from './searched-index.js';
import type { RowFilter } from './types.js';

/** Options that mean nothing to an index are left out: layouts of vectors, calls to a server. */
type IndexOptions<Request extends QueryOptions, Payload> = Omit<
  Request,
  'using' | 'nativeFilter' | 'timeout' | 'withVector' | 'filter' | 'lookupFrom' | 'withLookup'
> & {
  /** Conditions on payloads and ids in Qdrant's JSON form; or rows by id or position. */
  filter?: RowFilter | Filter<Payload> | undefined;
  /** Return copies of the stored vectors. @default false */
  withVector?: boolean;
};

/** recommend() of an index; `Index` is the class that users have. */
export type RecommendOf<Index, Payload> = IndexOptions<RecommendRequest, Payload> & {
  /** Where ids are looked up, if elsewhere; those rows are not left out. */
  lookupFrom?: Index | Source;
};

interface GroupingOf<Index> extends Omit<GroupOptions, 'withLookup'> {
  /** Put to each group the row of that id in another index, or point of another collection. */
  withLookup?: Index | Source | (Omit<LookupOptions, 'source'> & { source: Index | Source });
}

export type GroupsOf<Index, Payload> = IndexOptions<SearchRequest & GroupOptions, Payload> & GroupingOf<Index>;

export type RecommendGroupsOf<Index, Payload> = RecommendOf<Index, Payload> & GroupingOf<Index>;

/** A search over the index; made once. */
export class ByExample {
  readonly #search: FunnelSearchOn;

  constructor(index: SearchedIndex, kernels: Kernels) {
    this.#search = new FunnelSearchOn({ source: new IndexSource(index) }, () => kernels);
  }

  recommend(request: object): Promise<SearchResult> {
    return this.#search.recommend(this.#request<RecommendRequest>(request));
  }

  recommendBatch(requests: readonly object[]): Promise<SearchResult[]> {
    if (!Array.isArray(requests)) throw expected('BAD_ARGUMENT', 'an array', 'requests', requests);
    return this.#search.recommendBatch(Array.from(requests, (one) => this.#request<RecommendRequest>(one)));
  }

  queryGroups(request: object): Promise<GroupsResult> {
    return this.#search.queryGroups(this.#request(request));
  }

  recommendGroups(request: object): Promise<GroupsResult> {
    return this.#search.recommendGroups(this.#request<RecommendGroupsRequest>(request));
  }

  /** The request as a FunnelSearch takes it. */
  #request<Request>(given: object): Request {
    if (typeof given !== 'object' || given === null) throw expected('BAD_ARGUMENT', 'an object', 'the request', given);
    const { filter, lookupFrom, withLookup, ...rest } = given as Record<string, unknown>;
    const own: Record<string, unknown> = { ...rest };
    if (filter !== undefined) own[isRows(filter) ? 'nativeFilter' : 'filter'] = filter;
    if (lookupFrom !== undefined) own['lookupFrom'] = asSource(lookupFrom);
    if (withLookup !== undefined) {
      const joined = asSource(withLookup);
      const inside = (joined as { source?: unknown } | null)?.source;
      own['withLookup'] = inside === undefined ? joined : { ...(joined as object), source: asSource(inside) };
    }
    return own as Request;
  }
}

function isRows(filter: unknown): boolean {
  return typeof filter === 'object' && filter !== null && ('ids' in filter || 'rows' in filter);
}

function asSource(value: unknown): unknown {
  const index = value as Partial<SearchedIndex> | null;
  return typeof index?.gather === 'function' ? new IndexSource(index as SearchedIndex) : value;
}
