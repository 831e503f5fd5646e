/** In place of own-query.ts in browsers and on the edge, where searches take the steps that all share, and the code is smaller. */
import type { HeadAnswer } from '../query/source/source.js';

export function offerNearest(
  _source: unknown,
  _index: unknown,
  _info: unknown,
  _guarded: (work: () => Promise<HeadAnswer>) => Promise<HeadAnswer>,
): void {}
