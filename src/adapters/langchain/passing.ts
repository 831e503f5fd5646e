/** Documents that pass a filter, in a database that says filters in its own way: they are found before they are deleted. */
import { type Filter, FunnelSearch, type Id } from '../../index.js';
import { parseFilter } from '../../sources/index.js';

/** Ids that are found before they are deleted. */
const AT_ONCE = 1000;

/** Ids in parts, none twice, of which each part is deleted before the next is asked for. Never a mirror's, which may lack some. */
export async function* idsPassing(search: FunnelSearch, filter: Filter): AsyncGenerator<Id[]> {
  const { source } = search;
  if (!source.filtersScans) {
    yield* idsFound(search.search === 'mirror' ? new FunnelSearch({ source }) : search, filter);
    return;
  }
  const request = { limit: AT_ONCE, vectors: false, filter: parseFilter(filter) };
  let after: string | undefined;
  do {
    const { rows, next } = await source.scan(after === undefined ? request : { ...request, after });
    if (rows.ids.length > 0) yield [...rows.ids];
    after = next;
  } while (after !== undefined);
}

/** By a search, of a source that does not filter the rows of its pages. */
async function* idsFound(search: FunnelSearch, filter: Filter): AsyncGenerator<Id[]> {
  const { dim } = await search.source.info();
  const vector = new Float32Array(dim);
  vector[0] = 1;
  const deleted = new Set<Id>();
  // A database that is slow to forget may tell of deleted ones again: others may stand behind them.
  for (let stale = 0; ; ) {
    const limit = AT_ONCE + stale;
    const { hits } = await search.query({ vector, limit, mode: 'exact', filter });
    const fresh = hits.map(({ id }) => id).filter((id) => !deleted.has(id));
    if (fresh.length === 0 && hits.length < limit) return;
    stale = hits.length - fresh.length;
    if (fresh.length > 0) yield fresh;
    for (const id of fresh) deleted.add(id);
  }
}
