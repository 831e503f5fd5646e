/** A FunnelIndex as the mirror of a database: the offers it makes to searches. */
import { offerSearch } from '../query/mirror.js';
import type { Source } from '../query/source/source.js';
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
    async nearest(vector, count, candidates, withPayload) {
      const of = { candidates, k: count, best: count };
      const selection = checkSelection({ withPayload });
      const { hits, stats } = await index.query(candidatesQuery(vector, index.metric, of, {}, undefined, selection));
      for (const [i, hit] of hits.entries()) {
        hit.index = i; // among the hits, as that of any search
        if (withPayload !== false) hit.payload ??= {};
      }
      return { hits, scored: Math.min(candidates, index.count), missing: stats.missing };
    },
  });
}
