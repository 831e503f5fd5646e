/** In place of mirror-search.ts in browsers and on the edge: an index that is shipped there is asked itself. */
import { expected, FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import type { MirrorOptions, Route } from './mirror-options.js';

/** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
export function checkMirrorOptions({ search, ...others }: MirrorOptions, _mirror: unknown): void {
  if (search === 'mirror') throw ofNode();
  if (search !== undefined && search !== 'source') throw expected('BAD_ARGUMENT', "'source'", 'search', search);
  for (const key of ['maxAge', 'fallback'] as const) {
    const value = others[key];
    if (value !== undefined) throw expected('BAD_ARGUMENT', "nothing without search: 'mirror'", key, value);
  }
}

export function checkMirrorStages(_stages: unknown): void {}

export class MirrorSearch {
  /** @throws FunnelError UNSUPPORTED */
  constructor(..._given: unknown[]) {
    throw ofNode();
  }

  route(..._asked: unknown[]): Route {
    throw ofNode();
  }
}

export function tellMirror(..._told: unknown[]): void {}

export async function addFromSource(..._asked: unknown[]): Promise<Set<Id>> {
  return new Set();
}

function ofNode(): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    "Expected Node.js for search: 'mirror': here, ask the index that is the mirror",
  );
}
