/** Recommendations and groups of an index: those of FunnelSearch, over the index as a source. */

import { expected } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Filter } from '../query/filter/types.js';
import {
  FunnelSearchOn,
  type GroupOptions,
  type LookupOptions,
  type QueryOptions,
  type RecommendRequest,
  type SearchRequest,
} from '../search.js';
import { embeddedSource } from '../sources/embedded.js';
import type { Source } from '../sources/source.js';
import type { FunnelIndex } from './funnel-index.js';
import type { RowFilter } from './types.js';

/** What an index has nothing for is left out: layouts of vectors, calls to a server. */
type IndexOptions<Request extends QueryOptions, Payload> = Omit<
  Request,
  'using' | 'nativeFilter' | 'timeout' | 'withVector' | 'filter' | 'lookupFrom' | 'withLookup'
> & {
  /** Conditions on payloads and ids in Qdrant's JSON form; or rows by id or position. */
  filter?: RowFilter | Filter<Payload> | undefined;
  /** Return copies of the stored vectors. @default false */
  withVector?: boolean;
};

/** A recommendation of an index: a {@link RecommendRequest} without what an index has nothing for. */
export type IndexRecommend<Payload = unknown> = IndexOptions<RecommendRequest, Payload> & {
  /** Where ids are looked up, if elsewhere; those rows are not left out. */
  lookupFrom?: FunnelIndex | Source;
};

interface IndexGrouping extends Omit<GroupOptions, 'withLookup'> {
  /** Put to each group the row of that id in another index, or point of another collection. */
  withLookup?: FunnelIndex | Source | (Omit<LookupOptions, 'source'> & { source: FunnelIndex | Source });
}

/** `limit` and `offset` count groups. */
export type IndexGroups<Payload = unknown> = IndexOptions<SearchRequest & GroupOptions, Payload> & IndexGrouping;

/** `limit` and `offset` count groups. */
export type IndexRecommendGroups<Payload = unknown> = IndexRecommend<Payload> & IndexGrouping;

/** A search over the index; made once. */
export class ByExample {
  readonly search: FunnelSearchOn;

  constructor(index: FunnelIndex, kernels: Kernels) {
    this.search = new FunnelSearchOn({ source: embeddedSource(index) }, () => kernels);
  }

  /** The request as a FunnelSearch takes it. */
  request<Request>(given: object): Request {
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
  const index = value as Partial<FunnelIndex> | null;
  return typeof index?.gather === 'function' ? embeddedSource(index as FunnelIndex) : value;
}
