/** In place of own-query.ts in browsers and on the edge, where no source has a query of its own. */
import type { NearestRequest } from './nearest.js';
import type { HeadAnswer, SourceInfo } from './source.js';

export interface OwnQuery {
  info(): SourceInfo;
  nearest(request: NearestRequest): Promise<HeadAnswer>;
}

export function ownQueryOf(_source: unknown): OwnQuery | undefined {
  return undefined;
}
