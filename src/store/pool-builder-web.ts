/** In place of pool-builder.ts in browsers and on the edge, where an index has no threads. */

/** Nobody calls it. */
export function buildWith(..._asked: unknown[]): never {
  throw new Error('there are no threads here');
}

export const extendWith = buildWith;
