/** In place of own-query.ts in browsers and on the edge, where searches take the steps that all share, and the code is smaller. */

export function offerNearest(..._given: readonly unknown[]): void {}
