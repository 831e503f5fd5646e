/** Names the request of a batch that a failure belongs to. */
import type { Sliced } from '../core/slices.js';
import { inContext } from '../funnel/funnel.js';

/** Where a failure is to be placed: `requests[3]`; undefined for a request of its own. */
export type PlaceName = ((i: number) => string) | undefined;

/** Runs a part of request `i`: what it throws is told with the request's name. */
export function at<T>(named: PlaceName, i: number, run: () => T): T {
  return named === undefined ? run() : inContext(named(i), run);
}

/** The same for what ends later. */
export function placing<T>(named: PlaceName, i: number, run: () => Promise<T>): Promise<T> {
  return named === undefined ? run() : placedLater(named, i, run);
}

async function placedLater<T>(named: PlaceName, i: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    return at(named, i, () => {
      throw error;
    });
  }
}

/** The same for what is done in slices. */
export function* inSliced<T>(named: PlaceName, i: number, work: Sliced<T>): Sliced<T> {
  try {
    return yield* work;
  } catch (error) {
    return at(named, i, () => {
      throw error;
    });
  }
}
