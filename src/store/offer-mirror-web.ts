/** In place of offer-mirror.ts in browsers and on the edge, where search: 'mirror' is refused: query/mirror-search-web.ts says so. */

export function offerAsMirror(_index: unknown): void {}
