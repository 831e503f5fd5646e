/** In place of follow-changes.ts in browsers and on the edge, where payloads do not change in place and nobody else writes. */
import type { State } from './state.js';

export function followChanges(..._asked: unknown[]): void {}

/** There are none. */
export function editsOf(..._asked: unknown[]): undefined {}

/** There are none. */
export function lacksChanges(..._asked: unknown[]): boolean {
  return false;
}

/** Nothing is. */
export function withoutStale(state: State): State {
  return state;
}
