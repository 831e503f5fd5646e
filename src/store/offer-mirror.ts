/** A FunnelIndex as the mirror of a database: the offers it makes to searches. */
import { type Nearest, offerSearch } from '../query/mirror.js';
import type { NearestRequest } from '../query/source/nearest.js';
import type { Source } from '../query/source/source.js';
import { guardedBy } from './guard.js';
import { filterOf } from './index-rows.js';
import { IndexSource } from './index-source.js';
import { partsOf } from './parts.js';
import { candidatesQuery, checkSelection } from './request.js';
import type { SearchedIndex } from './searched-index.js';
import { isCut, markOf } from './sync-mark.js';

/** For search: 'mirror', of which query/mirror.ts says what it reads. */
export function offerAsMirror(index: SearchedIndex): void {
  let source: Source | undefined;
  offerSearch(index, {
    get source() {
      source ??= new IndexSource(index);
      return source;
    },
    mark: () => markOf(partsOf(index).files.meta),
    cut: () => isCut(partsOf(index).files.meta),
    nearest(request) {
      const { timeout, signal } = request;
      if (timeout === undefined && signal === undefined) return nearestIn(index, request);
      source ??= new IndexSource(index);
      return guardedBy(source.name, request, () => nearestIn(index, request));
    },
  });
}

async function nearestIn(index: SearchedIndex, request: NearestRequest): Promise<Nearest> {
  const { vector, count, candidates, withPayload, filter } = request;
  const of = { candidates, k: count, best: count };
  const selection = checkSelection({ withPayload });
  const only = filterOf({ node: filter }, undefined);
  const { hits, stats } = await index.query(candidatesQuery(vector, index.metric, of, {}, only, selection));
  for (const [i, hit] of hits.entries()) {
    hit.index = i; // among the hits, as that of any search
    if (withPayload !== false) hit.payload ??= {};
  }
  const { rowsRead, missing, filter: filtered } = stats;
  return { hits, scored: Math.min(candidates, rowsRead), missing, filtered };
}
