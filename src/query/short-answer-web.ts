/** In place of short-answer.ts in browsers and on the edge, where neither mirrors nor sources have a query of their own. */
import type { SearchResult } from './result.js';

export function shortAnswer(..._asked: unknown[]): Promise<SearchResult> | undefined {
  return undefined;
}
