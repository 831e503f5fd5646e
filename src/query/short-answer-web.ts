/** In place of short-answer.ts in browsers and on the edge, where neither mirrors nor sources have a query of their own. */

export function infoFor(..._asked: unknown[]): undefined {}

export function shortResults(..._asked: unknown[]): undefined {}
