/** A FunnelIndex as the mirror of a database: the offers it makes to searches. */
import { offerSearch } from '../query/mirror.js';
import type { Source } from '../query/source/source.js';
import { IndexSource } from './index-source.js';
import { partsOf } from './parts.js';
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
  });
}
