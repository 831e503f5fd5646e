/** In place of own-query.ts in browsers and on the edge, where no source has a query of its own. */
import type { HeadAnswer, PayloadSelection, SourceInfo } from './source.js';

export interface OwnQuery {
  info(): SourceInfo;
  nearest(vector: unknown, count: number, candidates: number, withPayload: PayloadSelection): Promise<HeadAnswer>;
}

export function ownQueryOf(_source: unknown): OwnQuery | undefined {
  return undefined;
}
