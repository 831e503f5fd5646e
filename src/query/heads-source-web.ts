/** In place of heads-source.ts in browsers and on the edge. */
import { FunnelError } from '../core/errors.js';
import type { Source } from './source/source.js';

/** @throws FunnelError UNSUPPORTED */
export function withFullOf(source: Source, _mirror: unknown): Source {
  if (!source.headsOnly) return source;
  throw new FunnelError('UNSUPPORTED', `Expected Node.js for ${source.name}, which has heads alone and needs a mirror`);
}
