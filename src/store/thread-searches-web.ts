/** In place of thread-searches.ts in browsers and on the edge, where an index has no threads. */

/** Nobody calls it. */
export function searchBesideThreads(..._asked: unknown[]): never {
  throw new Error('there are no threads here');
}
