/** The embedded index as a source: `embeddedSource` of `funnelvec/store`. */
import { expected } from '../core/errors.js';
import { checkId, checkKeys, honestList } from '../core/validate.js';
import type { Filter } from '../query/filter/types.js';
import { checkHeadOf, type HeadOf } from '../query/source/layout.js';
import type { Source } from '../query/source/source.js';
import { checkOwnFilter } from './filters.js';
import type { FunnelIndex } from './funnel-index.js';
import { IndexSource } from './index-source.js';
import type { RowFilter } from './types.js';

type NativeFilter = RowFilter | Filter;

/** Options of a source over an index. */
export interface EmbeddedSourceOptions {
  /**
   * Dims of the head search: every row's first so many dims are scored, exactly. It finds what a database with a vector
   * of that length would find, at the price of reading them all.
   *
   * @default the index's own funnel: rows are found by their head codes and come scored in full, so `headDim` is all
   * dims
   */
  head?: number;
  /**
   * In place of `head`: an index of the same ids that holds a head of each row, made by fitHead() say. It is searched exactly.
   * Rows without a head there are not found; keep both in step.
   */
  heads?: FunnelIndex;
  /** For `heads`: the head of a query, `fitted.applyQuery` say. @default the query's first dims */
  headOf?: HeadOf;
  /** A filter that every search obeys, beside that of the request. */
  nativeFilter?: NativeFilter;
  /** Milliseconds for one call, where the request names none. */
  timeout?: number;
}

/**
 * Head searches on an index of your own, for a FunnelSearch over it, or for code that takes any source. The native filter is
 * the index's: conditions in Qdrant's JSON form, or `{ ids?, rows? }`.
 *
 * @example
 * const search = new FunnelSearch({ source: embeddedSource(index, { head: 128 }), plan: tutorialPlan });
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS
 */
export function embeddedSource(index: FunnelIndex, given: EmbeddedSourceOptions = {}): Source {
  if (typeof index?.gather !== 'function') throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'index', index);
  checkKeys(given, ['head', 'heads', 'headOf', 'nativeFilter', 'timeout'], 'the options of embeddedSource()');
  const options = { ...given }; // read once
  const { head, heads, headOf, nativeFilter } = options;
  checkHeads(index, heads, headOf, head);
  if (head !== undefined && !(Number.isInteger(head) && head >= 1 && head <= index.dim)) {
    throw expected('BAD_DIMS', `a head of 1 to ${index.dim} dims`, 'head', head);
  }
  checkFilter(nativeFilter);
  return new IndexSource(index, { ...options, ...(nativeFilter && { nativeFilter: kept(nativeFilter) }) });
}

function checkHeads(index: FunnelIndex, heads: unknown, headOf: unknown, head: unknown): void {
  checkHeadOf(headOf);
  if (heads === undefined) {
    if (headOf !== undefined) throw expected('BAD_ARGUMENT', 'an index of heads beside headOf', 'heads', heads);
    return;
  }
  if (typeof (heads as FunnelIndex | null)?.gather !== 'function') {
    throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'heads', heads);
  }
  if (head !== undefined) throw expected('BAD_ARGUMENT', 'no head beside heads', 'head', head);
  const { dim } = heads as FunnelIndex;
  if (dim > index.dim) throw expected('BAD_DIMS', `heads of at most ${index.dim} dims`, 'heads', dim);
}

/** Ids may be an iterator, good for one search only. */
function kept(filter: NativeFilter): NativeFilter {
  if (!isOfRows(filter)) return filter;
  const { ids, rows } = filter;
  const own = ids && Array.from(honestList(ids, 'nativeFilter.ids'), (id, i) => checkId(id, `nativeFilter.ids[${i}]`));
  return { ...(own && { ids: own }), ...(rows && { rows }) };
}

function isOfRows(filter: NativeFilter): filter is RowFilter {
  return 'ids' in filter || 'rows' in filter;
}

function checkFilter(filter: unknown): void {
  if (filter === undefined || filter === null) return;
  if (typeof filter !== 'object') throw expected('BAD_ARGUMENT', 'an object', 'nativeFilter', filter);
  checkOwnFilter(filter, 'nativeFilter');
}
