/** In place of offer-mirror.ts in browsers and on the edge, where query/mirror-search-web.ts refuses search: 'mirror'. */

export function offerAsMirror(_index: unknown): void {}
