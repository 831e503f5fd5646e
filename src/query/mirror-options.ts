/** The options of a search on a mirror, and the route that each request of it takes. */
import type { Hit, MirrorStats, SearchStats } from '../core/types.js';
import type { PayloadSelector } from './payload.js';
import type { Ranker } from './rank.js';
import type { CheckedOptions } from './request.js';

/** Where a FunnelSearch with a mirror searches, and when not there. */
export interface MirrorOptions {
  /**
   * 'mirror': head search, filter and funnel run on the mirror, a FunnelIndex, by its own index. The database is asked for
   * payloads of the final hits that the mirror does not keep, or for nothing. `stats.mirror` tells where a search ran, and
   * how old the mirror is: rows that came to the collection since are not found.
   *
   * @default 'source': the database searches heads, and the mirror has the vectors
   */
  search?: 'source' | 'mirror';
  /**
   * With `search: 'mirror'`: milliseconds since the last completed sync began, at most. A mirror that is older, or was never
   * synced, is not searched: see `fallback`. @default any age
   */
  maxAge?: number;
  /**
   * With `search: 'mirror'`: what becomes of a search that the mirror is too old for, or cannot do (a filter on payload that it
   * does not keep, `nativeFilter`, `params` of the database). 'source': the database searches, and `stats.mirror.reason` says
   * why. 'fail': a FunnelError, STALE or UNSUPPORTED.
   *
   * @default 'source'
   */
  fallback?: 'source' | 'fail';
}

export const MIRROR_KEYS = ['search', 'maxAge', 'fallback'] as const satisfies readonly (keyof MirrorOptions)[];

/** Where one request goes. */
export interface Route {
  ranker: Ranker;
  /** As the ranker is to see them. */
  options: CheckedOptions;
  /** Payloads that the database is asked for when hits are known. */
  payloads: PayloadSelector;
  /** Its part in `stats.mirror`; undefined of a search whose mirror only has vectors. */
  told: Partial<MirrorStats> | undefined;
}

/** Hits whose payloads are to come from the database, and where that is told. */
export interface WithoutPayload {
  hits: readonly Hit[];
  route: Route;
  stats: SearchStats;
}
